// libFuzzer entry for the `.edgeai` reader: any bytes give a graph or a typed error. A file of version 1 that is accepted is
// exactly what writing its graph gives; a graph of either version comes back from both codings, and plans and runs. Constants that are
// decoded on demand are the same, or refused as well.

import CPlatform

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzEdgeAI(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  guard let data, let image = try? Storage.allocate(size) else { return 0 }
  image.base.copyMemory(from: data, byteCount: size)
  // Checksums keep damage out of everything behind them, so half of the inputs get them made right again.
  if size > 0, data[size - 1] & 1 == 0 { reseal(image.base, size) }
  var limits = Limits()
  limits.maximumNodes = 2000
  limits.maximumValues = 8000
  limits.maximumTensorBytes = 1 << 16
  limits.maximumFileBytes = 1 << 20
  let bytes = UnsafeRawBufferPointer(start: image.base, count: size)
  do throws(EdgeError) {
    let graph = try decodeModel(bytes, owner: image, limits: limits)
    let again = try encodeModel(graph)
    let plain = UnsafeRawBufferPointer(start: again.base, count: again.count)
    guard size > 8 && data[8] == 2 || plain.elementsEqual(bytes) else { fatalError("an accepted file is not what its graph is written as") }
    for coding in [ModelCoding.huffman, .adaptive] {
      let coded = try encodeModel(graph, coding)
      var wide = Limits()
      wide.maximumTensorBytes = limits.maximumTensorBytes
      let back = try encodeModel(try decodeModel(UnsafeRawBufferPointer(start: coded.base, count: coded.count), owner: coded, limits: wide))
      guard UnsafeRawBufferPointer(start: back.base, count: back.count).elementsEqual(plain) else { fatalError("coding changes a graph") }
    }
    runGraph(graph)
    if let coded = CodedModel(bytes, owner: image, limits: limits) {
      let lazy = try coded.graph()
      for (one, other) in zip(graph.values, lazy.values) {
        guard (one.constant?.array(of: UInt8.self) ?? []) == (other.constant?.array(of: UInt8.self) ?? []) else { fatalError("other constants on demand") }
      }
      runGraph(lazy)
    }
  } catch {
    checkError(error)
    readRefused(bytes, limits)
  }
  return 0
}

/// Constants of a file that is refused when it is decoded at once.
private func readRefused(_ bytes: UnsafeRawBufferPointer, _ limits: Limits) {
  guard let lazy = try? CodedModel(bytes, owner: nil, limits: limits)?.graph() else { return }
  for value in lazy.values { _ = value.constant?.array(of: UInt8.self) }
  guard lazy.source?.failure != nil else { fatalError("on demand a refused file is accepted") }
}

/// Makes the size and the checksums of sections, section table and header right, or the one checksum of version 2.
private func reseal(_ file: UnsafeMutableRawPointer, _ size: Int) {
  if size > 16, file.load(fromByteOffset: 8, as: UInt8.self) == 2 {
    file.storeBytes(of: ep_crc32c(0, file + 16, size - 16), toByteOffset: 12, as: UInt32.self)
    return
  }
  guard size >= 192 else { return }
  func number(_ offset: Int) -> Int { file.loadUnaligned(fromByteOffset: offset, as: Int.self) }
  func store(_ value: UInt32, _ offset: Int) { file.storeBytes(of: value, toByteOffset: offset, as: UInt32.self) }
  for section in 0..<4 {
    let entry = 64 + 32 * section
    let (offset, count) = (number(entry + 8), number(entry + 16))
    if offset >= 0, count >= 0, offset <= size, count <= size - offset { store(ep_crc32c(0, file + offset, count), entry + 4) }
  }
  file.storeBytes(of: size, toByteOffset: 16, as: Int.self)
  store(ep_crc32c(0, file + 64, 128), 24)
  store(ep_crc32c(0, file, 60), 60)
}
