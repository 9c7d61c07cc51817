#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The channels of a value: the axis along which they lie, a label (`ChannelClasses`) for each index, and whether a
/// channel that goes would be zero there.
final class ChannelAxis {
  /// A reshape may have cut the axis into several neighbouring ones, first...last, whose indices count as one number.
  let first: Int
  let last: Int
  let labels: [Int]
  let isZero: [Bool]
  /// Of such a cut one: the value that was cut, and which of its channels stands at each index.
  let origin: ValueID
  let positions: [Int]

  var isCut: Bool { last > first }

  @inline(never)
  init(_ first: Int, to last: Int, _ labels: [Int], isZero: [Bool], origin: ValueID = Node.noValue, positions: [Int] = []) {
    self.first = first
    self.last = last
    self.labels = labels
    self.isZero = isZero
    self.origin = origin
    self.positions = positions
  }

  /// The same channels along another axis, that has not been cut.
  @inline(never)
  func moved(to axis: Int) -> ChannelAxis { ChannelAxis(axis, to: axis, labels, isZero: isZero) }

  /// The same channels where those that go would all be zero, or none.
  @inline(never)
  func with(isZero: Bool) -> ChannelAxis {
    ChannelAxis(first, to: last, labels, isZero: [Bool](repeating: isZero, count: labels.count))
  }

  /// Of an axis that has not been cut the channels at some indices.
  @inline(never)
  func taking(_ indices: [Int]) -> ChannelAxis {
    var (taken, zero): ([Int], [Bool]) = ([], [])
    for index in indices {
      taken.append(labels[index])
      zero.append(isZero[index])
    }
    return ChannelAxis(first, to: last, taken, isZero: zero)
  }
}

/// Every group of a value's channels keeps as many as the others.
final class ChannelBalance {
  let value: ValueID
  /// Channels of a group before any go.
  let size: Int
  /// Channels that each group keeps so far.
  var kept: [Int]

  init(_ value: ValueID, groups: Int, size: Int) {
    self.value = value
    self.size = size
    kept = [Int](repeating: size, count: groups)
  }

  /// By how many channels the largest group is larger than the smallest.
  var spread: Int { measure().spread }
  /// How many channels are missing for all groups to have as many as the largest.
  var missing: Int { measure().missing }

  @inline(never)
  private func measure() -> (spread: Int, missing: Int) {
    var (least, most, sum) = (Int.max, 0, 0)
    for count in kept {
      least = min(least, count)
      most = max(most, count)
      sum += count
    }
    return (most - least, most * kept.count - sum)
  }
}

/// Finds which channels go together, by following the axis of channels from each layer that makes them through the graph.
///
/// Every output channel of a convolution or dense layer begins as a class of its own. Operators carry the labels along;
/// those that need the same channels on two sides join classes:
///
///     x + y                   channel i of x and channel i of y
///     depthwise               the output channels made of an input channel, and that one
///     groups                  nothing: but as many channels go from every group (`balances`)
///     reshape, transpose,     nothing: channels change places (a shuffle), and the three nodes become one gather
///       reshape
///
/// What is not known here fixes the classes it meets. A value without an entry in `axes` has no channels that could go.
final class ChannelDependencies {
  let graph: Graph
  var classes = ChannelClasses()
  /// By value.
  var axes: [ChannelAxis?]
  /// Nodes of layers, in order: those whose output channels are listed in the result.
  private(set) var layers: [Int] = []
  /// Values whose channels some layer takes, or makes, in groups of equal size, and the numbers of groups.
  private(set) var balances: [ChannelBalance] = []
  /// The number of layers that read a constant as weights.
  private var readers: [Int]

  /// The graph must be valid.
  init(_ graph: Graph) {
    self.graph = graph
    axes = [ChannelAxis?](repeating: nil, count: graph.values.count)
    readers = [Int](repeating: 0, count: graph.values.count)
    for (number, node) in graph.nodes.enumerated() where node.op.isLayer {
      layers.append(number)
      readers[node.inputs[1]] += 1
    }
    for number in graph.nodes.indices { visit(number) }
    for output in graph.outputs { fix(output, "is an output of the model") }
  }

  private func visit(_ number: Int) {
    let node = graph.nodes[number]
    switch node.op {
    case .convolution(let convolution): layer(number, groups: convolution.groups, convolution.clamp)
    case .transposedConvolution(let convolution): layer(number, groups: convolution.groups, convolution.clamp)
    case .dense(let clamp): layer(number, groups: 1, clamp)
    case .batchNormalization: batchNormalization(node)
    case .unary(let function): unary(node, function)
    case .binary(let function, let clamp): binary(node, function, clamp)
    case .pool, .resize: keepAxis(node, atEnd: true)
    case .softmax(let axis, _): softmax(node, axis)
    case .reduce(let function, let axes, let keepDims): reduce(node, function, axes, keepDims)
    case .concat(let axis): concat(node, axis)
    case .split(let axis, _): split(node, axis)
    case .slice(let starts, let ends, let steps): slice(node, starts, ends, steps)
    case .pad(let mode, let before, let after, let value): pad(node, mode, before, after, value)
    case .transpose(let permutation): transpose(node, permutation)
    case .reshape: reshape(node)
    case .expand: expand(node)
    case .gather(let axis, let indices, let isScalar): gather(node, axis, indices, isScalar)
    default: fixInputs(node)
    }
  }

  // MARK: What operators share

  func shape(_ value: ValueID) -> Shape { graph.values[value].shape }

  /// The axis of a value whose channels lie along one axis; all others are fixed.
  func axis(_ node: Node, _ input: ValueID) -> ChannelAxis? {
    guard let axis = axes[input] else { return nil }
    if !axis.isCut { return axis }
    fix(input, needsAll(node))
    return nil
  }

  func needsAll(_ node: Node) -> Text { "\(node.op.name) '\(node.name)' needs all channels" }

  func fix(_ value: ValueID, _ reason: Text) {
    guard let axis = axes[value] else { return }
    let reason = classes.addReason("'\(graph.values[value].name)' \(reason)")
    for label in axis.labels { classes.fix(label, reason) }
  }

  /// Nothing that a node reads may go.
  func fixInputs(_ node: Node) {
    for input in node.inputs where input != Node.noValue && axes[input] != nil { fix(input, "is read whole by \(node.op.name) '\(node.name)'") }
  }

  /// Channels at the same index go together.
  @inline(never)
  func join(_ a: [Int], _ b: [Int]) {
    for (a, b) in zip(a, b) { classes.join(a, b) }
  }

  /// Labels that cannot go, for what has none.
  func fixedLabels(_ count: Int, _ reason: Text) -> [Int] {
    let labels = classes.make(count)
    let reason = classes.addReason(reason)
    for label in labels { classes.fix(label, reason) }
    return labels
  }

  func isFloat(_ value: ValueID) -> Bool { graph.values[value].dtype == .float32 }

  // MARK: Layers

  private func layer(_ number: Int, groups: Int, _ clamp: Clamp) {
    let node = graph.nodes[number]
    let (x, result) = (node.inputs[0], node.outputs[0])
    let weights = graph.values[node.inputs[1]]
    let bias = node.input(2).map { graph.values[$0] }
    guard weights.constant != nil, weights.dtype == .float32, bias == nil || bias?.constant != nil, readers[node.inputs[1]] == 1 else {
      return fixInputs(node)
    }
    let (rows, depth) = (weights.shape[0], weights.shape[weights.shape.rank - 1])
    let last = shape(x).rank - 1
    var input = axis(node, x)
    if let axis = input, axis.first != last {
      fix(x, needsAll(node))
      input = nil
    }
    let residual = node.input(3)
    let isDepthwise = groups > 1 && depth == 1
    var labels: [Int] = []
    if isDepthwise {
      // An input that cannot lose channels has outputs that cannot either.
      let labelsIn = input?.labels ?? fixedLabels(groups, "'\(node.name)' works on channels that stay")
      for label in labelsIn {
        for _ in 0..<(rows / groups) { labels.append(label) }
      }
    } else {
      if let input { read(input, node) }
      labels = classes.make(rows)
      if groups > 1 {
        if input != nil { balances.append(ChannelBalance(x, groups: groups, size: depth)) }
        balances.append(ChannelBalance(result, groups: groups, size: rows / groups))
      }
    }
    var isZero = [Bool](repeating: clamp.min <= 0 && clamp.max >= 0, count: rows)
    if let residual {
      if let added = axis(node, residual), added.first == last {
        join(labels, added.labels)
        for index in isZero.indices where !added.isZero[index] { isZero[index] = false }
      } else {
        fix(residual, needsAll(node))
        let reason = classes.addReason("'\(node.name)' adds '\(graph.values[residual].name)', whose channels stay")
        for label in labels { classes.fix(label, reason) }
      }
    }
    axes[result] = ChannelAxis(last, to: last, labels, isZero: isZero)
  }

  /// The input of a layer that sums over channels.
  private func read(_ input: ChannelAxis, _ node: Node) {
    var reason = -1
    for index in input.labels.indices where !input.isZero[index] {
      if reason < 0 { reason = classes.addReason("a channel without weights would not be zero where '\(node.name)' reads it") }
      classes.fix(input.labels[index], reason)
    }
  }

  // MARK: The result

  /// What became of the output channels of each layer.
  func summary(_ isRemoved: [Bool]) -> [ChannelLayer] {
    var summary: [ChannelLayer] = []
    for number in layers {
      let node = graph.nodes[number]
      let rows = shape(node.outputs[0]).dims.last ?? 0
      guard let axis = axes[node.outputs[0]] else {
        // Weights that are no constant, or that several layers share.
        let reason: Text = "the weights of '\(node.name)' are no float32 constant of its own"
        summary.append(ChannelLayer(node.name, before: rows, kept: Array(0..<max(rows, 0)), fixed: rows, reason: reason))
        continue
      }
      var (kept, fixed, first): ([Int], Int, Text) = ([], 0, "")
      for (index, label) in axis.labels.enumerated() {
        if !isRemoved[classes.root(label)] { kept.append(index) }
        guard let reason = classes.reason(label) else { continue }
        if fixed == 0 { first = reason }
        fixed += 1
      }
      summary.append(ChannelLayer(node.name, before: rows, kept: kept, fixed: fixed, reason: first))
    }
    return summary
  }
}
