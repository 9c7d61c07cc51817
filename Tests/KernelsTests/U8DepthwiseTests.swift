import CPlatform
import Testing

@Suite struct U8DepthwiseTests {
  @Test(arguments: plainTables) func isPresent(_ table: KernelTable) {
    #expect(table.kernel(EK_DEPTHWISE_U8) != nil)
  }

  private func shape(_ channels: Int) -> ConvCase {
    ConvCase(
      h: 7, w: 6, cIn: channels, cOut: channels, groups: channels, kh: 3, kw: 3, padTop: 1, padLeft: 1, padBottom: 1,
      padRight: 1, depthwise: true)
  }

  /// Channel counts around every vector and block.
  @Test func channels() {
    for channels in [1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 23, 24, 31, 32, 33, 63, 64, 65, 96, 127, 130, 200, 5000] {
      var shape = shape(channels)
      if channels > 1000 { (shape.h, shape.w) = (3, 3) }
      checkConvolutionU8(EK_DEPTHWISE_U8, shape, seed: UInt64(channels))
      shape.residual = true
      shape.extraX = 3
      shape.extraY = 1
      shape.extraResidual = 2
      checkConvolutionU8(EK_DEPTHWISE_U8, shape, seed: UInt64(channels))
    }
  }

  @Test(arguments: NumbersU8.allCases)
  func numbers(_ numbers: NumbersU8) {
    for channels in [3, 32, 70] {
      for residual in [false, true] {
        var shape = shape(channels)
        shape.residual = residual
        checkConvolutionU8(EK_DEPTHWISE_U8, shape, numbers, seed: UInt64(channels))
      }
    }
  }

  /// Windows of 3 x 3 that move by one or two columns: images narrower than a window, windows wholly in the padding.
  @Test func threeByThree() {
    var seed: UInt64 = 0
    for channels in [3, 16, 32, 48, 64, 80, 144, 200] {
      for width in [1, 2, 3, 5, 9] {
        for (left, right) in [(0, 0), (1, 1), (2, 0), (4, 3)] {
          // Even, for weights without a zero point, and odd.
          for step: UInt64 in [1, 2] {
            seed += step
            checkConvolutionU8(
              EK_DEPTHWISE_U8,
              ConvCase(
                n: 1 + Int(seed % 2), h: 4, w: width, cIn: channels, cOut: channels, groups: channels, kh: 3, kw: 3,
                strideH: 1 + Int(seed / 2 % 2), strideW: 1 + Int(seed / 7 % 2), padTop: Int(seed % 4), padLeft: left,
                padBottom: Int(seed / 4 % 4), padRight: right, extraX: Int(seed / 3 % 2) * 3, extraY: Int(seed / 5 % 2),
                bias: seed % 5 != 0, residual: seed % 3 == 0, depthwise: true),
              seed: seed)
          }
        }
      }
    }
  }

  @Test func kernelsStridesDilationsPaddings() {
    var seed: UInt64 = 1
    for (kh, kw) in [(1, 1), (3, 3), (5, 5), (1, 7), (7, 1), (2, 3), (4, 4)] {
      for (sh, sw) in [(1, 1), (2, 2), (1, 3), (3, 2)] {
        for (dh, dw) in [(1, 1), (2, 2), (1, 3)] {
          for (top, left, bottom, right) in [(0, 0, 0, 0), (1, 1, 1, 1), (2, 3, 1, 0), (5, 6, 5, 7)] {
            seed += 1
            let channels = [5, 16, 19, 67][Int(seed % 4)]
            checkConvolutionU8(
              EK_DEPTHWISE_U8,
              ConvCase(
                n: 1 + Int(seed % 2), h: 9, w: 8, cIn: channels, cOut: channels, groups: channels, kh: kh, kw: kw,
                strideH: sh, strideW: sw, dilationH: dh, dilationW: dw, padTop: top, padLeft: left, padBottom: bottom,
                padRight: right, extraX: Int(seed % 2) * 5, bias: seed % 5 != 0, residual: seed % 3 == 0,
                depthwise: true),
              seed: seed)
          }
        }
      }
    }
  }
}
