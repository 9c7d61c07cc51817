extension Graph {
  /// Removes nodes that do nothing and nodes nobody needs.
  ///
  ///     before   x -> Reshape [N, 4] of [N, 4] -> Relu -> y          x -> Exp -> (unused)
  ///     after    x -> Relu -> y
  ///
  /// Nothing is done by: reshape and expand to the same shape, transpose in order, pad by zero, slice and split
  /// of the whole, concat of one, cast to the same type, clamp without limits, quantize of dequantize with the
  /// same parameters. A reshape of a reshape reads the first one's input. Unused values go too; graph inputs stay.
  public func removingDeadNodes() throws(EdgeError) -> Graph {
    try validate()
    var graph = self
    let index = GraphIndex(self)
    let isProduced = index.producers.map { $0 >= 0 }
    var isOutput = index.isOutput
    /// What each value is replaced by.
    var places = Array(values.indices)
    for (number, node) in nodes.enumerated() {
      for position in node.inputs.indices where node.inputs[position] != Node.noValue {
        graph.nodes[number].inputs[position] = places[node.inputs[position]]
      }
      if case .reshape = node.op, let before = index.producer(of: graph.nodes[number].inputs[0]), case .reshape = nodes[before].op {
        graph.nodes[number].inputs[0] = graph.nodes[before].inputs[0]
      }
      guard let source = graph.identitySource(of: graph.nodes[number], index), let result = node.outputs.first else { continue }
      if !isOutput[result] {
        places[result] = source
      } else if isProduced[source] && !isOutput[source] {
        // The output moves to the value it equals, which takes over its name.
        places[result] = source
        isOutput[source] = true
        graph.values[source].name = values[result].name
      }
    }
    graph.outputs = outputs.map { places[$0] }
    graph.removeNodes(graph.deadNodes(try ControlFlow(graph)))
    return graph.compacted()
  }

  /// The value a node's result equals, when the node does nothing.
  private func identitySource(of node: Node, _ index: GraphIndex) -> ValueID? {
    guard let input = node.inputs.first, input != Node.noValue, node.outputs.count == 1 else { return nil }
    let (from, to) = (values[input], values[node.outputs[0]])
    guard from.dtype == to.dtype || isQuantize(node.op) else { return nil }
    switch node.op {
    case .reshape, .expand, .split: return from.shape == to.shape ? input : nil
    case .transpose(let permutation): return permutation == Array(permutation.indices) ? input : nil
    case .pad(_, let before, let after, _): return before.allSatisfy { $0 == 0 } && after.allSatisfy { $0 == 0 } ? input : nil
    case .slice(_, _, let steps): return from.shape == to.shape && steps.allSatisfy { $0 == 1 } ? input : nil
    case .concat: return node.inputs.count == 1 ? input : nil
    case .cast: return input
    case .unary(let function):
      return function.kind == .clamp && Clamp(min: function.alpha, max: function.beta).isNone && from.quantization == to.quantization
        ? input : nil
    case .requantize: return from.quantization == to.quantization ? input : nil
    case .quantize:
      guard let before = index.producer(of: input), case .dequantize = nodes[before].op else { return nil }
      let source = nodes[before].inputs[0]
      return values[source].dtype == to.dtype && values[source].quantization == to.quantization ? source : nil
    default: return nil
    }
  }

  private func isQuantize(_ op: Operator) -> Bool {
    if case .quantize = op { return true }
    return false
  }

  /// Flags of the nodes no output depends on. The operators of a branch or loop stay as long as its end is needed.
  private func deadNodes(_ flow: ControlFlow) -> [Bool] {
    var needed = [Bool](repeating: false, count: values.count)
    for output in outputs { needed[output] = true }
    var dead = [Bool](repeating: false, count: nodes.count)
    for number in nodes.indices.reversed() {
      dead[number] = !nodes[number].outputs.contains { needed[$0] }
      if flow.markers[number] >= 0 {
        let end = flow.constructs[flow.markers[number]].end
        if number != end { dead[number] = dead[end] }
      }
      if dead[number] { continue }
      for input in nodes[number].inputs where input != Node.noValue { needed[input] = true }
    }
    return dead
  }
}
