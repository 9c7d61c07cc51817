import Graph
import Testing

/// The largest difference of two results, relative where they are large; infinite when they do not compare.
func difference(_ a: [Tensor], _ b: [Tensor]) -> Double {
  guard a.count == b.count else { return .infinity }
  var largest = 0.0
  for (first, second) in zip(a, b) {
    guard first.dims == second.dims else { return .infinity }
    for (x, y) in zip(first.data, second.data) {
      let distance = (x - y).magnitude / max(1, x.magnitude)
      if !(distance <= largest) { largest = distance.isNaN ? .infinity : distance }
    }
  }
  return largest
}

enum Pass: String, CaseIterable, Sendable {
  case constants, transposes, normalization, layerNormalization, activations, dead, all

  func apply(_ graph: Graph) throws -> Graph {
    switch self {
    case .constants: return try graph.foldingConstants()
    case .transposes: return try graph.cancellingTransposes()
    case .normalization: return try graph.foldingBatchNormalization()
    case .layerNormalization: return try graph.fusingNormalization()
    case .activations: return try graph.fusingActivations()
    case .dead: return try graph.removingDeadNodes()
    case .all: return try graph.optimized()
    }
  }
}

@Suite struct PassEquivalenceTests {
  /// Every pass keeps a random network's results, its inputs and outputs, and validity.
  @Test(arguments: Pass.allCases) func randomGraphsKeepTheirResults(_ pass: Pass) throws {
    for seed in UInt64(1)...60 {
      let graph = try randomGraph(seed: seed)
      try graph.validate()
      try check(graph, try pass.apply(graph), seed, pass.rawValue)
    }
  }

  /// The normalization and activation passes meet NHWC graphs in practice.
  @Test func passesKeepResultsOneAfterTheOther() throws {
    for seed in UInt64(100)...140 {
      let graph = try randomGraph(seed: seed)
      var current = graph
      for pass in [Pass.constants, .transposes, .normalization, .activations, .dead] {
        let next = try pass.apply(current)
        try check(current, next, seed, pass.rawValue)
        current = next
      }
    }
  }

  /// Optimizing what is already optimized changes nothing.
  @Test func optimizedIsStable() throws {
    for seed in UInt64(1)...40 {
      let once = try randomGraph(seed: seed).optimized()
      #expect(try once.optimized().text == once.text, "seed \(seed)")
    }
  }

  private func check(_ before: Graph, _ after: Graph, _ seed: UInt64, _ what: String) throws {
    do { try after.validate() } catch { Issue.record("seed \(seed) \(what): \(error.message) \(error.node) \(error.tensor)\n\(after.text)") }
    #expect(after.outputs.map { after.values[$0].name } == before.outputs.map { before.values[$0].name }, "seed \(seed)")
    #expect(after.inputs.map { after.values[$0].name } == before.inputs.map { before.values[$0].name }, "seed \(seed)")
    #expect(after.nodes.count <= before.nodes.count + 4 * before.nodes.filter { $0.op.name == "BatchNormalization" }.count, "seed \(seed)")
    let inputs = randomInputs(before, seed: seed, batch: 2)
    let distance = difference(interpret(before, inputs: inputs, batch: 2), interpret(after, inputs: inputs, batch: 2))
    if distance > 1e-5 { Issue.record("seed \(seed) \(what): differs by \(distance)\nbefore\n\(before.text)\nafter\n\(after.text)") }
  }
}
