import CPlatform
import Testing

@Suite struct U8ElementwiseTests {
  @Test(arguments: baseTables) func arePresent(_ table: KernelTable) {
    for operation in [EK_BINARY_U8, EK_LOOKUP_U8, EK_QUANTIZE, EK_DEQUANTIZE] {
      #expect(table.kernel(operation) != nil)
    }
  }

  private static let counts = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 4095, 4096, 4097, 20000]

  /// Fills dims and strides of shape `dims` for operands whose axes are whole, or 1 where `broadcast` says so.
  private func binary(_ dims: [Int], _ broadcastA: Set<Int>, _ broadcastB: Set<Int>) -> (ek_binary, a: Int, b: Int) {
    var result = ek_binary()
    result.rank = Int32(dims.count)
    result.end = Int64(dims.reduce(1, *))
    func strides(_ broadcast: Set<Int>, _ put: (Int, Int64) -> Void) -> Int {
      var step = 1
      for axis in dims.indices.reversed() {
        if broadcast.contains(axis) { put(axis, 0) } else { put(axis, Int64(step)); step *= dims[axis] }
      }
      return step
    }
    func pointer<T>(_ field: inout T) -> UnsafeMutablePointer<Int64> {
      withUnsafeMutablePointer(to: &field) { UnsafeMutableRawPointer($0).assumingMemoryBound(to: Int64.self) }
    }
    let d = pointer(&result.dims), p = pointer(&result.a_stride), q = pointer(&result.b_stride)
    for axis in dims.indices { d[axis] = Int64(dims[axis]) }
    let a = strides(broadcastA) { p[$0] = $1 }, b = strides(broadcastB) { q[$0] = $1 }
    return (result, a, b)
  }

  private func check(
    _ function: Int, _ dims: [Int], _ broadcastA: Set<Int> = [], _ broadcastB: Set<Int> = [], _ random: inout SeededRandom
  ) {
    var (arguments, aCount, bCount) = binary(dims, broadcastA, broadcastB)
    let a = random.bytes(aCount), b = random.bytes(bCount)
    arguments.function = Int32(function)
    // Powers of two make ties and exact zero divisors likely; a ratio of two with other scales makes results that
    // one rounding more or less moves across a tie.
    let kind = random.int(0...2)
    let step = random.float(0.01...0.2)
    func quant(_ ratio: Float) -> ek_quant {
      ek_quant(
        scale: kind == 0 ? [0.25, 0.5, 0.125][random.int(0...2)] : kind == 1 ? step * ratio : random.float(0.01...0.2),
        zero_point: Int32([0, 255, 128, random.int(0...255)][random.int(0...3)]))
    }
    arguments.a_quant = quant(1)
    arguments.b_quant = quant(1)
    arguments.y_quant = quant(2)
    arguments.q_min = Int32(random.int(0...1) * random.int(0...100))
    arguments.q_max = 255 - Int32(random.int(0...1) * random.int(0...100))
    checkU8(EK_BINARY_U8, bytes: dims.reduce(1, *), "function \(function) \(dims) \(broadcastA) \(broadcastB)") {
      memory, y in
      var copy = arguments
      copy.a = memory.input(a)
      copy.b = memory.input(b)
      copy.y = y
      return copy
    }
  }

  @Test(arguments: 0..<Int(EK_BINARY_COUNT))
  func binaryFunctions(function: Int) {
    var random = SeededRandom(UInt64(function))
    for count in Self.counts where count > 0 {
      check(function, [count], [], [], &random)
      check(function, [count], [0], [], &random)
      check(function, [count], [], [0], &random)
    }
    for _ in 0..<8 { check(function, [5000], [], [], &random) }
  }

  @Test(arguments: [EK_BINARY_ADD, EK_BINARY_MULTIPLY, EK_BINARY_SUBTRACT, EK_BINARY_POWER])
  func broadcasting(function: Int) {
    var random = SeededRandom(99 + UInt64(function))
    for dims in [[2, 3, 5, 24], [1, 7, 7, 100], [4, 1, 33], [3, 4, 5, 2, 3], [2, 4100]] {
      for mask in 0..<1 << dims.count {
        let axes = Set(dims.indices.filter { mask >> $0 & 1 == 1 })
        check(function, dims, [], axes, &random)
        check(function, dims, axes, Set(dims.indices).subtracting(axes), &random)
      }
    }
    check(function, [], [], [], &random)
  }

  @Test func lookup() {
    var random = SeededRandom(3)
    let table = random.bytes(256)
    for count in Self.counts {
      let x = random.bytes(count)
      checkU8(EK_LOOKUP_U8, bytes: count, "\(count)") { memory, y in
        ek_lookup(x: memory.input(x), table: memory.input(table), y: y, count: Int64(count))
      }
    }
  }

  /// Also ties, infinities, NaN and values beyond Int32.
  @Test func quantize() {
    var random = SeededRandom(4)
    let special: [Float] = [.nan, .infinity, -.infinity, -0.0, 0, 1e38, -1e38, 3e9, -3e9, .leastNonzeroMagnitude]
    for count in Self.counts {
      for (scale, zero) in [(0.5, 0), (0.5, 255), (0.037, 128), (1e-30, 3), (3e4, 17)] as [(Float, Int32)] {
        let x = (0..<count).map { i in
          i % 7 == 3 ? special[random.int(0...special.count - 1)] : Float(random.int(-300...300)) * scale / 2
        }
        checkU8(EK_QUANTIZE, bytes: count, "\(count) scale \(scale) zero \(zero)") { memory, y in
          ek_quantize(x: memory.input(x), y: y, count: Int64(count), pixels: Int64(count), scale: scale, zero_point: zero, planes: 1)
        }
      }
    }
  }

  /// Pictures of three planes become pixels.
  @Test func quantizePixels() {
    var random = SeededRandom(6)
    for pixels in Self.counts where pixels > 0 {
      for pictures in 1...3 {
        let x = (0..<3 * pictures * pixels).map { _ in Float(random.int(-300...300)) * 0.25 }
        checkU8(EK_QUANTIZE, bytes: x.count, "\(pictures) of \(pixels)") { memory, y in
          ek_quantize(x: memory.input(x), y: y, count: Int64(x.count), pixels: Int64(pixels), scale: 0.5, zero_point: 100, planes: 3)
        }
      }
    }
  }

  @Test func dequantize() {
    var random = SeededRandom(5)
    for count in Self.counts {
      let x = random.bytes(count)
      for zero in [0, 7, 255] as [Int32] {
        checkU8(EK_DEQUANTIZE, bytes: 4 * count, "\(count) zero \(zero)") { memory, y in
          ek_quantize(x: memory.input(x), y: y, count: Int64(count), pixels: 0, scale: 0.0123, zero_point: zero, planes: 0)
        }
      }
    }
  }
}
