import CPlatform
import Format
import Graph
import Testing

private func failure(_ bytes: [UInt8], limits: Limits = Limits()) -> EdgeError? {
  do {
    _ = try decoded(bytes, limits: limits)
    return nil
  } catch { return error }
}

/// Makes header and section checksums right again, so that damage behind them is reached.
private func resealed(_ bytes: [UInt8]) -> [UInt8] {
  var bytes = bytes
  func number(_ offset: Int, _ count: Int) -> Int { (0..<count).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) } }
  func crc(_ offset: Int, _ count: Int) -> UInt32 { bytes.withUnsafeBytes { ep_crc32c(0, $0.baseAddress! + offset, count) } }
  func store(_ value: UInt32, _ offset: Int) { for i in 0..<4 { bytes[offset + i] = UInt8(truncatingIfNeeded: value >> UInt32(8 * i)) } }
  for section in 0..<4 {
    let entry = 64 + 32 * section
    let (offset, count) = (number(entry + 8, 8), number(entry + 16, 8))
    if offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset { store(crc(offset, count), entry + 4) }
  }
  store(crc(64, 128), 24)
  store(crc(0, 60), 60)
  return bytes
}

@Test func knownChecksum() {
  let text = Array("123456789".utf8)
  #expect(ep_crc32c(0, text, text.count) == 0xE306_9283)
  #expect(ep_crc32c(ep_crc32c(0, text, 4), Array(text[4...]), 5) == 0xE306_9283)
}

@Test func everyTruncationIsRefused() throws {
  let bytes = try encoded(sampleGraph())
  for count in 0..<bytes.count {
    let error = try #require(failure(Array(bytes[..<count])), "a file cut to \(count) bytes was accepted")
    let expected: Status = count < 8 ? .malformedModel : .truncatedModel
    #expect(error.status == expected, "cut to \(count) bytes: \(error.message)")
    #expect(error.byteOffset >= 0)
  }
}

@Test func everyFlippedBitIsRefused() throws {
  let bytes = try encoded(sampleGraph())
  // Padding between sections is covered by no checksum and by no meaning; everything else is.
  var covered = Set(0..<192)
  for section in 0..<4 {
    func number(_ offset: Int) -> Int { (0..<8).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) } }
    let entry = 64 + 32 * section
    covered.formUnion(number(entry + 8)..<number(entry + 8) + number(entry + 16))
  }
  for offset in covered.sorted() {
    for bit in 0..<8 {
      var damaged = bytes
      damaged[offset] ^= 1 << UInt8(bit)
      #expect(failure(damaged) != nil, "bit \(bit) of byte \(offset) flipped and accepted")
    }
  }
}

/// With checksums made right again, a damaged file may happen to be a good one; it must never trap, and an error
/// must name a place.
@Test func resealedDamageNeverTraps() throws {
  let bytes = try encoded(sampleGraph())
  for offset in 0..<bytes.count {
    for value in [0, 1, 0x7F, 0x80, 0xFF] as [UInt8] {
      var damaged = bytes
      damaged[offset] = value
      if let error = failure(resealed(damaged)) {
        #expect(error.byteOffset >= 0 || !error.node.isEmpty || !error.tensor.isEmpty || error.status == .limitExceeded
          || error.status == .invalidGraph, "byte \(offset) = \(value): \(error.message)")
      }
    }
  }
}

@Test func newerVersionsAreNamed() throws {
  var bytes = try encoded(sampleGraph())
  bytes[8] = 3
  #expect(failure(bytes)?.status == .newerVersion)
  bytes[8] = 1
  bytes[10] = 1
  #expect(failure(resealed(bytes))?.status == .newerVersion)
}

@Test func trailingBytesAreRefused() throws {
  let error = try #require(failure(try encoded(sampleGraph()) + [0]))
  #expect(error.status == .malformedModel)
}

@Test func limitsAreKept() throws {
  let bytes = try encoded(sampleGraph())
  for change in [
    { $0.maximumFileBytes = 100 }, { $0.maximumNodes = 2 }, { $0.maximumValues = 3 }, { $0.maximumTensorBytes = 63 },
    { $0.maximumNameBytes = 3 }, { $0.maximumMetadataBytes = 2 },
  ] as [(inout Limits) -> Void] {
    var limits = Limits()
    change(&limits)
    #expect(failure(bytes, limits: limits)?.status == .limitExceeded)
  }
}
