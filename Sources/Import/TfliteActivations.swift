#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Functions of one tensor.

extension TfliteImporter {
  func importActivation(_ code: TfliteCode) throws(EdgeError) {
    let function: UnaryFunction
    switch code {
    case .relu: function = UnaryFunction(.clamp, alpha: 0, beta: .infinity)
    case .relu6: function = UnaryFunction(.clamp, alpha: 0, beta: 6)
    case .reluN1To1: function = UnaryFunction(.clamp, alpha: -1, beta: 1)
    case .relu0To1: function = UnaryFunction(.clamp, alpha: 0, beta: 1)
    case .leakyRelu: function = UnaryFunction(.leakyRelu, alpha: try options(75).float(0))
    case .elu: function = UnaryFunction(.elu, alpha: 1)
    case .gelu: function = UnaryFunction(try options(116).bool(0) ? .geluTanh : .gelu)
    case .hardSwish: function = UnaryFunction(.hardSwish)
    case .logistic: function = UnaryFunction(.sigmoid)
    case .tanh: function = UnaryFunction(.tanh)
    case .exp: function = UnaryFunction(.exp)
    case .log: function = UnaryFunction(.log)
    case .sqrt: function = UnaryFunction(.sqrt)
    case .abs: function = UnaryFunction(.abs)
    case .neg: function = UnaryFunction(.negate)
    case .floor: function = UnaryFunction(.floor)
    case .ceil: function = UnaryFunction(.ceil)
    case .round: function = UnaryFunction(.round)
    case .sign: function = UnaryFunction(.sign)
    case .sin: function = UnaryFunction(.sin)
    case .cos: function = UnaryFunction(.cos)
    case .rsqrt: return try importReciprocalRoot()
    default: throw reject("the operator is not supported")
    }
    if code == .sin || code == .cos { return try finish(try helper(.unary(function), [try realValue(0)])) }
    try compute(.unary(function), [try inputValue(0)])
  }

  private func importReciprocalRoot() throws(EdgeError) {
    let root = try helper(.unary(UnaryFunction(.sqrt)), [try realValue(0)])
    try finish(try helper(.unary(UnaryFunction(.reciprocal)), [root]))
  }
}
