/// The element type of a result, as a builder of a quantized graph declares it.
public struct ElementType: Equatable, Sendable {
  public var dtype: DType
  public var quantization: Quantization?

  public init(_ dtype: DType, _ quantization: Quantization? = nil) {
    self.dtype = dtype
    self.quantization = quantization
  }
}

/// All of a result's type.
public struct TensorType: Equatable, Sendable {
  public var dtype: DType
  public var shape: Shape
  public var quantization: Quantization?

  public init(_ dtype: DType, _ shape: Shape, _ quantization: Quantization? = nil) {
    self.dtype = dtype
    self.shape = shape
    self.quantization = quantization
  }
}

/// Derives the types of one node's results from its inputs. It trusts nothing: identifiers, attributes and
/// shapes may come from a hostile file.
///
/// Element types follow three rules:
/// - Operators that move data (reshape, transpose, slice, split, concat, gather, pad, expand, max pooling,
///   nearest resize) take any element type and keep it, with its quantization.
/// - Operators that compute take float32 and give float32, or take quantized integers and give what the
///   builder declares for the result. Where nothing is declared, clamp, average pooling, reduce mean, max and
///   min, and linear resize keep the input's quantization; every other operator refuses.
/// - quantize and requantize need a declared result.
/// - Functions of one or two elements, and selection, also take integers and booleans that stand for themselves,
///   where they mean something; the result has the operands' type, that of a comparison is bool.
struct TypeInference {
  let values: [Value]
  let name: Text
  let index: Int
  let op: Operator
  let inputs: [ValueID]
  /// Element types declared for the results; empty when the builder leaves them to the rules.
  let declared: [ElementType]

  /// Types of the results, in order.
  func results() throws(EdgeError) -> [TensorType] {
    for input in inputs where input != Node.noValue && !(input >= 0 && input < values.count) {
      throw failure(.invalidGraph, "input \(input) is not a value of the graph")
    }
    switch op {
    case .convolution(let convolution): return [try self.convolution(convolution)]
    case .transposedConvolution(let convolution): return [try transposedConvolution(convolution)]
    case .dense(let clamp): return [try dense(clamp)]
    case .matMul: return [try matMul()]
    case .batchNormalization(let epsilon): return [try batchNormalization(epsilon)]
    case .unary(let function): return [try unary(function)]
    case .binary(let function, let clamp): return [try binary(function, clamp)]
    case .pool(let pool): return [try self.pool(pool)]
    case .reduce(let function, let axes, let keepDims): return [try reduce(function, axes, keepDims)]
    case .softmax(let axis, _): return [try softmax(axis)]
    case .convolutionWeightGradient(let convolution): return [try convolutionWeightGradient(convolution)]
    case .poolGradient(let pool): return [try poolGradient(pool)]
    case .batchStatistics: return try batchStatistics()
    case .batchNormalizationGradient(let epsilon): return try batchNormalizationGradient(epsilon)
    case .optimizerStep(let step): return try optimizerStep(step)
    case .random: return [try random()]
    case .concat(let axis): return [try concat(axis)]
    case .split(let axis, let sizes): return try split(axis, sizes)
    case .slice(let starts, let ends, let steps): return [try slice(starts, ends, steps)]
    case .pad(let mode, let before, let after, let value): return [try pad(mode, before, after, value)]
    case .resize(let resize): return [try self.resize(resize)]
    case .transpose(let permutation): return [try transpose(permutation)]
    case .reshape(let shape): return [try reshape(shape)]
    case .expand(let shape): return [try expand(shape)]
    case .gather(let axis, let indices, let scalar): return [try gather(axis, indices, scalar)]
    case .localResponseNormalization(let size, let alpha, let beta, let bias):
      return [try localResponseNormalization(size, alpha, beta, bias)]
    case .layerNormalization(let epsilon): return [try layerNormalization(epsilon)]
    case .quantize: return [try quantize()]
    case .dequantize: return [try dequantize()]
    case .requantize: return [try requantize()]
    case .cast(let dtype): return [try cast(dtype)]
    case .bitCast(let dtype): return [try bitCast(dtype)]
    case .select: return [try select()]
    case .scan(_, let axis, _, _): return [try scan(axis)]
    case .take(let indexing): return [try take(indexing)]
    case .put(let indexing, let function): return [try put(indexing, function)]
    case .topK(let axis, let k, _): return try topK(axis, k)
    case .nonZero(let bound): return try nonZero(bound)
    case .crop(let axis, let crop): return [try self.crop(axis, crop)]
    case .unique(let axis, _, let bound): return try unique(axis, bound)
    case .nonMaxSuppression(let op): return try nonMaxSuppression(op)
    case .recurrent(let recurrent): return try self.recurrent(recurrent)
    case .when: return try when()
    case .otherwise: return try otherwise()
    case .merge: return try merge()
    case .loop: return try loop()
    case .next(let stacked, let length): return try next(stacked, length)
    }
  }

  // MARK: Inputs

  func failure(_ status: Status, _ message: Text, _ tensor: ValueID? = nil) -> EdgeError {
    let tensorName = tensor.map { $0 >= 0 && $0 < values.count ? values[$0].name : "" } ?? ""
    return EdgeError(status, "\(op.name): \(message)", node: name, nodeIndex: index, tensor: tensorName)
  }

  /// Checks the number of inputs; those past `required` may be absent.
  func arity(_ required: Int, optional: Int = 0) throws(EdgeError) {
    guard inputs.count >= required, inputs.count <= required + optional else {
      let expected: Text = optional == 0 ? "\(required)" : "\(required) to \(required + optional)"
      throw failure(.invalidGraph, "takes \(expected) inputs, not \(inputs.count)")
    }
    for position in 0..<required where inputs[position] == Node.noValue {
      throw failure(.invalidGraph, "input \(position) is missing")
    }
  }

  /// The value at a required position. Call after `arity`.
  func value(_ position: Int) -> Value { values[inputs[position]] }

  /// The value at an optional position.
  func optionalValue(_ position: Int) -> Value? {
    position < inputs.count && inputs[position] != Node.noValue ? values[inputs[position]] : nil
  }

  /// Checks the shape of a required input: rank and dimensions.
  func shape(_ position: Int, rank: Int? = nil) throws(EdgeError) -> Shape {
    let shape = value(position).shape
    guard shape.rank <= Shape.maximumRank else {
      throw failure(.shapeMismatch, "rank \(shape.rank) is above \(Shape.maximumRank)", inputs[position])
    }
    if let rank, shape.rank != rank {
      throw failure(.shapeMismatch, "input \(position) has shape \(shape.text), rank \(rank) is required", inputs[position])
    }
    for dim in shape.dims where dim < 0 && dim != Shape.batch {
      throw failure(.shapeMismatch, "dimension \(dim) is negative", inputs[position])
    }
    return shape
  }

  func checkAxis(_ axis: Int, rank: Int) throws(EdgeError) {
    guard axis >= 0, axis < rank else { throw failure(.invalidGraph, "axis \(axis) does not exist in rank \(rank)", inputs.first) }
  }

  /// A vector of one element for each channel.
  func checkVector(_ position: Int, count: Int, _ what: Text) throws(EdgeError) {
    guard let value = optionalValue(position) else { return }
    guard value.shape.dims == [count] else {
      throw failure(.shapeMismatch, "\(what) has shape \(value.shape.text), [\(count)] is required", inputs[position])
    }
  }

  /// A result's shape: its rank and number of elements must stay representable.
  func checked(_ shape: Shape) throws(EdgeError) -> Shape {
    guard shape.rank <= Shape.maximumRank else {
      throw failure(.shapeMismatch, "the result's rank \(shape.rank) is above \(Shape.maximumRank)")
    }
    guard let count = shape.elementCount(), !count.multipliedReportingOverflow(by: 8).overflow else {
      throw failure(.shapeMismatch, "the result's size overflows")
    }
    return shape
  }

  // MARK: Element types

  /// What an operator that computes is working with.
  enum Arithmetic { case float, quantized }

  /// The input's integers or booleans are what they are, without a scale.
  func isPlain(_ position: Int) -> Bool {
    let x = value(position)
    return !x.dtype.isFloatingPoint && x.quantization == nil
  }

  /// The result of an operator whose element type follows from the inputs alone.
  func typed(_ dtype: DType, _ shape: Shape) throws(EdgeError) -> TensorType {
    guard declared.isEmpty || declared.first == ElementType(dtype) else {
      throw failure(.dtypeMismatch, "the result is \(dtype.text), without quantization")
    }
    return TensorType(dtype, try checked(shape))
  }

  /// The element type of the first input decides.
  func arithmetic() throws(EdgeError) -> Arithmetic {
    let x = value(0)
    if x.dtype == .float32 && x.quantization == nil { return .float }
    try checkQuantized(0)
    return .quantized
  }

  /// An activation: 8 or 16 bit integers with one scale.
  func checkQuantized(_ position: Int) throws(EdgeError) {
    guard let value = optionalValue(position) else { return }
    guard let quantization = value.quantization, value.dtype == .uint8 || value.dtype == .int8 || value.dtype == .int16 else {
      throw failure(
        .dtypeMismatch, "input \(position) is \(value.dtype.text), float32 or quantized integers are required", inputs[position])
    }
    guard quantization.axis == nil, quantization.scales.count == 1 else {
      throw failure(.dtypeMismatch, "input \(position) is quantized along an axis, one scale is required", inputs[position])
    }
  }

  /// Another activation of the same arithmetic.
  func checkSame(_ arithmetic: Arithmetic, _ position: Int) throws(EdgeError) {
    guard optionalValue(position) != nil else { return }
    switch arithmetic {
    case .float: try checkFloat(position)
    case .quantized: try checkQuantized(position)
    }
  }

  func checkFloat(_ position: Int) throws(EdgeError) {
    guard let value = optionalValue(position) else { return }
    guard value.dtype == .float32, value.quantization == nil else {
      throw failure(.dtypeMismatch, "input \(position) is \(value.dtype.text), float32 is required", inputs[position])
    }
  }

  /// Weights at 1 and bias at 2.
  func checkWeights(_ arithmetic: Arithmetic, outputs: Int) throws(EdgeError) {
    guard arithmetic == .quantized else {
      try checkFloat(1)
      return try checkFloat(2)
    }
    let weights = value(1)
    guard let quantization = weights.quantization, weights.dtype == .int8 || weights.dtype == .uint8 else {
      throw failure(.dtypeMismatch, "weights are \(weights.dtype.text), quantized integers are required", inputs[1])
    }
    guard quantization.axis == nil ? quantization.scales.count == 1 : quantization.axis == 0 && quantization.scales.count == outputs else {
      throw failure(.dtypeMismatch, "weights must have one scale, or one for each output channel along axis 0", inputs[1])
    }
    if let bias = optionalValue(2), bias.dtype != .int32 {
      throw failure(.dtypeMismatch, "bias is \(bias.dtype.text), int32 is required", inputs[2])
    }
  }

  func checkClamp(_ clamp: Clamp) throws(EdgeError) {
    guard clamp.min <= clamp.max else { throw failure(.invalidGraph, "clamp \(clamp.min) ... \(clamp.max) is empty") }
  }

  /// The result of an operator that computes.
  func computed(_ arithmetic: Arithmetic, _ shape: Shape, keepsByDefault: Bool = false) throws(EdgeError) -> TensorType {
    let shape = try checked(shape)
    switch arithmetic {
    case .float:
      if let type = declared.first, type != ElementType(.float32) {
        throw failure(.dtypeMismatch, "the result of float32 inputs is float32, not \(type.dtype.text)")
      }
      return TensorType(.float32, shape)
    case .quantized:
      if declared.isEmpty, keepsByDefault { return TensorType(value(0).dtype, shape, value(0).quantization) }
      return try declaredQuantized(shape)
    }
  }

  /// The result takes the declared type, which must be a quantized activation.
  func declaredQuantized(_ shape: Shape) throws(EdgeError) -> TensorType {
    guard let type = declared.first else {
      throw failure(.dtypeMismatch, "the result's quantization must be declared")
    }
    guard let quantization = type.quantization, quantization.axis == nil, quantization.scales.count == 1,
      quantization.zeroPoints.count == 1, type.dtype == .uint8 || type.dtype == .int8 || type.dtype == .int16
    else {
      throw failure(.dtypeMismatch, "the result must be quantized with one scale, not \(type.dtype.text)")
    }
    return TensorType(type.dtype, shape, quantization)
  }

  /// The result of an operator that moves the data of one input. Scales along an axis do not survive, except
  /// where the operator says where the axis goes.
  func moved(_ position: Int, _ shape: Shape) throws(EdgeError) -> TensorType {
    let source = value(position)
    if source.quantization?.axis != nil {
      throw failure(.dtypeMismatch, "does not take scales along an axis", inputs[position])
    }
    return TensorType(source.dtype, try checked(shape), source.quantization)
  }
}

/// Arithmetic on dimensions; nil on overflow.
public func addChecked(_ a: Int, _ b: Int) -> Int? {
  let (result, overflow) = a.addingReportingOverflow(b)
  return overflow ? nil : result
}

public func multiplyChecked(_ a: Int, _ b: Int) -> Int? {
  let (result, overflow) = a.multipliedReportingOverflow(by: b)
  return overflow ? nil : result
}

/// The dimension two broadcast dimensions give; nil when they do not fit.
func broadcastDimension(_ a: Int, _ b: Int) -> Int? {
  if a == b || b == 1 { return a }
  return a == 1 ? b : nil
}

/// The shape two shapes broadcast to; nil when they do not fit.
func broadcastShape(_ a: Shape, _ b: Shape) -> Shape? {
  let rank = max(a.rank, b.rank)
  var dims: [Int] = []
  for axis in 0..<rank {
    let first = axis - (rank - a.rank)
    let second = axis - (rank - b.rank)
    guard let dim = broadcastDimension(first < 0 ? 1 : a[first], second < 0 ? 1 : b[second]) else { return nil }
    dims.append(dim)
  }
  return Shape(dims)
}
