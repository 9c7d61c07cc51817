import CPlatform

// Circular and hyperbolic functions and their inverses, in the manner of ScalarMath.swift: + - * / and square roots on
// Double, the same bits on every CPU, good to 1e-10 for Float arguments and then rounded once.

@inline(never)
func trigonometric(_ function: Int32, _ x: Double) -> Double {
  let magnitude = x < 0 ? -x : x
  switch Int(function) {
  case EK_UNARY_SIN: return circular(x).sine
  case EK_UNARY_COS: return circular(x).cosine
  case EK_UNARY_TAN:
    let parts = circular(x)
    return parts.sine / parts.cosine
  case EK_UNARY_ASIN: return arcTangent(x / ((1 - x) * (1 + x)).squareRoot())
  case EK_UNARY_ACOS: return 2 * arcTangent(((1 - x) / (1 + x)).squareRoot())
  case EK_UNARY_ATAN: return arcTangent(x)
  case EK_UNARY_SINH:
    if magnitude > 700 { return x * .infinity }
    let e = expm1Double(magnitude)
    return withSign(of: x, (e + e / (e + 1)) / 2)
  case EK_UNARY_COSH:
    let e = expDouble(magnitude)
    return (e + 1 / e) / 2
  case EK_UNARY_ASINH:
    if magnitude == .infinity { return x }
    return withSign(of: x, log1pDouble(magnitude + x * x / (1 + (x * x + 1).squareRoot())))
  case EK_UNARY_ACOSH:
    if x < 1 { return .nan }
    let above = x - 1
    return x == .infinity ? x : log1pDouble(above + (above * (above + 2)).squareRoot())
  default:
    if magnitude >= 1 { return magnitude == 1 ? x * .infinity : .nan }
    return withSign(of: x, log1pDouble(2 * magnitude / (1 - magnitude)) / 2)
  }
}

/// NaN stays NaN, zero keeps its sign.
private func withSign(of x: Double, _ magnitude: Double) -> Double { x < 0 || x.bitPattern >> 63 == 1 && x == 0 ? -magnitude : magnitude }

/// Sine and cosine: x = n pi/2 + r with |r| <= pi/4, then the Taylor series of both.
private func circular(_ x: Double) -> (sine: Double, cosine: Double) {
  guard x - x == 0 else { return (.nan, .nan) }
  let (quadrant, r) = reduced(x)
  let z = r * r
  var s = -7.64716373181981648e-13
  s = s * z + 1.60590438368216146e-10
  s = s * z - 2.50521083854417188e-8
  s = s * z + 2.75573192239858907e-6
  s = s * z - 0.000198412698412698413
  s = s * z + 0.00833333333333333333
  s = s * z - 0.166666666666666667
  s = r + r * z * s
  var c = -1.14707455977297247e-11
  c = c * z + 2.0876756987868099e-9
  c = c * z - 2.75573192239858907e-7
  c = c * z + 0.0000248015873015873016
  c = c * z - 0.00138888888888888889
  c = c * z + 0.0416666666666666667
  c = c * z - 0.5
  c = 1 + z * c
  switch quadrant & 3 {
  case 0: return (s, c)
  case 1: return (c, -s)
  case 2: return (-s, -c)
  default: return (-c, s)
  }
}

/// 2 / pi in words of 32 bits after the binary point.
private func twoOverPi(_ word: Int) -> UInt64 {
  switch word {
  case 0: return 0xA2F9_836E
  case 1: return 0x4E44_1529
  case 2: return 0xFC27_57D1
  case 3: return 0xF534_DDC0
  case 4: return 0xDB62_9599
  case 5: return 0x3C43_9041
  case 6: return 0xFE51_63AB
  default: return 0
  }
}

/// The multiple of pi/2 nearest to x, modulo 4, and what is left.
private func reduced(_ x: Double) -> (Int, Double) {
  let magnitude = x < 0 ? -x : x
  if magnitude < 0x1p23 {
    // Adding 1.5 * 2^52 rounds to an integer. pi/2 in three parts: the first two times n are exact.
    let n = x * 0.63661977236758134308 + 0x1.8p52 - 0x1.8p52
    let r = (x - n * 0x1.921fb54p0) - n * 0x1.10b4611p-30 - n * 0x1.4c4c6628b80dcp-59
    return (Int(n), r)
  }
  // A large Float is m * 2^e with m of 24 bits: the bits of m * 2/pi around the binary point follow from 96 bits of
  // 2/pi (Payne and Hanek 1983). What a Double has beyond a Float is dropped, and so is what lies beyond its range.
  let value = Float(magnitude)
  guard value < .infinity else { return (0, 0) }
  let exponent = Int(truncatingIfNeeded: value.bitPattern >> 23) &- 150
  let m = UInt64(value.bitPattern & 0x7F_FFFF | 0x80_0000)
  // Bits of 2/pi before `start` give multiples of 4.
  let start = exponent > 2 ? exponent &- 2 : 0
  var product: UInt64 = 0
  var carry: UInt64 = 0
  // The lower 32-bit words first; of the product all but the lowest word is kept.
  var word = 2
  while word >= 0 {
    let first = (start >> 5) &+ word
    let shift = UInt64(truncatingIfNeeded: start & 31)
    let bits = ((twoOverPi(first) << 32 | twoOverPi(first &+ 1)) << shift) >> 32
    let part = m &* (bits & 0xFFFF_FFFF) &+ carry
    carry = part >> 32
    if word < 2 { product |= (part & 0xFFFF_FFFF) << UInt64(truncatingIfNeeded: 32 &* (1 &- word)) }
    word &-= 1
  }
  // m * 2^exponent * 2/pi = (carry, product) * 2^(exponent - start - 64): the quadrant's bits stand at 2^(64 - up).
  let up = UInt64(truncatingIfNeeded: exponent &- start)
  let fraction = product << up
  var quadrant = Int(truncatingIfNeeded: (carry << up | (up == 0 ? 0 : product >> (64 &- up))) & 3)
  var r = Double(Int64(bitPattern: fraction)) * 0x1p-64
  // The fraction as a signed number lies in [-1/2, 1/2); a negative one belongs to the next quadrant.
  if r < 0 { quadrant &+= 1 }
  r = r * 1.57079632679489661923
  return x < 0 ? (0 &- quadrant, -r) : (quadrant, r)
}

/// Two halvings of the angle bring the argument below tan(pi / 16); then the Maclaurin series.
private func arcTangent(_ x: Double) -> Double {
  if x != x { return x }
  let magnitude = x < 0 ? -x : x
  let isLarge = magnitude > 1
  var t = isLarge ? 1 / magnitude : magnitude
  t = t / (1 + (1 + t * t).squareRoot())
  t = t / (1 + (1 + t * t).squareRoot())
  let z = t * t
  var s = 1.0 / 17
  s = s * z - 1.0 / 15
  s = s * z + 1.0 / 13
  s = s * z - 1.0 / 11
  s = s * z + 1.0 / 9
  s = s * z - 1.0 / 7
  s = s * z + 1.0 / 5
  s = s * z - 1.0 / 3
  let angle = 4 * (t + t * z * s)
  return withSign(of: x, isLarge ? 1.57079632679489661923 - angle : angle)
}
