import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Functions of one or two elements, and batch normalization, which is one multiplication and addition for each.
extension Lowering {
  func lowerUnary(_ node: Node, _ function: UnaryFunction) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    if absorbed[y] { return }
    if function.kind == .isNaN, isReplaced(x, y) {
      absorbed[y] = true
      return
    }
    if function.kind == .binarize, try lowerBinarize(node) { return }
    let hasFloatKernel = function.kind.rawValue < UInt8(EK_UNARY_COUNT) || function.kind == .binarize
    if graph.values[x].quantization == nil, dtype(x) != .float32 || !hasFloatKernel {
      return try emitTyped([x], y, function: Int32(function.kind.rawValue), alpha: function.alpha, beta: function.beta)
    }
    if try isQuantized([x, y]) {
      let table = try lookupTable(try quantized(x), try quantized(y), function)
      try emitLookup(from: try operand(x), to: try result(y), table: table, count: try count(y))
      return
    }
    var arguments = ek_unary()
    arguments.count = Int64(try count(y))
    arguments.function = Int32(function.kind.rawValue)
    arguments.alpha = function.alpha
    arguments.beta = function.beta
    try emit(Int(EK_UNARY_F32), arguments, [.read(0, try operand(x)), .write(1, try result(y))], inPlace: [0])
  }

  /// Whether all that is asked of a test for NaN is to choose something else for what it tests, as safe softmax does.
  private func isReplaced(_ x: ValueID, _ y: ValueID) -> Bool {
    guard dtype(x) == .float32, !isPinned[y], index.consumers[y].count == 1, flow.blocks[index.consumers[y][0]] == flow.blocks[current]
    else { return false }
    let reader = graph.nodes[index.consumers[y][0]]
    if case .select = reader.op { return reader.inputs[0] == y && reader.inputs[2] == x }
    return false
  }

  func lowerSelect(_ node: Node) throws(EdgeError) {
    let operands = [try required(node, 0), try required(node, 1), try required(node, 2)]
    if absorbed[operands[0]] {
      return try emitTyped([operands[2], operands[1], operands[2]], node.outputs[0], function: Int32(EK_BINARY_NOT_EQUAL))
    }
    try emitTyped(operands, node.outputs[0], function: 0)
  }

  func lowerBinary(_ node: Node, _ function: BinaryFunction, _ clamp: Clamp) throws(EdgeError) {
    let a = try required(node, 0)
    let b = try required(node, 1)
    let y = node.outputs[0]
    if graph.values[a].quantization == nil, function != .gate,
      dtype(a) != .float32 || dtype(b) != .float32 || function.rawValue >= UInt8(EK_BINARY_COUNT)
    {
      return try emitTyped([a, b], y, function: Int32(function.rawValue))
    }
    // Layer normalization squares by a power of two.
    if function == .power, graph.values[b].scalar == 2, shape(a) == shape(y) { return try lowerBinary(.multiply, clamp, a, a, y) }
    try lowerBinary(function, clamp, a, b, y)
  }

  private func lowerBinary(
    _ function: BinaryFunction, _ clamp: Clamp, _ a: ValueID, _ b: ValueID, _ y: ValueID
  ) throws(EdgeError) {
    let dims = shape(y)
    _ = (try count(a), try count(b), try count(y))
    guard let aStrides = StridedLoops.broadcast(shape(a), to: dims), let bStrides = StridedLoops.broadcast(shape(b), to: dims) else {
      throw error(.shapeMismatch, "the operands do not broadcast to the result", value: y)
    }
    let loops = StridedLoops(dims: dims, strides: [aStrides, bStrides]).collapsed()
    guard loops.dims.count <= Int(EK_MAX_RANK) else { throw unsupported("more than \(EK_MAX_RANK) dimensions") }
    var arguments = ek_binary()
    arguments.rank = try int32(loops.dims.count)
    arguments.function = Int32(function.rawValue)
    fillField(&arguments.dims, loops.dims)
    fillField(&arguments.a_stride, loops.strides[0])
    fillField(&arguments.b_stride, loops.strides[1])
    arguments.end = Int64(Lowering.product(loops.dims[...]))
    arguments.clamp_min = clamp.min
    arguments.clamp_max = clamp.max
    arguments.q_max = 255
    // An operand without broadcasting is read element by element, like the result.
    var inPlace: [Int] = []
    if shape(a) == dims { inPlace.append(0) }
    if shape(b) == dims { inPlace.append(1) }
    let integer = try isQuantized([a, b, y])
    if integer {
      arguments.a_quant = try quantized(a)
      arguments.b_quant = try quantized(b)
      arguments.y_quant = try quantized(y)
      _ = try factor(1 / arguments.y_quant.scale)
      (arguments.q_min, arguments.q_max) = Lowering.limits(clamp, arguments.y_quant)
    }
    try emit(
      Int(integer ? EK_BINARY_U8 : EK_BINARY_F32), arguments,
      [.read(0, try operand(a)), .read(1, try operand(b)), .write(2, try result(y))], inPlace: inPlace)
  }

  /// A function of one to three broadcast tensors of any element types.
  func emitTyped(
    _ operands: [ValueID], _ y: ValueID, function: Int32, alpha: Float = 0, beta: Float = 0
  ) throws(EdgeError) {
    let dims = shape(y)
    var strides: [[Int]] = []
    var slots: [SlotUse] = []
    // A choice takes the place of what it chooses from.
    var inPlace: [Int] = []
    for (index, x) in operands.enumerated() {
      // Selection moves quantized elements as they are.
      guard graph.values[x].quantization == nil || operands.count == 3 else {
        throw error(.unsupportedOperator, "no kernel takes this quantized tensor", value: x)
      }
      guard let own = StridedLoops.broadcast(shape(x), to: dims) else {
        throw error(.shapeMismatch, "does not broadcast to the result", value: x)
      }
      strides.append(own)
      slots.append(.read(index, try operand(x)))
      if index > 0, operands.count == 3, shape(x) == dims { inPlace.append(index) }
    }
    slots.append(.write(3, try result(y)))
    let loops = StridedLoops(dims: dims, strides: strides).collapsed()
    var arguments = ek_typed()
    arguments.inputs = Int32(operands.count)
    arguments.function = function
    arguments.a_type = Int32(dtype(operands[0]).rawValue)
    arguments.y_type = Int32(dtype(y).rawValue)
    arguments.rank = try int32(loops.dims.count)
    (arguments.alpha, arguments.beta) = (alpha, beta)
    arguments.end = Int64(Lowering.product(loops.dims[...]))
    fillField(&arguments.dims, loops.dims)
    fillField(&arguments.a_stride, loops.strides[0])
    if operands.count > 1 {
      arguments.b_type = Int32(dtype(operands[1]).rawValue)
      fillField(&arguments.b_stride, loops.strides[1])
    }
    if operands.count > 2 {
      arguments.c_type = Int32(dtype(operands[2]).rawValue)
      fillField(&arguments.c_stride, loops.strides[2])
    }
    try emitTyped(arguments, slots, inPlace: inPlace)
  }

  /// On the kernel of masks where that knows the function and the types, else on the reference kernel.
  func emitTyped(_ arguments: ek_typed, _ slots: [SlotUse], inPlace: [Int] = []) throws(EdgeError) {
    var (arguments, slots) = (arguments, slots)
    let isMask = try asMask(&arguments, &slots)
    try emit(Int(isMask ? EK_MASK : EK_TYPED_ELEMENTWISE), arguments, slots, inPlace: inPlace)
  }

  /// Rewrites a function as a comparison or a choice, maybe with a constant; whether that is possible.
  private func asMask(_ m: inout ek_typed, _ slots: inout [SlotUse]) throws(EdgeError) -> Bool {
    let function = Int(m.function), isBool = m.a_type == Int32(EK_TYPE_BOOL)
    switch m.inputs {
    case 3:
      // A test of the third operand has no first one.
      if function == EK_BINARY_NOT_EQUAL { slots.remove(at: 0) }
      return isBool || function == EK_BINARY_NOT_EQUAL
    case 2:
      if isBool, function == EK_BINARY_AND || function == EK_BINARY_OR {
        // a ? b : a, or a ? a : b.
        (m.inputs, m.b_type, m.c_type) = (3, m.a_type, m.a_type)
        m.c_stride = m.a_stride
        if function == EK_BINARY_OR {
          (m.b_stride, m.c_stride) = (m.a_stride, m.b_stride)
          slots[1].slot = 2
        }
        slots.append(.read(function == EK_BINARY_OR ? 1 : 2, slots[0].place))
        return true
      }
      if isBool, function == EK_BINARY_XOR { m.function = Int32(EK_BINARY_NOT_EQUAL) }
      return Int(m.function) == EK_BINARY_NOT_EQUAL
        || function >= EK_BINARY_EQUAL && function <= EK_BINARY_LESS_OR_EQUAL && m.a_type == m.b_type && Lowering.isCompared(m.a_type)
    default:
      if function == EK_UNARY_CAST, isBool, m.y_type != Int32(EK_TYPE_FLOAT32), Lowering.isCompared(m.y_type) {
        (m.inputs, m.b_type, m.c_type) = (3, m.y_type, m.y_type)
        slots += [.read(1, try derived([1 as UInt64])), .read(2, try derived([0 as UInt64]))]
        return true
      }
      (m.inputs, m.b_type) = (2, m.a_type)
      if function == EK_UNARY_IS_NAN, m.a_type == Int32(EK_TYPE_FLOAT32) {
        m.b_stride = m.a_stride
        slots.append(.read(1, slots[0].place))
      } else if function == EK_UNARY_NOT && isBool || function == EK_UNARY_CAST && m.y_type == Int32(EK_TYPE_BOOL) && Lowering.isCompared(m.a_type) {
        slots.append(.read(1, try derived([0 as UInt64])))
      } else {
        m.inputs = 1
        return false
      }
      m.function = Int32(function == EK_UNARY_NOT ? EK_BINARY_EQUAL : EK_BINARY_NOT_EQUAL)
      return true
    }
  }

  /// Types that the kernel of masks compares.
  private static func isCompared(_ type: Int32) -> Bool {
    switch Int(type) {
    case EK_TYPE_FLOAT32, EK_TYPE_INT32, EK_TYPE_INT64, EK_TYPE_UINT8, EK_TYPE_BOOL: return true
    default: return false
    }
  }

  /// One that no convolution could take in: a depthwise convolution with a 1x1 window where its parameters are known.
  func lowerBatchNormalization(_ node: Node, epsilon: Float) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    guard dtype(x) == .float32, dtype(y) == .float32 else { throw unsupported("only float32") }
    for value in node.inputs.dropFirst() where graph.values[value].constant == nil {
      return try lowerComputedNormalization(node, epsilon: epsilon)
    }
    guard let channels = shape(x).last else { throw error(.shapeMismatch, "has no channels", value: x) }
    let pixels = try count(x) / channels
    var parameters: [[Float]] = []
    for index in 1...4 {
      let value = try required(node, index)
      guard let constant = graph.values[value].constant, dtype(value) == .float32 else { throw unsupported("parameters must be constant float32") }
      let elements = constant.array(of: Float.self)
      guard elements.count == channels else { throw error(.shapeMismatch, "needs one element for each channel", value: value) }
      parameters.append(elements)
    }
    var scale = [Float](repeating: 0, count: channels)
    var bias = scale
    for channel in 0..<channels {
      scale[channel] = parameters[0][channel] / (parameters[3][channel] + epsilon).squareRoot()
      bias[channel] = parameters[1][channel] - parameters[2][channel] * scale[channel]
    }
    var arguments = ek_conv()
    arguments.n = 1
    arguments.h = 1
    arguments.oh = 1
    arguments.w = try int32(pixels)
    arguments.ow = arguments.w
    arguments.c_in = try int32(channels)
    arguments.c_out = arguments.c_in
    arguments.groups = arguments.c_in
    (arguments.kh, arguments.kw, arguments.stride_h, arguments.stride_w) = (1, 1, 1, 1)
    (arguments.dilation_h, arguments.dilation_w) = (1, 1)
    (arguments.x_stride, arguments.y_stride, arguments.residual_stride) = (arguments.c_in, arguments.c_in, arguments.c_in)
    arguments.clamp_min = -.infinity
    arguments.clamp_max = .infinity
    try emit(
      Int(EK_DEPTHWISE_F32), arguments,
      [.read(0, try operand(x)), .read(1, try derived(scale)), .read(2, try derived(bias)), .write(6, try result(y))],
      packs: 5, packSources: [1, 2], multiplyAdds: Int64(try count(x)))
  }
}
