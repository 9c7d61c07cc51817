extension Graph {
  /// Folds batch normalization, and other multiplications and additions by constants of one number or one for
  /// each channel, into the convolution, transposed convolution or dense layer before them (Ioffe & Szegedy 2015
  /// give the normalization).
  ///
  ///     before   x -> Convolution(w, b) -> BatchNormalization(scale, bias, mean, variance) -> y
  ///     after    x -> Convolution(w * s, (b - mean) * s + bias) -> y,  s = scale / sqrt(variance + epsilon)
  ///
  /// The layer must have float constants for weights and bias, no clamp and no residual, and nobody else may read
  /// its result. A single factor goes through products of matrices, transposes and reshapes to such a layer. A batch
  /// normalization that cannot be folded becomes a multiplication and an addition.
  public func foldingBatchNormalization() throws(EdgeError) -> Graph {
    try validate()
    let fold = AffineFolding(self)
    for number in nodes.indices { try fold.visit(number) }
    return try fold.finish()
  }
}

/// y = x * scale[c] + offset[c]; vectors of one element are for all channels.
private struct Affine {
  var scale: [Float]
  var offset: [Float]
}

private final class AffineFolding {
  private var graph: Graph
  /// Makers of values, kept up to date; a folded node's result is made by the layer.
  private var producers: [Int]
  private let index: GraphIndex
  private var removed: [Bool]
  /// Additions that follow the multiplication of a split batch normalization, by its node's number.
  private var additions: [(after: Int, node: Node)] = []
  /// Weights and biases with something folded into them, by what and into which: layers that are folded alike go on sharing.
  private var folded = TextMap()

  init(_ graph: Graph) {
    self.graph = graph
    index = GraphIndex(graph)
    producers = index.producers
    removed = [Bool](repeating: false, count: graph.nodes.count)
  }

  func visit(_ number: Int) throws(EdgeError) {
    let node = graph.nodes[number]
    switch node.op {
    case .batchNormalization(let epsilon):
      guard let affine = normalization(node, epsilon) else { return }
      if try !fold(affine, of: node.inputs[0], number) { try separate(number, affine) }
    case .binary(let function, let clamp) where clamp.isNone:
      guard let (x, affine) = constantOperand(node, function) else { return }
      _ = try fold(affine, of: x, number)
    default: return
    }
  }

  func finish() throws(EdgeError) -> Graph {
    guard !additions.isEmpty else {
      graph.removeNodes(removed)
      return graph.compacted()
    }
    var nodes: [Node] = []
    var next = 0
    for (number, node) in graph.nodes.enumerated() {
      if !removed[number] { nodes.append(node) }
      while next < additions.count && additions[next].after == number {
        nodes.append(additions[next].node)
        next += 1
      }
    }
    graph.nodes = nodes
    return graph.compacted()
  }

  // MARK: What is folded

  private func normalization(_ node: Node, _ epsilon: Float) -> Affine? {
    guard let scale = graph.values[node.inputs[1]].floats, let bias = graph.values[node.inputs[2]].floats,
      let mean = graph.values[node.inputs[3]].floats, let variance = graph.values[node.inputs[4]].floats
    else { return nil }
    var affine = Affine(scale: [], offset: [])
    for channel in scale.indices {
      // Double, so that the folded numbers carry one rounding.
      let factor = Double(scale[channel]) / (Double(variance[channel]) + Double(epsilon)).squareRoot()
      affine.scale.append(Float(factor))
      affine.offset.append(Float(Double(bias[channel]) - Double(mean[channel]) * factor))
    }
    return affine
  }

  /// The operand that is computed, and what the constant one does to it.
  private func constantOperand(_ node: Node, _ function: BinaryFunction) -> (ValueID, Affine)? {
    for (position, other) in [(1, 0), (0, 1)] {
      let constant = graph.values[node.inputs[position]]
      guard let numbers = constant.floats, let count = numbers.first.map({ _ in numbers.count }) else { continue }
      let x = node.inputs[other]
      let result = graph.values[node.outputs[0]].shape
      guard graph.values[x].constant == nil, graph.values[x].shape == result, constant.shape.rank <= result.rank,
        count == 1 || (constant.shape.dims.last == count && result.dims.last == count)
      else { continue }
      let (one, zero): ([Float], [Float]) = ([1], [0])
      switch function {
      case .add: return (x, Affine(scale: one, offset: numbers))
      case .multiply: return (x, Affine(scale: numbers, offset: zero))
      case .subtract where position == 1: return (x, Affine(scale: one, offset: numbers.map { -$0 }))
      case .subtract: return (x, Affine(scale: [-1], offset: numbers))
      case .divide where position == 1 && numbers.allSatisfy({ (1 / $0).isFinite }):
        return (x, Affine(scale: numbers.map { 1 / $0 }, offset: zero))
      default: return nil
      }
    }
    return nil
  }

  // MARK: Changing the graph

  /// Folds into the layer that makes x; false when there is none that can take it.
  private func fold(_ affine: Affine, of x: ValueID, _ number: Int) throws(EdgeError) -> Bool {
    guard let producer = layer(behind: x, isFactor: affine.scale.count == 1 && affine.offset == [0]),
      let weights = graph.values[graph.nodes[producer].inputs[1]].floats
    else { return false }
    let layer = graph.nodes[producer]
    let channels = graph.values[layer.inputs[1]].shape[0]
    var bias = [Float](repeating: 0, count: channels)
    if let old = layer.input(2) {
      guard let numbers = graph.values[old].floats else { return false }
      bias = numbers
    }
    func element(_ vector: [Float], _ channel: Int) -> Float { vector[vector.count == 1 ? 0 : channel] }
    // New constants: other layers may share the old ones, and the new ones where the same is folded into them.
    let (oldWeights, oldBias) = (layer.inputs[1], layer.input(2) ?? Node.noValue)
    let weightsKey = Shape([oldWeights]).text + affine.scale.withUnsafeBytes { Text($0) }
    let biasKey = weightsKey + Shape([oldBias]).text + affine.offset.withUnsafeBytes { Text($0) }
    var inputs = layer.inputs
    if let known = folded[weightsKey] {
      inputs[1] = known
    } else if affine.scale != [1] {
      let perChannel = weights.count / max(channels, 1)
      var scaled = weights
      for channel in 0..<channels {
        let scale = element(affine.scale, channel)
        scaled.withUnsafeMutableBufferPointer { elements in
          var place = channel &* perChannel
          let end = place &+ perChannel
          while place < end {
            elements[place] *= scale
            place &+= 1
          }
        }
      }
      let old = graph.values[oldWeights]
      inputs[1] = try graph.addConstant(old.name, .float32, old.shape, scaled)
      folded.set(weightsKey, inputs[1])
    }
    let newBias: ValueID
    if let known = folded[biasKey] {
      newBias = known
    } else {
      for channel in 0..<channels {
        bias[channel] = Float(Double(bias[channel]) * Double(element(affine.scale, channel)) + Double(element(affine.offset, channel)))
      }
      let biasName = layer.input(2).map { graph.values[$0].name } ?? layer.name + ".bias"
      newBias = try graph.addConstant(biasName, .float32, Shape([channels]), bias)
      folded.set(biasKey, newBias)
    }
    if inputs.count > 2 { inputs[2] = newBias } else { inputs.append(newBias) }
    graph.nodes[producer].inputs = inputs
    let result = graph.nodes[number].outputs[0]
    producers[result] = producers[x]
    graph.nodes[producers[x]].outputs[0] = result
    removed[number] = true
    return true
  }

  /// The number of the layer that makes x; where all of x is multiplied by one factor, also a layer that a product of
  /// matrices or a movement stands behind, as the scale of attention does: at most `steps` nodes further.
  private func layer(behind x: ValueID, isFactor: Bool, steps: Int = 8) -> Int? {
    guard steps > 0, producers[x] >= 0, index.isUsedOnce(x), graph.values[x].dtype == .float32 else { return nil }
    let node = graph.nodes[producers[x]]
    switch node.op {
    case .convolution(let convolution) where convolution.clamp.isNone: break
    case .transposedConvolution(let convolution) where convolution.clamp.isNone: break
    case .dense(let clamp) where clamp.isNone: break
    case .transpose where isFactor, .reshape where isFactor: return layer(behind: node.inputs[0], isFactor: true, steps: steps - 1)
    case .matMul where isFactor && node.input(2) == nil:
      return layer(behind: node.inputs[0], isFactor: true, steps: steps - 1)
        ?? layer(behind: node.inputs[1], isFactor: true, steps: steps - 1)
    default: return nil
    }
    guard node.input(3) == nil else { return nil }
    return producers[x]
  }

  /// x * scale, then + offset, in place of a batch normalization.
  private func separate(_ number: Int, _ affine: Affine) throws(EdgeError) {
    let node = graph.nodes[number]
    let shape = Shape([affine.scale.count])
    let result = graph.values[node.outputs[0]]
    let scale = try graph.addConstant(node.name.extended(by: ".scale"), .float32, shape, affine.scale)
    let offset = try graph.addConstant(node.name.extended(by: ".offset"), .float32, shape, affine.offset)
    let product = graph.addValue(Value(name: result.name.extended(by: "_scaled"), dtype: .float32, shape: result.shape))
    graph.nodes[number] = Node(
      name: node.name.extended(by: ".scale"), op: .binary(.multiply, .none), inputs: [node.inputs[0], scale], outputs: [product])
    let addition = Node(name: node.name.extended(by: ".offset"), op: .binary(.add, .none), inputs: [product, offset], outputs: node.outputs)
    additions.append((number, addition))
    producers[node.outputs[0]] = -1
  }
}
