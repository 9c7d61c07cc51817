extension Graph {
  /// Appends a node and its results, whose dtype, shape and quantization follow from the operator and the
  /// inputs (see `Operator` for the shapes). Results that follow from float inputs, and those of operators
  /// that only move data, need nothing else:
  ///
  ///     let y = try graph.addNode(.convolution(c), name: "conv", inputs: [x, w, b], outputNames: ["y"])[0]
  ///
  /// An operator that computes on quantized integers, `quantize` and `requantize` need `results`: the
  /// element type and quantization of each result. A pass that quantizes an existing graph may instead set
  /// `values[id].dtype` and `.quantization` afterwards; `validate` then checks the same rules.
  ///
  /// - Returns: the results, in order. The graph is unchanged when it throws.
  /// - Throws: `shapeMismatch`, `dtypeMismatch` or `invalidGraph`, naming node and tensor.
  @discardableResult
  public mutating func addNode(
    _ op: Operator, name: Text, inputs: [ValueID], outputNames: [Text], results declared: [ElementType] = []
  ) throws(EdgeError) -> [ValueID] {
    let types = try resultTypes(of: op, name: name, index: nodes.count, inputs: inputs, declared: declared)
    guard types.count == outputNames.count else {
      throw EdgeError(
        .invalidGraph, "\(op.name): has \(types.count) results, \(outputNames.count) names are given", node: name, nodeIndex: nodes.count)
    }
    var results: [ValueID] = []
    for (type, name) in zip(types, outputNames) {
      results.append(addValue(Value(name: name, dtype: type.dtype, shape: type.shape, quantization: type.quantization)))
    }
    nodes.append(Node(name: name, op: op, inputs: inputs, outputs: results))
    return results
  }

  /// Types a node's results have, without changing the graph. `declared` as `results` of `addNode`.
  public func resultTypes(
    of op: Operator, name: Text, index: Int = -1, inputs: [ValueID], declared: [ElementType] = []
  ) throws(EdgeError) -> [TensorType] {
    try TypeInference(values: values, name: name, index: index, op: op, inputs: inputs, declared: declared).results()
  }

  /// The graph with all results' shapes, and the element types of float nodes, derived again from the
  /// inputs: for a caller that changed an input's shape or an attribute. Quantized results keep what they declare.
  public func inferred() throws(EdgeError) -> Graph {
    var graph = self
    for (index, node) in nodes.enumerated() {
      for output in node.outputs where !(output >= 0 && output < values.count) {
        throw EdgeError(.invalidGraph, "result \(output) is not a value of the graph", node: node.name, nodeIndex: index)
      }
      let types = try graph.resultTypes(
        of: node.op, name: node.name, index: index, inputs: node.inputs, declared: graph.declaredTypes(of: node))
      guard types.count == node.outputs.count else {
        throw EdgeError(.invalidGraph, "has \(node.outputs.count) results, not \(types.count)", node: node.name, nodeIndex: index)
      }
      for (output, type) in zip(node.outputs, types) {
        graph.values[output].dtype = type.dtype
        graph.values[output].shape = type.shape
        graph.values[output].quantization = type.quantization
      }
    }
    return graph
  }

  /// What the results of a node declare of themselves: only quantized ones do.
  func declaredTypes(of node: Node) -> [ElementType] {
    var types: [ElementType] = []
    for output in node.outputs {
      guard output >= 0, output < values.count, values[output].quantization != nil else { return [] }
      types.append(ElementType(values[output].dtype, values[output].quantization))
    }
    return types
  }
}
