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
    if let file = try encodeCompact(graph, coding, &kinds) { return file }
  }
}

/// `kinds`: of each constant the one that leaves the file within its time; nil for the smallest. Where that one would take too long and
/// others less, it gives no file and sets `kinds`, with which it gives one.
private func encodeCompact(_ graph: Graph, _ coding: ModelCoding, _ kinds: inout [ConstantForm.Kind]?) throws(EdgeError) -> Storage? {
  let encoder = try ConstantEncoder(coding)
  var chunks: [[UInt8]] = []
  var forms: [(value: ValueID, form: ConstantForm)] = []
  var ways: [[CodingWay]] = []
  var decodedBytes = 0
  var description = FormatByteWriter(isCompact: true)
  description.u32(graph.values.count)
  for (id, value) in graph.values.enumerated() {
    description.value(value)
    guard let constant = value.constant else { continue }
    try checkConstant(value, constant)
    let coded = try encoder.form(value, constant, as: kinds?[forms.count])
    description.constantForm(coded.form)
    chunks.append(coded.chunk)
    forms.append((id, coded.form))
    ways.append(coded.ways)
    decodedBytes += constant.byteCount
  }
  description.nodes(graph)
  description.network(graph)

  guard description.bytes.count <= FormatLayout.maximumDescriptionBytes else {
    throw EdgeError(.limitExceeded, "the description of the model is too large to be coded")
  }

  let main = try MixingCoder(decoding: nil)
  description.bytes.withUnsafeMutableBufferPointer { bytes in
    if let start = bytes.baseAddress { main.text(start, bytes.count) }
  }
  let isNew = forms.contains { $0.form.kind.isNew }
  let scales = writeScales(graph, isNew, main)
  if coding == .adaptive, kinds == nil {
    let left = DecodingTime.budget(decodedBytes) - DecodingTime.description(description.bytes.count, scales: scales)
    kinds = CodingWay.chosen(ways, within: left)
    if kinds != nil { return nil }
  }
  for entry in forms {
    if let constant = graph.values[entry.value].constant { try encoder.writeMain(graph.values[entry.value], constant, entry.form, main) }
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

/// Gives how many scales were no products.
private func writeScales(_ graph: Graph, _ hasProducts: Bool, _ main: MixingCoder) -> Int {
  var count = 0
  let keys = ElementKeys(.float32)
  var neighbour: UInt64 = 0
  let biases = hasProducts ? BiasScales.find(graph) : [BiasScales?](repeating: nil, count: graph.values.count)
  for areBiases in hasProducts ? [false, true] : [false] {
    for (id, value) in graph.values.enumerated() where areBiases == (biases[id] != nil) {
      guard let quantization = value.quantization else { continue }
      if let products = biases[id]?.products(graph, value, quantization.scales.count), main.isProduct(products == quantization.scales) { continue }
      count += quantization.scales.count
      for scale in quantization.scales {
        neighbour = main.element(keys.rotated(UInt64(scale.bitPattern)), bytes: 4, neighbour: neighbour, isReal: true)
      }
    }
  }
  return count
}
