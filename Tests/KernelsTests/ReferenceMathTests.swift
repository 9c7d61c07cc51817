import Foundation
import Testing

@testable import KernelsReference

// ScalarMath against the C library's Double functions, rounded once.

/// Every exponent and sign with many mantissas, and the edges of each exponent.
private let samples: [Float] = {
  var random = SeededRandom(77)
  var values: [Float] = [0, -0.0, .infinity, -.infinity, .nan, 1, -1]
  for exponent in UInt32(0)..<255 {
    for _ in 0..<400 { values.append(Float(bitPattern: exponent << 23 | UInt32(truncatingIfNeeded: random.next()) & 0x807F_FFFF)) }
    for mantissa: UInt32 in [0, 1, 2, 0x3F_FFFF, 0x40_0000, 0x7F_FFFE, 0x7F_FFFF] {
      values.append(Float(bitPattern: exponent << 23 | mantissa))
      values.append(-Float(bitPattern: exponent << 23 | mantissa))
    }
  }
  return values
}()

/// Values spread evenly over an interval.
private func line(_ range: ClosedRange<Float>, _ count: Int = 100_000) -> [Float] {
  (0...count).map { range.lowerBound + (range.upperBound - range.lowerBound) * Float($0) / Float(count) }
}

private func worst(_ values: [Float], _ ours: (Double) -> Double, _ theirs: (Double) -> Double) -> (ulp: Int64, at: Float) {
  var worst: (Int64, Float) = (0, 0)
  for x in values {
    let distance = ulpDistance(Float(ours(Double(x))), Float(theirs(Double(x))))
    if distance > worst.0 { worst = (distance, x) }
  }
  return worst
}

@Suite struct ReferenceMathTests {
  @Test func exponential() {
    let result = worst(samples + line(-104...89) + line(-1...1), expDouble, exp)
    #expect(result.ulp <= 1, "at \(result.at)")
  }

  @Test func exponentialMinusOne() {
    let result = worst(samples + line(-20...89) + line(-1...1), expm1Double, expm1)
    #expect(result.ulp <= 1, "at \(result.at)")
  }

  @Test func logarithm() {
    let result = worst(samples + line(0...2) + line(0.999...1.001), logDouble, { $0 < 0 ? .nan : log($0) })
    #expect(result.ulp <= 1, "at \(result.at)")
  }

  @Test func hyperbolicTangent() {
    let result = worst(samples + line(-10...10), tanhDouble, tanh)
    #expect(result.ulp <= 1, "at \(result.at)")
  }

  @Test func errorFunction() {
    let result = worst(samples + line(-6...6) + line(0.99...1.01), erfDouble, erf)
    #expect(result.ulp <= 1, "at \(result.at)")
  }

  @Test func complementaryErrorFunction() {
    let result = worst(samples + line(-6...12) + line(0.99...1.01), erfcDouble, erfc)
    #expect(result.ulp <= 1, "at \(result.at)")
  }

  @Test func doubleDigits() {
    // What the composites rest on: the cores keep far more digits than Float needs.
    for x in line(-80...80, 20_000).map({ Double($0) }) {
      #expect(abs(expDouble(x) / exp(x) - 1) < 1e-15)
      if x > 0 { #expect(abs(logDouble(x) - log(x)) <= 1e-15 * max(1, abs(log(x)))) }
      if x > 0 { #expect(abs(log1pDouble(exp(-x)) / log1p(exp(-x)) - 1) < 1e-14) }
      if abs(x) < 9 { #expect(abs(erfcDouble(x) / erfc(x) - 1) < 1e-10) }
    }
  }

  @Test func powers() {
    var random = SeededRandom(78)
    var worst: (Int64, Float, Float) = (0, 0, 0)
    func check(_ x: Float, _ y: Float) {
      let distance = ulpDistance(power(x, y), Float(pow(Double(x), Double(y))))
      if distance > worst.0 { worst = (distance, x, y) }
    }
    let edges: [Float] = [
      0, -0.0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, 1.5, .infinity, -.infinity, .nan, 16777215, 16777216, -16777215, 1e38, .leastNonzeroMagnitude,
      .greatestFiniteMagnitude, .leastNormalMagnitude, 0.99999994, 1.0000001,
    ]
    for x in edges { for y in edges { check(x, y) } }
    for _ in 0..<300_000 {
      check(random.float(0...20), random.float(-30...30))
      check(Float(bitPattern: UInt32(truncatingIfNeeded: random.next())), Float(random.int(-40...40)))
      check(random.float(0.9999...1.0001), random.float(-1e6...1e6))
    }
    #expect(worst.0 <= 1, "pow(\(worst.1), \(worst.2))")
    // Signs of zero, which the distance sees, and exact small powers.
    #expect(power(-0.0, 3).sign == .minus && power(-0.0, 2).sign == .plus && power(-0.0, -3) == -.infinity)
    for x in 1...20 { for y in 0...4 { #expect(power(Float(x), Float(y)) == Float(pow(Double(x), Double(y)))) } }
  }
}
