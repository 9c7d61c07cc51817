import CPlatform
import Testing

@Suite struct CopyTests {
  /// Copies with every table, also the reference, and compares with an element by element walk.
  private func check(_ dims: [Int], x: [Int], y: [Int], xOffset: Int = 0, yOffset: Int = 0, bytes size: Int) {
    func extent(_ strides: [Int]) -> Int { 1 + zip(dims, strides).reduce(0) { $0 + ($1.0 - 1) * $1.1 } }
    var random = SeededRandom(UInt64(size))
    let source = random.bytes((xOffset + extent(x)) * size)
    let outputBytes = (yOffset + extent(y)) * size
    var expected = [UInt8](repeating: TestMemory.fill, count: outputBytes)
    for index in 0..<dims.reduce(1, *) {
      var rest = index, p = xOffset, q = yOffset
      for axis in dims.indices.reversed() {
        p += rest % dims[axis] * x[axis]
        q += rest % dims[axis] * y[axis]
        rest /= dims[axis]
      }
      for byte in 0..<size { expected[q * size + byte] = source[p * size + byte] }
    }
    for table in availableTables {
      guard let kernel = table.kernel(EK_COPY) else { continue }
      let actual = withTestMemory { memory in
        var args = ek_copy()
        args.x = memory.input(source)
        args.rank = Int32(dims.count)
        args.element_bytes = Int32(size)
        args.x_offset = Int64(xOffset)
        args.y_offset = Int64(yOffset)
        func put(_ values: [Int], _ field: WritableKeyPath<ek_copy, (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64)>) {
          withUnsafeMutableBytes(of: &args[keyPath: field]) { raw in
            for (i, v) in values.enumerated() { raw.storeBytes(of: Int64(v), toByteOffset: i * 8, as: Int64.self) }
          }
        }
        put(dims, \.dims)
        put(x, \.x_stride)
        put(y, \.y_stride)
        return memory.outputOfAnyPartition(of: kernel, bytes: outputBytes) { y in
          var c = args
          c.y = y
          return c
        }
      }
      #expect(actual == expected, "\(String(cString: kernel.name)) \(dims) \(x) -> \(y), \(size) bytes")
    }
  }

  @Test(arguments: [1, 2, 4, 8]) func shapes(_ size: Int) {
    check([], x: [], y: [], bytes: size)
    check([1, 1], x: [5, 7], y: [3, 2], bytes: size)
    check([9000], x: [1], y: [1], xOffset: 3, yOffset: 5, bytes: size)
    check([3, 40], x: [50, 1], y: [40, 1], bytes: size)                 // slice
    check([3, 40], x: [40, 1], y: [64, 1], yOffset: 7, bytes: size)     // into a concatenation
    check([40, 5], x: [1, 0], y: [5, 1], bytes: size)                   // expand
    check([6, 5], x: [10, 2], y: [5, 1], bytes: size)                   // steps
    check([2, 3, 4, 5], x: [60, 20, 5, 1], y: [60, 20, 5, 1], bytes: size)
    for (c, h, w) in [(3, 7, 9), (16, 8, 8), (17, 33, 5), (40, 1, 31), (1, 6, 6), (64, 16, 17)] {
      let n = 2
      check([n, h, w, c], x: [c * h * w, w, 1, h * w], y: [h * w * c, w * c, c, 1], bytes: size)  // NCHW -> NHWC
      check([n, c, h, w], x: [c * h * w, 1, w * c, c], y: [h * w * c, h * w, w, 1], bytes: size)  // NHWC -> NCHW
      check([n, c, h, w], x: [c * h * w, 1, w * c, c], y: [h * w * c * 2, h * w, w, 1], bytes: size)
      check([w, h, c], x: [1, w, h * w], y: [h * c, c, 1], bytes: size)                           // reversed axes
    }
  }
}
