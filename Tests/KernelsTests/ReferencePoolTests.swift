import CPlatform
import Testing

struct PoolShape: CustomTestStringConvertible, Sendable {
  var n = 1, h = 6, w = 7, c = 3, kh = 2, kw = 3, strideH = 2, strideW = 1
  var top = 0, left = 1, bottom = 0, right = 1, dilationH = 1, dilationW = 1, includePad = false, ceil = false
  var xGap = 0, yGap = 0

  private func size(_ size: Int, _ kernel: Int, _ stride: Int, _ padding: Int) -> Int {
    let room = size + padding - kernel
    return room < 0 ? 0 : (ceil ? (room + stride - 1) / stride : room / stride) + 1
  }
  var oh: Int { size(h, (kh - 1) * dilationH + 1, strideH, top + bottom) }
  var ow: Int { size(w, (kw - 1) * dilationW + 1, strideW, left + right) }
  var testDescription: String {
    "\(n)x\(h)x\(w)x\(c) k\(kh)x\(kw) s\(strideH),\(strideW) p\(top),\(left),\(bottom),\(right) d\(dilationH),\(dilationW) pad \(includePad) ceil \(ceil)"
  }
}

private let poolShapes: [PoolShape] = [
  PoolShape(), PoolShape(includePad: true), PoolShape(h: 1, w: 1, kh: 1, kw: 1, left: 0, right: 0),
  PoolShape(n: 2, h: 7, w: 7, c: 5, kh: 7, kw: 7, left: 0, right: 0),
  PoolShape(n: 2, kh: 3, kw: 3, strideH: 2, strideW: 2, top: 1, bottom: 1, includePad: true, ceil: true),
  PoolShape(kh: 3, kw: 2, strideH: 3, strideW: 3, top: 0, left: 0, right: 0, includePad: true, ceil: true),
  PoolShape(h: 2, w: 2, kh: 2, kw: 2, strideH: 1, top: 3, left: 3, bottom: 3, right: 3),  // empty windows
  PoolShape(h: 2, w: 2, kh: 2, kw: 2, strideH: 1, top: 3, left: 3, bottom: 3, right: 3, includePad: true),
  PoolShape(h: 9, w: 9, kh: 3, kw: 3, top: 2, left: 2, bottom: 2, right: 2, dilationH: 2, dilationW: 3, includePad: true),
  PoolShape(h: 8, w: 9, kh: 2, kw: 2, strideH: 5, strideW: 4, left: 0, right: 0, xGap: 2, yGap: 3),  // stride > kernel
  PoolShape(n: 0), PoolShape(c: 0),
]

private func poolArguments(_ s: PoolShape) -> ek_pool {
  var a = ek_pool()
  (a.n, a.h, a.w, a.c, a.oh, a.ow) = (Int32(s.n), Int32(s.h), Int32(s.w), Int32(s.c), Int32(s.oh), Int32(s.ow))
  (a.kh, a.kw, a.stride_h, a.stride_w) = (Int32(s.kh), Int32(s.kw), Int32(s.strideH), Int32(s.strideW))
  (a.pad_top, a.pad_left, a.pad_bottom, a.pad_right) = (Int32(s.top), Int32(s.left), Int32(s.bottom), Int32(s.right))
  (a.dilation_h, a.dilation_w, a.count_include_pad) = (Int32(s.dilationH), Int32(s.dilationW), s.includePad ? 1 : 0)
  (a.x_stride, a.y_stride) = (Int32(s.c + s.xGap), Int32(s.c + s.yGap))
  (a.clamp_min, a.clamp_max, a.q_min, a.q_max) = (-.infinity, .infinity, 0, 255)
  return a
}

/// The window of one output: indices of real pixels, and the divisor of an average. Made from an explicitly
/// labelled padded image.
private func window(_ s: PoolShape, _ image: Int, _ oy: Int, _ ox: Int) -> (pixels: [Int], count: Int) {
  var pixels: [Int] = []
  var padded = 0
  for y in -s.top..<s.h + s.bottom {
    for x in -s.left..<s.w + s.right {
      let (dy, dx) = (y + s.top - oy * s.strideH, x + s.left - ox * s.strideW)
      let inWindow =
        dy >= 0 && dx >= 0 && dy % s.dilationH == 0 && dx % s.dilationW == 0 && dy / s.dilationH < s.kh
        && dx / s.dilationW < s.kw
      if !inWindow { continue }
      padded += 1
      if y >= 0 && y < s.h && x >= 0 && x < s.w { pixels.append((image * s.h + y) * s.w + x) }
    }
  }
  return (pixels, s.includePad ? padded : pixels.count)
}

@Suite struct ReferencePoolTests {
  /// Visits (index in y, indices in x, divisor).
  private func forEachWindow(_ s: PoolShape, _ body: (Int, [Int], Int) -> Void) {
    for image in 0..<s.n {
      for oy in 0..<s.oh {
        for ox in 0..<s.ow {
          let (pixels, count) = window(s, image, oy, ox)
          for c in 0..<s.c {
            body(((image * s.oh + oy) * s.ow + ox) * (s.c + s.yGap) + c, pixels.map { $0 * (s.c + s.xGap) + c }, count)
          }
        }
      }
    }
  }

  @Test(arguments: poolShapes) func float(_ s: PoolShape) {
    var random = SeededRandom(3)
    let x = random.floats(s.n * s.h * s.w * (s.c + s.xGap))
    for operation in [EK_MAX_POOL_F32, EK_AVERAGE_POOL_F32] {
      for clamp: ClosedRange<Float> in [-Float.infinity...Float.infinity, -0.25...0.5] {
        let y: [Float] = elements(
          withTestMemory { memory in
            var a = poolArguments(s)
            a.x = memory.input(x)
            (a.clamp_min, a.clamp_max) = (clamp.lowerBound, clamp.upperBound)
            return memory.outputOfAnyPartition(of: reference(operation), bytes: s.n * s.oh * s.ow * (s.c + s.yGap) * 4) { y in
              a.y = y
              return a
            }
          })
        forEachWindow(s) { index, inputs, count in
          let values = inputs.map { Double(x[$0]) }
          var want = operation == EK_MAX_POOL_F32 ? values.max() ?? -Double(Float.greatestFiniteMagnitude) : 0
          if operation == EK_AVERAGE_POOL_F32 && count > 0 { want = values.reduce(0, +) / Double(count) }
          want = min(max(want, Double(clamp.lowerBound)), Double(clamp.upperBound))
          #expect(abs(Double(y[index]) - want) <= (operation == EK_MAX_POOL_F32 ? 0 : Double(values.count + 1) * 0x1p-24))
        }
      }
    }
  }

  @Test(arguments: poolShapes) func integer(_ s: PoolShape) {
    var random = SeededRandom(4)
    let x = random.bytes(s.n * s.h * s.w * (s.c + s.xGap))
    for operation in [EK_MAX_POOL_U8, EK_AVERAGE_POOL_U8] {
      for range in [0...255, 40...200] {
        let bytes = withTestMemory { memory in
          var a = poolArguments(s)
          a.x = memory.input(x)
          (a.q_min, a.q_max) = (Int32(range.lowerBound), Int32(range.upperBound))
          (a.x_zero_point, a.y_zero_point, a.scale) = (119, 131, 1.37)
          return memory.outputOfAnyPartition(of: reference(operation), bytes: s.n * s.oh * s.ow * (s.c + s.yGap)) { y in
            a.y = y
            return a
          }
        }
        forEachWindow(s) { index, inputs, count in
          if operation == EK_MAX_POOL_U8 {
            let best = inputs.map { Int(x[$0]) }.max() ?? 0
            #expect(Int(bytes[index]) == min(max(best, range.lowerBound), range.upperBound))
          } else {
            let sum = inputs.reduce(0) { $0 + Int(x[$1]) - 119 }
            let t = count == 0 ? 0 : Float(sum) * (Float(1.37) / Float(count))
            #expect(bytes[index] == expectedByte(t, 131, range))
          }
        }
      }
    }
  }

  @Test func maximumSpecialValues() {
    func maximum(_ values: [Float]) -> Float {
      let y: [Float] = elements(
        withTestMemory { memory in
          var a = poolArguments(PoolShape(h: 1, w: values.count, c: 1, kh: 1, kw: values.count, left: 0, right: 0))
          a.x = memory.input(values)
          return memory.output(of: reference(EK_MAX_POOL_F32), bytes: 4) { y in
            a.y = y
            return a
          }
        })
      return y[0]
    }
    #expect(maximum([1, .nan, 2]).isNaN)
    #expect(maximum([.nan, 2, 3]).isNaN)
    #expect(maximum([1, .infinity]) == .infinity)
    #expect(maximum([-.infinity, -.infinity]) == -.infinity)
  }
}
