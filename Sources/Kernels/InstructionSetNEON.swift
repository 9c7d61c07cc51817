#if ISA_NEON || ISA_NEONDOT
import _Builtin_intrinsics.arm.neon

// AArch64 NEON: 4 lanes, 32 registers, FMA.

typealias VF = SIMD4<Float>
typealias VI = SIMD4<Int32>

/// 12 x 2 sums leave eight registers for panel vectors and row elements.
typealias MainTile<Row: Tile> = Rows12<Row>
typealias MiddleTile<Row: Tile> = Rows8<Row>
typealias SmallTile<Row: Tile> = Rows4<Row>

@inline(__always) func minimum(_ a: VF, _ b: VF) -> VF { vminq_f32(a, b) }
@inline(__always) func maximum(_ a: VF, _ b: VF) -> VF { vmaxq_f32(a, b) }
@inline(__always) func multiplyAdd(_ a: VF, _ b: VF, _ c: VF) -> VF { c.addingProduct(a, b) }
@inline(__always) func squareRoot(_ a: VF) -> VF { vsqrtq_f32(a) }
@inline(__always) func toFloat(_ a: VI) -> VF { vcvtq_f32_s32(a) }
/// Rounds half to even; the argument is within Int32.
@inline(__always) func toInteger(_ a: VF) -> VI { vcvtnq_s32_f32(a) }
@inline(__always) func minimum(_ a: VI, _ b: VI) -> VI { vminq_s32(a, b) }
@inline(__always) func maximum(_ a: VI, _ b: VI) -> VI { vmaxq_s32(a, b) }

@inline(__always) func loadPart(_ p: UnsafePointer<Float>, _ count: Int) -> VF { loadPartOfFour(p, count) }
@inline(__always) func storePart(_ v: VF, _ p: UnsafeMutablePointer<Float>, _ count: Int) { storePartOfFour(v, p, count) }
@inline(__always) func loadPart(_ p: UnsafePointer<Int32>, _ count: Int) -> VI { loadPartOfFour(p, count) }
@inline(__always) func storePart(_ v: VI, _ p: UnsafeMutablePointer<Int32>, _ count: Int) { storePartOfFour(v, p, count) }
#endif
