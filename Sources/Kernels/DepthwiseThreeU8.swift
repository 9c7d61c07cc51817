#if !ISA_SSE2
import CPlatform
#if ISA_AVX2 || ISA_AVX512VNNI
import _Builtin_intrinsics.intel
#endif

/// A line of an image from some pixel on; one in the padding stays at bytes that hold the zero point.
struct DepthwiseLineU8 {
  var pixels: UnsafePointer<UInt8>
  let step: Int

  @inline(__always) mutating func move() { pixels += step }
}

/// Windows of 3 x 3 that move by one or two columns. The taps of a column are brought together for the multiplier once and
/// multiplied for the pixels that see them. Weights are packed in that order.
struct DepthwiseThreeU8 {
  /// The three rows of the first pixel's window.
  var first: DepthwiseLineU8, second: DepthwiseLineU8, third: DepthwiseLineU8
  /// Bytes that hold the zero point.
  let padding: UnsafePointer<UInt8>

  /// Two lines of pixels are taken together, which share what is brought together of four lines of the image.
  #if ISA_AVX2 || ISA_AVX512VNNI
  @inline(__always) static var takesTwoLines: Bool { true }
  #else
  @inline(__always) static var takesTwoLines: Bool { false }
  #endif

  /// The layer is of this kind.
  static func suits(_ a: ek_conv) -> Bool {
    guard a.kh == 3, a.kw == 3, a.stride_w == 1 || a.stride_w == 2, a.dilation_h == 1, a.dilation_w == 1 else { return false }
    #if ISA_AVX512VNNI
    return a.w_zero_point == 0
    #elseif ISA_NEONDOT
    return a.w_zero_point == 0 && Int(a.c_out) % DepthwiseSumsU8.channels == 0
    #else
    return Int(a.c_out) % DepthwiseSumsU8.channels == 0
    #endif
  }

  /// Packed taps of a window: four places for a column, and where two lines are taken together four more for the second.
  static var taps: Int { 3 &* columnPlaces }
  @inline(__always) private static var columnPlaces: Int { takesTwoLines ? 8 : 4 }

  /// The tap of the window at a place; 9 where the weight is 0, nil where `packSecondLine` makes it.
  @inline(__always) static func tap(at place: Int) -> Int? {
    let row = place % columnPlaces
    return row < 3 ? 3 &* row &+ place / columnPlaces : row == 3 ? 9 : nil
  }

  #if ISA_AVX2 || ISA_AVX512VNNI
  /// Makes the second line's weights of the first one's: the same, one row further down.
  static func packSecondLine(_ weights: UnsafeMutableRawPointer) {
    var w = weights.assumingMemoryBound(to: VI.self)
    var column = 0
    while column < 3 {
      #if ISA_AVX512VNNI
      var i = 0
      while i < 4 {
        w[4 &+ i] = w[i] &<< VI(repeating: 8)
        i &+= 1
      }
      #else
      var half = 0
      while half < 2 {
        w[4 &+ half] = w[half] &<< VI(repeating: 16)
        w[6 &+ half] = lanes32(_mm256_srli_epi32(bits(w[half]), 16)) | w[2 &+ half] &<< VI(repeating: 16)
        half &+= 1
      }
      #endif
      w += 8
      column &+= 1
    }
  }
  #endif

  /// A line of `count` pixels of one block of `channels` channels. The first window begins in column `left` of `width`.
  @inline(never)
  func run(
    _ block: UnsafeRawPointer, _ channels: Int, _ count: Int, left: Int, width: Int, _ output: OutputU8, _ quantizer: QuantizerU8
  ) {
    let w = (block + 8 &* DepthwiseSumsU8.channels).assumingMemoryBound(to: VI.self)
    let step = DepthwiseThreeU8.columnPlaces
    let w0 = DepthwiseColumnU8.weights(w), w1 = DepthwiseColumnU8.weights(w + step), w2 = DepthwiseColumnU8.weights(w + 2 &* step)
    var rows = self
    #if ISA_AVX2
    let limits = LimitsU8(output)
    #endif
    // The sums of the pixel whose window ends with the next column, and of the one after it.
    var sums = DepthwiseSumsU8(block), next = sums
    var column = left
    let last = left &+ count &+ 1
    while column <= last {
      let taps = rows.nextColumn(isOutside: column < 0 || column >= width, channels)
      taps.add(&sums, w2)
      if column > left &+ 1 {
        // The place of each pixel on its own: moved from pixel to pixel, its parts would pass through memory and wait there.
        let place = output.moved(rows: column &- left &- 2, columns: 0)
        #if ISA_AVX2
        sums.store(block, place, limits)
        #else
        sums.store(block, place, quantizer, whole: DepthwiseColumnU8.isWhole, channels)
        #endif
      }
      sums = next
      taps.add(&sums, w1)
      next = DepthwiseSumsU8(block)
      taps.add(&next, w0)
      column &+= 1
    }
  }

  @inline(__always)
  private mutating func nextColumn(isOutside: Bool, _ channels: Int) -> DepthwiseColumnU8 {
    let column = DepthwiseColumnU8(
      isOutside ? padding : first.pixels, isOutside ? padding : second.pixels, isOutside ? padding : third.pixels, channels)
    first.move()
    second.move()
    third.move()
    return column
  }

  #if ISA_AVX2 || ISA_AVX512VNNI
  /// Two lines of pixels that have no residual: `last` is the third row of the second line's windows, `output` is of the first line.
  @inline(never)
  func runTwo(
    _ last: DepthwiseLineU8, _ block: UnsafeRawPointer, _ channels: Int, _ count: Int, left: Int, width: Int, _ output: OutputU8,
    _ quantizer: QuantizerU8
  ) {
    let w = (block + 8 &* DepthwiseSumsU8.channels).assumingMemoryBound(to: VI.self)
    #if ISA_AVX2
    let scales = (block + 4 &* DepthwiseSumsU8.channels).assumingMemoryBound(to: VF.self)
    let limits = LimitsU8(output)
    let step = output.moved(rows: 1, columns: 0).y - output.y, below = count &* step
    var y = output.y - 2 &* step
    #endif
    var first = first, second = second, third = third, fourth = last
    // Of both lines the sums of the pixel whose window ends with the next column, and of the one after it.
    var upper = DepthwiseSumsU8(block), lower = upper, upperNext = upper, lowerNext = upper
    var column = left
    let end = left &+ count &+ 2
    while column < end {
      let columns = DepthwiseTwoLinesU8(
        UInt(bitPattern: column) < UInt(bitPattern: width)
          ? (first.pixels, second.pixels, third.pixels, fourth.pixels) : (padding, padding, padding, padding), channels)
      first.move()
      second.move()
      third.move()
      fourth.move()
      columns.add(&upper, w + 16)
      columns.add(&lower, w + 20)
      if column > left &+ 1 {
        #if ISA_AVX2
        let a = minimum(toFloat(upper.low) * scales[0], limits.high), b = minimum(toFloat(upper.high) * scales[1], limits.high)
        let c = minimum(toFloat(lower.low) * scales[0], limits.high), d = minimum(toFloat(lower.high) * scales[1], limits.high)
        narrowBytes(a, b, c, d, limits.zeroPoint, limits.least, y, y + below)
        #else
        upper.store(block, output.moved(rows: column &- left &- 2, columns: 0), quantizer, whole: false, channels)
        lower.store(block, output.moved(rows: column &- left &- 2 &+ count, columns: 0), quantizer, whole: false, channels)
        #endif
      }
      #if ISA_AVX2
      y += step
      #endif
      upper = upperNext
      lower = lowerNext
      columns.add(&upper, w + 8)
      columns.add(&lower, w + 12)
      upperNext = DepthwiseSumsU8(block)
      lowerNext = upperNext
      columns.add(&upperNext, w)
      columns.add(&lowerNext, w + 4)
      column &+= 1
    }
  }
  #endif

  /// A line of pixels whose windows move by two columns: neighbours share one.
  @inline(never)
  func runByTwo(
    _ block: UnsafeRawPointer, _ channels: Int, _ count: Int, left: Int, width: Int, _ output: OutputU8, _ quantizer: QuantizerU8
  ) {
    let w = (block + 8 &* DepthwiseSumsU8.channels).assumingMemoryBound(to: VI.self)
    let step = DepthwiseThreeU8.columnPlaces
    let w0 = DepthwiseColumnU8.weights(w), w1 = DepthwiseColumnU8.weights(w + step), w2 = DepthwiseColumnU8.weights(w + 2 &* step)
    var rows = self
    #if ISA_AVX2
    let limits = LimitsU8(output)
    #endif
    var output = output
    var shared = rows.nextColumn(isOutside: left < 0 || left >= width, channels)
    var column = left &+ 1
    let end = column &+ 2 &* count
    while column < end {
      var sums = DepthwiseSumsU8(block)
      shared.add(&sums, w0)
      rows.nextColumn(isOutside: column < 0 || column >= width, channels).add(&sums, w1)
      shared = rows.nextColumn(isOutside: column &+ 1 < 0 || column &+ 1 >= width, channels)
      shared.add(&sums, w2)
      #if ISA_AVX2
      sums.store(block, output, limits)
      #else
      sums.store(block, output, quantizer, whole: DepthwiseColumnU8.isWhole, channels)
      #endif
      output = output.moved(rows: 1, columns: 0)
      column &+= 2
    }
  }
}

#if ISA_NEONDOT
/// sdot sums four taps: three rows, the last one twice with a weight of 0, for each quarter of the channels.
private struct DepthwiseColumnU8 {
  private let v0: SIMD16<UInt8>, v1: SIMD16<UInt8>, v2: SIMD16<UInt8>, v3: SIMD16<UInt8>

  /// Blocks have all their channels.
  @inline(__always) static var isWhole: Bool { true }

  /// What a column's taps are multiplied with: loaded once, because a store might change what memory holds.
  struct Weights {
    let w0: VI, w1: VI, w2: VI, w3: VI
  }
  @inline(__always) static func weights(_ w: UnsafePointer<VI>) -> Weights { Weights(w0: w[0], w1: w[1], w2: w[2], w3: w[3]) }

  @inline(__always)
  init(_ first: UnsafePointer<UInt8>, _ second: UnsafePointer<UInt8>, _ third: UnsafePointer<UInt8>, _: Int) {
    let a = en_load_flipped(first), b = en_load_flipped(second), c = en_load_flipped(third)
    let pairLow = en_zip_bytes_low(a, b), pairHigh = en_zip_bytes_high(a, b)
    let lastLow = en_zip_bytes_low(c, c), lastHigh = en_zip_bytes_high(c, c)
    v0 = en_zip_words_low(pairLow, lastLow)
    v1 = en_zip_words_high(pairLow, lastLow)
    v2 = en_zip_words_low(pairHigh, lastHigh)
    v3 = en_zip_words_high(pairHigh, lastHigh)
  }

  @inline(__always) func add(_ sums: inout DepthwiseSumsU8, _ w: Weights) {
    sums.s0 = en_dot_signed(sums.s0, v0, w.w0)
    sums.s1 = en_dot_signed(sums.s1, v1, w.w1)
    sums.s2 = en_dot_signed(sums.s2, v2, w.w2)
    sums.s3 = en_dot_signed(sums.s3, v3, w.w3)
  }
}
#elseif ISA_NEON
/// smlal multiplies one tap of four channels: a column is three registers of eight channels, widened once.
private struct DepthwiseColumnU8 {
  private let first: VI, second: VI, third: VI

  @inline(__always) static var isWhole: Bool { true }

  struct Weights {
    let first: VI, second: VI, third: VI
  }
  @inline(__always) static func weights(_ w: UnsafePointer<VI>) -> Weights { Weights(first: w[0], second: w[1], third: w[2]) }

  @inline(__always)
  init(_ first: UnsafePointer<UInt8>, _ second: UnsafePointer<UInt8>, _ third: UnsafePointer<UInt8>, _: Int) {
    self.first = en_widen_eight(first)
    self.second = en_widen_eight(second)
    self.third = en_widen_eight(third)
  }

  @inline(__always) func add(_ sums: inout DepthwiseSumsU8, _ w: Weights) {
    en_add_words(&sums.low, &sums.high, first, w.first)
    en_add_words(&sums.low, &sums.high, second, w.second)
    en_add_words(&sums.low, &sums.high, third, w.third)
  }
}
#elseif ISA_AVX2
/// What results are limited by, in registers.
private struct LimitsU8 {
  let high: VF, zeroPoint: VF, least: VF

  @inline(__always) init(_ output: OutputU8) {
    high = VF(repeating: Float(output.high &- output.zeroPoint))
    zeroPoint = unsafeBitCast(_mm256_set1_epi16(Int16(truncatingIfNeeded: output.zeroPoint)), to: VF.self)
    least = unsafeBitCast(_mm256_set1_epi16(Int16(truncatingIfNeeded: output.low)), to: VF.self)
  }
}

extension DepthwiseSumsU8 {
  /// Stores a whole block.
  @inline(__always) fileprivate func store(_ block: UnsafeRawPointer, _ output: OutputU8, _ limits: LimitsU8) {
    let scales = (block + 4 &* Self.channels).assumingMemoryBound(to: VF.self)
    var a = toFloat(low) * scales[0], b = toFloat(high) * scales[1]
    if let residual = output.residual {
      a += output.residualTerm(widenBytes(residual))
      b += output.residualTerm(widenBytes(residual + lanes))
    }
    narrowBytes(a, b, limits.high, limits.zeroPoint, limits.least, output.y)
  }
}

/// A column of four lines: registers of pairs of the upper two and of the lower two, for each half of the channels. Windows of the
/// upper line have a weight of 0 for the last line, those of the lower line for the first.
private struct DepthwiseTwoLinesU8 {
  private let upperLow: VI, upperHigh: VI, lowerLow: VI, lowerHigh: VI

  @inline(__always)
  init(_ lines: (UnsafePointer<UInt8>, UnsafePointer<UInt8>, UnsafePointer<UInt8>, UnsafePointer<UInt8>), _: Int) {
    let a = loadChannels(lines.0), b = loadChannels(lines.1), c = loadChannels(lines.2), d = loadChannels(lines.3)
    upperLow = lanes32(_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)))
    upperHigh = lanes32(_mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b)))
    lowerLow = lanes32(_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(c, d)))
    lowerHigh = lanes32(_mm256_cvtepu8_epi16(_mm_unpackhi_epi8(c, d)))
  }

  @inline(__always) func add(_ sums: inout DepthwiseSumsU8, _ w: UnsafePointer<VI>) {
    DotOperation.accumulate(&sums.low, upperLow, w[0])
    DotOperation.accumulate(&sums.high, upperHigh, w[1])
    DotOperation.accumulate(&sums.low, lowerLow, w[2])
    DotOperation.accumulate(&sums.high, lowerHigh, w[3])
  }
}

/// vpmaddwd sums two taps: a column is a register of pairs (first and second row) and one of the third row alone, for each half
/// of the channels.
private struct DepthwiseColumnU8 {
  private let pairLow: VI, pairHigh: VI, lastLow: VI, lastHigh: VI

  /// Blocks have all their channels.
  @inline(__always) static var isWhole: Bool { true }

  /// A multiplication takes them from memory.
  @inline(__always) static func weights(_ w: UnsafePointer<VI>) -> UnsafePointer<VI> { w }

  @inline(__always)
  init(_ first: UnsafePointer<UInt8>, _ second: UnsafePointer<UInt8>, _ third: UnsafePointer<UInt8>, _: Int) {
    let a = loadChannels(first), b = loadChannels(second)
    pairLow = lanes32(_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)))
    pairHigh = lanes32(_mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b)))
    lastLow = widenBytes(third)
    lastHigh = widenBytes(third + lanes)
  }

  @inline(__always) func add(_ sums: inout DepthwiseSumsU8, _ w: UnsafePointer<VI>) {
    DotOperation.accumulate(&sums.low, pairLow, w[0])
    DotOperation.accumulate(&sums.high, pairHigh, w[1])
    DotOperation.accumulate(&sums.low, lastLow, w[2])
    DotOperation.accumulate(&sums.high, lastHigh, w[3])
  }
}
#else
/// vpdpbusd sums four taps for each quarter of the channels: of three rows and a zero, or of four rows, for two lines of pixels. Windows of
/// the upper line have then a weight of 0 for the last row, those of the lower line for the first.
private struct DepthwiseColumnU8 {
  private let v0: VI, v1: VI, v2: VI, v3: VI

  /// Channels past a block's last are neither read nor written.
  @inline(__always) static var isWhole: Bool { false }

  @inline(__always) static func weights(_ w: UnsafePointer<VI>) -> UnsafePointer<VI> { w }

  @inline(__always)
  init(_ first: UnsafePointer<UInt8>, _ second: UnsafePointer<UInt8>, _ third: UnsafePointer<UInt8>, _ channels: Int) {
    self.init(
      DepthwiseSumsU8.load(first, channels), DepthwiseSumsU8.load(second, channels), DepthwiseSumsU8.load(third, channels),
      _mm512_setzero_si512())
  }

  @inline(__always)
  init(_ lines: (UnsafePointer<UInt8>, UnsafePointer<UInt8>, UnsafePointer<UInt8>, UnsafePointer<UInt8>), _ channels: Int) {
    self.init(
      DepthwiseSumsU8.load(lines.0, channels), DepthwiseSumsU8.load(lines.1, channels), DepthwiseSumsU8.load(lines.2, channels),
      DepthwiseSumsU8.load(lines.3, channels))
  }

  @inline(__always) private init(_ a: __m512i, _ b: __m512i, _ c: __m512i, _ d: __m512i) {
    let upperLow = _mm512_unpacklo_epi8(a, b), upperHigh = _mm512_unpackhi_epi8(a, b)
    let lowerLow = _mm512_unpacklo_epi8(c, d), lowerHigh = _mm512_unpackhi_epi8(c, d)
    v0 = lanes32(_mm512_unpacklo_epi16(upperLow, lowerLow))
    v1 = lanes32(_mm512_unpackhi_epi16(upperLow, lowerLow))
    v2 = lanes32(_mm512_unpacklo_epi16(upperHigh, lowerHigh))
    v3 = lanes32(_mm512_unpackhi_epi16(upperHigh, lowerHigh))
  }

  @inline(__always) func add(_ sums: inout DepthwiseSumsU8, _ w: UnsafePointer<VI>) {
    DotOperation.accumulate(&sums.s0, v0, w[0])
    DotOperation.accumulate(&sums.s1, v1, w[1])
    DotOperation.accumulate(&sums.s2, v2, w[2])
    DotOperation.accumulate(&sums.s3, v3, w[3])
  }
}

private typealias DepthwiseTwoLinesU8 = DepthwiseColumnU8
#endif
#endif
