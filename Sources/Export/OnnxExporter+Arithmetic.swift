#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Operators that compute element by element or along axes: they work in the layout their operands are in.

extension OnnxExporter {
  func writeUnary(_ function: UnaryFunction) throws(EdgeError) {
    let first = isFirst(node.inputs[0])
    let x = try name(node.inputs[0], first: first, float: true)
    let (alpha, beta) = (function.alpha, function.beta)
    switch function.kind {
    case .clamp:
      let (type, limits) = try clip(Clamp(min: alpha, max: beta))
      try add(type, [x] + limits, first: first)
    case .silu:
      let gate = partName("gate")
      file.addNode("Sigmoid", gate, [x], [gate], [])
      try add("Mul", [x, gate], first: first)
    case .binarize:
      let condition = partName("condition")
      file.addNode("GreaterOrEqual", condition, [x, try number(0, "zero")], [condition], [])
      try add("Where", [condition, try number(1, "one"), try number(-1, "minus_one")], first: first)
    case .isInfinite:
      try add(
        "IsInf", [x], first: first,
        [("detect_positive", .integer(alpha == 0 ? 0 : 1)), ("detect_negative", .integer(beta == 0 ? 0 : 1))])
    case .not where graph.values[node.inputs[0]].dtype != .bool: try add("BitwiseNot", [x], first: first)
    default:
      let (type, alphaName, betaName) = OnnxExporter.unaryOperator(function.kind)
      var attributes: [(name: StaticString, value: OnnxValue)] = []
      if let alphaName { attributes.append((alphaName, .float(alpha))) }
      if let betaName { attributes.append((betaName, .float(beta))) }
      if function.kind == .geluTanh { attributes.append(("approximate", .text("tanh"))) }
      try add(type, [x], first: first, attributes)
    }
  }

  /// The operator, and the attributes that take alpha and beta.
  private static func unaryOperator(_ kind: UnaryFunction.Kind) -> (StaticString, StaticString?, StaticString?) {
    switch kind {
    case .clamp: return ("Clip", nil, nil)
    case .leakyRelu: return ("LeakyRelu", "alpha", nil)
    case .sigmoid, .silu: return ("Sigmoid", nil, nil)
    case .tanh: return ("Tanh", nil, nil)
    case .hardSigmoid: return ("HardSigmoid", "alpha", "beta")
    case .hardSwish: return ("HardSwish", nil, nil)
    case .gelu, .geluTanh: return ("Gelu", nil, nil)
    case .elu: return ("Elu", "alpha", nil)
    case .selu: return ("Selu", "alpha", "gamma")
    case .celu: return ("Celu", "alpha", nil)
    case .softplus: return ("Softplus", nil, nil)
    case .softsign: return ("Softsign", nil, nil)
    case .mish: return ("Mish", nil, nil)
    case .thresholdedRelu: return ("ThresholdedRelu", "alpha", nil)
    case .erf: return ("Erf", nil, nil)
    case .exp: return ("Exp", nil, nil)
    case .log: return ("Log", nil, nil)
    case .sqrt: return ("Sqrt", nil, nil)
    case .reciprocal: return ("Reciprocal", nil, nil)
    case .abs: return ("Abs", nil, nil)
    case .negate: return ("Neg", nil, nil)
    case .floor: return ("Floor", nil, nil)
    case .ceil: return ("Ceil", nil, nil)
    case .round: return ("Round", nil, nil)
    case .sign: return ("Sign", nil, nil)
    case .sin: return ("Sin", nil, nil)
    case .cos: return ("Cos", nil, nil)
    case .tan: return ("Tan", nil, nil)
    case .asin: return ("Asin", nil, nil)
    case .acos: return ("Acos", nil, nil)
    case .atan: return ("Atan", nil, nil)
    case .sinh: return ("Sinh", nil, nil)
    case .cosh: return ("Cosh", nil, nil)
    case .asinh: return ("Asinh", nil, nil)
    case .acosh: return ("Acosh", nil, nil)
    case .atanh: return ("Atanh", nil, nil)
    case .not: return ("Not", nil, nil)
    case .isNaN: return ("IsNaN", nil, nil)
    case .isInfinite: return ("IsInf", nil, nil)
    case .binarize: return ("Where", nil, nil)
    }
  }

  func writeBinary(_ function: BinaryFunction, _ clamp: Clamp) throws(EdgeError) {
    let result = shape(node.outputs[0])
    // Channels first where an operand is there only so and the others can follow.
    var first = false
    for input in node.inputs where shape(input).rank == result.rank && isFirst(input) { first = true }
    for input in node.inputs where shape(input).rank < result.rank && graph.values[input].constant == nil { first = false }
    var names: [Text] = []
    for input in node.inputs { names.append(try binaryOperand(input, rank: result.rank, first: first)) }
    let type: StaticString
    let dtype = graph.values[node.inputs[0]].dtype
    var attributes: [(name: StaticString, value: OnnxValue)] = []
    switch function {
    case .add: type = "Add"
    case .subtract: type = "Sub"
    case .multiply: type = "Mul"
    case .divide: type = "Div"
    case .minimum: type = "Min"
    case .maximum: type = "Max"
    case .power: type = "Pow"
    case .prelu:
      guard shape(node.inputs[0]) == result else { throw unsupported("the slope has more elements than the input") }
      type = "PRelu"
    case .modulo, .remainder:
      guard function == .remainder || dtype != .float32 else { throw unsupported("float numbers' modulo has the divisor's sign") }
      type = "Mod"
      attributes = [("fmod", .integer(function == .remainder ? 1 : 0))]
    case .equal: type = "Equal"
    case .less: type = "Less"
    case .lessOrEqual: type = "LessOrEqual"
    case .and: type = dtype == .bool ? "And" : "BitwiseAnd"
    case .or: type = dtype == .bool ? "Or" : "BitwiseOr"
    case .xor: type = dtype == .bool ? "Xor" : "BitwiseXor"
    case .shiftLeft, .shiftRight:
      guard dtype == .uint8 || dtype == .uint16 || dtype == .uint32 || dtype == .uint64 else { throw unsupported("it shifts \(dtype.name)") }
      type = "BitShift"
      attributes = [("direction", .text(function == .shiftLeft ? "LEFT" : "RIGHT"))]
    case .gate: throw unsupported("it belongs to training")
    }
    try add(type, names, first: first, clamp: clamp, attributes)
  }

  private func binaryOperand(_ input: ValueID, rank: Int, first: Bool) throws(EdgeError) -> Text {
    var value = graph.values[input]
    guard first, value.shape.rank < rank, value.constant != nil, value.shape.elementCount() != 1 else {
      return try name(input, first: first, float: true)
    }
    value.shape = Shape([Int](repeating: 1, count: rank - value.shape.rank) + value.shape.dims)
    if value.quantization?.axis != nil { throw unsupported("an operand has scales along an axis") }
    guard let moved = try value.permuted(OnnxExporter.toFirst(rank), name: value.name) else {
      throw EdgeError(.internalError, "a constant has no contents", tensor: value.name)
    }
    return try dequantizedConstant(moved, value.name)
  }

  /// Integers without a scale, or truths.
  func isPlain(_ value: ValueID) -> Bool { graph.values[value].quantization == nil && !graph.values[value].dtype.isFloatingPoint }

  /// Some operators of ONNX take integers of 32 and 64 bits alone.
  func requireWide(_ value: ValueID) throws(EdgeError) {
    if isPlain(value), graph.values[value].dtype.byteCount < 4 { throw unsupported("it computes \(graph.values[value].dtype.name)") }
  }

  func writeMatMul() throws(EdgeError) {
    try requireWide(node.inputs[0])
    try add("MatMul", [try name(node.inputs[0], first: false, float: true), try name(node.inputs[1], first: false, float: true)], first: false)
  }

  func writeReduce(_ function: ReduceFunction, _ axes: [Int], _ keepDims: Bool) throws(EdgeError) {
    let input = node.inputs[0]
    // Without kept axes the result's order follows from the operand's.
    let first = isFirst(input) && (keepDims || axes == [1, 2] || shape(node.outputs[0]).rank < 2)
    let x = try name(input, first: first, float: true)
    var moved: [Int] = []
    for axis in axes { moved.append(self.axis(axis, of: input, first: first)) }
    if first, keepDims, shape(input).rank == 4, moved == [2, 3], function == .mean || function == .max, !isPlain(input) {
      return try add(function == .mean ? "GlobalAveragePool" : "GlobalMaxPool", [x], first: true)
    }
    let type: StaticString
    switch function {
    case .mean: type = "ReduceMean"
    case .sum: type = "ReduceSum"
    case .max: type = "ReduceMax"
    case .min: type = "ReduceMin"
    case .product: type = "ReduceProd"
    case .l1: type = "ReduceL1"
    case .l2: type = "ReduceL2"
    case .sumSquare: type = "ReduceSumSquare"
    case .logSum: type = "ReduceLogSum"
    case .logSumExp: type = "ReduceLogSumExp"
    case .argMax, .argMaxLast, .argMin, .argMinLast:
      let isLast = function == .argMaxLast || function == .argMinLast
      return try add(
        function == .argMax || function == .argMaxLast ? "ArgMax" : "ArgMin", [x], first: first && keepDims,
        [("axis", .integer(moved[0])), ("keepdims", .integer(keepDims ? 1 : 0)), ("select_last_index", .integer(isLast ? 1 : 0))])
    }
    if function != .max && function != .min { try requireWide(input) }
    // No axes mean all of them to ONNX, and none here.
    guard !moved.isEmpty else { throw unsupported("it reduces no axis") }
    let keeps: (name: StaticString, value: OnnxValue) = ("keepdims", .integer(keepDims ? 1 : 0))
    if function == .sum || opset >= 18 {
      try add(type, [x, try integers(moved, "axes")], first: first && keepDims, [keeps])
    } else {
      try add(type, [x], first: first && keepDims, [keeps, ("axes", .integers(moved))])
    }
  }

  func writeSoftmax(_ axis: Int, _ isLog: Bool) throws(EdgeError) {
    let first = isFirst(node.inputs[0])
    try add(
      isLog ? "LogSoftmax" : "Softmax", [try name(node.inputs[0], first: first, float: true)], first: first,
      [("axis", .integer(self.axis(axis, of: node.inputs[0], first: first)))])
  }

  func writeLayerNormalization(_ epsilon: Float) throws(EdgeError) {
    var inputs: [Text] = []
    for input in node.inputs where input != Node.noValue { inputs.append(try name(input, first: false, float: true)) }
    try add("LayerNormalization", inputs, first: false, [("epsilon", .float(epsilon))])
  }

  func writeQuantize() throws(EdgeError) {
    let (x, y) = (node.inputs[0], node.outputs[0])
    let first = isFirst(x)
    let result = resultName(y, first: first)
    try quantize(try name(x, first: first, float: true), y, result)
    define(y, first: first, result)
  }

  func writeDequantize() throws(EdgeError) {
    let x = node.inputs[0]
    guard graph.values[x].dtype != .int16 else { throw unsupported("'\(graph.values[x].name)' is quantized to int16") }
    let first = isFirst(x)
    var attributes: [(name: StaticString, value: OnnxValue)] = []
    if let axis = graph.values[x].quantization?.axis { attributes.append(("axis", .integer(self.axis(axis, of: x, first: first)))) }
    try add("DequantizeLinear", [try name(x, first: first)] + (try scaleNames(x)), first: first, attributes)
  }

  func writeCast(_ dtype: DType) throws(EdgeError) {
    let first = isFirst(node.inputs[0])
    try add("Cast", [try name(node.inputs[0], first: first)], first: first, [("to", .integer(OnnxFile.number(dtype)))])
  }
}
