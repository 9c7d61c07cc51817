import CPlatform
import Graph
import Testing

@testable import Runtime

/// Plans of networks whose weights are mostly zero.
@Suite struct SparsePlanTests {
  /// A 1x1 convolution of which the weights of so many of 16 outputs' inputs are left, and a pool.
  private func network(kept: Int) throws -> Graph {
    var random = Random(11)
    var graph = Graph(name: "pruned")
    let x = graph.input("x", [Shape.batch, 14, 14, 96])
    var weights = [Float](repeating: 0, count: 80 * 96)
    for panel in 0..<5 {
      for input in 0..<96 where random.below(100) < kept {
        for output in 0..<16 { weights[(panel * 16 + output) * 96 + input] = random.float(0.1, 0.5) }
      }
    }
    let w = try graph.constant("w", [80, 1, 1, 96], weights)
    let y = try graph.addNode(.convolution(Convolution(window: window(1))), name: "layer", inputs: [x, w], outputNames: ["c"])[0]
    graph.outputs = [try graph.addNode(.pool(Pool(.max, window: window(2, stride: 2))), name: "max", inputs: [y], outputNames: ["m"])[0]]
    return graph
  }

  private func hasSparse(_ isa: InstructionSet) -> Bool { isa != .reference && isa != .sse2 }

  @Test(arguments: InstructionSet.all.filter(\.isAvailable)) func thePlannerChooses(isa: InstructionSet) throws {
    var random = Random(2)
    let x = random.floats(2 * 14 * 14 * 96)
    for kept in [0, 10, 100] {
      let graph = try network(kept: kept)
      let runner = try Runner(graph) { ($0.isa, $0.batch, $0.threads) = (isa, 2, 3) }
      let isSparse = hasSparse(isa) && kept < 100
      #expect(runner.plan.steps[0].kernel.contains("sparse") == isSparse)
      #expect(runner.plan.lowered[0].form == (isSparse ? 0x10 : 0))
      runner.setInput(0, x)
      #expect(runner.session.run())
      let expected = interpret(graph, batch: 2, [x])[graph.outputs[0]]!.data
      for (actual, expected) in zip(runner.output(0, Float.self), expected) { #expect(abs(Double(actual) - expected) < 1e-4) }
    }
  }

  /// Both forms and the plain one, wanted and by the words of a tuning; none without zeros.
  @Test(arguments: InstructionSet.all.filter(\.isAvailable)) func everyFormIsAPlan(isa: InstructionSet) throws {
    let graph = try network(kept: 20), whole = try network(kept: 100)
    var random = Random(3)
    let x = random.floats(14 * 14 * 96)
    var results: [[UInt8]] = []
    for form: UInt8 in [0, 0x10, 0x20, 0xF0] {
      var wanted = SessionOptions()
      (wanted.isa, wanted.choices) = (isa, .preferred(StepChoices.choice(form: form, isa: isa)))
      let plan = try Plan(graph, wanted)
      #expect(plan.lowered[0].form == (hasSparse(isa) && form != 0xF0 ? form : 0))
      #expect(try Plan(whole, wanted).lowered[0].form == 0)
      let runner = try Runner(graph) { ($0.isa, $0.choices) = (isa, .given(plan.tuning)) }
      #expect(runner.plan.text == plan.text)
      results.append(contentsOf: try runner.bytes([x]))
    }
    // The order of sums is the same.
    for result in results { #expect(result == results[0]) }
  }
}
