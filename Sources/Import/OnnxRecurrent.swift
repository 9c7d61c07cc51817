#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// RNN, GRU and LSTM: for each direction a dense layer over all time steps and the recurrence behind it. The order of
// the gates is the graph operator's.

extension OnnxImporter {
  func importRecurrent() throws(EdgeError) {
    let layers = try recurrentLayers()
    let directions = layers.count
    let (kind, isBatchFirst) = (layers[0].kind, layers[0].isBatchFirst)
    let (x, w, r) = (try input(0), try input(1), try input(2))
    let (shape, weights) = (operands[x].shape, operands[r].shape)
    guard shape.rank == 3 else { throw wrongShape("\(shape.text) are not sequences of vectors", operand: x) }
    guard weights.rank == 3, weights[2] > 0, weights[2] <= 1 << 24 else {
      throw wrongShape("the recurrent weights have shape \(weights.text)", operand: r)
    }
    let hidden = weights[2]
    let width = layers[0].gateCount * hidden
    if let size = try integerAttribute("hidden_size"), size != hidden { throw wrongShape("attribute 'hidden_size' is \(size)", operand: r) }
    let batch = shape[isBatchFirst ? 0 : 1]
    let states = isBatchFirst ? [batch, directions, hidden] : [directions, batch, hidden]
    let inputWeights = try perDirection(w, [directions, width, shape[2]], axis: 0)
    let recurrentWeights = try perDirection(r, [directions, width, hidden], axis: 0)
    let bias = try optionalPerDirection(3, [directions, 2 * width], axis: 0)
    let initial = try optionalPerDirection(5, states, axis: isBatchFirst ? 1 : 0)
    let cell = kind == .lstm ? try optionalPerDirection(6, states, axis: isBatchFirst ? 1 : 0) : nil
    let peepholes = kind == .lstm ? try optionalPerDirection(7, [directions, 3 * hidden], axis: 0) : nil
    var lengths = Node.noValue
    if let id = try optionalInput(4) {
      guard operands[id].shape.dims == [batch] else {
        throw wrongShape("lengths have shape \(operands[id].shape.text), \(Shape([batch]).text) is required", operand: id)
      }
      lengths = try tensor(id)
    }

    var results = [[ValueID]](repeating: [], count: kind == .lstm ? 3 : 2)
    for (direction, layer) in layers.enumerated() {
      var dense = [try floatTensor(x), inputWeights[direction]]
      var inputs = [Node.noValue, recurrentWeights[direction], Node.noValue]
      if let bias {
        let (ofGates, ofProduct) = try recurrentBias(bias[direction], layer, width, hidden)
        dense.append(ofGates)
        inputs[2] = ofProduct
      }
      inputs[0] = try part(.dense(.none), dense)
      for more in [initial, cell, peepholes] { inputs.append(more?[direction] ?? Node.noValue) }
      inputs.append(lengths)
      while inputs.last == Node.noValue { inputs.removeLast() }
      let names = results.map { _ in helperName(nodeName + ".states") }
      for (index, value) in try emit(.recurrent(layer), inputs, names).enumerated() { results[index].append(value) }
    }
    try setRecurrentResult(0, results[0], axis: isBatchFirst ? 2 : 1)
    for index in 1..<results.count { try setRecurrentResult(index, results[index], axis: isBatchFirst ? 1 : 0) }
  }

  /// The node's directions with their attributes.
  private func recurrentLayers() throws(EdgeError) -> [Recurrent] {
    let kind: Recurrent.Kind = node.type == "LSTM" ? .lstm : node.type == "GRU" ? .gru : .rnn
    var layer = Recurrent(kind)
    layer.isBatchFirst = try integerAttribute("layout", 0) != 0
    if kind == .gru { layer.resetsAfterProduct = try integerAttribute("linear_before_reset", 0) != 0 }
    if kind == .lstm { layer.couplesGates = try integerAttribute("input_forget", 0) != 0 }
    layer.clip = try floatAttribute("clip", .infinity)
    guard layer.clip > 0 else { throw malformed("attribute 'clip' is \(layer.clip)") }
    var layers = [layer]
    switch try textAttribute("direction", "forward") {
    case "forward": break
    case "reverse": layers[0].isReverse = true
    case "bidirectional":
      layers.append(layer)
      layers[1].isReverse = true
    case let other: throw malformed("attribute 'direction' is '\(other)'")
    }
    guard let names = try textsAttribute("activations"), !names.isEmpty else { return layers }
    let functions = kind == .rnn ? 1 : kind == .gru ? 2 : 3
    guard names.count == functions * layers.count else {
      throw malformed("\(names.count) activations, not \(functions * layers.count)")
    }
    var alphas = (try floatsAttribute("activation_alpha") ?? [])[...]
    var betas = (try floatsAttribute("activation_beta") ?? [])[...]
    for (index, name) in names.enumerated() {
      let activation = try recurrentActivation(name, &alphas, &betas)
      switch index % functions {
      case 0: layers[index / functions].f = activation
      case 1: layers[index / functions].g = activation
      default: layers[index / functions].h = activation
      }
    }
    return layers
  }

  /// Functions that have parameters take the next ones.
  private func recurrentActivation(
    _ name: Text, _ alphas: inout ArraySlice<Float>, _ betas: inout ArraySlice<Float>
  ) throws(EdgeError) -> Recurrent.Activation {
    func next(_ numbers: inout ArraySlice<Float>, _ standard: Float) throws(EdgeError) -> Float {
      let value = numbers.popFirst() ?? standard
      guard value.isFinite else { throw malformed("a parameter of '\(name)' is \(value)") }
      return value
    }
    var activation = Recurrent.Activation(UnaryFunction(.clamp, alpha: -.infinity, beta: .infinity))
    switch OnnxName(text: name) {
    case "Relu": activation.function.alpha = 0
    case "Tanh": activation.function = UnaryFunction(.tanh)
    case "Sigmoid": activation.function = UnaryFunction(.sigmoid)
    case "Softsign": activation.function = UnaryFunction(.softsign)
    case "Softplus": activation.function = UnaryFunction(.softplus)
    case "LeakyRelu": activation.function = UnaryFunction(.leakyRelu, alpha: try next(&alphas, 0.01))
    case "ThresholdedRelu": activation.function = UnaryFunction(.thresholdedRelu, alpha: try next(&alphas, 1))
    case "Elu": activation.function = UnaryFunction(.elu, alpha: try next(&alphas, 1))
    case "HardSigmoid":
      activation.function = UnaryFunction(.hardSigmoid, alpha: try next(&alphas, 0.2), beta: try next(&betas, 0.5))
    case "Affine":
      activation.inputScale = try next(&alphas, 1)
      activation.inputOffset = try next(&betas, 0)
    case "ScaledTanh":
      activation.function = UnaryFunction(.tanh)
      activation.outputScale = try next(&alphas, 1)
      activation.inputScale = try next(&betas, 1)
    default: throw reject("activation '\(name)'")
    }
    return activation
  }

  private func optionalPerDirection(_ index: Int, _ dims: [Int], axis: Int) throws(EdgeError) -> [ValueID]? {
    guard let id = try optionalInput(index) else { return nil }
    return try perDirection(id, dims, axis: axis)
  }

  /// The parts of a tensor along its axis of directions, without that axis.
  private func perDirection(_ id: Int, _ dims: [Int], axis: Int) throws(EdgeError) -> [ValueID] {
    guard operands[id].shape.dims == dims else {
      throw wrongShape("shape \(operands[id].shape.text), \(Shape(dims).text) is required", operand: id)
    }
    var parts = [try floatTensor(id)]
    if dims[axis] > 1 {
      let names = (0..<dims[axis]).map { _ in helperName(nodeName + ".direction") }
      parts = try emit(.split(axis: axis, sizes: [Int](repeating: 1, count: dims[axis])), parts, names)
    }
    var rest = dims
    rest.remove(at: axis)
    var results: [ValueID] = []
    for part in parts { results.append(try reshaped(part, rest)) }
    return results
  }

  /// The bias of the gates, and that of the product that a GRU resets.
  private func recurrentBias(
    _ bias: ValueID, _ layer: Recurrent, _ width: Int, _ hidden: Int
  ) throws(EdgeError) -> (ofGates: ValueID, ofProduct: ValueID) {
    let sizes = layer.resetsAfterProduct ? [width, width - hidden, hidden] : [width, width]
    let parts = try emit(.split(axis: 0, sizes: sizes), [bias], sizes.map { _ in helperName(nodeName + ".bias") })
    if sizes.count == 2 { return (try binary(.add, parts[0], parts[1]), Node.noValue) }
    let zeros = try table(".zeros", .float32, [hidden], [Float](repeating: 0, count: hidden))
    let rest = try part(.concat(axis: 0), [parts[1], zeros])
    return (try binary(.add, parts[0], rest), parts[2])
  }

  /// A result of all directions, side by side along a new axis.
  private func setRecurrentResult(_ output: Int, _ values: [ValueID], axis: Int) throws(EdgeError) {
    guard isUsed(output: output) else { return }
    var dims = graph.values[values[0]].shape.dims
    dims.insert(1, at: axis)
    if values.count == 1 { return try setResult(try emit(.reshape(Shape(dims)), values, resultName(output)), output: output) }
    var parts: [ValueID] = []
    for value in values { parts.append(try reshaped(value, dims)) }
    try setResult(try emit(.concat(axis: axis), parts, resultName(output)), output: output)
  }
}
