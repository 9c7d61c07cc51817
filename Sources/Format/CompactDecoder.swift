import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Whether an `.edgeai` file is of the version whose constants are coded.
func isCompactModel(_ bytes: UnsafeRawBufferPointer) -> Bool {
  let offset = FormatLayout.magic.count
  return bytes.count >= offset + 2
    && UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self)) == FormatLayout.compactMajorVersion
}

/// The graph of a file of version 2. Memory for a constant is taken after its size was compared with the limits: of one
/// tensor, and of a file for all together.
func decodeCompact(_ bytes: UnsafeRawBufferPointer, _ limits: Limits) throws(EdgeError) -> Graph {
  var (graph, stream) = try openCompact(bytes, limits)
  for id in graph.values.indices where graph.values[id].constant != nil {
    let storage = try Storage.allocate(graph.values[id].byteCount() ?? 0)
    try stream.read(graph.values[id], to: storage.base)
    graph.values[id].constant = TensorData(storage, offset: 0, byteCount: storage.count)
  }
  try graph.validate()
  return graph
}

/// The constants of a file of version 2, one after the other.
struct CompactStream {
  private let bytes: UnsafeRawBufferPointer
  private let main: MixingCoder
  private let mainEnd: Int
  let forms: [ConstantForm]
  private var decoder: ConstantDecoder
  /// The number of the next constant, and where its chunk begins.
  private(set) var next = 0
  private var offset: Int

  /// The first chunk is at `offset`.
  fileprivate init(
    _ bytes: UnsafeRawBufferPointer, _ main: MixingCoder, _ mainEnd: Int, _ forms: [ConstantForm], offset: Int
  ) throws(EdgeError) {
    self.bytes = bytes
    self.main = main
    self.mainEnd = mainEnd
    self.forms = forms
    decoder = try ConstantDecoder(main, streamEnd: mainEnd)
    self.offset = offset
    if forms.isEmpty { try checkEnd() }
  }

  /// Writes the next constant, which is that of this value, to memory for all of it.
  mutating func read(_ value: Value, to: UnsafeMutableRawPointer) throws(EdgeError) {
    let form = forms[next]
    next += 1
    try decoder.read(value, form, UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + form.chunkBytes]), offset, to: to)
    offset += form.chunkBytes
    if next == forms.count { try checkEnd() }
  }

  private func checkEnd() throws(EdgeError) {
    guard main.isAtEnd else { throw EdgeError(.malformedModel, "bytes are left over in the main stream", byteOffset: mainEnd) }
  }
}

/// The graph of a file of version 2, with constants that are empty yet, and where these come from.
func openCompact(_ bytes: UnsafeRawBufferPointer, _ limits: Limits) throws(EdgeError) -> (graph: Graph, stream: CompactStream) {
  try checkFileBytes(bytes, limits)
  var header = FormatByteReader(bytes, origin: 0, isCompact: true)
  _ = try header.integer(UInt64.self)
  _ = try header.integer(UInt16.self)
  let minor = try header.integer(UInt16.self)
  let checksum = try header.integer(UInt32.self)
  let rest = try header.i64()
  guard rest <= header.remaining else {
    throw EdgeError(.truncatedModel, "the file has \(header.remaining) of the \(rest) bytes behind its header", byteOffset: bytes.count)
  }
  guard rest == header.remaining else { throw header.malformed("the header says \(rest) bytes; the file has \(header.remaining)") }
  let covered = UnsafeRawBufferPointer(rebasing: bytes[FormatLayout.compactChecksumEnd...])
  guard ep_crc32c(0, covered.baseAddress, covered.count) == checksum else {
    throw EdgeError(
      .checksumMismatch, "the checksum of the file does not match: the file is damaged", byteOffset: FormatLayout.compactChecksumEnd)
  }
  guard minor <= FormatLayout.compactMinorVersion else {
    throw EdgeError(.newerVersion, "the file has format version 2.\(minor), newer than this library", byteOffset: 10)
  }
  let descriptionBytes = try header.number32()
  let mainBytes = try header.number32()
  guard mainBytes <= header.remaining else { throw header.malformed("a main stream of \(mainBytes) bytes leaves the file") }
  // The coder cannot make more of so few bytes.
  guard descriptionBytes >> 16 <= mainBytes else { throw header.malformed("a description of \(descriptionBytes) bytes") }
  guard descriptionBytes <= min(limits.maximumFileBytes, FormatLayout.maximumDescriptionBytes) else {
    throw EdgeError(.limitExceeded, "a description of \(descriptionBytes) bytes", byteOffset: header.fileOffset)
  }
  let mainOffset = header.position
  let main = try MixingCoder(decoding: UnsafeRawBufferPointer(rebasing: bytes[mainOffset..<mainOffset + mainBytes]))
  let description = try Storage.allocate(descriptionBytes)
  main.text(description.base.assumingMemoryBound(to: UInt8.self), descriptionBytes)
  guard !main.isTruncated else { throw truncated(mainOffset + mainBytes) }

  var graph = Graph()
  var forms: [ConstantForm] = []
  var chunkBytes = 0
  var decodedBytes = 0
  let end = bytes.count - mainOffset - mainBytes
  var reader = FormatByteReader(
    UnsafeRawBufferPointer(start: description.base, count: descriptionBytes), origin: mainOffset, isCompact: true, isCoded: true)
  try readEachValue(&reader, &graph, limits) { (reader, value, bytes, start) throws(EdgeError) in
    let form: ConstantForm
    do throws(EdgeError) {
      form = try reader.constantForm(value.dtype, ConstantMatrix(value.shape))
    } catch {
      var placed = error
      placed.tensor = value.name
      throw placed
    }
    guard bytes <= limits.maximumFileBytes - decodedBytes else {
      throw EdgeError(.limitExceeded, "the constants pass the limit of a file together", tensor: value.name, byteOffset: start)
    }
    decodedBytes += bytes
    guard form.chunkBytes <= end - chunkBytes else {
      throw EdgeError(.malformedModel, "the constant leaves the file", tensor: value.name, byteOffset: start)
    }
    chunkBytes += form.chunkBytes
    forms.append(form)
    // Its place is taken until the description is read; the contents follow.
    value.constant = try TensorData([UInt8]())
  }
  let isNew = minor > 0
  let hasNewForms = forms.contains { $0.kind.isNew }
  guard isNew || !hasNewForms else { throw wrongMinor(minor) }
  let counts = try scaleCounts(graph, reader.scaleCounts, limits.maximumFileBytes - decodedBytes)
  try readEachNode(&reader, &graph, limits)
  let scales = try readScaleTable(&reader, graph, counts, isNew: isNew)
  guard scales.form.chunkBytes <= end - chunkBytes else { throw reader.malformed("the scales leave the file") }
  chunkBytes += scales.form.chunkBytes
  // Each file has one way to be written.
  if isNew, scales.count == 0, !hasNewForms { throw wrongMinor(minor) }
  try readGraph(reader, &graph, limits)
  guard chunkBytes == end else {
    throw EdgeError(.malformedModel, "\(end - chunkBytes) bytes belong to no constant", byteOffset: bytes.count - (end - chunkBytes))
  }

  let mainEnd = mainOffset + mainBytes
  let chunksStart = mainEnd + scales.form.chunkBytes
  let read = try Storage.allocate(4 * scales.count)
  if scales.count > 0 {
    var decoder = try ConstantDecoder(main, streamEnd: mainEnd)
    try decoder.read(
      ScaleTable.value(scales.count), scales.form, UnsafeRawBufferPointer(rebasing: bytes[mainEnd..<chunksStart]), mainEnd, to: read.base)
  }
  try setScales(&graph, scales, UnsafeRawPointer(read.base), mainEnd)
  return (graph, try CompactStream(bytes, main, mainEnd, forms, offset: chunksStart))
}

private func wrongMinor(_ minor: UInt16) -> EdgeError {
  EdgeError(.malformedModel, "the file says it is of format version 2.\(minor), which its constants are not", byteOffset: 10)
}

/// By value, the number of its scales; `counts` has those of the quantized ones. A coder makes many scales of a byte, so they are
/// compared with the shapes, and with what may be decoded, before scales are read.
private func scaleCounts(_ graph: Graph, _ counts: [Int], _ most: Int) throws(EdgeError) -> [Int] {
  var byValue = [Int](repeating: 0, count: graph.values.count)
  var entry = 0
  var left = most / 8
  for (id, value) in graph.values.enumerated() {
    guard let quantization = value.quantization else { continue }
    let count = counts[entry]
    entry += 1
    var expected = 1
    if let axis = quantization.axis { expected = axis >= 0 && axis < value.shape.rank ? value.shape[axis] : -1 }
    guard count == expected else {
      throw EdgeError(.invalidGraph, "\(count) scales do not fit the shape \(value.shape.text)", tensor: value.name)
    }
    guard count <= left else { throw EdgeError(.limitExceeded, "the scales pass the limit of a file", tensor: value.name) }
    left -= count
    byValue[id] = count
  }
  return byValue
}

/// The scales that a file has: how many, in which form, and of which values they are not because they are products.
private struct WrittenScales {
  let table: ScaleTable
  let areProducts: [Bool]
  let count: Int
  let form: ConstantForm
}

private func readScaleTable(
  _ reader: inout FormatByteReader, _ graph: Graph, _ counts: [Int], isNew: Bool
) throws(EdgeError) -> WrittenScales {
  let table = ScaleTable(graph, counts)
  var areProducts = [Bool](repeating: false, count: counts.count)
  var count = 0
  for id in counts.indices {
    // In version 2.0 scales of biases are written like others.
    if isNew, table.factors[id] != nil { areProducts[id] = try reader.flag() }
    if !areProducts[id] { count += counts[id] }
  }
  let form = isNew && count > 0 ? try reader.constantForm(.float32, ConstantMatrix(Shape([count]))) : ConstantForm(.list)
  return WrittenScales(table: table, areProducts: areProducts, count: count, form: form)
}

/// Gives each quantized value its scales: the next of those that were read, or products.
private func setScales(_ graph: inout Graph, _ written: WrittenScales, _ read: UnsafeRawPointer, _ offset: Int) throws(EdgeError) {
  var next = 0
  // Products follow when all that they are made of is known.
  for areProducts in [false, true] {
    for id in graph.values.indices where written.areProducts[id] == areProducts {
      guard var quantization = graph.values[id].quantization else { continue }
      let count = written.table.counts[id]
      if let factors = written.table.factors[id], areProducts {
        quantization.scales = factors.products(graph)
      } else {
        for _ in 0..<count {
          let scale = read.loadUnaligned(fromByteOffset: 4 * next, as: Float.self)
          guard scale.bitPattern != 0 else { throw EdgeError(.malformedModel, "a scale is 0", tensor: graph.values[id].name, byteOffset: offset) }
          quantization.scales.append(scale)
          next += 1
        }
      }
      let zeroPoints = quantization.zeroPoints
      if zeroPoints.count == 1 { quantization.zeroPoints = [Int32](repeating: zeroPoints[0], count: count) }
      graph.values[id].quantization = quantization
    }
  }
}

private func truncated(_ offset: Int) -> EdgeError {
  EdgeError(.truncatedModel, "the coded bytes end early", byteOffset: offset)
}
