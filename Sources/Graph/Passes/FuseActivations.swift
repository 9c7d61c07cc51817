extension Graph {
  /// Joins what kernels do in one go.
  ///
  ///     before   x -> Convolution -> Add(r) -> Clamp 0...inf -> y
  ///     after    (x, w, b, r) -> Convolution clamp 0...inf -> y
  ///
  /// - A clamp (ReLU, ReLU6, clip) goes into the convolution, transposed convolution, dense layer or binary
  ///   operator before it.
  /// - An addition of a constant row goes into a float dense layer as its bias.
  /// - An addition goes into a float convolution or dense layer as its residual: same shape, no clamp between;
  ///   nodes are put in another order where the residual is made later.
  /// - x * sigmoid(x) becomes silu; clip(x + 3, 0, 6) / 6 becomes hard sigmoid, x times it hard swish;
  ///   x / 2 * (1 + erf(x / sqrt 2)) becomes gelu.
  ///
  /// What goes into another node has no other reader.
  public func fusingActivations() throws(EdgeError) -> Graph {
    try validate()
    let patterns = ActivationPatterns(self)
    for number in nodes.indices { patterns.visit(number) }
    let recognized = try patterns.graph.removingDeadNodes()
    let fusion = try ActivationFusion(recognized)
    for number in recognized.nodes.indices { fusion.visit(number) }
    return try fusion.finish()
  }
}

private final class ActivationFusion {
  private var graph: Graph
  /// Makers of values, kept up to date.
  private var producers: [Int]
  private let index: GraphIndex
  private var removed: [Bool]
  /// The branch or loop body of each node.
  private let blocks: [Int]

  init(_ graph: Graph) throws(EdgeError) {
    self.graph = graph
    blocks = try ControlFlow(graph).blocks
    index = GraphIndex(graph)
    producers = index.producers
    removed = [Bool](repeating: false, count: graph.nodes.count)
  }

  func visit(_ number: Int) {
    let node = graph.nodes[number]
    switch node.op {
    case .unary(let function) where function.kind == .clamp:
      fuse(Clamp(min: function.alpha, max: function.beta), of: node.inputs[0], number)
    case .binary(.add, let clamp):
      // The later of two layers takes the other's result as residual.
      for position in 0..<2 where addBias(number, layer: node.inputs[position], bias: node.inputs[1 - position], clamp) { return }
      let pair = producers[node.inputs[0]] > producers[node.inputs[1]] ? [0, 1] : [1, 0]
      for position in pair where addResidual(number, layer: node.inputs[position], residual: node.inputs[1 - position], clamp) { return }
    default: return
    }
  }

  func finish() throws(EdgeError) -> Graph {
    graph.removeNodes(removed)
    return try graph.sorted().compacted()
  }

  /// Makes a layer produce the result of a node that it absorbed.
  private func absorb(_ number: Int, into producer: Int) {
    let result = graph.nodes[number].outputs[0]
    graph.nodes[producer].outputs[0] = result
    producers[result] = producer
    removed[number] = true
  }

  private func fuse(_ clamp: Clamp, of x: ValueID, _ number: Int) {
    let producer = producers[x]
    let result = graph.values[graph.nodes[number].outputs[0]]
    guard producer >= 0, index.isUsedOnce(x), graph.values[x].dtype == result.dtype,
      graph.values[x].quantization == result.quantization
    else { return }
    switch graph.nodes[producer].op {
    case .convolution(var convolution):
      convolution.clamp = convolution.clamp.followed(by: clamp)
      graph.nodes[producer].op = .convolution(convolution)
    case .transposedConvolution(var convolution):
      convolution.clamp = convolution.clamp.followed(by: clamp)
      graph.nodes[producer].op = .transposedConvolution(convolution)
    case .dense(let first): graph.nodes[producer].op = .dense(first.followed(by: clamp))
    // The clamp of a gate is not one of its result.
    case .binary(let function, let first) where function != .gate: graph.nodes[producer].op = .binary(function, first.followed(by: clamp))
    default: return
    }
    absorb(number, into: producer)
  }

  /// A constant of one number for each column, which a matrix product has no place for, is the bias of a dense layer.
  private func addBias(_ number: Int, layer x: ValueID, bias: ValueID, _ clamp: Clamp) -> Bool {
    let producer = producers[x]
    let value = graph.values[bias]
    guard producer >= 0, case .dense(let first) = graph.nodes[producer].op, first.isNone, index.isUsedOnce(x), value.constant != nil,
      value.dtype == .float32, let columns = value.shape.dims.last, columns == graph.values[x].shape.dims.last,
      value.shape.elementCount() == columns, graph.values[x].dtype == .float32, graph.nodes[producer].inputs.count == 2,
      graph.values[graph.nodes[number].outputs[0]].shape == graph.values[x].shape
    else { return false }
    var flat = value
    flat.shape = Shape([columns])
    graph.nodes[producer].inputs.append(graph.addValue(flat))
    graph.nodes[producer].op = .dense(clamp)
    absorb(number, into: producer)
    return true
  }

  private func addResidual(_ number: Int, layer x: ValueID, residual: ValueID, _ clamp: Clamp) -> Bool {
    let producer = producers[x]
    // In another block the residual may not be there when the layer runs.
    guard producer >= 0, index.isUsedOnce(x), x != residual, graph.values[x].dtype == .float32, blocks[producer] == blocks[number],
      graph.values[residual].shape == graph.values[x].shape, graph.nodes[producer].input(3) == nil
    else { return false }
    switch graph.nodes[producer].op {
    case .convolution(var convolution) where convolution.clamp.isNone:
      convolution.clamp = clamp
      graph.nodes[producer].op = .convolution(convolution)
    case .dense(let first) where first.isNone: graph.nodes[producer].op = .dense(clamp)
    default: return false
    }
    while graph.nodes[producer].inputs.count < 3 { graph.nodes[producer].inputs.append(Node.noValue) }
    graph.nodes[producer].inputs = Array(graph.nodes[producer].inputs.prefix(3)) + [residual]
    absorb(number, into: producer)
    return true
  }
}

extension Clamp {
  /// The one clamp that does what this one and then another one do.
  func followed(by next: Clamp) -> Clamp {
    func clamped(_ x: Float) -> Float { Swift.min(Swift.max(x, next.min), next.max) }
    return Clamp(min: clamped(min), max: clamped(max))
  }
}
