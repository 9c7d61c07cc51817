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
  guard descriptionBytes >> 12 <= mainBytes else { throw header.malformed("a description of \(descriptionBytes) bytes") }
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
  try readEachNode(&reader, &graph, limits)
  try readGraph(reader, &graph, limits)
  guard chunkBytes == end else {
    throw EdgeError(.malformedModel, "\(end - chunkBytes) bytes belong to no constant", byteOffset: bytes.count - (end - chunkBytes))
  }

  try readScales(&graph, reader.scaleCounts, main, mainOffset + mainBytes)
  var decoder = try ConstantDecoder(main, streamEnd: mainOffset + mainBytes)
  var offset = mainOffset + mainBytes
  var entry = 0
  for id in graph.values.indices where graph.values[id].constant != nil {
    let form = forms[entry]
    entry += 1
    graph.values[id].constant = try decoder.constant(
      graph.values[id], form, UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + form.chunkBytes]), offset)
    offset += form.chunkBytes
  }
  guard main.isAtEnd else {
    throw EdgeError(.malformedModel, "bytes are left over in the main stream", byteOffset: mainOffset + mainBytes)
  }
  try graph.validate()
  return graph
}

/// The scales of all quantized values. None is 0, so each takes bytes of the stream: the counts need no limit of their own.
private func readScales(_ graph: inout Graph, _ counts: [Int], _ main: MixingCoder, _ end: Int) throws(EdgeError) {
  let keys = ElementKeys(.float32)
  var neighbour: UInt64 = 0
  var entry = 0
  for id in graph.values.indices {
    guard var quantization = graph.values[id].quantization else { continue }
    while quantization.scales.count < counts[entry] {
      neighbour = main.element(0, bytes: 4, neighbour: neighbour, isReal: true)
      if main.isTruncated { throw truncated(end) }
      guard neighbour != 0 else { throw EdgeError(.malformedModel, "a scale is 0", tensor: graph.values[id].name, byteOffset: end) }
      quantization.scales.append(Float(bitPattern: UInt32(truncatingIfNeeded: keys.unrotated(neighbour))))
    }
    let zeroPoints = quantization.zeroPoints
    if zeroPoints.count == 1 { quantization.zeroPoints = [Int32](repeating: zeroPoints[0], count: counts[entry]) }
    graph.values[id].quantization = quantization
    entry += 1
  }
}

private func truncated(_ offset: Int) -> EdgeError {
  EdgeError(.truncatedModel, "the coded bytes end early", byteOffset: offset)
}
