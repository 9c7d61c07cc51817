#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Little-endian bytes of the small sections. Compact ones, of version 2, have numbers of as many bytes as they need.
struct FormatByteWriter {
  var bytes: [UInt8] = []
  let isCompact: Bool

  init(isCompact: Bool = false) { self.isCompact = isCompact }

  mutating func u8(_ value: UInt8) { bytes.append(value) }

  mutating func integer<T: FixedWidthInteger>(_ value: T) {
    var rest = value
    for _ in 0..<(T.bitWidth / 8) {
      bytes.append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  /// Seven bits in a byte, the lowest first; the highest bit says that more follow.
  private mutating func short(_ value: UInt64) {
    var rest = value
    while rest >= 128 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 128)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// Numbers near zero, of either sign, are short.
  private mutating func shortSigned(_ value: Int) {
    let wide = Int64(value)
    short(UInt64(bitPattern: wide << 1 ^ wide >> 63))
  }

  mutating func u16(_ value: UInt16) {
    if isCompact { short(UInt64(value)) } else { integer(value) }
  }
  mutating func u32(_ value: Int) {
    if isCompact { short(UInt64(truncatingIfNeeded: value)) } else { integer(UInt32(truncatingIfNeeded: value)) }
  }
  mutating func i32(_ value: Int) {
    if isCompact { shortSigned(value) } else { integer(Int32(truncatingIfNeeded: value)) }
  }
  mutating func i64(_ value: Int) {
    if isCompact { shortSigned(value) } else { integer(Int64(value)) }
  }
  mutating func flag(_ value: Bool) { u8(value ? 1 : 0) }

  mutating func f32(_ value: Float) {
    if isCompact {
      for (code, usual) in FormatLayout.usualFloats.enumerated() where usual.bitPattern == value.bitPattern {
        u8(UInt8(truncatingIfNeeded: code))
        return
      }
      u8(FormatLayout.otherFloat)
    }
    integer(value.bitPattern)
  }

  mutating func string(_ value: Text) {
    u32(value.utf8.count)
    bytes += value.utf8
  }

  /// A count, then each element.
  mutating func i64s(_ values: [Int]) {
    u32(values.count)
    for value in values { i64(value) }
  }
}
