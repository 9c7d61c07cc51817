#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A bounds-checked position in one section. Every read that would pass the end throws, with the offset in the file.
struct FormatByteReader {
  private let bytes: UnsafeRawBufferPointer
  /// Offset of the section in the file, for error messages.
  private let origin: Int
  private(set) var position = 0

  init(_ bytes: UnsafeRawBufferPointer, origin: Int) {
    self.bytes = bytes
    self.origin = origin
  }

  var remaining: Int { bytes.count - position }
  var fileOffset: Int { origin + position }

  func malformed(_ message: Text) -> EdgeError { EdgeError(.malformedModel, message, byteOffset: fileOffset) }

  mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) throws(EdgeError) -> T {
    let size = T.bitWidth / 8
    guard remaining >= size else {
      throw EdgeError(.truncatedModel, "the section ends inside a \(size)-byte number", byteOffset: fileOffset)
    }
    let value = bytes.loadUnaligned(fromByteOffset: position, as: type)
    position += size
    return T(littleEndian: value)
  }

  mutating func u8() throws(EdgeError) -> UInt8 { try integer(UInt8.self) }
  mutating func u16() throws(EdgeError) -> UInt16 { try integer(UInt16.self) }
  mutating func f32() throws(EdgeError) -> Float { Float(bitPattern: try integer(UInt32.self)) }

  /// A 64-bit number that must fit this machine's Int.
  mutating func i64() throws(EdgeError) -> Int {
    let value = try integer(Int64.self)
    guard let int = Int(exactly: value) else { throw malformed("number \(value) does not fit this machine") }
    return int
  }

  mutating func i32() throws(EdgeError) -> Int { Int(try integer(Int32.self)) }

  mutating func flag() throws(EdgeError) -> Bool {
    let value = try u8()
    guard value <= 1 else { throw malformed("flag is \(value), not 0 or 1") }
    return value == 1
  }

  /// A number of records that follow, each at least `recordBytes` long: bounds what a lying count can make us reserve.
  mutating func count(recordBytes: Int) throws(EdgeError) -> Int {
    let value = try integer(UInt32.self)
    guard let count = Int(exactly: value), count <= remaining / recordBytes else {
      throw malformed("count \(value) needs more bytes than the section has")
    }
    return count
  }

  mutating func i64s() throws(EdgeError) -> [Int] {
    let count = try count(recordBytes: 8)
    var values: [Int] = []
    values.reserveCapacity(count)
    for _ in 0..<count { values.append(try i64()) }
    return values
  }

  /// `count` numbers of four bytes, of which tables have many: they are copied together.
  mutating func words<T: BitwiseCopyable>(_ count: Int, as: T.Type) throws(EdgeError) -> [T] {
    guard count <= remaining / 4 else {
      throw EdgeError(.truncatedModel, "the section ends inside a table", byteOffset: fileOffset)
    }
    let start = position
    position += 4 * count
    return [T](unsafeUninitializedCapacity: count) { words, written in
      let to = UnsafeMutableRawBufferPointer(words)
      to.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + 4 * count]))
      #if _endian(big)
      for i in 0..<count {
        to.storeBytes(of: to.load(fromByteOffset: 4 * i, as: UInt32.self).byteSwapped, toByteOffset: 4 * i, as: UInt32.self)
      }
      #endif
      written = count
    }
  }

  mutating func string(limit: Int) throws(EdgeError) -> Text {
    let count = try count(recordBytes: 1)
    guard count <= limit else {
      throw EdgeError(.limitExceeded, "a string of \(count) bytes; the limit is \(limit)", byteOffset: fileOffset)
    }
    let start = position
    position += count
    guard let text = Text(validating: UnsafeRawBufferPointer(rebasing: bytes[start..<position])) else {
      throw malformed("a string is not UTF-8")
    }
    return text
  }

  /// All bytes must have been read.
  func finish(_ what: StaticString) throws(EdgeError) {
    guard remaining == 0 else { throw malformed("\(remaining) bytes left over after the \(what)") }
  }
}
