// Elementary functions of a register of floats, within 4 ulp where their value is not the difference of two
// nearly equal numbers. The polynomials are least maximum error fits made for this file.

@inline(__always) func all(_ value: Float) -> VF { VF(repeating: value) }

@inline(__always) private func bits(_ v: VF) -> VI { unsafeBitCast(v, to: VI.self) }
@inline(__always) private func floats(_ v: VI) -> VF { unsafeBitCast(v, to: VF.self) }

@inline(__always) func magnitude(_ x: VF) -> VF { floats(bits(x) & VI(repeating: 0x7FFF_FFFF)) }
/// The magnitude of `x` with the sign of `sign`.
@inline(__always) func withSign(_ x: VF, _ sign: VF) -> VF {
  floats((bits(x) & VI(repeating: 0x7FFF_FFFF)) | (bits(sign) & VI(repeating: .min)))
}

/// 2^n for -126 <= n <= 127.
@inline(__always) private func powerOfTwo(_ n: VI) -> VF { floats((n &+ VI(repeating: 127)) &<< VI(repeating: 23)) }

/// x = n ln 2 + r with |r| <= ln 2 / 2; e^r - 1 and n.
@inline(__always) private func reducedExponential(_ x: VF) -> (power: VF, n: VI) {
  let n = toInteger(x * all(1.442695))
  let t = toFloat(n)
  // ln 2 in two parts; the products with the first are exact.
  let r = multiplyAdd(t, all(2.1219444e-4), multiplyAdd(t, all(-0.693359375), x))
  var q = multiplyAdd(r, all(0.0013950332), all(0.008368821))
  q = multiplyAdd(q, r, all(0.04166621))
  q = multiplyAdd(q, r, all(0.1666652))
  q = multiplyAdd(q, r, all(0.5))
  return (multiplyAdd(q, r * r, r), n)
}

/// e^x, with gradual underflow and overflow to infinity.
@inline(__always) func exponential(_ x: VF) -> VF {
  let (power, n) = reducedExponential(minimum(all(89), maximum(all(-104), x)))
  #if ISA_AVX512VNNI
  return timesPowerOfTwo(power + all(1), toFloat(n))
  #else
  // Two factors: 2^n alone leaves the range of normal numbers at both ends.
  let half = n &>> VI(repeating: 1)
  return (power + all(1)) * powerOfTwo(half) * powerOfTwo(n &- half)
  #endif
}

/// e^x - 1 without cancellation, for x <= 0.
@inline(__always) func exponentialMinusOne(_ x: VF) -> VF {
  let (power, n) = reducedExponential(maximum(all(-30), x))
  let scale = powerOfTwo(n)
  return multiplyAdd(power, scale, scale - all(1))
}

/// ln x; -inf for 0, NaN below.
@inline(__always) func logarithm(_ x: VF) -> VF {
  // Subnormal numbers are scaled to normal ones first.
  let small = x .< all(.leastNormalMagnitude)
  let scaled = x.replacing(with: x * all(8388608), where: small)
  let offset = all(0).replacing(with: all(-23), where: small)
  // x = 2^n (1 + f) with sqrt(1/2) <= 1 + f < sqrt 2.
  let shifted = bits(scaled) &- VI(repeating: 0x3F35_04F3)
  let n = shifted &>> VI(repeating: 23)
  let f = floats((shifted & VI(repeating: 0x007F_FFFF)) &+ VI(repeating: 0x3F35_04F3)) - all(1)
  let t = toFloat(n) + offset
  var q = multiplyAdd(f, all(-0.076344296), all(0.1276155))
  q = multiplyAdd(q, f, all(-0.13160194))
  q = multiplyAdd(q, f, all(0.14201762))
  q = multiplyAdd(q, f, all(-0.16623357))
  q = multiplyAdd(q, f, all(0.20001227))
  q = multiplyAdd(q, f, all(-0.25000823))
  q = multiplyAdd(q, f, all(0.33333331))
  let square = f * f
  var low = q * f * square
  low = multiplyAdd(t, all(-2.1219444e-4), low)
  low = multiplyAdd(square, all(-0.5), low)
  var result = multiplyAdd(t, all(0.693359375), f + low)
  result = result.replacing(with: all(-.infinity), where: x .== all(0))
  result = result.replacing(with: all(.nan), where: x .< all(0))
  let finite = x .< all(.infinity)
  return x.replacing(with: result, where: finite)
}

/// ln(1 + x) for x >= 0, without loss for small x.
@inline(__always) func logarithmOnePlus(_ x: VF) -> VF {
  let u = x + all(1)
  let d = u - all(1)
  return (logarithm(u) * x / d).replacing(with: x, where: d .== all(0))
}

@inline(__always) func hyperbolicTangent(_ x: VF) -> VF {
  let a = magnitude(x)
  let square = x * x
  var q = multiplyAdd(square, all(-0.0057170484), all(0.020650592))
  q = multiplyAdd(q, square, all(-0.0537435))
  q = multiplyAdd(q, square, all(0.1333149))
  q = multiplyAdd(q, square, all(-0.33333284))
  let near = multiplyAdd(q * square, x, x)
  let far = all(1) - all(2) / (exponential(a + a) + all(1))
  return withSign(far, x).replacing(with: near, where: a .< all(0.625))
}

@inline(__always) func sigmoid(_ x: VF) -> VF {
  // e^-|x| never overflows, and small results keep their digits.
  let e = exponential(all(0) - magnitude(x))
  let numerator = all(1).replacing(with: e, where: x .< all(0))
  return numerator / (e + all(1))
}

@inline(__always) func errorFunction(_ x: VF) -> VF {
  let a = magnitude(x)
  let square = x * x
  var q = multiplyAdd(square, all(7.854027e-05), all(-0.0008010248))
  q = multiplyAdd(q, square, all(0.0051883347))
  q = multiplyAdd(q, square, all(-0.026853817))
  q = multiplyAdd(q, square, all(0.112835854))
  q = multiplyAdd(q, square, all(-0.37612626))
  let near = multiplyAdd(multiplyAdd(q, square, all(0.12837911)), x, x)
  // 1 - e^-p(a) beyond 1; at 4 it is 1.
  let b = minimum(all(4), a)
  var p = multiplyAdd(b, all(2.1697639e-05), all(-0.0004414729))
  p = multiplyAdd(p, b, all(0.004205286))
  p = multiplyAdd(p, b, all(-0.025210343))
  p = multiplyAdd(p, b, all(0.1084221))
  p = multiplyAdd(p, b, all(0.6332164))
  p = multiplyAdd(p, b, all(1.1295803))
  p = multiplyAdd(p, b, all(-0.0001884678))
  let far = all(1) - exponential(all(0) - p)
  return withSign(far, x).replacing(with: near, where: a .< all(1))
}

/// (1 + erf(x / sqrt 2)) / 2, within 1e-7. One side is e^-p(|x|) / 2, whose p is a fit to the other side's complement.
@inline(__always) func normalDistribution(_ x: VF) -> VF {
  let a = magnitude(x)
  var p = multiplyAdd(a, all(1.965012e-06), all(-2.7294534e-05))
  p = multiplyAdd(p, a, all(0.0001290503))
  p = multiplyAdd(p, a, all(9.4917086e-05))
  p = multiplyAdd(p, a, all(-0.00489599))
  p = multiplyAdd(p, a, all(0.036387578))
  p = multiplyAdd(p, a, all(0.31829888))
  p = multiplyAdd(p, a, all(0.7978853))
  let tail = exponential(all(0) - p * a) * all(0.5)
  return tail.replacing(with: all(1) - tail, where: x .> all(0))
}

/// Rounds half to even; the sign of zero stays.
@inline(__always) func roundedToEven(_ x: VF) -> VF {
  let whole = withSign(toFloat(toInteger(x)), x)
  return x.replacing(with: whole, where: magnitude(x) .< all(8388608))
}

@inline(__always) func roundedDown(_ x: VF) -> VF {
  let near = roundedToEven(x)
  return near.replacing(with: near - all(1), where: near .> x)
}

@inline(__always) func roundedUpward(_ x: VF) -> VF {
  let near = roundedToEven(x)
  return near.replacing(with: withSign(near + all(1), x), where: near .< x)
}

/// Rounded to bfloat16, half to even. Subnormal numbers become 0, as they do where the processor rounds.
@inline(__always) func roundedToBFloat16(_ x: VF) -> VF {
  let odd = (bits(x) &>> VI(repeating: 16)) & VI(repeating: 1)
  let rounded = (bits(x) &+ VI(repeating: 0x7FFF) &+ odd) & VI(repeating: -0x1_0000)
  let isTiny = magnitude(x) .< all(Float.leastNormalMagnitude)
  let result = floats(rounded.replacing(with: bits(x) & VI(repeating: .min), where: isTiny))
  return result.replacing(with: x, where: x .!= x)
}
