extension QuantizationFusion {
  /// Inputs of a convolution or dense layer in integers; nil when it cannot be computed so.
  func layerInputs(_ node: Node) throws(EdgeError) -> [ValueID]? {
    guard let x = activation(node.input(0)), let inputScale = rewriter.value(x).quantization?.scales.first,
      let w = node.input(1), integers[w] != Node.noValue
    else { return nil }
    let weights = rewriter.value(integers[w])
    guard weights.dtype == .int8, weights.constant != nil, let scales = weights.quantization?.scales,
      weights.quantization?.axis ?? 0 == 0, let zeroPoint = weights.quantization?.zeroPoints.first,
      weights.quantization?.zeroPoints.allSatisfy({ $0 == zeroPoint }) == true
    else { return nil }
    if zeroPoint != 0, case .dense = node.op { return nil }
    var result = [x, integers[w]]
    if let b = node.input(2) {
      guard let layer = try IntegerLayer(weights, scales, source.values[b], inputScale) else { return nil }
      if let widened = layer.weights { result[1] = rewriter.add(widened) }
      result.append(rewriter.add(layer.bias))
    }
    if let residual = node.input(3) {
      guard let r = activation(residual) else { return nil }
      while result.count < 3 { result.append(Node.noValue) }
      result.append(r)
    }
    return result
  }
}

/// A bias in steps of x.scale w.scale, int32, and what that asks of the weights.
private struct IntegerLayer {
  private static let limit = 1_073_741_824.0

  /// Weights with coarser scales, where a channel's bias would otherwise overflow together with its products: such a
  /// bias is so much greater than they are that nothing is lost. Nil when the weights stay as they are.
  var weights: Value?
  var bias: Value

  /// Nil when the bias is no constant of finite numbers or the scales cannot be multiplied.
  init?(_ source: Value, _ sourceScales: [Float], _ floatBias: Value, _ inputScale: Float) throws(EdgeError) {
    guard let numbers = floatBias.floats, let data = source.constant, let channels = source.shape.dims.first, channels == numbers.count,
      channels > 0, sourceScales.count == 1 || sourceScales.count == channels
    else { return nil }
    var scales = sourceScales
    var steps: [Int32] = []
    var contents: Storage?
    let depth = data.byteCount / channels
    for channel in 0..<channels {
      let scale = sourceScales[sourceScales.count == 1 ? 0 : channel]
      var step = Double(numbers[channel]) / (Double(inputScale) * Double(scale))
      guard step.isFinite, step.magnitude < 1e30 else { return nil }
      if step.magnitude > IntegerLayer.limit {
        if contents == nil {
          guard source.quantization?.zeroPoints.allSatisfy({ $0 == 0 }) == true else { return nil }
          let copy = try Storage.allocate(data.byteCount)
          copy.base.copyMemory(from: data.base, byteCount: data.byteCount)
          contents = copy
          if scales.count == 1 { scales = [Float](repeating: scale, count: channels) }
        }
        var factor: Float = 1
        while step.magnitude > IntegerLayer.limit {
          step /= 2
          factor *= 2
        }
        scales[channel] = scale * factor
        var index = channel &* depth
        let end = index &+ depth
        while index < end, let contents {
          let weight = (Float(data.base.load(fromByteOffset: index, as: Int8.self)) / factor).rounded(.toNearestOrEven)
          contents.base.storeBytes(of: Int8(weight), toByteOffset: index, as: Int8.self)
          index &+= 1
        }
      }
      steps.append(Int32(step.rounded(.toNearestOrEven)))
    }
    var products: [Float] = []
    for scale in scales {
      let product = scale * inputScale
      guard product > 0, product.isFinite else { return nil }
      products.append(product)
    }
    let axis = scales.count == 1 ? nil : 0
    let zeros = [Int32](repeating: 0, count: scales.count)
    bias = Value(
      name: floatBias.name.extended(by: "_quantized"), dtype: .int32, shape: floatBias.shape,
      quantization: Quantization(scales: products, zeroPoints: zeros, axis: axis), constant: try TensorData(steps))
    if let contents {
      weights = Value(
        name: source.name, dtype: .int8, shape: source.shape, quantization: Quantization(scales: scales, zeroPoints: zeros, axis: axis),
        constant: TensorData(contents, offset: 0, byteCount: data.byteCount))
    }
  }
}

extension Value {
  /// The numbers that a constant of 8-bit integers stands for; nil when this is none.
  public func dequantized(name: Text) throws(EdgeError) -> Value? {
    guard let constant, let quantization, dtype == .uint8 || dtype == .int8, constant.byteCount <= Int.max / 4 else { return nil }
    let count = constant.byteCount
    var inner = max(count, 1)
    if let axis = quantization.axis { inner = max(shape.strides[axis], 1) }
    let storage = try Storage.allocate(count &* 4)
    var position = 0
    while position < count {
      let channel = quantization.axis == nil ? 0 : position / inner % quantization.scales.count
      let byte = constant.base.load(fromByteOffset: position, as: UInt8.self)
      let q = dtype == .int8 ? Int32(Int8(bitPattern: byte)) : Int32(byte)
      storage.base.storeBytes(
        of: Float(q &- quantization.zeroPoints[channel]) * quantization.scales[channel], toByteOffset: position &* 4, as: Float.self)
      position &+= 1
    }
    guard let data = TensorData(storage, offset: 0, byteCount: count &* 4) else { return nil }
    return Value(name: name, dtype: .float32, shape: shape, constant: data)
  }
}
