import Graph
import Testing

@testable import Compression

private func held(_ graph: Graph, _ data: Samples) throws -> CalibrationSamples {
  let samples = CalibrationSamples()
  try data.withPointers { try samples.add(graph, inputs: $0, samples: data.count) }
  return samples
}

/// A layer of groups with inputs that depend on each other.
private func correlated(
  rows: Int, columns: Int, groups: Int, seed: UInt64
) throws -> (layer: WeightLayer, weights: [Float], statistics: InputStatistics, moments: [[[Double]]]) {
  var random = Randomness(seed)
  let layer = WeightLayer(
    node: 0, name: "layer", weights: 0, rows: rows * groups, columns: columns, channels: columns, groups: groups)
  let statistics = try InputStatistics.make(start: 0, columns: columns, groups: groups, threads: 1)
  var moments = [[[Double]]](
    repeating: [[Double]](repeating: [Double](repeating: 0, count: columns), count: columns), count: groups)
  let mixing = random.normals(columns * columns)
  var samples = [[[Float]]](repeating: [], count: groups)
  for _ in 0..<300 {
    for group in 0..<groups {
      let source = random.normals(columns)
      let row = (0..<columns).map { i in (0..<columns).reduce(Float(3)) { $0 + mixing[i * columns + $1] * source[$1] } }
      statistics.add(row, row, group: group)
      samples[group].append(row)
    }
    try statistics.endRow()
  }
  try statistics.finish()
  for group in 0..<groups {
    let means = (0..<columns).map { i in samples[group].reduce(0.0) { $0 + Double($1[i]) } / 300 }
    for row in samples[group] {
      for i in 0..<columns {
        for j in 0..<columns { moments[group][i][j] += (Double(row[i]) - means[i]) * (Double(row[j]) - means[j]) }
      }
    }
  }
  return (layer, random.normals(rows * groups * columns), statistics, moments)
}

private func form(_ moments: [[Double]], _ d: [Double]) -> Double {
  d.indices.reduce(0) { sum, i in sum + d.indices.reduce(0) { $0 + d[i] * moments[i][$1] * d[$1] } }
}

@Test(arguments: [1, 2])
func errorsAreThoseOfTheMoments(_ groups: Int) throws {
  let (layer, weights, statistics, moments) = try correlated(rows: 7, columns: 13, groups: groups, seed: 21)
  let damping = 1e-4
  let added = damping * statistics.variances().mean
  let factor = try MomentFactor(statistics, damping: damping)
  let grid = try GridLayer.make(layer, weights, [factor])
  var power = 0.0
  for row in 0..<layer.rows {
    let part = weights[row * 13..<(row + 1) * 13].map { Double($0) }
    power += form(moments[row / 7], part) + added * part.reduce(0) { $0 + $1 * $1 }
  }
  // The factor is of float32, whose entries are added up in float32 too.
  #expect((grid.power - power).magnitude <= 1e-4 * power)
  for price in [1e-6, 1.0, 100.0] {
    let outcome = try grid.quantize(step: 0.11, price: price, keepsZeros: true)
    let values = grid.values(step: outcome.step)
    var error = 0.0
    for row in 0..<layer.rows {
      let d = (0..<13).map { Double(weights[row * 13 + $0]) - Double(values[row * 13 + $0]) }
      error += form(moments[row / 7], d) + added * d.reduce(0) { $0 + $1 * $1 }
    }
    #expect((outcome.error - error).magnitude <= 1e-3 * error + 1e-9 * power)
    for value in values { #expect(value == Float(Int((value / 0.11).rounded())) * 0.11) }
  }
}

@Test func weightsMakeUpForTheErrorsBeforeThem() throws {
  let (layer, weights, statistics, _) = try correlated(rows: 40, columns: 24, groups: 1, seed: 22)
  let grid = try GridLayer.make(layer, weights, [try MomentFactor(statistics, damping: 1e-3)])
  let fed = try grid.quantize(step: 0.2, price: 1e-9, keepsZeros: true)
  // The same measure of what rounding each weight for itself does.
  let rounded = weights.map { ($0 / 0.2).rounded() * 0.2 }
  let rest = try GridLayer.make(layer, zip(weights, rounded).map { $0 - $1 }, grid.factors)
  #expect(fed.error < 0.75 * rest.power)
}

@Test func withoutPriceAndMomentsWeightsAreRounded() throws {
  var random = Randomness(23)
  let weights = random.normals(30 * 20)
  let layer = WeightLayer(node: 0, name: "layer", weights: 0, rows: 30, columns: 20, channels: 20, groups: 1)
  let grid = try GridLayer.make(layer, weights, [])
  let exact = try grid.quantize(step: 0.25, price: 0, keepsZeros: true)
  #expect(grid.values(step: exact.step) == weights.map { ($0 / 0.25).rounded() * 0.25 })
  // The dearer a bit, the fewer bits and the more error.
  var (bits, error) = (exact.bits, exact.error)
  for price in [0.005, 0.02, 0.08] {
    let outcome = try grid.quantize(step: 0.25, price: price, keepsZeros: true)
    #expect(outcome.bits < bits && outcome.error > error)
    // What was saved was worth more than what was lost.
    #expect(outcome.error + price * outcome.bits < exact.error + price * exact.bits)
    (bits, error) = (outcome.bits, outcome.error)
  }
}

@Test func extremeWeightsDoNotTrap() throws {
  for weights in [[Float](repeating: 3e38, count: 12), [Float](repeating: 1e-45, count: 12), [3e38, 1e-38, 0, -3e38, 1, 2, 3, 0, 0, 0, 0, 1e-45]] {
    let layer = WeightLayer(node: 0, name: "layer", weights: 0, rows: 3, columns: 4, channels: 4, groups: 1)
    let grid = try GridLayer.make(layer, weights, [])
    for step in [grid.usable(0), grid.usable(1e-300), grid.usable(1e30)] {
      _ = try grid.quantize(step: step, price: 1, keepsZeros: false)
      #expect(grid.values(step: step).allSatisfy { $0.isFinite })
    }
  }
}

private func network(seed: UInt64) throws -> Graph {
  var net = NetBuilder(seed: seed)
  let x = net.input("x", [Shape.batch, 8, 8, 3])
  let first = try net.convolution("first", x, 16, clamp: relu)
  let depthwise = try net.convolution("depthwise", first, 16, groups: 16, clamp: relu)
  let second = try net.convolution("second", depthwise, 24, clamp: relu)
  return try net.finish(try net.convolution("last", second, 10, kernel: 1))
}

@Test(arguments: [0.03, 0.003])
func noiseStaysBelowItsLimit(_ limit: Double) throws {
  let graph = try network(seed: 24)
  let data = Samples(graph, count: 12, seed: 25)
  var options = WeightQuantizationOptions()
  options.goal = .noise
  options.amount = limit
  let made = try graph.weightsQuantized(options, samples: held(graph, data))
  let sqnr = try compare(graph, made, data).outputs[0].error.sqnr
  #expect(sqnr >= -decibels(limit) && sqnr <= -decibels(limit) + 3)
}

@Test func bitsStayBelowTheirLimitAndZerosStay() throws {
  var graph = try network(seed: 26)
  for layer in graph.weightLayers {
    var weights = graph.weights(layer)
    for index in weights.indices where index % 4 != 0 { weights[index] = 0 }
    try graph.setWeights(layer, weights)
  }
  var options = WeightQuantizationOptions()
  options.goal = .bits
  options.amount = 1.2
  options.layers = [LayerValue(name: "last", value: 0)]
  let made = try graph.weightsQuantized(options)
  for layer in graph.weightLayers {
    let (before, after) = (graph.weights(layer), made.weights(layer))
    if layer.name == "last" {
      #expect(before == after)
      continue
    }
    #expect(Set(after).count < Set(before).count)
    for index in before.indices where before[index] == 0 { #expect(after[index] == 0) }
  }
  #expect(try bytes(of: graph.weightsQuantized(options)) == bytes(of: made))
  options.amount = 1e-9
  #expect(throws: EdgeError.self) { try graph.weightsQuantized(options) }
  options.goal = .noise
  #expect(throws: EdgeError.self) { try graph.weightsQuantized(options) }
}

@Test func dataMakeTheSameBitsBetter() throws {
  let graph = try network(seed: 27)
  let (data, others) = (Samples(graph, count: 40, seed: 28), Samples(graph, count: 10, seed: 29))
  var options = WeightQuantizationOptions()
  options.goal = .bits
  options.amount = 3
  let blind = try compare(graph, graph.weightsQuantized(options), others).outputs[0].error.sqnr
  let informed = try compare(graph, graph.weightsQuantized(options, samples: held(graph, data)), others).outputs[0].error.sqnr
  #expect(informed > blind + 1)
}
