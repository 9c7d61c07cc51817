import CPlatform
import Graph
import Testing

@testable import Runtime

@Suite(.serialized) struct SessionTests {
  private func input(_ batch: Int, seed: UInt64 = 7) -> [Float] {
    var random = Random(seed)
    return random.floats(batch * 12 * 12 * 3)
  }

  @Test(arguments: InstructionSet.all.filter(\.isAvailable))
  func theClassifierMatchesTheNaiveModel(isa: InstructionSet) throws {
    let graph = try Graph.classifier()
    let runner = try Runner(graph) {
      $0.batch = 2
      $0.isa = isa
    }
    let x = input(2)
    runner.setInput(0, x)
    #expect(runner.session.run())
    let expected = interpret(graph, batch: 2, [x])[graph.outputs[0]]!.data
    for (actual, expected) in zip(runner.output(0, Float.self), expected) { #expect(abs(Double(actual) - expected) < 1e-5) }
  }

  @Test(arguments: [1, 3]) func memoryRequiredIsExact(threads: Int) throws {
    var options = SessionOptions()
    options.threads = threads
    options.profile = true
    let plan = try Plan(try Graph.classifier(), options)
    let guardBytes = 4096
    let memory = ep_allocate(plan.memoryRequired + guardBytes, 64)!
    defer { ep_deallocate(memory) }
    memory.initializeMemory(as: UInt8.self, repeating: 0xA5, count: plan.memoryRequired + guardBytes)

    do {
      _ = try Session(plan, memory: memory, size: plan.memoryRequired - 1)
      Issue.record("one byte less was accepted")
    } catch { #expect(error.status == .bufferTooSmall) }
    do {
      _ = try Session(plan, memory: memory + 32, size: plan.memoryRequired)
      Issue.record("misaligned memory was accepted")
    } catch { #expect(error.status == .invalidArgument) }

    let session = try Session(plan, memory: memory, size: plan.memoryRequired)
    #expect(session.run())
    session.destroy()
    for index in 0..<guardBytes where memory.load(fromByteOffset: plan.memoryRequired + index, as: UInt8.self) != 0xA5 {
      Issue.record("byte \(index) past the end was written")
    }
  }

  /// The total of all inputs, and the input before; the first of them is 5.
  private func totals(_ shape: Shape) throws -> Graph {
    var graph = Graph(name: "totals")
    for name in ["x", "total", "before"] {
      graph.inputs.append(graph.addValue(Value(name: Text(name), dtype: .float32, shape: shape)))
    }
    let (x, total, before) = (graph.inputs[0], graph.inputs[1], graph.inputs[2])
    let sum = try graph.addNode(.binary(.add, .none), name: "add", inputs: [x, total], outputNames: ["sum"])[0]
    let y = try graph.addNode(.binary(.subtract, .none), name: "y", inputs: [sum, before], outputNames: ["y"])[0]
    let kept = try graph.addNode(.reshape(shape), name: "kept", inputs: [x], outputNames: ["kept"])[0]
    graph.outputs = [y, sum, kept]
    graph.states = [Node.noValue, Node.noValue]
    return graph
  }

  @Test(arguments: [1, 3]) func aRunFindsWhatTheOneBeforeLeft(threads: Int) throws {
    let graph = try totals(Shape([Shape.batch, 2])).optimized()
    #expect(graph.states.count == 2)
    let runner = try Runner(graph) {
      $0.batch = 2
      $0.threads = threads
    }
    #expect(runner.session.inputCount == 1 && runner.session.outputCount == 1)
    #expect(runner.session.inputPointer(1) == nil && runner.session.outputPointer(1) == nil)
    func run(_ x: Float) -> [Float] {
      runner.setInput(0, [x, x + 1, x + 2, x + 3])
      #expect(runner.session.run())
      return runner.output(0, Float.self)
    }
    for _ in 0..<2 {
      #expect(run(1) == [1, 2, 3, 4])
      #expect(run(10) == [10, 11, 12, 13])
      runner.session.cancel()
      #expect(!runner.session.run())
      #expect(run(0) == [1, 3, 5, 7])
      runner.session.reset()
    }
  }

  /// Whatever the number of runs is: the two buffers of a state change places.
  @Test func theNewestStateCanBeReadAndWritten() throws {
    let graph = try totals(Shape([3]))
    let runner = try Runner(graph) { ($0.observed, $0.profile) = ([graph.inputs[1], graph.outputs[1]], true) }
    let session = runner.session
    #expect(session.stateCount == 2 && session.stateByteCount(0) == 12 && session.stateByteCount(2) == 0)
    #expect(session.statePointer(2) == nil && session.statePointer(-1) == nil)
    func state(_ index: Int) -> [Float] { (0..<3).map { session.statePointer(index)!.load(fromByteOffset: $0 * 4, as: Float.self) } }
    func observed(_ value: ValueID) -> Float? { session.pointer(of: value)?.load(as: Float.self) }
    var total: Float = 0
    #expect(state(0) == [0, 0, 0])
    for run in 1...5 {
      let x = Float(run)
      runner.setInput(0, [x, x, x])
      #expect(session.run())
      // What the run found, and what it left.
      #expect(observed(graph.inputs[1]) == total && observed(graph.outputs[1]) == total + x)
      total += x
      #expect(state(0) == [total, total, total] && state(1) == [x, x, x])
    }
    // A run that is cancelled leaves what it found.
    session.cancel()
    #expect(!session.run() && state(0) == [15, 15, 15])
    session.statePointer(0)!.storeBytes(of: 100, as: Float.self)
    #expect(session.run() && state(0) == [105, 20, 20])
    session.statePointer(0)!.storeBytes(of: 200, as: Float.self)
    #expect(session.run() && state(0) == [205, 25, 25])
    session.reset()
    #expect(state(0) == [0, 0, 0])
    #expect(session.run() && state(0) == [5, 5, 5])
  }

  @Test func stateBeginsWithItsConstant() throws {
    var graph = try totals(Shape([1, 2]))
    graph.states[0] = try graph.addConstant("first", .float32, Shape([1, 2]), [Float(5), 6])
    let runner = try Runner(try graph.optimized())
    runner.setInput(0, [Float(1), 1])
    for expected in [[Float(6), 7], [6, 7], [7, 8]] {
      #expect(runner.session.run())
      #expect(runner.output(0, Float.self) == expected)
    }
    graph.states[0] = graph.inputs[0]
    #expect(throws: EdgeError.self) { try graph.validate() }
    graph.states = [Node.noValue, Node.noValue, Node.noValue, Node.noValue]
    #expect(throws: EdgeError.self) { try graph.validate() }
  }

  @Test func stateHasAFixedSize() throws {
    var graph = Graph(name: "state")
    let x = graph.addValue(Value(name: "x", dtype: .float32, shape: Shape([4])))
    let before = graph.addValue(Value(name: "before", dtype: .int64, shape: Shape([1, 4])))
    graph.inputs = [x, before]
    let places = try graph.addNode(.nonZero(bound: 4), name: "nz", inputs: [x], outputNames: ["places", "count"])
    graph.outputs = [places[1], places[0]]
    try graph.validate()
    graph.states = [Node.noValue]
    let error = #expect(throws: EdgeError.self) { try graph.validate() }
    #expect(error?.message == "the state's size depends on data" && error?.tensor == "before")
  }

  @Test func threadsGiveTheSameBytes() throws {
    let graph = try Graph.classifier(size: 48, channels: 24)
    var random = Random(5)
    let x = random.floats(2 * 48 * 48 * 3)
    var first: [[UInt8]]?
    for threads in 1...4 {
      let runner = try Runner(graph) {
        $0.batch = 2
        $0.threads = threads
        $0.spinMicroseconds = threads * 20 - 20
      }
      if threads > 1 { #expect(runner.plan.steps.contains { $0.chunks > 1 }) }
      for _ in 0..<5 {
        let bytes = try runner.bytes([x])
        if first == nil { first = bytes }
        #expect(bytes == first)
      }
    }
  }

  @Test func batchSplitsGiveTheSameBytes() throws {
    let graph = try Graph.classifier()
    let x = input(4)
    let whole = try Runner(graph) { $0.batch = 4 }.bytes([x])
    let single = try Runner(graph)
    var parts: [UInt8] = []
    for sample in 0..<4 { parts += try single.bytes([Array(x[(sample * 432)..<(sample * 432 + 432)])])[0] }
    #expect(parts == whole[0])
  }

  @Test func observedValuesSurviveTheRun() throws {
    let graph = try Graph.classifier()
    let x = input(1)
    let expected = interpret(graph, batch: 1, [x])
    let produced = graph.nodes.flatMap(\.outputs)
    let runner = try Runner(graph) { $0.observed = produced + [graph.inputs[0]] }
    runner.setInput(0, x)
    #expect(runner.session.run())
    for value in produced + [graph.inputs[0]] {
      let pointer = try #require(runner.session.pointer(of: value))
      for (index, expected) in expected[value]!.data.enumerated() {
        #expect(abs(Double(pointer.load(fromByteOffset: index * 4, as: Float.self)) - expected) < 1e-5)
      }
    }
    #expect(try Runner(graph).session.pointer(of: produced[0]) == nil)
    #expect(throws: EdgeError.self) { try Runner(graph) { $0.observed = [9999] } }
  }

  @Test func cancelStopsOneRun() throws {
    let runner = try Runner(try Graph.classifier()) { $0.threads = 2 }
    let before = try runner.bytes([input(1)])
    runner.session.cancel()
    #expect(!runner.session.run())
    #expect(try runner.bytes([input(1)]) == before)
  }

  @Test func boundMemoryIsUsedAndChecked() throws {
    let graph = try Graph.classifier()
    let runner = try Runner(graph)
    let x = input(1)
    let expected = try runner.bytes([x])[0]
    runner.setInput(0, [Float](repeating: 0, count: 432))

    let inside = ep_allocate(432 * 4 + 64, 64)!
    let outside = ep_allocate(40 + 64, 64)!
    defer {
      ep_deallocate(inside)
      ep_deallocate(outside)
    }
    // Float alignment is enough.
    x.withUnsafeBytes { (inside + 4).copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    try runner.session.bindInput(0, inside + 4, bytes: 432 * 4)
    try runner.session.bindOutput(0, outside + 4, bytes: 40)
    #expect(runner.session.run())
    #expect((0..<40).map { outside.load(fromByteOffset: 4 + $0, as: UInt8.self) } == expected)

    func status(_ body: () throws(EdgeError) -> Void) -> Status? {
      do {
        try body()
        return nil
      } catch { return error.status }
    }
    #expect(status { () throws(EdgeError) in try runner.session.bindInput(0, inside, bytes: 431 * 4) } == .bufferTooSmall)
    #expect(status { () throws(EdgeError) in try runner.session.bindInput(0, inside, bytes: 433 * 4) } == .shapeMismatch)
    #expect(status { () throws(EdgeError) in try runner.session.bindInput(0, inside + 2, bytes: 432 * 4) } == .invalidArgument)
    #expect(status { () throws(EdgeError) in try runner.session.bindInput(1, inside, bytes: 4) } == .invalidArgument)
    #expect(status { () throws(EdgeError) in try runner.session.bindOutput(-1, inside, bytes: 4) } == .invalidArgument)

    // Back to the session's own buffers.
    try runner.session.bindInput(0, nil, bytes: 0)
    try runner.session.bindOutput(0, nil, bytes: 0)
    #expect(try runner.bytes([x])[0] == expected)
  }

  @Test func notANumberIsNotAnError() throws {
    let runner = try Runner(try Graph.classifier())
    var x = input(1)
    x[5] = .nan
    _ = try runner.bytes([x])
  }

  @Test func profileTimesSteps() throws {
    let runner = try Runner(try Graph.classifier()) { $0.profile = true }
    _ = try runner.bytes([input(1)])
    var total: UInt64 = 0
    for index in runner.plan.steps.indices { total += try #require(runner.session.stepNanoseconds(index)) }
    #expect(total > 0)
    #expect(runner.session.stepNanoseconds(runner.plan.steps.count) == nil)
    #expect(try Runner(try Graph.classifier()).session.stepNanoseconds(0) == nil)
  }

  @Test func outputsThatAreInputsConstantsAndViews() throws {
    var graph = Graph()
    let x = graph.input("x", [Shape.batch, 3])
    let c = try graph.constant("c", [2], [4, 5])
    let y = try graph.addNode(.unary(UnaryFunction(.negate)), name: "n", inputs: [x], outputNames: ["y"])[0]
    let flat = try graph.addNode(.reshape(Shape([Shape.batch, 3, 1])), name: "r", inputs: [y], outputNames: ["flat"])[0]
    graph.outputs = [flat, x, c, y]
    let runner = try Runner(graph)
    runner.setInput(0, [Float(1), 2, -3])
    #expect(runner.session.run())
    #expect(runner.output(0, Float.self) == [-1, -2, 3])
    #expect(runner.output(1, Float.self) == [1, 2, -3])
    #expect(runner.output(2, Float.self) == [4, 5])
    #expect(runner.output(3, Float.self) == [-1, -2, 3])
  }
}
