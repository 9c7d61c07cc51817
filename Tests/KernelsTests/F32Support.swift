import CPlatform
import Testing

// Error bounds of float kernels against the reference.
//
// Two evaluations of a sum of n products in any order, fused or not, differ by at most
// 2 gamma_n sum |a||b|, where gamma_n = n u / (1 - n u) and u = 2^-24. Clamping never widens a difference.

/// Largest difference of two evaluations of a sum of `terms` products whose magnitudes add to `magnitude`.
func sumBound(_ terms: Int, _ magnitude: Float) -> Double {
  let n = Double(terms) * 0x1p-24
  return 2 * n / (1 - n) * Double(magnitude) + 0x1p-149
}

/// Expects |actual - expected| <= bound for each element; NaN equals NaN, equal infinities are equal.
func expectClose(
  _ actual: [Float], _ expected: [Float], _ what: @autoclosure () -> String,
  sourceLocation: SourceLocation = #_sourceLocation, bound: (Int) -> Double
) {
  guard actual.count == expected.count else {
    Issue.record("\(what()): \(actual.count) elements, not \(expected.count)", sourceLocation: sourceLocation)
    return
  }
  for i in actual.indices {
    let a = actual[i], e = expected[i]
    if a == e || (a.isNaN && e.isNaN) { continue }
    let difference = abs(Double(a) - Double(e))
    if !(difference <= bound(i)) {
      Issue.record(
        "\(what()): element \(i) is \(a), reference \(e), bound \(bound(i))", sourceLocation: sourceLocation)
      return
    }
  }
}

/// A convolution's geometry for tests; y_stride and x_stride may exceed the channels.
struct ConvCase: CustomStringConvertible {
  var n = 1, h = 1, w = 1, cIn = 1, cOut = 1, groups = 1
  var kh = 1, kw = 1, strideH = 1, strideW = 1, dilationH = 1, dilationW = 1
  var padTop = 0, padLeft = 0, padBottom = 0, padRight = 0
  var extraX = 0, extraY = 0, extraResidual = 0
  var bias = true, residual = false
  var clamp: ClosedRange<Float> = -.infinity ... .infinity
  var depthwise = false
  /// Results along the side of a square in Winograd's form.
  var winograd = 0
  /// `EK_SPARSE_*`, and the share of the blocks of weights (outputs by inputs) that are not zero.
  var sparse = 0, kept = 1.0, block = (outputs: 1, inputs: 1)

  var oh: Int { (h + padTop + padBottom - dilationH * (kh - 1) - 1) / strideH + 1 }
  var ow: Int { (w + padLeft + padRight - dilationW * (kw - 1) - 1) / strideW + 1 }
  var isValid: Bool {
    h + padTop + padBottom > dilationH * (kh - 1) && w + padLeft + padRight > dilationW * (kw - 1)
  }
  /// Products of one output.
  var terms: Int { kh * kw * cIn / groups }
  var description: String {
    "[\(n),\(h),\(w),\(cIn)]->\(cOut)/\(groups) k\(kh)x\(kw) s\(strideH),\(strideW) d\(dilationH),\(dilationW)"
      + " p\(padTop),\(padLeft),\(padBottom),\(padRight) +\(extraX),\(extraY) r\(residual) b\(bias) w\(winograd) s\(sparse) \(kept) of \(block)"
  }

  func arguments() -> ek_conv {
    var a = ek_conv()
    a.n = Int32(n); a.h = Int32(h); a.w = Int32(w); a.c_in = Int32(cIn); a.c_out = Int32(cOut)
    a.oh = Int32(oh); a.ow = Int32(ow); a.groups = Int32(groups)
    a.kh = Int32(kh); a.kw = Int32(kw); a.stride_h = Int32(strideH); a.stride_w = Int32(strideW)
    a.dilation_h = Int32(dilationH); a.dilation_w = Int32(dilationW)
    a.pad_top = Int32(padTop); a.pad_left = Int32(padLeft)
    a.x_stride = Int32(cIn + extraX); a.y_stride = Int32(cOut + extraY)
    a.residual_stride = Int32(cOut + extraResidual)
    a.clamp_min = clamp.lowerBound; a.clamp_max = clamp.upperBound
    a.winograd = Int32(winograd)
    a.sparse = Int32(sparse)
    return a
  }

  /// Weights of which blocks are zero; a float's zero may have a sign.
  func pruned<T: SignedNumeric>(_ weights: [T], _ random: inout SeededRandom) -> [T] {
    if kept == 1 { return weights }
    var weights = weights
    for firstOutput in stride(from: 0, to: cOut, by: block.outputs) {
      for firstInput in stride(from: 0, to: terms, by: block.inputs) where random.float(0...1) >= Float(kept) {
        for output in firstOutput..<min(firstOutput + block.outputs, cOut) {
          for input in firstInput..<min(firstInput + block.inputs, terms) {
            weights[output * terms + input] = random.int(0...1) == 0 ? 0 : -(0 as T)
          }
        }
      }
    }
    return weights
  }
}

/// Half to even, by the definition: the nearer of the two neighbours, at equal distance the one that ends in 0.
func roundedToBFloat16(_ x: Float) -> Float {
  if x.isSubnormal { return x.sign == .minus ? -0.0 : 0 }
  let toZero = Float(bitPattern: x.bitPattern & 0xFFFF_0000)
  let away = Float(bitPattern: toZero.bitPattern + 0x1_0000)
  let low = (x - toZero).magnitude, high = (away - x).magnitude
  if low == high { return toZero.bitPattern & 0x1_0000 == 0 ? toZero : away }
  return low < high ? toZero : away
}

/// Runs an operation on each table that has it and compares with the reference under the sum bound, times `slack`. In
/// bfloat16 the result is exactly that of the reference with rounded operands.
func checkConvolution(
  _ operation: Int, _ shape: ConvCase, seed: UInt64 = 1, tables: [KernelTable] = simdTables, slack: Double = 1
) {
  guard shape.isValid else { return }
  var random = SeededRandom(seed)
  let pixels = shape.n * shape.oh * shape.ow
  // The last pixel ends with its channels: what stride leaves behind it is not part of the tensor.
  func image(_ count: Int, _ channels: Int, _ extra: Int) -> [Float] {
    random.floats(max(0, count * (channels + extra) - extra))
  }
  let x = image(shape.n * shape.h * shape.w, shape.cIn, shape.extraX)
  let weights = shape.pruned(random.floats(shape.cOut * shape.terms), &random)
  let bias = random.floats(shape.cOut)
  let residual = image(pixels, shape.cOut, shape.extraResidual)
  let stride = shape.cOut + shape.extraY
  let outputBytes = 4 * (pixels * stride - shape.extraY)

  let isPairs = operation == EK_CONV_BF16
  func call(_ kernel: ek_kernel, magnitudes: Bool, partitions: Bool, rounds: Bool = false) -> [UInt8] {
    withTestMemory { memory in
      func put(_ values: [Float]) -> UnsafeRawPointer { memory.input(magnitudes ? values.map { abs($0) } : values) }
      var a = shape.arguments()
      a.x = put(rounds ? x.map(roundedToBFloat16) : x)
      a.weights = put(rounds ? weights.map(roundedToBFloat16) : weights)
      if shape.bias { a.bias = put(bias) }
      if shape.residual { a.residual = put(residual) }
      if magnitudes { a.clamp_min = -.infinity; a.clamp_max = .infinity }
      func build(_ y: UnsafeMutableRawPointer) -> ek_conv { var b = a; b.y = y; return b }
      return partitions
        ? memory.outputOfAnyPartition(of: kernel, bytes: outputBytes, misalignment: 4, build)
        : memory.output(of: kernel, bytes: outputBytes, build)
    }
  }

  let plain = reference([EK_CONV_WINOGRAD_F32, EK_CONV_SPARSE_F32, EK_CONV_BF16].contains(operation) ? EK_CONV_F32 : operation)
  let expected = call(plain, magnitudes: false, partitions: false, rounds: isPairs)
  let magnitude: [Float] = elements(call(plain, magnitudes: true, partitions: false))
  for table in tables {
    guard let kernel = table.kernel(operation) else { continue }
    let actual = call(kernel, magnitudes: false, partitions: true)
    // Between pixels the output must keep its fill byte for byte.
    if shape.extraY > 0 {
      for pixel in 0..<pixels - 1 {
        let gap = (pixel * stride + shape.cOut) * 4..<(pixel + 1) * stride * 4
        if actual[gap].contains(where: { $0 != TestMemory.fill }) {
          Issue.record("\(table.isa) \(shape): wrote between pixels")
          break
        }
      }
    }
    let a: [Float] = elements(actual), e: [Float] = elements(expected)
    expectClose(a, e, "\(String(cString: kernel.name)) \(shape)") { i in
      i % stride < shape.cOut && !isPairs ? slack * sumBound(shape.terms + 2, magnitude[i]) : 0
    }
  }
}
