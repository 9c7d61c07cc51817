import CPlatform
import Testing

// Convolutions against a scatter over inputs in Double or Int64: every input element is sent to the outputs it
// reaches, so neither loops nor window arithmetic are the kernels'.

struct ConvolutionShape: CustomTestStringConvertible, Sendable {
  var n = 1, h = 5, w = 6, inputs = 3, outputs = 4, groups = 1
  var kh = 3, kw = 3, strideH = 1, strideW = 1, top = 1, left = 1, bottom = 1, right = 1, dilationH = 1, dilationW = 1
  var xGap = 0, yGap = 0, residual = false, bias = true
  /// Output size of a transposed convolution beyond the plain one.
  var extra = 0

  var oh: Int { max(0, (h + top + bottom - (kh - 1) * dilationH - 1) / strideH + 1) }
  var ow: Int { max(0, (w + left + right - (kw - 1) * dilationW - 1) / strideW + 1) }
  var transposedH: Int { max(0, (h - 1) * strideH + (kh - 1) * dilationH + 1 - top - bottom + extra) }
  var transposedW: Int { max(0, (w - 1) * strideW + (kw - 1) * dilationW + 1 - left - right + extra) }

  var testDescription: String {
    "\(n)x\(h)x\(w)x\(inputs)->\(outputs)/\(groups) k\(kh)x\(kw) s\(strideH),\(strideW) p\(top),\(left),\(bottom),\(right) d\(dilationH),\(dilationW) gaps \(xGap),\(yGap)\(residual ? " +r" : "")\(bias ? "" : " -b")"
  }
}

let convolutionShapes: [ConvolutionShape] = [
  ConvolutionShape(),
  ConvolutionShape(h: 1, w: 1, inputs: 17, outputs: 9, kh: 1, kw: 1, top: 0, left: 0, bottom: 0, right: 0),
  ConvolutionShape(n: 2, h: 4, w: 7, inputs: 8, outputs: 6, kh: 1, kw: 1, top: 0, left: 0, bottom: 0, right: 0, residual: true),
  ConvolutionShape(n: 3, inputs: 4, outputs: 6, groups: 2, xGap: 3, yGap: 5, residual: true),
  ConvolutionShape(h: 2, w: 2, kh: 2, kw: 2, top: 4, left: 5, bottom: 4, right: 5),  // windows wholly in the padding
  ConvolutionShape(h: 11, w: 9, kh: 2, kw: 1, strideH: 4, strideW: 3, top: 0, left: 0, bottom: 0, right: 0),  // stride > kernel
  ConvolutionShape(h: 9, w: 8, strideH: 2, strideW: 1, top: 2, left: 0, bottom: 1, right: 3, dilationH: 2, dilationW: 3, bias: false),
  ConvolutionShape(h: 3, w: 3, top: 0, left: 0, bottom: 0, right: 0),  // oh = ow = 1
  ConvolutionShape(h: 1, w: 12, kh: 1, kw: 5, strideW: 2, top: 0, left: 2, bottom: 0, right: 2, bias: false),
  ConvolutionShape(h: 2, w: 2, kh: 5, kw: 5, top: 2, left: 2, bottom: 2, right: 2, residual: true),  // kernel > image
  ConvolutionShape(n: 0),
  ConvolutionShape(inputs: 0, outputs: 2),
  ConvolutionShape(outputs: 0),
  ConvolutionShape(h: 0, w: 0, top: 2, left: 2, bottom: 2, right: 2),  // nothing but padding
  ConvolutionShape(inputs: 6, outputs: 6, groups: 6, residual: true),
  ConvolutionShape(n: 2, inputs: 5, outputs: 10, groups: 5, strideH: 2, strideW: 2, extra: 1),
]

/// Arguments with every size filled in; pointers and output size are the caller's.
func convolutionArguments(_ s: ConvolutionShape, oh: Int, ow: Int) -> ek_conv {
  var a = ek_conv()
  (a.n, a.h, a.w, a.c_in) = (Int32(s.n), Int32(s.h), Int32(s.w), Int32(s.inputs))
  (a.oh, a.ow, a.c_out, a.groups) = (Int32(oh), Int32(ow), Int32(s.outputs), Int32(s.groups))
  (a.kh, a.kw, a.stride_h, a.stride_w) = (Int32(s.kh), Int32(s.kw), Int32(s.strideH), Int32(s.strideW))
  (a.pad_top, a.pad_left, a.dilation_h, a.dilation_w) = (Int32(s.top), Int32(s.left), Int32(s.dilationH), Int32(s.dilationW))
  a.x_stride = Int32(s.inputs + s.xGap)
  a.y_stride = Int32(s.outputs + s.yGap)
  a.residual_stride = Int32(s.outputs + 1)
  a.clamp_min = -.infinity
  a.clamp_max = .infinity
  a.q_max = 255
  return a
}

/// Calls `body(input pixel, output pixel, tap)` for every meeting of an input pixel and an output pixel.
private func forEachMeeting(_ s: ConvolutionShape, oh: Int, ow: Int, transposed: Bool, _ body: (Int, Int, Int) -> Void) {
  for ky in 0..<s.kh {
    for kx in 0..<s.kw {
      for image in 0..<s.n {
        for iy in 0..<s.h {
          for ix in 0..<s.w {
            var (oy, ox) = (iy + s.top - ky * s.dilationH, ix + s.left - kx * s.dilationW)
            if transposed {
              (oy, ox) = (iy * s.strideH + ky * s.dilationH - s.top, ix * s.strideW + kx * s.dilationW - s.left)
            } else {
              if oy % s.strideH != 0 || ox % s.strideW != 0 { continue }
              (oy, ox) = (oy / s.strideH, ox / s.strideW)
            }
            if oy < 0 || oy >= oh || ox < 0 || ox >= ow { continue }
            body((image * s.h + iy) * s.w + ix, (image * oh + oy) * ow + ox, ky * s.kw + kx)
          }
        }
      }
    }
  }
}

enum ConvolutionKind: CaseIterable, Sendable { case plain, depthwise, transposed }

private func operations(_ kind: ConvolutionKind) -> (float: Int, integer: Int) {
  switch kind {
  case .plain: (EK_CONV_F32, EK_CONV_U8)
  case .depthwise: (EK_DEPTHWISE_F32, EK_DEPTHWISE_U8)
  case .transposed: (EK_CONV_TRANSPOSE_F32, EK_CONV_TRANSPOSE_U8)
  }
}

private func outputSize(_ kind: ConvolutionKind, _ s: ConvolutionShape) -> (Int, Int) {
  kind == .transposed ? (s.transposedH, s.transposedW) : (s.oh, s.ow)
}

/// Index of a weight in OHWI, or tap-major for depthwise.
private func weightIndex(_ kind: ConvolutionKind, _ s: ConvolutionShape, _ o: Int, _ tap: Int, _ i: Int) -> Int {
  kind == .depthwise ? tap * s.outputs + o : (o * s.kh * s.kw + tap) * (s.inputs / s.groups) + i
}

private func shapes(_ kind: ConvolutionKind) -> [ConvolutionShape] {
  if kind != .depthwise { return convolutionShapes }
  return convolutionShapes.filter { $0.inputs > 0 }.map {
    var s = $0
    s.inputs = max(1, s.inputs)
    s.outputs = s.inputs
    s.groups = s.inputs
    return s
  }
}

private let cases: [(ConvolutionKind, ConvolutionShape)] = ConvolutionKind.allCases.flatMap { kind in shapes(kind).map { (kind, $0) } }

@Suite struct ReferenceConvolutionTests {
  @Test(arguments: cases) func float(_ kind: ConvolutionKind, _ s: ConvolutionShape) {
    var random = SeededRandom(1)
    let (oh, ow) = outputSize(kind, s)
    let pixels = s.n * oh * ow
    let x = random.floats(s.n * s.h * s.w * (s.inputs + s.xGap))
    let weights = random.floats(s.outputs * s.kh * s.kw * (s.inputs / s.groups))
    let bias = random.floats(s.outputs)
    let residual = random.floats(pixels * (s.outputs + 1))
    let clamp: ClosedRange<Float> = s.residual ? -0.5...0.75 : -Float.infinity...Float.infinity

    var expected = [Double](repeating: 0, count: pixels * s.outputs)
    var magnitude = expected
    let groupInputs = s.inputs / s.groups
    let groupOutputs = s.outputs / s.groups
    forEachMeeting(s, oh: oh, ow: ow, transposed: kind == .transposed) { input, output, tap in
      for o in 0..<s.outputs {
        for i in 0..<groupInputs {
          let product =
            Double(x[input * (s.inputs + s.xGap) + o / groupOutputs * groupInputs + i])
            * Double(weights[weightIndex(kind, s, o, tap, i)])
          expected[output * s.outputs + o] += product
          magnitude[output * s.outputs + o] += abs(product)
        }
      }
    }
    let bytes = withTestMemory { memory in
      var a = convolutionArguments(s, oh: oh, ow: ow)
      a.x = memory.input(x)
      a.weights = memory.input(weights)
      if s.bias { a.bias = memory.input(bias) }
      if s.residual { a.residual = memory.input(residual) }
      a.clamp_min = clamp.lowerBound
      a.clamp_max = clamp.upperBound
      return memory.outputOfAnyPartition(
        of: reference(operations(kind).float), bytes: pixels * (s.outputs + s.yGap) * 4
      ) { y in
        a.y = y
        return a
      }
    }
    let y: [Float] = elements(bytes)
    let untouched = Float(bitPattern: 0xA5A5_A5A5)
    for p in 0..<pixels {
      for o in 0..<s.outputs {
        var want = expected[p * s.outputs + o] + (s.bias ? Double(bias[o]) : 0)
        if s.residual { want += Double(residual[p * (s.outputs + 1) + o]) }
        want = min(max(want, Double(clamp.lowerBound)), Double(clamp.upperBound))
        let bound = 0x1p-24 * Double(s.kh * s.kw * groupInputs + 3) * (magnitude[p * s.outputs + o] + 2)
        let got = Double(y[p * (s.outputs + s.yGap) + o])
        #expect(abs(got - want) <= bound, "pixel \(p) channel \(o)")
      }
      for gap in 0..<s.yGap { #expect(y[p * (s.outputs + s.yGap) + s.outputs + gap] == untouched) }
    }
  }

  @Test(arguments: cases) func integer(_ kind: ConvolutionKind, _ s: ConvolutionShape) {
    var random = SeededRandom(2)
    let (oh, ow) = outputSize(kind, s)
    let pixels = s.n * oh * ow
    let x = random.bytes(s.n * s.h * s.w * (s.inputs + s.xGap))
    let weights = random.weights(s.outputs * s.kh * s.kw * (s.inputs / s.groups))
    let bias = random.int32s(s.outputs, -30000...30000)
    let scale = random.floats(s.outputs, 0.0005...0.01)
    let residual = random.bytes(pixels * (s.outputs + 1))
    let (xZero, yZero, residualZero, residualScale) = (113, 37, 201, Float(0.731))
    let (low, high) = s.residual ? (37, 190) : (0, 255)
    let wZero = [0, -128, 101][s.outputs % 3]

    var sums = [Int64](repeating: 0, count: pixels * s.outputs)
    let groupInputs = s.inputs / s.groups
    let groupOutputs = s.outputs / s.groups
    forEachMeeting(s, oh: oh, ow: ow, transposed: kind == .transposed) { input, output, tap in
      for o in 0..<s.outputs {
        for i in 0..<groupInputs {
          sums[output * s.outputs + o] +=
            (Int64(x[input * (s.inputs + s.xGap) + o / groupOutputs * groupInputs + i]) - Int64(xZero))
            * (Int64(weights[weightIndex(kind, s, o, tap, i)]) - Int64(wZero))
        }
      }
    }
    let bytes = withTestMemory { memory in
      var a = convolutionArguments(s, oh: oh, ow: ow)
      a.x = memory.input(x)
      a.weights = memory.input(weights)
      a.scale = memory.floats(scale)
      if s.bias { a.bias = memory.input(bias) }
      if s.residual { a.residual = memory.input(residual) }
      a.x_zero_point = Int32(xZero)
      a.w_zero_point = Int32(wZero)
      a.y_zero_point = Int32(yZero)
      a.residual_zero_point = Int32(residualZero)
      a.residual_scale = residualScale
      a.q_min = Int32(low)
      a.q_max = Int32(high)
      return memory.outputOfAnyPartition(
        of: reference(operations(kind).integer), bytes: pixels * (s.outputs + s.yGap)
      ) { y in
        a.y = y
        return a
      }
    }
    for p in 0..<pixels {
      for o in 0..<s.outputs {
        var t = Float(sums[p * s.outputs + o] + (s.bias ? Int64(bias[o]) : 0)) * scale[o]
        if s.residual {
          let r = Float(Int(residual[p * (s.outputs + 1) + o]) - residualZero) * residualScale
          t = t + r
        }
        #expect(bytes[p * (s.outputs + s.yGap) + o] == expectedByte(t, yZero, low...high), "pixel \(p) channel \(o)")
      }
      for gap in 0..<s.yGap { #expect(bytes[p * (s.outputs + s.yGap) + s.outputs + gap] == TestMemory.fill) }
    }
  }

  /// The sums of every tie of the rounding rule, positive and negative, reached through a 1x1 convolution.
  @Test func roundsHalfToEven() {
    let biases = (-600...600).map { Int32($0) }
    let bytes = withTestMemory { memory in
      var a = convolutionArguments(
        ConvolutionShape(h: 1, w: 1, inputs: 0, outputs: biases.count, kh: 1, kw: 1, top: 0, left: 0), oh: 1, ow: 1)
      a.x = memory.input([UInt8](), .end)
      a.weights = memory.input([Int8](), .end)
      a.bias = memory.input(biases)
      a.scale = memory.floats([Float](repeating: 0.5, count: biases.count))
      a.y_zero_point = 128
      return memory.output(of: reference(EK_CONV_U8), bytes: biases.count) { y in
        a.y = y
        return a
      }
    }
    for (bias, byte) in zip(biases, bytes) {
      let half = Int(bias) >> 1  // floor
      let rounded = bias & 1 == 0 ? half : half & 1 == 0 ? half : half + 1
      #expect(Int(byte) == min(max(rounded + 128, 0), 255))
    }
  }

  @Test func clampKeepsNaN() {
    let y: [Float] = elements(
      withTestMemory { memory in
        var a = convolutionArguments(
          ConvolutionShape(h: 1, w: 3, inputs: 1, outputs: 1, kh: 1, kw: 1, top: 0, left: 0), oh: 1, ow: 3)
        a.x = memory.input([Float.nan, 5, -5])
        a.weights = memory.input([Float(1)])
        (a.clamp_min, a.clamp_max) = (0, 1)
        return memory.output(of: reference(EK_CONV_F32), bytes: 12) { y in
          a.y = y
          return a
        }
      })
    #expect(y[0].isNaN)
    #expect(y[1] == 1)
    #expect(y[2] == 0)
  }
}
