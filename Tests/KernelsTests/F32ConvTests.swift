import CPlatform
import Testing

/// The kernels in float32 and in bfloat16.
private let operations = [EK_CONV_F32, EK_CONV_BF16]

@Suite struct F32ConvTests {
  @Test(arguments: simdTables) func isPresent(_ table: KernelTable) {
    #expect(table.kernel(table.isa == "avx512bf16" ? EK_CONV_BF16 : EK_CONV_F32) != nil)
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
    let kernel = try #require(table.kernel(table.isa == "avx512bf16" ? EK_CONV_BF16 : EK_CONV_F32))
    var a = ConvCase(h: 224, w: 224, cIn: 64, cOut: 64, kh: 3, kw: 3, padTop: 1, padLeft: 1, padBottom: 1, padRight: 1).arguments()
    #expect(kernel.scratch_bytes(&a) <= 512 << 10)
    #expect(kernel.units(&a) >= 16)
  }
}
