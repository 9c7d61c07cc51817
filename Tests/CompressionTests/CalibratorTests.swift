import Graph
import Testing

@testable import Compression

private func observe(_ kind: CalibratorKind, _ samples: [[Float]], percentile: Double = 99.99) throws -> RangeObserver {
  var options = CalibrationOptions()
  options.calibrator = kind
  options.percentile = percentile
  var observer = try RangeObserver(options)
  for sample in samples { sample.withUnsafeBufferPointer { if let base = $0.baseAddress { observer.add(base, count: $0.count) } } }
  return observer
}

private let histogramKinds: [CalibratorKind] = [.percentile, .entropy, .meanSquaredError]

@Test func minMaxKeepsTheEnds() throws {
  #expect(try observe(.minMax, [[0.5, -2], [3, 1]]).range() == ValueRange(min: -2, max: 3))
}

@Test func movingAverageWeighsThePastByTheMomentum() throws {
  // 0.9 * 1 + 0.1 * 3 = 1.2, then 0.9 * 1.2 + 0.1 * 1 = 1.18; the minimum is constant.
  let range = try #require(try observe(.movingAverage, [[-1, 1], [-1, 3], [-1, 1]]).range())
  #expect(range.min == -1)
  #expect(abs(range.max - 1.18) < 1e-6)
}

@Test func percentileCutsTheShareToTheEdgeOfABin() throws {
  // 1...10,000: bins of 8 up to 2^14. 1 % may go: 97 values lie above 9,903, 105 above 9,895, so the edge is 9,904.
  let values = (1...10_000).map { Float($0) }
  #expect(try observe(.percentile, [values], percentile: 99).range() == ValueRange(min: 0, max: 9904))
  // Both signs: 100 on each side of 20,000 values.
  let both = values + values.map { -$0 }
  #expect(try observe(.percentile, [both], percentile: 99).range() == ValueRange(min: -9904, max: 9904))
  #expect(try observe(.percentile, [values], percentile: 100).range() == ValueRange(min: 0, max: 10_000))
}

@Test func percentileCountsZeros() throws {
  // One value in 101 is 1, the rest 0: 5 % may go.
  let values = [Float](repeating: 0, count: 100) + [1]
  #expect(try observe(.percentile, [values], percentile: 95).range() == ValueRange(min: 0, max: 0))
  #expect(try observe(.percentile, [values], percentile: 99.9).range() == ValueRange(min: 0, max: 1))
}

@Test func entropyKeepsAllOfAFlatDistribution() throws {
  // Every bin holds one value, so the full range loses nothing and any clipping does.
  let values = (0..<2048).map { (Float($0) + 0.5) / 2048 }
  #expect(try observe(.entropy, [values]).range() == ValueRange(min: 0, max: 2047.5 / 2048))
}

/// Mean squared error of quantizing to a range, computed value by value.
private func error(_ values: [Float], _ range: ValueRange) -> Double {
  let q = QuantizationParameters.activation(range)
  return values.reduce(0.0) { sum, x in
    let code = Int32(QuantizationParameters.quantized(x, 1 / q.scales[0], q.zeroPoints[0]))
    let difference = Double(x - Float(code - q.zeroPoints[0]) * q.scales[0])
    return sum + difference * difference
  }
}

@Test func errorCalibratorClipsAFlatDistributionHardly() throws {
  // Level 0 serves half a step, all others whole ones: 255.5 steps fill [0, 1] best. A bin is an eighth of a step, so
  // the histogram misjudges an error by up to 1/64.
  let values = (0..<100_000).map { (Float($0) + 0.5) / 100_000 }
  let range = try #require(try observe(.meanSquaredError, [values]).range())
  #expect(range.min == 0 && range.max < 1)
  #expect(error(values, range) < error(values, ValueRange(min: 0, max: 255 / 255.5)) * (1 + 1.0 / 64))
}

@Test(arguments: [UInt64(1), 2, 3]) func errorCalibratorIsNearTheBestRange(_ seed: UInt64) throws {
  var random = Randomness(seed)
  // Cubes of normal numbers: heavy tails on both sides.
  var values = random.normals(20_000).map { $0 * $0 * $0 }
  // An outlier that costs more to clip than to keep.
  if seed == 3 { values[0] = 79 }
  let range = try #require(try observe(.meanSquaredError, [values]).range())
  var best = Double.infinity
  for low in stride(from: Float(-80), through: -2, by: 2) {
    for high in stride(from: Float(2), through: 80, by: 2) { best = min(best, error(values, ValueRange(min: low, max: high))) }
  }
  // The model of rounding (uniform inside a step) is off by some percent for so few values in the tails.
  #expect(error(values, range) < best * 1.05)
}

@Test(arguments: [CalibratorKind.percentile, .entropy]) func anOutlierIsCutOff(_ kind: CalibratorKind) throws {
  var random = Randomness(7)
  var values = random.normals(50_000)
  values[123] = 1000
  let range = try #require(try observe(kind, [values]).range())
  #expect(range.max < 300)
  #expect(try observe(.minMax, [values]).range()?.max == 1000)
}

@Test(arguments: histogramKinds) func streamsGiveWhatTheWholeGives(_ kind: CalibratorKind) throws {
  var random = Randomness(11)
  for _ in 0..<5 {
    // Magnitudes from 1e-6 to 1e6, so the histogram's range doubles many times.
    let values = random.normals(4000).map { $0 * $0 * $0 * $0 * $0 * $0 * $0 }
    let whole = try observe(kind, [values]).range()
    var pieces: [[Float]] = []
    var start = 0
    while start < values.count {
      let end = min(values.count, start + 1 + Int(random.next() % 700))
      pieces.append(Array(values[start..<end]))
      start = end
    }
    #expect(try observe(kind, pieces).range() == whole)
    #expect(try observe(kind, [values.reversed()]).range() == whole)
    #expect(try observe(kind, [values.sorted { $0.magnitude < $1.magnitude }].flatMap { $0.map { [$0] } }).range() == whole)
  }
}

@Test(arguments: CalibratorKind.all) func signsAreTreatedAlike(_ kind: CalibratorKind) throws {
  var random = Randomness(5)
  let values = random.normals(3000).map { $0 + 0.5 }
  let range = try #require(try observe(kind, [values]).range())
  let mirrored = try #require(try observe(kind, [values.map { -$0 }]).range())
  // Searches look at one end first and split levels from one end, so their choice among nearly equal candidates may
  // differ: by 1/32 of the width at most here. The others are exact.
  let tolerance = kind == .entropy || kind == .meanSquaredError ? Float(range.widthWithZero) / 32 : 0
  #expect(abs(mirrored.min + range.max) <= tolerance && abs(mirrored.max + range.min) <= tolerance)
}

@Test(arguments: CalibratorKind.all) func constantTensorsAreExact(_ kind: CalibratorKind) throws {
  for constant: Float in [0, 3.7, -3.7, 1e-7, -2e6, 1e-9] {
    let range = try #require(try observe(kind, [[constant, constant], [constant]]).range())
    let q = QuantizationParameters.activation(range)
    let code = QuantizationParameters.quantized(constant, 1 / q.scales[0], q.zeroPoints[0])
    #expect(Float(Int32(code) - q.zeroPoints[0]) * q.scales[0] == constant)
  }
}

@Test(arguments: CalibratorKind.all) func numbersThatAreNotFiniteDoNotCount(_ kind: CalibratorKind) throws {
  let observer = try observe(kind, [[.nan, 1, -.infinity], [.infinity, -1, .nan]])
  #expect(observer.ignored == 4)
  #expect(observer.range() == (try observe(kind, [[1], [-1]]).range()))
  #expect(try observe(kind, [[.nan], [.infinity]]).range() == nil)
  #expect(try observe(kind, [[]]).range() == nil)
}

@Test(arguments: CalibratorKind.all) func extremesGiveAUsableRange(_ kind: CalibratorKind) throws {
  for values: [Float] in [
    [.greatestFiniteMagnitude, -.greatestFiniteMagnitude], [.leastNonzeroMagnitude, 0], [1e-38, -1e-38, 1e38], [0, 5], [-5, 0], [1, 2],
  ] {
    let range = try #require(try observe(kind, [values]).range())
    let q = QuantizationParameters.activation(range)
    #expect(q.scales[0].isNormal && q.scales[0] > 0 && q.zeroPoints[0] >= 0 && q.zeroPoints[0] <= 255)
  }
}

@Test func optionsOutOfBoundsAreRefused() {
  for (percentile, momentum, threads) in [(0.0, 0.9, 1), (100.5, 0.9, 1), (.nan, 0.9, 1), (99, 1, 1), (99, -0.1, 1), (99, 0.5, 0)] {
    var options = CalibrationOptions()
    (options.percentile, options.momentum, options.threads) = (percentile, momentum, threads)
    #expect(throws: EdgeError.self) { _ = try RangeObserver(options) }
  }
}

@Test func logarithmIsAccurate() {
  // Reference values of ln.
  for (x, expected) in [
    (1.0, 0.0), (2, 0.6931471805599453), (10, 2.302585092994046), (0.1, -2.302585092994046), (1e-300, -690.7755278982137),
    (1.5, 0.4054651081081644), (123456789, 18.631401766168018),
  ] { #expect(abs(naturalLogarithm(x) - expected) <= 4e-16 * max(1, abs(expected))) }
}
