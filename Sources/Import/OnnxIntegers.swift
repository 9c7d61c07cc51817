#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Contents of a constant that the file holds in 8-bit integers, or in 4-bit ones that were widened.
final class OnnxIntegers {
  /// uint8 or int8.
  let dtype: DType
  let data: TensorData
  /// What DequantizeLinear makes of them; nil before it.
  let quantization: Quantization?

  init(_ dtype: DType, _ data: TensorData, _ quantization: Quantization?) {
    self.dtype = dtype
    self.data = data
    self.quantization = quantization
  }

  /// The other 8-bit type's integers for the same numbers: int8 q is uint8 q + 128.
  static func exchanged(_ data: TensorData) throws(EdgeError) -> TensorData {
    let storage = try Storage.allocate(data.byteCount)
    var index = 0
    while index < data.byteCount {
      let byte = data.base.load(fromByteOffset: index, as: UInt8.self)
      storage.base.storeBytes(of: byte ^ 0x80, toByteOffset: index, as: UInt8.self)
      index &+= 1
    }
    guard let result = TensorData(storage, offset: 0, byteCount: data.byteCount) else {
      throw EdgeError(.internalError, "a constant lies outside its storage")
    }
    return result
  }

  /// The numbers themselves.
  func floats(_ shape: Shape) throws(EdgeError) -> TensorData {
    guard let quantization else { throw EdgeError(.internalError, "integers without a scale") }
    return try OnnxScales(quantization, shape, blockSize: 0).dequantized(data, dtype)
  }
}

/// Scales and zero points of a constant, along an axis or in blocks along one.
struct OnnxScales {
  var scales: [Float]
  var zeroPoints: [Int32]
  private let axisLength: Int
  /// Elements between neighbours along the axis.
  private let inner: Int
  private let block: Int
  private let blocks: Int

  /// With one scale, `quantization.axis` is nil. `blockSize` 0: no blocks.
  init(_ quantization: Quantization, _ shape: Shape, blockSize: Int) {
    scales = quantization.scales
    zeroPoints = quantization.zeroPoints
    guard let axis = quantization.axis, axis < shape.rank else {
      (axisLength, inner, block, blocks) = (1, max(shape.elementCount() ?? 1, 1), 0, 0)
      return
    }
    axisLength = shape[axis]
    inner = Shape(Array(shape.dims[(axis + 1)...])).elementCount() ?? 1
    block = blockSize > 0 ? blockSize : 0
    blocks = blockSize > 0 ? shape[axis] / blockSize + (shape[axis] % blockSize == 0 ? 0 : 1) : 0
  }

  /// (q - zero point) * scale of integers of 1, 2 or 4 bytes.
  func dequantized(_ data: TensorData, _ dtype: DType) throws(EdgeError) -> TensorData {
    let bytes = dtype.byteCount
    let count = data.byteCount / bytes
    guard count <= Int.max / 4 else { throw EdgeError(.limitExceeded, "a constant of \(count) elements") }
    let storage = try Storage.allocate(count * 4)
    var index = 0
    // Along an axis the inner extent shares a scale; in blocks each inner position has its own.
    var position = 0
    var line = 0
    var row = 0
    while index < count {
      let scale: Int
      if block > 0 { scale = (row &* blocks &+ line / block) &* inner &+ position } else { scale = scales.count == 1 ? 0 : line }
      let q: Int32
      switch dtype {
      case .uint8: q = Int32(data.base.load(fromByteOffset: index, as: UInt8.self))
      case .int8: q = Int32(data.base.load(fromByteOffset: index, as: Int8.self))
      case .int16: q = Int32(data.base.loadUnaligned(fromByteOffset: index &* 2, as: Int16.self))
      case .uint16: q = Int32(data.base.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self))
      default: q = data.base.loadUnaligned(fromByteOffset: index &* 4, as: Int32.self)
      }
      guard scale < scales.count, scale < zeroPoints.count else {
        throw EdgeError(.internalError, "a constant has too few scales")
      }
      // Exact: both lie within 32 bits, and a double has 53.
      let real = Double(q) - Double(zeroPoints[scale])
      storage.base.storeBytes(of: Float(real) * scales[scale], toByteOffset: index &* 4, as: Float.self)
      index &+= 1
      position &+= 1
      if position == inner {
        position = 0
        line &+= 1
        if line == axisLength {
          line = 0
          row &+= 1
        }
      }
    }
    guard let result = TensorData(storage, offset: 0, byteCount: count * 4) else {
      throw EdgeError(.internalError, "a constant lies outside its storage")
    }
    return result
  }
}

// What operators read of such constants. The graph gets them as integers behind a `dequantize`, which
// `fusingQuantization` takes into integer operators.

extension OnnxImporter {
  /// Weights of a layer with their axes moved, as int8; nil when the file holds them in another way than integer
  /// kernels take (several zero points, scales along another axis), or in floats.
  func integerWeights(
    _ id: Int, _ dims: [Int], _ permutation: [Int], _ result: Shape, outputAxis: Int, factor: Float = 1
  ) throws(EdgeError) -> ValueID? {
    guard let integers = operands[id].integers, let quantization = integers.quantization, factor > 0, !dims.contains(0) else { return nil }
    let center: Int32 = integers.dtype == .uint8 ? 128 : 0
    guard let zeroPoint = quantization.zeroPoints.first, quantization.zeroPoints.allSatisfy({ $0 == zeroPoint }) else { return nil }
    guard quantization.axis == nil || quantization.axis == outputAxis, result[0] % quantization.scales.count == 0 else { return nil }
    let key = key(id, [outputAxis, Int(truncatingIfNeeded: factor.bitPattern)] + permutation + result.dims)
    if let known = made[key] { return known }
    var scales: [Float] = []
    // The channels of each group of a transposed convolution have the same scales.
    for index in 0..<(quantization.axis == nil ? 1 : result[0]) {
      let scale = quantization.scales[index % quantization.scales.count] * factor
      guard scale > 0, scale.isFinite else { return nil }
      scales.append(scale)
    }
    let data = integers.dtype == .int8 ? integers.data : try OnnxIntegers.exchanged(integers.data)
    let moved = try OnnxConversion.permuted(data, dims: dims, permutation, bytes: true)
    let zeros = [Int32](repeating: zeroPoint &- center, count: scales.count)
    let type = Quantization(scales: scales, zeroPoints: zeros, axis: quantization.axis == nil ? nil : 0)
    let name = operands[id].name
    let integer = graph.addValue(Value(name: helperName(name + ".int8"), dtype: .int8, shape: result, quantization: type, constant: moved))
    let value = try emit(.dequantize, [integer], constantName(id))
    keep(key, value)
    return value
  }

  /// A constant as uint8 with one scale, its axes moved; nil when it is none of integers or has several scales.
  func integerActivation(_ id: Int, _ dims: [Int], _ permutation: [Int]) throws(EdgeError) -> ValueID? {
    guard operands[id].dtype == .float32, let integers = operands[id].integers, let quantization = integers.quantization,
      quantization.axis == nil, !dims.contains(0)
    else { return nil }
    let isSigned = integers.dtype == .int8
    let data = isSigned ? try OnnxIntegers.exchanged(integers.data) : integers.data
    let moved = dims.isEmpty ? data : try OnnxConversion.permuted(data, dims: dims, permutation, bytes: true)
    let type = Quantization(scale: quantization.scales[0], zeroPoint: quantization.zeroPoints[0] &+ (isSigned ? 128 : 0))
    let name = operands[id].name
    let value = graph.addValue(
      Value(name: helperName(name + ".uint8"), dtype: .uint8, shape: Shape(permutation.map { dims[$0] }), quantization: type, constant: moved))
    return try emit(.dequantize, [value], constantName(id))
  }
}
