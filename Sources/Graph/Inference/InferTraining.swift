// Operators of training: gradients that no other operator gives, updates of parameters, random numbers. All of float32.

extension TypeInference {
  /// The gradient of a result, which must have exactly its shape.
  private func checkGradient(_ position: Int, _ result: Shape) throws(EdgeError) {
    try checkFloat(position)
    guard value(position).shape == result else {
      throw failure(
        .shapeMismatch, "input \(position) has shape \(value(position).shape.text), \(result.text) is required", inputs[position])
    }
  }

  /// The known size of the last axis.
  private func channels(_ x: Shape) throws(EdgeError) -> Int {
    guard let channels = x.dims.last, channels >= 0 else {
      throw failure(.shapeMismatch, "the number of channels must be known", inputs[0])
    }
    return channels
  }

  func convolutionWeightGradient(_ convolution: Convolution) throws(EdgeError) -> TensorType {
    try arity(2)
    try checkClamp(convolution.clamp)
    try checkFloat(0)
    let x = try shape(0, rank: 4)
    let outputs = try channels(try shape(1, rank: 4))
    let size = try positions(convolution.window, x)
    try checkGradient(1, Shape([x[0], size.height, size.width, outputs]))
    let groups = convolution.groups
    guard x[3] >= 0, outputs > 0, groups > 0, x[3] % groups == 0, outputs % groups == 0 else {
      throw failure(.shapeMismatch, "\(groups) groups do not divide \(x[3]) and \(outputs) channels", inputs[1])
    }
    return try computed(.float, Shape([outputs, convolution.window.kernelHeight, convolution.window.kernelWidth, x[3] / groups]))
  }

  func poolGradient(_ pool: Pool) throws(EdgeError) -> TensorType {
    try arity(2)
    try checkFloat(0)
    let x = try shape(0, rank: 4)
    let size = try positions(pool.window, x, ceilMode: pool.ceilMode)
    try checkGradient(1, Shape([x[0], size.height, size.width, x[3]]))
    return try computed(.float, x)
  }

  func batchStatistics() throws(EdgeError) -> [TensorType] {
    try arity(1)
    try checkFloat(0)
    let vector = try computed(.float, Shape([try channels(try shape(0))]))
    return [vector, vector]
  }

  func batchNormalizationGradient(_ epsilon: Float) throws(EdgeError) -> [TensorType] {
    try arity(5)
    guard epsilon.isFinite, epsilon >= 0 else { throw failure(.invalidGraph, "epsilon must be finite and not negative") }
    try checkFloat(0)
    let x = try shape(0)
    let channels = try channels(x)
    try checkGradient(1, x)
    let names: [(Int, Text)] = [(2, "scale"), (3, "mean"), (4, "variance")]
    for (position, what) in names {
      try checkFloat(position)
      try checkVector(position, count: channels, what)
    }
    let vector = try computed(.float, Shape([channels]))
    return [try computed(.float, x), vector, vector]
  }

  func optimizerStep(_ step: OptimizerStep) throws(EdgeError) -> [TensorType] {
    try arity(3, optional: 3)
    guard step.rate.isFinite, step.decay.isFinite else { throw failure(.invalidGraph, "the factors of rate and decay must be finite") }
    try checkFloat(0)
    let parameter = try shape(0)
    try checkGradient(1, parameter)
    try checkFloat(2)
    try checkVector(2, count: OptimizerStep.rateCount, "the list of rates")
    if let factor = optionalValue(3) {
      try checkFloat(3)
      guard factor.shape.rank == 0 else { throw failure(.shapeMismatch, "the factor of the gradient must be a scalar", inputs[3]) }
    }
    for position in 4...5 {
      let isThere = optionalValue(position) != nil
      guard isThere == (position < 4 + step.momentCount) else {
        throw failure(.invalidGraph, "\(step.kind.name) has \(step.momentCount) moments", isThere ? inputs[position] : nil)
      }
      if isThere { try checkGradient(position, parameter) }
    }
    return [TensorType](repeating: try computed(.float, parameter), count: 1 + step.momentCount)
  }

  func random() throws(EdgeError) -> TensorType {
    try arity(2)
    try checkFloat(0)
    guard value(1).dtype == .int64, value(1).quantization == nil, value(1).shape.rank == 0 else {
      throw failure(.shapeMismatch, "the number of the run must be an int64 scalar", inputs[1])
    }
    return try computed(.float, try shape(0))
  }
}
