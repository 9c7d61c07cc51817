import CPlatform
import Testing

@Suite struct F32DepthwiseTests {
  /// Channel counts around every register width, with the two common filters.
  @Test func channelTails() {
    for channels in [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 100, 130] {
      for k in [3, 5] {
        for stride in [1, 2] {
          check(
            ConvCase(
              n: 1 + channels % 2, h: 7, w: 11, cIn: channels, kh: k, kw: k, strideH: stride, strideW: stride,
              padTop: k / 2, padLeft: k / 2, padBottom: k / 2, padRight: k / 2, residual: channels % 3 == 0,
              clamp: 0...6))
        }
      }
    }
  }

  @Test func anyGeometry() {
    var seed = 0
    for (kh, kw) in [(1, 1), (3, 3), (3, 5), (7, 7), (1, 9), (2, 2)] {
      for (sh, sw) in [(1, 1), (2, 1), (1, 3)] {
        for (dh, dw) in [(1, 1), (2, 2), (1, 4)] {
          for (top, left, bottom, right) in [(0, 0, 0, 0), (1, 1, 1, 1), (0, 2, 1, 0), (7, 9, 8, 10)] {
            seed += 1
            check(
              ConvCase(
                h: 8, w: 10 + seed % 5, cIn: [3, 16, 19][seed % 3], kh: kh, kw: kw, strideH: sh, strideW: sw,
                dilationH: dh, dilationW: dw, padTop: top, padLeft: left, padBottom: bottom, padRight: right,
                extraX: seed % 4, extraY: seed % 3, extraResidual: seed % 2, bias: seed % 5 != 0,
                residual: seed % 2 == 0), seed)
          }
        }
      }
    }
  }

  /// An image narrower than the filter has no interior.
  @Test func smallImages() {
    for size in 1...6 {
      for k in [3, 5] {
        check(
          ConvCase(
            h: size, w: size, cIn: 20, kh: k, kw: k, padTop: k / 2, padLeft: k / 2, padBottom: k / 2, padRight: k / 2))
      }
    }
  }

  private func check(_ shape: ConvCase, _ seed: Int = 1) {
    var shape = shape
    shape.cOut = shape.cIn
    shape.groups = shape.cIn
    checkConvolution(EK_DEPTHWISE_F32, shape, seed: UInt64(seed))
  }
}
