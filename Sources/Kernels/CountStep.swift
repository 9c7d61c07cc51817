// Counting differing bits, as a step of the tile (Tile.swift): what each instruction set has for it.
//
//   CountStep            the step; an element of a row holds `elementBits` signs
//   rowsOfBlock          rows that pass a part of a panel before the next: their windows stay near while panels pass
//   rowsTogether         rows that share elements
//   stepsTogether        what the number of steps is a multiple of
//   panelsTogether       panels that rows pass together
//   tablesBytes          of tables at the beginning of the scratch
//   countWidth           channels of a panel, two vectors
//   longestRun           the most steps in which no sum overflows
//   Count, addCounts     sums in memory, and adding a row of a tile to them, in the order of the channels
//   loadCounts           a register of those
//   copySigns            64 signs of a pixel, or of two whose rows share elements, as elements of a row, `granule` bytes
//   countPlace           where in a step's vectors a sign of a weight goes: a byte, and a bit of it
//   signBits             the sign bits of all lanes, the first lane's lowest
//
// AVX-512 counts the bits of words; x86 has that since Ice Lake and Zen 4. AVX2 looks up half bytes: the half bytes of two rows
// choose a table of sixteen counts, in which the weights' half bytes of 32 channels are looked up at once (CountPairs.swift).
// NEON counts the bits of bytes. Sums in bytes lie so that those at even places are the first half of a vector's channels.

#if ISA_AVX512BF16
import _Builtin_intrinsics.intel

enum CountStep: TileOperation {
  @inline(__always) static var elementBytes: Int { 4 }
  @inline(__always) static func broadcast(_ p: UnsafeRawPointer) -> VI { VI(repeating: p.loadUnaligned(as: Int32.self)) }
  @inline(__always) static func accumulate(_ sum: inout VI, _ element: VI, _ panel: VI) {
    sum = sum &+ unsafeBitCast(_mm512_popcnt_epi32(unsafeBitCast(element ^ panel, to: __m512i.self)), to: VI.self)
  }
}

typealias CountTile = Rows7<WideRow<CountStep>>
typealias Count = Int32
@inline(__always) var rowsOfBlock: Int { 28 }
@inline(__always) var rowsTogether: Int { 1 }
@inline(__always) var stepsTogether: Int { 1 }
@inline(__always) var panelsTogether: Int { 1 }
@inline(__always) var tablesBytes: Int { 0 }
@inline(__always) var elementBits: Int { 32 }
@inline(__always) var countWidth: Int { 32 }
@inline(__always) var longestRun: Int { 1 << 20 }
@inline(__always) var granule: Int { 8 }

@inline(__always) func addCounts(_ low: VI, _ high: VI, _ p: UnsafeMutablePointer<Count>) {
  (VI.load(p) &+ low).store(p)
  (VI.load(p + lanes) &+ high).store(p + lanes)
}
@inline(__always) func loadCounts(_ p: UnsafePointer<Count>) -> VI { VI.load(p) }
@inline(__always) func copySigns(_ to: UnsafeMutableRawPointer, _ signs: UInt64, _: UInt64) {
  to.storeBytes(of: signs, as: UInt64.self)
}
@inline(__always) func countPlace(_ column: Int, _ bit: Int) -> (byte: Int, bit: Int) { (column &* 4 &+ bit / 8, bit & 7) }
@inline(__always) func signBits(_ v: VI) -> UInt32 { UInt32(_mm512_movepi32_mask(unsafeBitCast(v, to: __m512i.self))) }
#endif

#if ISA_AVX2 || ISA_NEON
#if ISA_AVX2
import _Builtin_intrinsics.intel

enum CountStep {
  typealias Sum = SIMD32<UInt8>
  typealias Vector = __m256i
  @inline(__always) static var elementBytes: Int { 2 }
  @inline(__always) static func accumulate(_ sum: inout Sum, _ table: Vector, _ panel: Vector) {
    sum = sum &+ unsafeBitCast(_mm256_shuffle_epi8(table, panel), to: Sum.self)
  }
}

typealias CountWords = SIMD16<UInt16>
@inline(__always) var rowsOfBlock: Int { 24 }
@inline(__always) var rowsTogether: Int { 2 }
@inline(__always) var stepsTogether: Int { 3 }
@inline(__always) var panelsTogether: Int { 2 }
@inline(__always) var tablesBytes: Int { 4096 }
@inline(__always) var elementBits: Int { 4 }
@inline(__always) var longestRun: Int { 63 }
@inline(__always) var granule: Int { 32 }

@inline(__always) func loadCounts(_ p: UnsafePointer<Count>) -> VI {
  unsafeBitCast(_mm256_cvtepu16_epi32(UnsafeRawPointer(p).loadUnaligned(as: __m128i.self)), to: VI.self)
}
/// Half bytes as offsets of tables, which are 16 bytes long: the first row's times 16, the second's times 256.
@inline(__always) func copySigns(_ to: UnsafeMutableRawPointer, _ first: UInt64, _ second: UInt64) {
  to.storeBytes(of: halfBytes(first) &<< 4 | halfBytes(second) &<< 8, as: SIMD8<UInt32>.self)
}
@inline(__always) private func halfBytes(_ signs: UInt64) -> SIMD8<UInt32> {
  let bytes = unsafeBitCast(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(Int64(bitPattern: signs))), to: SIMD8<UInt32>.self)
  return bytes & 0x0F | (bytes & 0xF0) &<< 12
}
@inline(__always) func signBits(_ v: VI) -> UInt32 {
  UInt32(truncatingIfNeeded: _mm256_movemask_ps(unsafeBitCast(v, to: __m256.self)))
}
#else
import _Builtin_intrinsics.arm.neon

enum CountStep: TileOperation {
  typealias Sum = SIMD16<UInt8>
  @inline(__always) static var elementBytes: Int { 1 }
  @inline(__always) static func broadcast(_ p: UnsafeRawPointer) -> Sum { Sum(repeating: p.load(as: UInt8.self)) }
  @inline(__always) static func accumulate(_ sum: inout Sum, _ element: Sum, _ panel: Sum) {
    sum = sum &+ vcntq_u8(element ^ panel)
  }
  @inline(__always) static func pair(_ p: UnsafeRawPointer) -> Sum {
    unsafeBitCast(SIMD8<UInt16>(repeating: p.loadUnaligned(as: UInt16.self)), to: Sum.self)
  }
  @inline(__always) static func accumulateFirst(_ sum: inout Sum, _ pair: Sum, _ panel: Sum) {
    accumulate(&sum, Sum(repeating: pair[0]), panel)
  }
  @inline(__always) static func accumulateSecond(_ sum: inout Sum, _ pair: Sum, _ panel: Sum) {
    accumulate(&sum, Sum(repeating: pair[1]), panel)
  }
  /// The order that the compiler finds is good enough here.
  @inline(__always) static func settle(_ a: inout Sum, _ b: inout Sum) {}
}

typealias CountTile = Rows8<WideRow<CountStep>>
typealias CountWords = SIMD8<UInt16>
@inline(__always) var rowsOfBlock: Int { 32 }
@inline(__always) var rowsTogether: Int { 1 }
@inline(__always) var stepsTogether: Int { 1 }
@inline(__always) var panelsTogether: Int { 1 }
@inline(__always) var tablesBytes: Int { 0 }
@inline(__always) var elementBits: Int { 8 }
@inline(__always) var longestRun: Int { 31 }
@inline(__always) var granule: Int { 8 }

@inline(__always) func loadCounts(_ p: UnsafePointer<Count>) -> VI {
  unsafeBitCast(vmovl_u16(UnsafeRawPointer(p).loadUnaligned(as: SIMD4<UInt16>.self)), to: VI.self)
}
@inline(__always) func copySigns(_ to: UnsafeMutableRawPointer, _ signs: UInt64, _: UInt64) {
  to.storeBytes(of: signs, as: UInt64.self)
}
@inline(__always) func signBits(_ v: VI) -> UInt32 {
  let bits = unsafeBitCast(v, to: SIMD4<UInt32>.self) &>> 31
  return bits[0] | bits[1] &<< 1 | bits[2] &<< 2 | bits[3] &<< 3
}
#endif

typealias Count = UInt16
@inline(__always) var countWidth: Int { 2 &* CountStep.Sum.scalarCount }

@inline(__always) func addCounts(_ low: CountStep.Sum, _ high: CountStep.Sum, _ p: UnsafeMutablePointer<Count>) {
  let (a, b) = (unsafeBitCast(low, to: CountWords.self), unsafeBitCast(high, to: CountWords.self))
  let n = CountWords.scalarCount
  (CountWords.load(p) &+ (a & 0xFF)).store(p)
  (CountWords.load(p + n) &+ (a &>> 8)).store(p + n)
  (CountWords.load(p + 2 &* n) &+ (b & 0xFF)).store(p + 2 &* n)
  (CountWords.load(p + 3 &* n) &+ (b &>> 8)).store(p + 3 &* n)
}
@inline(__always) func countPlace(_ column: Int, _ bit: Int) -> (byte: Int, bit: Int) {
  let n = CountWords.scalarCount
  let half = column / n
  return (half / 2 &* 2 &* n &+ column % n &* 2 &+ half % 2, bit)
}
#endif
