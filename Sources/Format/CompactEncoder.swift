import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A graph as an `.edgeai` file, version 1, or 2 where constants are coded. The same graph always gives the same bytes.
///
/// Throws `outOfMemory`, `limitExceeded`, or `invalidGraph` for a constant whose bytes do not fill its shape.
public func encodeModel(_ graph: Graph, _ coding: ModelCoding) throws(EdgeError) -> Storage {
  if coding == .none { return try encodeModel(graph) }
  var kinds: [ConstantForm.Kind]?
  while true {
    guard let file = try encodeCompact(graph, coding, &kinds) else { continue }
    // Where there is little to learn from, Huffman codes can be smaller. They do not look at the time that is left.
    if coding == .huffman || kinds != nil { return file }
    let other = try encodeModel(graph, .huffman)
    return other.count < file.count ? other : file
  }
}

/// `kinds`: of each constant the one that leaves the file within its time; nil for the smallest. Where that one would take too long and
/// others less, it gives no file and sets `kinds`, with which it gives one.
private func encodeCompact(_ graph: Graph, _ coding: ModelCoding, _ kinds: inout [ConstantForm.Kind]?) throws(EdgeError) -> Storage? {
  let encoder = try ConstantEncoder(coding)
  var chunks: [[UInt8]] = []
  var forms: [(value: Value, form: ConstantForm)] = []
  var ways: [[CodingWay]] = []
  var decodedBytes = 0
  var description = FormatByteWriter(isCompact: true)
  description.u32(graph.values.count)
  for value in graph.values {
    description.value(value)
    guard let constant = value.constant else { continue }
    try checkConstant(value, constant)
    let coded = try encoder.form(value, constant, as: kinds?[forms.count])
    description.constantForm(coded.form)
    chunks.append(coded.chunk)
    forms.append((value, coded.form))
    ways.append(coded.ways)
    decodedBytes += constant.byteCount
  }
  description.nodes(graph)

  // Scales come before all that coders learn of constants.
  let scales = try writtenScales(graph, &description)
  let isNew = scales.constant != nil || forms.contains { $0.form.kind.isNew }
  if let constant = scales.constant {
    let coded = try ConstantEncoder(coding).form(scales, constant, as: kinds?[forms.count])
    description.constantForm(coded.form)
    chunks.insert(coded.chunk, at: 0)
    forms.insert((scales, coded.form), at: 0)
    ways.append(coded.ways)
  }
  description.network(graph)

  guard description.bytes.count <= FormatLayout.maximumDescriptionBytes else {
    throw EdgeError(.limitExceeded, "the description of the model is too large to be coded")
  }
  if coding == .adaptive, kinds == nil {
    kinds = CodingWay.chosen(ways, within: DecodingTime.budget(decodedBytes) - DecodingTime.description(description.bytes.count))
    if kinds != nil { return nil }
  }

  let main = try MixingCoder(decoding: nil)
  description.bytes.withUnsafeMutableBufferPointer { bytes in
    if let start = bytes.baseAddress { main.text(start, bytes.count) }
  }
  for entry in forms {
    if let constant = entry.value.constant { try encoder.writeMain(entry.value, constant, entry.form, main) }
  }
  main.finish()

  var header = FormatByteWriter(isCompact: true)
  header.u32(description.bytes.count)
  header.u32(main.output.count)
  var rest = header.bytes.count + main.output.count
  for chunk in chunks { rest += chunk.count }
  var file = FormatByteWriter(isCompact: true)
  file.bytes = FormatLayout.magic
  file.integer(FormatLayout.compactMajorVersion)
  file.integer(isNew ? FormatLayout.compactMinorVersion : 0)
  let checksumOffset = file.bytes.count
  file.integer(UInt32(0))
  file.i64(rest)
  file.bytes += header.bytes
  let storage = try Storage.allocate(file.bytes.count - header.bytes.count + rest)
  var position = 0
  for part in [file.bytes, main.output] + chunks {
    storage.copy(part, to: position)
    position += part.count
  }
  let checksum = ep_crc32c(0, storage.base + FormatLayout.compactChecksumEnd, storage.count - FormatLayout.compactChecksumEnd)
  storage.base.storeBytes(of: checksum.littleEndian, toByteOffset: checksumOffset, as: UInt32.self)
  return storage
}

/// The scales that are in the file, without a constant where there are none; the description says of which biases they are not.
private func writtenScales(_ graph: Graph, _ description: inout FormatByteWriter) throws(EdgeError) -> Value {
  let table = ScaleTable(graph, graph.values.map { $0.quantization?.scales.count ?? 0 })
  var written: [Float] = []
  for (id, value) in graph.values.enumerated() {
    guard let scales = value.quantization?.scales else { continue }
    if let factors = table.factors[id] {
      let areProducts = factors.products(graph) == scales
      description.flag(areProducts)
      if areProducts { continue }
    }
    written += scales
  }
  var value = ScaleTable.value(written.count)
  if !written.isEmpty { value.constant = try TensorData(written) }
  return value
}
