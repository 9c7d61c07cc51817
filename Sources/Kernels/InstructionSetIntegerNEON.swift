#if ISA_NEON || ISA_NEONDOT
import CPlatform

#if ISA_NEONDOT
// sdot sums four int8 products in a lane. Activations become signed by flipping their top bits, that is x - 128;
// `dotOffset` puts it right.

typealias DotWeight = Int8
@inline(__always) var dotGroup: Int { 4 }
@inline(__always) var dotOffset: Int32 { 128 }
@inline(__always) func dotWeightIndex(_ column: Int, _ i: Int) -> Int { column &* 4 &+ i }

enum DotOperation: TileOperation {
  typealias Sum = VI
  typealias Vector = VI
  @inline(__always) static var elementBytes: Int { 4 }
  @inline(__always) static func broadcast(_ p: UnsafeRawPointer) -> VI {
    en_flipped(VI(repeating: p.loadUnaligned(as: Int32.self)))
  }
  @inline(__always) static func accumulate(_ sum: inout VI, _ element: VI, _ panel: VI) {
    sum = en_multiply_four(sum, element, panel)
  }
}

@inline(__always) func moveActivations(_ to: UnsafeMutableRawPointer, _ from: UnsafePointer<UInt8>) {
  to.storeBytes(of: SIMD16<UInt8>.load(from), as: SIMD16<UInt8>.self)
}
#else
// Plain NEON: smlal multiplies Int16 lanes into Int32. A vector of a panel holds four columns of one k, then the
// same four of the next.

typealias DotWeight = Int16
@inline(__always) var dotGroup: Int { 2 }
@inline(__always) var dotOffset: Int32 { 0 }
@inline(__always) func dotWeightIndex(_ column: Int, _ i: Int) -> Int { column / 4 &* 8 &+ i &* 4 &+ column % 4 }

enum DotOperation: TileOperation {
  typealias Sum = VI
  typealias Vector = SIMD8<Int16>
  @inline(__always) static var elementBytes: Int { 4 }
  @inline(__always) static func broadcast(_ p: UnsafeRawPointer) -> SIMD8<Int16> {
    unsafeBitCast(VI(repeating: p.loadUnaligned(as: Int32.self)), to: SIMD8<Int16>.self)
  }
  @inline(__always) static func accumulate(_ sum: inout VI, _ element: SIMD8<Int16>, _ panel: SIMD8<Int16>) {
    sum = en_multiply_pair(sum, element, panel)
  }
}

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

typealias ChannelBytes = SIMD8<UInt8>
@inline(__always) func depthwiseWeightIndex(_ lane: Int, _ tap: Int) -> Int { tap &* 8 &+ lane }
@inline(__always) func loadChannels(_ p: UnsafePointer<UInt8>) -> ChannelBytes { SIMD8<UInt8>.load(p) }
@inline(__always) func loadChannelsPart(_ p: UnsafePointer<UInt8>, _ count: Int) -> ChannelBytes {
  unsafeBitCast(loadFewBytes(p, count), to: SIMD8<UInt8>.self)
}
@inline(__always)
func addTaps(_ low: inout VI, _ high: inout VI, _ a: ChannelBytes, _ b: ChannelBytes, _ weights: UnsafeRawPointer) {
  let w = weights.assumingMemoryBound(to: Int16.self)
  low = en_add_low(en_add_low(low, a, w), b, w + 8)
  high = en_add_high(en_add_high(high, a, w), b, w + 8)
}

typealias BytesU8 = SIMD16<UInt8>
@inline(__always) func largerBytes(_ a: BytesU8, _ b: BytesU8) -> BytesU8 { vmaxq_u8(a, b) }
@inline(__always) func smallerBytes(_ a: BytesU8, _ b: BytesU8) -> BytesU8 { vminq_u8(a, b) }
#endif
