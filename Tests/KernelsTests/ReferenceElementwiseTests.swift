import CPlatform
import Foundation
import Testing

private let specials: [Float] = [
  0, -0.0, 1, -1, 0.5, -0.5, 1.5, 2.5, -1.5, -2.5, .infinity, -.infinity, .nan, .leastNonzeroMagnitude,
  -.leastNonzeroMagnitude, .leastNormalMagnitude, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, 8388607.5, 8388608,
  -8388607.5, 16777216, 0x1p-30, -0x1p-30, 88.7, 88.8, -103.9, -104.1, 20, -20,
]

private func unary(_ function: Int, _ x: [Float], _ alpha: Float, _ beta: Float) -> [Float] {
  elements(
    withTestMemory { memory in
      var a = ek_unary()
      a.x = memory.input(x)
      (a.count, a.function, a.alpha, a.beta) = (Int64(x.count), Int32(function), alpha, beta)
      return memory.outputOfAnyPartition(of: reference(EK_UNARY_F32), bytes: x.count * 4) { y in
        a.y = y
        return a
      }
    })
}

/// The header's formulas in Double with the C library's functions, in forms that keep digits.
private func unaryFormula(_ function: Int, _ x: Double, _ alpha: Double, _ beta: Double) -> Double {
  func clamp(_ v: Double, _ low: Double, _ high: Double) -> Double { v.isNaN ? v : min(max(v, low), high) }
  func sigmoid(_ v: Double) -> Double { 1 / (1 + exp(-v)) }
  func softplus(_ v: Double) -> Double { v > 0 ? v + log1p(exp(-v)) : log1p(exp(v)) }
  switch function {
  case EK_UNARY_CLAMP: return clamp(x, alpha, beta)
  case EK_UNARY_LEAKY_RELU: return x < 0 ? alpha * x : x
  case EK_UNARY_SIGMOID: return sigmoid(x)
  case EK_UNARY_TANH: return tanh(x)
  case EK_UNARY_HARD_SIGMOID: return clamp(alpha * x + beta, 0, 1)
  case EK_UNARY_HARD_SWISH: return x * clamp(x / 6 + 0.5, 0, 1)
  case EK_UNARY_SILU: return x * sigmoid(x)
  case EK_UNARY_GELU: return x / 2 * erfc(-x / 2.0.squareRoot())
  case EK_UNARY_GELU_TANH: return x * sigmoid(2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x))
  case EK_UNARY_ELU: return x < 0 ? alpha * expm1(x) : x
  case EK_UNARY_SELU: return beta * (x < 0 ? alpha * expm1(x) : x)
  case EK_UNARY_CELU: return x.isNaN ? x : max(0, x) + min(0, alpha * expm1(x / alpha))
  case EK_UNARY_SOFTPLUS: return softplus(x)
  case EK_UNARY_SOFTSIGN: return x / (1 + abs(x))
  case EK_UNARY_MISH: return x * tanh(softplus(x))
  case EK_UNARY_THRESHOLDED_RELU: return x.isNaN || x > alpha ? x : 0
  case EK_UNARY_ERF: return erf(x)
  case EK_UNARY_EXP: return exp(x)
  case EK_UNARY_LOG: return log(x)
  case EK_UNARY_SQRT: return sqrt(x)
  case EK_UNARY_RECIPROCAL: return 1 / x
  case EK_UNARY_ABS: return abs(x)
  case EK_UNARY_NEGATE: return -x
  case EK_UNARY_FLOOR: return floor(x)
  case EK_UNARY_CEIL: return ceil(x)
  case EK_UNARY_ROUND: return x.rounded(.toNearestOrEven)
  default: return x > 0 ? 1 : x < 0 ? -1 : x
  }
}

private let binaryShapes: [(dims: [Int], a: [Int], b: [Int])] = [
  ([2, 3, 4], [12, 4, 1], [12, 4, 1]), ([2, 3, 4], [12, 4, 1], [0, 0, 1]), ([2, 3, 4], [0, 4, 0], [4, 0, 1]),
  ([2, 3, 4], [12, 4, 1], [0, 0, 0]), ([5], [1], [0]), ([], [], []), ([3, 0, 2], [0, 2, 1], [0, 2, 1]),
  ([3, 5], [1, 3], [5, 1]), ([2, 1, 3, 1, 2, 1, 2, 2], [24, 24, 8, 8, 4, 4, 2, 1], [0, 0, 4, 4, 0, 0, 2, 1]),
  ([3, 41, 100], [4100, 100, 1], [0, 100, 0]), ([9000], [1], [1]),
]

private func extent(_ dims: [Int], _ strides: [Int]) -> Int {
  dims.contains(0) ? 0 : zip(dims, strides).reduce(1) { $0 + ($1.0 - 1) * $1.1 }
}

private func binaryFormula(_ function: Int, _ a: Double, _ b: Double) -> Double {
  switch function {
  case EK_BINARY_ADD: return a + b
  case EK_BINARY_SUBTRACT: return a - b
  case EK_BINARY_MULTIPLY: return a * b
  case EK_BINARY_DIVIDE: return a / b
  case EK_BINARY_MINIMUM: return a.isNaN || b.isNaN ? .nan : min(a, b)
  case EK_BINARY_MAXIMUM: return a.isNaN || b.isNaN ? .nan : max(a, b)
  case EK_BINARY_POWER: return pow(a, b)
  default: return a < 0 ? a * b : a
  }
}

@Suite struct ReferenceElementwiseTests {
  @Test(arguments: 0..<EK_UNARY_COUNT) func unaryFunction(_ function: Int) {
    var random = SeededRandom(UInt64(function))
    let (alpha, beta): (Float, Float) =
      switch function {
      case EK_UNARY_CLAMP: (-0.75, 6)
      case EK_UNARY_HARD_SIGMOID: (0.2, 0.5)
      case EK_UNARY_SELU: (1.6732632, 1.0507010)
      default: (0.31, 0)
      }
    let x = specials + random.floats(3000, -10...10) + random.floats(2000, -120...120) + random.floats(500, -1e-3...1e-3)
      + (0..<3000).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: random.next())) }
    let y = unary(function, x, alpha, beta)
    // One rounding of the whole; the float-only formulas round at every step, and hard sigmoid cancels.
    let steps: Int64 =
      [EK_UNARY_HARD_SIGMOID, EK_UNARY_HARD_SWISH, EK_UNARY_SOFTSIGN].contains(function) ? 2 : 1
    for (x, y) in zip(x, y) {
      let want = unaryFormula(function, Double(x), Double(alpha), Double(beta))
      let isClose =
        ulpDistance(y, Float(want)) <= steps
        || [EK_UNARY_HARD_SIGMOID, EK_UNARY_HARD_SWISH].contains(function) && abs(Double(y) - want) <= 0x1p-23 * abs(Double(x))
      #expect(isClose, "f(\(x)) = \(y), expected \(want)")
      if x == 0 && want == 0 && function != EK_UNARY_CLAMP && function != EK_UNARY_THRESHOLDED_RELU && function != EK_UNARY_CELU {
        #expect(y.sign == (want.sign), "sign of zero at \(x)")
      }
    }
  }

  @Test func unaryRunsInPlaceAndOnNothing() {
    #expect(unary(EK_UNARY_EXP, [], 0, 0) == [])
    let x: [Float] = [-1, 2, -3]
    var a = ek_unary()
    (a.count, a.function) = (3, Int32(EK_UNARY_ABS))
    let y: [Float] = elements(
      withTestMemory { memory in
        memory.output(of: reference(EK_UNARY_F32), bytes: 12, initial: bytes(of: x)) { y in
          a.x = UnsafeRawPointer(y)
          a.y = y
          return a
        }
      })
    #expect(y == [1, 2, 3])
  }

  @Test(arguments: 0..<EK_BINARY_COUNT) func binaryFloat(_ function: Int) {
    for (index, shape) in binaryShapes.enumerated() {
      var random = SeededRandom(UInt64(index))
      var a = random.floats(extent(shape.dims, shape.a), -3...3)
      var b = random.floats(extent(shape.dims, shape.b), -3...3)
      if shape.dims == [9000] {
        // Every pair of special values.
        for (i, pair) in specials.flatMap({ p in specials.map { (p, $0) } }).enumerated() { (a[i], b[i]) = pair }
      }
      for clamp: ClosedRange<Float> in [-Float.infinity...Float.infinity, 0...1.5] {
        let count = shape.dims.reduce(1, *)
        let y: [Float] = elements(
          withTestMemory { memory in
            var args = ek_binary()
            (args.a, args.b) = (memory.input(a), memory.input(b))
            (args.rank, args.function, args.end) = (Int32(shape.dims.count), Int32(function), Int64(shape.dims.reduce(1, *)))
            (args.dims, args.a_stride, args.b_stride) = (tuple8(shape.dims), tuple8(shape.a), tuple8(shape.b))
            (args.clamp_min, args.clamp_max) = (clamp.lowerBound, clamp.upperBound)
            return memory.outputOfAnyPartition(of: reference(EK_BINARY_F32), bytes: count * 4) { y in
              args.y = y
              return args
            }
          })
        for (i, at) in coordinates(shape.dims).enumerated() {
          let p = a[zip(at, shape.a).reduce(0) { $0 + $1.0 * $1.1 }]
          let q = b[zip(at, shape.b).reduce(0) { $0 + $1.0 * $1.1 }]
          var want = Float(binaryFormula(function, Double(p), Double(q)))
          if want < clamp.lowerBound { want = clamp.lowerBound } else if want > clamp.upperBound { want = clamp.upperBound }
          let isZero = y[i] == 0 && want == 0
          let isClose = isZero || ulpDistance(y[i], want) <= (function == EK_BINARY_POWER ? 1 : 0)
          #expect(isClose, "f(\(p), \(q)) = \(y[i]), expected \(want)")
        }
      }
    }
  }

  @Test(arguments: 0..<EK_BINARY_COUNT) func binaryInteger(_ function: Int) {
    for (index, shape) in binaryShapes.enumerated() {
      var random = SeededRandom(UInt64(index))
      let a = random.bytes(extent(shape.dims, shape.a))
      let b = random.bytes(extent(shape.dims, shape.b))
      for range in [0...255, 77...180] {
        let bytes = withTestMemory { memory in
          var args = ek_binary()
          (args.a, args.b) = (memory.input(a), memory.input(b))
          (args.rank, args.function, args.end) = (Int32(shape.dims.count), Int32(function), Int64(shape.dims.reduce(1, *)))
          (args.dims, args.a_stride, args.b_stride) = (tuple8(shape.dims), tuple8(shape.a), tuple8(shape.b))
          args.a_quant = ek_quant(scale: 0.013, zero_point: 100)
          args.b_quant = ek_quant(scale: 0.021, zero_point: 140)
          args.y_quant = ek_quant(scale: 0.027, zero_point: 77)
          (args.q_min, args.q_max) = (Int32(range.lowerBound), Int32(range.upperBound))
          return memory.outputOfAnyPartition(of: reference(EK_BINARY_U8), bytes: shape.dims.reduce(1, *)) { y in
            args.y = y
            return args
          }
        }
        for (i, at) in coordinates(shape.dims).enumerated() {
          let p = Float(Int(a[zip(at, shape.a).reduce(0) { $0 + $1.0 * $1.1 }]) - 100) * 0.013
          let q = Float(Int(b[zip(at, shape.b).reduce(0) { $0 + $1.0 * $1.1 }]) - 140) * 0.021
          // The four operations round once to Float, and Double carries enough digits to round to the same.
          let v = Float(binaryFormula(function, Double(p), Double(q)))
          let t = v.isNaN ? 0 : v * (1 / Float(0.027))
          #expect(bytes[i] == expectedByte(t.isNaN ? 0 : t, 77, range), "f(\(p), \(q))")
        }
      }
    }
  }

  @Test func lookup() {
    var random = SeededRandom(9)
    let table = random.bytes(256)
    for count in [0, 1, 255, 9001] {
      let x = random.bytes(count)
      let bytes = withTestMemory { memory in
        var a = ek_lookup()
        (a.x, a.table, a.count) = (memory.input(x), memory.input(table), Int64(count))
        return memory.outputOfAnyPartition(of: reference(EK_LOOKUP_U8), bytes: count) { y in
          a.y = y
          return a
        }
      }
      #expect(bytes == x.map { table[Int($0)] })
    }
  }

  @Test(arguments: [(Float(0.05), 128), (0.5, 0), (1, 255), (0.0078, 3)]) func quantize(_ scale: Float, _ zero: Int) {
    var random = SeededRandom(10)
    let x =
      specials + (-700...700).map { Float($0) * scale * 0.5 } + random.floats(8000, -300 * scale...300 * scale)
    let bytes = withTestMemory { memory in
      var a = ek_quantize()
      (a.x, a.count, a.scale, a.zero_point) = (memory.input(x), Int64(x.count), scale, Int32(zero))
      (a.pixels, a.planes) = (a.count, 1)
      return memory.outputOfAnyPartition(of: reference(EK_QUANTIZE), bytes: x.count) { y in
        a.y = y
        return a
      }
    }
    for (x, byte) in zip(x, bytes) {
      #expect(byte == (x.isNaN ? UInt8(zero) : expectedByte(x * (1 / scale), zero)), "\(x)")
    }
  }

  /// Three planes of each picture become pixels.
  @Test func quantizePixels() {
    let x = (0..<24).map { Float($0) }
    let bytes = withTestMemory { memory in
      var a = ek_quantize()
      (a.x, a.count, a.pixels, a.planes, a.scale) = (memory.input(x), 24, 4, 3, 1)
      return memory.outputOfAnyPartition(of: reference(EK_QUANTIZE), bytes: 24) { y in
        a.y = y
        return a
      }
    }
    #expect(bytes == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, 12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23])
  }

  @Test func dequantize() {
    let x = (0...255).map { UInt8($0) }
    let y: [Float] = elements(
      withTestMemory { memory in
        var a = ek_quantize()
        (a.x, a.count, a.scale, a.zero_point) = (memory.input(x), 256, 0.037, 91)
        return memory.outputOfAnyPartition(of: reference(EK_DEQUANTIZE), bytes: 1024) { y in
          a.y = y
          return a
        }
      })
    for i in 0...255 { #expect(y[i] == Float(i - 91) * 0.037) }
  }
}
