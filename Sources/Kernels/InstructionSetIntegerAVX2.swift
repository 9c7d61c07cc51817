#if ISA_AVX2
import CPlatform
import _Builtin_intrinsics.intel

// AVX2: vpmaddubsw saturates, so bytes are widened and vpmaddwd sums two Int16 products in a lane, except where weights allow
// for the former (MixedPanelsU8.swift).

typealias DotWeight = Int16
@inline(__always) var dotGroup: Int { 2 }
@inline(__always) var dotWeightOffset: Int32 { 0 }
@inline(__always) func dotWeightIndex(_ column: Int, _ i: Int) -> Int { column &* 2 &+ i }

enum DotOperation: FourByteOperation {
  @inline(__always) static func accumulate(_ sum: inout VI, _ element: VI, _ panel: VI) {
    sum = sum &+ lanes32(_mm256_madd_epi16(bits(element), bits(panel)))
  }
}

/// Two Int16 times two, and where a column's are in a step of a panel.
typealias WordOperation = DotOperation
@inline(__always) func wordIndex(_ column: Int, _ i: Int) -> Int { dotWeightIndex(column, i) }

/// Four bytes times four weights whose pairs do not saturate.
enum ByteOperation: FourByteOperation {
  @inline(__always) static func accumulate(_ sum: inout VI, _ element: VI, _ panel: VI) {
    sum = sum &+ lanes32(ea_add_pairs(_mm256_maddubs_epi16(bits(element), bits(panel))))
  }
}

@inline(__always) func bits(_ v: VI) -> __m256i { unsafeBitCast(v, to: __m256i.self) }
@inline(__always) func lanes32(_ v: __m256i) -> VI { unsafeBitCast(v, to: VI.self) }

@inline(__always) func widenBytes(_ p: UnsafePointer<UInt8>) -> VI {
  widen(UnsafeRawPointer(p).loadUnaligned(as: UInt64.self))
}
@inline(__always) private func widen(_ bytes: UInt64) -> VI {
  lanes32(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(Int64(bitPattern: bytes))))
}
/// Bytes v0...v7 w0...w7. Packing works inside 128-bit halves, so groups of four come out as v w v w and are
/// put in order.
@inline(__always) private func narrow(_ v: VI, _ w: VI) -> __m128i {
  let words = _mm256_packs_epi32(bits(v), bits(w))
  return inOrder(_mm256_packus_epi16(words, words))
}
@inline(__always) private func inOrder(_ bytes: __m256i) -> __m128i {
  _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5)))
}
@inline(__always) private func narrow(_ v: VI) -> UInt64 { UInt64(bitPattern: _mm_cvtsi128_si64(narrow(v, v))) }
@inline(__always) func narrowBytes(_ v: VI, _ p: UnsafeMutablePointer<UInt8>) {
  UnsafeMutableRawPointer(p).storeBytes(of: narrow(v), as: UInt64.self)
}
@inline(__always) func narrowBytes(_ v: VI, _ w: VI, _ p: UnsafeMutablePointer<UInt8>) {
  UnsafeMutableRawPointer(p).storeBytes(of: narrow(v, w), as: __m128i.self)
}
/// Two neighbouring registers of scaled numbers, none of them NaN, to bytes: limited by `high` and by the words `least`, rounded
/// half to even, with the words `zeroPoint` added. Below, what packing and adding saturates is limited as well.
@inline(__always) func narrowBytes(_ a: VF, _ b: VF, _ high: VF, _ zeroPoint: VF, _ least: VF, _ p: UnsafeMutablePointer<UInt8>) {
  let words = _mm256_packs_epi32(bits(toInteger(minimum(a, high))), bits(toInteger(minimum(b, high))))
  let limited = _mm256_max_epi16(
    _mm256_adds_epi16(words, unsafeBitCast(zeroPoint, to: __m256i.self)), unsafeBitCast(least, to: __m256i.self))
  UnsafeMutableRawPointer(p).storeBytes(of: inOrder(_mm256_packus_epi16(limited, limited)), as: __m128i.self)
}
/// The same for two rows, a b and c d, of numbers within Int32 that have no limit above but a byte's.
@inline(__always)
func narrowBytes(
  _ a: VF, _ b: VF, _ c: VF, _ d: VF, _ zeroPoint: VF, _ least: VF, _ p: UnsafeMutablePointer<UInt8>, _ q: UnsafeMutablePointer<UInt8>
) {
  @inline(__always) func words(_ v: VF, _ w: VF) -> __m256i {
    let words = _mm256_packs_epi32(bits(toInteger(v)), bits(toInteger(w)))
    return _mm256_max_epi16(_mm256_adds_epi16(words, unsafeBitCast(zeroPoint, to: __m256i.self)), unsafeBitCast(least, to: __m256i.self))
  }
  let bytes = _mm256_permutevar8x32_epi32(
    _mm256_packus_epi16(words(a, b), words(c, d)), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
  UnsafeMutableRawPointer(p).storeBytes(of: _mm256_castsi256_si128(bytes), as: __m128i.self)
  unsafeBitCast(bytes, to: SIMD32<UInt8>.self).highHalf.store(q)
}
@inline(__always) func widenBytesPart(_ p: UnsafePointer<UInt8>, _ count: Int) -> VI { widen(loadFewBytes(p, count)) }
@inline(__always) func narrowBytesPart(_ v: VI, _ p: UnsafeMutablePointer<UInt8>, _ count: Int) {
  storeFewBytes(narrow(v), p, count)
}
@inline(__always) func moveActivations(_ to: UnsafeMutableRawPointer, _ from: UnsafePointer<UInt8>) {
  to.storeBytes(
    of: _mm256_cvtepu8_epi16(UnsafeRawPointer(from).loadUnaligned(as: __m128i.self)), as: __m256i.self)
}

typealias ChannelBytes = __m128i
@inline(__always) func depthwiseWeightIndex(_ lane: Int, _ tap: Int) -> Int { lane &* 2 &+ tap }
@inline(__always) func loadChannels(_ p: UnsafePointer<UInt8>) -> ChannelBytes {
  UnsafeRawPointer(p).loadUnaligned(as: __m128i.self)
}
@inline(__always) func loadChannelsPart(_ p: UnsafePointer<UInt8>, _ count: Int) -> ChannelBytes {
  let low = loadFewBytes(p, count < 8 ? count : 8)
  let high = count > 8 ? loadFewBytes(p + 8, count &- 8) : 0
  return _mm_set_epi64x(Int64(bitPattern: high), Int64(bitPattern: low))
}
@inline(__always)
func addTaps(_ low: inout VI, _ high: inout VI, _ a: ChannelBytes, _ b: ChannelBytes, _ weights: UnsafeRawPointer) {
  let w = weights.assumingMemoryBound(to: VI.self)
  DotOperation.accumulate(&low, lanes32(_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b))), w[0])
  DotOperation.accumulate(&high, lanes32(_mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b))), w[1])
}

typealias BytesU8 = SIMD32<UInt8>
@inline(__always) func largerBytes(_ a: BytesU8, _ b: BytesU8) -> BytesU8 {
  unsafeBitCast(_mm256_max_epu8(unsafeBitCast(a, to: __m256i.self), unsafeBitCast(b, to: __m256i.self)), to: BytesU8.self)
}
@inline(__always) func smallerBytes(_ a: BytesU8, _ b: BytesU8) -> BytesU8 {
  unsafeBitCast(_mm256_min_epu8(unsafeBitCast(a, to: __m256i.self), unsafeBitCast(b, to: __m256i.self)), to: BytesU8.self)
}
#endif
