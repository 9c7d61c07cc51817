import CPlatform
import Testing

/// Convolutions that read or write pairs of bfloat16: the words are those of rounded floats, bit for bit.
@Suite struct BFloat16PairTests {
  /// The kernels that know pairs, and the float32 one whose results the depthwise kernel rounds; nil on other processors.
  private static var kernels: (convolution: ek_kernel, depthwise: ek_kernel, floats: ek_kernel)? {
    guard let pairs = simdTables.first(where: { $0.isa == "avx512bf16" }), let base = simdTables.first(where: { $0.isa == "avx512vnni" }),
      let convolution = pairs.kernel(EK_CONV_BF16), let depthwise = pairs.kernel(EK_DEPTHWISE_BF16), let floats = base.kernel(EK_DEPTHWISE_F32)
    else {
      print("BFloat16PairTests are skipped: the processor has no AVX-512 BF16")
      return nil
    }
    return (convolution, depthwise, floats)
  }

  /// Neighbouring floats as words, the first in the upper half.
  private func words(_ floats: [Float]) -> [UInt32] {
    stride(from: 0, to: floats.count, by: 2).map { i in
      roundedToBFloat16(floats[i]).bitPattern & 0xFFFF_0000 | roundedToBFloat16(floats[i + 1]).bitPattern >> 16
    }
  }

  /// A tensor's pixels as words, with the output's fill between them.
  private func expected(_ y: [Float], _ shape: ConvCase) -> [UInt8] {
    let stride = shape.cOut + shape.extraY, pixels = shape.n * shape.oh * shape.ow
    var bytes = [UInt8](repeating: TestMemory.fill, count: 2 * (pixels * stride - shape.extraY))
    for pixel in 0..<pixels {
      let own = words(Array(y[pixel * stride..<pixel * stride + shape.cOut]))
      own.withUnsafeBytes { source in
        for (i, byte) in source.enumerated() { bytes[2 * pixel * stride + i] = byte }
      }
    }
    return bytes
  }

  /// x and y as floats, either as pairs, both: all have the bits of the first. `extraX` and `extraY` are even.
  private func check(_ shape: ConvCase, seed: UInt64) {
    guard let kernels = Self.kernels, shape.isValid else { return }
    var random = SeededRandom(seed)
    let pixels = shape.n * shape.oh * shape.ow
    let x = random.floats(shape.n * shape.h * shape.w * (shape.cIn + shape.extraX) - shape.extraX, -3...3)
    let weights = random.floats(shape.cOut * shape.terms), bias = random.floats(shape.cOut)
    let residual = random.floats(pixels * (shape.cOut + shape.extraResidual) - shape.extraResidual)
    let bytes = 4 * (pixels * (shape.cOut + shape.extraY) - shape.extraY)

    func run(_ kernel: ek_kernel, x xPairs: Bool, y yPairs: Bool, partitions: Bool = true) -> [UInt8] {
      withTestMemory { memory in
        var a = shape.arguments()
        a.x = xPairs ? memory.input(words(x)) : memory.input(x)
        a.weights = memory.input(weights)
        if shape.bias { a.bias = memory.input(bias) }
        if shape.residual { a.residual = memory.input(residual) }
        if xPairs { (a.x_pairs, a.x_stride) = (1, a.x_stride / 2) }
        if yPairs { (a.y_pairs, a.y_stride) = (1, a.y_stride / 2) }
        func build(_ y: UnsafeMutableRawPointer) -> ek_conv { var b = a; b.y = y; return b }
        return partitions
          ? memory.outputOfAnyPartition(of: kernel, bytes: yPairs ? bytes / 2 : bytes, misalignment: 4, build)
          : memory.output(of: kernel, bytes: bytes, build)
      }
    }

    if shape.depthwise {
      let plain: [Float] = elements(run(kernels.floats, x: false, y: false, partitions: false))
      #expect(run(kernels.depthwise, x: false, y: true) == expected(plain, shape), "depthwise \(shape)")
      return
    }
    let plain = run(kernels.convolution, x: false, y: false, partitions: false)
    let pairs = expected(elements(plain), shape)
    #expect(run(kernels.convolution, x: true, y: false) == plain, "x \(shape)")
    #expect(run(kernels.convolution, x: false, y: true) == pairs, "y \(shape)")
    #expect(run(kernels.convolution, x: true, y: true) == pairs, "x, y \(shape)")
  }

  @Test func isThereWithItsInstructions() {
    #expect((Self.kernels != nil) == simdTables.contains { $0.isa == "avx512bf16" })
  }

  /// Row counts and columns around every tile.
  @Test func tileEdges() {
    for rows in [1, 2, 4, 5, 6, 7, 8, 12, 13, 14, 15, 20, 28, 43] {
      for columns in [2, 4, 14, 16, 18, 30, 32, 34, 48, 62, 64, 66, 130] {
        check(
          ConvCase(
            n: rows, cIn: 2 + 2 * ((rows + columns) % 35), cOut: columns, extraX: rows % 3 * 2, extraY: columns % 3 * 2,
            residual: rows % 2 == 0, clamp: columns % 4 == 0 ? 0...1 : -.infinity ... .infinity),
          seed: UInt64(rows * 1000 + columns))
      }
    }
  }

  /// Windows read in the image, in copies of lines, or copied one by one; several images, groups, gaps between pixels.
  @Test func windows() {
    var seed: UInt64 = 1
    for (k, step, dilation) in [(1, 1, 1), (1, 2, 1), (3, 1, 1), (3, 2, 1), (3, 1, 2), (5, 1, 1), (2, 3, 1)] {
      for padding in [0, 1, 3] {
        for (width, cIn, cOut, groups) in [(7, 6, 10, 1), (30, 4, 34, 1), (28, 16, 8, 1), (9, 64, 70, 1), (14, 24, 36, 3), (6, 4, 8, 2)] {
          seed += 1
          check(
            ConvCase(
              n: 1 + Int(seed % 2), h: 8, w: width, cIn: cIn, cOut: cOut, groups: groups, kh: k, kw: k, strideH: step, strideW: step,
              dilationH: dilation, dilationW: dilation, padTop: padding, padLeft: padding, padBottom: padding, padRight: padding,
              extraX: Int(seed % 3) * 2, extraY: Int(seed % 2) * 4, extraResidual: 1, bias: seed % 5 != 0, residual: seed % 3 == 0,
              clamp: seed % 2 == 0 ? 0...6 : -.infinity ... .infinity),
            seed: seed)
        }
      }
    }
    // Rows of whole pages are copied.
    check(ConvCase(n: 1, h: 5, w: 4, cIn: 2048, cOut: 200), seed: 99)
  }

  @Test func depthwise() {
    var seed: UInt64 = 1
    for channels in [2, 4, 14, 16, 18, 30, 32, 34, 64, 66, 130] {
      for (k, step, dilation, padding) in [(3, 1, 1, 1), (3, 1, 1, 0), (3, 2, 1, 1), (3, 1, 2, 2), (5, 1, 1, 2), (2, 1, 1, 0)] {
        seed += 1
        check(
          ConvCase(
            n: 1 + Int(seed % 2), h: 7, w: 11, cIn: channels, cOut: channels, groups: channels, kh: k, kw: k, strideH: step, strideW: step,
            dilationH: dilation, dilationW: dilation, padTop: padding, padLeft: padding, padBottom: padding, padRight: padding,
            extraX: Int(seed % 2), extraY: Int(seed % 3) * 2, bias: seed % 4 != 0, residual: seed % 3 == 0, clamp: -2...6, depthwise: true),
          seed: seed)
      }
    }
  }

  /// What becomes infinite, a NaN, 0 or even when it is rounded.
  @Test func specialNumbers() {
    guard let kernels = Self.kernels else { return }
    let x: [Float] = [.infinity, -.infinity, .nan, .greatestFiniteMagnitude, -0.0, 1e-40, 1 + 0x1p-8, 1 + 0x3p-8]
    let result: [UInt8] = withTestMemory { memory in
      var a = ConvCase(n: 1, h: 1, w: 1, cIn: 8, cOut: 8, groups: 8, bias: false, depthwise: true).arguments()
      a.x = memory.input(x)
      a.weights = memory.input([Float](repeating: 1, count: 8))
      (a.y_pairs, a.y_stride) = (1, 4)
      return memory.output(of: kernels.depthwise, bytes: 16) { y in var b = a; b.y = y; return b }
    }
    let floats = (elements(result) as [Float]).flatMap { [Float(bitPattern: $0.bitPattern & 0xFFFF_0000), Float(bitPattern: $0.bitPattern << 16)] }
    #expect(floats[0] == .infinity && floats[1] == -.infinity && floats[2].isNaN && floats[3] == .infinity)
    #expect(floats[4] == 0 && floats[5].bitPattern == 0 && floats[6] == 1 && floats[7] == 1 + 0x1p-6)
  }
}
