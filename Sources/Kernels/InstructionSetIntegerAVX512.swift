#if ISA_AVX512VNNI
import _Builtin_intrinsics.intel

// AVX-512 VNNI: vpdpbusd sums four uint8 x int8 products in a lane without saturation.

typealias DotWeight = Int8
@inline(__always) var dotGroup: Int { 4 }
@inline(__always) var dotWeightOffset: Int32 { 0 }
@inline(__always) func dotWeightIndex(_ column: Int, _ i: Int) -> Int { column &* 4 &+ i }

enum DotOperation: FourByteOperation {
  @inline(__always) static func accumulate(_ sum: inout VI, _ element: VI, _ panel: VI) {
    sum = lanes32(_mm512_dpbusd_epi32(bits(sum), bits(element), bits(panel)))
  }
}

/// Two Int16 times two in a lane.
enum WordOperation: FourByteOperation {
  @inline(__always) static func accumulate(_ sum: inout VI, _ element: VI, _ panel: VI) {
    sum = lanes32(_mm512_dpwssd_epi32(bits(sum), bits(element), bits(panel)))
  }
}
@inline(__always) func wordIndex(_ column: Int, _ i: Int) -> Int { column &* 2 &+ i }

@inline(__always) func bits(_ v: VI) -> __m512i { unsafeBitCast(v, to: __m512i.self) }
@inline(__always) func lanes32(_ v: __m512i) -> VI { unsafeBitCast(v, to: VI.self) }

@inline(__always) func widenBytes(_ p: UnsafePointer<UInt8>) -> VI {
  lanes32(_mm512_cvtepu8_epi32(UnsafeRawPointer(p).loadUnaligned(as: __m128i.self)))
}
@inline(__always) func narrowBytes(_ v: VI, _ p: UnsafeMutablePointer<UInt8>) {
  UnsafeMutableRawPointer(p).storeBytes(of: _mm512_cvtepi32_epi8(bits(v)), as: __m128i.self)
}
@inline(__always) func narrowBytes(_ v: VI, _ w: VI, _ p: UnsafeMutablePointer<UInt8>) {
  narrowBytes(v, p)
  narrowBytes(w, p + 16)
}
/// Two neighbouring registers of scaled numbers, none of them NaN, to bytes: limited by `high` and `least`, rounded half to
/// even, with the zero point. Below, what packing and adding saturates is limited as well.
@inline(__always)
func narrowBytes(_ a: VF, _ b: VF, _ high: VF, _ zeroPoint: Int32, _ least: Int32, _ p: UnsafeMutablePointer<UInt8>) {
  let words = _mm512_packs_epi32(bits(toInteger(minimum(a, high))), bits(toInteger(minimum(b, high))))
  let bytes = _mm512_cvtepi16_epi8(
    _mm512_max_epi16(
      _mm512_adds_epi16(words, _mm512_set1_epi16(Int16(truncatingIfNeeded: zeroPoint))),
      _mm512_set1_epi16(Int16(truncatingIfNeeded: least))))
  // Packing takes turns: four bytes of a, four of b.
  UnsafeMutableRawPointer(p).storeBytes(
    of: _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7)), as: __m256i.self)
}
/// The same for two rows, a b and c d, of numbers within Int32 that have no limit above but a byte's.
@inline(__always)
func narrowBytes(
  _ a: VF, _ b: VF, _ c: VF, _ d: VF, _ zeroPoint: Int32, _ least: Int32, _ p: UnsafeMutablePointer<UInt8>, _ q: UnsafeMutablePointer<UInt8>
) {
  @inline(__always) func words(_ v: VF, _ w: VF) -> __m512i {
    let words = _mm512_packs_epi32(bits(toInteger(v)), bits(toInteger(w)))
    return _mm512_max_epi16(
      _mm512_adds_epi16(words, _mm512_set1_epi16(Int16(truncatingIfNeeded: zeroPoint))),
      _mm512_set1_epi16(Int16(truncatingIfNeeded: least)))
  }
  // Four bytes of a, b, c and d, again and again.
  let order = VI(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)
  let bytes = lanes32(_mm512_permutexvar_epi32(bits(order), _mm512_packus_epi16(words(a, b), words(c, d))))
  UnsafeMutableRawPointer(p).storeBytes(of: bytes.lowHalf, as: SIMD8<Int32>.self)
  UnsafeMutableRawPointer(q).storeBytes(of: bytes.highHalf, as: SIMD8<Int32>.self)
}
@inline(__always) func widenBytesPart(_ p: UnsafePointer<UInt8>, _ count: Int) -> VI {
  lanes32(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(__mmask16(truncatingIfNeeded: (1 &<< count) &- 1), p)))
}
@inline(__always) func narrowBytesPart(_ v: VI, _ p: UnsafeMutablePointer<UInt8>, _ count: Int) {
  _mm_mask_storeu_epi8(p, __mmask16(truncatingIfNeeded: (1 &<< count) &- 1), _mm512_cvtepi32_epi8(bits(v)))
}
@inline(__always) func moveActivations(_ to: UnsafeMutableRawPointer, _ from: UnsafePointer<UInt8>) {
  to.storeBytes(of: SIMD16<UInt8>.load(from), as: SIMD16<UInt8>.self)
}

/// Whole and half lines of the cache to a tile row.
@inline(__always) var lineBytes: Int { 64 }
@inline(__always) func moveLine(_ to: UnsafeMutableRawPointer, _ from: UnsafePointer<UInt8>) {
  to.storeBytes(of: SIMD64<UInt8>.load(from), as: SIMD64<UInt8>.self)
}
@inline(__always) func moveHalfLine(_ to: UnsafeMutableRawPointer, _ from: UnsafePointer<UInt8>) {
  to.storeBytes(of: SIMD32<UInt8>.load(from), as: SIMD32<UInt8>.self)
}

/// A table of 256 bytes in four registers, as 128 words of two entries: instructions that look words up are older than
/// those for bytes.
struct ByteTable {
  private let low: (__m512i, __m512i), high: (__m512i, __m512i)

  /// Bytes replaced at a time.
  @inline(__always) static var width: Int { 32 }

  @inline(__always) init(_ table: UnsafePointer<UInt8>) {
    let raw = UnsafeRawPointer(table)
    low = (raw.loadUnaligned(as: __m512i.self), (raw + 64).loadUnaligned(as: __m512i.self))
    high = ((raw + 128).loadUnaligned(as: __m512i.self), (raw + 192).loadUnaligned(as: __m512i.self))
  }

  @inline(__always) func replace(_ x: UnsafePointer<UInt8>, _ y: UnsafeMutablePointer<UInt8>) {
    let v = _mm512_cvtepu8_epi16(UnsafeRawPointer(x).loadUnaligned(as: __m256i.self))
    let word = _mm512_srli_epi16(v, 1)
    let entries = _mm512_mask_blend_epi16(
      _mm512_test_epi16_mask(v, _mm512_set1_epi16(128)), _mm512_permutex2var_epi16(low.0, word, low.1),
      _mm512_permutex2var_epi16(high.0, word, high.1))
    let shift = _mm512_slli_epi16(_mm512_and_si512(v, _mm512_set1_epi16(1)), 3)
    UnsafeMutableRawPointer(y).storeBytes(of: _mm512_cvtepi16_epi8(_mm512_srlv_epi16(entries, shift)), as: __m256i.self)
  }
}

typealias BytesU8 = SIMD64<UInt8>
@inline(__always) func largerBytes(_ a: BytesU8, _ b: BytesU8) -> BytesU8 {
  unsafeBitCast(_mm512_max_epu8(unsafeBitCast(a, to: __m512i.self), unsafeBitCast(b, to: __m512i.self)), to: BytesU8.self)
}
@inline(__always) func smallerBytes(_ a: BytesU8, _ b: BytesU8) -> BytesU8 {
  unsafeBitCast(_mm512_min_epu8(unsafeBitCast(a, to: __m512i.self), unsafeBitCast(b, to: __m512i.self)), to: BytesU8.self)
}
#endif
