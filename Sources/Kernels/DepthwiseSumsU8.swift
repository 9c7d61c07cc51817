#if ISA_AVX512VNNI
import _Builtin_intrinsics.intel

/// Sums of 64 channels. Four taps of a channel are brought together in a lane by unpacking, which leaves channels
/// in the order of `channel(_:)`; packing the results undoes it.
struct DepthwiseSumsU8 {
  typealias Weight = Int8
  var s0: VI, s1: VI, s2: VI, s3: VI

  @inline(__always) static var taps: Int { 4 }
  @inline(__always) static var channels: Int { 64 }
  /// What is subtracted from activations before they are multiplied.
  @inline(__always) static var offset: Int32 { 0 }
  @inline(__always) static func channel(_ lane: Int) -> Int { lane % 16 / 4 &* 16 &+ lane / 16 &* 4 &+ lane % 4 }
  @inline(__always) static func weightIndex(_ lane: Int, _ tap: Int) -> Int { lane &* 4 &+ tap }

  /// Sums that begin with a block's corrections.
  @inline(__always) init(_ block: UnsafeRawPointer) {
    let corrections = block.assumingMemoryBound(to: VI.self)
    (s0, s1, s2, s3) = (corrections[0], corrections[1], corrections[2], corrections[3])
  }

  /// The lanes of `count` channels, 0 < count <= 64.
  @inline(__always) private static func mask(_ count: Int) -> __mmask64 {
    __mmask64(truncatingIfNeeded: UInt64.max &>> UInt64(truncatingIfNeeded: channels &- count))
  }

  @inline(__always)
  static func load(_ p: UnsafePointer<UInt8>, _ count: Int) -> __m512i { _mm512_maskz_loadu_epi8(mask(count), p) }

  @inline(__always)
  mutating func add(
    _ taps: UnsafePointer<UnsafePointer<UInt8>>, _ offset: Int, _ weights: UnsafeRawPointer, whole: Bool, _ count: Int
  ) {
    let w = weights.assumingMemoryBound(to: VI.self)
    let x = Self.joined(
      Self.load(taps[0] + offset, count), Self.load(taps[1] + offset, count), Self.load(taps[2] + offset, count),
      Self.load(taps[3] + offset, count))
    DotOperation.accumulate(&s0, x.0, w[0])
    DotOperation.accumulate(&s1, x.1, w[1])
    DotOperation.accumulate(&s2, x.2, w[2])
    DotOperation.accumulate(&s3, x.3, w[3])
  }

  /// Four taps of channels, those of a channel side by side, in lane order.
  @inline(__always)
  private static func joined(_ a: __m512i, _ b: __m512i, _ c: __m512i, _ d: __m512i) -> (VI, VI, VI, VI) {
    let abLow = _mm512_unpacklo_epi8(a, b), abHigh = _mm512_unpackhi_epi8(a, b)
    let cdLow = _mm512_unpacklo_epi8(c, d), cdHigh = _mm512_unpackhi_epi8(c, d)
    return (
      lanes32(_mm512_unpacklo_epi16(abLow, cdLow)), lanes32(_mm512_unpackhi_epi16(abLow, cdLow)),
      lanes32(_mm512_unpacklo_epi16(abHigh, cdHigh)), lanes32(_mm512_unpackhi_epi16(abHigh, cdHigh))
    )
  }

  /// Packs a step's weights, which add to the sums: of each tap those of `count` channels, nil for zeros.
  @inline(__always)
  mutating func pack(_ count: Int, _ weights: UnsafeMutableRawPointer, _ tap: (Int) -> UnsafePointer<UInt8>?) {
    @inline(__always) func row(_ index: Int) -> __m512i {
      if let weights = tap(index) { Self.load(weights, count) } else { _mm512_setzero_si512() }
    }
    let w = weights.assumingMemoryBound(to: VI.self), ones = VI(repeating: 0x0101_0101)
    (w[0], w[1], w[2], w[3]) = Self.joined(row(0), row(1), row(2), row(3))
    DotOperation.accumulate(&s0, ones, w[0])
    DotOperation.accumulate(&s1, ones, w[1])
    DotOperation.accumulate(&s2, ones, w[2])
    DotOperation.accumulate(&s3, ones, w[3])
  }

  /// `block`: corrections and scales in lane order.
  @inline(__always)
  func store(_ block: UnsafeRawPointer, _ output: OutputU8, _ quantizer: QuantizerU8, whole: Bool, _ count: Int) {
    let scales = (block + 256).assumingMemoryBound(to: VF.self)
    var t0 = toFloat(s0) * scales[0], t1 = toFloat(s1) * scales[1]
    var t2 = toFloat(s2) * scales[2], t3 = toFloat(s3) * scales[3]
    if let residual = output.residual {
      let zero = _mm512_setzero_si512()
      let r = Self.load(residual, count)
      let low = _mm512_unpacklo_epi8(r, zero), high = _mm512_unpackhi_epi8(r, zero)
      t0 += output.residualTerm(lanes32(_mm512_unpacklo_epi16(low, zero)))
      t1 += output.residualTerm(lanes32(_mm512_unpackhi_epi16(low, zero)))
      t2 += output.residualTerm(lanes32(_mm512_unpacklo_epi16(high, zero)))
      t3 += output.residualTerm(lanes32(_mm512_unpackhi_epi16(high, zero)))
    }
    // As in `narrowBytes`: what packing and adding saturates is limited as well.
    let high = VF(repeating: Float(output.high &- output.zeroPoint))
    @inline(__always) func words(_ a: VF, _ b: VF) -> __m512i {
      let packed = _mm512_packs_epi32(bits(toInteger(minimum(a, high))), bits(toInteger(minimum(b, high))))
      return _mm512_max_epi16(
        _mm512_adds_epi16(packed, _mm512_set1_epi16(Int16(truncatingIfNeeded: output.zeroPoint))),
        _mm512_set1_epi16(Int16(truncatingIfNeeded: output.low)))
    }
    let bytes = _mm512_packus_epi16(words(t0, t1), words(t2, t3))
    _mm512_mask_storeu_epi8(output.y, Self.mask(count), bytes)
  }
}
#elseif ISA_NEONDOT
import CPlatform

/// Sums of sixteen channels. Four taps of a channel are brought together in a lane by interleaving. Activations are multiplied
/// as x - 128.
struct DepthwiseSumsU8 {
  typealias Weight = Int8
  var s0: VI, s1: VI, s2: VI, s3: VI

  @inline(__always) static var taps: Int { 4 }
  @inline(__always) static var channels: Int { 16 }
  @inline(__always) static var offset: Int32 { 128 }
  @inline(__always) static func channel(_ lane: Int) -> Int { lane }
  @inline(__always) static func weightIndex(_ lane: Int, _ tap: Int) -> Int { lane &* 4 &+ tap }

  /// Sums that begin with a block's corrections.
  @inline(__always) init(_ block: UnsafeRawPointer) {
    let corrections = block.assumingMemoryBound(to: VI.self)
    (s0, s1, s2, s3) = (corrections[0], corrections[1], corrections[2], corrections[3])
  }

  @inline(__always)
  private static func load(_ p: UnsafePointer<UInt8>, whole: Bool, _ count: Int) -> SIMD16<UInt8> {
    if whole { return SIMD16<UInt8>.load(p) }
    let low = loadFewBytes(p, count < 8 ? count : 8), high = count > 8 ? loadFewBytes(p + 8, count &- 8) : 0
    return unsafeBitCast(SIMD2(low, high), to: SIMD16<UInt8>.self)
  }

  @inline(__always)
  mutating func add(
    _ taps: UnsafePointer<UnsafePointer<UInt8>>, _ offset: Int, _ weights: UnsafeRawPointer, whole: Bool, _ count: Int
  ) {
    let w = weights.assumingMemoryBound(to: Int8.self)
    let a = Self.load(taps[0] + offset, whole: whole, count), b = Self.load(taps[1] + offset, whole: whole, count)
    let c = Self.load(taps[2] + offset, whole: whole, count), d = Self.load(taps[3] + offset, whole: whole, count)
    let abLow = en_zip_bytes_low(a, b), abHigh = en_zip_bytes_high(a, b)
    let cdLow = en_zip_bytes_low(c, d), cdHigh = en_zip_bytes_high(c, d)
    s0 = en_dot_flipped(s0, en_zip_words_low(abLow, cdLow), w)
    s1 = en_dot_flipped(s1, en_zip_words_high(abLow, cdLow), w + 16)
    s2 = en_dot_flipped(s2, en_zip_words_low(abHigh, cdHigh), w + 32)
    s3 = en_dot_flipped(s3, en_zip_words_high(abHigh, cdHigh), w + 48)
  }

  /// `block`: corrections and scales in lane order.
  @inline(__always)
  func store(_ block: UnsafeRawPointer, _ output: OutputU8, _ quantizer: QuantizerU8, whole: Bool, _ count: Int) {
    let scales = (block + 64).assumingMemoryBound(to: VF.self)
    var t0 = toFloat(s0) * scales[0], t1 = toFloat(s1) * scales[1], t2 = toFloat(s2) * scales[2], t3 = toFloat(s3) * scales[3]
    if let residual = output.residual {
      let words = unsafeBitCast(Self.load(residual, whole: whole, count), to: SIMD4<UInt32>.self)
      t0 += output.residualTerm(en_widen(words[0]))
      t1 += output.residualTerm(en_widen(words[1]))
      t2 += output.residualTerm(en_widen(words[2]))
      t3 += output.residualTerm(en_widen(words[3]))
    }
    let bytes = quantizer.bytes(t0, t1, t2, t3)
    if whole { return bytes.store(output.y) }
    let halves = unsafeBitCast(bytes, to: SIMD2<UInt64>.self)
    storeFewBytes(halves[0], output.y, smaller(count, 8))
    if count > 8 { storeFewBytes(halves[1], output.y + 8, count &- 8) }
  }
}
#else

/// Sums of two registers of channels. Two taps are multiplied at a time, widened to Int16.
struct DepthwiseSumsU8 {
  typealias Weight = Int16
  var low: VI, high: VI

  @inline(__always) static var taps: Int { 2 }
  @inline(__always) static var channels: Int { 2 &* lanes }
  @inline(__always) static var offset: Int32 { 0 }
  @inline(__always) static func channel(_ lane: Int) -> Int { lane }
  @inline(__always) static func weightIndex(_ lane: Int, _ tap: Int) -> Int { depthwiseWeightIndex(lane, tap) }

  /// Sums that begin with a block's corrections.
  @inline(__always) init(_ block: UnsafeRawPointer) {
    let corrections = block.assumingMemoryBound(to: VI.self)
    (low, high) = (corrections[0], corrections[1])
  }

  @inline(__always)
  mutating func add(
    _ taps: UnsafePointer<UnsafePointer<UInt8>>, _ offset: Int, _ weights: UnsafeRawPointer, whole: Bool, _ count: Int
  ) {
    let a = taps[0] + offset, b = taps[1] + offset
    if whole {
      addTaps(&low, &high, loadChannels(a), loadChannels(b), weights)
    } else {
      addTaps(&low, &high, loadChannelsPart(a, count), loadChannelsPart(b, count), weights)
    }
  }

  @inline(__always)
  func store(_ block: UnsafeRawPointer, _ output: OutputU8, _ quantizer: QuantizerU8, whole: Bool, _ count: Int) {
    let scales = (block + 4 &* Self.channels).assumingMemoryBound(to: VF.self)
    var t0 = toFloat(low) * scales[0], t1 = toFloat(high) * scales[1]
    let lowCount = count < lanes ? count : lanes
    if let residual = output.residual {
      if whole {
        t0 += output.residualTerm(widenBytes(residual))
        t1 += output.residualTerm(widenBytes(residual + lanes))
      } else {
        t0 += output.residualTerm(widenBytesPart(residual, lowCount))
        if count > lanes { t1 += output.residualTerm(widenBytesPart(residual + lanes, count &- lanes)) }
      }
    }
    if whole { return output.store(t0, t1, quantizer, output.y) }
    let q0 = quantizer.quantized(t0), q1 = quantizer.quantized(t1)
    narrowBytesPart(q0, output.y, lowCount)
    if count > lanes { narrowBytesPart(q1, output.y + lanes, count &- lanes) }
  }
}
#endif
