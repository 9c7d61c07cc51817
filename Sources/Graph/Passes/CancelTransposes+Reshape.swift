/// A reshape seen as groups: axes of the input and of the result that hold the same elements.
private struct ReshapeGroup {
  var from: [Int]
  var to: [Int]
}

extension TransposeSinking {
  /// Reshapes the stored value, so that the result is stored in the same order of groups.
  func reshape(_ node: Node, _ target: Shape) throws(EdgeError) {
    let old = node.inputs[0]
    let x = lookUp(old)
    let shape = source.values[old].shape
    guard x.columns == nil, !x.order.isIdentity, var groups = reshapeGroups(shape, target) else { return try keep(node) }

    // Axes of the base that are not 1, in its order, as axes of the value.
    let baseSequence = x.order.inverse.filter { shape[$0] != 1 }
    let plainGroups = groups
    groups = sortedIndices(groups.count) { x.order[plainGroups[$0].from[0]] < x.order[plainGroups[$1].from[0]] }.map { plainGroups[$0] }
    let sequence = groups.flatMap { $0.from }
    var base = x.base
    if sequence != baseSequence {
      if try flattenForDense(node, x, shape, target, plainGroups, baseSequence) { return }
      let units = shape.dims.indices.filter { shape[$0] == 1 }
      base = try transposed(base, by: (units + sequence).map { x.order[$0] })
    }
    addUnits(target, &groups)
    let axes = groups.flatMap { $0.to }
    let result = try reshaped(base, to: Shape(axes.map { target[$0] }), for: node)
    store(node.outputs[0], result, order: axes.inverse)
  }

  /// When the last axis joins all axes that are out of order and only dense layers read the result, the value is
  /// flattened as it is stored.
  private func flattenForDense(
    _ node: Node, _ x: StoredValue, _ shape: Shape, _ target: Shape, _ groups: [ReshapeGroup], _ baseSequence: [Int]
  ) throws(EdgeError) -> Bool {
    guard let last = groups.last, last.to == [target.rank - 1], readByDense(node.outputs[0], depth: 0) else { return false }
    let prefix = groups.dropLast().flatMap { $0.from }
    guard Array(baseSequence.prefix(prefix.count)) == prefix else { return false }
    let storedAxes = Array(baseSequence.dropFirst(prefix.count))
    var permutation: [Int] = []
    for axis in last.from {
      guard let place = storedAxes.firstIndex(of: axis) else { return false }
      permutation.append(place)
    }
    // The dense weights' wide form must stay within the library's rank.
    guard storedAxes.count + max(1, target.rank - 1) <= Shape.maximumRank else { return false }
    let dims = storedAxes.map { shape[$0] }
    guard !dims.contains(Shape.batch) else { return false }
    let result = try reshaped(x.base, to: target, for: node)
    store(node.outputs[0], StoredValue(base: result, order: Array(0..<target.rank), columns: (dims, permutation)))
    return true
  }

  /// Whether all readers are dense layers with constant weights, directly or behind elementwise functions.
  private func readByDense(_ value: ValueID, depth: Int) -> Bool {
    guard depth < 8, !index.isOutput[value], !index.consumers[value].isEmpty else { return false }
    for consumer in index.consumers[value] {
      let node = source.nodes[consumer]
      switch node.op {
      case .dense:
        guard node.inputs[0] == value, !node.inputs.dropFirst().contains(value), source.values[node.inputs[1]].constant != nil,
          source.values[node.inputs[1]].quantization?.axis ?? 0 == 0
        else { return false }
      case .unary, .quantize, .dequantize, .requantize:
        guard readByDense(node.outputs[0], depth: depth + 1) else { return false }
      default: return false
      }
    }
    return true
  }

  /// Puts each axis of 1 of the result behind the axis before it.
  private func addUnits(_ target: Shape, _ groups: inout [ReshapeGroup]) {
    if groups.isEmpty {
      groups = [ReshapeGroup(from: [], to: Array(0..<target.rank))]
      return
    }
    for axis in 0..<target.rank where target[axis] == 1 {
      let group = groups.firstIndex { axis > 0 && $0.to.contains(axis - 1) } ?? groups.firstIndex { $0.to.contains(0) || axis == 0 } ?? 0
      groups[group].to = ascending(groups[group].to + [axis])
    }
  }
}

/// The smallest groups of axes, those of 1 left out, whose products agree; nil when there are none.
private func reshapeGroups(_ from: Shape, _ to: Shape) -> [ReshapeGroup]? {
  let sources = from.dims.indices.filter { from[$0] != 1 }
  let targets = to.dims.indices.filter { to[$0] != 1 }
  var groups: [ReshapeGroup] = []
  var (i, j) = (0, 0)
  while i < sources.count && j < targets.count {
    var group = ReshapeGroup(from: [sources[i]], to: [targets[j]])
    i += 1
    j += 1
    while true {
      guard let left = SymbolicCount(dims: group.from.map { from[$0] }), let right = SymbolicCount(dims: group.to.map { to[$0] }),
        left.known > 0, right.known > 0
      else { return nil }
      if left == right { break }
      if left.power < right.power || (left.power == right.power && left.known < right.known) {
        guard i < sources.count else { return nil }
        group.from.append(sources[i])
        i += 1
      } else {
        guard j < targets.count else { return nil }
        group.to.append(targets[j])
        j += 1
      }
    }
    groups.append(group)
  }
  return i == sources.count && j == targets.count ? groups : nil
}
