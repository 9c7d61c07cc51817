import CPlatform
import Testing

/// Gradients of convolutions: of the weights, and of the input, which is a transposed convolution of the result's gradient.
@Suite struct F32GradientTests {
  private typealias Build = (_ memory: TestMemory, _ y: UnsafeMutableRawPointer) -> ek_conv

  /// Runs an operation on each table that has it, and expects the reference's result within the bound of a sum of `terms` products.
  ///
  /// - `operands`: x, what is in slot 1, bias and residual; the arguments without pointers; floats of the result and of a pixel of it.
  private func check(
    _ operation: Int, _ operands: (x: [Float], weights: [Float], bias: [Float]?, residual: [Float]?), _ arguments: ek_conv, count: Int,
    pixel: (channels: Int, stride: Int), terms: Int, _ what: String
  ) {
    func call(_ kernel: ek_kernel, magnitudes: Bool, partitions: Bool) -> [UInt8] {
      withTestMemory { memory in
        func put(_ values: [Float]) -> UnsafeRawPointer { memory.input(magnitudes ? values.map { abs($0) } : values) }
        var a = arguments
        a.x = put(operands.x)
        a.weights = put(operands.weights)
        a.bias = operands.bias.map(put)
        a.residual = operands.residual.map(put)
        if magnitudes { (a.clamp_min, a.clamp_max) = (-.infinity, .infinity) }
        func build(_ y: UnsafeMutableRawPointer) -> ek_conv { var b = a; b.y = y; return b }
        return partitions
          ? memory.outputOfAnyPartition(of: kernel, bytes: 4 * count, misalignment: 4, build) : memory.output(of: kernel, bytes: 4 * count, build)
      }
    }
    let expected = call(reference(operation), magnitudes: false, partitions: false)
    let magnitude: [Float] = elements(call(reference(operation), magnitudes: true, partitions: false))
    for table in simdTables {
      guard let kernel = table.kernel(operation) else { continue }
      let actual = call(kernel, magnitudes: false, partitions: true)
      let a: [Float] = elements(actual), e: [Float] = elements(expected)
      // Between pixels the result keeps its fill, as the reference leaves it.
      expectClose(a, e, "\(String(cString: kernel.name)) \(what)") { $0 % pixel.stride < pixel.channels ? sumBound(terms, magnitude[$0]) : 0 }
    }
  }

  private func image(_ random: inout SeededRandom, _ pixels: Int, _ channels: Int, _ extra: Int) -> [Float] {
    random.floats(pixels * (channels + extra) - extra)
  }

  private func checkWeights(_ shape: ConvCase, seed: UInt64 = 1) {
    guard shape.isValid else { return }
    var random = SeededRandom(seed)
    let x = image(&random, shape.n * shape.h * shape.w, shape.cIn, shape.extraX)
    let dy = image(&random, shape.n * shape.oh * shape.ow, shape.cOut, shape.extraY)
    let count = shape.cOut * shape.terms
    check(
      EK_CONV_WEIGHT_GRADIENT_F32, (x, dy, nil, nil), shape.arguments(), count: count, pixel: (count, count),
      terms: shape.n * shape.oh * shape.ow, "\(shape)")
  }

  /// `shape` is the layer whose input's gradient it is: the images change sides. `extraX` and `extraY` are those of the gradients.
  private func checkInput(_ shape: ConvCase, seed: UInt64 = 1) {
    guard shape.isValid else { return }
    var random = SeededRandom(seed)
    var a = shape.arguments()
    (a.h, a.w, a.oh, a.ow) = (a.oh, a.ow, a.h, a.w)
    (a.c_in, a.c_out) = (a.c_out, a.c_in)
    (a.x_stride, a.y_stride) = (a.c_in + Int32(shape.extraX), a.c_out + Int32(shape.extraY))
    a.residual_stride = a.c_out + Int32(shape.extraResidual)
    let taps = shape.kh * shape.kw * shape.cOut / shape.groups, pixels = shape.n * shape.h * shape.w
    let dy = image(&random, shape.n * shape.oh * shape.ow, shape.cOut, shape.extraX)
    let weights = random.floats(shape.cIn * taps)
    let bias = shape.bias ? random.floats(shape.cIn) : nil
    let residual = shape.residual ? image(&random, pixels, shape.cIn, shape.extraResidual) : nil
    check(
      EK_CONV_TRANSPOSE_F32, (dy, weights, bias, residual), a, count: pixels * (shape.cIn + shape.extraY) - shape.extraY,
      pixel: (shape.cIn, shape.cIn + shape.extraY), terms: taps + 2, "input of \(shape)")
  }

  @Test(arguments: simdTables.filter { !["avx512bf16", "neondot"].contains($0.isa) }) func arePresent(_ table: KernelTable) {
    #expect(table.kernel(EK_CONV_WEIGHT_GRADIENT_F32) != nil)
    #expect(table.kernel(EK_CONV_TRANSPOSE_F32) != nil)
  }

  /// Channels and outputs around every tile, windows of one pixel and more: either operand fills the registers.
  @Test func tileEdges() {
    var seed: UInt64 = 0
    for cIn in [1, 2, 3, 5, 8, 9, 13, 16, 17, 31, 32, 33, 40] {
      for cOut in [1, 2, 3, 4, 5, 6, 8, 9, 10, 13, 14, 15, 16, 17, 24, 29, 33] {
        for k in [1, 3] {
          seed += 1
          let shape = ConvCase(
            n: 2, h: 4, w: 5, cIn: cIn, cOut: cOut, kh: k, kw: k, padTop: k / 2, padLeft: k / 2, padBottom: k / 2, padRight: k / 2,
            extraX: Int(seed % 3), extraY: Int(seed % 2), bias: seed % 3 == 0)
          checkWeights(shape, seed: seed)
          checkInput(shape, seed: seed)
        }
      }
    }
  }

  @Test(arguments: [false, true]) func kernelsStridesDilationsPaddings(_ isDepthwise: Bool) {
    var seed: UInt64 = 1
    for (kh, kw) in [(1, 1), (3, 3), (5, 5), (1, 7), (2, 3), (4, 1)] {
      for (sh, sw) in [(1, 1), (2, 2), (1, 3), (3, 2)] {
        for (dh, dw) in [(1, 1), (2, 2), (1, 3)] {
          for (top, left, bottom, right) in [(0, 0, 0, 0), (1, 1, 1, 1), (2, 3, 1, 0), (5, 6, 5, 7)] {
            seed += 1
            var shape = ConvCase(
              n: 1 + Int(seed % 2), h: 9, w: 8, cIn: [1, 3, 4, 17, 7, 15][Int(seed % 6)], cOut: [5, 8, 19][Int(seed % 3)],
              kh: kh, kw: kw, strideH: sh, strideW: sw, dilationH: dh, dilationW: dw, padTop: top, padLeft: left,
              padBottom: bottom, padRight: right, extraX: Int(seed % 2), extraY: Int(seed % 3), extraResidual: Int(seed % 4) / 3,
              bias: seed % 5 != 0, residual: seed % 3 == 0, clamp: seed % 4 == 0 ? -1...1 : -.infinity ... .infinity)
            if isDepthwise {
              shape.cIn = [3, 16, 19, 40][Int(seed % 4)]
              (shape.cOut, shape.groups) = (shape.cIn, shape.cIn)
            }
            checkWeights(shape, seed: seed)
            checkInput(shape, seed: seed)
          }
        }
      }
    }
  }

  @Test func groups() {
    for (groups, depth, columns) in [(2, 1, 1), (2, 3, 5), (3, 8, 16), (4, 16, 33), (7, 1, 2), (2, 32, 4)] {
      for (k, stride) in [(1, 1), (3, 1), (3, 2)] {
        let shape = ConvCase(
          n: 2, h: 6, w: 7, cIn: groups * depth, cOut: groups * columns, groups: groups, kh: k, kw: k, strideH: stride, strideW: stride,
          padTop: k / 2, padLeft: k / 2, padBottom: k / 2, padRight: k / 2, extraX: depth, extraY: 3, extraResidual: 1, residual: true)
        checkWeights(shape)
        checkInput(shape)
      }
    }
  }

  /// A dense layer is an image of one pixel for each row; several blocks of pixels.
  @Test func denseLayers() {
    for (rows, k, columns) in [(1, 1, 1), (3, 4097, 5), (17, 300, 100), (64, 800, 50), (200, 784, 30), (130, 64, 10)] {
      checkWeights(ConvCase(n: rows, cIn: k, cOut: columns))
      checkInput(ConvCase(n: rows, cIn: k, cOut: columns))
    }
  }

  /// Blocks of several images and of parts of one; images of a few pixels, whose products are added up.
  @Test func networkShapes() {
    for (n, size, cIn, cOut, k, stride, pad) in [
      (5, 28, 1, 20, 5, 1, 0), (9, 12, 20, 50, 5, 1, 0), (2, 40, 24, 8, 3, 1, 1), (70, 8, 16, 16, 3, 1, 1), (3, 33, 16, 32, 3, 2, 1),
      (4, 10, 30, 17, 3, 1, 0), (4, 7, 24, 9, 5, 2, 0), (1, 70, 3, 8, 3, 2, 1), (2, 19, 4, 9, 3, 9, 1), (4, 6, 33, 20, 2, 2, 0),
    ] {
      let shape = ConvCase(
        n: n, h: size, w: size, cIn: cIn, cOut: cOut, kh: k, kw: k, strideH: stride, strideW: stride, padTop: pad, padLeft: pad, padBottom: pad,
        padRight: pad, bias: false)
      checkWeights(shape)
      checkInput(shape)
      var depthwise = shape
      (depthwise.cIn, depthwise.cOut, depthwise.groups) = (cOut, cOut, cOut)
      checkWeights(depthwise)
      checkInput(depthwise)
    }
  }

  /// Units do not depend on threads, so there are some where a layer has work to share.
  @Test(arguments: plainTables) func layersHaveUnits(_ table: KernelTable) throws {
    let kernel = try #require(table.kernel(EK_CONV_WEIGHT_GRADIENT_F32) ?? (table.isa == "neondot" ? baseTables[0].kernel(EK_CONV_WEIGHT_GRADIENT_F32) : nil))
    for (size, cIn, cOut, k) in [(28, 1, 20, 5), (12, 20, 50, 5), (32, 3, 16, 3), (32, 16, 16, 3), (1, 800, 500, 1), (1, 500, 10, 1)] {
      var a = ConvCase(n: 64, h: size, w: size, cIn: cIn, cOut: cOut, kh: k, kw: k).arguments()
      #expect(kernel.units(&a) >= 5, "\(size) \(cIn) \(cOut)")
      #expect(kernel.scratch_bytes(&a) <= 1 << 20)
    }
  }
}
