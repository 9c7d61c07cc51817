#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Operators that move data: labels move with it.

extension ChannelDependencies {
  /// More channels than any network has; the product of small numbers in a small file may be larger.
  private static let maximumCount = 1 << 22

  func concat(_ node: Node, _ along: Int) {
    var found: ChannelAxis?
    for input in node.inputs where found == nil { found = axis(node, input) }
    guard let first = found else { return }
    let result = shape(node.outputs[0])
    guard isFloat(node.outputs[0]), result[along] >= 0, result[along] <= Self.maximumCount else { return fixInputs(node) }
    var (labels, isZero): ([Int], [Bool]) = ([], [])
    for input in node.inputs {
      let part = axis(node, input)
      guard part == nil || part?.first == first.first else { return fixInputs(node) }
      if along == first.first {
        let count = shape(input)[along]
        labels += part?.labels ?? fixedLabels(count, "'\(graph.values[input].name)' has channels that stay")
        isZero += part?.isZero ?? [Bool](repeating: false, count: count)
        continue
      }
      guard let part else { return fixInputs(node) }
      join(first.labels, part.labels)
      labels = first.labels
      if isZero.isEmpty { isZero = part.isZero }
      for index in isZero.indices where !part.isZero[index] { isZero[index] = false }
    }
    axes[node.outputs[0]] = ChannelAxis(first.first, to: first.first, labels, isZero: isZero)
  }

  func split(_ node: Node, _ along: Int) {
    guard let axis = axis(node, node.inputs[0]) else { return }
    var start = 0
    for output in node.outputs {
      guard along == axis.first else {
        axes[output] = axis
        continue
      }
      let end = start + shape(output)[along]
      axes[output] = axis.taking(Array(start..<end))
      start = end
    }
  }

  func slice(_ node: Node, _ starts: [Int], _ ends: [Int], _ steps: [Int]) {
    guard let axis = axis(node, node.inputs[0]) else { return }
    let (start, end) = (starts[axis.first], ends[axis.first])
    guard steps[axis.first] == 1, start < end else { return fixInputs(node) }
    axes[node.outputs[0]] = axis.taking(Array(start..<end))
  }

  func pad(_ node: Node, _ mode: PadMode, _ before: [Int], _ after: [Int], _ value: Float) {
    guard var axis = axis(node, node.inputs[0]) else { return }
    let (first, last) = (before[axis.first], after[axis.first])
    guard first == 0 && last == 0 || mode == .constant && shape(node.outputs[0])[axis.first] <= Self.maximumCount else {
      return fixInputs(node)
    }
    if mode == .constant, value != 0 { axis = axis.with(isZero: false) }
    if first > 0 || last > 0 {
      let reason: Text = "'\(node.name)' pads channels"
      let labels = fixedLabels(first, reason) + axis.labels + fixedLabels(last, reason)
      let isZero = [Bool](repeating: true, count: first) + axis.isZero + [Bool](repeating: true, count: last)
      axis = ChannelAxis(axis.first, to: axis.first, labels, isZero: isZero)
    }
    axes[node.outputs[0]] = axis
  }

  func expand(_ node: Node) {
    let x = node.inputs[0]
    guard let axis = axis(node, x) else { return }
    let result = shape(node.outputs[0])
    let place = axis.first + result.rank - shape(x).rank
    guard result[place] == axis.labels.count else { return fixInputs(node) }
    axes[node.outputs[0]] = axis.moved(to: place)
  }

  func gather(_ node: Node, _ along: Int, _ indices: [Int32], _ isScalar: Bool) {
    guard var axis = axis(node, node.inputs[0]) else { return }
    if along == axis.first {
      guard !isScalar, !indices.isEmpty else { return fixInputs(node) }
      var places: [Int] = []
      for index in indices { places.append(Int(index)) }
      axis = axis.taking(places)
    } else if isScalar, along < axis.first {
      axis = axis.moved(to: axis.first - 1)
    }
    axes[node.outputs[0]] = axis
  }

  func transpose(_ node: Node, _ permutation: [Int]) {
    let x = node.inputs[0]
    guard let axis = axes[x] else { return }
    // The places of the axes must be neighbours again.
    var (first, order): (Int, [Int]) = (-1, [])
    for (place, source) in permutation.enumerated() where source >= axis.first && source <= axis.last {
      if first < 0 { first = place }
      guard place == first + order.count else { return fixInputs(node) }
      order.append(source - axis.first)
    }
    if axis.isCut {
      let dims = Array(shape(x).dims[axis.first...axis.last])
      let strides = Shape(dims).strides
      var index = [Int](repeating: 0, count: order.count)
      var from: [Int] = []
      from.reserveCapacity(axis.labels.count)
      while from.count < axis.labels.count {
        var place = 0
        for (position, source) in order.enumerated() { place += index[position] * strides[source] }
        from.append(place)
        var position = order.count - 1
        while position >= 0 {
          index[position] += 1
          if index[position] < dims[order[position]] { break }
          index[position] = 0
          position -= 1
        }
      }
      let taken = axis.taking(from)
      axes[node.outputs[0]] = ChannelAxis(
        first, to: first + order.count - 1, taken.labels, isZero: taken.isZero, origin: axis.origin, positions: from.map { axis.positions[$0] })
    } else {
      axes[node.outputs[0]] = axis.moved(to: first)
    }
  }

  func reshape(_ node: Node) {
    let (x, result) = (node.inputs[0], node.outputs[0])
    guard let axis = axes[x] else { return }
    let (from, to) = (shape(x).dims, shape(result).dims)
    if let (first, last) = block(axis, from, to) {
      let positions = axis.isCut ? axis.positions : last > first ? Array(axis.labels.indices) : []
      axes[result] = ChannelAxis(
        first, to: last, axis.labels, isZero: axis.isZero, origin: axis.isCut ? axis.origin : x, positions: positions)
      return
    }
    guard !axis.isCut, let merged = merged(axis, from, to) else { return fixInputs(node) }
    axes[result] = merged
  }

  /// The fewest axes of a reshaped value that hold exactly the channels.
  private func block(_ axis: ChannelAxis, _ from: [Int], _ to: [Int]) -> (Int, Int)? {
    let before = SymbolicCount(dims: from[..<axis.first])
    let after = SymbolicCount(dims: from[(axis.last + 1)...])
    let count = SymbolicCount(dims: [axis.labels.count])
    for first in to.indices.reversed() where SymbolicCount(dims: to[..<first]) == before {
      for last in first..<to.count where SymbolicCount(dims: to[(last + 1)...]) == after && SymbolicCount(dims: to[first...last]) == count {
        return (first, last)
      }
    }
    return nil
  }

  /// One axis of the result that joins that of the channels with neighbours, as where an image is flattened: each channel
  /// is found at several indices.
  private func merged(_ axis: ChannelAxis, _ from: [Int], _ to: [Int]) -> ChannelAxis? {
    for place in to.indices where to[place] > 0 && to[place] <= Self.maximumCount {
      let before = SymbolicCount(dims: to[..<place])
      let after = SymbolicCount(dims: to[(place + 1)...])
      for first in 0...axis.first where SymbolicCount(dims: from[..<first]) == before {
        for last in axis.first..<from.count
        where SymbolicCount(dims: from[(last + 1)...]) == after && !from[first...last].contains(Shape.batch) {
          guard let inner = Shape(Array(from[(axis.first + 1)..<(last + 1)])).elementCount(), inner > 0,
            let whole = Shape(Array(from[first...last])).elementCount(), whole == to[place]
          else { continue }
          var places: [Int] = []
          places.reserveCapacity(whole)
          for index in 0..<whole { places.append(index / inner % axis.labels.count) }
          return axis.taking(places).moved(to: place)
        }
      }
    }
    return nil
  }
}
