import Graph
import Testing

@testable import Compression

private func layer(rows: Int, columns: Int, _ weights: [Float]) throws -> (graph: Graph, layer: WeightLayer) {
  var net = NetBuilder(seed: 1)
  let x = net.input("x", [Shape.batch, columns])
  let w = try net.constant("w", [rows, columns], weights)
  let graph = try net.finish(try net.add(.dense(.none), "f", [x, w]))
  return (graph, graph.weightLayers[0])
}

private func held(_ graph: Graph, _ data: Samples) throws -> CalibrationSamples {
  let samples = CalibrationSamples()
  try data.withPointers { try samples.add(graph, inputs: $0, samples: data.count) }
  return samples
}

@Test func sortedWeightsHaveTheSumsOfTheirParts() throws {
  var random = Randomness(2)
  for count in [1, 255, 256, 257, 1000] {
    var weights = random.normals(count)
    for index in stride(from: 0, to: count - 1, by: 5) { weights[index] = index % 2 == 0 ? 0 : -0.0 }
    let columns = count
    let importance = (0..<count).map { _ in random.uniform(0.1, 3) }
    let (_, layer) = try layer(rows: 1, columns: columns, weights)
    for masses in [[], importance] {
      let sorted = try SortedWeights(weights, layer, importance: masses)
      let kept = weights.indices.filter { weights[$0] != 0 }.sorted { weights[$0] < weights[$1] }
      #expect(sorted.count == kept.count)
      var (mass, sum) = (0.0, 0.0)
      for (place, index) in kept.enumerated() {
        let found = sorted.sums(before: place)
        #expect((found.mass - mass).magnitude <= 1e-9 && (found.sum - sum).magnitude <= 1e-9)
        #expect(sorted[place] == weights[index])
        let weight = masses.isEmpty ? 1 : Double(masses[index])
        mass += weight
        sum += weight * Double(weights[index])
        #expect(sorted.count(upTo: Double(weights[index])) == place + 1)
      }
      #expect((sorted.sums(before: kept.count).sum - sum).magnitude <= 1e-9)
    }
  }
}

/// Lloyd's steps as the books have them: every number to its nearest mean, every mean to the middle of its numbers.
private func plainMeans(_ numbers: [Double], _ start: [Double], _ steps: Int) -> [Double] {
  var means = start
  for _ in 0..<steps {
    var (sums, counts) = ([Double](repeating: 0, count: means.count), [Int](repeating: 0, count: means.count))
    for number in numbers {
      let nearest = means.indices.min { (means[$0] - number).magnitude < (means[$1] - number).magnitude }!
      sums[nearest] += number
      counts[nearest] += 1
    }
    for index in means.indices where counts[index] > 0 { means[index] = sums[index] / Double(counts[index]) }
  }
  return means
}

@Test(arguments: [1, 3, 4, 6])
func clustersAreThoseOfPlainKMeans(_ bits: Int) throws {
  var random = Randomness(3)
  let weights = random.normals(60 * 50)
  let (graph, layer) = try layer(rows: 60, columns: 50, weights)
  var options = ShareOptions()
  options.bits = bits
  options.iterations = 25
  let shared = try graph.shared(options).weights(layer)
  let (least, greatest) = (Double(weights.min()!), Double(weights.max()!))
  let count = 1 << bits
  let start = (0..<count).map { least + (greatest - least) * Double($0) / Double(count - 1) }
  let means = plainMeans(weights.map { Double($0) }, start, 25)
  for (weight, value) in zip(weights, shared) {
    let nearest = means.min { ($0 - Double(weight)).magnitude < ($1 - Double(weight)).magnitude }!
    #expect((Double(value) - nearest).magnitude <= 1e-6)
  }
  #expect(Set(shared).count <= count)
}

@Test(arguments: [ShareOptions.Start.linear, .density, .random])
func zerosStayAndValuesAreMeansOfTheirWeights(_ start: ShareOptions.Start) throws {
  var random = Randomness(4)
  var weights = random.normals(2000)
  for index in weights.indices where index % 3 != 0 { weights[index] = 0 }
  let (graph, layer) = try layer(rows: 20, columns: 100, weights)
  var options = ShareOptions()
  options.bits = 4
  options.start = start
  options.seed = 99
  let shared = try graph.shared(options).weights(layer)
  #expect(Set(shared).count <= 16 && Set(shared).count > 8)
  for value in Set(shared) where value != 0 {
    let members = weights.indices.filter { shared[$0] == value }.map { Double(weights[$0]) }
    #expect((members.reduce(0, +) / Double(members.count) - Double(value)).magnitude <= 1e-6)
  }
  for index in weights.indices { #expect((weights[index] == 0) == (shared[index] == 0)) }
  #expect(try graph.shared(options).weights(layer) == shared)
}

@Test func bitsAreThoseOfTheLayer() throws {
  var net = NetBuilder(seed: 5)
  let x = net.input("x", [Shape.batch, 30])
  let first = try net.dense("a.1", x, 40)
  let second = try net.dense("a.2", first, 40)
  let graph = try net.finish(try net.dense("b", second, 40))
  var options = ShareOptions()
  options.bits = 2
  options.layers = [LayerValue(name: "a.*", value: 3), LayerValue(name: "a.2", value: 0)]
  let shared = try graph.shared(options)
  let layers = graph.weightLayers
  #expect(Set(shared.weights(layers[0])).count == 8)
  #expect(shared.weights(layers[1]) == graph.weights(layers[1]))
  #expect(Set(shared.weights(layers[2])).count == 4)
  options.bits = 9
  #expect(throws: EdgeError.self) { try graph.shared(options) }
  options.bits = 2
  options.names = ["c"]
  #expect(throws: EdgeError.self) { try graph.shared(options) }
}

@Test func weightsThatAreNoNumbersAreRefused() throws {
  let (graph, _) = try layer(rows: 1, columns: 3, [1, .nan, 2])
  do {
    _ = try graph.shared(ShareOptions())
    Issue.record("a weight that is no number was taken")
  } catch {
    #expect(error.status == .invalidGraph && error.node == "f" && error.tensor == "w")
  }
  #expect(throws: EdgeError.self) { try graph.weightsQuantized(WeightQuantizationOptions()) }
}

@Test func dataLowerTheErrorOfTheResult() throws {
  // Half the inputs hardly vary, so errors of their weights do not matter; and all have a mean.
  var net = NetBuilder(seed: 6)
  let x = net.input("x", [Shape.batch, 64])
  let graph = try net.finish(try net.dense("f", x, 32))
  var data = Samples(graph, count: 100, seed: 7)
  for index in data.inputs[0].indices { data.inputs[0][index] = (index % 2 == 0 ? 0.01 : 1) * data.inputs[0][index] + 1 }
  var options = ShareOptions()
  options.bits = 2
  let blind = try compare(graph, graph.shared(options), data).outputs[0].error.sqnr
  let informed = try compare(graph, graph.shared(options, samples: held(graph, data)), data).outputs[0].error.sqnr
  #expect(informed > blind + 3)
}

@Test func binaryWeightsAreTheNearestInLeastSquares() throws {
  var random = Randomness(8)
  let weights = random.normals(12 * 27) + [Float](repeating: 0, count: 27)
  let (graph, layer) = try layer(rows: 13, columns: 27, weights)
  var options = BinarizeOptions()
  options.names = ["f"]
  let binary = try graph.binarized(options).weights(layer)
  options.values = .ternary
  let ternary = try graph.binarized(options).weights(layer)
  for row in 0..<13 {
    let range = row * 27..<(row + 1) * 27
    let mean = range.reduce(0.0) { $0 + Double(weights[$1].magnitude) } / 27
    let limit = 0.7 * mean
    let kept = range.filter { Double(weights[$0].magnitude) > limit }
    let scale = kept.reduce(0.0) { $0 + Double(weights[$1].magnitude) } / Double(max(kept.count, 1))
    for index in range {
      let sign: Float = weights[index] < 0 ? -1 : 1
      #expect(binary[index] == sign * Float(mean))
      #expect(ternary[index] == (kept.contains(index) ? sign * Float(scale) : 0))
    }
    func error(_ scale: Double) -> Double {
      range.reduce(0) { sum, index in
        let rest = Double(weights[index]) - (weights[index] < 0 ? -scale : scale)
        return sum + rest * rest
      }
    }
    #expect(error(mean) <= error(mean * 1.01) && error(mean) <= error(mean * 0.99))
  }
}

@Test func firstLastAndDepthwiseLayersStay() throws {
  var net = NetBuilder(seed: 9)
  let x = net.input("x", [Shape.batch, 8, 8, 4])
  let first = try net.convolution("first", x, 8)
  let depthwise = try net.convolution("depthwise", first, 8, groups: 8)
  let middle = try net.convolution("middle", depthwise, 8, kernel: 1)
  let graph = try net.finish(try net.convolution("last", middle, 4))
  func changed(_ options: BinarizeOptions) throws -> [Text] {
    let binary = try graph.binarized(options)
    return graph.weightLayers.filter { graph.weights($0) != binary.weights($0) }.map { $0.name }
  }
  var options = BinarizeOptions()
  #expect(try changed(options) == ["middle"])
  options.names = ["first", "m*"]
  #expect(try changed(options) == ["first", "middle"])
  options.names = []
  options.includesFirst = true
  options.includesLast = true
  options.includesDepthwise = true
  #expect(try changed(options) == ["first", "depthwise", "middle", "last"])
}
