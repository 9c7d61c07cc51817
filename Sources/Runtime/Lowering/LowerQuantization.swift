import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Changes of element type.
extension Lowering {
  func lowerQuantize(_ node: Node) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    guard dtype(x) == .float32 else { throw error(.unsupportedOperator, "needs float32", value: x) }
    if dtype(y) == .int16 { return try lowerQuantizeWide(x, y) }
    let type = try quantized(y)
    var arguments = ek_quantize()
    arguments.count = Int64(try count(y))
    arguments.scale = type.scale
    arguments.zero_point = type.zero_point
    arguments.pixels = arguments.count
    arguments.planes = 1
    try emit(Int(EK_QUANTIZE), arguments, [.read(0, try operand(x)), .write(1, try result(y))])
    writers[y] = steps.count - 1
  }

  func lowerDequantize(_ node: Node) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    guard dtype(y) == .float32 else { throw error(.unsupportedOperator, "gives float32", value: y) }
    if dtype(x) == .int16 {
      let reals = temporary(try byteCount(y))
      try emitCast(x, try operand(x), to: y, reals)
      return try emitScale(reals, by: try wideScale(x), to: try result(y), count: try count(y))
    }
    try emitDequantize(x, try quantized(x), y)
  }

  private func emitDequantize(_ x: ValueID, _ type: ek_quant, _ y: ValueID) throws(EdgeError) {
    var arguments = ek_quantize()
    arguments.count = Int64(try count(y))
    arguments.scale = type.scale
    arguments.zero_point = type.zero_point
    try emit(Int(EK_DEQUANTIZE), arguments, [.read(0, try operand(x)), .write(1, try result(y))])
  }

  /// Real numbers in 16-bit integers: divided by the scale, limited, rounded, narrowed.
  private func lowerQuantizeWide(_ x: ValueID, _ y: ValueID) throws(EdgeError) {
    let count = try count(y)
    let steps = temporary(try byteCount(x))
    try emitScale(try operand(x), by: 1 / (try wideScale(y)), to: steps, count: count, Clamp(min: -32768, max: 32767))
    let rounded = temporary(try byteCount(x))
    var arguments = ek_unary()
    arguments.count = Int64(count)
    arguments.function = Int32(UnaryFunction.Kind.round.rawValue)
    try emit(Int(EK_UNARY_F32), arguments, [.read(0, steps), .write(1, rounded)], inPlace: [0])
    try emitCast(x, rounded, to: y, try result(y))
  }

  /// The scale of 16-bit integers without a zero point.
  private func wideScale(_ value: ValueID) throws(EdgeError) -> Float {
    guard let q = graph.values[value].quantization, q.axis == nil, q.scales.count == 1, q.zeroPoints == [0] else {
      throw error(.unsupportedOperator, "needs 16-bit integers with one scale and no zero point", value: value)
    }
    _ = try factor(1 / q.scales[0])
    return q.scales[0]
  }

  private func emitScale(
    _ x: BufferPlace, by scale: Float, to y: BufferPlace, count: Int, _ clamp: Clamp = .none
  ) throws(EdgeError) {
    var arguments = ek_binary()
    arguments.rank = 1
    arguments.function = Int32(BinaryFunction.multiply.rawValue)
    fillField(&arguments.dims, [count])
    fillField(&arguments.a_stride, [1])
    fillField(&arguments.b_stride, [0])
    arguments.end = Int64(count)
    (arguments.clamp_min, arguments.clamp_max) = (clamp.min, clamp.max)
    try emit(Int(EK_BINARY_F32), arguments, [.read(0, x), .read(1, try derived([scale])), .write(2, y)], inPlace: [0])
  }

  /// Elements of one value's type as those of another's.
  private func emitCast(_ x: ValueID, _ from: BufferPlace, to y: ValueID, _ to: BufferPlace) throws(EdgeError) {
    var arguments = ek_typed()
    arguments.inputs = 1
    arguments.function = Int32(EK_UNARY_CAST)
    arguments.a_type = Int32(dtype(x).rawValue)
    arguments.y_type = Int32(dtype(y).rawValue)
    arguments.rank = 1
    fillField(&arguments.dims, [try count(y)])
    fillField(&arguments.a_stride, [1])
    arguments.end = Int64(try count(y))
    try emitTyped(arguments, [.read(0, from), .write(3, to)])
  }

  /// Between uint8 types and, at the graph's borders, int8 ones: int8 q is uint8 q + 128, which flips the byte's top bit.
  func lowerRequantize(_ node: Node) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    try emitRequantize(
      from: try operand(x), try byteType(x), to: try result(y), try byteType(y), count: try count(y), signs: signBit(x) | signBit(y) << 1)
  }

  /// The type of a quantized tensor of bytes; int8 as the uint8 type with the same real numbers, which a flip of the
  /// top bit gives.
  private func byteType(_ value: ValueID) throws(EdgeError) -> ek_quant {
    guard dtype(value) == .int8, let q = graph.values[value].quantization, q.axis == nil, q.scales.count == 1, q.zeroPoints.count == 1
    else { return try quantized(value) }
    return ek_quant(scale: q.scales[0], zero_point: q.zeroPoints[0] &+ 128)
  }

  private func signBit(_ value: ValueID) -> Int { dtype(value) == .int8 ? 1 : 0 }

  /// Bytes to float have a kernel of their own; to the same type it is an alias.
  func lowerCast(_ node: Node) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    guard dtype(y) == .float32, dtype(x) == .uint8 || dtype(x) == .bool, graph.values[x].quantization == nil else {
      return try emitTyped([x], y, function: Int32(EK_UNARY_CAST))
    }
    try emitDequantize(x, ek_quant(scale: 1, zero_point: 0), y)
  }

  /// `signs`: 1 where the operand is int8, 2 where the result is; the types are then those of uint8.
  func emitRequantize(
    from: BufferPlace, _ fromType: ek_quant, to: BufferPlace, _ toType: ek_quant, count: Int, signs: Int = 0
  ) throws(EdgeError) {
    var table = try lookupTable(fromType, toType, nil)
    if fromType.scale == toType.scale {
      // A shift, which no scale may blur.
      for index in 0..<256 { table[index] = UInt8(clamping: index &- Int(fromType.zero_point) &+ Int(toType.zero_point)) }
    }
    if signs & 1 != 0 {
      let unsigned = table
      for index in 0..<256 { table[index] = unsigned[index ^ 0x80] }
    }
    if signs & 2 != 0 {
      for index in 0..<256 { table[index] ^= 0x80 }
    }
    try emitLookup(from: from, to: to, table: table, count: count)
  }

  func emitLookup(from: BufferPlace, to: BufferPlace, table: [UInt8], count: Int) throws(EdgeError) {
    var arguments = ek_lookup()
    arguments.count = Int64(count)
    try emit(Int(EK_LOOKUP_U8), arguments, [.read(0, from), .read(1, try derived(table)), .write(2, to)], inPlace: [0])
  }

  /// What a function does to each of the 256 bytes. Always the reference kernels' answer, whatever set runs the
  /// model, so tables are the same on every CPU.
  func lookupTable(_ from: ek_quant, _ to: ek_quant, _ function: UnaryFunction?) throws(EdgeError) -> [UInt8] {
    guard let dequantize = kernels.reference(Int32(EK_DEQUANTIZE)), let quantize = kernels.reference(Int32(EK_QUANTIZE)),
      let unary = kernels.reference(Int32(EK_UNARY_F32))
    else { throw unsupported("this build has no kernel for it") }
    var bytes = [UInt8](repeating: 0, count: 256)
    for index in 0..<256 { bytes[index] = UInt8(index) }
    var reals = [Float](repeating: 0, count: 256)
    bytes.withUnsafeMutableBytes { bytes in
      reals.withUnsafeMutableBytes { reals in
        var arguments = ek_quantize()
        (arguments.x, arguments.y) = (UnsafeRawPointer(bytes.baseAddress), reals.baseAddress)
        (arguments.count, arguments.pixels, arguments.planes) = (256, 256, 1)
        (arguments.scale, arguments.zero_point) = (from.scale, from.zero_point)
        Lowering.runAll(dequantize, &arguments)
        if let function {
          var arguments = ek_unary(
            x: reals.baseAddress, y: reals.baseAddress, count: 256, function: Int32(function.kind.rawValue), alpha: function.alpha,
            beta: function.beta)
          Lowering.runAll(unary, &arguments)
        }
        (arguments.x, arguments.y) = (UnsafeRawPointer(reals.baseAddress), bytes.baseAddress)
        (arguments.scale, arguments.zero_point) = (to.scale, to.zero_point)
        Lowering.runAll(quantize, &arguments)
      }
    }
    return bytes
  }

  /// Runs a whole elementwise kernel, which needs no scratch.
  private static func runAll<Arguments: BitwiseCopyable>(_ kernel: ek_kernel, _ arguments: inout Arguments) {
    withUnsafePointer(to: arguments) { pointer in kernel.run(pointer, 0, kernel.units(pointer), nil) }
  }

  /// One float in a quantized type: the rounding rule of the kernels.
  static func quantize(_ value: Float, _ type: ek_quant) -> Int32 {
    let scaled = value * (1 / type.scale)
    let low = Float(0 &- type.zero_point)
    let high = Float(255 &- type.zero_point)
    if scaled.isNaN { return type.zero_point }
    let limited = scaled < low ? low : scaled > high ? high : scaled
    return Int32(limited.rounded(.toNearestOrEven)) &+ type.zero_point
  }

  /// A fused clamp in the result's integers.
  static func limits(_ clamp: Clamp, _ type: ek_quant) -> (min: Int32, max: Int32) {
    (clamp.min == -.infinity ? 0 : quantize(clamp.min, type), clamp.max == .infinity ? 255 : quantize(clamp.max, type))
  }
}
