#if ISA_AVX512VNNI
import _Builtin_intrinsics.intel

// AVX-512: 16 lanes, 32 registers, masked loads and stores.

typealias VF = SIMD16<Float>
typealias VI = SIMD16<Int32>

/// 14 x 2 sums, two panel vectors and one broadcast fill 31 of 32 registers.
typealias MainTile<Row: Tile> = Rows14<Row>
typealias MiddleTile<Row: Tile> = Rows7<Row>
typealias SmallTile<Row: Tile> = Rows5<Row>

@inline(__always) func minimum(_ a: VF, _ b: VF) -> VF { _mm512_min_ps(a, b) }
@inline(__always) func maximum(_ a: VF, _ b: VF) -> VF { _mm512_max_ps(a, b) }
@inline(__always) func multiplyAdd(_ a: VF, _ b: VF, _ c: VF) -> VF { c.addingProduct(a, b) }
@inline(__always) func squareRoot(_ a: VF) -> VF { _mm512_sqrt_ps(a) }
@inline(__always) func toFloat(_ a: VI) -> VF { _mm512_cvtepi32_ps(unsafeBitCast(a, to: __m512i.self)) }
/// Rounds half to even; the argument is within Int32.
@inline(__always) func toInteger(_ a: VF) -> VI { unsafeBitCast(_mm512_cvtps_epi32(a), to: VI.self) }
/// a 2^n, whole n, rounded once where the result is subnormal.
@inline(__always) func timesPowerOfTwo(_ a: VF, _ n: VF) -> VF { _mm512_scalef_ps(a, n) }
@inline(__always) func minimum(_ a: VI, _ b: VI) -> VI {
  unsafeBitCast(_mm512_min_epi32(unsafeBitCast(a, to: __m512i.self), unsafeBitCast(b, to: __m512i.self)), to: VI.self)
}
@inline(__always) func maximum(_ a: VI, _ b: VI) -> VI {
  unsafeBitCast(_mm512_max_epi32(unsafeBitCast(a, to: __m512i.self), unsafeBitCast(b, to: __m512i.self)), to: VI.self)
}

@inline(__always) private func mask(_ count: Int) -> __mmask16 {
  __mmask16(truncatingIfNeeded: ((1 as UInt32) &<< UInt32(truncatingIfNeeded: count)) &- 1)
}
@inline(__always) func loadPart(_ p: UnsafePointer<Float>, _ count: Int) -> VF { _mm512_maskz_loadu_ps(mask(count), p) }
@inline(__always) func storePart(_ v: VF, _ p: UnsafeMutablePointer<Float>, _ count: Int) {
  _mm512_mask_storeu_ps(p, mask(count), v)
}
@inline(__always) func loadPart(_ p: UnsafePointer<Int32>, _ count: Int) -> VI {
  unsafeBitCast(_mm512_maskz_loadu_epi32(mask(count), p), to: VI.self)
}
@inline(__always) func storePart(_ v: VI, _ p: UnsafeMutablePointer<Int32>, _ count: Int) {
  _mm512_mask_storeu_epi32(p, mask(count), unsafeBitCast(v, to: __m512i.self))
}
#endif
