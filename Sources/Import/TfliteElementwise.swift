#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Comparisons, logic, bits, choices and divisions of integers.

extension TfliteImporter {
  func importElementwise(_ code: TfliteCode) throws(EdgeError) {
    switch code {
    case .equal: try importComparison(.equal)
    case .notEqual: try importComparison(.equal, isNegated: true)
    case .less: try importComparison(.less)
    case .lessEqual: try importComparison(.lessOrEqual)
    case .greater: try importComparison(.less, isSwapped: true)
    case .greaterEqual: try importComparison(.lessOrEqual, isSwapped: true)
    case .logicalAnd: try importPlain(.and)
    case .logicalOr: try importPlain(.or)
    case .logicalNot: try compute(.unary(UnaryFunction(.not)), [try inputValue(0)])
    case .bitwiseXor: try importPlain(.xor)
    case .rightShift: try importPlain(.shiftRight)
    case .floorMod: try importPlain(.modulo)
    case .floorDiv: try importFloorDivision()
    case .bitcast:
      let type = try fileType(try output())
      guard type.byteCount == (try fileType(try input(0))).byteCount else { throw reject("elements of another width are not supported") }
      let x = try inputValue(0)
      try requireUnscaled(x)
      try compute(.bitCast(type.imported), [x])
    default: try importSelect(code)
    }
  }

  private func importPlain(_ function: BinaryFunction) throws(EdgeError) {
    let a = try inputValue(0)
    try requireUnscaled(a)
    try compute(.binary(function, .none), [a, try inputValue(1)])
  }

  /// Quantized operands are compared as the real numbers they stand for.
  private func importComparison(_ function: BinaryFunction, isSwapped: Bool = false, isNegated: Bool = false) throws(EdgeError) {
    let (a, b) = (try realValue(0), try realValue(1))
    let op = Operator.binary(function, .none)
    let operands = isSwapped ? [b, a] : [a, b]
    if !isNegated { return try compute(op, operands) }
    try compute(.unary(UnaryFunction(.not)), [try helper(op, operands)])
  }

  /// Rounded down. Of integers: what is left is taken away first, so that the division is exact.
  private func importFloorDivision() throws(EdgeError) {
    let (a, b) = (try inputValue(0), try inputValue(1))
    try requireUnscaled(a)
    if graph.values[a].dtype == .float32 {
      return try compute(.unary(UnaryFunction(.floor)), [try binary(.divide, a, b)])
    }
    try compute(.binary(.divide, .none), [try binary(.subtract, a, try binary(.modulo, a, b)), b])
  }

  /// The older of the two takes a list of conditions for whole rows instead of broadcasting.
  private func importSelect(_ code: TfliteCode) throws(EdgeError) {
    var condition = try inputValue(0)
    let type = try innerType(try output())
    var choices: [ValueID] = []
    for index in 1...2 {
      let x = try inputValue(index)
      let isSame = graph.values[x].quantization == type.quantization || !hasScale(x)
      guard isSame || type.dtype == .uint8 else { throw reject("16-bit inputs of several scales are not supported") }
      choices.append(isSame ? x : try helper(.requantize, [x], declared: type))
    }
    let rank = shapeOf(choices[0]).rank
    if code == .select, shapeOf(condition).rank == 1, rank > 1 {
      condition = try reshaped(condition, shapeOf(condition).dims + [Int](repeating: 1, count: rank - 1))
    }
    try setResult(try helper(.select, [condition] + choices))
  }
}
