#if ISA_AVX2
import _Builtin_intrinsics.intel

// AVX2 with FMA: 8 lanes, 16 registers.

typealias VF = SIMD8<Float>
typealias VI = SIMD8<Int32>

/// 6 x 2 sums, two panel vectors and one broadcast fill 15 of 16 registers.
typealias MainTile<Row: Tile> = Rows6<Row>
typealias MiddleTile<Row: Tile> = Rows4<Row>
typealias SmallTile<Row: Tile> = Rows4<Row>

@inline(__always) func minimum(_ a: VF, _ b: VF) -> VF { _mm256_min_ps(a, b) }
@inline(__always) func maximum(_ a: VF, _ b: VF) -> VF { _mm256_max_ps(a, b) }
@inline(__always) func multiplyAdd(_ a: VF, _ b: VF, _ c: VF) -> VF { c.addingProduct(a, b) }
@inline(__always) func squareRoot(_ a: VF) -> VF { _mm256_sqrt_ps(a) }
@inline(__always) func toFloat(_ a: VI) -> VF { _mm256_cvtepi32_ps(unsafeBitCast(a, to: __m256i.self)) }
/// Rounds half to even; the argument is within Int32.
@inline(__always) func toInteger(_ a: VF) -> VI { unsafeBitCast(_mm256_cvtps_epi32(a), to: VI.self) }
@inline(__always) func minimum(_ a: VI, _ b: VI) -> VI {
  unsafeBitCast(_mm256_min_epi32(unsafeBitCast(a, to: __m256i.self), unsafeBitCast(b, to: __m256i.self)), to: VI.self)
}
@inline(__always) func maximum(_ a: VI, _ b: VI) -> VI {
  unsafeBitCast(_mm256_max_epi32(unsafeBitCast(a, to: __m256i.self), unsafeBitCast(b, to: __m256i.self)), to: VI.self)
}

@inline(__always) private func mask(_ count: Int) -> __m256i {
  _mm256_cmpgt_epi32(_mm256_set1_epi32(Int32(truncatingIfNeeded: count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
}
@inline(__always) func loadPart(_ p: UnsafePointer<Float>, _ count: Int) -> VF { _mm256_maskload_ps(p, mask(count)) }
@inline(__always) func storePart(_ v: VF, _ p: UnsafeMutablePointer<Float>, _ count: Int) {
  _mm256_maskstore_ps(p, mask(count), v)
}
@inline(__always) func loadPart(_ p: UnsafePointer<Int32>, _ count: Int) -> VI {
  unsafeBitCast(_mm256_maskload_epi32(p, mask(count)), to: VI.self)
}
@inline(__always) func storePart(_ v: VI, _ p: UnsafeMutablePointer<Int32>, _ count: Int) {
  _mm256_maskstore_epi32(p, mask(count), unsafeBitCast(v, to: __m256i.self))
}
#endif
