#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// QuantizeLinear and DequantizeLinear.
//
// Activations of 8 bits with one constant scale become uint8 values of the graph with a scale (int8 ones as q + 128), with
// `quantize` and `dequantize` nodes where the file has them; `fusingQuantization` then turns what lies between into
// integer operators. Constants are converted at once. Other types and scales are computed step by step, on plain integers
// (OnnxQuantizationSteps.swift).

extension OnnxImporter {
  func importQuantization() throws(EdgeError) {
    hasAttribute("axis")  // one scale has none
    if node.type == "QuantizeLinear" { try importQuantize() } else { try importDequantize() }
  }

  /// Quantized integers go through operators that move data. To all others they are plain ones: these would take the
  /// graph's q + 128 for the file's q.
  /// - Returns: whether the node passes int8 on.
  func takeQuantizedInputs(_ family: OnnxFamily) throws(EdgeError) -> Bool {
    if family == .quantization || family == .quantizedForm { return false }
    var isMovement = try movesData()
    if node.type == "Concat" {
      for id in inputs where id >= 0 && inputs[0] >= 0 {
        let isAlike = operands[id].isQuantized && operands[id].dtype == operands[inputs[0]].dtype
        if !isAlike || graphQuantization(id) != graphQuantization(inputs[0]) { isMovement = false }
      }
    }
    var isSigned = false
    for index in inputs.indices where inputs[index] >= 0 {
      let operand = operands[inputs[index]]
      if !operand.isQuantized {
        operand.isRead = true
      } else if isMovement {
        isSigned = operand.dtype == .int8
      } else {
        let value = try plainTensor(inputs[index])
        inputs[index] = temporary(inputs[index])
        operands[inputs[index]].define(value: value, dtype: operand.dtype, shape: operand.shape)
      }
    }
    return isSigned
  }

  private func movesData() throws(EdgeError) -> Bool {
    if node.type.isOne(of: "Resize Upsample") { return try textAttribute("mode", "nearest") == "nearest" }
    return node.type.isOne(
      of: """
        Reshape Flatten Squeeze Unsqueeze Transpose Concat Split Slice Expand Gather Shape Size Identity Dropout MaxPool DepthToSpace \
        SpaceToDepth
        """)
  }

  private func graphQuantization(_ id: Int) -> Quantization? {
    let value = operands[id].value != Node.noValue ? operands[id].value : operands[id].channelsLast
    return value == Node.noValue ? nil : graph.values[value].quantization
  }

  /// An operand's integers without their scale, as the file has them.
  func plainTensor(_ id: Int) throws(EdgeError) -> ValueID {
    guard operands[id].isQuantized else { return try tensor(id) }
    let name = operands[id].name
    let value = operands[id].dtype == .int8 ? try signed(id, helperName(name + ".int8")) : try tensor(id)
    return try emit(.bitCast(operands[id].dtype), [value], helperName(name + ".plain"))
  }

  /// A quantized operand as int8, which stands in the graph as uint8.
  private func signed(_ id: Int, _ name: Text) throws(EdgeError) -> ValueID {
    let value = try tensor(id)
    guard let type = graph.values[value].quantization else { throw EdgeError(.internalError, "integers without a scale", node: nodeName) }
    let signed = Quantization(scale: type.scales[0], zeroPoint: type.zeroPoints[0] &- 128)
    return try emit(.requantize, [value], name, as: ElementType(.int8, signed))
  }

  /// The value of a graph output: int8 leaves the graph as int8.
  func outputTensor(_ id: Int) throws(EdgeError) -> ValueID {
    let value = try tensor(id)
    guard operands[id].isQuantized, operands[id].dtype == .int8 else { return value }
    if graph.values[value].name == operands[id].name { graph.values[value].name = helperName(operands[id].name + ".uint8") }
    return try signed(id, operands[id].name)
  }

  private func importQuantize() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    let type = try quantizedType()
    guard let id = outputs.first, id >= 0, type == .uint8 || type == .int8, operands[x].dtype == .float32,
      let parameters = try constantParameters(for: shape, type), parameters.blockSize == 0
    else { return try importQuantizeSteps(x, type) }
    let isSigned = type == .int8
    if operands[x].isConstant, let data = try floatConstant(x) {
      let integers = try quantized(data, shape, parameters.quantization, isSigned: isSigned)
      operands[id].integers = OnnxIntegers(type.imported, integers, nil)
      operands[id].dtype = type.imported
      operands[id].shape = shape
      operands[id].isConstant = true
      operands[id].isDefined = true
      return
    }
    guard parameters.quantization.axis == nil else { return try importQuantizeSteps(x, type) }
    let quantization = shifted(parameters.quantization, isSigned)
    let asImage = isImage(x) && shape.rank >= 3
    let y = try emit(
      .quantize, [asImage ? try image(x) : try tensor(x)], resultName(image: asImage), as: ElementType(.uint8, quantization))
    if asImage { try setImageResult(y, rank: shape.rank) } else { try setResult(y) }
    if isSigned { operands[id].dtype = .int8 }
  }

  /// Element type of QuantizeLinear's result.
  private func quantizedType() throws(EdgeError) -> OnnxElementType {
    var number = try optionalInput(2).map { elementType($0).rawValue } ?? 0
    if number == 0 { number = try integerAttribute("output_dtype", 0) }
    if number == 0 { return .uint8 }
    guard let type = OnnxElementType(rawValue: number), type.range != nil else {
      throw reject("the result has element type \(OnnxElementType.name(number)); integers of 4, 8 and 16 bits are supported")
    }
    return type
  }

  private func importDequantize() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    let type = elementType(x)
    guard type.range != nil || type == .int32 else { throw reject("'\(operands[x].name)' has element type \(type.name)") }
    guard let parameters = try constantParameters(for: shape, type) else { return try importDequantizeSteps(x) }
    if let integers = operands[x].integers, integers.quantization == nil { return try setIntegers(integers.data, integers.dtype, parameters) }
    if constantTensor(x) != nil, !operands[x].isQuantized { return try setIntegers(try constantData(x), operands[x].dtype, parameters) }
    let isSigned = type == .int8
    let quantization = shifted(parameters.quantization, isSigned)
    guard isSigned || type == .uint8, quantization.axis == nil else { return try importDequantizeSteps(x) }
    if !operands[x].isQuantized { try adopt(x, parameters.quantization, isSigned) }
    guard operands[x].isQuantized, graphQuantization(x) == quantization else { return try importDequantizeSteps(x) }
    let asImage = isImage(x)
    let y = try emit(.dequantize, [asImage ? try image(x) : try tensor(x)], resultName(image: asImage))
    if asImage { try setImageResult(y, rank: shape.rank) } else { try setResult(y) }
  }

  /// Gives a graph input of plain integers the scale with which the file reads it, unless others have read it without.
  private func adopt(_ x: Int, _ quantization: Quantization, _ isSigned: Bool) throws(EdgeError) {
    let value = operands[x].value
    guard blockDepth == 0, value != Node.noValue, operands[x].producer < 0, !operands[x].isRead, graph.inputs.contains(value) else { return }
    graph.values[value].quantization = quantization
    operands[x].isQuantized = true
    guard isSigned else { return }
    operands[x].value = try emit(
      .requantize, [value], helperName(operands[x].name + ".uint8"), as: ElementType(.uint8, shifted(quantization, true)))
  }

  private func shifted(_ quantization: Quantization, _ isSigned: Bool) -> Quantization {
    guard isSigned, quantization.axis == nil, let zero = quantization.zeroPoints.first else { return quantization }
    return Quantization(scale: quantization.scales[0], zeroPoint: zero &+ 128)
  }

  /// The current node's result is a constant: kept in 8-bit integers where they have scales along an axis at most.
  private func setIntegers(_ data: TensorData, _ dtype: DType, _ parameters: OnnxParameters) throws(EdgeError) {
    guard let id = outputs.first, id >= 0 else { return }
    let shape = operands[inputs[0]].shape
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
  private func quantized(_ data: TensorData, _ shape: Shape, _ quantization: Quantization, isSigned: Bool) throws(EdgeError) -> TensorData {
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
  /// The element type of an operand in the file.
  private func elementType(_ id: Int) -> OnnxElementType {
    constantTensor(id).flatMap { OnnxElementType(rawValue: $0.elementType) } ?? OnnxElementType(operands[id].dtype)
  }

  /// Scale and zero point of the current node for a tensor of a shape and type; nil when the graph computes them.
  private func constantParameters(for shape: Shape, _ type: OnnxElementType) throws(EdgeError) -> OnnxParameters? {
    let s = try input(1)
    if operands[s].shape.dims.contains(0) { throw wrongShape("the scale has shape \(operands[s].shape.text)", operand: s) }
    guard let data = try floatConstant(s) else { return nil }
    let scales = data.array(of: Float.self)
    for scale in scales where !(scale > 0 && scale.isFinite) {
      throw malformed("the scale \(scale) is not a positive number", operand: s)
    }
    let scaleShape = operands[s].shape
    var zeros = [Int32](repeating: 0, count: scales.count)
    if let z = try optionalInput(2) {
      guard operands[z].dtype == type.imported else {
        throw malformed("the zero point is \(operands[z].dtype.name), the tensor \(type.name)", operand: z)
      }
      guard operands[z].shape.elementCount() == scales.count else {
        throw wrongShape("the zero point has shape \(operands[z].shape.text), the scale \(scaleShape.text)", operand: z)
      }
      guard let given = try integers(z) else { return nil }
      zeros = given
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

  /// Elements of a constant of 32 bits or less; nil when the graph computes them.
  private func integers(_ id: Int) throws(EdgeError) -> [Int32]? {
    guard constantTensor(id) != nil else { return operands[id].known?.integers?.map { Int32(clamping: $0) } }
    let data = try constantData(id)
    switch operands[id].dtype {
    case .uint8: return data.array(of: UInt8.self).map { Int32($0) }
    case .int8: return data.array(of: Int8.self).map { Int32($0) }
    case .uint16: return data.array(of: UInt16.self).map { Int32($0) }
    case .int16: return data.array(of: Int16.self).map { Int32($0) }
    case .int32: return data.array(of: Int32.self)
    default: return nil
    }
  }
}
