#if ISA_AVX2
import CPlatform
import _Builtin_intrinsics.intel

/// Windows of 3 x 3 that move by one column. vpmaddwd sums two taps, so the three taps of a column are one register of pairs
/// (first and second row) and one of the third row alone; each column is widened and paired once and multiplied for the three
/// pixels that see it. Weights are packed in that order: for each column of the window the pair, then the third with 0.
struct DepthwiseThreeU8 {
  /// Where the three rows begin; a row in the padding stays at bytes that hold the zero point.
  var first: UnsafePointer<UInt8>, second: UnsafePointer<UInt8>, third: UnsafePointer<UInt8>
  let firstStep: Int, secondStep: Int, thirdStep: Int

  /// The layer is of this kind.
  static func suits(_ a: ek_conv) -> Bool {
    a.kh == 3 && a.kw == 3 && a.stride_w == 1 && a.dilation_h == 1 && a.dilation_w == 1
      && Int(a.c_out) % DepthwiseSumsU8.channels == 0
  }

  /// Packed taps of a window: the tap at (row, column) is at 4 column + row.
  static var taps: Int { 12 }

  /// `count` neighbouring pixels of one block of channels.
  @inline(never)
  func run(_ block: UnsafeRawPointer, _ count: Int, _ output: OutputU8, _ quantizer: QuantizerU8) {
    let w = (block + 8 &* DepthwiseSumsU8.channels).assumingMemoryBound(to: VI.self)
    var rows = self
    var output = output
    // The sums of the pixel whose window ends with the next column, and of the one after it.
    var low = VI(), high = VI(), nextLow = VI(), nextHigh = VI()
    var left = count &+ 2
    while left > 0 {
      let a = loadChannels(rows.first), b = loadChannels(rows.second)
      let pairLow = lanes32(_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)))
      let pairHigh = lanes32(_mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b)))
      let lastLow = widenBytes(rows.third), lastHigh = widenBytes(rows.third + lanes)
      rows.first += firstStep
      rows.second += secondStep
      rows.third += thirdStep
      DotOperation.accumulate(&low, pairLow, w[8])
      DotOperation.accumulate(&high, pairHigh, w[9])
      DotOperation.accumulate(&low, lastLow, w[10])
      DotOperation.accumulate(&high, lastHigh, w[11])
      if left <= count {
        DepthwiseSumsU8(low, high).store(block, output, quantizer, whole: true, DepthwiseSumsU8.channels)
        output = output.moved(rows: 1, columns: 0)
      }
      low = nextLow
      high = nextHigh
      DotOperation.accumulate(&low, pairLow, w[4])
      DotOperation.accumulate(&high, pairHigh, w[5])
      DotOperation.accumulate(&low, lastLow, w[6])
      DotOperation.accumulate(&high, lastHigh, w[7])
      nextLow = VI()
      nextHigh = VI()
      DotOperation.accumulate(&nextLow, pairLow, w[0])
      DotOperation.accumulate(&nextHigh, pairHigh, w[1])
      DotOperation.accumulate(&nextLow, lastLow, w[2])
      DotOperation.accumulate(&nextHigh, lastHigh, w[3])
      left &-= 1
    }
  }
}
#endif
