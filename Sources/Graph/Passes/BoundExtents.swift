extension Graph {
  /// The graph with bounds of dimensions that depend on data for a batch size: as many as there can be, and at most
  /// `limit`.
  ///
  ///     before   NonZero at most 50 (as if the batch were 1) -> Reshape [50]
  ///     after    NonZero at most 200                         -> Reshape [200]
  ///
  /// Attributes that spell a bound out follow it. Throws `shapeMismatch` or `invalidGraph` where an operator cannot.
  public func boundingExtents(batch: Int, limit: Int) throws(EdgeError) -> Graph {
    guard nodes.contains(where: { $0.op.bound != nil }) else { return self }
    let extents = try extents()
    var graph = self
    for (index, node) in nodes.enumerated() {
      let shapes = node.inputs.map { $0 == Node.noValue ? Shape([]) : graph.values[$0].shape }
      var op = node.op
      let own = node.input(0).flatMap { extents[$0]?.axis }
      switch op {
      case .reshape(var target), .expand(var target):
        // Both have one result whose extent is that of their input.
        guard let own, let place = extents[node.outputs[0]]?.axis else { break }
        target[place] = shapes[0][own]
        if case .reshape = op { op = .reshape(target) } else { op = .expand(target) }
      case .slice(var starts, var ends, let steps):
        for axis in ends.indices where steps[axis] > 0 && shapes[0][axis] >= 0 {
          let isToEnd = axis == own || ends[axis] == values[node.inputs[0]].shape[axis]
          ends[axis] = isToEnd ? shapes[0][axis] : min(ends[axis], shapes[0][axis])
          starts[axis] = min(starts[axis], shapes[0][axis])
        }
        op = .slice(starts: starts, ends: ends, steps: steps)
      case .topK(let axis, let k, let largest):
        let isAll = k == values[node.inputs[0]].shape[axis]
        op = .topK(axis: axis, k: isAll ? shapes[0][axis] : min(k, max(shapes[0][axis], 0)), largest: largest)
      default:
        if let most = op.mostEntries(shapes, batch: batch) { op = op.bounded(max(min(most, limit), 2)) }
      }
      if op == node.op, shapes == node.inputs.map({ $0 == Node.noValue ? Shape([]) : values[$0].shape }) { continue }
      graph.nodes[index].op = op
      let types = try graph.resultTypes(of: op, name: node.name, index: index, inputs: node.inputs, declared: declaredTypes(of: node))
      for (output, type) in zip(node.outputs, types) { graph.values[output].shape = type.shape }
    }
    return graph
  }
}
