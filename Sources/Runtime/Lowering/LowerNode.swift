import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension Lowering {
  /// Appends the steps of one node.
  func lower(_ node: Node) throws(EdgeError) {
    if try isEmpty(node.outputs) {
      for y in node.outputs { _ = try result(y) }
      return
    }
    if let source = aliasSource(node) {
      let y = node.outputs[0]
      guard try count(source) == (try count(y)) else { throw error(.shapeMismatch, "has not the operand's size", value: y) }
      places[y] = try operand(source)
      return
    }
    switch node.op {
    case .concat, .pad, .reduce, .put, .nonZero, .crop, .unique, .nonMaxSuppression: break
    case .matMul where try isEmpty([try required(node, 0)]): return try lowerSumOfNothing(node)
    default:
      for x in node.inputs where x != Node.noValue { _ = try count(x) }
    }
    switch node.op {
    case .convolution(let op): try lowerConvolution(node, op)
    case .transposedConvolution(let op): try lowerTransposedConvolution(node, op)
    case .dense(let clamp): try lowerDense(node, clamp)
    case .matMul: try lowerMatMul(node)
    case .batchNormalization(let epsilon): try lowerBatchNormalization(node, epsilon: epsilon)
    case .unary(let function): try lowerUnary(node, function)
    case .binary(let function, let clamp): try lowerBinary(node, function, clamp)
    case .pool(let op): try lowerPool(node, op)
    case .reduce(let function, let axes, _): try lowerReduce(node, function, axes: axes)
    case .softmax(let axis, let log): try lowerSoftmax(node, axis: axis, log: log)
    case .convolutionWeightGradient(let op): try lowerConvolutionWeightGradient(node, op)
    case .poolGradient(let op): try lowerPoolGradient(node, op)
    case .batchStatistics: try lowerBatchStatistics(node)
    case .batchNormalizationGradient(let epsilon): try lowerBatchNormalizationGradient(node, epsilon: epsilon)
    case .optimizerStep(let op): try lowerOptimizerStep(node, op)
    case .random(let seed): try lowerRandom(node, seed: seed)
    case .concat(let axis): try lowerConcat(node, axis: axis)
    case .split(let axis, _): try lowerSplit(node, axis: axis)
    case .slice(let starts, _, let steps): try lowerSlice(node, starts: starts, steps: steps)
    case .pad(let mode, let before, let after, let value): try lowerPad(node, mode, before: before, after: after, value: value)
    case .resize(let op): try lowerResize(node, op)
    case .transpose(let order): try lowerTranspose(node, order)
    case .reshape: try lowerReshape(node)
    case .expand: try lowerExpand(node)
    case .gather(let axis, let indices, _): try lowerGather(node, axis: axis, indices: indices)
    case .localResponseNormalization(let size, let alpha, let beta, let bias):
      try lowerLocalResponseNormalization(node, size: size, alpha: alpha, beta: beta, bias: bias)
    case .layerNormalization(let epsilon): try lowerLayerNormalization(node, epsilon: epsilon)
    case .quantize: try lowerQuantize(node)
    case .dequantize: try lowerDequantize(node)
    case .requantize: try lowerRequantize(node)
    case .cast: try lowerCast(node)
    case .bitCast: throw unsupported("changes the width of elements")
    case .scan(let function, let axis, let exclusive, let reverse):
      try lowerScan(node, function, axis: axis, exclusive: exclusive, reverse: reverse)
    case .take(let indexing): try lowerTake(node, indexing)
    case .put(let indexing, let function): try lowerPut(node, indexing, function)
    case .topK(let axis, let k, let largest): try lowerTopK(node, axis: axis, k: k, largest: largest)
    case .nonZero(let bound): try lowerNonZero(node, bound: bound)
    case .crop(let axis, let crop): try lowerCrop(node, axis: axis, crop)
    case .unique(let axis, let sorted, let bound): try lowerUnique(node, axis: axis, sorted: sorted, bound: bound)
    case .nonMaxSuppression(let op): try lowerNonMaxSuppression(node, op)
    case .recurrent(let op): try lowerRecurrent(node, op)
    case .when, .otherwise, .merge, .loop, .next: throw error(.internalError, "is not lowered here")
    case .select: try lowerSelect(node)
    }
  }

  /// Nothing has elements, so there is nothing to compute.
  private func isEmpty(_ values: [ValueID]) throws(EdgeError) -> Bool {
    for value in values where try size(value) > 0 { return false }
    return true
  }

  /// A matrix product over no elements: zeros.
  private func lowerSumOfNothing(_ node: Node) throws(EdgeError) {
    let y = node.outputs[0]
    guard graph.values[y].quantization == nil else { throw unsupported("sums no elements of a quantized tensor") }
    try emitCopy(
      StridedLoops(dims: [try count(y)], strides: [[0], [1]]), elementBytes: dtype(y).byteCount, from: try derived([0 as UInt64]),
      to: try result(y))
  }

  /// A reshape into another quantized type; the others are aliases.
  private func lowerReshape(_ node: Node) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    guard try count(x) == (try count(y)) else { throw error(.shapeMismatch, "has not the operand's size", value: y) }
    try emitRequantize(from: try operand(x), try quantized(x), to: try result(y), try quantized(y), count: try count(y))
  }
}
