#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension Graph {
  /// Lets the nodes from `first` on read copies of results that cost little, made just before their first use, so that the results
  /// themselves need no memory between the forward part and the gradient (Chen et al. 2016). Chains of such results are copied
  /// back to the last one that costs more: of convolution, normalization and activation the convolution's result alone is kept.
  mutating func recompute(from first: Int) {
    let index = GraphIndex(self)
    let old = nodes
    var copies = [ValueID](repeating: Node.noValue, count: values.count)
    nodes = Array(old[..<first])

    func isCheap(_ value: ValueID, _ graph: Graph) -> Bool {
      guard value != Node.noValue, value < copies.count, let producer = index.producer(of: value), producer < first,
        let bytes = graph.values[value].byteCount(), bytes >= 4096
      else { return false }
      switch old[producer].op {
      case .batchNormalization, .layerNormalization, .unary, .binary: return true
      default: return false
      }
    }
    // Longer chains keep a result now and then.
    func copy(_ value: ValueID, _ depth: Int, _ graph: inout Graph) -> ValueID {
      guard depth < 64, isCheap(value, graph), let producer = index.producer(of: value) else { return value }
      if copies[value] != Node.noValue { return copies[value] }
      var node = old[producer]
      for position in node.inputs.indices { node.inputs[position] = copy(node.inputs[position], depth + 1, &graph) }
      var again = graph.values[value]
      again.name = Text("\(again.name)/again")
      copies[value] = graph.addValue(again)
      node.name = Text("\(node.name)/again")
      node.outputs = [copies[value]]
      graph.nodes.append(node)
      return copies[value]
    }
    for node in old[first...] {
      var node = node
      for position in node.inputs.indices { node.inputs[position] = copy(node.inputs[position], 0, &self) }
      nodes.append(node)
    }
  }
}
