#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The bytes of a flatbuffer, all little-endian and at any alignment. Every load is checked against the end of the file;
/// errors carry the offset.
struct FlatbufferBytes {
  let bytes: UnsafeRawBufferPointer

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  func error(_ message: Text, at offset: Int) -> EdgeError {
    EdgeError(.malformedModel, message, byteOffset: offset)
  }

  /// Checks that `count` bytes from `offset` on lie in the file.
  @inline(never)
  func check(_ offset: Int, _ count: Int, _ what: StaticString) throws(EdgeError) {
    guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count &- offset else {
      throw EdgeError(.truncatedModel, "\(what) reaches beyond the end of the file", byteOffset: offset)
    }
  }

  @inline(never)
  func byte(_ offset: Int) throws(EdgeError) -> UInt8 {
    try check(offset, 1, "a byte")
    return bytes[offset]
  }

  @inline(never)
  func uint16(_ offset: Int) throws(EdgeError) -> Int {
    try check(offset, 2, "a 16-bit number")
    return Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
  }

  @inline(never)
  func uint32(_ offset: Int) throws(EdgeError) -> UInt32 {
    try check(offset, 4, "a 32-bit number")
    return UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  @inline(never)
  func uint64(_ offset: Int) throws(EdgeError) -> UInt64 {
    try check(offset, 8, "a 64-bit number")
    return UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  func int32(_ offset: Int) throws(EdgeError) -> Int32 { Int32(bitPattern: try uint32(offset)) }

  /// Where the 32-bit offset at a position points to: forward, inside the file.
  @inline(never)
  func target(_ position: Int) throws(EdgeError) -> Int {
    let distance = Int(exactly: try uint32(position)) ?? Int.max
    guard distance > 0 else { throw error("an offset is zero", at: position) }
    guard distance < bytes.count &- position else {
      throw EdgeError(.truncatedModel, "an offset points beyond the end of the file", byteOffset: position)
    }
    return position &+ distance
  }

  /// The root table.
  func root() throws(EdgeError) -> FlatbufferTable { try FlatbufferTable(self, at: try target(0)) }
}
