import CPlatform

// Elementwise functions. A unit of work is a stretch of elements.

private var stretch: Int { 4096 }

func unaryUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(divideUp(Int(args.assumingMemoryBound(to: ek_unary.self).pointee.count), stretch))
}

func unaryRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let u = args.assumingMemoryBound(to: ek_unary.self).pointee
  guard let xBase = u.x, let yBase = u.y else { return }
  let first = Int(begin) &* stretch
  let count = smaller(Int(end) &* stretch, Int(u.count)) &- first
  let x = xBase.assumingMemoryBound(to: Float.self) + first, y = yBase.assumingMemoryBound(to: Float.self) + first
  let alpha = all(u.alpha), beta = all(u.beta)
  switch Int(u.function) {
  case EK_UNARY_CLAMP: map(x, y, count) { minimum(beta, maximum(alpha, $0)) }
  case EK_UNARY_LEAKY_RELU: map(x, y, count) { $0.replacing(with: $0 * alpha, where: $0 .< all(0)) }
  case EK_UNARY_SIGMOID: map(x, y, count) { sigmoid($0) }
  case EK_UNARY_TANH: map(x, y, count) { hyperbolicTangent($0) }
  case EK_UNARY_HARD_SIGMOID: map(x, y, count) { unit($0 * alpha + beta) }
  case EK_UNARY_HARD_SWISH: map(x, y, count) { $0 * unit($0 / all(6) + all(0.5)) }
  case EK_UNARY_SILU: map(x, y, count) { $0 * sigmoid($0) }
  case EK_UNARY_GELU:
    map(x, y, count) { $0 * all(0.5) * (all(1) + errorFunction($0 * all(0.70710678))) }
  case EK_UNARY_GELU_TANH:
    map(x, y, count) { $0 * all(0.5) * (all(1) + hyperbolicTangent(all(0.79788456) * ($0 + all(0.044715) * $0 * $0 * $0))) }
  case EK_UNARY_ELU: map(x, y, count) { $0.replacing(with: alpha * exponentialMinusOne($0), where: $0 .< all(0)) }
  case EK_UNARY_SELU:
    map(x, y, count) { beta * $0.replacing(with: alpha * exponentialMinusOne($0), where: $0 .< all(0)) }
  case EK_UNARY_CELU:
    map(x, y, count) { $0.replacing(with: minimum(all(0), alpha * exponentialMinusOne($0 / alpha)), where: $0 .< all(0)) }
  case EK_UNARY_SOFTPLUS:
    map(x, y, count) { maximum(all(0), $0) + logarithmOnePlus(exponential(all(0) - magnitude($0))) }
  case EK_UNARY_SOFTSIGN: map(x, y, count) { $0 / (all(1) + magnitude($0)) }
  case EK_UNARY_MISH: map(x, y, count) { mish($0) }
  case EK_UNARY_THRESHOLDED_RELU: map(x, y, count) { $0.replacing(with: all(0), where: $0 .<= alpha) }
  case EK_UNARY_ERF: map(x, y, count) { errorFunction($0) }
  case EK_UNARY_EXP: map(x, y, count) { exponential($0) }
  case EK_UNARY_LOG: map(x, y, count) { logarithm($0) }
  case EK_UNARY_SQRT: map(x, y, count) { squareRoot($0) }
  case EK_UNARY_RECIPROCAL: map(x, y, count) { all(1) / $0 }
  case EK_UNARY_ABS: map(x, y, count) { magnitude($0) }
  case EK_UNARY_NEGATE: map(x, y, count) { -$0 }
  case EK_UNARY_FLOOR: map(x, y, count) { roundedDown($0) }
  case EK_UNARY_CEIL: map(x, y, count) { roundedUpward($0) }
  case EK_UNARY_ROUND: map(x, y, count) { roundedToEven($0) }
  case EK_UNARY_SIGN:
    map(x, y, count) {
      let negative = $0.replacing(with: all(-1), where: $0 .< all(0))
      return negative.replacing(with: all(1), where: $0 .> all(0))
    }
  default: break
  }
}

@inline(__always) private func unit(_ x: VF) -> VF { minimum(all(1), maximum(all(0), x)) }

/// x tanh(ln(1 + e^x)) = x (e^2x + 2 e^x) / (e^2x + 2 e^x + 2).
@inline(__always) private func mish(_ x: VF) -> VF {
  let e = exponential(minimum(all(20), x))
  let n = e * (e + all(2))
  return x * (n / (n + all(2)))
}

@inline(__always)
private func map(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int, _ f: (VF) -> VF) {
  var i = 0
  while i &+ lanes <= count {
    f(VF.load(x + i)).store(y + i)
    i &+= lanes
  }
  if i < count { storePart(f(loadPart(x + i, count &- i)), y + i, count &- i) }
}
