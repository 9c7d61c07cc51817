#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// QuantizeLinear and DequantizeLinear.
//
// Activations become uint8 values of the graph with a scale (int8 ones as q + 128), with `quantize` and `dequantize`
// nodes where the file has them; `fusingQuantization` then turns what lies between into integer operators. Constants
// are converted at once.

extension OnnxImporter {
  func importQuantization() throws(EdgeError) {
    if node.type == "QuantizeLinear" { try importQuantize() } else { try importDequantize() }
  }

  /// Whether the node passes int8 on. Quantized integers may go through operators that move data: any other would
  /// take the graph's q + 128 for the file's q.
  func checkQuantizedInputs(_ family: OnnxFamily) throws(EdgeError) -> Bool {
    if family == .quantization || family == .quantizedForm { return false }
    var isSigned = false
    for id in inputs where id >= 0 && operands[id].isQuantized {
      guard try isMovement() else {
        throw reject("'\(operands[id].name)' is quantized; only operators that move data take it without DequantizeLinear")
      }
      isSigned = operands[id].dtype == .int8
    }
    return isSigned
  }

  private func isMovement() throws(EdgeError) -> Bool {
    if node.type.isOne(of: "Resize Upsample") { return try textAttribute("mode", "nearest") == "nearest" }
    return node.type.isOne(
      of: """
        Reshape Flatten Squeeze Unsqueeze Transpose Concat Split Slice Expand Gather Shape Size Identity Dropout MaxPool DepthToSpace \
        SpaceToDepth
        """)
  }

  /// The value of a graph output: int8 leaves the graph as int8.
  func outputTensor(_ id: Int) throws(EdgeError) -> ValueID {
    let value = try tensor(id)
    guard operands[id].isQuantized, operands[id].dtype == .int8, let type = graph.values[value].quantization else { return value }
    let signed = Quantization(scale: type.scales[0], zeroPoint: type.zeroPoints[0] &- 128)
    if graph.values[value].name == operands[id].name { graph.values[value].name = helperName(operands[id].name + ".uint8") }
    return try emit(.requantize, [value], operands[id].name, as: ElementType(.int8, signed))
  }

  private func importQuantize() throws(EdgeError) {
    let x = try input(0)
    try requireFloat(x)
    let shape = operands[x].shape
    var type = try rawElementType(2)
    if type == 0 { type = try integerAttribute("output_dtype", 0) }
    if type == 0 { type = OnnxElementType.uint8.rawValue }
    let parameters = try scales(for: shape, type)
    let element = OnnxElementType(rawValue: type)
    let isSigned = element == .int8
    if operands[x].isConstant, let data = try floatConstant(x), let id = outputs.first, id >= 0, element == .int8 || element == .uint8 {
      let integers = try quantized(data, shape, parameters, isSigned: isSigned)
      operands[id].integers = OnnxIntegers(isSigned ? .int8 : .uint8, integers, nil)
      operands[id].dtype = isSigned ? .int8 : .uint8
      operands[id].shape = shape
      operands[id].isConstant = true
      operands[id].isDefined = true
      return
    }
    guard isSigned || element == .uint8 else { throw reject("activations quantized to \(OnnxElementType.name(type)); uint8 and int8 are supported") }
    guard parameters.quantization.axis == nil else { throw reject("activations with a scale for each index of an axis") }
    let quantization = shifted(parameters.quantization, isSigned)
    let asImage = isImage(x) && shape.rank >= 3
    let y = try emit(
      .quantize, [asImage ? try image(x) : try tensor(x)], resultName(image: asImage), as: ElementType(.uint8, quantization))
    if asImage { try setImageResult(y, rank: shape.rank) } else { try setResult(y) }
    if isSigned, let id = outputs.first, id >= 0 { operands[id].dtype = .int8 }
  }

  private func importDequantize() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    if let integers = operands[x].integers, integers.quantization == nil {
      let type = integers.dtype == .int8 ? OnnxElementType.int8 : .uint8
      return try setIntegers(integers.data, integers.dtype, try scales(for: shape, type.rawValue))
    }
    if let tensor = constantTensor(x), !operands[x].isQuantized {
      let parameters = try scales(for: shape, tensor.elementType)
      switch OnnxElementType(rawValue: tensor.elementType) {
      case .uint8, .int8, .uint4, .int4, .uint16, .int16, .int32: break
      default: throw reject("'\(operands[x].name)' has element type \(OnnxElementType.name(tensor.elementType))")
      }
      return try setIntegers(try constantData(x), operands[x].dtype, parameters)
    }
    guard operands[x].dtype == .uint8 || operands[x].dtype == .int8 else {
      throw reject("activations quantized to \(operands[x].dtype.name); uint8 and int8 are supported")
    }
    let isSigned = operands[x].dtype == .int8
    let parameters = try scales(for: shape, (isSigned ? OnnxElementType.int8 : .uint8).rawValue)
    guard parameters.quantization.axis == nil else { throw reject("activations with a scale for each index of an axis") }
    if !operands[x].isQuantized { try adopt(x, parameters.quantization, isSigned) }
    let asImage = isImage(x)
    let value = asImage ? try image(x) : try tensor(x)
    guard graph.values[value].quantization == shifted(parameters.quantization, isSigned) else {
      throw reject("'\(operands[x].name)' is dequantized with another scale or zero point than it was quantized with")
    }
    let y = try emit(.dequantize, [value], resultName(image: asImage))
    if asImage { try setImageResult(y, rank: shape.rank) } else { try setResult(y) }
  }

  /// Gives a graph input of plain integers the scale with which the file reads it.
  private func adopt(_ x: Int, _ quantization: Quantization, _ isSigned: Bool) throws(EdgeError) {
    let value = operands[x].value
    // An input of the graph, which nothing computes; who reads it as plain integers too fails validation.
    guard value != Node.noValue, operands[x].producer < 0, graph.values[value].constant == nil, graph.values[value].quantization == nil else {
      throw reject("'\(operands[x].name)' was not quantized by the model")
    }
    graph.values[value].quantization = quantization
    operands[x].isQuantized = true
    guard isSigned else { return }
    operands[x].value = try emit(
      .requantize, [value], helperName(operands[x].name + ".uint8"), as: ElementType(.uint8, shifted(quantization, true)))
  }

  private func shifted(_ quantization: Quantization, _ isSigned: Bool) -> Quantization {
    guard isSigned, let zero = quantization.zeroPoints.first else { return quantization }
    return Quantization(scale: quantization.scales[0], zeroPoint: zero &+ 128)
  }

  /// The current node's result is a constant: kept in 8-bit integers where they have scales along an axis at most.
  private func setIntegers(_ data: TensorData, _ dtype: DType, _ parameters: OnnxParameters) throws(EdgeError) {
    guard let id = outputs.first, id >= 0 else { return }
    let shape = operands[inputs[0]].shape
    if shape.dims.contains(0) { throw wrongShape("a constant of shape \(shape.text) has no elements", operand: inputs[0]) }
    operands[id].dtype = .float32
    operands[id].shape = shape
    operands[id].isConstant = true
    operands[id].isDefined = true
    if parameters.blockSize == 0, dtype == .uint8 || dtype == .int8 {
      operands[id].integers = OnnxIntegers(dtype, data, parameters.quantization)
      return
    }
    guard let count = shape.elementCount(), count <= limits.maximumTensorBytes / 4 else {
      throw EdgeError(.limitExceeded, "takes more than \(limits.maximumTensorBytes) bytes", tensor: operands[id].name)
    }
    let floats = try OnnxScales(parameters.quantization, shape, blockSize: parameters.blockSize).dequantized(data, dtype)
    try setResult(graph.addValue(Value(name: operands[id].name, dtype: .float32, shape: shape, constant: floats)))
    operands[id].isConstant = true
    if count <= OnnxKnown.maximumCount { operands[id].known = OnnxKnown(.float32, shape.dims, floats) }
  }

  /// Integers of a constant: clamp(roundHalfEven(x / scale) + zero point).
  private func quantized(_ data: TensorData, _ shape: Shape, _ parameters: OnnxParameters, isSigned: Bool) throws(EdgeError) -> TensorData {
    guard parameters.blockSize == 0 else { throw reject("constants quantized in blocks") }
    let quantization = parameters.quantization
    let count = data.byteCount / 4
    let storage = try Storage.allocate(count)
    var inner = count
    if let axis = quantization.axis { inner = max(Shape(Array(shape.dims[(axis + 1)...])).elementCount() ?? 1, 1) }
    let (low, high): (Float, Float) = isSigned ? (-128, 127) : (0, 255)
    var index = 0
    while index < count {
      let channel = quantization.axis == nil ? 0 : index / inner % quantization.scales.count
      let zero = Float(quantization.zeroPoints[channel])
      let scaled = data.base.loadUnaligned(fromByteOffset: index &* 4, as: Float.self) / quantization.scales[channel]
      let rounded = scaled.isNaN ? zero : scaled.rounded(.toNearestOrEven) + zero
      let q = Int32(min(max(rounded, low), high))
      storage.base.storeBytes(of: UInt8(truncatingIfNeeded: q), toByteOffset: index, as: UInt8.self)
      index &+= 1
    }
    guard let result = TensorData(storage, offset: 0, byteCount: count) else {
      throw EdgeError(.internalError, "a constant lies outside its storage")
    }
    return result
  }
}

/// What the inputs and attributes of a QuantizeLinear or DequantizeLinear say.
struct OnnxParameters {
  var quantization: Quantization
  /// 0: no blocks. Otherwise scales are those of all blocks, and `quantization.axis` is the axis they run along.
  var blockSize = 0
}

extension OnnxImporter {
  /// TensorProto.DataType of an input, 0 when it is absent. Zero points of 16 bits are told apart this way.
  private func rawElementType(_ index: Int) throws(EdgeError) -> Int {
    guard let id = try optionalInput(index) else { return 0 }
    if let tensor = constantTensor(id) { return tensor.elementType }
    throw reject("the zero point ('\(operands[id].name)') must be constant")
  }

  /// Scale and zero point of the current node for a tensor of a shape and TensorProto.DataType.
  private func scales(for shape: Shape, _ type: Int) throws(EdgeError) -> OnnxParameters {
    let s = try input(1)
    if operands[s].shape.dims.contains(0) { throw wrongShape("the scale has shape \(operands[s].shape.text)", operand: s) }
    guard let data = try floatConstant(s) else { throw reject("the scale ('\(operands[s].name)') must be constant") }
    let scales = data.array(of: Float.self)
    for scale in scales where !(scale > 0 && scale.isFinite) {
      throw malformed("the scale \(scale) is not a positive number", operand: s)
    }
    let scaleShape = operands[s].shape
    var zeros = [Int32](repeating: 0, count: scales.count)
    if let z = try optionalInput(2) {
      let given = try rawElementType(2)
      guard given == type else {
        throw malformed("the zero point is \(OnnxElementType.name(given)), the tensor \(OnnxElementType.name(type))", operand: z)
      }
      guard operands[z].shape.elementCount() == scales.count else {
        throw wrongShape("the zero point has shape \(operands[z].shape.text), the scale \(scaleShape.text)", operand: z)
      }
      zeros = try integers(try constantData(z), operands[z].dtype)
    }
    let block = try integerAttribute("block_size", 0)
    guard block >= 0 else { throw malformed("attribute 'block_size' is \(block)") }
    if block > 0 {
      let axis = try normalized(try integerAttribute("axis", 1), rank: shape.rank)
      guard scaleShape.rank == shape.rank, !shape.hasBatch else {
        throw wrongShape("the scale has shape \(scaleShape.text), the tensor \(shape.text)", operand: s)
      }
      for dim in 0..<shape.rank {
        let expected = dim == axis ? (shape[dim] / block) + (shape[dim] % block == 0 ? 0 : 1) : shape[dim]
        guard scaleShape[dim] == expected else {
          throw wrongShape("the scale has shape \(scaleShape.text) for blocks of \(block) in \(shape.text)", operand: s)
        }
      }
      return OnnxParameters(quantization: Quantization(scales: scales, zeroPoints: zeros, axis: axis), blockSize: block)
    }
    if scales.count == 1, scaleShape.rank <= 1 {
      return OnnxParameters(quantization: Quantization(scale: scales[0], zeroPoint: zeros[0]))
    }
    guard scaleShape.rank == 1 else { throw wrongShape("the scale has shape \(scaleShape.text)", operand: s) }
    let axis = try normalized(try integerAttribute("axis", 1), rank: shape.rank)
    guard shape[axis] == scales.count else {
      throw wrongShape("\(scales.count) scales for axis \(axis) of \(shape.text)", operand: s)
    }
    return OnnxParameters(quantization: Quantization(scales: scales, zeroPoints: zeros, axis: axis))
  }

  private func integers(_ data: TensorData, _ dtype: DType) throws(EdgeError) -> [Int32] {
    switch dtype {
    case .uint8: return data.array(of: UInt8.self).map { Int32($0) }
    case .int8: return data.array(of: Int8.self).map { Int32($0) }
    case .int16: return data.array(of: Int16.self).map { Int32($0) }
    case .int32: return data.array(of: Int32.self)
    default: throw reject("a zero point of element type \(dtype.name)")
    }
  }
}
