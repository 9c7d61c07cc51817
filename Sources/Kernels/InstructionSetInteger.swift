// What every InstructionSetInteger file offers beyond its registers of 32-bit lanes:
//
//   DotOperation                the tile step of int8 kernels: a group of activations times a group of weights,
//                               summed into Int32 lanes, exact for every value of both
//   WordOperation, wordIndex    (where there is Winograd's form) the same of two Int16, and where a step of a panel keeps them
//   dotGroup                    how many products a lane sums in a step: 4 (bytes) or 2 (activations and
//                               weights widened to Int16); a step takes 4 bytes of a row in both cases
//   DotWeight                   Int8 or Int16, a weight inside a panel
//   dotWeightIndex(column, i)   where a step of a panel keeps weight i of a column
//   dotWeightOffset             what is added to weights in a panel; the sums of rows times it are subtracted again
//   widenBytes(p)               `lanes` bytes at p as Int32 lanes
//   widenBytesPart(p, n)        the first n of them, 0 < n <= lanes; touches no other
//   narrowBytes(v, p)           Int32 lanes in 0...255 to `lanes` bytes at p
//   narrowBytes(v, w, p)        the same for two neighbouring registers
//   narrowBytesPart(v, p, n)    the first n lanes, 0 < n <= lanes; touches no other byte
//   moveActivations(to, from)   sixteen bytes to a tile row, widened where the tile wants Int16
//   BytesU8, largerBytes, smallerBytes   a register of bytes
//
// and, where a lane does not sum four bytes, for depthwise convolution two taps at a time:
//
//   ChannelBytes                the bytes of 2 x `lanes` channels of one tap
//   loadChannels, loadChannelsPart, addTaps, depthwiseWeightIndex

/// Bytes of one activation in a gathered tile row.
@inline(__always) var activationBytes: Int { 4 / dotGroup }

/// A step that takes four bytes of a row, the same in all lanes.
protocol FourByteOperation: TileOperation where Sum == VI, Vector == VI {}

extension FourByteOperation {
  @inline(__always) static var elementBytes: Int { 4 }
  @inline(__always) static func broadcast(_ p: UnsafeRawPointer) -> VI { VI(repeating: p.loadUnaligned(as: Int32.self)) }
}

/// A partial load never leaves its `count` bytes, 0 < count <= 8; the others are zero.
@inline(__always)
func loadFewBytes(_ p: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
  let raw = UnsafeRawPointer(p)
  if count >= 8 { return raw.loadUnaligned(as: UInt64.self) }
  if count >= 4 {
    let head = UInt64(raw.loadUnaligned(as: UInt32.self))
    let tail = UInt64((raw + (count &- 4)).loadUnaligned(as: UInt32.self))
    return head | tail &<< UInt64(truncatingIfNeeded: (count &- 4) &* 8)
  }
  var v = UInt64(p[0])
  if count > 1 { v |= UInt64(p[1]) &<< 8 }
  if count > 2 { v |= UInt64(p[2]) &<< 16 }
  return v
}

/// Stores the low `count` bytes, 0 <= count <= 8.
@inline(__always)
func storeFewBytes(_ value: UInt64, _ p: UnsafeMutablePointer<UInt8>, _ count: Int) {
  var v = value
  var p = UnsafeMutableRawPointer(p)
  if count >= 8 { return p.storeBytes(of: v, as: UInt64.self) }
  if count & 4 != 0 {
    p.storeBytes(of: UInt32(truncatingIfNeeded: v), as: UInt32.self)
    p += 4
    v &>>= 32
  }
  if count & 2 != 0 {
    p.storeBytes(of: UInt16(truncatingIfNeeded: v), as: UInt16.self)
    p += 2
    v &>>= 16
  }
  if count & 1 != 0 { p.storeBytes(of: UInt8(truncatingIfNeeded: v), as: UInt8.self) }
}

/// Copies `count` bytes and touches no other.
@inline(__always)
func copyBytes(_ to: UnsafeMutablePointer<UInt8>, _ from: UnsafePointer<UInt8>, _ count: Int) {
  var i = 0
  while i &+ 16 <= count {
    SIMD16<UInt8>.load(from + i).store(to + i)
    i &+= 16
  }
  if i &+ 8 <= count {
    SIMD8<UInt8>.load(from + i).store(to + i)
    i &+= 8
  }
  if i < count { storeFewBytes(loadFewBytes(from + i, count &- i), to + i, count &- i) }
}
