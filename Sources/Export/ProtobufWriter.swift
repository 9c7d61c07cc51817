#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Bytes of a protocol buffer message, field by field.
struct ProtobufWriter {
  private(set) var bytes: [UInt8] = []

  @inline(never)
  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  private mutating func key(_ field: Int, _ wireType: UInt64) { varint(UInt64(truncatingIfNeeded: field) << 3 | wireType) }

  @inline(never)
  mutating func integer(_ field: Int, _ value: Int) {
    key(field, 0)
    varint(UInt64(bitPattern: Int64(value)))
  }

  @inline(never)
  mutating func float(_ field: Int, _ value: Float) {
    key(field, 5)
    var rest = value.bitPattern
    for _ in 0..<4 {
      bytes.append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  @inline(never)
  mutating func text(_ field: Int, _ value: Text) {
    head(field, value.utf8.count)
    bytes += value.utf8
  }

  @inline(never)
  mutating func message(_ field: Int, _ content: ProtobufWriter) {
    head(field, content.bytes.count)
    bytes += content.bytes
  }

  /// The start of a field whose content of so many bytes is written elsewhere.
  @inline(never)
  mutating func head(_ field: Int, _ count: Int) {
    key(field, 2)
    varint(UInt64(truncatingIfNeeded: count))
  }
}
