// Mutations that know the container: one section changes, also in length, and the file is put together around it.
// Without them every inserted or erased byte ends at the section table.

import CPlatform

@_silgen_name("LLVMFuzzerMutate")
private func libFuzzerMutate(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ maximum: Int) -> Int

@_cdecl("LLVMFuzzerCustomMutator")
public func mutateSection(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ maximum: Int, _ seed: UInt32) -> Int {
  // One in four stays blind, for header and table.
  guard seed % 4 != 0, var sections = sectionContents(data, size) else { return libFuzzerMutate(data, size, maximum) }
  let chosen = Int(seed / 4 % 4)
  let room = max(0, maximum - size) + sections[chosen].count
  guard room > 0 else { return libFuzzerMutate(data, size, maximum) }
  let count = sections[chosen].count
  sections[chosen] += [UInt8](repeating: 0, count: room - count)
  let changed = sections[chosen].withUnsafeMutableBufferPointer { buffer in
    buffer.baseAddress.map { libFuzzerMutate($0, count, room) } ?? 0
  }
  sections[chosen].removeLast(room - changed)
  let file = assembled(sections)
  guard file.count <= maximum else { return libFuzzerMutate(data, size, maximum) }
  for (index, byte) in file.enumerated() { data[index] = byte }
  return file.count
}

/// The four sections of a file whose table can be followed.
private func sectionContents(_ data: UnsafeMutablePointer<UInt8>, _ size: Int) -> [[UInt8]]? {
  guard size >= 192, data[8] == 1 else { return nil }
  let file = UnsafeRawBufferPointer(start: data, count: size)
  var sections: [[UInt8]] = []
  for index in 0..<4 {
    let offset = file.loadUnaligned(fromByteOffset: 64 + 32 * index + 8, as: Int.self)
    let count = file.loadUnaligned(fromByteOffset: 64 + 32 * index + 16, as: Int.self)
    guard offset >= 192, count >= 0, offset <= size, count <= size - offset else { return nil }
    sections.append([UInt8](file[offset..<offset + count]))
  }
  return sections
}

private func assembled(_ sections: [[UInt8]]) -> [UInt8] {
  func number<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) } }
  var file = [UInt8](repeating: 0, count: 192)
  var table: [UInt8] = []
  for (index, section) in sections.enumerated() {
    file += [UInt8](repeating: 0, count: -file.count & 63)
    table += number(UInt32(index + 1)) + number(ep_crc32c(0, section, section.count)) + number(file.count) + number(section.count)
    table += number(0)
    file += section
  }
  var header: [UInt8] = [0x89, 0x45, 0x44, 0x47, 0x45, 0x41, 0x49, 0x0A, 1, 0, 0, 0, 4, 0, 0, 0]
  header += number(file.count) + number(ep_crc32c(0, table, table.count)) + [UInt8](repeating: 0, count: 32)
  header += number(ep_crc32c(0, header, header.count))
  file.replaceSubrange(0..<192, with: header + table)
  return file
}
