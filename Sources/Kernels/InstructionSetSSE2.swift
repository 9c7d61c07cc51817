#if ISA_SSE2
import _Builtin_intrinsics.intel

// Baseline x86-64: 4 lanes, 16 registers, no FMA, no SSE4.1.

typealias VF = SIMD4<Float>
typealias VI = SIMD4<Int32>

/// 4 x 2 sums; the separate multiply needs a temporary for each sum in flight.
typealias MainTile<Row: Tile> = Rows4<Row>
typealias MiddleTile<Row: Tile> = Rows2<Row>
typealias SmallTile<Row: Tile> = Rows2<Row>

@inline(__always) func minimum(_ a: VF, _ b: VF) -> VF { _mm_min_ps(a, b) }
@inline(__always) func maximum(_ a: VF, _ b: VF) -> VF { _mm_max_ps(a, b) }
@inline(__always) func multiplyAdd(_ a: VF, _ b: VF, _ c: VF) -> VF { a * b + c }
@inline(__always) func squareRoot(_ a: VF) -> VF { _mm_sqrt_ps(a) }
@inline(__always) func toFloat(_ a: VI) -> VF { _mm_cvtepi32_ps(unsafeBitCast(a, to: __m128i.self)) }
/// Rounds half to even; the argument is within Int32.
@inline(__always) func toInteger(_ a: VF) -> VI { unsafeBitCast(_mm_cvtps_epi32(a), to: VI.self) }
@inline(__always) func minimum(_ a: VI, _ b: VI) -> VI { a.replacing(with: b, where: b .< a) }
@inline(__always) func maximum(_ a: VI, _ b: VI) -> VI { a.replacing(with: b, where: b .> a) }

@inline(__always) func loadPart(_ p: UnsafePointer<Float>, _ count: Int) -> VF { loadPartOfFour(p, count) }
@inline(__always) func storePart(_ v: VF, _ p: UnsafeMutablePointer<Float>, _ count: Int) { storePartOfFour(v, p, count) }
@inline(__always) func loadPart(_ p: UnsafePointer<Int32>, _ count: Int) -> VI { loadPartOfFour(p, count) }
@inline(__always) func storePart(_ v: VI, _ p: UnsafeMutablePointer<Int32>, _ count: Int) { storePartOfFour(v, p, count) }
#endif
