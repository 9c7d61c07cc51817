import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Takes classes of channels out of a graph, or makes them zeros.
struct ChannelRemoval {
  private let dependencies: ChannelDependencies
  private let isRemoved: [Bool]
  private let graph: Graph

  init(_ dependencies: ChannelDependencies, _ isRemoved: [Bool]) {
    self.dependencies = dependencies
    self.isRemoved = isRemoved
    graph = dependencies.graph
  }

  /// Indices of the channels of a value that stay; nil when all do.
  private func kept(_ value: ValueID) -> [Int]? {
    guard let axis = dependencies.axes[value] else { return nil }
    let kept = axis.labels.indices.filter { !isRemoved[dependencies.classes.root(axis.labels[$0])] }
    return kept.count == axis.labels.count ? nil : kept
  }

  /// The smaller graph.
  func pruned() throws(EdgeError) -> Graph {
    var result = graph
    var dropped = [Bool](repeating: false, count: graph.nodes.count)
    for (number, node) in graph.nodes.enumerated() {
      switch node.op {
      case .convolution(var convolution):
        convolution.groups = try layer(number, convolution.groups, &result)
        result.nodes[number].op = .convolution(convolution)
      case .transposedConvolution(var convolution):
        convolution.groups = try layer(number, convolution.groups, &result)
        result.nodes[number].op = .transposedConvolution(convolution)
      case .dense: _ = try layer(number, 1, &result)
      case .split(let axis, let sizes):
        guard axis == dependencies.axes[node.inputs[0]]?.first else { continue }
        let counts = node.outputs.indices.map { kept(node.outputs[$0])?.count ?? sizes[$0] }
        result.nodes[number].op = .split(axis: axis, sizes: counts)
      default:
        // A slice or gather of channels that all stay has other places to take them from.
        // Markers of branches have no results, and inputs may be missing.
        guard let output = node.outputs.first, let axis = dependencies.axes[output], let x = node.input(0),
          kept(output) != nil || kept(x) != nil
        else { continue }
        if axis.isCut { dropped[number] = true }
        try change(number, axis, kept(output) ?? Array(axis.labels.indices), &result)
      }
    }
    result.removeNodes(dropped)
    result = try result.inferred().compacted()
    try result.validate()
    return result
  }

  /// Weights and bias of a layer without what goes; gives the new number of groups.
  private func layer(_ number: Int, _ groups: Int, _ result: inout Graph) throws(EdgeError) -> Int {
    let node = graph.nodes[number]
    let (weights, bias) = (node.inputs[1], node.input(2))
    let shape = graph.values[weights].shape
    let depth = shape[shape.rank - 1]
    let (outputs, inputs) = (kept(node.outputs[0]), kept(node.inputs[0]))
    let isDepthwise = groups > 1 && depth == 1
    if let inputs, !isDepthwise {
      result.nodes[number].inputs[1] = groups == 1
        ? try sliced(weights, shape.rank - 1, inputs, &result) : try sliced(weights, groups: groups, inputs, &result)
    }
    if let outputs {
      result.nodes[number].inputs[1] = try sliced(result.nodes[number].inputs[1], 0, outputs, &result)
      if let bias { result.nodes[number].inputs[2] = try sliced(bias, 0, outputs, &result) }
    }
    return isDepthwise ? inputs?.count ?? groups : groups
  }

  /// A node whose result loses channels, and that is no layer and no split.
  private func change(_ number: Int, _ axis: ChannelAxis, _ kept: [Int], _ result: inout Graph) throws(EdgeError) {
    let node = graph.nodes[number]
    switch node.op {
    case .batchNormalization:
      for position in 1..<5 { result.nodes[number].inputs[position] = try sliced(node.inputs[position], 0, kept, &result) }
    case .binary:
      for position in 0..<2 {
        guard let place = vectorAxis(node, position, axis) else { continue }
        result.nodes[number].inputs[position] = try sliced(node.inputs[position], place, kept, &result)
      }
    case .slice(var starts, var ends, let steps):
      let before = dependencies.axes[node.inputs[0]]?.labels.prefix(starts[axis.first]) ?? []
      starts[axis.first] = before.filter { !isRemoved[dependencies.classes.root($0)] }.count
      ends[axis.first] = starts[axis.first] + kept.count
      result.nodes[number].op = .slice(starts: starts, ends: ends, steps: steps)
    case .expand(var shape):
      shape[axis.first] = kept.count
      result.nodes[number].op = .expand(shape)
    case .reshape(var shape):
      if dependencies.axes[node.inputs[0]]?.isCut == true, !axis.isCut {
        // The end of a shuffle: what is left of it is any order of channels.
        result.nodes[number].inputs = [axis.origin]
        result.nodes[number].op = gather(axis.first, kept.map { axis.positions[$0] }, from: axis.origin)
      } else {
        shape[axis.first] = kept.count
        result.nodes[number].op = .reshape(shape)
      }
    case .gather(let along, let indices, _) where along == axis.first:
      result.nodes[number].op = gather(along, kept.map { Int(indices[$0]) }, from: node.inputs[0])
    default: break
    }
  }

  /// A gather of channels that are named by their old indices.
  private func gather(_ axis: Int, _ channels: [Int], from source: ValueID) -> Operator {
    var places = [Int32](repeating: 0, count: dependencies.axes[source]?.labels.count ?? 0)
    for (place, channel) in (kept(source) ?? Array(places.indices)).enumerated() { places[channel] = Int32(truncatingIfNeeded: place) }
    return .gather(axis: axis, indices: channels.map { places[$0] }, scalarIndex: false)
  }

  /// The axis of a constant operand with a number for each channel of the result.
  private func vectorAxis(_ node: Node, _ position: Int, _ axis: ChannelAxis) -> Int? {
    let operand = graph.values[node.inputs[position]]
    guard operand.constant != nil,
      let place = ChannelDependencies.place(axis.first, operand.shape, in: graph.values[node.outputs[0]].shape),
      operand.shape[place] == axis.labels.count, axis.labels.count > 1
    else { return nil }
    return place
  }

  /// A new constant with some of the indices of an axis.
  private func sliced(_ id: ValueID, _ axis: Int, _ kept: [Int], _ result: inout Graph) throws(EdgeError) -> ValueID {
    var value = result.values[id]
    guard let constant = value.constant else { return id }
    let (outer, bytes) = blocks(value, axis)
    let count = value.shape[axis]
    let storage = try Storage.allocate(outer &* kept.count &* bytes)
    var target = storage.base
    for block in 0..<outer {
      let source = constant.base + block &* count &* bytes
      for index in kept {
        target.copyMemory(from: source + index &* bytes, byteCount: bytes)
        target += bytes
      }
    }
    value.shape[axis] = kept.count
    value.constant = TensorData(storage, offset: 0, byteCount: storage.count)
    return result.addValue(value)
  }

  /// New weights of a layer with groups, whose filters read some of the channels of their groups, as many in each.
  private func sliced(_ id: ValueID, groups: Int, _ inputs: [Int], _ result: inout Graph) throws(EdgeError) -> ValueID {
    let shape = graph.values[id].shape
    let (filters, depth) = (shape[0] / groups, shape[3])
    var parts: [ValueID] = []
    for group in 0..<groups {
      let rows = try sliced(id, 0, Array(group &* filters..<(group &+ 1) &* filters), &result)
      var columns: [Int] = []
      for input in inputs where input / depth == group { columns.append(input % depth) }
      parts.append(try sliced(rows, 3, columns, &result))
    }
    // Filters are the outermost axis: parts stand one after another.
    var value = result.values[parts[0]]
    value.shape[0] = shape[0]
    let bytes = result.values[parts[0]].constant?.byteCount ?? 0
    let storage = try Storage.allocate(bytes &* groups)
    for (group, part) in parts.enumerated() {
      guard let constant = result.values[part].constant else { continue }
      (storage.base + group &* bytes).copyMemory(from: constant.base, byteCount: bytes)
    }
    value.constant = TensorData(storage, offset: 0, byteCount: storage.count)
    return result.addValue(value)
  }

  /// How many times the indices of an axis of a constant stand one after another, and the bytes of each.
  private func blocks(_ value: Value, _ axis: Int) -> (count: Int, bytes: Int) {
    // Products of a constant's dimensions fit.
    var (count, bytes) = (1, value.dtype.byteCount)
    for (place, dim) in value.shape.dims.enumerated() {
      if place < axis { count = count &* dim } else if place > axis { bytes = bytes &* dim }
    }
    return (count, bytes)
  }

  // MARK: The dense form

  /// The graph in its old shape with zeros for the channels that go: in the weights and the bias that make them, and in
  /// constants that are added along them or compared with them.
  func masked() throws(EdgeError) -> Graph {
    var result = graph
    for (number, node) in graph.nodes.enumerated() {
      guard let output = node.outputs.first, let axis = dependencies.axes[output], let kept = kept(output) else { continue }
      var isGone = [Bool](repeating: true, count: axis.labels.count)
      for index in kept { isGone[index] = false }
      for position in node.inputs.indices {
        let along: Int?
        switch node.op {
        case .convolution, .transposedConvolution, .dense: along = position == 1 || position == 2 ? 0 : nil
        case .batchNormalization: along = position == 2 || position == 3 ? 0 : nil
        case .binary(let function, _) where function == .add || function == .subtract || function == .minimum || function == .maximum:
          along = vectorAxis(node, position, axis)
        default: along = nil
        }
        guard let along, let input = node.input(position) else { continue }
        result.nodes[number].inputs[position] = try zeroed(input, along, isGone, &result)
      }
    }
    result = result.compacted()
    try result.validate()
    return result
  }

  /// A copy of a constant with zeros at some of the indices of an axis.
  private func zeroed(_ id: ValueID, _ axis: Int, _ isGone: [Bool], _ result: inout Graph) throws(EdgeError) -> ValueID {
    var value = graph.values[id]
    guard let constant = value.constant else { return id }
    let storage = try Storage.allocate(constant.byteCount)
    storage.base.copyMemory(from: constant.base, byteCount: constant.byteCount)
    let (outer, bytes) = blocks(value, axis)
    for block in 0..<outer {
      for index in isGone.indices where isGone[index] { ep_zero(storage.base + (block &* isGone.count &+ index) &* bytes, bytes) }
    }
    value.constant = TensorData(storage, offset: 0, byteCount: storage.count)
    return result.addValue(value)
  }
}
