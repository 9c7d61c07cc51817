import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A graph as an `.edgeai` file, version 1. The same graph always gives the same bytes.
///
/// Throws `outOfMemory`, or `invalidGraph` for a constant whose bytes do not fill its shape.
public func encodeModel(_ graph: Graph) throws(EdgeError) -> Storage {
  var data = DataLayout()
  let values = try valuesSection(graph, &data)
  let sections: [(FormatLayout.Section, [UInt8])] = [
    (.graph, graphSection(graph)), (.values, values), (.nodes, nodesSection(graph)),
  ]

  var offset = FormatLayout.headerBytes + FormatLayout.sectionEntryBytes * FormatLayout.Section.allCases.count
  var offsets: [Int] = []
  for section in sections {
    offset = FormatLayout.aligned(offset)
    offsets.append(offset)
    offset += section.1.count
  }
  let dataOffset = FormatLayout.aligned(offset)
  let (fileBytes, overflow) = dataOffset.addingReportingOverflow(data.byteCount)
  if overflow { throw EdgeError(.limitExceeded, "the model is too large to save") }

  let file = try Storage.allocate(fileBytes)
  for (index, section) in sections.enumerated() { file.copy(section.1, to: offsets[index]) }
  for (value, position) in data.constants {
    guard let constant = graph.values[value].constant, constant.byteCount > 0 else { continue }
    (file.base + dataOffset + position).copyMemory(from: constant.base, byteCount: constant.byteCount)
  }

  var table = FormatByteWriter()
  for (index, section) in sections.enumerated() {
    table.sectionEntry(section.0, in: file, offset: offsets[index], byteCount: section.1.count)
  }
  table.sectionEntry(.data, in: file, offset: dataOffset, byteCount: data.byteCount)
  file.copy(table.bytes, to: FormatLayout.headerBytes)

  var header = FormatByteWriter()
  header.bytes = FormatLayout.magic
  header.integer(FormatLayout.majorVersion)
  header.integer(FormatLayout.minorVersion)
  header.u32(FormatLayout.Section.allCases.count)
  header.i64(fileBytes)
  header.integer(file.checksum(FormatLayout.headerBytes, table.bytes.count))
  file.copy(header.bytes, to: 0)
  var checksum = FormatByteWriter()
  checksum.integer(file.checksum(0, FormatLayout.headerChecksumOffset))
  file.copy(checksum.bytes, to: FormatLayout.headerChecksumOffset)
  return file
}

/// Where each constant stands in the data section.
private struct DataLayout {
  var constants: [(value: ValueID, position: Int)] = []
  var byteCount = 0

  mutating func place(_ value: ValueID, _ count: Int) throws(EdgeError) -> Int {
    let position = FormatLayout.aligned(byteCount)
    let (end, overflow) = position.addingReportingOverflow(count)
    if overflow { throw EdgeError(.limitExceeded, "the model is too large to save") }
    constants.append((value, position))
    byteCount = end
    return position
  }
}

private func graphSection(_ graph: Graph) -> [UInt8] {
  var writer = FormatByteWriter()
  writer.string(graph.name)
  for list in [graph.inputs, graph.outputs] {
    writer.u32(list.count)
    for value in list { writer.u32(value) }
  }
  writer.u32(graph.metadata.count)
  for entry in graph.metadata {
    writer.string(entry.key)
    writer.string(entry.value)
  }
  if !graph.states.isEmpty {
    writer.u32(graph.states.count)
    for value in graph.states { writer.i32(value) }
  }
  return writer.bytes
}

private func valuesSection(_ graph: Graph, _ data: inout DataLayout) throws(EdgeError) -> [UInt8] {
  var writer = FormatByteWriter()
  writer.u32(graph.values.count)
  for (id, value) in graph.values.enumerated() {
    writer.string(value.name)
    writer.u8(value.dtype.rawValue)
    writer.u8(UInt8(truncatingIfNeeded: value.shape.rank))
    writer.flag(value.quantization != nil)
    writer.flag(value.constant != nil)
    for dim in value.shape.dims { writer.i64(dim) }
    if let quantization = value.quantization {
      writer.i32(quantization.axis ?? -1)
      writer.u32(quantization.scales.count)
      for scale in quantization.scales { writer.f32(scale) }
      for zeroPoint in quantization.zeroPoints { writer.integer(zeroPoint) }
    }
    if let constant = value.constant {
      guard constant.byteCount == value.byteCount(batch: 1), !value.shape.hasBatch else {
        throw EdgeError(.invalidGraph, "the constant's bytes do not fill its shape", tensor: value.name)
      }
      writer.i64(try data.place(id, constant.byteCount))
    }
  }
  return writer.bytes
}

private func nodesSection(_ graph: Graph) -> [UInt8] {
  var writer = FormatByteWriter()
  writer.u32(graph.nodes.count)
  for node in graph.nodes {
    var attributes = FormatByteWriter()
    let code = attributes.attributes(of: node.op)
    writer.string(node.name)
    writer.integer(code.rawValue)
    writer.u32(attributes.bytes.count)
    writer.bytes += attributes.bytes
    for list in [node.inputs, node.outputs] {
      writer.u32(list.count)
      for value in list { writer.i32(value) }
    }
  }
  return writer.bytes
}

extension FormatByteWriter {
  fileprivate mutating func sectionEntry(_ section: FormatLayout.Section, in file: Storage, offset: Int, byteCount: Int) {
    integer(section.rawValue)
    integer(file.checksum(offset, byteCount))
    i64(offset)
    i64(byteCount)
    i64(0)
  }
}

extension Storage {
  fileprivate func checksum(_ offset: Int, _ byteCount: Int) -> UInt32 { ep_crc32c(0, base + offset, byteCount) }

  fileprivate func copy(_ bytes: [UInt8], to offset: Int) {
    bytes.withUnsafeBytes { source in
      if let start = source.baseAddress { (base + offset).copyMemory(from: start, byteCount: source.count) }
    }
  }
}
