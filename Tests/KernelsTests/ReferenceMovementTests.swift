import CPlatform
import Foundation
import Testing

private struct CopyShape {
  var dims: [Int], x: [Int], y: [Int], xOffset = 0, yOffset = 0
}

private let copyShapes: [CopyShape] = [
  CopyShape(dims: [2, 3, 4], x: [12, 4, 1], y: [12, 4, 1]),
  CopyShape(dims: [2, 3, 4], x: [1, 8, 2], y: [12, 4, 1]),  // transpose
  CopyShape(dims: [2, 3, 4], x: [40, 10, 2], y: [12, 4, 1], xOffset: 7),  // slice
  CopyShape(dims: [2, 3, 4], x: [12, 4, 1], y: [60, 10, 1], yOffset: 5),  // part of a concatenation
  CopyShape(dims: [2, 3, 4], x: [0, 1, 0], y: [12, 4, 1]),  // expand
  CopyShape(dims: [5], x: [-1], y: [1], xOffset: 4),  // reversed
  CopyShape(dims: [], x: [], y: [], xOffset: 2, yOffset: 3), CopyShape(dims: [3, 0], x: [1, 1], y: [1, 1]),
  CopyShape(dims: [70, 3, 71], x: [1, 4970, 70], y: [213, 71, 1]),
  CopyShape(dims: [2, 2, 1, 2, 2, 1, 2, 2], x: [1, 2, 9, 4, 8, 9, 16, 32], y: [32, 16, 16, 8, 4, 4, 2, 1]),
]

@Suite struct ReferenceMovementTests {
  @Test(arguments: [1, 2, 4, 8, 3]) func copy(_ size: Int) {
    for shape in copyShapes {
      let all = coordinates(shape.dims)
      let from = all.map { shape.xOffset + zip($0, shape.x).reduce(0) { $0 + $1.0 * $1.1 } }
      let to = all.map { shape.yOffset + zip($0, shape.y).reduce(0) { $0 + $1.0 * $1.1 } }
      var random = SeededRandom(5)
      let x = random.bytes(((from.max() ?? -1) + 1) * size)
      var want = [UInt8](repeating: TestMemory.fill, count: ((to.max() ?? -1) + 1) * size)
      for (p, q) in zip(from, to) { for byte in 0..<size { want[q * size + byte] = x[p * size + byte] } }
      let bytes = withTestMemory { memory in
        var a = ek_copy()
        (a.x, a.rank, a.element_bytes) = (memory.input(x), Int32(shape.dims.count), Int32(size))
        (a.dims, a.x_stride, a.y_stride) = (tuple8(shape.dims), tuple8(shape.x), tuple8(shape.y))
        (a.x_offset, a.y_offset) = (Int64(shape.xOffset), Int64(shape.yOffset))
        return memory.outputOfAnyPartition(of: reference(EK_COPY), bytes: want.count) { y in
          a.y = y
          return a
        }
      }
      #expect(bytes == want, "\(shape)")
    }
  }

  @Test(arguments: [1, 2, 4, 8]) func fill(_ size: Int) {
    for count in [0, 1, 4096, 4097, 10000] {
      var a = ek_fill()
      (a.count, a.element_bytes, a.value) = (Int64(count), Int32(size), (1, 2, 3, 4, 5, 6, 7, 8))
      let bytes = withTestMemory { memory in
        memory.outputOfAnyPartition(of: reference(EK_FILL), bytes: count * size) { y in
          a.y = y
          return a
        }
      }
      #expect(bytes == (0..<count * size).map { UInt8($0 % size + 1) })
    }
  }

  @Test func gather() {
    let shapes: [(Int, Int, [Int], Int)] = [
      (1, 4, [0, 3, 3, 1], 5), (3, 2, [1], 8), (2, 5, [], 4), (0, 3, [1, 2], 4), (2, 3, [2, 0, 1, 2, 2], 1), (2, 3, [1], 0),
    ]
    for (outer, axisIn, indices, inner) in shapes {
      var random = SeededRandom(6)
      let x = random.bytes(outer * axisIn * inner)
      let bytes = withTestMemory { memory in
        var a = ek_gather()
        (a.x, a.indices) = (memory.input(x), memory.indices(indices.map { Int32($0) }))
        (a.outer, a.axis_in, a.axis_out, a.inner_bytes) = (Int64(outer), Int64(axisIn), Int64(indices.count), Int64(inner))
        return memory.outputOfAnyPartition(of: reference(EK_GATHER), bytes: outer * indices.count * inner) { y in
          a.y = y
          return a
        }
      }
      var want: [UInt8] = []
      for o in 0..<outer {
        for i in indices {
          let first = (o * axisIn + i) * inner
          want += x[first..<first + inner]
        }
      }
      #expect(bytes == want)
    }
  }

  /// Taps for tests: any indices and weights will do.
  private func taps(_ count: Int, _ size: Int, _ taps: Int, _ random: inout SeededRandom) -> (indices: [Int32], weights: [Float]) {
    (random.int32s(count * taps, 0...size - 1), random.floats(count * taps, -0.25...1))
  }

  @Test(arguments: [1, 2, 4]) func resize(_ count: Int) {
    for (n, h, w, c, oh, ow) in [(1, 3, 4, 2, 7, 5), (2, 5, 5, 3, 2, 3), (1, 1, 1, 1, 1, 1), (0, 2, 2, 1, 3, 3), (1, 2, 2, 4, 1, 0)] {
      var random = SeededRandom(UInt64(oh))
      let (indexH, weightH) = taps(oh, h, count, &random)
      let (indexW, weightW) = taps(ow, w, count, &random)
      let x = random.floats(n * h * w * c)
      let q = random.bytes(n * h * w * c)
      func run(_ operation: Int, _ size: Int) -> [UInt8] {
        withTestMemory { memory in
          var a = ek_resize()
          a.x = size == 4 ? memory.input(x) : memory.input(q)
          (a.index_h, a.weight_h) = (memory.indices(indexH), memory.floats(weightH))
          (a.index_w, a.weight_w) = (memory.indices(indexW), memory.floats(weightW))
          (a.n, a.h, a.w, a.c, a.oh, a.ow, a.taps) = (
            Int32(n), Int32(h), Int32(w), Int32(c), Int32(oh), Int32(ow), Int32(count)
          )
          (a.x_quant, a.y_quant) = (ek_quant(scale: 0.02, zero_point: 130), ek_quant(scale: 0.03, zero_point: 121))
          return memory.outputOfAnyPartition(of: reference(operation), bytes: n * oh * ow * c * size) { y in
            a.y = y
            return a
          }
        }
      }
      let y: [Float] = elements(run(EK_RESIZE_F32, 4))
      let bytes = run(EK_RESIZE_U8, 1)
      for (i, at) in coordinates([n, oh, ow, c]).enumerated() {
        var want = 0.0
        var t: Float = 0
        for p in 0..<count {
          var across: Float = 0
          for r in 0..<count {
            let (tapH, tapW) = (at[1] * count + p, at[2] * count + r)
            let source = ((at[0] * h + Int(indexH[tapH])) * w + Int(indexW[tapW])) * c + at[3]
            want += Double(weightH[tapH]) * Double(weightW[tapW]) * Double(x[source])
            let product = weightW[tapW] * Float(Int(q[source]) - 130)
            across = across + product
          }
          let product = weightH[p + at[1] * count] * across
          t = t + product
        }
        #expect(abs(Double(y[i]) - want) <= Double(count * count + 2) * 0x1p-22)
        #expect(bytes[i] == expectedByte(t * (Float(0.02) / Float(0.03)), 121))
      }
    }
  }

  @Test(arguments: [1, 2, 3, 5, 8]) func localResponseNorm(_ size: Int) {
    for (pixels, c) in [(1, 1), (4, 7), (0, 3), (3, 0), (2, 16)] {
      var random = SeededRandom(8)
      let x = random.floats(pixels * c, -3...3)
      let y: [Float] = elements(
        withTestMemory { memory in
          var a = ek_lrn()
          (a.x, a.pixels, a.c, a.size) = (memory.input(x), Int64(pixels), Int32(c), Int32(size))
          (a.alpha, a.beta, a.bias) = (0.3, 0.75, 1.5)
          return memory.outputOfAnyPartition(of: reference(EK_LOCAL_RESPONSE_NORM_F32), bytes: x.count * 4) { y in
            a.y = y
            return a
          }
        })
      for p in 0..<pixels {
        for channel in 0..<c {
          // ONNX: floor((size - 1) / 2) before, ceil((size - 1) / 2) after.
          let before = Int(floor(Double(size - 1) / 2))
          let after = Int(ceil(Double(size - 1) / 2))
          let near = (0..<c).filter { $0 >= channel - before && $0 <= channel + after }
          let sum = near.reduce(0) { $0 + pow(Double(x[p * c + $1]), 2) }
          let want = Double(x[p * c + channel]) / pow(1.5 + Double(Float(0.3)) / Double(size) * sum, 0.75)
          #expect(ulpDistance(y[p * c + channel], Float(want)) <= 4)
        }
      }
    }
  }
}
