extension Graph {
  /// Elements that the sums of a layer normalization of uint8 have room for.
  public static var longestIntegerRow: Int { 1 << 17 }

  /// Recognizes layer normalization that was exported as several operators.
  ///
  ///     before   x -> ReduceMean -> m; x - m -> d; ReduceMean(d * d) -> v; d / Sqrt(v + epsilon) * scale + bias -> y
  ///     after    (x, scale, bias) -> LayerNormalization -> y
  ///
  /// The means go over the last axis. The square may be a power with the exponent 2, the quotient a product with
  /// Reciprocal(Sqrt(...)).
  /// Scale and bias are constants with a number for each element of the axis; without a bias the product is the result.
  /// What else reads a value inside keeps it: then both are computed.
  public func fusingNormalization() throws(EdgeError) -> Graph {
    try validate()
    let patterns = NormalizationPatterns(self)
    for number in nodes.indices { patterns.visit(number) }
    return try patterns.graph.removingDeadNodes()
  }
}

/// Nodes are replaced in place; what they no longer use is left for `removingDeadNodes`.
private final class NormalizationPatterns {
  private(set) var graph: Graph
  private let index: GraphIndex

  init(_ graph: Graph) {
    self.graph = graph
    index = GraphIndex(graph)
  }

  func visit(_ number: Int) {
    guard let (function, a, b) = binary(graph.nodes[number].outputs.first) else { return }
    let result = graph.values[graph.nodes[number].outputs[0]]
    guard result.dtype == .float32 else { return }
    for (x, parameter) in [(a, b), (b, a)] {
      var inputs: [ValueID]
      let op: Operator
      if function == .multiply, let (source, epsilon) = normalized(x) {
        inputs = [source]
        op = .layerNormalization(epsilon: epsilon)
      } else if function == .add, index.isUsedOnce(x), let before = node(x), case .layerNormalization = before.op, before.inputs.count == 2 {
        inputs = before.inputs
        op = before.op
      } else {
        continue
      }
      let source = graph.values[inputs[0]]
      guard source.dtype == .float32, source.shape == result.shape, let row = row(parameter, source.shape) else { continue }
      inputs.append(row)
      graph.nodes[number].op = op
      graph.nodes[number].inputs = inputs
      return
    }
  }

  /// A constant of one number for each element of the shape's last axis, as a vector.
  private func row(_ value: ValueID, _ shape: Shape) -> ValueID? {
    var constant = graph.values[value]
    guard constant.constant != nil, constant.dtype == .float32, let count = shape.dims.last, constant.shape.dims.last == count,
      constant.shape.elementCount() == count
    else { return nil }
    if constant.shape.rank == 1 { return value }
    constant.shape = Shape([count])
    return graph.addValue(constant)
  }

  /// x and epsilon, when the value is (x - mean) / sqrt(variance + epsilon).
  private func normalized(_ value: ValueID) -> (ValueID, Float)? {
    guard let (function, a, b) = binary(value) else { return nil }
    for (centred, other) in [(a, b), (b, a)] {
      var deviation = other
      if function == .multiply {
        guard let inner = unary(other, .reciprocal) else { continue }
        deviation = inner
      } else if function != .divide || centred != a {
        continue
      }
      guard let sum = unary(deviation, .sqrt), let (add, c, d) = binary(sum), add == .add else { continue }
      for (variance, number) in [(c, d), (d, c)] {
        guard let epsilon = graph.values[number].scalar, epsilon.isFinite, epsilon >= 0, let square = mean(variance),
          let (power, e, f) = binary(square), power == .multiply && e == f || power == .power && graph.values[f].scalar == 2,
          let x = source(centred), source(e) == x
        else { continue }
        return (x, epsilon)
      }
    }
    return nil
  }

  // MARK: Parts

  private func node(_ value: ValueID) -> Node? { index.producer(of: value).map { graph.nodes[$0] } }

  /// Function and operands of a binary operator without clamp.
  private func binary(_ value: ValueID?) -> (BinaryFunction, ValueID, ValueID)? {
    guard let value, let node = node(value), case .binary(let function, let clamp) = node.op, clamp.isNone else { return nil }
    return (function, node.inputs[0], node.inputs[1])
  }

  private func unary(_ value: ValueID, _ kind: UnaryFunction.Kind) -> ValueID? {
    guard let node = node(value), case .unary(let function) = node.op, function.kind == kind else { return nil }
    return node.inputs[0]
  }

  /// What the value is the mean of, over the last axis, which stays.
  private func mean(_ value: ValueID) -> ValueID? {
    guard let node = node(value), case .reduce(.mean, let axes, keepDims: true) = node.op,
      axes == [graph.values[node.inputs[0]].shape.rank - 1]
    else { return nil }
    return node.inputs[0]
  }

  /// x, when the value is x less its mean.
  private func source(_ value: ValueID) -> ValueID? {
    guard let (function, x, mean) = binary(value), function == .subtract, self.mean(mean) == x else { return nil }
    return x
  }
}
