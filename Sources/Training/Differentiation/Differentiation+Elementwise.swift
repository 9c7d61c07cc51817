#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Functions of one and two numbers, and reductions.
extension Differentiation {
  func differentiateUnary(_ node: Node, _ function: UnaryFunction) throws(EdgeError) {
    guard let x = wants(node, 0) else { return }
    try contribute(try unaryGradient(function, x, node.outputs[0], try gradient(node)), to: x)
  }

  /// g f'(x), with y = f(x) where that is the shorter way.
  private func unaryGradient(_ function: UnaryFunction, _ x: ValueID, _ y: ValueID, _ g: ValueID) throws(EdgeError) -> ValueID {
    let (alpha, beta) = (function.alpha, function.beta)
    switch function.kind {
    case .clamp: return try gate(g, by: y, alpha, beta)
    case .leakyRelu: return try piecewise(g, x, below: try scale(g, by: alpha))
    case .sigmoid: return try multiply(g, try slopeOfLogistic(y))
    case .tanh: return try multiply(g, try slopeOfTanh(y))
    case .hardSigmoid: return try scale(try gate(g, by: y, 0, 1), by: alpha)
    case .hardSwish:
      let inner = try multiply(g, try shift(try scale(x, by: 1 / 3), by: 0.5))
      return try add(try gate(inner, by: x, -3, 3), try gate(g, by: x, Float(3).nextDown, .infinity))
    case .silu:
      let s = try unary(.sigmoid, x)
      return try multiply(g, try add(s, try multiply(x, try slopeOfLogistic(s))))
    case .gelu:
      let cumulative = try shift(try scale(try unary(.erf, try scale(x, by: 0.70710678)), by: 0.5), by: 0.5)
      let density = try scale(try unary(.exp, try scale(try multiply(x, x), by: -0.5)), by: 0.39894228)
      return try multiply(g, try add(cumulative, try multiply(x, density)))
    case .geluTanh:
      // y = x/2 (1 + t), t = tanh(u), u = c (x + k x^3)
      let (c, k): (Float, Float) = (0.79788456, 0.044715)
      let square = try multiply(x, x)
      let t = try unary(.tanh, try scale(try multiply(x, try shift(try scale(square, by: k), by: 1)), by: c))
      let slope = try multiply(try slopeOfTanh(t), try shift(try scale(square, by: 3 * c * k), by: c))
      let sum = try add(try shift(t, by: 1), try multiply(x, slope))
      return try multiply(g, try scale(sum, by: 0.5))
    case .elu: return try piecewise(g, x, below: try multiply(g, try shift(y, by: alpha)))
    case .selu: return try piecewise(try scale(g, by: beta), x, below: try multiply(g, try shift(y, by: alpha * beta)))
    case .celu: return try piecewise(g, x, below: try multiply(g, try unary(.exp, try scale(x, by: 1 / alpha))))
    case .softplus: return try multiply(g, try unary(.sigmoid, x))
    case .softsign:
      let d = try shift(try unary(.abs, x), by: 1)
      return try divide(g, try multiply(d, d))
    case .mish:
      let t = try unary(.tanh, try unary(.softplus, x))
      let slope = try multiply(try slopeOfTanh(t), try unary(.sigmoid, x))
      return try multiply(g, try add(t, try multiply(x, slope)))
    case .thresholdedRelu: return try gate(g, by: x, alpha, .infinity)
    case .erf: return try multiply(g, try scale(try unary(.exp, try unary(.negate, try multiply(x, x))), by: 1.12837917))
    case .exp: return try multiply(g, y)
    case .log: return try divide(g, x)
    case .sqrt: return try divide(try scale(g, by: 0.5), y)
    case .reciprocal: return try unary(.negate, try multiply(g, try multiply(y, y)))
    case .abs: return try multiply(g, try unary(.sign, x))
    case .negate: return try unary(.negate, g)
    case .sin: return try multiply(g, try unary(.cos, x))
    case .cos: return try unary(.negate, try multiply(g, try unary(.sin, x)))
    case .round, .floor, .ceil: return g
    case .binarize: return try gate(g, by: x, -1, 1)
    case .sign: return try constant(0, shape(x))
    default: throw unsupported("the gradient of this function is not known")
    }
  }

  /// g where x > 0, `below` where x <= 0.
  private func piecewise(_ g: ValueID, _ x: ValueID, below: ValueID) throws(EdgeError) -> ValueID {
    try add(try gate(g, by: x, 0, .infinity), try gate(below, by: x, -.infinity, .leastNonzeroMagnitude))
  }

  /// s (1 - s)
  private func slopeOfLogistic(_ s: ValueID) throws(EdgeError) -> ValueID { try subtract(s, try multiply(s, s)) }
  /// 1 - t t
  private func slopeOfTanh(_ t: ValueID) throws(EdgeError) -> ValueID { try shift(try unary(.negate, try multiply(t, t)), by: 1) }

  func differentiateBinary(_ node: Node, _ function: BinaryFunction, _ clamp: Clamp) throws(EdgeError) {
    let (a, b, y) = (node.inputs[0], node.inputs[1], node.outputs[0])
    var g = try gradient(node)
    if function == .gate {
      if wants(node, 0) != nil { try contribute(try unbroadcast(try gate(g, by: b, clamp.min, clamp.max), to: shape(a)), to: a) }
      return
    }
    if !clamp.isNone { g = try gate(g, by: y, clamp.min, clamp.max) }
    let (wantsA, wantsB) = (wants(node, 0) != nil, wants(node, 1) != nil)
    var forA: ValueID?, forB: ValueID?
    switch function {
    case .add: (forA, forB) = (g, g)
    case .subtract:
      forA = g
      if wantsB { forB = try unary(.negate, g) }
    case .multiply:
      if wantsA { forA = try multiply(g, b) }
      if wantsB { forB = try multiply(g, a) }
    case .divide:
      let part = try divide(g, b)
      forA = part
      if wantsB { forB = try unary(.negate, try multiply(part, try divide(a, b))) }
    case .minimum, .maximum:
      // Of two equal numbers the first one has the gradient.
      let difference = function == .maximum ? try subtract(a, b) : try subtract(b, a)
      forA = try gate(g, by: difference, -.leastNonzeroMagnitude, .infinity)
      if wantsB { forB = try gate(g, by: difference, -.infinity, 0) }
    case .power:
      if wantsA {
        let below = try append(.binary(.power, .none), [a, try shift(b, by: -1)])
        forA = try multiply(g, try multiply(b, below))
      }
      if wantsB { forB = try multiply(g, try multiply(y, try unary(.log, a))) }
    case .prelu:
      if wantsA { forA = try piecewise(g, a, below: try multiply(g, b)) }
      if wantsB { forB = try gate(try multiply(g, a), by: a, -.infinity, 0) }
    default: throw unsupported("the gradient of this function is not known")
    }
    if wantsA, let forA { try contribute(try unbroadcast(forA, to: shape(a)), to: a) }
    if wantsB, let forB { try contribute(try unbroadcast(forB, to: shape(b)), to: b) }
  }

  func differentiateSelect(_ node: Node) throws(EdgeError) {
    let g = try gradient(node)
    let zeros = try constant(0, shape(g))
    if let a = wants(node, 1) { try contribute(try unbroadcast(try append(.select, [node.inputs[0], g, zeros]), to: shape(a)), to: a) }
    if let b = wants(node, 2) { try contribute(try unbroadcast(try append(.select, [node.inputs[0], zeros, g]), to: shape(b)), to: b) }
  }

  func differentiatePool(_ node: Node, _ op: Pool) throws(EdgeError) {
    if let x = wants(node, 0) { try contribute(try append(.poolGradient(op), [x, try gradient(node)]), to: x) }
  }

  func differentiateReduce(_ node: Node, _ function: ReduceFunction, _ axes: [Int]) throws(EdgeError) {
    guard let x = wants(node, 0) else { return }
    var kept = shape(x)
    var size = 1
    for axis in axes {
      size *= kept[axis]
      kept[axis] = 1
    }
    let g = try reshape(try gradient(node), kept)
    let y = try reshape(node.outputs[0], kept)
    switch function {
    case .sum: try contribute(try append(.expand(shape(x)), [g]), to: x)
    case .mean: try contribute(try append(.expand(shape(x)), [try scale(g, by: 1 / Float(size))]), to: x)
    case .sumSquare: try contribute(try multiply(try scale(x, by: 2), g), to: x)
    case .l1: try contribute(try multiply(try unary(.sign, x), g), to: x)
    // Of a row of zeros the gradient is 0.
    case .l2:
      let norm = try append(.binary(.maximum, .none), [y, try constant(1e-30, Shape([]))])
      try contribute(try multiply(x, try divide(g, norm)), to: x)
    case .max, .min:
      let isBest = try append(.cast(.float32), [try append(.binary(.equal, .none), [x, try append(.expand(shape(x)), [y])])])
      let ties = try reduce(.sum, isBest, axes, keepDims: true)
      try contribute(try multiply(isBest, try divide(g, ties)), to: x)
    default: throw unsupported("the gradient of this reduction is not known")
    }
  }

  func differentiateSoftmax(_ node: Node, _ axis: Int, _ log: Bool) throws(EdgeError) {
    guard let x = wants(node, 0) else { return }
    let (g, y) = (try gradient(node), node.outputs[0])
    if log {
      let total = try reduce(.sum, g, [axis], keepDims: true)
      try contribute(try subtract(g, try multiply(try unary(.exp, y), total)), to: x)
    } else {
      let total = try reduce(.sum, try multiply(g, y), [axis], keepDims: true)
      try contribute(try multiply(y, try subtract(g, total)), to: x)
    }
  }
}
