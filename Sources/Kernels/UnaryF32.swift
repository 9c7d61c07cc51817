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
  let function = Int(u.function)
  var i = 0
  while i < count {
    let left = count &- i
    let result = value(function, left < lanes ? loadPart(x + i, left) : VF.load(x + i), alpha, beta)
    if left < lanes { storePart(result, y + i, left) } else { result.store(y + i) }
    i &+= lanes
  }
}

/// Asked for at every vector: loops of their own would be ten times the code, and functions given to one loop pass their
/// registers in parts.
@inline(__always)
private func value(_ function: Int, _ x: VF, _ alpha: VF, _ beta: VF) -> VF {
  switch function {
  case EK_UNARY_CLAMP: return minimum(beta, maximum(alpha, x))
  case EK_UNARY_LEAKY_RELU: return x.replacing(with: x * alpha, where: x .< all(0))
  case EK_UNARY_SIGMOID: return sigmoid(x)
  case EK_UNARY_TANH: return hyperbolicTangent(x)
  case EK_UNARY_HARD_SIGMOID: return unit(x * alpha + beta)
  case EK_UNARY_HARD_SWISH: return x * unit(x / all(6) + all(0.5))
  case EK_UNARY_SILU: return x * sigmoid(x)
  case EK_UNARY_GELU:
    return x * normalDistribution(x)
  case EK_UNARY_GELU_TANH:
    return x * all(0.5) * (all(1) + hyperbolicTangent(all(0.79788456) * (x + all(0.044715) * x * x * x)))
  case EK_UNARY_ELU: return x.replacing(with: alpha * exponentialMinusOne(x), where: x .< all(0))
  case EK_UNARY_SELU:
    return beta * x.replacing(with: alpha * exponentialMinusOne(x), where: x .< all(0))
  case EK_UNARY_CELU:
    return x.replacing(with: minimum(all(0), alpha * exponentialMinusOne(x / alpha)), where: x .< all(0))
  case EK_UNARY_SOFTPLUS:
    return maximum(all(0), x) + logarithmOnePlus(exponential(all(0) - magnitude(x)))
  case EK_UNARY_SOFTSIGN: return x / (all(1) + magnitude(x))
  case EK_UNARY_MISH: return mish(x)
  case EK_UNARY_THRESHOLDED_RELU: return x.replacing(with: all(0), where: x .<= alpha)
  case EK_UNARY_ERF: return errorFunction(x)
  case EK_UNARY_EXP: return exponential(x)
  case EK_UNARY_LOG: return logarithm(x)
  case EK_UNARY_SQRT: return squareRoot(x)
  case EK_UNARY_RECIPROCAL: return all(1) / x
  case EK_UNARY_ABS: return magnitude(x)
  case EK_UNARY_NEGATE: return -x
  case EK_UNARY_FLOOR: return roundedDown(x)
  case EK_UNARY_CEIL: return roundedUpward(x)
  case EK_UNARY_ROUND: return roundedToEven(x)
  case EK_UNARY_BFLOAT16: return roundedToBFloat16(x)
  case EK_UNARY_BINARIZE: return all(-1).replacing(with: all(1), where: x .>= all(0))
  case EK_UNARY_SIGN:
    let negative = x.replacing(with: all(-1), where: x .< all(0))
    return negative.replacing(with: all(1), where: x .> all(0))
  default: return x
  }
}

@inline(__always) private func unit(_ x: VF) -> VF { minimum(all(1), maximum(all(0), x)) }

/// x tanh(ln(1 + e^x)) = x (e^2x + 2 e^x) / (e^2x + 2 e^x + 2).
@inline(__always) private func mish(_ x: VF) -> VF {
  let e = exponential(minimum(all(20), x))
  let n = e * (e + all(2))
  return x * (n / (n + all(2)))
}
