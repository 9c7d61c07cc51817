#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Little-endian bytes of the small sections.
struct FormatByteWriter {
  var bytes: [UInt8] = []

  mutating func u8(_ value: UInt8) { bytes.append(value) }

  mutating func integer<T: FixedWidthInteger>(_ value: T) {
    var rest = value
    for _ in 0..<(T.bitWidth / 8) {
      bytes.append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  mutating func u32(_ value: Int) { integer(UInt32(truncatingIfNeeded: value)) }
  mutating func i32(_ value: Int) { integer(Int32(truncatingIfNeeded: value)) }
  mutating func i64(_ value: Int) { integer(Int64(value)) }
  mutating func f32(_ value: Float) { integer(value.bitPattern) }
  mutating func flag(_ value: Bool) { u8(value ? 1 : 0) }

  mutating func string(_ value: Text) {
    let start = bytes.count
    u32(0)
    for byte in value.utf8 { bytes.append(byte) }
    let count = UInt32(truncatingIfNeeded: bytes.count - start - 4)
    for shift in 0..<4 { bytes[start + shift] = UInt8(truncatingIfNeeded: count >> UInt32(8 * shift)) }
  }

  /// A count, then each element.
  mutating func i64s(_ values: [Int]) {
    u32(values.count)
    for value in values { i64(value) }
  }
}
