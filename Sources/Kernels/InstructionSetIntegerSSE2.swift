#if ISA_SSE2
import _Builtin_intrinsics.intel

// Baseline x86-64: pmaddwd over bytes widened to Int16; zero extension by unpacking with zero.

typealias DotWeight = Int16
@inline(__always) var dotGroup: Int { 2 }
@inline(__always) var dotWeightOffset: Int32 { 0 }
@inline(__always) func dotWeightIndex(_ column: Int, _ i: Int) -> Int { column &* 2 &+ i }

enum DotOperation: FourByteOperation {
  @inline(__always) static func accumulate(_ sum: inout VI, _ element: VI, _ panel: VI) {
    sum = sum &+ lanes32(_mm_madd_epi16(bits(element), bits(panel)))
  }
}

@inline(__always) func bits(_ v: VI) -> __m128i { unsafeBitCast(v, to: __m128i.self) }
@inline(__always) func lanes32(_ v: __m128i) -> VI { unsafeBitCast(v, to: VI.self) }

@inline(__always) private func widen(_ bytes: UInt32) -> VI {
  let zero = _mm_setzero_si128()
  return lanes32(
    _mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(Int32(bitPattern: bytes)), zero), zero))
}
@inline(__always) private func narrow(_ v: VI) -> UInt32 {
  let words = _mm_packs_epi32(bits(v), bits(v))
  return UInt32(bitPattern: _mm_cvtsi128_si32(_mm_packus_epi16(words, words)))
}
@inline(__always) func widenBytes(_ p: UnsafePointer<UInt8>) -> VI {
  widen(UnsafeRawPointer(p).loadUnaligned(as: UInt32.self))
}
@inline(__always) func narrowBytes(_ v: VI, _ p: UnsafeMutablePointer<UInt8>) {
  UnsafeMutableRawPointer(p).storeBytes(of: narrow(v), as: UInt32.self)
}
@inline(__always) func narrowBytes(_ v: VI, _ w: VI, _ p: UnsafeMutablePointer<UInt8>) {
  let words = _mm_packs_epi32(bits(v), bits(w))
  UnsafeMutableRawPointer(p).storeBytes(of: _mm_cvtsi128_si64(_mm_packus_epi16(words, words)), as: Int64.self)
}
@inline(__always) func widenBytesPart(_ p: UnsafePointer<UInt8>, _ count: Int) -> VI {
  widen(UInt32(truncatingIfNeeded: loadFewBytes(p, count)))
}
@inline(__always) func narrowBytesPart(_ v: VI, _ p: UnsafeMutablePointer<UInt8>, _ count: Int) {
  storeFewBytes(UInt64(narrow(v)), p, count)
}
@inline(__always) func moveActivations(_ to: UnsafeMutableRawPointer, _ from: UnsafePointer<UInt8>) {
  let zero = _mm_setzero_si128()
  let bytes = UnsafeRawPointer(from).loadUnaligned(as: __m128i.self)
  to.storeBytes(of: _mm_unpacklo_epi8(bytes, zero), as: __m128i.self)
  (to + 16).storeBytes(of: _mm_unpackhi_epi8(bytes, zero), as: __m128i.self)
}

typealias ChannelBytes = __m128i
@inline(__always) func depthwiseWeightIndex(_ lane: Int, _ tap: Int) -> Int { lane &* 2 &+ tap }
@inline(__always) func loadChannels(_ p: UnsafePointer<UInt8>) -> ChannelBytes {
  _mm_cvtsi64_si128(UnsafeRawPointer(p).loadUnaligned(as: Int64.self))
}
@inline(__always) func loadChannelsPart(_ p: UnsafePointer<UInt8>, _ count: Int) -> ChannelBytes {
  _mm_cvtsi64_si128(Int64(bitPattern: loadFewBytes(p, count)))
}
@inline(__always)
func addTaps(_ low: inout VI, _ high: inout VI, _ a: ChannelBytes, _ b: ChannelBytes, _ weights: UnsafeRawPointer) {
  let w = weights.assumingMemoryBound(to: VI.self)
  let zero = _mm_setzero_si128()
  let pairs = _mm_unpacklo_epi8(a, b)
  DotOperation.accumulate(&low, lanes32(_mm_unpacklo_epi8(pairs, zero)), w[0])
  DotOperation.accumulate(&high, lanes32(_mm_unpackhi_epi8(pairs, zero)), w[1])
}

typealias BytesU8 = SIMD16<UInt8>
@inline(__always) func largerBytes(_ a: BytesU8, _ b: BytesU8) -> BytesU8 {
  unsafeBitCast(_mm_max_epu8(unsafeBitCast(a, to: __m128i.self), unsafeBitCast(b, to: __m128i.self)), to: BytesU8.self)
}
@inline(__always) func smallerBytes(_ a: BytesU8, _ b: BytesU8) -> BytesU8 {
  unsafeBitCast(_mm_min_epu8(unsafeBitCast(a, to: __m128i.self), unsafeBitCast(b, to: __m128i.self)), to: BytesU8.self)
}
#endif
