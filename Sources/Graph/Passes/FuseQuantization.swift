extension Graph {
  /// Turns float operators between `dequantize` and `quantize` into operators on integers.
  ///
  ///     before   x -> Dequantize -> Convolution(Dequantize(w), b) -> Quantize -> y
  ///     after    x -> Convolution(w, round(b / (x.scale w.scale))) -> y
  ///
  /// - An operator that computes becomes an integer one when all its activations come from uint8 values, its weights
  ///   are int8 (symmetric, or in convolutions with one zero point), and nothing but `quantize` to one type reads its
  ///   result.
  /// - Operators that move data do so on the integers, whatever follows.
  /// - What does not fit stays float between the two conversions. A constant that stays float is converted now.
  public func fusingQuantization() throws(EdgeError) -> Graph {
    var isQuantized = false
    for value in values where value.quantization != nil { isQuantized = true }
    guard isQuantized else { return self }
    // ReLUs and residual additions must be part of their layer by now.
    let fused = try fusingActivations()
    let fusion = QuantizationFusion(fused)
    let flow = try ControlFlow(fused)
    for (index, node) in fused.nodes.enumerated() {
      if flow.markers[index] >= 0 { try fusion.cross(index, flow.constructs[flow.markers[index]].end) }
      try fusion.visit(node)
    }
    return try fusion.finish()
  }
}

final class QuantizationFusion {
  let rewriter: GraphRewriter
  let index: GraphIndex
  /// For each value of the source the new graph's integers that stand for it, or -1.
  var integers: [ValueID]
  /// Whether a value has its own form in the new graph.
  private var isMade: [Bool]
  /// For each value of the source the first result of quantizing it, or -1.
  private var quantized: [ValueID]
  /// The values that have one, of the current block.
  private var quantizedHere: [ValueID] = []

  init(_ graph: Graph) {
    rewriter = GraphRewriter(graph)
    index = GraphIndex(graph)
    integers = [ValueID](repeating: Node.noValue, count: graph.values.count)
    quantized = integers
    isMade = graph.values.map { $0.constant != nil }
    for input in graph.inputs { isMade[input] = true }
  }

  var source: Graph { rewriter.source }

  func finish() throws(EdgeError) -> Graph {
    for output in source.outputs { try makePlain(output) }
    return try rewriter.finish()
  }

  /// At a marker of a branch or loop that ends at `end`: what was quantized in a block is not there for others, and what a
  /// block reads from outside must not be made inside.
  func cross(_ marker: Int, _ end: Int) throws(EdgeError) {
    for value in quantizedHere { quantized[value] = Node.noValue }
    quantizedHere = []
    for inner in marker &+ 1..<end &+ 1 {
      for input in source.nodes[inner].inputs where input != Node.noValue { try makePlain(input) }
    }
  }

  func visit(_ node: Node) throws(EdgeError) {
    if case .dequantize = node.op {
      try makePlain(node.inputs[0])
      integers[node.outputs[0]] = rewriter.place(of: node.inputs[0])
      return
    }
    if case .quantize = node.op {
      if try quantize(node) { return }
      // Exporters write one for each reader.
      let (x, y) = (node.inputs[0], node.outputs[0])
      if quantized[x] == Node.noValue {
        quantized[x] = y
        quantizedHere.append(x)
      }
      if quantized[x] != y, source.declaredTypes(of: node) == [type(rewriter.place(of: quantized[x]))] {
        rewriter.set(y, to: rewriter.place(of: quantized[x]))
        isMade[y] = true
        return
      }
    }
    if try moved(node) { return }
    if try computed(node) { return }
    for input in node.inputs where input != Node.noValue { try makePlain(input) }
    rewriter.copy(node)
    for output in node.outputs { isMade[output] = true }
  }

  /// Makes sure that a value exists as it is in the source.
  private func makePlain(_ value: ValueID) throws(EdgeError) {
    guard !isMade[value], integers[value] != Node.noValue else { return }
    isMade[value] = true
    let name = source.values[value].name
    if let constant = try rewriter.value(integers[value]).dequantized(name: name) {
      rewriter.set(value, to: rewriter.add(constant))
      return
    }
    rewriter.set(value, to: try rewriter.add(.dequantize, name: name.extended(by: "_dequantize"), inputs: [integers[value]], outputNames: [name])[0])
  }

  /// The integers of an activation: uint8 with one scale.
  func activation(_ value: ValueID?) -> ValueID? {
    guard let value, integers[value] != Node.noValue else { return nil }
    let type = rewriter.value(integers[value])
    return type.dtype == .uint8 && type.quantization?.axis == nil ? integers[value] : nil
  }

  func type(_ new: ValueID) -> ElementType { ElementType(rewriter.value(new).dtype, rewriter.value(new).quantization) }

  /// A `quantize` of integers: the same ones, or others for the same numbers.
  private func quantize(_ node: Node) throws(EdgeError) -> Bool {
    guard let x = activation(node.inputs[0]), let wanted = source.declaredTypes(of: node).first, wanted.dtype == .uint8 else { return false }
    let output = node.outputs[0]
    rewriter.set(output, to: try requantized(x, wanted, name: source.values[output].name))
    isMade[output] = true
    return true
  }

  func requantized(_ x: ValueID, _ wanted: ElementType, name: Text) throws(EdgeError) -> ValueID {
    if type(x) == wanted { return x }
    return try rewriter.add(.requantize, name: name.extended(by: "_requantize"), inputs: [x], outputNames: [name], declared: [wanted])[0]
  }

  /// An operator that only moves data, on integers.
  private func moved(_ node: Node) throws(EdgeError) -> Bool {
    switch node.op {
    case .transpose, .reshape, .expand, .gather, .split, .slice: break
    case .pool(let pool) where pool.kind == .max: break
    case .resize(let resize) where resize.mode == .nearest: break
    // Zero has an integer of its own.
    case .pad(let mode, _, _, let value) where mode != .constant || value == 0: break
    case .concat: break
    default: return false
    }
    var inputs: [ValueID] = []
    for input in node.inputs {
      guard let x = activation(input), inputs.isEmpty || type(x) == type(inputs[0]) else { return false }
      inputs.append(x)
    }
    try add(node, inputs, [])
    return true
  }

  /// The type to which everybody who reads a node's only result quantizes it.
  private func resultType(_ node: Node) -> ElementType? {
    guard node.outputs.count == 1, let output = node.outputs.first, !index.isOutput[output] else { return nil }
    var result: ElementType?
    for consumer in index.consumers[output] {
      guard case .quantize = source.nodes[consumer].op, let type = source.declaredTypes(of: source.nodes[consumer]).first,
        type.dtype == .uint8, result == nil || result == type
      else { return nil }
      result = type
    }
    return result
  }

  private func computed(_ node: Node) throws(EdgeError) -> Bool {
    guard let wanted = resultType(node) else { return false }
    var inputs: [ValueID] = []
    switch node.op {
    case .convolution, .transposedConvolution, .dense:
      guard let layer = try layerInputs(node) else { return false }
      inputs = layer
    case .matMul, .unary, .binary, .softmax, .pool, .resize, .pad, .concat:
      for input in node.inputs {
        guard let x = activation(input) else { return false }
        inputs.append(x)
      }
    case .layerNormalization:
      guard let x = activation(node.input(0)), source.values[node.inputs[0]].shape.dims.last ?? 0 <= Graph.longestIntegerRow
      else { return false }
      inputs = [x]
      for input in node.inputs.dropFirst() where input != Node.noValue {
        try makePlain(input)
        guard rewriter.value(rewriter.place(of: input)).constant != nil else { return false }
        inputs.append(rewriter.place(of: input))
      }
    case .reduce(let function, _, _):
      guard function == .mean || function == .sum || function == .max || function == .min, let x = activation(node.input(0)) else { return false }
      inputs = [x]
    default: return false
    }
    switch node.op {
    case .concat, .pad:
      // These keep their operands' type.
      for position in inputs.indices {
        inputs[position] = try requantized(inputs[position], wanted, name: source.values[node.inputs[position]].name.extended(by: "_requantized"))
      }
    default: break
    }
    try add(node, inputs, [wanted])
    return true
  }

  /// Appends a node of the source on integers.
  private func add(_ node: Node, _ inputs: [ValueID], _ declared: [ElementType]) throws(EdgeError) {
    let results = try rewriter.add(
      node.op, name: node.name, inputs: inputs, outputNames: node.outputs.map { source.values[$0].name }, declared: declared)
    for (old, new) in zip(node.outputs, results) { integers[old] = new }
  }
}
