import CPlatform
import Testing

@Suite struct F32ElementwiseTests {
  // MARK: Binary

  private func check(
    _ function: Int, _ dims: [Int], a: [Int], b: [Int], clamp: ClosedRange<Float> = -.infinity ... .infinity
  ) {
    func extent(_ strides: [Int]) -> Int { 1 + zip(dims, strides).reduce(0) { $0 + ($1.0 - 1) * $1.1 } }
    var random = SeededRandom(UInt64(function + 1))
    var p = random.floats(extent(a), -3...3), q = random.floats(extent(b), -3...3)
    for (i, v) in [Float.nan, .infinity, -.infinity, 0, -0.0].enumerated() {
      if p.count > 40 { p[i * 7] = v }
      if q.count > 40 { q[i * 8] = v }
    }
    let count = dims.reduce(1, *)
    func call(_ kernel: ek_kernel) -> [Float] {
      withTestMemory { memory in
        var args = ek_binary()
        args.a = memory.input(p)
        args.b = memory.input(q)
        args.rank = Int32(dims.count)
        args.end = Int64(count)
        args.function = Int32(function)
        func put(_ values: [Int], _ field: WritableKeyPath<ek_binary, (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64)>) {
          withUnsafeMutableBytes(of: &args[keyPath: field]) { raw in
            for (i, v) in values.enumerated() { raw.storeBytes(of: Int64(v), toByteOffset: i * 8, as: Int64.self) }
          }
        }
        put(dims, \.dims)
        put(a, \.a_stride)
        put(b, \.b_stride)
        args.clamp_min = clamp.lowerBound
        args.clamp_max = clamp.upperBound
        return elements(
          memory.outputOfAnyPartition(of: kernel, bytes: 4 * count, misalignment: 4) { y in
            var c = args
            c.y = y
            return c
          })
      }
    }
    let expected = call(reference(EK_BINARY_F32))
    for table in simdTables {
      guard let kernel = table.kernel(EK_BINARY_F32) else { continue }
      expectClose(call(kernel), expected, "\(table.isa) binary \(function) \(dims) \(a) \(b)") { _ in 0 }
    }
  }

  /// One operation of IEEE arithmetic: every value is the reference's.
  @Test(arguments: Array(0..<EK_BINARY_COUNT) + [EK_BINARY_GATE]) func binary(_ function: Int) {
    for n in [1, 3, 8, 15, 16, 17, 33, 4095, 4096, 4097, 9000] {
      check(function, [n], a: [1], b: [1])
      check(function, [n], a: [1], b: [0], clamp: -1...1)
      check(function, [n], a: [0], b: [1])
      check(function, [n], a: [2], b: [3])
    }
    check(function, [2, 9, 17], a: [9 * 17, 17, 1], b: [0, 0, 1])        // channels
    check(function, [2, 9, 17], a: [9 * 17, 17, 1], b: [17, 0, 1])       // a gate for each image
    check(function, [3, 5, 40], a: [200, 40, 1], b: [5, 1, 0])           // a value for each pixel
    check(function, [3, 70, 2, 5], a: [700, 10, 5, 1], b: [700, 10, 5, 1])
    check(function, [4, 6, 5], a: [1, 4, 24], b: [30, 5, 1])             // transposed
    check(function, [1, 1, 1], a: [0, 0, 0], b: [0, 0, 0])
    check(function, [], a: [], b: [])
  }

  // MARK: Unary

  private func values(_ kernel: ek_kernel, _ function: Int, _ x: [Float], _ alpha: Float, _ beta: Float) -> [Float] {
    withTestMemory { memory in
      var args = ek_unary()
      args.x = memory.input(x)
      args.count = Int64(x.count)
      args.function = Int32(function)
      args.alpha = alpha
      args.beta = beta
      return elements(
        memory.outputOfAnyPartition(of: kernel, bytes: 4 * x.count, misalignment: 4) { y in
          var c = args
          c.y = y
          return c
        })
    }
  }

  /// Exact where IEEE arithmetic is, else 4 ulp of the reference. The GELUs subtract nearly equal terms on the left
  /// and are bounded there by 2^-22 |x|.
  @Test(arguments: Array(0..<EK_UNARY_COUNT) + [EK_UNARY_BFLOAT16]) func unary(_ function: Int) {
    var random = SeededRandom(UInt64(function))
    var x: [Float] = [0, -0.0, 1, -1, 0.5, -0.5, 0.625, .infinity, -.infinity, .nan, 1e-30, -1e-30, 1e-40, -1e-40, 3e38, -3e38,
      88.7, 88.8, -87.3, -88, -103, -104, -150, 2.5, 3.5, -2.5, 8388607.5, 8388608, 16777217, 0.49999997, -0.49999997, 4, -4]
    for range: ClosedRange<Float> in [-1...1, -10...10, -100...100, -1e-3...1e-3, -1e6...1e6] {
      x += random.floats(1500, range)
    }
    let exact = [
      EK_UNARY_CLAMP, EK_UNARY_LEAKY_RELU, EK_UNARY_HARD_SIGMOID, EK_UNARY_HARD_SWISH, EK_UNARY_SOFTSIGN,
      EK_UNARY_THRESHOLDED_RELU, EK_UNARY_SQRT, EK_UNARY_RECIPROCAL, EK_UNARY_ABS, EK_UNARY_NEGATE, EK_UNARY_FLOOR,
      EK_UNARY_CEIL, EK_UNARY_ROUND, EK_UNARY_SIGN, EK_UNARY_BFLOAT16,
    ].contains(function)
    for (alpha, beta) in [(Float(0.2), Float(0.5)), (1.67, 1.05)] {
      let expected = values(reference(EK_UNARY_F32), function, x, alpha, beta)
      for table in simdTables {
        guard let kernel = table.kernel(EK_UNARY_F32) else { continue }
        let actual = values(kernel, function, x, alpha, beta)
        var worst: Int64 = 0, at = 0
        for i in x.indices {
          if expected[i] == actual[i] { continue }
          if [EK_UNARY_GELU, EK_UNARY_GELU_TANH].contains(function), abs(actual[i] - expected[i]) <= 0x1p-22 * abs(x[i]) {
            continue
          }
          // The factor that x multiplies is subnormal: one step of it.
          if [EK_UNARY_SILU, EK_UNARY_MISH].contains(function), abs(actual[i] - expected[i]) <= 0x1p-149 * abs(x[i]) {
            continue
          }
          let distance = ulpDistance(expected[i], actual[i])
          if distance > worst { worst = distance; at = i }
        }
        #expect(
          worst <= (exact ? 0 : 4),
          "\(table.isa) unary \(function)(\(x[at]), \(alpha), \(beta)): \(actual[at]), reference \(expected[at])")
      }
    }
  }

  @Test func unaryTails() {
    for count in [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 4096, 4097] {
      var random = SeededRandom(3)
      let x = random.floats(count)
      for table in simdTables {
        guard let kernel = table.kernel(EK_UNARY_F32) else { continue }
        #expect(values(kernel, EK_UNARY_ABS, x, 0, 0) == x.map { abs($0) })
      }
    }
  }
}
