import CPlatform
import Testing

@Suite struct U8ConvTests {
  @Test(arguments: plainTables) func isPresent(_ table: KernelTable) {
    #expect(table.kernel(EK_CONV_U8) != nil)
  }

  /// Row and column counts around every tile, depths around every group of bytes.
  @Test(arguments: [1, 3, 4, 5, 8, 30])
  func tileEdges(depth: Int) {
    for rows in [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 18, 24, 27, 29, 113] {
      for columns in [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 48, 65] {
        checkConvolutionU8(
          EK_CONV_U8, ConvCase(n: rows, cIn: depth, cOut: columns, bias: columns % 3 != 0, residual: rows % 2 == 0),
          seed: UInt64(rows * 100 + columns))
      }
    }
  }

  @Test(arguments: NumbersU8.allCases)
  func numbers(_ numbers: NumbersU8) {
    for (seed, depth) in [1, 4, 9, 64, 257].enumerated() {
      for residual in [false, true] {
        checkConvolutionU8(
          EK_CONV_U8, ConvCase(h: 5, w: 4, cIn: depth, cOut: 37, residual: residual), numbers, seed: UInt64(seed))
        checkConvolutionU8(
          EK_CONV_U8,
          ConvCase(
            h: 6, w: 5, cIn: depth, cOut: 20, kh: 3, kw: 3, padTop: 1, padLeft: 1, padBottom: 1, padRight: 1,
            residual: residual), numbers, seed: UInt64(seed + 100))
      }
    }
  }

  @Test func denseLayers() {
    for (rows, k, columns) in [(1, 1280, 1000), (2, 784, 300), (3, 4097, 65), (1, 25088, 40), (17, 300, 100)] {
      checkConvolutionU8(EK_CONV_U8, ConvCase(n: rows, cIn: k, cOut: columns))
      checkConvolutionU8(EK_CONV_U8, ConvCase(n: rows, cIn: k, cOut: columns), .saturating)
    }
  }

  @Test func kernelsStridesDilationsPaddings() {
    var seed: UInt64 = 1
    for (kh, kw) in [(1, 1), (3, 3), (5, 5), (1, 7), (7, 1), (2, 3), (4, 4)] {
      for (sh, sw) in [(1, 1), (2, 2), (1, 3), (3, 2)] {
        for (dh, dw) in [(1, 1), (2, 2), (1, 3)] {
          for (top, left, bottom, right) in [(0, 0, 0, 0), (1, 1, 1, 1), (2, 3, 1, 0), (5, 6, 5, 7)] {
            seed += 1
            checkConvolutionU8(
              EK_CONV_U8,
              ConvCase(
                n: 1 + Int(seed % 2), h: 9, w: 8, cIn: [1, 3, 4, 17][Int(seed % 4)], cOut: [5, 8, 19][Int(seed % 3)],
                kh: kh, kw: kw, strideH: sh, strideW: sw, dilationH: dh, dilationW: dw, padTop: top, padLeft: left,
                padBottom: bottom, padRight: right, extraX: Int(seed % 2) * 5, bias: seed % 5 != 0,
                residual: seed % 3 == 0),
              seed: seed)
          }
        }
      }
    }
  }

  @Test func groups() {
    for (groups, depth, columns) in [(2, 1, 1), (2, 3, 5), (3, 8, 16), (4, 16, 33), (32, 4, 4), (7, 1, 2)] {
      for k in [1, 3] {
        for (extraX, extraY, extraResidual) in [(0, 0, 0), (depth, 3, 1)] {
          checkConvolutionU8(
            EK_CONV_U8,
            ConvCase(
              h: 6, w: 7, cIn: groups * depth, cOut: groups * columns, groups: groups, kh: k, kw: k, padTop: k / 2,
              padLeft: k / 2, padBottom: k / 2, padRight: k / 2, extraX: extraX, extraY: extraY,
              extraResidual: extraResidual, residual: true))
        }
      }
    }
  }

  /// Small pictures, whose windows AVX-512 and AVX2 read in copies of their lines: output lines around the tiles, windows that begin and
  /// end in the padding, columns around the registers, runs of every length modulo four.
  @Test func windowsInLines() {
    var seed: UInt64 = 0
    for width in [4, 5, 6, 9, 10, 14, 15, 19, 28, 33] {
      for (depth, kh, kw) in [(1, 5, 5), (1, 10, 4), (2, 3, 3), (3, 3, 3), (3, 2, 1), (6, 5, 5), (1, 1, 7), (5, 1, 3)] {
        for (stride, columns) in [(1, 6), (1, 16), (2, 17), (2, 33), (1, 64)] {
          // Even, for weights without a zero point.
          seed += 2
          checkConvolutionU8(
            EK_CONV_U8,
            ConvCase(
              n: 1 + Int(seed / 2 % 2), h: 11, w: width, cIn: depth, cOut: columns, kh: kh, kw: kw, strideH: min(stride, kh),
              strideW: min(stride, kw), dilationH: seed % 8 == 0 ? 2 : 1, padTop: Int(seed / 2 % 3), padLeft: Int(seed / 6 % 4),
              padBottom: kh, padRight: kw / 2, extraY: Int(seed % 3), bias: seed % 10 != 0, residual: seed % 3 == 0),
            seed: seed)
        }
      }
    }
  }

  /// The same with weights of which AVX2 multiplies some steps as bytes, in any order where there are many outputs and windows
  /// begin with a step, and others as words.
  @Test(arguments: [NumbersU8.outliers, .pairs])
  func bytesAndWordsInLines(_ numbers: NumbersU8) {
    // Lines of 42 and of 18 channels by an odd number of pixels are no multiple of a step, though windows begin with one.
    for (depth, kernel, columns) in [(1, 5, 6), (3, 3, 40), (4, 3, 130), (8, 3, 128), (42, 3, 128), (18, 5, 144), (12, 2, 113)] {
      for (width, stride) in [(13, 1), (18, 2), (31, 1), (33, 2)] {
        checkConvolutionU8(
          EK_CONV_U8,
          ConvCase(
            n: 2, h: 9, w: width, cIn: depth, cOut: columns, kh: kernel, kw: kernel, strideH: stride, strideW: stride, padTop: 1,
            padLeft: 1, padBottom: 1, padRight: 1), numbers, seed: UInt64(2 * (columns + width)))
      }
    }
  }

  /// Copied lines are a fraction of copied windows, as those of a dilated layer are.
  @Test func linesTakeLessScratch() {
    func shape(_ dilation: Int) -> ConvCase {
      ConvCase(
        h: 28, w: 28, cIn: 1, cOut: 6, kh: 5, kw: 5, dilationW: dilation, padTop: 2, padLeft: 2 * dilation, padBottom: 2,
        padRight: 2 * dilation)
    }
    for table in simdTables where table.isa == "avx2" || table.isa == "avx512vnni" {
      guard let kernel = table.kernel(EK_CONV_U8) else { continue }
      var lines = shape(1).arguments(), windows = shape(2).arguments()
      #expect(kernel.scratch_bytes(&lines) < 2048)
      #expect(2 * kernel.scratch_bytes(&lines) < kernel.scratch_bytes(&windows))
    }
  }

  /// Blocks of pixels that end inside an image row, windows larger than the gathering buffer's share.
  @Test func largerImages() {
    checkConvolutionU8(
      EK_CONV_U8,
      ConvCase(n: 2, h: 37, w: 41, cIn: 3, cOut: 33, kh: 3, kw: 3, strideH: 2, strideW: 2, padTop: 1, padLeft: 1))
    checkConvolutionU8(
      EK_CONV_U8,
      ConvCase(h: 13, w: 12, cIn: 700, cOut: 9, kh: 3, kw: 3, padTop: 1, padLeft: 1, padBottom: 1, padRight: 1))
    checkConvolutionU8(
      EK_CONV_U8, ConvCase(h: 16, w: 16, cIn: 3, cOut: 16, kh: 16, kw: 16, strideH: 16, strideW: 16))
  }

  /// The residual's memory may be the result's.
  @Test(arguments: plainTables) func residualInPlace(_ table: KernelTable) throws {
    let kernel = try #require(table.kernel(EK_CONV_U8))
    var random = SeededRandom(7)
    for columns in [5, 16, 32, 77] {
      let rows = 45, depth = 12
      let x = random.bytes(rows * depth), weights = random.weights(columns * depth)
      let before = random.bytes(rows * columns), scales = random.floats(columns, 0.001...0.004)
      withTestMemory { memory in
        func call(_ kernel: ek_kernel) -> [UInt8] {
          memory.outputOfAnyPartition(of: kernel, bytes: rows * columns, initial: before) { y in
            var a = ConvCase(n: rows, cIn: depth, cOut: columns).arguments()
            a.x = memory.input(x)
            a.weights = memory.input(weights)
            a.scale = memory.floats(scales)
            a.x_zero_point = 100
            a.y_zero_point = 128
            a.q_max = 255
            a.residual = UnsafeRawPointer(y)
            a.residual_zero_point = 120
            a.residual_scale = 0.5
            a.y = y
            return a
          }
        }
        expectEqualBytes(call(kernel), call(reference(EK_CONV_U8)), "\(table.isa) in place, \(columns) columns")
      }
    }
  }

  /// Scratch does not grow with the image, and stays small with deep windows.
  @Test(arguments: plainTables) func scratchIsBounded(_ table: KernelTable) throws {
    let kernel = try #require(table.kernel(EK_CONV_U8))
    for shape in [
      ConvCase(h: 2000, w: 2000, cIn: 64, cOut: 64, kh: 3, kw: 3), ConvCase(h: 60, w: 60, cIn: 2048, cOut: 512, kh: 3, kw: 3),
      ConvCase(n: 64, cIn: 25088, cOut: 4096),
    ] {
      var a = shape.arguments()
      #expect(kernel.scratch_bytes(&a) <= 512 * 1024)
    }
  }
}
