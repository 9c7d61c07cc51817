#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Normalizations by mean and variance, or by a norm, of the data themselves.

extension OnnxImporter {
  func importStandardization() throws(EdgeError) {
    let id = try input(0)
    let shape = operands[id].shape
    let x = try floatTensor(id)
    let rank = shape.rank
    let epsilon = try floatAttribute("epsilon", 1e-5)
    switch node.type {
    case "LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization":
      let axes = Array(try axisAttribute(-1, shape)..<rank)
      let isCentred = node.type == "LayerNormalization"
      if isCentred, axes.count == 1, epsilon.isFinite, epsilon >= 0, !isUsed(output: 1), !isUsed(output: 2), let inputs = try rowParameters(x) {
        return try setResult(try emit(.layerNormalization(epsilon: epsilon), inputs, resultName()))
      }
      let parts = try standardized(x, axes, isCentred: isCentred, epsilon: epsilon)
      try setResult(try scaledAndShifted(parts.y, scaleDims: nil))
      if isCentred { try setResult(parts.mean, output: 1) }
      try setResult(parts.inverse, output: isCentred ? 2 : 1)
    case "InstanceNormalization":
      guard rank >= 3 else { throw wrongShape("\(shape.text) has no pixels", operand: id) }
      let parts = try standardized(x, Array(2..<rank), isCentred: true, epsilon: epsilon)
      try setResult(try scaledAndShifted(parts.y, scaleDims: [shape[1]] + [Int](repeating: 1, count: rank - 2)))
    case "GroupNormalization": try importGroups(x, shape, epsilon)
    case "MeanVarianceNormalization":
      let axes = try normalized(try integersAttribute("axes") ?? [0, 2, 3], rank: rank)
      let centred = try binary(.subtract, x, try reduce(.mean, x, axes))
      let deviation = try unary(.sqrt, try reduce(.mean, try binary(.multiply, centred, centred), axes))
      try setResult(try binary(.divide, centred, try binary(.add, deviation, try number(1e-9, .float32))))
    default:
      // LpNormalization. Where all elements are 0 they stay 0.
      let axis = try axisAttribute(-1, shape)
      let p = try integerAttribute("p", 2)
      guard p == 1 || p == 2 else { throw malformed("attribute 'p' is \(p)") }
      let norm = try reduce(p == 1 ? .l1 : .l2, x, [axis])
      let isZero = try binary(.equal, norm, try number(0, .float32))
      try setResult(try binary(.divide, x, try part(.select, [isZero, try number(1, .float32), norm])))
    }
  }

  /// x, scale and bias of a normalization over the last axis; nil where they are not a number for each of its elements.
  private func rowParameters(_ x: ValueID) throws(EdgeError) -> [ValueID]? {
    var inputs = [x]
    for index in 1...2 {
      guard let id = try optionalInput(index) else {
        // The operator has no bias without a scale.
        if index == 1 { return nil }
        continue
      }
      guard let count = graph.values[x].shape.dims.last, count > 0, operands[id].shape.dims == [count] else { return nil }
      inputs.append(try floatTensor(id))
    }
    return inputs.count > 1 ? inputs : nil
  }

  /// (x - mean) / sqrt(variance + epsilon) over some axes; without the mean when not centred.
  func standardized(
    _ x: ValueID, _ axes: [Int], isCentred: Bool, epsilon: Float
  ) throws(EdgeError) -> (y: ValueID, mean: ValueID, inverse: ValueID) {
    guard epsilon.isFinite, epsilon >= 0 else { throw malformed("attribute 'epsilon' is \(epsilon)") }
    let mean = isCentred ? try reduce(.mean, x, axes) : x
    let centred = isCentred ? try binary(.subtract, x, mean) : x
    let variance = try reduce(.mean, try binary(.multiply, centred, centred), axes)
    let deviation = try unary(.sqrt, try binary(.add, variance, try number(Double(epsilon), .float32)))
    let inverse = try unary(.reciprocal, deviation)
    return (try binary(.multiply, centred, inverse), mean, inverse)
  }

  /// Times input 1, plus input 2 where there is one; both in the given shape.
  private func scaledAndShifted(_ x: ValueID, scaleDims: [Int]?) throws(EdgeError) -> ValueID {
    var value = x
    for index in 1...2 {
      guard let id = try optionalInput(index) else { continue }
      let parameter = try floatTensor(id)
      if let scaleDims, let count = operands[id].shape.elementCount(), count != Shape(scaleDims).elementCount() {
        throw wrongShape("a parameter has shape \(operands[id].shape.text)", operand: id)
      }
      value = try binary(index == 1 ? .multiply : .add, value, try scaleDims.map { dims throws(EdgeError) in try reshaped(parameter, dims) } ?? parameter)
    }
    return value
  }

  private func importGroups(_ x: ValueID, _ shape: Shape, _ epsilon: Float) throws(EdgeError) {
    guard let groups = try integerAttribute("num_groups"), groups > 0, shape.rank >= 2, shape[1] > 0, shape[1] % groups == 0 else {
      throw malformed("attribute 'num_groups' does not divide the channels of \(shape.text)")
    }
    guard !shape.dims[1...].contains(Shape.batch), let count = Shape(Array(shape.dims[1...])).elementCount() else {
      throw reject("the sizes of \(shape.text) must be known")
    }
    var y = try standardized(try reshaped(x, [shape[0], groups, count / groups]), [2], isCentred: true, epsilon: epsilon).y
    // Scale and bias are for each group up to operator set 20, for each channel since.
    if opset < 21 { y = try scaledAndShifted(y, scaleDims: [groups, 1]) }
    y = try reshaped(y, shape.dims)
    if opset >= 21 { y = try scaledAndShifted(y, scaleDims: [shape[1]] + [Int](repeating: 1, count: shape.rank - 2)) }
    try setResult(y)
  }
}
