#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Layers with weights, and normalizations.
extension Differentiation {
  /// Gradient of a layer's result before its clamp; also the residual's.
  private func beforeClamp(_ node: Node, _ clamp: Clamp) throws(EdgeError) -> ValueID {
    let g = try gradient(node)
    return clamp.isNone ? g : try gate(g, by: node.outputs[0], clamp.min, clamp.max)
  }

  private func contributeBiasAndResidual(_ node: Node, _ g: ValueID) throws(EdgeError) {
    if let bias = wants(node, 2) { try contribute(try reshape(try reduce(.sum, g, rows(g)), shape(bias)), to: bias) }
    if let residual = wants(node, 3) { try contribute(g, to: residual) }
  }

  /// [O,KH,KW,I/groups] weights as those that lead back from the results: [I,KH,KW,O/groups].
  private func turned(_ weights: ValueID, groups: Int) throws(EdgeError) -> ValueID {
    let dims = shape(weights).dims
    let (outputs, inputs) = (dims[0] / groups, dims[3])
    if outputs == 1, inputs == 1 { return weights }
    if groups == 1 { return try append(.transpose([3, 1, 2, 0]), [weights]) }
    let parts = try reshape(weights, Shape([groups, outputs, dims[1], dims[2], inputs]))
    return try reshape(try append(.transpose([0, 4, 2, 3, 1]), [parts]), Shape([groups * inputs, dims[1], dims[2], outputs]))
  }

  func differentiateConvolution(_ node: Node, _ op: Convolution) throws(EdgeError) {
    let g = try beforeClamp(node, op.clamp)
    try contributeBiasAndResidual(node, g)
    if let weights = wants(node, 1) {
      try contribute(
        try append(.convolutionWeightGradient(Convolution(window: op.window, groups: op.groups)), [node.inputs[0], g]), to: weights)
    }
    guard let x = wants(node, 0) else { return }
    var back = TransposedConvolution(window: op.window, groups: op.groups)
    let (image, result) = (shape(x), shape(g))
    // Rows and columns behind the last window.
    back.outputPadHeight = image[1] - Differentiation.reach(
      result[1], op.window.strideHeight, op.window.kernelHeight, op.window.dilationHeight, op.window.padTop + op.window.padBottom)
    back.outputPadWidth = image[2] - Differentiation.reach(
      result[2], op.window.strideWidth, op.window.kernelWidth, op.window.dilationWidth, op.window.padLeft + op.window.padRight)
    try contribute(try append(.transposedConvolution(back), [try below(g), try turned(node.inputs[1], groups: op.groups)]), to: x)
  }

  private static func reach(_ count: Int, _ stride: Int, _ kernel: Int, _ dilation: Int, _ pad: Int) -> Int {
    (count - 1) * stride + dilation * (kernel - 1) + 1 - pad
  }

  func differentiateTransposedConvolution(_ node: Node, _ op: TransposedConvolution) throws(EdgeError) {
    let g = try beforeClamp(node, op.clamp)
    if let bias = wants(node, 2) { try contribute(try reduce(.sum, g, rows(g)), to: bias) }
    // The result is to the operand as an image is to a convolution's result.
    if let weights = wants(node, 1) {
      let gradient = try append(.convolutionWeightGradient(Convolution(window: op.window, groups: op.groups)), [g, node.inputs[0]])
      try contribute(try turned(gradient, groups: op.groups), to: weights)
    }
    if let x = wants(node, 0) {
      try contribute(
        try append(.convolution(Convolution(window: op.window, groups: op.groups)), [g, try turned(node.inputs[1], groups: op.groups)]),
        to: x)
    }
  }

  func differentiateDense(_ node: Node, _ clamp: Clamp) throws(EdgeError) {
    let g = try beforeClamp(node, clamp)
    try contributeBiasAndResidual(node, g)
    let (x, weights) = (node.inputs[0], node.inputs[1])
    let (outputs, inputs) = (shape(weights)[0], shape(weights)[1])
    let rowCount = count(x) / max(inputs, 1)
    if wants(node, 1) != nil {
      // Each row is an image of one pixel.
      let gradient = try append(
        .convolutionWeightGradient(Convolution(window: Window())),
        [try reshape(x, Shape([rowCount, 1, 1, inputs])), try reshape(g, Shape([rowCount, 1, 1, outputs]))])
      try contribute(try reshape(gradient, shape(weights)), to: weights)
    }
    if wants(node, 0) != nil {
      let rows = try reshape(try below(g), Shape([rowCount, outputs]))
      try contribute(try reshape(try append(.matMul, [rows, weights]), shape(x)), to: x)
    }
  }

  /// The last two axes exchanged.
  private func matrixTransposed(_ value: ValueID) throws(EdgeError) -> ValueID {
    var order = Array(shape(value).dims.indices)
    order.swapAt(order.count - 1, order.count - 2)
    return try append(.transpose(order), [value])
  }

  func differentiateMatMul(_ node: Node) throws(EdgeError) {
    let g = try gradient(node)
    if let a = wants(node, 0) {
      try contribute(try unbroadcast(try append(.matMul, [g, try matrixTransposed(node.inputs[1])]), to: shape(a)), to: a)
    }
    if let b = wants(node, 1) {
      try contribute(try unbroadcast(try append(.matMul, [try matrixTransposed(node.inputs[0]), g]), to: shape(b)), to: b)
    }
  }

  // MARK: Normalization

  func differentiateBatchNormalization(_ node: Node, _ epsilon: Float) throws(EdgeError) {
    let (x, scale, mean, variance) = (node.inputs[0], node.inputs[1], node.inputs[3], node.inputs[4])
    let g = try gradient(node)
    if let statistics = producer(of: mean), case .batchStatistics = statistics.op, statistics.inputs[0] == x,
      statistics.outputs == [mean, variance]
    {
      let gradients = try appendAll(.batchNormalizationGradient(epsilon: epsilon), [x, g, scale, mean, variance], 3)
      for (input, gradient) in [(0, gradients[0]), (1, gradients[1]), (2, gradients[2])] {
        if let value = wants(node, input) { try contribute(gradient, to: value) }
      }
      return
    }
    guard wants(node, 3) == nil, wants(node, 4) == nil else { throw unsupported("mean and variance depend on what is trained") }
    let inverse = try unary(.reciprocal, try unary(.sqrt, try shift(variance, by: epsilon)))
    if wants(node, 0) != nil { try contribute(try multiply(g, try multiply(scale, inverse)), to: x) }
    if wants(node, 1) != nil {
      let normalized = try multiply(try subtract(x, mean), inverse)
      try contribute(try reduce(.sum, try multiply(g, normalized), rows(g)), to: scale)
    }
    if let bias = wants(node, 2) { try contribute(try reduce(.sum, g, rows(g)), to: bias) }
  }

  func differentiateLayerNormalization(_ node: Node, _ epsilon: Float) throws(EdgeError) {
    let (x, scale) = (node.inputs[0], node.inputs[1])
    let g = try gradient(node)
    let axis = [shape(x).rank - 1]
    let centered = try subtract(x, try reduce(.mean, x, axis, keepDims: true))
    let variance = try reduce(.mean, try multiply(centered, centered), axis, keepDims: true)
    let inverse = try unary(.reciprocal, try unary(.sqrt, try shift(variance, by: epsilon)))
    let normalized = try multiply(centered, inverse)
    if wants(node, 1) != nil { try contribute(try reduce(.sum, try multiply(g, normalized), rows(g)), to: scale) }
    if let bias = wants(node, 2) { try contribute(try reduce(.sum, g, rows(g)), to: bias) }
    guard wants(node, 0) != nil else { return }
    let inner = try multiply(g, scale)
    let along = try multiply(normalized, try reduce(.mean, try multiply(inner, normalized), axis, keepDims: true))
    let rest = try subtract(try subtract(inner, try reduce(.mean, inner, axis, keepDims: true)), along)
    try contribute(try multiply(rest, inverse), to: x)
  }

  /// y = x d^-beta with d = bias + alpha / size * (sum of squares of the neighbouring channels).
  func differentiateLocalResponseNormalization(
    _ node: Node, _ size: Int, _ alpha: Float, _ beta: Float, _ bias: Float
  ) throws(EdgeError) {
    guard let x = wants(node, 0) else { return }
    guard size % 2 == 1 else { throw unsupported("its gradient is known for odd sizes") }
    let g = try gradient(node)
    // Neighbouring channels as neighbouring pixels of one line; an average that counts padding is a sum.
    let shape = self.shape(x)
    let channels = shape[shape.rank - 1]
    var window = Window()
    window.kernelWidth = size
    (window.padLeft, window.padRight) = (size / 2, size / 2)
    var pool = Pool(.average, window: window)
    pool.countIncludesPad = true
    let lines = Shape([count(x) / max(channels, 1), 1, channels, 1])
    func mean(_ value: ValueID) throws(EdgeError) -> ValueID {
      try reshape(try append(.pool(pool), [try reshape(value, lines)]), shape)
    }
    let d = try shift(try scale(try mean(try multiply(x, x)), by: alpha), by: bias)
    let power = try append(.binary(.power, .none), [d, try constant(-beta, Shape([]))])
    let shared = try mean(try divide(try multiply(g, node.outputs[0]), d))
    try contribute(try subtract(try multiply(g, power), try scale(try multiply(x, shared), by: 2 * alpha * beta)), to: x)
  }
}
