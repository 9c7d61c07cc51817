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
  var (network, nodes) = (FormatByteWriter(), FormatByteWriter())
  network.network(graph)
  nodes.nodes(graph)
  let sections: [(FormatLayout.Section, [UInt8])] = [(.graph, network.bytes), (.values, values), (.nodes, nodes.bytes)]

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

private func valuesSection(_ graph: Graph, _ data: inout DataLayout) throws(EdgeError) -> [UInt8] {
  var writer = FormatByteWriter()
  writer.u32(graph.values.count)
  for (id, value) in graph.values.enumerated() {
    writer.value(value)
    if let constant = value.constant {
      try checkConstant(value, constant)
      writer.i64(try data.place(id, constant.byteCount))
    }
  }
  return writer.bytes
}

func checkConstant(_ value: Value, _ constant: TensorData) throws(EdgeError) {
  guard constant.byteCount == value.byteCount(batch: 1), !value.shape.hasBatch else {
    throw EdgeError(.invalidGraph, "the constant's bytes do not fill its shape", tensor: value.name)
  }
}

extension FormatByteWriter {
  /// A value, without what says where a constant is, and without the scales of a compact file, which the main stream has.
  mutating func value(_ value: Value) {
    string(value.name)
    u8(value.dtype.rawValue)
    u8(UInt8(truncatingIfNeeded: value.shape.rank))
    flag(value.quantization != nil)
    flag(value.constant != nil)
    for dim in value.shape.dims { i64(dim) }
    if let quantization = value.quantization {
      i32(quantization.axis ?? -1)
      u32(quantization.scales.count)
      if !isCompact {
        for scale in quantization.scales { integer(scale.bitPattern) }
      } else if quantization.zeroPoints.allSatisfy({ $0 == quantization.zeroPoints[0] }) {
        // Of as many zero points as scales, one is enough when all are the same.
        flag(true)
        i32(Int(quantization.zeroPoints.first ?? 0))
        return
      } else {
        flag(false)
      }
      for zeroPoint in quantization.zeroPoints { i32(Int(zeroPoint)) }
    }
  }

  mutating func nodes(_ graph: Graph) {
    u32(graph.nodes.count)
    for node in graph.nodes {
      var attributes = FormatByteWriter(isCompact: isCompact)
      let code = attributes.attributes(of: node.op)
      string(node.name)
      u16(code.rawValue)
      u32(attributes.bytes.count)
      bytes += attributes.bytes
      ids(node.inputs)
      ids(node.outputs)
    }
  }

  /// Everything else of a graph.
  mutating func network(_ graph: Graph) {
    string(graph.name)
    ids(graph.inputs)
    ids(graph.outputs)
    u32(graph.metadata.count)
    for entry in graph.metadata {
      string(entry.key)
      string(entry.value)
    }
    if !graph.states.isEmpty { ids(graph.states) }
  }

  private mutating func ids(_ list: [ValueID]) {
    u32(list.count)
    for value in list { i32(value) }
  }

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

  func copy(_ bytes: [UInt8], to offset: Int) {
    bytes.withUnsafeBytes { source in
      if let start = source.baseAddress { (base + offset).copyMemory(from: start, byteCount: source.count) }
    }
  }
}
