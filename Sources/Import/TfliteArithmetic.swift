#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Functions of two tensors, with broadcasting.

extension TfliteImporter {
  func importArithmetic(_ code: TfliteCode) throws(EdgeError) {
    switch code {
    case .add: try importBinary(.add, try clamp(try options(11).byte(0)))
    case .sub: try importBinary(.subtract, try clamp(try options(28).byte(0)))
    case .mul: try importBinary(.multiply, try clamp(try options(21).byte(0)))
    case .div: try importBinary(.divide, try clamp(try options(29).byte(0)))
    case .minimum: try importBinary(.minimum)
    case .maximum: try importBinary(.maximum)
    case .pow: try importBinary(.power)
    case .prelu: try importBinary(.prelu)
    case .square:
      let x = try inputValue(0)
      try compute(.binary(.multiply, .none), [x, x])
    case .squaredDifference:
      let difference = try binary(.subtract, try realValue(0), try realValue(1))
      try finish(try binary(.multiply, difference, difference))
    default: try importSum()
    }
  }

  private func operands() throws(EdgeError) -> (ValueID, ValueID) {
    if isWide { return (try realValue(0), try realValue(1)) }
    let (first, second) = (try input(0), try input(1))
    // In hybrid models a constant may be quantized where the other operand is float.
    if try isQuantized(first), try isQuantized(second) { return (try value(first), try value(second)) }
    return (try floatValue(first), try floatValue(second))
  }

  private func importBinary(_ function: BinaryFunction, _ clamp: Clamp = .none) throws(EdgeError) {
    let (a, b) = try operands()
    let dtype = graph.values[a].dtype
    if clamp.isNone || hasScale(a) || dtype == .float32 { return try compute(.binary(function, clamp), [a, b]) }
    // Integers have clamps of their own.
    var result = try binary(function, a, b)
    if clamp.min.isFinite { result = try binary(.maximum, result, try number(Double(clamp.min), dtype)) }
    if clamp.max.isFinite { result = try binary(.minimum, result, try number(Double(clamp.max), dtype)) }
    try setResult(result)
  }

  /// ADD_N: any number of float tensors of one shape.
  private func importSum() throws(EdgeError) {
    var sum = try inputValue(0)
    try requireFloat(sum)
    guard inputs.count > 1 else { return try setResult(sum) }
    for index in 1..<inputs.count - 1 { sum = try helper(.binary(.add, .none), [sum, try inputValue(index)]) }
    try compute(.binary(.add, .none), [sum, try inputValue(inputs.count - 1)])
  }
}
