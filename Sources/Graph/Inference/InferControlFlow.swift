// Branches and loops, one operator at a time; `Graph.validateControlFlow` checks what they say about each other.

extension TypeInference {
  /// One plain element of a type, if the input is there.
  private func checkOne(_ position: Int, _ dtype: DType) throws(EdgeError) {
    guard let value = optionalValue(position) else { return }
    guard value.dtype == dtype, value.quantization == nil else {
      throw failure(.dtypeMismatch, "input \(position) is \(value.dtype.text), \(dtype.text) is required", inputs[position])
    }
    guard !value.shape.hasBatch, value.shape.elementCount() == 1 else {
      throw failure(.shapeMismatch, "input \(position) has shape \(value.shape.text), one element is required", inputs[position])
    }
  }

  /// Types of the inputs from a position on, which must all be there.
  private func types(from first: Int) throws(EdgeError) -> [TensorType] {
    var types: [TensorType] = []
    for position in first..<max(first, inputs.count) {
      guard inputs[position] != Node.noValue else { throw failure(.invalidGraph, "input \(position) is missing") }
      types.append(TensorType(value(position).dtype, try checked(try shape(position)), value(position).quantization))
    }
    return types
  }

  func when() throws(EdgeError) -> [TensorType] {
    try arity(1)
    try checkOne(0, .bool)
    return []
  }

  func otherwise() throws(EdgeError) -> [TensorType] {
    _ = try types(from: 0)
    return []
  }

  func merge() throws(EdgeError) -> [TensorType] { try types(from: 0) }

  func loop() throws(EdgeError) -> [TensorType] {
    guard inputs.count >= 2 else { throw failure(.invalidGraph, "takes 2 or more inputs, not \(inputs.count)") }
    try checkOne(0, .int64)
    try checkOne(1, .bool)
    return [TensorType(.int64, Shape([]))] + (try types(from: 2))
  }

  func next(_ stacked: Int, _ length: Int) throws(EdgeError) -> [TensorType] {
    guard stacked >= 0, length >= 0, inputs.count > stacked, stacked > 0 || length == 0 else {
      throw failure(.invalidGraph, "\(inputs.count) inputs, of them \(stacked) to be stacked \(length) times")
    }
    try checkOne(0, .bool)
    var types = try types(from: 1)
    for index in types.indices.suffix(stacked) {
      guard types[index].quantization?.axis == nil else {
        throw failure(.dtypeMismatch, "does not take scales along an axis", inputs[1 + index])
      }
      types[index].shape = try checked(Shape([length] + types[index].shape.dims))
    }
    return types
  }
}
