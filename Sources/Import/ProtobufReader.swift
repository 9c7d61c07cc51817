#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Wire types of the protocol buffer encoding. Groups (3 and 4) do not occur in ONNX and are refused.
enum ProtobufWireType: UInt8 {
  case varint = 0
  case fixed64 = 1
  case lengthDelimited = 2
  case fixed32 = 5
}

/// The head of one field: its number, how its content is written, and where it stands in the file.
struct ProtobufField {
  var number: Int
  var wireType: ProtobufWireType
  var offset: Int
}

/// A cursor over one protocol buffer message. Every read is checked against the end of the message; a nested
/// message is a cursor over a part of the same bytes. Errors carry the absolute offset in the file.
struct ProtobufReader {
  /// Deeper nesting than any ONNX model has: branches and loops in one another take three messages each.
  static let maximumDepth = 64

  /// The whole file.
  let bytes: UnsafeRawBufferPointer
  private(set) var position: Int
  let end: Int
  private let depth: Int

  /// A cursor over a whole file.
  init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
    position = 0
    end = bytes.count
    depth = 0
  }

  private init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, depth: Int) {
    self.bytes = bytes
    position = range.lowerBound
    end = range.upperBound
    self.depth = depth
  }

  func error(_ message: Text, at offset: Int) -> EdgeError {
    EdgeError(.malformedModel, message, byteOffset: offset)
  }

  /// The file ends too early, or an inner length contradicts the outer one.
  private func beyondEnd(_ what: Text, at offset: Int) -> EdgeError {
    end == bytes.count
      ? EdgeError(.truncatedModel, "the file ends inside \(what)", byteOffset: offset)
      : EdgeError(.malformedModel, "\(what) reaches beyond the message that contains it", byteOffset: offset)
  }

  /// The next field's head, or nil at the end of the message. The content must be read or skipped next.
  mutating func nextField() throws(EdgeError) -> ProtobufField? {
    guard position < end else { return nil }
    let offset = position
    let key = try varint()
    guard let wireType = ProtobufWireType(rawValue: UInt8(truncatingIfNeeded: key & 7)) else {
      throw error("wire type \(key & 7) is not a protocol buffer's", at: offset)
    }
    let number = key >> 3
    guard number > 0, number < 1 << 29 else { throw error("field number \(number) is out of range", at: offset) }
    return ProtobufField(number: Int(truncatingIfNeeded: number), wireType: wireType, offset: offset)
  }

  /// A base-128 number, as it stands.
  mutating func varint() throws(EdgeError) -> UInt64 {
    let start = position
    var result: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      guard position < end else { throw beyondEnd("a number", at: start) }
      let byte = bytes[position]
      position &+= 1
      if shift == 63, byte > 1 { throw error("a number has more than 64 bits", at: start) }
      result |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return result }
      shift &+= 7
    }
  }

  mutating func fixed32() throws(EdgeError) -> UInt32 {
    guard end &- position >= 4 else { throw beyondEnd("a 32-bit number", at: position) }
    let value = bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)
    position &+= 4
    return UInt32(littleEndian: value)
  }

  mutating func fixed64() throws(EdgeError) -> UInt64 {
    guard end &- position >= 8 else { throw beyondEnd("a 64-bit number", at: position) }
    let value = bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)
    position &+= 8
    return UInt64(littleEndian: value)
  }

  /// The content of a length-delimited field, as a range of the file.
  mutating func content() throws(EdgeError) -> Range<Int> {
    let start = position
    let length = try varint()
    guard length <= UInt64(end &- position) else { throw beyondEnd("a field of \(length) bytes", at: start) }
    let range = position..<position &+ Int(truncatingIfNeeded: length)
    position = range.upperBound
    return range
  }

  /// Passes over the content of a field.
  mutating func skip(_ field: ProtobufField) throws(EdgeError) {
    switch field.wireType {
    case .varint: _ = try varint()
    case .fixed64: _ = try fixed64()
    case .lengthDelimited: _ = try content()
    case .fixed32: _ = try fixed32()
    }
  }

  // Typed access to the field whose head was just read.

  private func require(_ wireType: ProtobufWireType, _ field: ProtobufField) throws(EdgeError) {
    if field.wireType != wireType {
      throw error("field \(field.number) has wire type \(field.wireType.rawValue), not \(wireType.rawValue)", at: field.offset)
    }
  }

  /// A nested message.
  mutating func message(_ field: ProtobufField) throws(EdgeError) -> ProtobufReader {
    let range = try range(field)
    guard depth < ProtobufReader.maximumDepth else { throw error("messages are nested too deep", at: field.offset) }
    return ProtobufReader(bytes, range, depth: depth &+ 1)
  }

  /// A `bytes` field.
  mutating func range(_ field: ProtobufField) throws(EdgeError) -> Range<Int> {
    try require(.lengthDelimited, field)
    return try content()
  }

  /// A cursor over a range that this reader or one of its parents gave.
  func reader(over range: Range<Int>) -> ProtobufReader { ProtobufReader(bytes, range, depth: depth) }

  /// An `int64` or `int32` or enum field. Platforms with a narrower Int get the nearest value.
  mutating func integer(_ field: ProtobufField) throws(EdgeError) -> Int {
    try require(.varint, field)
    return Int(clamping: Int64(bitPattern: try varint()))
  }

  mutating func float(_ field: ProtobufField) throws(EdgeError) -> Float {
    try require(.fixed32, field)
    return Float(bitPattern: try fixed32())
  }

  /// A `string` field of at most so many bytes, valid UTF-8.
  mutating func string(_ field: ProtobufField, maximumBytes: Int) throws(EdgeError) -> Text {
    let range = try range(field)
    guard range.count <= maximumBytes else {
      throw EdgeError(.limitExceeded, "a name has \(range.count) bytes, more than \(maximumBytes)", byteOffset: field.offset)
    }
    guard let text = Text(validating: UnsafeRawBufferPointer(rebasing: bytes[range])) else {
      throw error("a text is not valid UTF-8", at: field.offset)
    }
    return text
  }

  /// Adds the elements of a repeated integer field, packed or not.
  mutating func integers(_ field: ProtobufField, into list: inout [Int]) throws(EdgeError) {
    if field.wireType == .varint { return list.append(try integer(field)) }
    var packed = try message(field)
    while packed.position < packed.end { list.append(Int(clamping: Int64(bitPattern: try packed.varint()))) }
  }

  /// Adds the elements of a repeated float field, packed or not.
  mutating func floats(_ field: ProtobufField, into list: inout [Float]) throws(EdgeError) {
    if field.wireType == .fixed32 { return list.append(try float(field)) }
    var packed = try message(field)
    while packed.position < packed.end { list.append(Float(bitPattern: try packed.fixed32())) }
  }
}
