#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Exact products of 8-bit integers, and the quantization that finds its own scale: what dynamic quantization consists of.

extension OnnxImporter {
  func importIntegerForm() throws(EdgeError) {
    switch node.type {
    case "MatMulInteger":
      // One zero point for each row of the first factor, for each column of the second.
      let (a, b) = (try centered(0, zerosAxis: 1), try centered(1, zerosAxis: 0))
      try setResult(try product(a, b, resultName()))
    case "ConvInteger": try importConvInteger()
    default: try importDynamicQuantize()
    }
  }

  /// An input less its zero point, as int32. Several zero points are those of the axis before `zerosAxis` last ones.
  private func centered(_ index: Int, zerosAxis: Int) throws(EdgeError) -> ValueID {
    let value = try part(.cast(.int32), [try tensor(try input(index))])
    guard let zero = try optionalInput(index + 2) else { return value }
    var dims = operands[zero].shape.dims
    if dims == [1] { dims = [] }
    if dims.count == 1 { dims += [Int](repeating: 1, count: zerosAxis) }
    return try binary(.subtract, value, try reshaped(try part(.cast(.int32), [try tensor(zero)]), dims))
  }

  /// Float convolutions, whose sums are exact below 2^24: where products of whole weights would exceed that, the weights
  /// are cut into digits of fewer bits.
  private func importConvInteger() throws(EdgeError) {
    let weights = operands[try input(1)].shape
    guard weights.rank >= 3, !weights.hasBatch, let taps = Shape(Array(weights.dims.dropFirst())).elementCount(), taps <= 1 << 15 else {
      throw reject("weights of shape \(weights.text)")
    }
    // |x| and |w| are at most 255.
    var bits = 8
    while bits > 0, (255 << bits) * taps > 1 << 24 { bits -= 1 }
    guard bits > 0 else { throw reject("windows of \(taps) elements") }
    let digits = bits == 8 ? 1 : (9 + bits - 1) / bits
    let x = temporary(inputs[0])
    let centeredInput = try centered(0, zerosAxis: 0)
    operands[x].define(
      value: try part(.cast(.float32), [centeredInput]), dtype: .float32, shape: operands[inputs[0]].shape)
    let w = try centered(1, zerosAxis: weights.rank - 1)
    let whole = (node: node, inputs: inputs, outputs: outputs)
    defer { (node, inputs, outputs) = whole }
    var sum = Node.noValue
    for digit in 0..<digits {
      var piece = w
      let shift = try number(Double(digit * bits), .int32)
      if digit > 0 { piece = try binary(.shiftRight, piece, shift) }
      if digit < digits - 1 { piece = try binary(.and, piece, try number(Double(1 << bits - 1), .int32)) }
      let (kernel, result) = (temporary(whole.inputs[1]), temporary(whole.outputs.first ?? -1))
      operands[kernel].define(value: try part(.cast(.float32), [piece]), dtype: .float32, shape: weights)
      try importPart("Conv", [x, kernel], result, whole.node.attributes)
      var term = try part(.cast(.int32), [try tensor(result)])
      if digit > 0 { term = try binary(.shiftLeft, term, shift) }
      sum = digit == 0 ? term : try binary(.add, sum, term)
    }
    (node, inputs, outputs) = whole
    try setResult(sum)
  }

  /// uint8, with zero and all of x in range.
  private func importDynamicQuantize() throws(EdgeError) {
    let x = try floatTensor(try input(0))
    let axes = Array(graph.values[x].shape.dims.indices)
    let zero = try number(0, .float32)
    let high = try binary(.maximum, try reduce(.max, x, axes, keepDims: false), zero)
    let low = try binary(.minimum, try reduce(.min, x, axes, keepDims: false), zero)
    let span = try binary(.subtract, high, low)
    let scale = try emit(.binary(.divide, .none), [span, try number(255, .float32)], resultName(1))
    let byte = Operator.unary(UnaryFunction(.clamp, alpha: 0, beta: 255))
    let zeroPoint = try unary(.round, try part(byte, [try binary(.divide, try unary(.negate, low), scale)]))
    let y = try part(byte, [try binary(.add, try unary(.round, try binary(.divide, x, scale)), zeroPoint)])
    try setResult(try emit(.cast(.uint8), [y], resultName()))
    try setResult(scale, output: 1)
    try setResult(try emit(.cast(.uint8), [zeroPoint], resultName(2)), output: 2)
  }
}
