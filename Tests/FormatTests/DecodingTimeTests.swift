@testable import Format
import Graph
import Testing

private struct Numbers {
  var state: UInt64
  mutating func below(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }
}

/// Lists of numbers that contexts predict in part, `count` of a thousand: a millisecond each.
private func lists(_ count: Int) throws -> Graph {
  var random = Numbers(state: 17)
  var graph = Graph(name: "lists")
  for index in 0..<count {
    let numbers = (0..<1000).map { _ in Int32(random.below(1 << 18) - 1 << 17) }
    _ = try graph.addConstant(Text("list\(index)"), .int32, Shape([1000]), numbers)
  }
  return graph
}

private func forms(_ file: Storage) throws -> [ConstantForm] {
  try openCompact(UnsafeRawBufferPointer(start: file.base, count: file.count), Limits()).stream.forms
}

/// A file that decodes in its time has the slow forms; in one that would not, as many as there is time for.
@Test func slowFormsAreUsedWhileThereIsTime() throws {
  let small = try lists(10)
  #expect(try forms(encodeModel(small, .adaptive)).allSatisfy { $0.kind == .list })

  let large = try lists(40)
  let file = try encodeModel(large, .adaptive)
  let found = try forms(file)
  let slow = found.filter { $0.kind == .list }.count
  let time = DecodingTime.list(1000 * slow, bytes: 4, isReal: false) + DecodingTime.split(1000 * (40 - slow), bytes: 4)
  let most = DecodingTime.budget(160_000)
  #expect(found.allSatisfy { $0.kind == .list || $0.kind == .split })
  // The time of one list is left, and the description's.
  #expect(time <= most && time > most * 8 / 10)
  let again = try decodeModel(UnsafeRawBufferPointer(start: file.base, count: file.count), owner: nil, limits: Limits())
  #expect(try encoded(again) == encoded(large))
  let huffman = try forms(encodeModel(large, .huffman))
  #expect(huffman.allSatisfy { $0.kind == .list })
}

/// 200 MB/s in the constants' own types.
@Test func aFileHasFiveNanosecondsForEachByte() {
  #expect(DecodingTime.budget(1000) == 20_000_000)
  #expect(DecodingTime.budget(100_000_000) == 500_000_000)
}

/// No choice within the same time takes fewer bytes than the one of a price does.
@Test func formsOfTheFewestBytesAreChosen() {
  var random = Numbers(state: 4)
  let kinds: [ConstantForm.Kind] = [.mixed, .fast, .fixed]
  for _ in 0..<200 {
    let ways = (0..<6).map { _ in
      var (bytes, time) = (random.below(1000) + 1, Int64(random.below(1 << 30) + 1_000_000_000))
      return (0...random.below(3)).map { index in
        defer {
          bytes += random.below(100) + 1
          time = time * Int64(random.below(9)) / 10
        }
        return CodingWay(kind: kinds[index], bytes: bytes, nanoseconds: time)
      }
    }
    func total(_ choice: [ConstantForm.Kind]) -> (bytes: Int, time: Int64) {
      zip(ways, choice).reduce((0, 0)) { sum, entry in
        let way = entry.0.first { $0.kind == entry.1 }!
        return (sum.0 + way.bytes, sum.1 + way.nanoseconds)
      }
    }
    let first = total(ways.map { $0[0].kind })
    let least = ways.reduce(Int64(0)) { $0 + $1.map { $0.nanoseconds }.min()! }
    #expect(CodingWay.chosen(ways, within: first.time) == nil)
    guard least < first.time else { continue }
    let budget = least + (first.time - least) * Int64(random.below(10)) / 10
    let chosen = total(CodingWay.chosen(ways, within: budget)!)
    #expect(chosen.time <= budget)
    var choices: [[ConstantForm.Kind]] = [[]]
    for each in ways { choices = choices.flatMap { start in each.map { start + [$0.kind] } } }
    for choice in choices where total(choice).time <= chosen.time { #expect(total(choice).bytes >= chosen.bytes) }
  }
}

@Test func withoutTimeTheFastestFormsAreChosen() {
  let ways = [[CodingWay(kind: .list, bytes: 10, nanoseconds: 90_000), CodingWay(kind: .raw, bytes: 40, nanoseconds: 0)], [CodingWay(kind: .mixed, bytes: 0, nanoseconds: 0)]]
  #expect(CodingWay.chosen(ways, within: -1) == [.raw, .mixed])
  #expect(CodingWay.chosen(ways, within: 89_999) == [.raw, .mixed])
  #expect(CodingWay.chosen(ways, within: 90_000) == nil)
}

/// A byte may cost 32 ns, and no less for a budget that cannot be kept.
@Test func aByteHasOnePrice() {
  let cheap = [CodingWay(kind: .fast, bytes: 1000, nanoseconds: 90_000), CodingWay(kind: .fixed, bytes: 3000, nanoseconds: 10_000)]
  let dear = [CodingWay(kind: .fast, bytes: 1000, nanoseconds: 90_000), CodingWay(kind: .fixed, bytes: 4000, nanoseconds: 10_000)]
  for budget in [Int64(100_000), 99_999, 20_000, 0, -1_000_000] { #expect(CodingWay.chosen([cheap, dear], within: budget) == [.fixed, .fast]) }
}

/// Over the budget by 8 ms, but of a constant that has one form: nothing is to be coded a second time.
@Test func whatIsChosenAtOnceIsCodedOnce() throws {
  #expect(CodingWay.chosen([[CodingWay(kind: .split, bytes: 3000, nanoseconds: 28_000), CodingWay(kind: .raw, bytes: 4000, nanoseconds: 0)]], within: 0) == nil)
  #expect(CodingWay.chosen([[CodingWay(kind: .mixed, bytes: 10, nanoseconds: 100)]], within: -1) == nil)
  var random = Numbers(state: 5)
  var graph = Graph(name: "exponents")
  let id = try graph.addConstant("w", .float32, Shape([1000, 1000]), (0..<1_000_000).map { _ in 1 + Float(random.below(1 << 23)) / Float(1 << 23) })
  let ways = try ConstantEncoder(.adaptive).form(graph.values[id], graph.values[id].constant!).ways
  #expect(ways.map { $0.kind } == [.split] && ways[0].nanoseconds > DecodingTime.budget(4_000_000) + 7_000_000)
  #expect(CodingWay.chosen([ways], within: DecodingTime.budget(4_000_000)) == nil)
  #expect(try forms(encodeModel(graph, .adaptive)).map { $0.kind } == [.split])
}

/// The second time a constant has the form that was chosen, whatever coders have learned by then.
@Test func aNamedFormStays() throws {
  var random = Numbers(state: 6)
  var graph = Graph(name: "noise")
  let noise = try graph.addConstant("noise", .float32, Shape([100, 100]), (0..<10_000).map { _ in Float(bitPattern: UInt32(random.below(1 << 31)) << 1) })
  let short = try graph.addConstant("short", .int32, Shape([500]), (0..<500).map { _ in Int32(random.below(1 << 20)) })
  let few = try graph.addConstant("few", .int8, Shape([100, 100]), (0..<10_000).map { _ in Int8(random.below(9)) })
  let encoder = try ConstantEncoder(.adaptive)
  func kind(_ id: ValueID, _ named: ConstantForm.Kind? = nil) throws -> ConstantForm.Kind { try encoder.form(graph.values[id], graph.values[id].constant!, as: named).form.kind }
  #expect(try kind(noise) == .raw && kind(noise, .split) == .split)
  for form in [.list, .split, .raw] as [ConstantForm.Kind] { #expect(try kind(short, form) == form) }
  for form in [.mixed, .fast, .fixed, .raw] as [ConstantForm.Kind] { #expect(try kind(few, form) == form) }
}
