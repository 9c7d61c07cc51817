import Graph
import Testing

@testable import Runtime

/// Runs find as many entries as there are, and say when there is no room.
@Suite struct ExtentRunTests {
  private func graph() throws -> Graph {
    var graph = Graph(name: "found")
    let x = graph.input("x", [8])
    let places = try graph.addNode(.nonZero(bound: 8), name: "nz", inputs: [x], outputNames: ["places", "count"])
    graph.outputs = [places[0], places[1]]
    return graph
  }

  @Test func eachRunHasItsOwnSize() throws {
    let runner = try Runner(try graph())
    #expect(runner.session.outputExtent(0)! == (1, 0))
    #expect(runner.session.outputExtent(1) == nil)
    for flags in [[1, 0, 0, 1, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, -0.0, 2]] as [[Float]] {
      runner.setInput(0, flags)
      #expect(runner.session.run())
      let want = flags.indices.filter { flags[$0] != 0 }.map { Int64($0) }
      #expect(runner.session.outputExtent(0)! == (1, want.count))
      #expect(runner.output(0, Int64.self) == want + [Int64](repeating: 0, count: 8 - want.count))
      #expect(runner.output(1, Int64.self) == [Int64(want.count)])
    }
  }

  @Test func moreThanThereIsRoomForEndsTheRun() throws {
    let runner = try Runner(try graph()) { $0.maximumExtent = 3 }
    runner.setInput(0, [Float](repeating: 1, count: 8))
    #expect(!runner.session.run())
    #expect(runner.session.exceededStep == 0)
    let overflow = try #require(runner.session.overflow(0))
    #expect((overflow.entries, overflow.bound) == (8, 3))
    runner.setInput(0, [0, 1, 0, 1, 1, 0, 0, 0] as [Float])
    #expect(runner.session.run())
    #expect(runner.session.exceededStep == nil)
    #expect(runner.output(0, Int64.self) == [1, 3, 4])
  }

  @Test func aCountInBoundMemoryIsRead() throws {
    let runner = try Runner(try graph())
    runner.setInput(0, [0, 1, 0, 1, 1, 0, 0, 0] as [Float])
    var count: [Int64] = [-1]
    try count.withUnsafeMutableBytes { bytes in
      try runner.session.bindOutput(1, bytes.baseAddress, bytes: 8)
      #expect(runner.session.run())
      #expect(runner.session.outputExtent(0)! == (1, 3))
      try runner.session.bindOutput(1, nil, bytes: 0)
    }
    #expect(count == [3])
  }

  @Test func limitsOutOfRangeAreRefused() throws {
    #expect(throws: EdgeError.self) { _ = try Runner(try graph()) { $0.maximumExtent = 1 } }
  }
}
