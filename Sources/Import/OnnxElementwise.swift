#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Comparisons, logic, bits and choices: functions of broadcast tensors of any element type.

extension OnnxImporter {
  func importElementwise() throws(EdgeError) {
    let a = try input(0)
    switch node.type {
    case "Mod": try importBinary(try integerAttribute("fmod", 0) == 0 ? .modulo : .remainder, a, try input(1))
    case "Equal": try importBinary(.equal, a, try input(1))
    case "Less": try importBinary(.less, a, try input(1))
    case "LessOrEqual": try importBinary(.lessOrEqual, a, try input(1))
    case "Greater": try importBinary(.less, try input(1), a)
    case "GreaterOrEqual": try importBinary(.lessOrEqual, try input(1), a)
    case "And", "BitwiseAnd": try importBinary(.and, a, try input(1))
    case "Or", "BitwiseOr": try importBinary(.or, a, try input(1))
    case "Xor", "BitwiseXor": try importBinary(.xor, a, try input(1))
    case "BitShift":
      switch try textAttribute("direction", "") {
      case "LEFT": try importBinary(.shiftLeft, a, try input(1))
      case "RIGHT": try importBinary(.shiftRight, a, try input(1))
      case let other: throw malformed("attribute 'direction' is '\(other)'")
      }
    case "Where": try importWhere(try tensor(a), try tensor(try input(1)), try tensor(try input(2)))
    case "Shrink": try importShrink(a)
    default:
      let alpha = try floatAttribute("alpha", 1)
      if alpha == 1 { return try importUnary(UnaryFunction(.silu)) }
      let x = try floatTensor(a)
      let scaled = try binary(.multiply, x, try number(Double(alpha), .float32))
      try setResult(try emit(.binary(.multiply, .none), [x, try unary(.sigmoid, scaled)], resultName()))
    }
  }

  /// A choice; of 1 where x >= 0 and -1 elsewhere, the binarization of x.
  private func importWhere(_ condition: ValueID, _ a: ValueID, _ b: ValueID) throws(EdgeError) {
    if graph.values[a].scalar == 1, graph.values[b].scalar == -1, let number = graph.producer(of: condition),
      case .binary(.lessOrEqual, _) = graph.nodes[number].op, graph.values[graph.nodes[number].inputs[0]].scalar == 0
    {
      let x = graph.nodes[number].inputs[1]
      let rank = graph.values[x].shape.rank
      // Numbers of more dimensions would give the result more.
      if graph.values[x].dtype == .float32, graph.values[condition].shape.rank == rank, graph.values[a].shape.rank <= rank,
        graph.values[b].shape.rank <= rank
      {
        return try setResult(try emit(.unary(UnaryFunction(.binarize)), [x], resultName()))
      }
    }
    try setResult(try emit(.select, [condition, a, b], resultName()))
  }

  /// x + bias below -lambda, x - bias above lambda, else 0.
  private func importShrink(_ a: Int) throws(EdgeError) {
    let lambda = Double(try floatAttribute("lambd", 0.5))
    let offset = Double(try floatAttribute("bias", 0))
    var x = try tensor(a)
    // Integers meet fractions in float, and lose theirs at the end.
    let declared = operands[a].dtype
    let isCast = declared.isInteger && (lambda.rounded(.towardZero) != lambda || offset.rounded(.towardZero) != offset)
    let dtype = isCast ? .float32 : declared
    if isCast { x = try part(.cast(dtype), [x]) }
    let bias = try number(offset, dtype)
    let above = try emit(
      .select,
      [
        try binary(.less, try number(lambda, dtype), x), try binary(.subtract, x, bias), try number(0, dtype),
      ], helperName(nodeName + ".above"))
    let isBelow = try binary(.less, x, try number(-lambda, dtype))
    var y = try part(.select, [isBelow, try binary(.add, x, bias), above])
    if isCast { y = try part(.cast(declared), [y]) }
    try setResult(y)
  }
}
