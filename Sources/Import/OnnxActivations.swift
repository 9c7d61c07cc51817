#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Functions of one number, PRelu and Clip.

extension OnnxImporter {
  func importActivation() throws(EdgeError) {
    switch node.type {
    case "PRelu": try importBinary(.prelu, try input(0), try input(1))
    case "Clip": try importClip()
    case "Relu" where operands[try input(0)].dtype != .float32:
      let x = try input(0)
      try setResult(try emit(.binary(.maximum, .none), [try tensor(x), try number(0, operands[x].dtype)], resultName()))
    default: try importUnary(try unaryFunction())
    }
  }

  /// Appends a function of one number, in the layout its input is in.
  func importUnary(_ function: UnaryFunction) throws(EdgeError) {
    let x = try input(0)
    switch function.kind {
    case .abs, .negate, .sign, .not: break
    default: try requireFloat(x)
    }
    if isImage(x) {
      let y = try emit(.unary(function), [operands[x].channelsLast], resultName(image: true))
      return try setImageResult(y, rank: operands[x].shape.rank)
    }
    try setResult(try emit(.unary(function), [try tensor(x)], resultName()))
  }

  private func unaryFunction() throws(EdgeError) -> UnaryFunction {
    switch node.type {
    case "Relu": return UnaryFunction(.clamp, alpha: 0, beta: .infinity)
    case "LeakyRelu": return UnaryFunction(.leakyRelu, alpha: try parameter("alpha", 0.01))
    case "Sigmoid": return UnaryFunction(.sigmoid)
    case "Tanh": return UnaryFunction(.tanh)
    case "HardSigmoid": return UnaryFunction(.hardSigmoid, alpha: try parameter("alpha", 0.2), beta: try parameter("beta", 0.5))
    case "HardSwish": return UnaryFunction(.hardSwish)
    case "Gelu":
      switch try textAttribute("approximate", "none") {
      case "none": return UnaryFunction(.gelu)
      case "tanh": return UnaryFunction(.geluTanh)
      case let other: throw reject("attribute 'approximate' is '\(other)'")
      }
    case "Elu": return UnaryFunction(.elu, alpha: try parameter("alpha", 1))
    case "Selu": return UnaryFunction(.selu, alpha: try parameter("alpha", 1.67326319), beta: try parameter("gamma", 1.05070102))
    case "Celu":
      let alpha = try parameter("alpha", 1)
      guard alpha != 0 else { throw malformed("attribute 'alpha' is 0") }
      return UnaryFunction(.celu, alpha: alpha)
    case "Softplus": return UnaryFunction(.softplus)
    case "Softsign": return UnaryFunction(.softsign)
    case "Mish": return UnaryFunction(.mish)
    case "ThresholdedRelu": return UnaryFunction(.thresholdedRelu, alpha: try parameter("alpha", 1))
    case "Erf": return UnaryFunction(.erf)
    case "Exp": return UnaryFunction(.exp)
    case "Log": return UnaryFunction(.log)
    case "Sqrt": return UnaryFunction(.sqrt)
    case "Reciprocal": return UnaryFunction(.reciprocal)
    case "Abs": return UnaryFunction(.abs)
    case "Neg": return UnaryFunction(.negate)
    case "Floor": return UnaryFunction(.floor)
    case "Ceil": return UnaryFunction(.ceil)
    case "Round": return UnaryFunction(.round)
    case "Sign": return UnaryFunction(.sign)
    case "Sin": return UnaryFunction(.sin)
    case "Cos": return UnaryFunction(.cos)
    case "Tan": return UnaryFunction(.tan)
    case "Asin": return UnaryFunction(.asin)
    case "Acos": return UnaryFunction(.acos)
    case "Atan": return UnaryFunction(.atan)
    case "Sinh": return UnaryFunction(.sinh)
    case "Cosh": return UnaryFunction(.cosh)
    case "Asinh": return UnaryFunction(.asinh)
    case "Acosh": return UnaryFunction(.acosh)
    case "Atanh": return UnaryFunction(.atanh)
    case "Not", "BitwiseNot": return UnaryFunction(.not)
    case "IsNaN": return UnaryFunction(.isNaN)
    case "IsInf":
      return UnaryFunction(
        .isInfinite, alpha: try integerAttribute("detect_positive", 1) == 0 ? 0 : 1, beta: try integerAttribute("detect_negative", 1) == 0 ? 0 : 1)
    default: throw reject("the operator is not supported")
    }
  }

  private func parameter(_ name: Text, _ standard: Float) throws(EdgeError) -> Float {
    let value = try floatAttribute(name, standard)
    guard value.isFinite else { throw malformed("attribute '\(name)' is \(value)") }
    return value
  }

  /// Limits are attributes up to operator set 10, inputs since.
  private func importClip() throws(EdgeError) {
    let x = try input(0)
    if operands[x].dtype != .float32 { return try importLimits(x) }
    var lower: Float? = -Float.infinity
    var upper: Float? = Float.infinity
    if opset < 11 {
      lower = try floatAttribute("min", -Float.infinity)
      upper = try floatAttribute("max", Float.infinity)
    } else {
      lower = try limit(1, -Float.infinity)
      upper = try limit(2, Float.infinity)
    }
    guard let lower, let upper else {
      return try importLimits(x)
    }
    guard !lower.isNaN, !upper.isNaN else { throw malformed("a limit is not a number") }
    // The largest finite numbers are how "no limit" is usually written. With min > max every result is max.
    let minimum = lower <= -Float.greatestFiniteMagnitude ? -Float.infinity : min(lower, upper)
    let maximum = upper >= Float.greatestFiniteMagnitude ? Float.infinity : upper
    try importUnary(UnaryFunction(.clamp, alpha: minimum, beta: maximum))
  }

  /// Limits that are computed, or integers: max(x, min), then min(., max).
  private func importLimits(_ x: Int) throws(EdgeError) {
    let (lower, upper) = (try optionalInput(1), try optionalInput(2))
    if lower == nil, upper == nil { return try setAlias(x) }
    var value = try tensor(x)
    if let lower {
      let name = upper == nil ? resultName() : helperName(operands[x].name + ".clipped")
      value = try emit(.binary(.maximum, .none), [value, try tensor(lower)], name)
    }
    if let upper { value = try emit(.binary(.minimum, .none), [value, try tensor(upper)], resultName()) }
    try setResult(value)
  }

  /// A limit of Clip; nil when it is not constant.
  private func limit(_ index: Int, _ standard: Float) throws(EdgeError) -> Float? {
    guard let id = try optionalInput(index) else { return standard }
    guard let known = operands[id].known, let values = known.reals else { return nil }
    guard values.count == 1, let value = values.first else { throw wrongShape("a limit has shape \(operands[id].shape.text)", operand: id) }
    return value
  }
}
