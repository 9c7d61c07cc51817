import CPlatform
import Testing

/// The kernels in float32 and in bfloat16.
private let operations = [EK_CONV_F32, EK_CONV_BF16]
/// The one that a set has of its own.
private func convolution(_ table: KernelTable) -> Int { table.isa == "avx512bf16" ? EK_CONV_BF16 : EK_CONV_F32 }

@Suite struct F32ConvTests {
  @Test(arguments: simdTables) func isPresent(_ table: KernelTable) {
    #expect(table.kernel(convolution(table)) != nil)
  }

  /// Row and column counts around every tile: 1, 2, 4, 6, 7, 8, 12, 14 rows; 4, 8, 16, 32 columns.
  @Test(arguments: operations) func tileEdges(_ operation: Int) {
    for rows in [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 18, 23, 24, 25, 27, 28, 29, 43] {
      for columns in [1, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 48, 49, 64, 65] {
        checkConvolution(
          operation,
          ConvCase(n: rows, cIn: 1 + (rows + columns) % 6, cOut: columns, residual: rows % 2 == 0,
            clamp: columns % 2 == 0 ? 0...1 : -.infinity ... .infinity),
          seed: UInt64(rows * 100 + columns))
      }
    }
  }

  @Test(arguments: operations) func denseLayers(_ operation: Int) {
    for (rows, k, columns) in [(1, 1, 1), (1, 1280, 1000), (2, 784, 300), (3, 4097, 65), (17, 300, 100), (5, 25088, 40)] {
      checkConvolution(operation, ConvCase(n: rows, cIn: k, cOut: columns))
    }
  }

  @Test(arguments: operations) func kernelsStridesDilationsPaddings(_ operation: Int) {
    var seed: UInt64 = 1
    for (kh, kw) in [(1, 1), (3, 3), (5, 5), (1, 7), (7, 1), (2, 3), (4, 4)] {
      for (sh, sw) in [(1, 1), (2, 2), (1, 3), (3, 2)] {
        for (dh, dw) in [(1, 1), (2, 2), (1, 3)] {
          for (top, left, bottom, right) in [(0, 0, 0, 0), (1, 1, 1, 1), (2, 3, 1, 0), (5, 6, 5, 7)] {
            seed += 1
            checkConvolution(
              operation,
              ConvCase(
                n: 1 + Int(seed % 2), h: 9, w: 8, cIn: [1, 3, 4, 17, 7, 15][Int(seed % 6)], cOut: [5, 8, 19][Int(seed % 3)],
                kh: kh, kw: kw, strideH: sh, strideW: sw, dilationH: dh, dilationW: dw, padTop: top, padLeft: left,
                padBottom: bottom, padRight: right, bias: seed % 5 != 0, residual: seed % 3 == 0),
              seed: seed)
          }
        }
      }
    }
  }

  /// Up to eight results: AVX-512 computes two pixels at once. Odd lines, strides, several images, gaps between pixels.
  @Test(arguments: operations) func fewResults(_ operation: Int) {
    var seed: UInt64 = 500
    for columns in 1...9 {
      for (h, w, cIn, k, stride) in [(28, 28, 1, 5, 1), (9, 7, 3, 3, 2), (6, 2, 1, 2, 1), (11, 30, 2, 4, 3), (5, 1, 1, 3, 1)] {
        for padding in [0, k / 2] {
          seed += 1
          checkConvolution(
            operation,
            ConvCase(
              n: 1 + Int(seed % 2), h: h, w: w, cIn: cIn, cOut: columns, kh: k, kw: k, strideH: stride, strideW: stride,
              dilationW: 1 + Int(seed % 2), padTop: padding, padLeft: padding, padBottom: padding, padRight: padding,
              extraX: Int(seed % 3) / 2, extraY: Int(seed % 3), bias: seed % 4 != 0, clamp: seed % 2 == 0 ? 0...2 : -.infinity ... .infinity),
            seed: seed)
        }
      }
    }
  }

  /// What lies outside a window does not show in its result, whatever it is, though two pixels share a register.
  @Test func infinitiesStayInTheirWindows() {
    var a = ConvCase(h: 1, w: 8, cOut: 3, kw: 2).arguments()
    let x: [Float] = [1, 1, 1, .infinity, 1, 1, .nan, 1]
    let weights: [Float] = [1, 1, 1, 1, 1, 1]
    for table in simdTables {
      guard let kernel = table.kernel(convolution(table)) else { continue }
      let y: [Float] = withTestMemory { memory in
        a.x = memory.input(x)
        a.weights = memory.input(weights)
        return elements(memory.output(of: kernel, bytes: 7 * 3 * 4) { y in var b = a; b.y = y; return b })
      }
      for pixel in 0..<7 {
        let expected: Float = pixel == 2 || pixel == 3 ? .infinity : 2
        for channel in 0..<3 where pixel < 5 { #expect(y[pixel * 3 + channel] == expected, "\(table.isa) \(pixel)") }
      }
    }
  }

  /// Lines shorter than a tile, with few panels: read in place or from copies of lines, or as copied windows.
  @Test(arguments: operations) func shortLines(_ operation: Int) {
    var seed: UInt64 = 900
    for width in [5, 6, 7, 9, 10, 12, 13, 14, 16, 27] {
      for (cIn, columns) in [(1, 64), (6, 16), (3, 24), (16, 48), (1, 10)] {
        for padding in [0, 1] {
          seed += 1
          checkConvolution(
            operation,
            ConvCase(
              n: 1 + Int(seed % 2), h: 8, w: width + 2 - 2 * padding, cIn: cIn, cOut: columns, kh: 3, kw: 3,
              dilationH: 1 + Int(seed % 2), padTop: padding, padLeft: padding, padBottom: padding, padRight: padding,
              extraX: Int(seed % 3) / 2, residual: seed % 4 == 0),
            seed: seed)
        }
      }
    }
    // Windows taller than their stride, as of spectrograms.
    checkConvolution(
      operation,
      ConvCase(h: 49, w: 10, cOut: 64, kh: 10, kw: 4, strideH: 2, strideW: 2, padTop: 4, padLeft: 1, padBottom: 5, padRight: 1, clamp: 0...6))
  }

  /// A small layer can be shared evenly.
  @Test(arguments: plainTables) func smallLayersHaveManyUnits(_ table: KernelTable) throws {
    let kernel = try #require(table.kernel(EK_CONV_F32))
    for (size, cIn, cOut) in [(11, 64, 64), (7, 960, 160), (14, 96, 96)] {
      var a = ConvCase(h: size, w: size, cIn: cIn, cOut: cOut).arguments()
      #expect(kernel.units(&a) >= 12, "\(size) \(cIn) \(cOut)")
    }
  }

  @Test(arguments: operations) func groups(_ operation: Int) {
    for (groups, depth, columns) in [(2, 1, 1), (2, 3, 5), (3, 8, 16), (4, 16, 33), (32, 4, 4), (7, 1, 2)] {
      for k in [1, 3] {
        checkConvolution(
          operation,
          ConvCase(
            h: 6, w: 7, cIn: groups * depth, cOut: groups * columns, groups: groups, kh: k, kw: k, padTop: k / 2,
            padLeft: k / 2, padBottom: k / 2, padRight: k / 2, extraX: depth, extraY: 3, extraResidual: 1, residual: true,
            clamp: -1...6))
      }
    }
  }

  /// Activations that are part of wider tensors, as after a concatenation or a split.
  @Test(arguments: operations) func pixelsApart(_ operation: Int) {
    for (x, y, r) in [(1, 0, 0), (0, 1, 0), (13, 7, 5), (64, 64, 64)] {
      for k in [1, 3] {
        for columns in [3, 16, 40] {
          checkConvolution(
            operation,
            ConvCase(
              n: 2, h: 7, w: 5, cIn: 9, cOut: columns, kh: k, kw: k, padTop: k / 2, padLeft: k / 2, padBottom: k / 2,
              padRight: k / 2, extraX: x, extraY: y, extraResidual: r, residual: r > 0))
        }
      }
    }
  }

  /// Shapes of real networks: several row blocks and panel blocks.
  @Test(arguments: operations) func networkShapes(_ operation: Int) {
    for (size, cIn, cOut, k, stride) in [
      (28, 3, 64, 7, 2), (28, 64, 64, 3, 1), (14, 128, 256, 3, 2), (7, 512, 160, 1, 1), (14, 96, 576, 1, 1),
      (4, 512, 70, 3, 1),
    ] {
      checkConvolution(
        operation,
        ConvCase(
          h: size, w: size, cIn: cIn, cOut: cOut, kh: k, kw: k, strideH: stride, strideW: stride, padTop: k / 2,
          padLeft: k / 2, padBottom: k / 2, padRight: k / 2, clamp: 0 ... .infinity))
    }
  }

  /// The copy of windows stays small whatever the image.
  @Test(arguments: simdTables) func scratchIsBounded(_ table: KernelTable) throws {
    let kernel = try #require(table.kernel(convolution(table)))
    var a = ConvCase(h: 224, w: 224, cIn: 64, cOut: 64, kh: 3, kw: 3, padTop: 1, padLeft: 1, padBottom: 1, padRight: 1).arguments()
    #expect(kernel.scratch_bytes(&a) <= 512 << 10)
    #expect(kernel.units(&a) >= 16)
  }
}
