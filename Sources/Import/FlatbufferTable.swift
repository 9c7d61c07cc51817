#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// One table of a flatbuffer: fields by number, each present or not. Which fields are where is told by its vtable,
/// a list of 16-bit offsets that several tables may share.
///
/// Reading never follows more offsets than the schema's access code asks for, so there is no depth to bound; tables
/// may overlap each other, which does no harm to a reader.
struct FlatbufferTable {
  let file: FlatbufferBytes
  /// Offset of the table in the file.
  let position: Int
  private let vtable: Int
  private let vtableBytes: Int
  private let tableBytes: Int

  init(_ file: FlatbufferBytes, at position: Int) throws(EdgeError) {
    self.file = file
    self.position = position
    // The distance to the vtable is signed and counts backwards.
    let distance = Int(try file.int32(position))
    vtable = position &- distance
    vtableBytes = try file.uint16(vtable)
    tableBytes = try file.uint16(vtable &+ 2)
    guard vtableBytes >= 4, vtableBytes % 2 == 0 else { throw file.error("a table's field list has \(vtableBytes) bytes", at: vtable) }
    guard tableBytes >= 4 else { throw file.error("a table has \(tableBytes) bytes", at: vtable) }
    try file.check(vtable, vtableBytes, "a table's field list")
    try file.check(position, tableBytes, "a table")
  }

  /// Stands for an absent table: no field is there.
  init(withoutFields file: FlatbufferBytes) {
    self.file = file
    (position, vtable, vtableBytes, tableBytes) = (0, 0, 0, 0)
  }

  /// Position of a field of `size` bytes; nil when the table does not have it.
  @inline(never)
  private func place(_ field: Int, _ size: Int) throws(EdgeError) -> Int? {
    let entry = 4 &+ 2 &* field
    guard entry < vtableBytes else { return nil }
    let offset = try file.uint16(vtable &+ entry)
    guard offset != 0 else { return nil }
    guard offset >= 4, offset <= tableBytes, size <= tableBytes &- offset else {
      throw file.error("field \(field) lies outside its table", at: vtable &+ entry)
    }
    return position &+ offset
  }

  func has(_ field: Int) throws(EdgeError) -> Bool { try place(field, 1) != nil }

  func byte(_ field: Int, _ standard: UInt8 = 0) throws(EdgeError) -> UInt8 {
    guard let place = try place(field, 1) else { return standard }
    return try file.byte(place)
  }

  func bool(_ field: Int) throws(EdgeError) -> Bool { try byte(field) != 0 }

  func int32(_ field: Int, _ standard: Int32 = 0) throws(EdgeError) -> Int {
    guard let place = try place(field, 4) else { return Int(standard) }
    return Int(try file.int32(place))
  }

  func uint32(_ field: Int) throws(EdgeError) -> UInt32 {
    guard let place = try place(field, 4) else { return 0 }
    return try file.uint32(place)
  }

  func uint64(_ field: Int) throws(EdgeError) -> UInt64 {
    guard let place = try place(field, 8) else { return 0 }
    return try file.uint64(place)
  }

  func float(_ field: Int, _ standard: Float = 0) throws(EdgeError) -> Float {
    guard let place = try place(field, 4) else { return standard }
    return Float(bitPattern: try file.uint32(place))
  }

  func table(_ field: Int) throws(EdgeError) -> FlatbufferTable? {
    guard let place = try place(field, 4) else { return nil }
    return try FlatbufferTable(file, at: try file.target(place))
  }

  /// A vector of elements of `size` bytes (4 for vectors of tables and strings); an absent one is empty.
  func vector(_ field: Int, size: Int) throws(EdgeError) -> FlatbufferVector {
    guard let place = try place(field, 4) else { return FlatbufferVector(file, start: 0, count: 0, size: size) }
    return try FlatbufferVector(file, at: try file.target(place), size: size)
  }

  /// A string of at most `maximumBytes`; nil when absent.
  func string(_ field: Int, maximumBytes: Int) throws(EdgeError) -> Text? {
    guard let place = try place(field, 4) else { return nil }
    let text = try FlatbufferVector(file, at: try file.target(place), size: 1)
    guard text.count <= maximumBytes else {
      throw EdgeError(.limitExceeded, "a string has \(text.count) bytes; the limit is \(maximumBytes)", byteOffset: text.start &- 4)
    }
    let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[text.start..<text.start &+ text.count])
    guard let string = Text(validating: bytes) else {
      throw file.error("a string is not UTF-8", at: text.start)
    }
    return string
  }
}

/// A vector of a flatbuffer. All of it lies in the file, so its count is bounded by the file's size.
struct FlatbufferVector {
  let file: FlatbufferBytes
  /// Offset of the first element.
  let start: Int
  let count: Int
  let size: Int

  init(_ file: FlatbufferBytes, start: Int, count: Int, size: Int) {
    self.file = file
    self.start = start
    self.count = count
    self.size = size
  }

  init(_ file: FlatbufferBytes, at position: Int, size: Int) throws(EdgeError) {
    let count = Int(exactly: try file.uint32(position)) ?? Int.max
    guard count <= (file.bytes.count &- position &- 4) / size else {
      throw EdgeError(.truncatedModel, "a list of \(count) elements reaches beyond the end of the file", byteOffset: position)
    }
    self.init(file, start: position &+ 4, count: count, size: size)
  }

  /// Position of an element.
  @inline(never)
  private func place(_ index: Int) throws(EdgeError) -> Int {
    guard index >= 0, index < count else { throw file.error("index \(index) is outside a list of \(count)", at: start) }
    return start &+ index &* size
  }

  func table(_ index: Int) throws(EdgeError) -> FlatbufferTable {
    try FlatbufferTable(file, at: try file.target(try place(index)))
  }

  func int32(_ index: Int) throws(EdgeError) -> Int { Int(try file.int32(try place(index))) }

  func int64(_ index: Int) throws(EdgeError) -> Int64 { Int64(bitPattern: try file.uint64(try place(index))) }

  func float(_ index: Int) throws(EdgeError) -> Float { Float(bitPattern: try file.uint32(try place(index))) }

  /// All elements of a vector of 32-bit numbers.
  func int32s() throws(EdgeError) -> [Int] {
    var result: [Int] = []
    result.reserveCapacity(count)
    var index = 0
    while index < count {
      result.append(try int32(index))
      index &+= 1
    }
    return result
  }
}
