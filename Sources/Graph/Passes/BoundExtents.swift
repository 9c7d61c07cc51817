extension Graph {
  /// The graph with bounds of dimensions that depend on data for a batch size: as many as there can be, and at most
  /// `limit`.
  ///
  ///     before   NonZero at most 50 (as if the batch were 1) -> Reshape [50]
  ///     after    NonZero at most 200                         -> Reshape [200]
  ///
  /// Attributes that spell a bound out follow it. Throws `shapeMismatch` or `invalidGraph` where an operator cannot.
  /// Throws `limitExceeded` where the limit would change a result whose size does not depend on data.
  public func boundingExtents(batch: Int, limit: Int) throws(EdgeError) -> Graph {
    guard nodes.contains(where: { $0.op.bound != nil }) else { return self }
    let extents = try extents()
    var cut: EdgeError?
    let graph: Graph
    do throws(EdgeError) {
      graph = try bounding(extents, batch: batch, limit: limit, &cut)
    } catch {
      throw cut ?? error
    }
    guard let cut else { return graph }
    var none: EdgeError?
    if let whole = try? bounding(extents, batch: batch, limit: .max, &none) {
      for output in outputs where extents[output] == nil && whole.values[output].shape != graph.values[output].shape { throw cut }
    }
    return graph
  }

  /// `cut` becomes the error that names the first node with a bound above the limit.
  private func bounding(_ extents: [Extent?], batch: Int, limit: Int, _ cut: inout EdgeError?) throws(EdgeError) -> Graph {
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
        guard let most = op.mostEntries(shapes, batch: batch) else { break }
        op = op.bounded(max(min(most, limit), 2))
        if most > limit, cut == nil {
          cut = EdgeError(
            .limitExceeded, "\(op.name): results have a size for \(most) entries, more than the maximum extent of \(limit)", node: node.name,
            nodeIndex: index)
        }
      }
      if op == node.op, shapes == node.inputs.map({ $0 == Node.noValue ? Shape([]) : values[$0].shape }) { continue }
      graph.nodes[index].op = op
      let types = try graph.resultTypes(of: op, name: node.name, index: index, inputs: node.inputs, declared: declaredTypes(of: node))
      for (output, type) in zip(node.outputs, types) { graph.values[output].shape = type.shape }
    }
    return graph
  }
}
