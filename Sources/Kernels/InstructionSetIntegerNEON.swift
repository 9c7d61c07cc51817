#if ISA_NEON || ISA_NEONDOT
import CPlatform

#if ISA_NEONDOT
// udot sums four uint8 products in a lane. Weights become unsigned by adding 128 when they are packed, so that rows can be
// read as they are; the sums of rows, of which `dotWeightOffset` times too much is added, put it right.

typealias DotWeight = Int8
@inline(__always) var dotGroup: Int { 4 }
@inline(__always) var dotWeightOffset: Int32 { 128 }
@inline(__always) func dotWeightIndex(_ column: Int, _ i: Int) -> Int { column &* 4 &+ i }

enum DotOperation: TileOperation {
  typealias Sum = VI
  typealias Vector = VI
  @inline(__always) static var elementBytes: Int { 4 }
  @inline(__always) static func broadcast(_ p: UnsafeRawPointer) -> VI {
    VI(repeating: p.loadUnaligned(as: Int32.self))
  }
  @inline(__always) static func accumulate(_ sum: inout VI, _ element: VI, _ panel: VI) {
    sum = en_dot_first(sum, element, panel)
  }
  @inline(__always) static func pair(_ p: UnsafeRawPointer) -> VI { en_pair(p) }
  @inline(__always) static func accumulateFirst(_ sum: inout VI, _ pair: VI, _ panel: VI) {
    sum = en_dot_first(sum, pair, panel)
  }
  @inline(__always) static func accumulateSecond(_ sum: inout VI, _ pair: VI, _ panel: VI) {
    sum = en_dot_second(sum, pair, panel)
  }
  @inline(__always) static func settle(_ a: inout VI, _ b: inout VI) { en_settle(&a, &b) }
}

@inline(__always) func moveActivations(_ to: UnsafeMutableRawPointer, _ from: UnsafePointer<UInt8>) {
  to.storeBytes(of: SIMD16<UInt8>.load(from), as: SIMD16<UInt8>.self)
}
#else
// Plain NEON: smlal multiplies Int16 lanes into Int32. A vector of a panel holds four columns of one k, then the
// same four of the next.

typealias DotWeight = Int16
@inline(__always) var dotGroup: Int { 2 }
@inline(__always) var dotWeightOffset: Int32 { 0 }
@inline(__always) func dotWeightIndex(_ column: Int, _ i: Int) -> Int { column / 4 &* 8 &+ i &* 4 &+ column % 4 }

enum DotOperation: TileOperation {
  typealias Sum = VI
  typealias Vector = SIMD8<Int16>
  @inline(__always) static var elementBytes: Int { 4 }
  @inline(__always) static func broadcast(_ p: UnsafeRawPointer) -> SIMD8<Int16> {
    unsafeBitCast(VI(repeating: p.loadUnaligned(as: Int32.self)), to: SIMD8<Int16>.self)
  }
  @inline(__always) static func accumulate(_ sum: inout VI, _ element: SIMD8<Int16>, _ panel: SIMD8<Int16>) {
    sum = en_words_first(sum, element, panel)
  }
  @inline(__always) static func pair(_ p: UnsafeRawPointer) -> SIMD8<Int16> { unsafeBitCast(en_pair(p), to: SIMD8<Int16>.self) }
  @inline(__always) static func accumulateFirst(_ sum: inout VI, _ pair: SIMD8<Int16>, _ panel: SIMD8<Int16>) {
    sum = en_words_first(sum, pair, panel)
  }
  @inline(__always) static func accumulateSecond(_ sum: inout VI, _ pair: SIMD8<Int16>, _ panel: SIMD8<Int16>) {
    sum = en_words_second(sum, pair, panel)
  }
  @inline(__always) static func settle(_ a: inout VI, _ b: inout VI) { en_settle(&a, &b) }
}

/// Two Int16 times two, and where a column's are in a step of a panel.
typealias WordOperation = DotOperation
@inline(__always) func wordIndex(_ column: Int, _ i: Int) -> Int { dotWeightIndex(column, i) }

@inline(__always) func moveActivations(_ to: UnsafeMutableRawPointer, _ from: UnsafePointer<UInt8>) {
  en_widen_sixteen(to.assumingMemoryBound(to: Int16.self), from)
}
#endif

@inline(__always) func widenBytes(_ p: UnsafePointer<UInt8>) -> VI {
  en_widen(UnsafeRawPointer(p).loadUnaligned(as: UInt32.self))
}
@inline(__always) func narrowBytes(_ v: VI, _ p: UnsafeMutablePointer<UInt8>) {
  UnsafeMutableRawPointer(p).storeBytes(of: UInt32(truncatingIfNeeded: en_narrow(v, v)), as: UInt32.self)
}
@inline(__always) func narrowBytes(_ v: VI, _ w: VI, _ p: UnsafeMutablePointer<UInt8>) {
  UnsafeMutableRawPointer(p).storeBytes(of: en_narrow(v, w), as: UInt64.self)
}
@inline(__always) func widenBytesPart(_ p: UnsafePointer<UInt8>, _ count: Int) -> VI {
  en_widen(UInt32(truncatingIfNeeded: loadFewBytes(p, count)))
}
@inline(__always) func narrowBytesPart(_ v: VI, _ p: UnsafeMutablePointer<UInt8>, _ count: Int) {
  storeFewBytes(en_narrow(v, v), p, count)
}

#if ISA_NEON
typealias ChannelBytes = SIMD8<UInt8>
@inline(__always) func depthwiseWeightIndex(_ lane: Int, _ tap: Int) -> Int { tap &* 8 &+ lane }
@inline(__always) func loadChannels(_ p: UnsafePointer<UInt8>) -> ChannelBytes { SIMD8<UInt8>.load(p) }
@inline(__always) func loadChannelsPart(_ p: UnsafePointer<UInt8>, _ count: Int) -> ChannelBytes {
  unsafeBitCast(loadFewBytes(p, count), to: SIMD8<UInt8>.self)
}
@inline(__always)
func addTaps(_ low: inout VI, _ high: inout VI, _ a: ChannelBytes, _ b: ChannelBytes, _ weights: UnsafeRawPointer) {
  let w = weights.assumingMemoryBound(to: Int16.self)
  en_add_tap(&low, &high, a, w)
  en_add_tap(&low, &high, b, w + 8)
}
#endif

typealias BytesU8 = SIMD16<UInt8>
@inline(__always) func largerBytes(_ a: BytesU8, _ b: BytesU8) -> BytesU8 { vmaxq_u8(a, b) }
@inline(__always) func smallerBytes(_ a: BytesU8, _ b: BytesU8) -> BytesU8 { vminq_u8(a, b) }
#endif
