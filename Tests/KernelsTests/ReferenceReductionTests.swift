import CPlatform
import Foundation
import Testing

private struct MatmulShape {
  var batch = 2, m = 3, n = 4, k = 5
  var aTransposed = false, bTransposed = false, bShared = false
}

private let matmulShapes: [MatmulShape] = [
  MatmulShape(), MatmulShape(batch: 1, m: 1, n: 1, k: 1), MatmulShape(aTransposed: true, bTransposed: true),
  MatmulShape(batch: 3, m: 7, n: 5, k: 33, bTransposed: true, bShared: true), MatmulShape(batch: 0), MatmulShape(m: 0),
  MatmulShape(n: 0), MatmulShape(k: 0), MatmulShape(batch: 1, m: 1, n: 17, k: 64),
]

/// Arguments whose operands are dense in their stored (perhaps transposed) order.
private func matmulArguments(_ s: MatmulShape) -> ek_matmul {
  var a = ek_matmul()
  (a.batch, a.m, a.n, a.k) = (Int64(s.batch), Int64(s.m), Int64(s.n), Int64(s.k))
  a.a_batch_stride = Int64(s.m * s.k)
  (a.a_row_stride, a.a_column_stride) = s.aTransposed ? (1, Int64(s.m)) : (Int64(s.k), 1)
  a.b_batch_stride = s.bShared ? 0 : Int64(s.k * s.n)
  (a.b_row_stride, a.b_column_stride) = s.bTransposed ? (1, Int64(s.k)) : (Int64(s.n), 1)
  (a.inner_batch, a.y_batch_stride, a.y_row_stride) = (max(1, a.batch), Int64(s.m * s.n), Int64(s.n))
  (a.clamp_min, a.clamp_max) = (-.infinity, .infinity)
  return a
}

/// Adds up the products with k outermost: (index in y, index in a, index in b).
private func forEachProduct(_ s: MatmulShape, _ body: (Int, Int, Int) -> Void) {
  for k in 0..<s.k {
    for batch in 0..<s.batch {
      for j in 0..<s.n {
        for i in 0..<s.m {
          body(
            (batch * s.m + i) * s.n + j, batch * s.m * s.k + (s.aTransposed ? k * s.m + i : i * s.k + k),
            (s.bShared ? 0 : batch * s.k * s.n) + (s.bTransposed ? j * s.k + k : k * s.n + j))
        }
      }
    }
  }
}

private let reduceShapes: [(outer: Int, axis: Int, inner: Int)] = [
  (1, 1, 1), (3, 7, 1), (2, 5, 3), (2, 49, 130), (1, 1000, 1), (0, 3, 2), (2, 0, 3), (2, 3, 0), (1, 4, 64), (1, 4, 65),
]

@Suite struct ReferenceReductionTests {
  @Test func matmulFloat() {
    for (index, s) in matmulShapes.enumerated() {
      var random = SeededRandom(UInt64(index))
      let a = random.floats(s.batch * s.m * s.k)
      let b = random.floats((s.bShared ? 1 : s.batch) * s.k * s.n)
      let bias = random.floats(s.n)
      let hasBias = index % 2 == 0
      let clamp: ClosedRange<Float> = index == 0 ? -0.5...0.5 : -Float.infinity...Float.infinity
      var want = [Double](repeating: 0, count: s.batch * s.m * s.n)
      forEachProduct(s) { want[$0] += Double(a[$1]) * Double(b[$2]) }
      let y: [Float] = elements(
        withTestMemory { memory in
          var args = matmulArguments(s)
          (args.a, args.b, args.bias) = (memory.input(a), memory.input(b), hasBias ? memory.input(bias) : nil)
          (args.clamp_min, args.clamp_max) = (clamp.lowerBound, clamp.upperBound)
          return memory.outputOfAnyPartition(of: reference(EK_MATMUL_F32), bytes: want.count * 4) { y in
            args.y = y
            return args
          }
        })
      for (i, got) in y.enumerated() {
        let sum = want[i] + (hasBias ? Double(bias[i % s.n]) : 0)
        let clamped = min(max(sum, Double(clamp.lowerBound)), Double(clamp.upperBound))
        #expect(abs(Double(got) - clamped) <= Double(s.k + 1) * Double(s.k + 1) * 0x1p-24)
      }
    }
  }

  @Test func matmulInteger() {
    for (index, s) in matmulShapes.enumerated() {
      var random = SeededRandom(UInt64(index))
      let a = random.bytes(s.batch * s.m * s.k)
      let b = random.bytes((s.bShared ? 1 : s.batch) * s.k * s.n)
      var sums = [Int64](repeating: 0, count: s.batch * s.m * s.n)
      forEachProduct(s) { sums[$0] += (Int64(a[$1]) - 120) * (Int64(b[$2]) - 131) }
      let bytes = withTestMemory { memory in
        var args = matmulArguments(s)
        (args.a, args.b) = (memory.input(a), memory.input(b))
        (args.a_zero_point, args.b_zero_point, args.y_zero_point, args.scale) = (120, 131, 99, 0.00173)
        return memory.outputOfAnyPartition(of: reference(EK_MATMUL_U8), bytes: sums.count) { y in
          args.y = y
          return args
        }
      }
      #expect(bytes == sums.map { expectedByte(Float($0) * 0.00173, 99) })
    }
  }

  private func reduce(_ function: Int, _ s: (outer: Int, axis: Int, inner: Int), _ x: [Float]) -> [Float] {
    elements(
      withTestMemory { memory in
        var a = ek_reduce()
        (a.x, a.outer, a.axis, a.inner) = (memory.input(x), Int64(s.outer), Int64(s.axis), Int64(s.inner))
        a.function = Int32(function)
        return memory.outputOfAnyPartition(of: reference(EK_REDUCE_F32), bytes: s.outer * s.inner * 4) { y in
          a.y = y
          return a
        }
      })
  }

  @Test(arguments: 0..<EK_REDUCE_COUNT) func reduceFloat(_ function: Int) {
    for (index, s) in reduceShapes.enumerated() {
      var random = SeededRandom(UInt64(index))
      let x = random.floats(s.outer * s.axis * s.inner, function == EK_REDUCE_PROD ? 0.8...1.25 : -2...2)
      let y = reduce(function, s, x)
      for o in 0..<s.outer {
        for i in 0..<s.inner {
          // From the back: another order of summation.
          let values = (0..<s.axis).reversed().map { Double(x[(o * s.axis + $0) * s.inner + i]) }
          let sum = values.reduce(0, +)
          let absolute = values.reduce(0) { $0 + abs($1) }
          let squares = values.reduce(0) { $0 + $1 * $1 }
          let n = Double(s.axis)
          let (want, bound): (Double, Double) =
            switch function {
            case EK_REDUCE_MEAN: (sum / n, absolute)
            case EK_REDUCE_SUM: (sum, absolute * n)
            case EK_REDUCE_MAX: (values.max() ?? -.infinity, 0)
            case EK_REDUCE_MIN: (values.min() ?? .infinity, 0)
            case EK_REDUCE_PROD: (values.reduce(1, *), abs(values.reduce(1, *)) * n)
            case EK_REDUCE_L1: (absolute, absolute * n)
            case EK_REDUCE_L2: (squares.squareRoot(), squares.squareRoot() * (n + 1))
            default: (squares, squares * (n + 1))
            }
          let got = Double(y[o * s.inner + i])
          #expect(want.isNaN ? got.isNaN : got == want || abs(got - want) <= bound * 0x1p-23, "\(s) \(got) \(want)")
        }
      }
    }
    let withNaN = reduce(function, (2, 3, 1), [1, .nan, 2, 4, 5, 6])
    #expect(withNaN[0].isNaN)
    #expect(!withNaN[1].isNaN)
  }

  @Test(arguments: [EK_REDUCE_MEAN, EK_REDUCE_SUM, EK_REDUCE_MAX, EK_REDUCE_MIN]) func reduceInteger(_ function: Int) {
    for (index, s) in reduceShapes.enumerated() {
      var random = SeededRandom(UInt64(index))
      let x = random.bytes(s.outer * s.axis * s.inner)
      let bytes = withTestMemory { memory in
        var a = ek_reduce()
        (a.x, a.outer, a.axis, a.inner) = (memory.input(x), Int64(s.outer), Int64(s.axis), Int64(s.inner))
        a.function = Int32(function)
        a.x_quant = ek_quant(scale: 0.031, zero_point: 125)
        a.y_quant = ek_quant(scale: 0.027, zero_point: 66)
        return memory.outputOfAnyPartition(of: reference(EK_REDUCE_U8), bytes: s.outer * s.inner) { y in
          a.y = y
          return a
        }
      }
      let ratio = Float(0.031) / Float(0.027)
      for o in 0..<s.outer {
        for i in 0..<s.inner {
          let values = (0..<s.axis).map { Int(x[(o * s.axis + $0) * s.inner + i]) - 125 }
          let t: Float =
            switch function {
            case EK_REDUCE_MEAN: Float(values.reduce(0, +)) * (ratio / Float(s.axis))
            case EK_REDUCE_SUM: Float(values.reduce(0, +)) * ratio
            case EK_REDUCE_MAX: Float(values.max() ?? 0) * ratio
            default: Float(values.min() ?? 0) * ratio
            }
          #expect(bytes[o * s.inner + i] == expectedByte(t.isNaN ? 0 : t, 66))
        }
      }
    }
  }

  private func softmax(_ s: (outer: Int, axis: Int, inner: Int), _ x: [Float], log: Bool) -> [Float] {
    elements(
      withTestMemory { memory in
        var a = ek_softmax()
        (a.x, a.outer, a.axis, a.inner) = (memory.input(x), Int64(s.outer), Int64(s.axis), Int64(s.inner))
        a.log = log ? 1 : 0
        return memory.outputOfAnyPartition(of: reference(EK_SOFTMAX_F32), bytes: x.count * 4) { y in
          a.y = y
          return a
        }
      })
  }

  @Test(arguments: [false, true]) func softmaxFloat(_ isLog: Bool) {
    for (index, s) in reduceShapes.enumerated() {
      var random = SeededRandom(UInt64(index))
      let x = random.floats(s.outer * s.axis * s.inner, -30...30)
      let y = softmax(s, x, log: isLog)
      for i in x.indices {
        let (o, inner) = (i / (s.axis * s.inner), i % s.inner)
        // 1 / sum of exp(x_j - x_i) needs no maximum.
        let sum = (0..<s.axis).reduce(0) { $0 + exp(Double(x[(o * s.axis + $1) * s.inner + inner]) - Double(x[i])) }
        #expect(ulpDistance(y[i], Float(isLog ? -Foundation.log(sum) : 1 / sum)) <= (isLog ? 1 : 2) || sum == 1 || isLog && abs(y[i]) < 1e-6)
      }
    }
    #expect(softmax((1, 3, 1), [1, .nan, 2], log: isLog).allSatisfy { $0.isNaN })
    #expect(softmax((1, 2, 1), [-.infinity, -.infinity], log: isLog).allSatisfy { $0.isNaN })
    #expect(softmax((1, 2, 1), [-.infinity, 3], log: isLog) == (isLog ? [-.infinity, 0] : [0, 1]))
    #expect(softmax((1, 2, 1), [3e38, -3e38], log: false) == [1, 0])
  }

  @Test(arguments: [false, true]) func softmaxInteger(_ isLog: Bool) {
    for (index, s) in reduceShapes.enumerated() {
      var random = SeededRandom(UInt64(index))
      let x = random.bytes(s.outer * s.axis * s.inner)
      let quant = isLog ? ek_quant(scale: 0.06, zero_point: 255) : ek_quant(scale: 1 / 256, zero_point: 0)
      let bytes = withTestMemory { memory in
        var a = ek_softmax()
        (a.x, a.outer, a.axis, a.inner) = (memory.input(x), Int64(s.outer), Int64(s.axis), Int64(s.inner))
        (a.log, a.x_quant, a.y_quant) = (isLog ? 1 : 0, ek_quant(scale: 0.043, zero_point: 90), quant)
        return memory.outputOfAnyPartition(of: reference(EK_SOFTMAX_U8), bytes: x.count) { y in
          a.y = y
          return a
        }
      }
      for i in x.indices {
        let (o, inner) = (i / (s.axis * s.inner), i % s.inner)
        let sum = (0..<s.axis).reduce(0.0) {
          $0 + exp((Double(x[(o * s.axis + $1) * s.inner + inner]) - Double(x[i])) * Double(Float(0.043)))
        }
        let want = (isLog ? -log(sum) : 1 / sum) / Double(quant.scale) + Double(quant.zero_point)
        // The real value to half a step, and a hair for the roundings before the last.
        #expect(abs(Double(bytes[i]) - min(max(want, 0), 255)) <= 0.5001)
      }
    }
  }
}
