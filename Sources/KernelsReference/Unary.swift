import CPlatform

// Elementwise float functions; units are blocks. What needs more than + - * / is computed in Double by ScalarMath
// and rounded once. NaN stays NaN; at -infinity the products (silu, gelu, mish, hard swish) and at either infinity
// softsign are NaN, as their formulas say.

func unaryUnits(_ raw: UnsafeRawPointer?) -> Int64 { blocks(arguments(raw, ek_unary.self).pointee.count) }

func unaryFloat(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_unary.self)
  let x = elements(a.pointee.x, Float.self)
  let y = elements(a.pointee.y, Float.self)
  let range = blockRange(begin, end, a.pointee.count)
  let function = a.pointee.function
  let alpha = a.pointee.alpha
  let beta = a.pointee.beta
  var i = range.begin
  while i < range.end {
    y[i] = unaryValue(function, x[i], alpha, beta)
    i &+= 1
  }
}

/// One value of a unary function (`EK_UNARY_*`).
@inline(__always)
func unaryValue(_ function: Int32, _ x: Float, _ alpha: Float, _ beta: Float) -> Float {
  switch Int(function) {
  case EK_UNARY_CLAMP: return clamped(x, alpha, beta)
  case EK_UNARY_LEAKY_RELU: return x < 0 ? alpha * x : x
  case EK_UNARY_HARD_SIGMOID: return clamped(alpha * x + beta, 0, 1)
  case EK_UNARY_HARD_SWISH: return x * clamped(x / 6 + 0.5, 0, 1)
  case EK_UNARY_SOFTSIGN: return x / (1 + Float(bitPattern: x.bitPattern & 0x7FFF_FFFF))
  case EK_UNARY_THRESHOLDED_RELU: return x > alpha || x != x ? x : 0
  case EK_UNARY_SQRT: return x.squareRoot()
  case EK_UNARY_RECIPROCAL: return 1 / x
  case EK_UNARY_ABS: return Float(bitPattern: x.bitPattern & 0x7FFF_FFFF)
  case EK_UNARY_NEGATE: return -x
  case EK_UNARY_FLOOR: return roundedDown(x)
  case EK_UNARY_CEIL: return -roundedDown(-x)
  case EK_UNARY_ROUND: return roundedToNearest(x)
  case EK_UNARY_BFLOAT16: return roundedToBFloat16(x)
  case EK_UNARY_BINARIZE: return x >= 0 ? 1 : -1
  case EK_UNARY_SIGN: return x > 0 ? 1 : x < 0 ? -1 : x
  default: return Float(transcendental(function, Double(x), Double(alpha), Double(beta)))
  }
}

/// Half to even. Subnormal numbers become 0.
@inline(__always)
private func roundedToBFloat16(_ x: Float) -> Float {
  if x != x { return x }
  let bits = x.bitPattern
  if bits & 0x7F80_0000 == 0 { return Float(bitPattern: bits & 0x8000_0000) }
  return Float(bitPattern: (bits &+ 0x7FFF &+ ((bits >> 16) & 1)) & 0xFFFF_0000)
}

/// Half to even. Keeps the sign of zero.
@inline(__always)
private func roundedToNearest(_ x: Float) -> Float {
  let sign = x.bitPattern & 0x8000_0000
  let magnitude = Float(bitPattern: x.bitPattern ^ sign)
  // From 2^23 on every float is an integer; the comparison also lets NaN and infinity through.
  if !(magnitude < 0x1p23) { return x }
  return Float(bitPattern: ((magnitude + 0x1p23) - 0x1p23).bitPattern | sign)
}

@inline(__always)
private func roundedDown(_ x: Float) -> Float {
  let nearest = roundedToNearest(x)
  return nearest > x ? nearest - 1 : nearest
}

@inline(never)
func transcendental(_ function: Int32, _ x: Double, _ alpha: Double, _ beta: Double) -> Double {
  switch Int(function) {
  case EK_UNARY_SIGMOID: return sigmoidDouble(x)
  case EK_UNARY_TANH: return tanhDouble(x)
  case EK_UNARY_SILU: return x * sigmoidDouble(x)
  // 1 + erf(u) = erfc(-u), which keeps its digits on the left.
  case EK_UNARY_GELU: return 0.5 * x * erfcDouble(x * -0.70710678118654752440)
  case EK_UNARY_GELU_TANH:
    // (1 + tanh u) / 2 = sigmoid(2u), likewise.
    return x * sigmoidDouble(2 * 0.79788456080286535588 * x * (1 + 0.044715 * x * x))
  case EK_UNARY_ELU: return x < 0 ? alpha * expm1Double(x) : x
  case EK_UNARY_SELU: return beta * (x < 0 ? alpha * expm1Double(x) : x)
  case EK_UNARY_CELU: return x < 0 ? celuNegative(x, alpha) : x
  case EK_UNARY_SOFTPLUS: return softplusDouble(x)
  case EK_UNARY_MISH: return x * tanhDouble(softplusDouble(x))
  case EK_UNARY_ERF: return erfDouble(x)
  case EK_UNARY_EXP: return expDouble(x)
  case EK_UNARY_LOG: return logDouble(x)
  default: return trigonometric(function, x)
  }
}

/// min(0, alpha (exp(x / alpha) - 1)) for x < 0; with a negative alpha the term is positive or the minimum is 0.
@inline(__always)
private func celuNegative(_ x: Double, _ alpha: Double) -> Double {
  let value = alpha * expm1Double(x / alpha)
  return value > 0 ? 0 : value
}
