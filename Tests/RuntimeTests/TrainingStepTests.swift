import CPlatform
import Graph
import Testing

@testable import Runtime

@Suite struct TrainingStepTests {
  /// One step of a small network: convolution, batch normalization with the batch's statistics, ReLU, maximum, and back to the
  /// weights, which are a state beside their moment.
  private func step() throws -> Graph {
    var random = Random(2)
    var graph = Graph(name: "step")
    let (batch, size, channels) = (8, 16, 24)
    let x = graph.input("x", [batch, size, size, 8])
    let gradient = graph.input("gradient", [batch, size / 2, size / 2, channels])
    let number = graph.addValue(Value(name: "number", dtype: .int64, shape: Shape([])))
    graph.inputs.append(number)
    let w = graph.input("w", [channels, 3, 3, 8]), m = graph.input("m", [channels, 3, 3, 8])
    let geometry = Convolution(window: window(3, pad: 1))
    let scale = try graph.constant("scale", [channels], random.floats(channels)), bias = try graph.constant("bias", [channels], random.floats(channels))
    let rates = try graph.constant("rates", [8], [0.1, 0.9, 0, 0, 0.01, 1, 1, 0])
    let c = try graph.addNode(.convolution(geometry), name: "conv", inputs: [x, w], outputNames: ["c"])[0]
    let statistics = try graph.addNode(.batchStatistics, name: "statistics", inputs: [c], outputNames: ["mean", "variance"])
    let n = try graph.addNode(
      .batchNormalization(epsilon: 1e-3), name: "norm", inputs: [c, scale, bias] + statistics, outputNames: ["n"])[0]
    let relu = UnaryFunction(.clamp, alpha: 0, beta: .infinity)
    let r = try graph.addNode(.unary(relu), name: "relu", inputs: [n], outputNames: ["r"])[0]
    let pool = Pool(.max, window: window(2, stride: 2))
    let p = try graph.addNode(.pool(pool), name: "pool", inputs: [r], outputNames: ["p"])[0]
    let random1 = try graph.addNode(.random(seed: 5), name: "random", inputs: [p, number], outputNames: ["noise"])[0]
    let noisy = try graph.addNode(.binary(.multiply, .none), name: "noisy", inputs: [gradient, random1], outputNames: ["noisy"])[0]
    let dp = try graph.addNode(.poolGradient(pool), name: "pool back", inputs: [r, noisy], outputNames: ["dp"])[0]
    let dr = try graph.addNode(
      .binary(.gate, Clamp(min: 0, max: .infinity)), name: "relu back", inputs: [dp, r], outputNames: ["dr"])[0]
    let dn = try graph.addNode(
      .batchNormalizationGradient(epsilon: 1e-3), name: "norm back", inputs: [c, dr, scale] + statistics, outputNames: ["dn", "ds", "db"])
    let dw = try graph.addNode(
      .convolutionWeightGradient(geometry), name: "conv back", inputs: [x, dn[0]], outputNames: ["dw"])[0]
    let update = try graph.addNode(
      .optimizerStep(OptimizerStep(.sgd)), name: "update", inputs: [w, dw, rates, Node.noValue, m], outputNames: ["w'", "m'"])
    graph.outputs = [p, dn[1], dn[2]] + update
    graph.states = [try graph.constant("w0", [channels, 3, 3, 8], random.floats(channels * 72)), Node.noValue]
    try graph.validate()
    return graph
  }

  @Test func threadsGiveTheSameBytes() throws {
    var first: [[UInt8]]?
    for threads in 1...4 {
      let runner = try Runner(try step()) { $0.threads = threads }
      if threads > 1 { #expect(runner.plan.steps.filter { $0.chunks > 1 }.count > 5) }
      var random = Random(6)
      var all: [[UInt8]] = []
      for run in 0..<3 {
        for index in 0..<2 { runner.setInput(index, random.floats(runner.session.inputByteCount(index) / 4)) }
        runner.setInput(2, [Int64(run)])
        #expect(runner.session.run())
        for index in 0..<3 { all.append(runner.output(index, UInt8.self)) }
        let state = try #require(runner.session.statePointer(0))
        all.append([UInt8](UnsafeRawBufferPointer(start: state, count: runner.session.stateByteCount(0))))
      }
      if first == nil { first = all }
      #expect(all == first)
      // The weights move, and the random numbers with the runs.
      #expect(all[3] != all[7] && all[7] != all[11])
    }
  }

  @Test func aNormalizationTakesItsClampAlong() throws {
    func build(readers: Int) throws -> Graph {
      var graph = Graph()
      let x = graph.input("x", [Shape.batch, 3, 4])
      let vectors = ["scale", "bias", "mean", "variance"].map { graph.input($0, [4]) }
      let n = try graph.addNode(.batchNormalization(epsilon: 2), name: "norm", inputs: [x] + vectors, outputNames: ["n"])[0]
      graph.outputs = try graph.addNode(
        .unary(UnaryFunction(.clamp, alpha: 0, beta: 0.5)), name: "clamp", inputs: [n], outputNames: ["y"])
      if readers > 1 { graph.outputs += try graph.addNode(.unary(UnaryFunction(.negate)), name: "other", inputs: [n], outputNames: ["z"]) }
      return graph
    }
    var random = Random(1)
    for (readers, steps) in [(1, 2), (2, 4)] {
      let graph = try build(readers: readers)
      let runner = try Runner(graph) { $0.batch = 2 }
      #expect(runner.plan.steps.count == steps, "\(runner.plan.text)")
      let inputs = graph.inputs.map { random.floats(graph.values[$0].shape.elementCount(batch: 2)!) }
      for (index, input) in inputs.enumerated() { runner.setInput(index, input) }
      #expect(runner.session.run())
      let expected = interpret(graph, batch: 2, inputs)
      for (index, output) in graph.outputs.enumerated() {
        for (a, e) in zip(runner.output(index, Float.self), expected[output]!.data) { #expect(abs(Double(a) - e) < 1e-5) }
      }
      // Observed values are there.
      let watching = try Runner(graph) { ($0.batch, $0.observed) = (2, [graph.nodes[0].outputs[0]]) }
      #expect(watching.plan.steps.count == steps + (readers == 1 ? 1 : 0))
    }
  }

  @Test func randomNumbersDependOnSeedAndRun() throws {
    func numbers(seed: Int64, run: Int64, threads: Int = 1, isa: InstructionSet = .best) throws -> [Float] {
      var graph = Graph()
      let x = graph.input("x", [Shape.batch, 1000])
      let number = graph.addValue(Value(name: "number", dtype: .int64, shape: Shape([])))
      graph.inputs.append(number)
      graph.outputs = try graph.addNode(.random(seed: seed), name: "random", inputs: [x, number], outputNames: ["y"])
      let runner = try Runner(graph) { ($0.batch, $0.threads, $0.isa) = (20, threads, isa) }
      runner.setInput(1, [run])
      #expect(runner.session.run())
      return runner.output(0, Float.self)
    }
    let first = try numbers(seed: 1, run: 1)
    #expect(first.allSatisfy { $0 >= 0 && $0 < 1 })
    // 20000 numbers: the mean is this near in all but one of a billion draws.
    var sum = 0.0
    for number in first { sum += Double(number) }
    let spread: Double = 6 * 0.2887 / 20000.0.squareRoot()
    #expect(abs(sum / 20000 - 0.5) < spread)
    #expect(try numbers(seed: 1, run: 2) != first)
    #expect(try numbers(seed: 2, run: 1) != first)
    for isa in InstructionSet.all where isa.isAvailable { #expect(try numbers(seed: 1, run: 1, threads: 3, isa: isa) == first) }
  }
}
