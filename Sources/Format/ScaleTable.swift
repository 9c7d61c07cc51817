#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The scales of a file of version 2 stand together, as one constant. What they belong to is known before: how many each value has,
/// and which are those of biases. A bias is added to sums of products, so its scales are, as a rule, those of the weights times
/// that of the input, and need not be in the file.
struct ScaleTable {
  /// What the scales of a bias may be products of.
  struct Factors {
    let input: ValueID
    let weights: ValueID

    func products(_ graph: Graph) -> [Float] {
      guard let input = graph.values[input].quantization?.scales.first, let weights = graph.values[weights].quantization?.scales else { return [] }
      return weights.map { input * $0 }
    }
  }

  /// By value: the number of its scales; and its factors, where it is a bias with as many scales as these make.
  let counts: [Int]
  let factors: [Factors?]

  /// Nothing of the graph but the counts was checked yet.
  init(_ graph: Graph, _ counts: [Int]) {
    self.counts = counts
    var found = [Factors?](repeating: nil, count: counts.count)
    var isSeen = [Bool](repeating: false, count: counts.count)
    func isQuantized(_ id: ValueID) -> Bool {
      graph.values.indices.contains(id) && graph.values[id].quantization != nil && graph.values[id].dtype != .int32
    }
    for node in graph.nodes where node.op.isLayer {
      guard node.inputs.count > 2, graph.values.indices.contains(node.inputs[2]) else { continue }
      let bias = node.inputs[2]
      guard !isSeen[bias], graph.values[bias].dtype == .int32, graph.values[bias].constant != nil, graph.values[bias].quantization != nil,
        isQuantized(node.inputs[0]), isQuantized(node.inputs[1])
      else { continue }
      isSeen[bias] = true
      let factors = Factors(input: node.inputs[0], weights: node.inputs[1])
      if counts[factors.input] == 1, counts[factors.weights] == counts[bias], graph.values[bias].shape.elementCount() == counts[bias] {
        found[bias] = factors
      }
    }
    factors = found
  }

  /// So many scales as a constant; it has no name.
  static func value(_ count: Int) -> Value { Value(name: "", dtype: .float32, shape: Shape([count])) }
}
