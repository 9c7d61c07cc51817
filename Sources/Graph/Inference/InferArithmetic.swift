// Operators that compute element by element, along an axis, or as matrix products.

extension TypeInference {
  func dense(_ clamp: Clamp) throws(EdgeError) -> TensorType {
    try arity(2, optional: 2)
    try checkClamp(clamp)
    let x = try shape(0)
    let weights = try shape(1, rank: 2)
    guard !weights.hasBatch, weights[0] > 0 else { throw failure(.shapeMismatch, "weights have shape \(weights.text)", inputs[1]) }
    guard let depth = x.dims.last, depth == weights[1] else {
      throw failure(.shapeMismatch, "weights \(weights.text) do not fit an input of shape \(x.text)", inputs[1])
    }
    try checkVector(2, count: weights[0], "bias")
    var result = x
    result[x.rank - 1] = weights[0]
    let arithmetic = try arithmetic()
    try checkWeights(arithmetic, outputs: weights[0])
    try checkResidual(arithmetic, result)
    return try computed(arithmetic, result)
  }

  func matMul() throws(EdgeError) -> TensorType {
    try arity(2)
    let a = try shape(0)
    let b = try shape(1)
    guard a.rank >= 2, b.rank >= 2 else { throw failure(.shapeMismatch, "both inputs must have at least two dimensions", inputs[0]) }
    let depth = a[a.rank - 1]
    guard depth >= 0, depth == b[b.rank - 2] else {
      throw failure(.shapeMismatch, "\(a.text) and \(b.text) do not multiply", inputs[1])
    }
    guard let batch = broadcastShape(Shape(Array(a.dims.dropLast(2))), Shape(Array(b.dims.dropLast(2)))) else {
      throw failure(.shapeMismatch, "\(a.text) and \(b.text) do not broadcast", inputs[1])
    }
    let result = Shape(batch.dims + [a[a.rank - 2], b[b.rank - 1]])
    if isPlain(0), value(0).dtype.isInteger {
      guard value(1).dtype == value(0).dtype, value(1).quantization == nil else {
        throw failure(.dtypeMismatch, "inputs are \(value(0).dtype.text) and \(value(1).dtype.text)", inputs[1])
      }
      return try typed(value(0).dtype, result)
    }
    let arithmetic = try arithmetic()
    try checkSame(arithmetic, 1)
    return try computed(arithmetic, result)
  }

  func batchNormalization(_ epsilon: Float) throws(EdgeError) -> TensorType {
    try arity(5)
    guard epsilon.isFinite, epsilon >= 0 else { throw failure(.invalidGraph, "epsilon must be finite and not negative") }
    let x = try shape(0)
    guard let channels = x.dims.last, channels >= 0 else {
      throw failure(.shapeMismatch, "the number of channels must be known", inputs[0])
    }
    let names: [(Int, Text)] = [(1, "scale"), (2, "bias"), (3, "mean"), (4, "variance")]
    for (position, what) in names {
      try checkVector(position, count: channels, what)
    }
    for position in 0..<5 { try checkFloat(position) }
    return try computed(.float, x)
  }

  func unary(_ function: UnaryFunction) throws(EdgeError) -> TensorType {
    try arity(1)
    let x = try shape(0)
    if function.kind == .clamp { try checkClamp(Clamp(min: function.alpha, max: function.beta)) }
    guard !function.alpha.isNaN, !function.beta.isNaN else { throw failure(.invalidGraph, "parameters must be numbers") }
    switch function.kind {
    case .isNaN, .isInfinite:
      try checkFloat(0)
      return try typed(.bool, x)
    case .not:
      guard isPlain(0) else { throw failure(.dtypeMismatch, "takes integers or booleans", inputs[0]) }
      return try typed(value(0).dtype, x)
    case .abs, .negate, .sign:
      if isPlain(0), value(0).dtype.isInteger { return try typed(value(0).dtype, x) }
    default: break
    }
    return try computed(arithmetic(), x, keepsByDefault: function.kind == .clamp)
  }

  func binary(_ function: BinaryFunction, _ clamp: Clamp) throws(EdgeError) -> TensorType {
    try arity(2)
    try checkClamp(clamp)
    let a = try shape(0)
    let b = try shape(1)
    guard let result = broadcastShape(a, b) else {
      throw failure(.shapeMismatch, "\(a.text) and \(b.text) do not broadcast", inputs[1])
    }
    if function == .gate {
      try checkFloat(0)
      try checkFloat(1)
      return try computed(.float, result)
    }
    if isPlain(0) || value(0).dtype == .float64 || function.rawValue > BinaryFunction.prelu.rawValue {
      return try typedBinary(function, clamp, result)
    }
    let arithmetic = try arithmetic()
    // An exponent may be an integer.
    if function == .power, arithmetic == .float, isPlain(1), value(1).dtype.isInteger {
      guard clamp.isNone else { throw failure(.dtypeMismatch, "does not clamp these element types") }
      return try typed(.float32, result)
    }
    try checkSame(arithmetic, 1)
    return try computed(arithmetic, result)
  }

  /// Functions of integers, booleans and float64, and those of float32 that no float kernel has.
  private func typedBinary(_ function: BinaryFunction, _ clamp: Clamp, _ shape: Shape) throws(EdgeError) -> TensorType {
    let (a, b) = (value(0).dtype, value(1).dtype)
    guard a == b || function == .power && a.isInteger && (b.isInteger || b == .float32), value(0).quantization == nil,
      value(1).quantization == nil
    else { throw failure(.dtypeMismatch, "inputs are \(a.text) and \(b.text)", inputs[1]) }
    guard clamp.isNone else { throw failure(.dtypeMismatch, "does not clamp these element types") }
    let fits: Bool
    switch function {
    case .equal, .less, .lessOrEqual: fits = a == .bool || a == .float32 || a == .float64 || a.isInteger
    case .and, .or, .xor: fits = a == .bool || a.isInteger
    case .modulo, .remainder: fits = a == .float32 || a == .float64 || a.isInteger
    case .add, .subtract, .multiply, .divide, .minimum, .maximum: fits = a == .float64 || a.isInteger
    default: fits = a.isInteger
    }
    guard fits else { throw failure(.dtypeMismatch, "does not take \(a.text)", inputs[0]) }
    return try typed(function.isComparison ? .bool : a, shape)
  }

  func select() throws(EdgeError) -> TensorType {
    try arity(3)
    guard value(0).dtype == .bool, value(0).quantization == nil else { throw failure(.dtypeMismatch, "the condition must be bool", inputs[0]) }
    guard value(1).dtype == value(2).dtype, value(1).quantization == value(2).quantization else {
      throw failure(.dtypeMismatch, "both choices must have one element type", inputs[2])
    }
    guard let choices = broadcastShape(try shape(1), try shape(2)), let result = broadcastShape(try shape(0), choices) else {
      throw failure(.shapeMismatch, "the inputs do not broadcast", inputs[2])
    }
    return try moved(1, result)
  }

  func reduce(_ function: ReduceFunction, _ axes: [Int], _ keepDims: Bool) throws(EdgeError) -> TensorType {
    try arity(1)
    let x = try shape(0)
    for (position, axis) in axes.enumerated() {
      try checkAxis(axis, rank: x.rank)
      if axes[..<position].contains(axis) { throw failure(.invalidGraph, "axis \(axis) is listed twice", inputs[0]) }
      let hasNone = function.rawValue >= ReduceFunction.argMax.rawValue || value(0).quantization != nil
      if x[axis] == 0, hasNone { throw failure(.shapeMismatch, "axis \(axis) is empty", inputs[0]) }
    }
    var dims: [Int] = []
    for (axis, dim) in x.dims.enumerated() {
      if !axes.contains(axis) {
        dims.append(dim)
      } else if keepDims {
        dims.append(1)
      }
    }
    switch function {
    case .argMax, .argMaxLast, .argMin, .argMinLast:
      guard axes.count == 1 else { throw failure(.invalidGraph, "takes one axis", inputs[0]) }
      // Numbers of one scale have the order of their integers.
      if value(0).dtype.isFloatingPoint { try checkFloat(0) } else if !isPlain(0) { try checkQuantized(0) }
      return try typed(.int64, Shape(dims))
    case .logSum, .logSumExp:
      if !isPlain(0) { try checkFloat(0) }
      return try typed(value(0).dtype, Shape(dims))
    default:
      if isPlain(0) { return try typed(value(0).dtype, Shape(dims)) }
    }
    let keeps = function == .mean || function == .max || function == .min
    return try computed(arithmetic(), Shape(dims), keepsByDefault: keeps)
  }

  func layerNormalization(_ epsilon: Float) throws(EdgeError) -> TensorType {
    try arity(2, optional: 1)
    guard epsilon.isFinite, epsilon >= 0 else { throw failure(.invalidGraph, "epsilon must be finite and not negative") }
    let x = try shape(0)
    guard let count = x.dims.last, count > 0 else { throw failure(.shapeMismatch, "the size of the last axis must be known", inputs[0]) }
    for position in 1...2 {
      try checkVector(position, count: count, position == 1 ? "scale" : "bias")
      try checkFloat(position)
    }
    return try computed(arithmetic(), x)
  }

  func softmax(_ axis: Int) throws(EdgeError) -> TensorType {
    try arity(1)
    let x = try shape(0)
    try checkAxis(axis, rank: x.rank)
    return try computed(arithmetic(), x)
  }

  func localResponseNormalization(_ size: Int, _ alpha: Float, _ beta: Float, _ bias: Float) throws(EdgeError) -> TensorType {
    try arity(1)
    let x = try shape(0)
    guard let channels = x.dims.last, channels >= 0 else {
      throw failure(.shapeMismatch, "the number of channels must be known", inputs[0])
    }
    guard size > 0, size <= Int(Int32.max) else { throw failure(.invalidGraph, "size \(size) is out of range") }
    guard alpha.isFinite, beta.isFinite, bias.isFinite else { throw failure(.invalidGraph, "parameters must be finite") }
    try checkFloat(0)
    return try computed(.float, x)
  }

  func quantize() throws(EdgeError) -> TensorType {
    try arity(1)
    let x = try shape(0)
    try checkFloat(0)
    return try declaredQuantized(try checked(x))
  }

  func dequantize() throws(EdgeError) -> TensorType {
    try arity(1)
    let x = try shape(0)
    guard value(0).quantization != nil else { throw failure(.dtypeMismatch, "the input is not quantized", inputs[0]) }
    return TensorType(.float32, try checked(x))
  }

  func requantize() throws(EdgeError) -> TensorType {
    try arity(1)
    let x = try shape(0)
    try checkQuantized(0)
    return try declaredQuantized(try checked(x))
  }

  func cast(_ dtype: DType) throws(EdgeError) -> TensorType {
    try arity(1)
    let x = try shape(0)
    guard value(0).quantization == nil else {
      throw failure(.dtypeMismatch, "the input is quantized; dequantize is the operator for that", inputs[0])
    }
    return TensorType(dtype, try checked(x))
  }
}
