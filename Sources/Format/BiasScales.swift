#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The bias of an integer layer is added to sums of products: its scales are, as a rule, those of the weights times that of the
/// input, and need not be in the file.
struct BiasScales {
  let input: ValueID
  let weights: ValueID

  /// By value: what the scales of a constant bias may be products of. Nothing of the graph was checked yet.
  static func find(_ graph: Graph) -> [BiasScales?] {
    var found = [BiasScales?](repeating: nil, count: graph.values.count)
    func isQuantized(_ id: ValueID) -> Bool {
      graph.values.indices.contains(id) && graph.values[id].quantization != nil && graph.values[id].dtype != .int32
    }
    for node in graph.nodes {
      switch node.op {
      case .convolution, .transposedConvolution, .dense: break
      default: continue
      }
      guard node.inputs.count > 2, graph.values.indices.contains(node.inputs[2]) else { continue }
      let bias = graph.values[node.inputs[2]]
      guard found[node.inputs[2]] == nil, bias.dtype == .int32, bias.constant != nil, bias.quantization != nil,
        isQuantized(node.inputs[0]), isQuantized(node.inputs[1])
      else { continue }
      found[node.inputs[2]] = BiasScales(input: node.inputs[0], weights: node.inputs[1])
    }
    return found
  }

  /// The products, where there are so many of them.
  func products(_ graph: Graph, _ bias: Value, _ count: Int) -> [Float]? {
    guard let input = graph.values[input].quantization?.scales, let weights = graph.values[weights].quantization?.scales,
      input.count == 1, weights.count == count, bias.shape.elementCount() == count
    else { return nil }
    var products: [Float] = []
    products.reserveCapacity(count)
    for scale in weights { products.append(input[0] * scale) }
    return products
  }
}
