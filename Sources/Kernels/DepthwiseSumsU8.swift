#if ISA_AVX512VNNI
import _Builtin_intrinsics.intel

/// Sums of 64 channels. Four taps of a channel are brought together in a lane by unpacking, which leaves channels
/// in the order of `channel(_:)`; packing the results undoes it.
struct DepthwiseSumsU8 {
  typealias Weight = Int8
  private var s0 = VI(), s1 = VI(), s2 = VI(), s3 = VI()

  @inline(__always) static var taps: Int { 4 }
  @inline(__always) static var channels: Int { 64 }
  @inline(__always) static func channel(_ lane: Int) -> Int { lane % 16 / 4 &* 16 &+ lane / 16 &* 4 &+ lane % 4 }
  @inline(__always) static func weightIndex(_ lane: Int, _ tap: Int) -> Int { lane &* 4 &+ tap }

  @inline(__always) init() {}

  @inline(__always)
  private static func load(_ p: UnsafePointer<UInt8>, whole: Bool, _ count: Int) -> __m512i {
    whole
      ? UnsafeRawPointer(p).loadUnaligned(as: __m512i.self)
      : _mm512_maskz_loadu_epi8(__mmask64(truncatingIfNeeded: (1 as UInt64) &<< UInt64(truncatingIfNeeded: count) &- 1), p)
  }

  @inline(__always)
  mutating func add(
    _ taps: UnsafePointer<UnsafePointer<UInt8>>, _ offset: Int, _ weights: UnsafeRawPointer, whole: Bool, _ count: Int
  ) {
    let w = weights.assumingMemoryBound(to: VI.self)
    let a = Self.load(taps[0] + offset, whole: whole, count), b = Self.load(taps[1] + offset, whole: whole, count)
    let c = Self.load(taps[2] + offset, whole: whole, count), d = Self.load(taps[3] + offset, whole: whole, count)
    let abLow = _mm512_unpacklo_epi8(a, b), abHigh = _mm512_unpackhi_epi8(a, b)
    let cdLow = _mm512_unpacklo_epi8(c, d), cdHigh = _mm512_unpackhi_epi8(c, d)
    DotOperation.accumulate(&s0, lanes32(_mm512_unpacklo_epi16(abLow, cdLow)), w[0])
    DotOperation.accumulate(&s1, lanes32(_mm512_unpackhi_epi16(abLow, cdLow)), w[1])
    DotOperation.accumulate(&s2, lanes32(_mm512_unpacklo_epi16(abHigh, cdHigh)), w[2])
    DotOperation.accumulate(&s3, lanes32(_mm512_unpackhi_epi16(abHigh, cdHigh)), w[3])
  }

  /// `block`: corrections and scales in lane order.
  @inline(__always)
  func store(_ block: UnsafeRawPointer, _ output: OutputU8, whole: Bool, _ count: Int) {
    let corrections = block.assumingMemoryBound(to: VI.self)
    let scales = (block + 256).assumingMemoryBound(to: VF.self)
    var t0 = toFloat(s0 &+ corrections[0]) * scales[0], t1 = toFloat(s1 &+ corrections[1]) * scales[1]
    var t2 = toFloat(s2 &+ corrections[2]) * scales[2], t3 = toFloat(s3 &+ corrections[3]) * scales[3]
    if let residual = output.residual {
      let zero = _mm512_setzero_si512()
      let r = Self.load(residual, whole: whole, count)
      let low = _mm512_unpacklo_epi8(r, zero), high = _mm512_unpackhi_epi8(r, zero)
      t0 += output.residualTerm(lanes32(_mm512_unpacklo_epi16(low, zero)))
      t1 += output.residualTerm(lanes32(_mm512_unpackhi_epi16(low, zero)))
      t2 += output.residualTerm(lanes32(_mm512_unpacklo_epi16(high, zero)))
      t3 += output.residualTerm(lanes32(_mm512_unpackhi_epi16(high, zero)))
    }
    let words0 = _mm512_packs_epi32(bits(output.quantized(t0)), bits(output.quantized(t1)))
    let words1 = _mm512_packs_epi32(bits(output.quantized(t2)), bits(output.quantized(t3)))
    let bytes = _mm512_packus_epi16(words0, words1)
    if whole {
      UnsafeMutableRawPointer(output.y).storeBytes(of: bytes, as: __m512i.self)
    } else {
      _mm512_mask_storeu_epi8(
        output.y, __mmask64(truncatingIfNeeded: (1 as UInt64) &<< UInt64(truncatingIfNeeded: count) &- 1), bytes)
    }
  }
}
#else

/// Sums of two registers of channels. Two taps are multiplied at a time, widened to Int16.
struct DepthwiseSumsU8 {
  typealias Weight = Int16
  private var low = VI(), high = VI()

  @inline(__always) static var taps: Int { 2 }
  @inline(__always) static var channels: Int { 2 &* lanes }
  @inline(__always) static func channel(_ lane: Int) -> Int { lane }
  @inline(__always) static func weightIndex(_ lane: Int, _ tap: Int) -> Int { depthwiseWeightIndex(lane, tap) }

  @inline(__always) init() {}

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
  func store(_ block: UnsafeRawPointer, _ output: OutputU8, whole: Bool, _ count: Int) {
    let corrections = block.assumingMemoryBound(to: VI.self)
    let scales = (block + 4 &* Self.channels).assumingMemoryBound(to: VF.self)
    var t0 = toFloat(low &+ corrections[0]) * scales[0], t1 = toFloat(high &+ corrections[1]) * scales[1]
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
    let q0 = output.quantized(t0), q1 = output.quantized(t1)
    if whole { return narrowBytes(q0, q1, output.y) }
    narrowBytesPart(q0, output.y, lowCount)
    if count > lanes { narrowBytesPart(q1, output.y + lanes, count &- lanes) }
  }
}
#endif
