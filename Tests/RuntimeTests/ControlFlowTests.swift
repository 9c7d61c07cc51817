import CPlatform
import Graph
import Testing

@testable import Runtime

/// Branches and loops as steps of a plan. What they compute is compared with ONNX Runtime by the Python tests.
@Suite struct ControlFlowTests {
  /// While n > 0 and top(s) < 100: s = s * 2 + x, n times at most; x must outlive the loop's temporaries.
  private func loop(width: Int = 4) throws -> Graph {
    var graph = Graph(name: "loop")
    let x = graph.input("x", [width])
    let count = graph.addValue(Value(name: "n", dtype: .int64, shape: Shape([])))
    graph.inputs.append(count)
    let held = try graph.addNode(.unary(UnaryFunction(.exp)), name: "held", inputs: [x], outputNames: ["held"])[0]
    let two = try graph.constant("two", [1], [2])
    let limit = try graph.constant("limit", [], [100])
    let begun = try graph.addNode(.loop, name: "loop", inputs: [count, Node.noValue, x], outputNames: ["i", "s"])
    let double = try graph.addNode(.binary(.multiply, .none), name: "double", inputs: [begun[1], two], outputNames: ["d"])[0]
    let sum = try graph.addNode(.binary(.add, .none), name: "sum", inputs: [double, held], outputNames: ["t"])[0]
    let top = try graph.addNode(.reduce(.max, axes: [0], keepDims: false), name: "top", inputs: [sum], outputNames: ["m"])[0]
    let again = try graph.addNode(.binary(.less, .none), name: "again", inputs: [top, limit], outputNames: ["c"])[0]
    let last = try graph.addNode(.next(stacked: 0, length: 0), name: "next", inputs: [again, sum], outputNames: ["last"])[0]
    graph.outputs = try graph.addNode(.binary(.add, .none), name: "after", inputs: [last, held], outputNames: ["y"])
    return graph
  }

  private func expected(_ x: [Float], _ count: Int64) -> [Float] {
    var s = x
    var number: Int64 = 0
    while number < count {
      for index in s.indices { s[index] = s[index] * 2 + x[index].exponential }
      number += 1
      if s.max()! >= 100 { break }
    }
    return zip(s, x).map { $0 + $1.exponential }
  }

  @Test(arguments: InstructionSet.all.filter(\.isAvailable)) func aLoopEndsByCountOrCondition(isa: InstructionSet) throws {
    let width = 6000
    for threads in [1, 3] {
      let runner = try Runner(try loop(width: width)) {
        $0.isa = isa
        $0.threads = threads
        $0.profile = true
      }
      var random = Random(3)
      let x = random.floats(width)
      for count in [0, 1, 3, 50, -1] as [Int64] {
        runner.setInput(0, x)
        runner.setInput(1, [count])
        #expect(runner.session.run())
        for (actual, expected) in zip(runner.output(0, Float.self), expected(x, count)) {
          #expect(abs(actual - expected) <= 1e-4 * max(1, abs(expected)))
        }
      }
    }
  }

  @Test func theLimitEndsARunAndNamesTheLoop() throws {
    let runner = try Runner(try loop()) { $0.maximumIterations = 3 }
    runner.setInput(0, [0, 0, 0, 0] as [Float])
    runner.setInput(1, [Int64(3)])
    #expect(runner.session.run())
    #expect(runner.session.exceededStep == nil)
    runner.setInput(1, [Int64(4)])
    #expect(!runner.session.run())
    let step = try #require(runner.session.exceededStep)
    #expect(runner.plan.steps[step].node == "next")
    #expect(runner.plan.steps[step].kernel == "control")
    runner.setInput(1, [Int64(2)])
    #expect(runner.session.run())
    #expect(runner.session.exceededStep == nil)
    #expect { try Runner(try self.loop()) { $0.maximumIterations = 0 } } throws: { ($0 as? EdgeError)?.status == .invalidArgument }
  }

  @Test func cancellingEndsALoop() throws {
    let runner = try Runner(try loop())
    runner.setInput(1, [Int64.max])
    runner.session.cancel()
    #expect(!runner.session.run())
    #expect(runner.session.exceededStep == nil)
  }

  /// What a loop reads from outside is not given away after its last reader in the body.
  @Test func memoryLivesAsLongAsTheLoop() throws {
    let lowering = try Lowering(try loop(), batch: 1, kernels: KernelSet(.reference), precision: .float32, maximumIterations: 10, observed: [])
    try lowering.run()
    lowering.extendLifetimes()
    let (enter, back) = try #require(lowering.loops.first)
    #expect(lowering.steps[back].target == enter + 1 && lowering.steps[enter].target == back + 1)
    for buffer in lowering.buffers where buffer.isArena && buffer.firstStep < enter && buffer.lastStep > enter { #expect(buffer.lastStep >= back) }
  }

  /// Two states that change places, and a branch that decides by a third.
  @Test func statesChangePlaces() throws {
    var graph = Graph()
    let (a, b) = (graph.input("a", [2]), graph.input("b", [2]))
    let c = graph.addValue(Value(name: "c", dtype: .bool, shape: Shape([])))
    graph.inputs.append(c)
    let count = try graph.addConstant("count", .int64, Shape([]), [Int64(3)])
    let begun = try graph.addNode(.loop, name: "loop", inputs: [count, Node.noValue, a, b, c], outputNames: ["i", "p", "q", "r"])
    _ = try graph.addNode(.when, name: "when", inputs: [begun[3]], outputNames: [])
    let negative = try graph.addNode(.unary(UnaryFunction(.negate)), name: "negate", inputs: [begun[1]], outputNames: ["u"])[0]
    _ = try graph.addNode(.otherwise, name: "otherwise", inputs: [negative], outputNames: [])
    let merged = try graph.addNode(.merge, name: "merge", inputs: [begun[1]], outputNames: ["v"])[0]
    let flipped = try graph.addNode(.unary(UnaryFunction(.not)), name: "not", inputs: [begun[3]], outputNames: ["w"])[0]
    graph.outputs = Array(
      try graph.addNode(
        .next(stacked: 1, length: 3), name: "next", inputs: [Node.noValue, begun[2], merged, flipped, begun[1]],
        outputNames: ["x", "y", "z", "all"]
      )[0..<4])
    let runner = try Runner(graph)
    runner.setInput(0, [1, 2] as [Float])
    runner.setInput(1, [30, 40] as [Float])
    runner.setInput(2, [UInt8(1)])
    #expect(runner.session.run())
    // (a, b): (1, 30) -> (30, -1) -> (-1, 30) -> (30, 1)
    #expect(runner.output(0, Float.self) == [30, 40])
    #expect(runner.output(1, Float.self) == [1, 2])
    #expect(runner.output(2, UInt8.self) == [0])
    #expect(runner.output(3, Float.self) == [1, 2, 30, 40, -1, -2])
  }
}

extension Float {
  fileprivate var exponential: Float { Float(ExponentialSeries.of(Double(self))) }
}

/// e^x without a mathematical library.
private enum ExponentialSeries {
  static func of(_ x: Double) -> Double {
    var (sum, term) = (1.0, 1.0)
    for k in 1...30 {
      term *= x / Double(k)
      sum += term
    }
    return sum
  }
}
