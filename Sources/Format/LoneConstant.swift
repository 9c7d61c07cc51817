#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A constant coded alone, as small as adaptive coding makes it: its form, so many of the bytes, what it has in a main stream, and its
/// chunk. Nothing for a value that is no constant. Throws `outOfMemory`.
public func encodeConstant(_ value: Value) throws(EdgeError) -> (bytes: [UInt8], form: Int) {
  guard let constant = value.constant else { return ([], 0) }
  let encoder = try ConstantEncoder(.adaptive)
  let coded = try encoder.form(value, constant)
  let main = try MixingCoder(decoding: nil)
  try encoder.writeMain(value, constant, coded.form, main)
  main.finish()
  var writer = FormatByteWriter(isCompact: true)
  writer.constantForm(coded.form)
  let form = writer.bytes.count
  writer.bytes += main.output
  writer.bytes += coded.chunk
  return (writer.bytes, form)
}

/// The contents that were coded so, of a value of this type and shape. Any bytes are safe to give. Throws `malformedModel`,
/// `truncatedModel`, `outOfMemory`.
public func decodeConstant(_ value: Value, _ bytes: UnsafeRawBufferPointer) throws(EdgeError) -> TensorData? {
  var reader = FormatByteReader(bytes, origin: 0, isCompact: true)
  let form = try reader.constantForm(value.dtype, ConstantMatrix(value.shape))
  guard form.chunkBytes <= reader.remaining else { throw reader.malformed("a chunk of \(form.chunkBytes) bytes") }
  let end = bytes.count - form.chunkBytes
  let main = try MixingCoder(decoding: UnsafeRawBufferPointer(rebasing: bytes[reader.position..<end]))
  var decoder = try ConstantDecoder(main, streamEnd: end)
  let storage = try Storage.allocate(value.byteCount() ?? 0)
  try decoder.read(value, form, UnsafeRawBufferPointer(rebasing: bytes[end...]), end, to: storage.base)
  return TensorData(storage, offset: 0, byteCount: storage.count)
}
