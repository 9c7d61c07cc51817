import CPlatform
@testable import Format
import Graph
import Testing

private func coded(_ graph: Graph) throws -> [UInt8] {
  let storage = try encodeModel(graph, .adaptive)
  return Array(UnsafeRawBufferPointer(start: storage.base, count: storage.count))
}

private func failure(_ bytes: [UInt8]) -> EdgeError? {
  do {
    _ = try decoded(bytes)
    return nil
  } catch { return error }
}

private struct Numbers {
  var state: UInt64
  init(state: UInt64) { self.state = state }
  mutating func below(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }
}

/// Constants that are read in any order are those of the decoded file.
@Test func constantsOnDemandAreTheSame() throws {
  for fixed in [false, true] {
    let graph = try formsGraph(.adaptive, fixed: fixed)
    let file = try coded(graph)
    try file.withUnsafeBytes { bytes in
      let coded = try #require(CodedModel(bytes, owner: nil, limits: Limits()))
      let constants = graph.values.indices.filter { graph.values[$0].constant != nil }
      var random = Numbers(state: 21)
      for order in [constants, constants.reversed(), (0..<60).map { _ in constants[random.below(constants.count)] }] {
        let read = try coded.graph()
        for (number, id) in order.enumerated() {
          let constant = try #require(read.values[id].constant)
          #expect(constant.isOnDemand && constant.array(of: UInt8.self) == graph.values[id].constant?.array(of: UInt8.self))
          if number % 3 == 0 { read.source?.forget() }
        }
        #expect(read.source?.failure == nil)
      }
      #expect(try encoded(coded.whole()) == encoded(graph))
    }
  }
  let plain = try encoded(sampleGraph())
  plain.withUnsafeBytes { #expect(CodedModel($0, owner: nil, limits: Limits()) == nil) }
}

/// Contents stay until they are forgotten, however many are read.
@Test func contentsOnDemandStayUntilForgotten() throws {
  var random = Numbers(state: 5)
  let data = (0..<4).map { _ in (0..<40_000).map { _ in UInt8(truncatingIfNeeded: random.below(256)) } }
  var constants = Graph()
  for bytes in data {
    constants.addValue(Value(name: "c", dtype: .uint8, shape: Shape([200, 200]), constant: try TensorData(bytes)))
  }
  let file = try coded(constants)
  try file.withUnsafeBytes { bytes in
    let read = try #require(CodedModel(bytes, owner: nil, limits: Limits())).graph()
    let all = read.values.map { $0.constant!.bytes }
    withExtendedLifetime(read) {
      for (found, expected) in zip(all, data) {
        let isSame = found.elementsEqual(expected)
        #expect(isSame)
      }
    }
  }
}

/// Damage in the code of constants is an error when they are read, the same as of the file that is decoded at once.
@Test func damageOnDemandIsTheSameError() throws {
  let file = try coded(formsGraph(.adaptive, fixed: true))
  var random = Numbers(state: 3)
  var found = 0
  for offset in 16..<file.count where random.below(4) == 0 {
    var damaged = file
    damaged[offset] = UInt8(truncatingIfNeeded: random.below(256))
    let checksum = damaged[16...].withUnsafeBytes { ep_crc32c(0, $0.baseAddress, $0.count) }
    for i in 0..<4 { damaged[12 + i] = UInt8(truncatingIfNeeded: checksum >> UInt32(8 * i)) }
    let whole = failure(damaged)
    let bytes = damaged
    try bytes.withUnsafeBytes { bytes in
      let coded = try #require(CodedModel(bytes, owner: nil, limits: Limits()))
      do throws(EdgeError) {
        let read = try coded.graph()
        for value in read.values { _ = value.constant?.base }
        let late = read.source?.failure
        if late != nil { found += 1 }
        #expect(late?.status == whole?.status && late?.byteOffset == whole?.byteOffset && late?.tensor == whole?.tensor)
      } catch {
        // What is wrong beside the constants is found before them.
        #expect(whole != nil, "byte \(offset): \(error.message)")
      }
    }
  }
  #expect(found > 20)
}

/// A limit of the file's size holds before anything of a coded file is read, on demand too.
@Test func sizesOfFilesOnDemandAreLimited() throws {
  let file = try encodeModel(formsGraph(.adaptive), .adaptive)
  var limits = Limits()
  limits.maximumFileBytes = file.count - 1
  let coded = try #require(CodedModel(UnsafeRawBufferPointer(start: file.base, count: file.count), owner: file, limits: limits))
  for open in [{ try coded.outline() }, { try coded.graph() }, { try coded.whole() }] as [() throws -> Graph] {
    do {
      _ = try open()
      Issue.record("a file beyond the limit was opened")
    } catch let error as EdgeError { #expect(error.status == .limitExceeded && error.message == Text("the file has \(file.count) bytes; the limit is \(file.count - 1)")) }
  }
}
