#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What of a model learns when operators of some names are frozen: all that have such a name.
extension Graph {
  /// The layers that learn, in order: convolutions, transposed ones and dense layers with constant float32 weights.
  func learningLayers(frozen: [Text]) -> [Int] {
    nodes.indices.filter { index in
      guard nodes[index].op.isLayer, let weights = nodes[index].input(1), !frozen.contains(nodes[index].name) else { return false }
      return values[weights].constant != nil && values[weights].dtype == .float32
    }
  }

  /// Whether each output of a layer comes from one input channel.
  func isDepthwise(_ layer: Int) -> Bool {
    let groups: Int
    switch nodes[layer].op {
    case .convolution(let op): groups = op.groups
    case .transposedConvolution(let op): groups = op.groups
    default: return false
    }
    return groups > 1 && values[nodes[layer].inputs[1]].shape.dims.last == 1
  }

  /// Running statistics follow from what one normalization reads: constants that others read too, as exporters leave them who store
  /// equal ones once, become each learning normalization's own.
  func separatingStatistics(frozen: [Text]) -> Graph {
    var graph = self
    var names = GraphNames(self)
    var readers = [Int](repeating: 0, count: values.count)
    for node in nodes { for input in node.inputs where input != Node.noValue { readers[input] += 1 } }
    for (index, node) in nodes.enumerated() {
      guard case .batchNormalization = node.op, !frozen.contains(node.name) else { continue }
      for position in 3...4 where values[node.inputs[position]].constant != nil && readers[node.inputs[position]] > 1 {
        readers[node.inputs[position]] -= 1
        var own = values[node.inputs[position]]
        own.name = names.values.insertApart(Text("\(node.name)/\(own.name)").extended(by: ""))
        graph.nodes[index].inputs[position] = graph.addValue(own)
      }
    }
    return graph
  }
}
