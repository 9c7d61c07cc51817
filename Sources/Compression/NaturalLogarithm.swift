/// ln(x) for a positive, finite, normal x, within 2 units in the last place. Own code, so that calibration and
/// training give the same with every C library: x = m 2^e with m near 1, ln m = 2 artanh((m - 1) / (m + 1)) as a series.
public func naturalLogarithm(_ x: Double) -> Double {
  var mantissa = x.significand
  var exponent = Double(x.exponent)
  if mantissa > 1.4142135623730951 {
    mantissa /= 2
    exponent += 1
  }
  let z = (mantissa - 1) / (mantissa + 1)
  let square = z * z
  // |z| <= 0.1716: terms beyond z^21 are below 2^-56 of the result.
  var series = 0.0
  var odd = 21.0
  while odd >= 1 {
    series = series * square + 1 / odd
    odd -= 2
  }
  return 2 * z * series + exponent * 0.6931471805599453
}

/// Decibels of a ratio of powers: 10 log10(x).
func decibels(_ x: Double) -> Double { 10 * naturalLogarithm(x) / 2.302585092994046 }
