import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Whether bytes begin like an `.edgeai` file.
public func isEdgeAIModel(_ bytes: UnsafeRawBufferPointer) -> Bool {
  bytes.count >= FormatLayout.magic.count && bytes.prefix(FormatLayout.magic.count).elementsEqual(FormatLayout.magic)
}

/// The graph of an `.edgeai` file.
///
/// Every count, size, offset and index is checked before use and the result is validated, so any bytes are safe
/// to give. Constants are used in place, and `owner` is kept alive for them, when `bytes` starts at a multiple of
/// 16; otherwise they are copied. Those of a file of version 2 are decoded into memory of their own.
///
/// Throws `truncatedModel`, `malformedModel`, `checksumMismatch`, `newerVersion`, `limitExceeded`, `invalidGraph` or
/// `unsupportedOperator`, with the byte offset where there is one.
public func decodeModel(_ bytes: UnsafeRawBufferPointer, owner: AnyObject?, limits: Limits) throws(EdgeError) -> Graph {
  guard isEdgeAIModel(bytes) else { throw EdgeError(.malformedModel, "this is not an .edgeai file", byteOffset: 0) }
  if isCompactModel(bytes) { return try decodeCompact(bytes, limits) }
  try checkFileBytes(bytes, limits)
  let sections = try SectionTable(bytes)
  let data = try constants(bytes, sections[.data], owner)
  var graph = Graph()
  try readValues(sections.reader(.values, bytes), &graph, data, sections[.data].byteCount, limits)
  try readNodes(sections.reader(.nodes, bytes), &graph, limits)
  try readGraph(sections.reader(.graph, bytes), &graph, limits)
  try graph.validate()
  return graph
}

func checkFileBytes(_ bytes: UnsafeRawBufferPointer, _ limits: Limits) throws(EdgeError) {
  guard bytes.count <= limits.maximumFileBytes else {
    throw EdgeError(.limitExceeded, "the file has \(bytes.count) bytes; the limit is \(limits.maximumFileBytes)")
  }
}

/// The checked header and section table.
private struct SectionTable {
  struct Range {
    var offset = 0
    var byteCount = 0
  }
  private var ranges: [Range] = []

  init(_ bytes: UnsafeRawBufferPointer) throws(EdgeError) {
    guard bytes.count >= FormatLayout.headerBytes else {
      throw EdgeError(.truncatedModel, "the file ends inside its header", byteOffset: bytes.count)
    }
    var header = FormatByteReader(UnsafeRawBufferPointer(rebasing: bytes[..<FormatLayout.headerBytes]), origin: 0)
    _ = try header.integer(UInt64.self)
    let major = try header.u16()
    let minor = try header.u16()
    // Before the checksum: a newer version may move it.
    guard major == FormatLayout.majorVersion else {
      throw EdgeError(
        major > FormatLayout.compactMajorVersion ? .newerVersion : .malformedModel,
        "the file has format version \(major).\(minor); this library reads versions \(FormatLayout.majorVersion) and \(FormatLayout.compactMajorVersion)", byteOffset: 8)
    }
    try SectionTable.check(bytes, 0, FormatLayout.headerChecksumOffset, bytes.loadLittleEndian(FormatLayout.headerChecksumOffset), "header")
    guard minor <= FormatLayout.minorVersion else {
      throw EdgeError(.newerVersion, "the file has format version \(major).\(minor), newer than this library", byteOffset: 10)
    }
    let kinds = FormatLayout.Section.allCases
    guard try header.integer(UInt32.self) == UInt32(kinds.count) else {
      throw EdgeError(.malformedModel, "version 1 has \(kinds.count) sections", byteOffset: 12)
    }
    let fileBytes = try header.i64()
    guard fileBytes >= bytes.count else {
      throw EdgeError(.malformedModel, "the header says \(fileBytes) bytes; the file has \(bytes.count)", byteOffset: 16)
    }
    guard fileBytes == bytes.count else {
      throw EdgeError(.truncatedModel, "the file has \(bytes.count) of its \(fileBytes) bytes", byteOffset: bytes.count)
    }
    let tableChecksum = try header.integer(UInt32.self)
    while header.position < FormatLayout.headerChecksumOffset {
      guard try header.u8() == 0 else { throw EdgeError(.malformedModel, "reserved bytes are not zero", byteOffset: header.position - 1) }
    }

    let tableBytes = kinds.count * FormatLayout.sectionEntryBytes
    let start = FormatLayout.headerBytes
    guard bytes.count >= start + tableBytes else {
      throw EdgeError(.truncatedModel, "the file ends inside its section table", byteOffset: bytes.count)
    }
    try SectionTable.check(bytes, start, tableBytes, tableChecksum, "section table")
    var table = FormatByteReader(UnsafeRawBufferPointer(rebasing: bytes[start..<start + tableBytes]), origin: start)
    var end = start + tableBytes
    for kind in kinds {
      let entry = table.fileOffset
      let number = try table.integer(UInt32.self)
      let checksum = try table.integer(UInt32.self)
      let range = Range(offset: try table.i64(), byteCount: try table.i64())
      let reserved = try table.integer(UInt64.self)
      guard number == kind.rawValue, reserved == 0 else {
        throw EdgeError(.malformedModel, "section \(number) stands where section \(kind.rawValue) belongs", byteOffset: entry)
      }
      // In this order nothing can overflow: both are within the file.
      guard range.offset == FormatLayout.aligned(end), range.byteCount >= 0, range.offset <= bytes.count,
        range.byteCount <= bytes.count - range.offset
      else { throw EdgeError(.malformedModel, "section \(number) is not where the one before it ends, or leaves the file", byteOffset: entry) }
      for position in end..<range.offset where bytes[position] != 0 {
        throw EdgeError(.malformedModel, "bytes between two sections are not zero", byteOffset: position)
      }
      try SectionTable.check(bytes, range.offset, range.byteCount, checksum, "section")
      end = range.offset + range.byteCount
      ranges.append(range)
    }
    guard end == bytes.count else { throw EdgeError(.malformedModel, "bytes follow the last section", byteOffset: end) }
  }

  subscript(_ section: FormatLayout.Section) -> Range { ranges[Int(section.rawValue) - 1] }

  func reader(_ section: FormatLayout.Section, _ bytes: UnsafeRawBufferPointer) -> FormatByteReader {
    let range = self[section]
    return FormatByteReader(
      UnsafeRawBufferPointer(rebasing: bytes[range.offset..<range.offset + range.byteCount]), origin: range.offset)
  }

  private static func check(
    _ bytes: UnsafeRawBufferPointer, _ offset: Int, _ byteCount: Int, _ expected: UInt32, _ what: StaticString
  ) throws(EdgeError) {
    guard let base = bytes.baseAddress else { return }
    guard ep_crc32c(0, base + offset, byteCount) == expected else {
      throw EdgeError(.checksumMismatch, "the checksum of the \(what) does not match: the file is damaged", byteOffset: offset)
    }
  }
}

extension UnsafeRawBufferPointer {
  fileprivate func loadLittleEndian(_ offset: Int) -> UInt32 {
    UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }
}

/// The data section, in place or copied to aligned memory.
private func constants(_ bytes: UnsafeRawBufferPointer, _ range: SectionTable.Range, _ owner: AnyObject?) throws(EdgeError) -> Storage {
  guard range.byteCount > 0, let base = bytes.baseAddress else { return try Storage.allocate(0) }
  let data = UnsafeRawBufferPointer(start: base + range.offset, count: range.byteCount)
  if UInt(bitPattern: base) % UInt(FormatLayout.inPlaceAlignment) == 0, let storage = Storage.borrow(data, owner: owner) {
    return storage
  }
  let copy = try Storage.allocate(range.byteCount)
  copy.base.copyMemory(from: base + range.offset, byteCount: range.byteCount)
  return copy
}

private func readValues(
  _ section: FormatByteReader, _ graph: inout Graph, _ data: Storage, _ dataBytes: Int, _ limits: Limits
) throws(EdgeError) {
  var reader = section
  var dataEnd = 0
  try readEachValue(&reader, &graph, limits) { (reader, value, bytes, start) throws(EdgeError) in
    let position = try reader.i64()
    // Exactly where the constant before it ends: nothing overlaps, and nothing is in between.
    guard position == FormatLayout.aligned(dataEnd), let constant = TensorData(data, offset: position, byteCount: bytes) else {
      throw EdgeError(
        .malformedModel, "the constant is not where the one before it ends, or leaves the data section", tensor: value.name,
        byteOffset: start)
    }
    for gap in dataEnd..<position where data.base.load(fromByteOffset: gap, as: UInt8.self) != 0 {
      throw EdgeError(.malformedModel, "bytes between two constants are not zero", tensor: value.name, byteOffset: start)
    }
    dataEnd = position + bytes
    value.constant = constant
  }
  try reader.finish("values")
  guard dataEnd == dataBytes else {
    throw EdgeError(.malformedModel, "\(dataBytes - dataEnd) bytes of the data section belong to no constant", byteOffset: section.fileOffset)
  }
}

/// All values; `constant` reads what says where a constant of so many bytes is, for a value whose record began there.
func readEachValue(
  _ reader: inout FormatByteReader, _ graph: inout Graph, _ limits: Limits,
  constant: (inout FormatByteReader, inout Value, Int, Int) throws(EdgeError) -> Void
) throws(EdgeError) {
  let first = reader.fileOffset
  let count = try reader.count(recordBytes: 8)
  guard count <= limits.maximumValues else {
    throw EdgeError(.limitExceeded, "\(count) values; the limit is \(limits.maximumValues)", byteOffset: first)
  }
  graph.values.reserveCapacity(count)
  var known: [[Int32]] = []
  for _ in 0..<count {
    let start = reader.fileOffset
    let name = try reader.string(limit: limits.maximumNameBytes)
    let number = try reader.u8()
    guard let dtype = DType(rawValue: number) else { throw reader.malformed("unknown element type \(number)") }
    let rank = Int(try reader.u8())
    guard rank <= Shape.maximumRank else { throw reader.malformed("rank \(rank); the most is \(Shape.maximumRank)") }
    let isQuantized = try reader.flag()
    let isConstant = try reader.flag()
    var dims: [Int] = []
    for _ in 0..<rank {
      let dim = try reader.i64()
      guard dim >= 0 || (dim == Shape.batch && !isConstant) else {
        throw EdgeError(.malformedModel, "dimension \(dim)", tensor: name, byteOffset: start)
      }
      dims.append(dim)
    }
    var value = Value(name: name, dtype: dtype, shape: Shape(dims))
    if isQuantized { value.quantization = try readQuantization(&reader, &known) }
    guard let bytes = value.byteCount(batch: 1), bytes <= limits.maximumTensorBytes else {
      throw EdgeError(.limitExceeded, "a tensor of shape \(value.shape.text) passes the limit", tensor: name, byteOffset: start)
    }
    if isConstant { try constant(&reader, &value, bytes, start) }
    graph.values.append(value)
  }
}

/// `known`: the latest zero points of some values. They are nearly always the same for as many channels, and then the same array.
private func readQuantization(_ reader: inout FormatByteReader, _ known: inout [[Int32]]) throws(EdgeError) -> Quantization {
  let axis = try reader.i32()
  var quantization = Quantization(scales: [], zeroPoints: [], axis: axis == -1 ? nil : axis)
  if try reader.compactZeroPoints(&quantization) { return quantization }
  let count = try reader.count(recordBytes: 8)
  quantization.scales = try reader.words(count, as: Float.self)
  if let index = known.firstIndex(where: { $0.count == count }) {
    if try reader.skip(known[index]) {
      quantization.zeroPoints = known[index]
      return quantization
    }
    known.remove(at: index)
  }
  quantization.zeroPoints = try reader.words(count, as: Int32.self)
  if known.count == 32 { known.removeFirst() }
  known.append(quantization.zeroPoints)
  return quantization
}

/// The section `nodes`, of which nothing is left over.
private func readNodes(_ section: FormatByteReader, _ graph: inout Graph, _ limits: Limits) throws(EdgeError) {
  var reader = section
  try readEachNode(&reader, &graph, limits)
  try reader.finish("nodes")
}

func readEachNode(_ reader: inout FormatByteReader, _ graph: inout Graph, _ limits: Limits) throws(EdgeError) {
  let first = reader.fileOffset
  let count = try reader.count(recordBytes: 18)
  guard count <= limits.maximumNodes else {
    throw EdgeError(.limitExceeded, "\(count) nodes; the limit is \(limits.maximumNodes)", byteOffset: first)
  }
  graph.nodes.reserveCapacity(count)
  for index in 0..<count {
    let name = try reader.string(limit: limits.maximumNameBytes)
    let code = try reader.u16()
    let attributeBytes = try reader.count(recordBytes: 1)
    let end = reader.position + attributeBytes
    let op: Operator
    do {
      op = try reader.operation(code)
    } catch {
      var placed = error
      placed.node = name
      placed.nodeIndex = index
      throw placed
    }
    guard reader.position == end else {
      throw EdgeError(
        .malformedModel, "operator \(code) has \(attributeBytes) bytes of attributes; other than its kind needs", node: name,
        nodeIndex: index, byteOffset: reader.fileOffset)
    }
    graph.nodes.append(Node(name: name, op: op, inputs: try readIDs(&reader), outputs: try readIDs(&reader)))
  }
}

private func readIDs(_ reader: inout FormatByteReader) throws(EdgeError) -> [ValueID] {
  let count = try reader.count(recordBytes: 4)
  var ids: [ValueID] = []
  ids.reserveCapacity(count)
  for _ in 0..<count { ids.append(try reader.i32()) }
  return ids
}

/// The rest of a graph, at the end of its bytes.
func readGraph(_ section: FormatByteReader, _ graph: inout Graph, _ limits: Limits) throws(EdgeError) {
  var reader = section
  graph.name = try reader.string(limit: limits.maximumNameBytes)
  graph.inputs = try readIDs(&reader)
  graph.outputs = try readIDs(&reader)
  let count = try reader.count(recordBytes: 8)
  for _ in 0..<count {
    let key = try reader.string(limit: limits.maximumNameBytes)
    graph.metadata.append((key, try reader.string(limit: limits.maximumMetadataBytes)))
  }
  if reader.remaining > 0 {
    graph.states = try readIDs(&reader)
    guard !graph.states.isEmpty else { throw reader.malformed("a list of no states") }
  }
  try reader.finish("graph")
}
