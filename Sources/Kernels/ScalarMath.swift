// exp, log, tanh, erf and their relatives without the C library, whose results differ between systems. Everything
// is + - * / on Double and arithmetic on its bits, each step rounded by IEEE 754 and none of it contracted, so the
// bits are the same on every CPU. The Double results are good to 1e-10 or better over the range of Float
// arguments (most to 1e-15); rounded once to Float they lie within one unit in the last place of the correctly
// rounded value, denormals included. NaN gives NaN.
//
// Arguments beyond the range of Float are allowed where they arise (exp of a product, for pow), but a Double
// denormal is neither expected nor produced: exp gives 0 below -708, far under the smallest Float.

private let log2High = 0x1.62e42fefp-1  // ln 2 in 32 bits: k * log2High is exact for |k| < 2^20
private let log2Low = 0x1.473de6af278edp-34

// MARK: Exponential

/// (exp(r) - 1) / r for |r| <= 1/2: the Taylor series to r^13, whose rest is below 1e-16.
private func expSeries(_ r: Double) -> Double {
  var s = 1.14707455977297247e-11
  s = s * r + 1.60590438368216146e-10
  s = s * r + 2.0876756987868099e-9
  s = s * r + 2.50521083854417188e-8
  s = s * r + 2.75573192239858907e-7
  s = s * r + 2.75573192239858907e-6
  s = s * r + 0.0000248015873015873016
  s = s * r + 0.000198412698412698413
  s = s * r + 0.00138888888888888889
  s = s * r + 0.00833333333333333333
  s = s * r + 0.0416666666666666667
  s = s * r + 0.166666666666666667
  s = s * r + 0.5
  return s * r + 1
}

@inline(never)
func expDouble(_ x: Double) -> Double {
  if x != x { return x }
  if x > 709 { return .infinity }
  if x < -708 { return 0 }
  // x = k ln 2 + r. Adding 1.5 * 2^52 rounds to an integer and leaves it in the low bits.
  let shifted = x * 1.4426950408889634074 + 0x1.8p52
  let k = shifted - 0x1.8p52
  let r = (x - k * log2High) - k * log2Low
  let exponent = Int32(truncatingIfNeeded: shifted.bitPattern) &+ 1023
  return (1 + r * expSeries(r)) * Double(bitPattern: UInt64(UInt32(bitPattern: exponent)) << 52)
}

/// exp(x) - 1 with all its digits near 0.
func expm1Double(_ x: Double) -> Double {
  if x > -0.5 && x < 0.5 { return x * expSeries(x) }
  return expDouble(x) - 1
}

// MARK: Logarithm

@inline(never)
func logDouble(_ x: Double) -> Double {
  if x != x || x == .infinity { return x }
  if x <= 0 { return x == 0 ? -.infinity : .nan }
  // x = 2^e m with m in [sqrt 1/2, sqrt 2), log m = 2 artanh((m - 1) / (m + 1)).
  var e = Int32(truncatingIfNeeded: x.bitPattern >> 52) &- 1023
  var m = Double(bitPattern: x.bitPattern & 0x000F_FFFF_FFFF_FFFF | 0x3FF0_0000_0000_0000)
  if m > 1.4142135623730951 {
    m *= 0.5
    e &+= 1
  }
  let s = (m - 1) / (m + 1)
  let z = s * s
  var p = 2.0 / 23
  p = p * z + 2.0 / 21
  p = p * z + 2.0 / 19
  p = p * z + 2.0 / 17
  p = p * z + 2.0 / 15
  p = p * z + 2.0 / 13
  p = p * z + 2.0 / 11
  p = p * z + 2.0 / 9
  p = p * z + 2.0 / 7
  p = p * z + 2.0 / 5
  p = p * z + 2.0 / 3
  p = p * z + 2
  let k = Double(Int(e))
  return k * log2High + (s * p + k * log2Low)
}

/// log(1 + x) for x >= 0. What 1 + x lost is put back by the quotient.
func log1pDouble(_ x: Double) -> Double {
  let sum = 1 + x
  return sum == 1 ? x : logDouble(sum) * (x / (sum - 1))
}

// MARK: Hyperbolic and logistic

func tanhDouble(_ x: Double) -> Double {
  if x > 20 { return 1 }
  if x < -20 { return -1 }
  let e = expm1Double(2 * x)
  return e / (e + 2)
}

func sigmoidDouble(_ x: Double) -> Double { 1 / (1 + expDouble(-x)) }

/// log(1 + exp x) = max(x, 0) + log(1 + exp(-|x|)).
func softplusDouble(_ x: Double) -> Double {
  x > 0 ? x + log1pDouble(expDouble(-x)) : log1pDouble(expDouble(x))
}

// MARK: Error function

/// erf for |x| <= 1: the Maclaurin series to x^31.
private func erfSeries(_ x: Double) -> Double {
  let z = x * x
  var s = -2.78351620721092135e-14
  s = s * z + 4.46322426328647734e-13
  s = s * z - 6.71136685516411038e-12
  s = s * z + 9.42275906465041097e-11
  s = s * z - 1.22905553017179274e-9
  s = s * z + 1.48071928158792172e-8
  s = s * z - 1.63658446912349243e-7
  s = s * z + 1.64621143658892474e-6
  s = s * z - 0.000014925650358406251
  s = s * z + 0.000120553329817896643
  s = s * z - 0.000854832702345085283
  s = s * z + 0.00522397762544218784
  s = s * z - 0.0268661706451312518
  s = s * z + 0.112837916709551257
  s = s * z - 0.376126389031837525
  return x * (s * z + 1.12837916709551257)
}

/// 1 - erf for x >= 1: exp(-x^2) times a polynomial in 1 / (x + 3), the Chebyshev interpolant of degree 11 of
/// exp(x^2) erfc(x) on [1, 11]; relative error 3e-11. Beyond 11 the value is below the smallest Float.
private func erfcTail(_ x: Double) -> Double {
  if x > 11 { return 0 }
  let u = 11.2 / (x + 3) - 1.8
  var p = 1.45044836723917621e-8
  p = p * u + 1.03012958654757925e-7
  p = p * u - 2.41597228706636187e-7
  p = p * u - 3.91573271728710772e-6
  p = p * u - 6.83386797006942222e-6
  p = p * u + 0.000104588133903368004
  p = p * u + 0.0010351390871747042
  p = p * u + 0.0055506821025889991
  p = p * u + 0.021552702112941271
  p = p * u + 0.0660241283615906724
  p = p * u + 0.165670710459788898
  p = p * u + 0.167656499580201692
  return p * expDouble(-(x * x))
}

func erfDouble(_ x: Double) -> Double {
  if x > 1 { return 1 - erfcTail(x) }
  if x < -1 { return erfcTail(-x) - 1 }
  return erfSeries(x)
}

/// 1 - erf(x), which keeps its digits for large x.
func erfcDouble(_ x: Double) -> Double {
  if x > 1 { return erfcTail(x) }
  if x < -1 { return 2 - erfcTail(-x) }
  return 1 - erfSeries(x)
}

// MARK: Power

/// C's pow: power(x, 0) = power(1, y) = 1 even for NaN; a negative x needs an integral y.
@inline(never)
func power(_ x: Float, _ y: Float) -> Float {
  if y == 0 || x == 1 { return 1 }
  if x != x || y != y { return x + y }
  if y == 2 { return x * x }
  let magnitude = Float(bitPattern: x.bitPattern & 0x7FFF_FFFF)
  let exponent = Float(bitPattern: y.bitPattern & 0x7FFF_FFFF)
  if exponent == .infinity { return magnitude == 1 ? 1 : (magnitude > 1) == (y > 0) ? .infinity : 0 }
  // From 2^24 on every float is an even integer.
  var isIntegral = true
  var isOdd = false
  if exponent < 0x1p24 {
    let whole = Int(exponent)
    isIntegral = Float(whole) == exponent
    isOdd = isIntegral && whole & 1 == 1
  }
  let isNegative = x.bitPattern >> 31 == 1
  var result: Float
  if magnitude == 0 || magnitude == .infinity {
    result = (magnitude == 0) == (y > 0) ? 0 : .infinity
  } else if isNegative && !isIntegral {
    return .nan
  } else {
    result = Float(expDouble(Double(y) * logDouble(Double(magnitude))))
  }
  if isNegative && isOdd { result = -result }
  return result
}
