import CPlatform
import Format
import Graph
import Testing

@testable import Compression

/// Two convolutions, of which one has no bias, and two dense layers that share one: all that a state must know of biases.
private func network() throws -> Graph {
  var net = NetBuilder(seed: 71)
  let x = net.input("x", [1, 6, 6, 4])
  let first = try net.convolution("first", x, 12, clamp: relu)
  let second = try net.convolution("second", first, 16, groups: 2, clamp: relu)
  net.graph.nodes[1].inputs.removeLast()
  let flat = try net.add(.reshape(Shape([1, 576])), "flat", [second])
  let a = try net.dense("a", flat, 10)
  let b = try net.dense("b", flat, 10)
  net.graph.nodes[4].inputs[2] = net.graph.nodes[3].inputs[2]
  net.graph.outputs = [a, b]
  let graph = net.graph.compacted()
  try graph.validate()
  return graph
}

private func samples(_ graph: Graph, seed: UInt64 = 72) throws -> CalibrationSamples {
  let samples = CalibrationSamples()
  try Samples(graph, count: 8, seed: seed).withPointers { try samples.add(graph, inputs: $0, samples: 8) }
  return samples
}

private func options(_ method: SearchMethod, _ memory: Memory? = nil) -> SearchOptions {
  var options = SearchOptions()
  options.method = method
  options.scanSamples = 2
  options.blockRows = 4
  options.state = memory?.base
  return options
}

/// The file of a search's result.
private func image(_ graph: Graph, _ options: SearchOptions) throws -> [UInt8] {
  let most = options.method == .grid ? 9000 : 40_000
  let file = try encodeModel(try graph.compressed(.bytes(most), options, try samples(graph)))
  return Array(UnsafeRawBufferPointer(start: file.base, count: file.count))
}

/// The state of a search.
private final class Memory {
  private let bytes: UnsafeMutableRawBufferPointer
  init(_ count: Int) {
    bytes = .allocate(byteCount: count, alignment: 8)
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }
  deinit { bytes.deallocate() }

  var base: UnsafeMutableRawPointer { bytes.baseAddress! }
  var contents: [UInt8] {
    get { Array(bytes) }
    set { bytes.copyBytes(from: newValue) }
  }
  var end: Int {
    get { Int(truncatingIfNeeded: base.loadUnaligned(fromByteOffset: 8, as: Int64.self)) }
    set { base.storeBytes(of: Int64(newValue), toByteOffset: 8, as: Int64.self) }
  }

  /// Makes the checksums right.
  func seal(_ cells: Int) {
    let start = 24 + 16 * cells
    if end >= start, end <= bytes.count {
      base.storeBytes(of: ep_crc32c(0, base + start, end - start), toByteOffset: 16, as: UInt32.self)
    }
    base.storeBytes(of: ep_crc32c(base.load(as: UInt32.self), base + 8, start - 8), toByteOffset: 4, as: UInt32.self)
  }
}

@Test(arguments: [SearchMethod.grid, .blocks])
func aResumedSearchMakesTheSameModelAndNoLevelAgain(_ method: SearchMethod) throws {
  let graph = try network()
  var stages: [String] = []
  var whole = options(method)
  whole.progress = { stage, _, _ in
    stages.append(stage.description)
    return true
  }
  let expected = try image(graph, whole)
  let levels = stages.filter { $0 == "preparing levels" }.count
  #expect(levels == (method == .grid ? 52 : 6))
  for stop in stride(from: 0, to: stages.count, by: 9) {
    let memory = Memory(try graph.searchStateBytes(whole))
    var (calls, made) = (0, 0)
    var resumed = options(method, memory)
    resumed.progress = { stage, _, _ in
      calls += 1
      if calls == stop + 1 { return false }
      if stage.description == "preparing levels" { made += 1 }
      return true
    }
    #expect(throws: EdgeError.self) { try image(graph, resumed) }
    #expect(try image(graph, resumed) == expected)
    #expect(made == levels, "stopped at \(stages[stop]), \(stop) of \(stages.count)")
    // All that takes long is there now.
    var last: [String] = []
    resumed.progress = { stage, _, _ in
      last.append(stage.description)
      return true
    }
    #expect(try image(graph, resumed) == expected)
    #expect(!last.contains("preparing levels") && !last.contains("statistics"))
  }
}

/// A level without room is made again, and its number is kept.
@Test func levelsWithoutRoomAreMadeAgain() throws {
  let graph = try network()
  let data = try samples(graph)
  let all = try graph.searchStateBytes(options(.grid))
  let memory = Memory(all)
  let state = try SearchState.make(graph, options(.grid, memory), data, all)
  try SearchMethod.grid.makeLevels(state, options(.grid), data)
  let (start, end) = (24 + 16 * 4 * 14, memory.end)
  #expect(end > start && end < all)

  let room = start + (end - start) / 2
  let small = Memory(room)
  let first = try SearchState.make(graph, options(.grid, small), data, room)
  try SearchMethod.grid.makeLevels(first, options(.grid), data)
  #expect(small.end <= room && small.end > start)
  let second = try SearchState.make(graph, options(.grid, small), data, room)
  #expect(second.has(0, 1) && !second.has(3, 1))
  try SearchMethod.grid.makeLevels(second, options(.grid), data)
  for (level, other) in zip(state.levels, second.levels) { #expect(bytes(of: level) == bytes(of: other)) }
}

@Test func aStateBelongsToItsSearch() throws {
  let graph = try network()
  let memory = Memory(try graph.searchStateBytes(options(.grid)))
  _ = try image(graph, options(.grid, memory))
  let kept = memory.contents
  func isRefused(_ change: (inout SearchOptions) -> Void, _ graph: Graph, seed: UInt64 = 72) throws -> Bool {
    var changed = options(.grid, memory)
    change(&changed)
    let bytes = try graph.searchStateBytes(changed)
    do throws(EdgeError) {
      _ = try SearchState.make(graph, changed, try! samples(graph, seed: seed), bytes)
      return false
    } catch { return error.status == .invalidArgument && memory.contents == kept }
  }
  var other = graph
  other.values[try #require(graph.nodes[0].input(2))].constant = try TensorData([Float](repeating: 0.5, count: 12))
  var weights = graph
  var numbers = weights.weights(graph.weightLayers[3])
  numbers[7] += 1
  try weights.setWeights(graph.weightLayers[3], numbers)
  #expect(try !isRefused({ $0.threads = 2 }, graph))
  #expect(try !isRefused({ $0.blockRows = 2 }, graph))
  #expect(try isRefused({ $0.scanSamples = 3 }, graph))
  #expect(try isRefused({ $0.version = 1 }, graph))
  #expect(try isRefused({ _ in }, other))
  #expect(try isRefused({ _ in }, weights))
  #expect(try isRefused({ _ in }, graph, seed: 73))

  let blocks = Memory(try graph.searchStateBytes(options(.blocks)))
  _ = try image(graph, options(.blocks, blocks))
  var wider = options(.blocks, blocks)
  wider.blockRows = 2
  #expect(throws: EdgeError.self) { try image(graph, wider) }
}

/// Where the checksums are right, contents are still looked at; any are safe.
@Test func damagedStatesAreRefused() throws {
  let graph = try network()
  let data = try samples(graph)
  let count = try graph.searchStateBytes(options(.grid))
  let memory = Memory(count)
  _ = try image(graph, options(.grid, memory))
  let (whole, end, cells) = (memory.contents, memory.end, 4 * 14)
  let start = 24 + 16 * cells
  func open() throws(EdgeError) { _ = try SearchState.make(graph, options(.grid, memory), data, count) }
  var random = Randomness(74)
  for _ in 0..<100 {
    memory.contents[Int.random(in: 0..<end, using: &random)] ^= 1 << Int.random(in: 0..<8, using: &random)
    #expect(throws: EdgeError.self) { try open() }
    memory.contents = whole
  }

  var (refused, taken) = (0, 0)
  for round in 0..<200 {
    for _ in 0...Int.random(in: 0..<3, using: &random) {
      // Lengths, forms and codes: half of the changes are in the first levels, where the lengths are.
      let place = Int.random(in: round % 2 == 0 ? 8..<end : start..<start + 2000, using: &random)
      memory.contents[place] = UInt8.random(in: 0...255, using: &random)
    }
    memory.seal(cells)
    do throws(EdgeError) {
      try open()
      taken += 1
      if taken % 10 == 0 { _ = try graph.compressed(.drop(1), options(.grid, memory), data) }
    } catch {
      #expect(error.status != .internalError && !error.message.description.isEmpty)
      refused += 1
    }
    memory.contents = whole
  }
  #expect(refused > 10 && taken > 10, "\(refused) refused, \(taken) taken")

  for wrong in [-1, 0, start - 1, count + 1, Int.max, Int.min] {
    memory.end = wrong
    memory.seal(cells)
    #expect(throws: EdgeError.self) { try open() }
    memory.contents = whole
  }
  // The same level many times, each with a bias.
  let length = 12 + memory.base.loadUnaligned(fromByteOffset: start + 4, as: UInt32.self)
  let size = Int(length + memory.base.loadUnaligned(fromByteOffset: start + 8, as: UInt32.self))
  for copy in 1..<20 { (memory.base + start + copy * size).copyMemory(from: memory.base + start, byteCount: size) }
  memory.end = start + 20 * size
  memory.seal(cells)
  try open()
  memory.end -= 1
  memory.seal(cells)
  #expect(throws: EdgeError.self) { try open() }
}
