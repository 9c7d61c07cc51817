#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Operators of the domain com.microsoft, which ONNX Runtime's optimizer and exporters built on it leave in files.

extension OnnxImporter {
  func importContributed() throws(EdgeError) {
    switch node.type {
    case "FusedMatMul": try importFusedMatMul()
    case "FusedConv": try importConvolution()
    case "Gelu", "BiasGelu", "FastGelu", "QuickGelu": try importBiasedGelu()
    case "Attention", "MultiHeadAttention": try importContributedAttention()
    case "EmbedLayerNormalization": try importEmbedding()
    default: try importSkipNormalization()
    }
  }

  /// Products of matrices that may be transposed, times a factor.
  private func importFusedMatMul() throws(EdgeError) {
    var factors: [ValueID] = []
    for (index, name) in (["transA", "transB"] as [Text]).enumerated() {
      let value = try floatTensor(try input(index))
      let rank = graph.values[value].shape.rank
      guard rank >= 2 else { throw reject("factors of less than two dimensions") }
      if try integerAttribute(index == 0 ? "transBatchA" : "transBatchB", 0) != 0 { throw reject("transposed batches") }
      var order = Array(0..<rank)
      if try integerAttribute(name, 0) != 0 { order.swapAt(rank - 2, rank - 1) }
      factors.append(try transposed(value, order))
    }
    let product = try part(.matMul, factors)
    let alpha = try floatAttribute("alpha", 1)
    try setResult(alpha == 1 ? product : try binary(.multiply, product, try number(Double(alpha), .float32)))
  }

  private func importBiasedGelu() throws(EdgeError) {
    var x = try floatTensor(try input(0))
    if let bias = try optionalInput(1) { x = try binary(.add, x, try floatTensor(bias)) }
    if node.type == "QuickGelu" {
      // x sigmoid(alpha x)
      let alpha = try number(Double(try floatAttribute("alpha", 1.702)), .float32)
      return try setResult(try binary(.multiply, x, try unary(.sigmoid, try binary(.multiply, x, alpha))))
    }
    try setResult(try unary(node.type == "FastGelu" ? .geluTanh : .gelu, x))
  }

  /// The activation of FusedConv, after a residual is added.
  func fusedActivation(_ sum: ValueID) throws(EdgeError) -> ValueID {
    var value = sum
    if let residual = try optionalInput(3) { value = try binary(.add, value, try image(residual)) }
    let parameters = try floatsAttribute("activation_params") ?? []
    func parameter(_ index: Int, _ standard: Float) -> Float { index < parameters.count ? parameters[index] : standard }
    let function: UnaryFunction
    switch try textAttribute("activation", "") {
    case "Relu": function = UnaryFunction(.clamp, alpha: 0, beta: .infinity)
    case "Tanh": function = UnaryFunction(.tanh)
    case "Sigmoid": function = UnaryFunction(.sigmoid)
    case "LeakyRelu": function = UnaryFunction(.leakyRelu, alpha: parameter(0, 0.01))
    case "Clip": function = UnaryFunction(.clamp, alpha: parameter(0, -.infinity), beta: parameter(1, .infinity))
    case "HardSigmoid": function = UnaryFunction(.hardSigmoid, alpha: parameter(0, 0.2), beta: parameter(1, 0.5))
    case let other: throw reject("attribute 'activation' is '\(other)'")
    }
    return try part(.unary(function), [value])
  }

  /// SkipLayerNormalization and SkipSimplifiedLayerNormalization: of a sum, over the last axis.
  private func importSkipNormalization() throws(EdgeError) {
    let isCentred = node.type == "SkipLayerNormalization"
    var sum = try binary(.add, try floatTensor(try input(0)), try floatTensor(try input(1)))
    if let bias = try optionalInput(isCentred ? 4 : 3) { sum = try binary(.add, sum, try floatTensor(bias)) }
    try normalizeSum(sum, scale: 2, bias: isCentred ? 3 : nil)
    try setResult(sum, output: 3)
  }

  private func normalizeSum(_ sum: ValueID, scale: Int, bias: Int?) throws(EdgeError) {
    let parts = try standardized(sum, [graph.values[sum].shape.rank - 1], isCentred: bias != nil, epsilon: try floatAttribute("epsilon", 1e-12))
    var y = try binary(.multiply, parts.y, try floatTensor(try input(scale)))
    if let bias, let id = try optionalInput(bias) { y = try binary(.add, y, try floatTensor(id)) }
    try setResult(y)
  }

  /// Rows of tables for words, positions and segments added up and normalized.
  private func importEmbedding() throws(EdgeError) {
    let words = try input(0)
    let shape = operands[words].shape
    guard shape.rank == 2, shape[1] > 0 else { throw wrongShape("\(shape.text) is no batch of texts of a known length", operand: words) }
    func rows(_ table: Int, _ indices: ValueID) throws(EdgeError) -> ValueID {
      try part(.take(Indexing(.slices, axis: 0)), [try floatTensor(try input(table)), try part(.cast(.int64), [indices])])
    }
    var sum = try rows(2, try tensor(words))
    if let positions = try optionalInput(8) {
      sum = try binary(.add, sum, try rows(3, try tensor(positions)))
    } else {
      sum = try binary(.add, sum, try rows(3, try range(shape[1], axis: 0, rank: 1)))
    }
    if let segments = try optionalInput(1) { sum = try binary(.add, sum, try rows(4, try tensor(segments))) }
    try normalizeSum(sum, scale: 5, bias: 6)
    // How many words there are in each text.
    if let mask = try optionalInput(7) {
      try setResult(try reduce(.sum, try part(.cast(.int32), [try tensor(mask)]), [1], keepDims: false), output: 1)
    } else {
      try setResult(try part(.expand(Shape([shape[0]])), [try number(0, .int32)]), output: 1)
    }
    try setResult(sum, output: 2)
  }
}
