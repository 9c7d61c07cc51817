#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Folding of batch normalization while it still learns (Krishnamoorthi 2018). A layer multiplies with rounded weights that have the
/// running deviation in them, so that they do not jump with each batch, and its result is corrected to the batch's:
///
///     y = conv(x, round(gamma w / sigma)) (sigma / sigma_B) + beta - gamma (mu_B - b) / sigma_B
///
/// with the statistics of the batch, mu_B and sigma_B, from an exact convolution. After `freeze` the running ones take their place, and
/// y is what the folded integer layer will compute.
extension QuantizationAware {
  /// False when no batch normalization that learns is the only reader of the layer.
  func foldNormalization(_ step: TrainingGraph, _ layer: TrainingGraph.Layer, _ bits: Int) throws(EdgeError) -> Bool {
    guard let index = step.graph.nodes.firstIndex(where: { $0.name == layer.node }) else { return false }
    let node = step.graph.nodes[index]
    guard case .convolution(let op) = node.op, op.clamp.isNone, node.input(3) == nil else { return false }
    let z = node.outputs[0]
    var reader: Node?
    for other in step.graph.nodes where other.inputs.contains(z) {
      switch other.op {
      case .batchNormalization where reader == nil: reader = other
      case .batchStatistics: continue
      default: return false
      }
    }
    guard let normalization = reader, case .batchNormalization(let epsilon) = normalization.op,
      let running = step.runningStatistics(normalization)
    else { return false }
    if isFrozen == Node.noValue { isFrozen = try step.addKeptScalar("quantization/frozen", 0) }
    let (gamma, beta) = (normalization.inputs[1], normalization.inputs[2])
    let rows = Array(0..<3)

    func deviation(_ variance: ValueID) throws(EdgeError) -> ValueID {
      try step.unary(.sqrt, try step.binary(.add, variance, try step.scalar(epsilon)))
    }
    func unlessFrozen(_ now: ValueID, _ then: ValueID) throws(EdgeError) -> ValueID {
      try step.binary(.add, now, try step.binary(.multiply, try step.binary(.subtract, then, now), isFrozen))
    }
    // The batch's statistics with their gradient, which `batchStatistics` alone has not.
    let mean = try step.append(.reduce(.mean, axes: rows, keepDims: false), [z], "folding")
    let centered = try step.binary(.subtract, z, mean)
    let variance = try step.append(.reduce(.mean, axes: rows, keepDims: false), [try step.binary(.multiply, centered, centered)], "folding")
    let sigma = try deviation(running.variance)
    let usedMean = try unlessFrozen(mean, running.mean)
    let usedSigma = try unlessFrozen(try deviation(variance), sigma)

    let w = step.parameters[layer.weights].effective
    let perRow = Shape([layer.rows, 1, 1, 1])
    let fold = try step.append(.reshape(perRow), [try step.binary(.divide, gamma, sigma)], "folding")
    let rounded = try step.rowsRounded(try step.binary(.multiply, w, fold), step.rowAxes(layer), bits: bits)
    let product = try step.append(.convolution(op), [node.inputs[0], rounded], "folding")
    var shift = usedMean
    if let bias = node.input(2) { shift = try step.binary(.subtract, usedMean, bias) }
    let offset = try step.binary(.subtract, beta, try step.binary(.divide, try step.binary(.multiply, gamma, shift), usedSigma))
    let y = try step.binary(.add, try step.binary(.multiply, product, try step.binary(.divide, sigma, usedSigma)), offset)
    step.redirect(normalization.outputs[0], to: y)

    // The exported model is folded again: its weights are the rounded ones without gamma / sigma. A gamma of 0 has rounded weights of 0.
    let size = try step.binary(.maximum, try step.unary(.abs, fold), try step.scalar(1e-20))
    let signed = try step.binary(.multiply, size, try step.unary(.binarize, fold))
    step.parameters[layer.weights].effective = try step.binary(.divide, rounded, signed)
    return true
  }
}
