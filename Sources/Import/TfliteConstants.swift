#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Contents of the file's constants, and the forms in which operators take them.

extension TfliteImporter {
  func isConstant(_ tensor: Int) -> Bool { dense[tensor] != nil || !isMade[tensor] && !model.tensors[tensor].contents.isEmpty }

  /// A constant without elements, which has no bytes in the file.
  func isEmptyConstant(_ tensor: Int) -> Bool { model.tensors[tensor].dims.contains(0) }

  /// Counts bytes made from the file's, which must not grow without end when tensors share them.
  func noteConverted(_ count: Int) throws(EdgeError) {
    let (sum, overflow) = convertedBytes.addingReportingOverflow(count)
    guard !overflow, sum <= limits.maximumTensorBytes else {
      throw EdgeError(.limitExceeded, "converted constants take more than \(limits.maximumTensorBytes) bytes", node: nodeName)
    }
    convertedBytes = sum
  }

  /// The bytes of a constant, in place.
  func constantBytes(_ tensor: Int) throws(EdgeError) -> TensorData {
    let source = model.tensors[tensor]
    func failure(_ status: Status, _ message: Text) -> EdgeError {
      EdgeError(status, message, tensor: source.name, byteOffset: source.byteOffset)
    }
    if let data = dense[tensor] { return data }
    guard !isMade[tensor], !source.contents.isEmpty else { throw reject("'\(source.name)' must be a constant") }
    guard !source.dims.contains(0) else {
      throw failure(.shapeMismatch, "a constant of shape \(Shape(source.dims).text) has no elements")
    }
    guard let count = Shape(source.dims).elementCount(), let bytes = multiplyChecked(count, try fileType(tensor).byteCount),
      bytes <= limits.maximumTensorBytes
    else {
      throw failure(.limitExceeded, "takes more than \(limits.maximumTensorBytes) bytes")
    }
    if let sparsity = source.sparsity {
      let data = try densified(tensor, sparsity, byteCount: bytes)
      dense[tensor] = data
      return data
    }
    guard source.contents.count == bytes else {
      throw failure(.malformedModel, "has \(source.contents.count) bytes of data; shape \(Shape(source.dims).text) needs \(bytes)")
    }
    guard let data = TensorData(file, offset: source.contents.lowerBound, byteCount: bytes) else {
      throw failure(.truncatedModel, "lies outside the file")
    }
    return data
  }

  /// The inner value of a tensor: what an operator made, or a constant in the form that operators take as activations.
  func value(_ tensor: Int) throws(EdgeError) -> ValueID {
    if places[tensor] != Node.noValue { return places[tensor] }
    if let numbers = known[tensor] { return try numberValue(tensor, numbers) }
    if model.tensors[tensor].isVariable { return try stateValue(tensor, try innerType(tensor)) }
    let type = try innerType(tensor)
    var data = try constantBytes(tensor)
    switch try fileType(tensor) {
    case .float16: data = try floats(ofHalfs: data)
    case .int8 where type.dtype == .uint8: data = try relabeled(data)
    case .bool: data = try truths(data)
    default: break
    }
    places[tensor] = graph.addValue(constant(tensor, data, type.dtype, type.quantization))
    return places[tensor]
  }

  /// A constant in one of its forms, which all readers share.
  private func once(_ tensor: Int, _ form: StaticString, _ make: () throws(EdgeError) -> Value) throws(EdgeError) -> ValueID {
    // What a graph is called with is another tensor each time.
    let isFixed = !isMade[tensor] && !model.tensors[tensor].contents.isEmpty
    let key: Text = "\(tensor) \(form)"
    if isFixed, let known = made[key] { return known }
    let value = graph.addValue(try make())
    if isFixed { made.set(key, value) }
    return value
  }

  func constant(_ tensor: Int, _ data: TensorData, _ dtype: DType, _ quantization: Quantization? = nil) -> Value {
    let source = model.tensors[tensor]
    return Value(name: source.name, dtype: dtype, shape: Shape(source.dims), quantization: quantization, constant: data)
  }

  /// A value of float32 elements, as float operators need; quantized constants (of hybrid models) are turned into it.
  func floatValue(_ tensor: Int) throws(EdgeError) -> ValueID {
    let type = try fileType(tensor)
    guard isConstant(tensor), type == .int8 || type == .uint8 || type == .int16, try fileQuantization(tensor) != nil else { return try value(tensor) }
    return try once(tensor, "float") { () throws(EdgeError) -> Value in constant(tensor, try dequantized(tensor), .float32) }
  }

  /// All activations of the current node are quantized: decided by its first input.
  func isQuantized(_ tensor: Int) throws(EdgeError) -> Bool { try innerType(tensor).quantization != nil }

  /// Weights of a layer whose input is quantized or float. Scales run along `channelAxis` of the file's tensor, if along
  /// any. Integer weights are int8 in the graph.
  func weights(_ tensor: Int, channelAxis: Int, quantized: Bool) throws(EdgeError) -> ValueID {
    let name = model.tensors[tensor].name
    guard quantized else {
      if isWide, isConstant(tensor), try fileType(tensor) == .int8 {
        return graph.addValue(constant(tensor, try dequantized(tensor, asWideWeights: true), .float32))
      }
      let value = try floatValue(tensor)
      guard graph.values[value].constant != nil else { throw reject("weights '\(name)' are not constant") }
      return value
    }
    let type = try fileType(tensor)
    guard type == .int8 || type == .uint8, var quantization = try fileQuantization(tensor) else {
      throw reject("weights '\(name)' are not 8-bit integers with scales")
    }
    if let axis = quantization.axis, axis != channelAxis {
      throw reject("weights '\(name)' have scales along axis \(axis)")
    }
    return try once(tensor, "weights") { () throws(EdgeError) -> Value in
      var data = try constantBytes(tensor)
      if type == .uint8 {
        data = try relabeled(data)
        quantization.zeroPoints = quantization.zeroPoints.map { $0 &- 128 }
      }
      for zeroPoint in quantization.zeroPoints where zeroPoint < -128 || zeroPoint > 127 {
        throw EdgeError(.malformedModel, "a zero point is out of range", tensor: name, byteOffset: model.tensors[tensor].byteOffset)
      }
      return constant(tensor, data, .int8, quantization)
    }
  }

  /// The weights [1, KH, KW, O] of a depthwise layer as [O, KH, KW, 1].
  func turned(_ weights: ValueID) throws(EdgeError) -> ValueID {
    let key: Text = "\(weights) turned"
    if let known = made[key] { return known }
    let value = graph.values[weights]
    try noteConverted(value.byteCount() ?? 0)
    guard let moved = try value.permuted([3, 1, 2, 0], name: value.name) else { throw reject("weights are not constant") }
    let result = graph.addValue(moved)
    made.set(key, result)
    return result
  }

  /// The bias of a layer, a number for each of `channels`.
  func bias(_ tensor: Int, channels: Int, quantized: Bool) throws(EdgeError) -> ValueID {
    let source = model.tensors[tensor]
    guard source.dims == [channels] else { throw malformed("the bias has shape \(Shape(source.dims).text), not [\(channels)]", tensor: tensor) }
    if isWide { return try wideBias(tensor) }
    guard quantized else { return try floatValue(tensor) }
    guard try fileType(tensor) == .int32 else { throw reject("bias '\(source.name)' is not int32") }
    return try once(tensor, "bias") { () throws(EdgeError) -> Value in constant(tensor, try constantBytes(tensor), .int32) }
  }

  // Conversions.

  /// int8 as uint8 with a zero point 128 higher, and back.
  private func relabeled(_ data: TensorData) throws(EdgeError) -> TensorData {
    try noteConverted(data.byteCount)
    let storage = try Storage.allocate(data.byteCount)
    let (from, to) = (data.base, storage.base)
    var index = 0
    while index &+ 8 <= data.byteCount {
      let word = from.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      to.storeBytes(of: word ^ 0x8080_8080_8080_8080, toByteOffset: index, as: UInt64.self)
      index &+= 8
    }
    while index < data.byteCount {
      to.storeBytes(of: from.load(fromByteOffset: index, as: UInt8.self) ^ 0x80, toByteOffset: index, as: UInt8.self)
      index &+= 1
    }
    return try whole(storage, data.byteCount)
  }

  /// Booleans as 0 and 1.
  private func truths(_ data: TensorData) throws(EdgeError) -> TensorData {
    var bytes = data.array(of: UInt8.self)
    try noteConverted(bytes.count)
    for index in bytes.indices where bytes[index] > 1 { bytes[index] = 1 }
    return try TensorData(bytes)
  }

  private func whole(_ storage: Storage, _ byteCount: Int) throws(EdgeError) -> TensorData {
    guard let data = TensorData(storage, offset: 0, byteCount: byteCount) else {
      throw EdgeError(.internalError, "a constant lies outside its storage")
    }
    return data
  }

  private func floats(ofHalfs data: TensorData) throws(EdgeError) -> TensorData {
    let count = data.byteCount / 2
    let bytes = count &* 4
    try noteConverted(bytes)
    let storage = try Storage.allocate(bytes)
    let from = data.base
    var index = 0
    while index < count {
      let half = UInt16(littleEndian: from.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self))
      storage.base.storeBytes(of: Float(half: half), toByteOffset: index &* 4, as: Float.self)
      index &+= 1
    }
    return try whole(storage, bytes)
  }

  /// The real numbers of an 8-bit or 16-bit constant.
  func dequantized(_ tensor: Int, asWideWeights: Bool = false) throws(EdgeError) -> TensorData {
    let source = model.tensors[tensor]
    guard var quantization = try fileQuantization(tensor) else { throw reject("'\(source.name)' has no scale") }
    if asWideWeights {
      for channel in quantization.scales.indices { quantization.scales[channel] = try wideScale(quantization.scales[channel]) }
    }
    let type = try fileType(tensor)
    let data = try constantBytes(tensor)
    let count = data.byteCount / type.byteCount
    // Elements between neighbours along the axis of the scales; all of them when there is one scale.
    let inner = quantization.axis.map { Shape(source.dims).strides[$0] } ?? count
    let channels = quantization.scales.count
    let (bytes, overflow) = count.multipliedReportingOverflow(by: 4)
    guard !overflow else { throw EdgeError(.limitExceeded, "a constant is too large", tensor: source.name) }
    try noteConverted(bytes)
    let storage = try Storage.allocate(bytes)
    var index = 0
    var channel = 0
    while index < count {
      let scale = quantization.scales[channel]
      let zeroPoint = quantization.zeroPoints[channel]
      let end = index &+ inner
      while index < end {
        let integer: Int32
        switch type {
        case .int16: integer = Int32(Int16(littleEndian: data.base.loadUnaligned(fromByteOffset: index &* 2, as: Int16.self)))
        case .int8: integer = Int32(data.base.load(fromByteOffset: index, as: Int8.self))
        default: integer = Int32(data.base.load(fromByteOffset: index, as: UInt8.self))
        }
        storage.base.storeBytes(of: Float(integer &- zeroPoint) * scale, toByteOffset: index &* 4, as: Float.self)
        index &+= 1
      }
      channel = channel &+ 1 == channels ? 0 : channel &+ 1
    }
    return try whole(storage, bytes)
  }

  /// The number in a float or quantized constant of one element.
  func scalar(_ tensor: Int) throws(EdgeError) -> Float {
    let value = graph.values[try floatValue(tensor)]
    guard let number = value.scalar else { throw malformed("a single number is required", tensor: tensor) }
    return number
  }
}
