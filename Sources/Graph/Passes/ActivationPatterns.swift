/// Recognizes activation functions that were exported as several operators. Nodes are replaced in place; what
/// they no longer use is left for `removingDeadNodes`.
final class ActivationPatterns {
  private(set) var graph: Graph
  private let index: GraphIndex

  init(_ graph: Graph) {
    self.graph = graph
    index = GraphIndex(graph)
  }

  func visit(_ number: Int) {
    let node = graph.nodes[number]
    let result = node.outputs.first.map { graph.values[$0] }
    guard case .binary(let function, let clamp) = node.op, clamp.isNone, result?.dtype == .float32 else { return }
    guard let (x, kind) = recognize(node, function), graph.values[x].shape == result?.shape, graph.values[x].dtype == .float32 else {
      return
    }
    let parameters: (alpha: Float, beta: Float) = kind == .hardSigmoid ? (1 / 6, 0.5) : (0, 0)
    graph.nodes[number].op = .unary(UnaryFunction(kind, alpha: parameters.alpha, beta: parameters.beta))
    graph.nodes[number].inputs = [x]
  }

  private func recognize(_ node: Node, _ function: BinaryFunction) -> (ValueID, UnaryFunction.Kind)? {
    let (a, b) = (node.inputs[0], node.inputs[1])
    // clip(x + 3, 0, 6) / 6, and x * clip(x + 3, 0, 6) / 6 in either order.
    if let scaled = sixth(node, function) {
      if let x = clippedSum(scaled) { return (x, .hardSigmoid) }
      if let (c, d) = product(scaled) {
        if clippedSum(c) == d { return (d, .hardSwish) }
        if clippedSum(d) == c { return (c, .hardSwish) }
      }
    }
    guard function == .multiply else { return nil }
    for (x, gate) in [(a, b), (b, a)] {
      guard let (source, inner) = unary(gate), source == x else { continue }
      if inner.kind == .sigmoid { return (x, .silu) }
      if inner.kind == .hardSigmoid, near(inner.alpha, 1 / 6), near(inner.beta, 0.5) { return (x, .hardSwish) }
    }
    return gelu([a, b]).map { ($0, .gelu) }
  }

  // MARK: Parts

  private func node(_ value: ValueID) -> Node? { index.producer(of: value).map { graph.nodes[$0] } }

  private func near(_ a: Float, _ b: Float) -> Bool { (a - b).magnitude <= 2e-6 * b.magnitude }

  private func isNumber(_ value: ValueID, _ number: Float) -> Bool {
    graph.values[value].scalar.map { near($0, number) } ?? false
  }

  private func unary(_ value: ValueID) -> (ValueID, UnaryFunction)? {
    guard let node = node(value), case .unary(let function) = node.op else { return nil }
    return (node.inputs[0], function)
  }

  /// The operands of a product without clamp.
  private func product(_ value: ValueID) -> (ValueID, ValueID)? {
    guard let node = node(value), case .binary(.multiply, let clamp) = node.op, clamp.isNone else { return nil }
    return (node.inputs[0], node.inputs[1])
  }

  /// The other operand of a sum with a number, and the sum's clamp.
  private func sum(_ value: ValueID, with number: Float) -> (ValueID, Clamp)? {
    guard let node = node(value), case .binary(.add, let clamp) = node.op else { return nil }
    if isNumber(node.inputs[1], number) { return (node.inputs[0], clamp) }
    return isNumber(node.inputs[0], number) ? (node.inputs[1], clamp) : nil
  }

  /// x when the value is clip(x + 3, 0, 6).
  private func clippedSum(_ value: ValueID) -> ValueID? {
    if let (x, clamp) = sum(value, with: 3), clamp == Clamp(min: 0, max: 6) { return x }
    guard let (inner, function) = unary(value), function.kind == .clamp, function.alpha == 0, function.beta == 6,
      let (x, clamp) = sum(inner, with: 3), clamp.isNone
    else { return nil }
    return x
  }

  /// What the node divides by 6.
  private func sixth(_ node: Node, _ function: BinaryFunction) -> ValueID? {
    let (a, b) = (node.inputs[0], node.inputs[1])
    if function == .divide { return isNumber(b, 6) ? a : nil }
    guard function == .multiply else { return nil }
    if isNumber(b, 1 / 6) { return a }
    return isNumber(a, 1 / 6) ? b : nil
  }

  /// x when the product of the factors is x / 2 * (1 + erf(x / sqrt 2)).
  private func gelu(_ factors: [ValueID]) -> ValueID? {
    var all: [ValueID] = []
    for factor in factors {
      if let (a, b) = product(factor) { all += [a, b] } else { all.append(factor) }
    }
    guard all.count == 3, let half = all.firstIndex(where: { isNumber($0, 0.5) }) else { return nil }
    all.remove(at: half)
    for (x, gate) in [(all[0], all[1]), (all[1], all[0])] {
      guard let (inner, clamp) = sum(gate, with: 1), clamp.isNone, let (argument, function) = unary(inner), function.kind == .erf,
        let division = node(argument), case .binary(let kind, let none) = division.op, none.isNone
      else { continue }
      let (a, b) = (division.inputs[0], division.inputs[1])
      let root = Float(2).squareRoot()
      if kind == .divide && a == x && isNumber(b, root) { return x }
      if kind == .multiply && (a == x && isNumber(b, 1 / root) || b == x && isNumber(a, 1 / root)) { return x }
    }
    return nil
  }
}
