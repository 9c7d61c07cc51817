extension TypeInference {
  func recurrent(_ op: Recurrent) throws(EdgeError) -> [TensorType] {
    try arity(2, optional: 5)
    let gates = try shape(0, rank: 3)
    let weights = try shape(1, rank: 2)
    let hidden = weights[1]
    guard hidden > 0, let total = multiplyChecked(hidden, op.gateCount), weights[0] == total, let peepholes = multiplyChecked(hidden, 3) else {
      throw failure(.shapeMismatch, "weights have shape \(weights.text), [\(op.gateCount) H, H] is required", inputs[1])
    }
    guard gates[2] == total else {
      throw failure(.shapeMismatch, "weights \(weights.text) do not fit gates of shape \(gates.text)", inputs[1])
    }
    let batch = gates[op.isBatchFirst ? 0 : 1]
    let isLstm = op.kind == .lstm
    try check(op.kind == .gru && op.resetsAfterProduct, 2, [hidden], "bias")
    try check(true, 3, [batch, hidden], "initial state")
    try check(isLstm, 4, [batch, hidden], "initial cell")
    try check(isLstm, 5, [peepholes], "peepholes")
    try check(true, 6, [batch], "lengths")
    for position in 0..<6 { try checkFloat(position) }
    if let lengths = optionalValue(6) {
      guard lengths.dtype == .int32 || lengths.dtype == .int64, lengths.quantization == nil else {
        throw failure(.dtypeMismatch, "lengths are \(lengths.dtype.text), int32 or int64 is required", inputs[6])
      }
    }
    guard op.clip > 0, op.cellClip > 0 else { throw failure(.invalidGraph, "limits must be positive") }
    for activation in [op.f, op.g, op.h] { try check(activation) }
    let states = try computed(.float, Shape([gates[0], gates[1], hidden]))
    let last = try computed(.float, Shape([batch, hidden]))
    return isLstm ? [states, last, last] : [states, last]
  }

  /// An optional input: absent where the operator has no use for it, else of one shape.
  private func check(_ hasUse: Bool, _ position: Int, _ dims: [Int], _ what: Text) throws(EdgeError) {
    guard let value = optionalValue(position) else { return }
    guard hasUse else { throw failure(.invalidGraph, "takes no \(what)", inputs[position]) }
    guard value.shape.dims == dims else {
      throw failure(.shapeMismatch, "\(what) has shape \(value.shape.text), \(Shape(dims).text) is required", inputs[position])
    }
  }

  private func check(_ activation: Recurrent.Activation) throws(EdgeError) {
    let function = activation.function
    guard function.kind.rawValue <= UnaryFunction.Kind.sign.rawValue else {
      throw failure(.invalidGraph, "\(function.kind.name) is no activation")
    }
    if function.kind == .clamp { try checkClamp(Clamp(min: function.alpha, max: function.beta)) }
    for number in [function.alpha, function.beta, activation.inputScale, activation.inputOffset, activation.outputScale] where number.isNaN {
      throw failure(.invalidGraph, "parameters must be numbers")
    }
  }
}
