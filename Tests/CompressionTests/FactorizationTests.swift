import Graph
import Testing

@testable import Compression

@Test func eigenvectorsOfRandomMatrices() throws {
  var random = Randomness(40)
  for count in [1, 2, 3, 7, 20, 61] {
    for isLowRank in [false, true] {
      // a = b b^T, of rank 2 where it is low.
      let inner = isLowRank ? 2 : count
      let b = random.normals(count * inner).map(Double.init)
      var a = [Double](repeating: 0, count: count * count)
      for i in 0..<count { for j in 0..<count { a[i * count + j] = (0..<inner).reduce(0) { $0 + b[i * inner + $1] * b[j * inner + $1] } } }
      let storage = try Storage.doubles(count * count)
      storage.doubles.update(from: a, count: count * count)
      let eigen = try SymmetricEigen(storage, count: count) {}
      let vectors = try eigen.vectors(count)
      let scale = max(eigen.values[0], 1e-30)
      for k in 0..<count {
        if k > 0 { #expect(eigen.values[k] <= eigen.values[k - 1]) }
        let v = (0..<count).map { vectors.doubles[k * count + $0] }
        for i in 0..<count {
          let product = (0..<count).reduce(0) { $0 + a[i * count + $1] * v[$1] }
          #expect((product - eigen.values[k] * v[i]).magnitude < 1e-12 * scale * Double(count))
        }
        for other in 0...k {
          let dot = (0..<count).reduce(0) { $0 + v[$1] * vectors.doubles[other * count + $1] }
          #expect((dot - (other == k ? 1 : 0)).magnitude < 1e-12 * Double(count))
        }
      }
    }
  }
}

/// A matrix [rows][columns] of some rank, and noise.
private func lowRank(_ random: inout Randomness, _ rows: Int, _ columns: Int, rank: Int, noise: Float = 0) -> [Float] {
  let (a, b) = (random.normals(rows * rank), random.normals(rank * columns))
  let spread = 0.3 / Float(rank).squareRoot()
  return (0..<rows * columns).map { place in
    (0..<rank).reduce(Float(0)) { $0 + a[place / columns * rank + $1] * b[$1 * columns + place % columns] } * spread + noise * random.uniform(-1, 1)
  }
}

/// A 1x1 convolution with stride and residual, a 3x3 one with clamp and a dense layer, all of rank 3 (spatially, of the 3x3).
private func network(_ seed: UInt64) throws -> Graph {
  var net = NetBuilder(seed: seed)
  let x = net.input("x", [Shape.batch, 8, 8, 16])
  let w1 = try net.constant("p.w", [24, 1, 1, 16], lowRank(&net.random, 24, 16, rank: 3))
  let b1 = try net.constant("p.b", [24], net.random.uniforms(24))
  var window = Window()
  (window.strideHeight, window.strideWidth) = (2, 2)
  let r = try net.convolution("r", x, 24, stride: 2)
  var pointwise = Convolution(window: window)
  pointwise.clamp = relu
  let p = try net.add(.convolution(pointwise), "p", [x, w1, b1, r])
  // Rows (o, kx), columns (ky, c) of rank 3, as [O][KH][KW][C].
  let spatial = lowRank(&net.random, 20 * 3, 3 * 24, rank: 3)
  var kernel = [Float](repeating: 0, count: 20 * 9 * 24)
  for o in 0..<20 { for ky in 0..<3 { for kx in 0..<3 { for c in 0..<24 {
    kernel[((o * 3 + ky) * 3 + kx) * 24 + c] = spatial[(o * 3 + kx) * 72 + ky * 24 + c]
  } } } }
  let w2 = try net.constant("k.w", [20, 3, 3, 24], kernel)
  (window.kernelHeight, window.kernelWidth) = (3, 3)
  (window.strideHeight, window.strideWidth) = (1, 2)
  (window.padTop, window.padLeft, window.padBottom, window.padRight) = (1, 0, 1, 1)
  var convolution = Convolution(window: window)
  convolution.clamp = relu6
  let k = try net.add(.convolution(convolution), "k", [p, w2])
  let flat = try net.add(.reshape(Shape([Shape.batch, 160])), "flat", [k])
  let w3 = try net.constant("f.w", [12, 160], lowRank(&net.random, 12, 160, rank: 3))
  let b3 = try net.constant("f.b", [12], net.random.uniforms(12))
  return try net.finish(try net.add(.dense(relu), "f", [flat, w3, b3]))
}

private func rank(_ graph: Graph, _ layer: Text) -> Int? {
  graph.node(layer + PartName.factor).map { graph.values[$0.inputs[1]].shape.dims[0] }
}

private func held(_ graph: Graph, _ data: Samples) throws -> CalibrationSamples {
  let samples = CalibrationSamples()
  try data.withPointers { try samples.add(graph, inputs: $0, samples: data.count) }
  return samples
}

@Test func layersOfLowRankAreFoundAndComputeTheSame() throws {
  let graph = try network(41)
  let test = Samples(graph, count: 6, seed: 42)
  for hasData in [false, true] {
    var options = FactorizeOptions()
    options.amount = 1e-3
    let samples = hasData ? try held(graph, Samples(graph, count: 40, seed: 43)) : nil
    let result = try graph.factorized(options, samples: samples)
    try result.validate()
    #expect(["p", "k", "f"].map { rank(result, $0) } == [3, 3, 3])
    // The residual's own layer has no low rank, so it saves nothing.
    #expect(rank(result, "r") == nil)
    #expect(result.nodes.count == graph.nodes.count + 3)
    #expect(try compare(graph, result, test).outputs[0].error.sqnr > 50)
    #expect(result.value("k.w")?.shape.dims == [20, 1, 3, 3])
    #expect(result.value("k.w/factor")?.shape.dims == [3, 3, 1, 24])
    let report = CompressionReport(graph, result)
    let layer = try #require(report.layers.first { $0.name == "k" })
    #expect(layer.weights == 20 * 9 * 24 && layer.kept == 3 * (72 + 60) && layer.bytesAfter == 4 * layer.kept + (hasData ? 80 : 0))
  }
}

@Test func withoutSpatialFactorsTheWindowStaysWhole() throws {
  let graph = try network(44)
  var options = FactorizeOptions()
  options.rank = .count
  options.amount = 5
  options.isSpatial = false
  let result = try graph.factorized(options)
  #expect(result.value("k.w/factor")?.shape.dims == [5, 3, 3, 24])
  #expect(result.value("k.w")?.shape.dims == [20, 1, 1, 5])
  #expect(rank(result, "f") == 5)
  // 5 (12 + 16) of ... p has 24 x 16.
  #expect(rank(result, "p") == 5)
  options.amount = 10
  // 10 (24 + 16) >= 24 x 16: no longer saves.
  #expect(rank(try graph.factorized(options), "p") == nil)
}

@Test func rankFollowsFromErrorAndEnergy() throws {
  var net = NetBuilder(seed: 45)
  let x = net.input("x", [Shape.batch, 60])
  let w = try net.constant("f.w", [40, 60], lowRank(&net.random, 40, 60, rank: 12, noise: 0.02))
  let graph = try net.finish(try net.add(.dense(.none), "f", [x, w]))
  let original = graph.weights(graph.weightLayers[0]).map(Double.init)
  func error(_ graph: Graph, _ c: Int) -> Double {
    let a = graph.value("f.w/factor")!.constant!.array(of: Float.self).map(Double.init)
    let b = graph.value("f.w")!.constant!.array(of: Float.self).map(Double.init)
    var lost = 0.0
    for row in 0..<40 {
      for column in 0..<60 {
        let w = (0..<c).reduce(0) { $0 + b[row * c + $1] * a[$1 * 60 + column] }
        lost += (w - original[row * 60 + column]) * (w - original[row * 60 + column])
      }
    }
    return (lost / original.reduce(0) { $0 + $1 * $1 }).squareRoot()
  }
  for limit in [0.6, 0.3, 0.15] {
    var options = FactorizeOptions()
    options.amount = limit
    let result = try graph.factorized(options)
    let c = try #require(rank(result, "f"))
    #expect(error(result, c) <= limit * 1.0001)
    options.rank = .count
    options.amount = Double(c - 1)
    let less = try graph.factorized(options)
    #expect(error(less, c - 1) > limit * 0.9999)
    options.rank = .energy
    options.amount = 1 - limit * limit
    #expect(rank(try graph.factorized(options), "f") == c)
  }
}

@Test func dataChooseTheDirectionsThatMatter() throws {
  // The inputs live near a plane that the weights' largest directions have nothing to do with.
  var net = NetBuilder(seed: 46)
  let x = net.input("x", [Shape.batch, 48])
  let w = try net.constant("f.w", [40, 48], net.random.normals(40 * 48))
  let graph = try net.finish(try net.add(.dense(.none), "f", [x, w]))
  var random = Randomness(47)
  let basis = random.normals(48 * 4)
  func samples(_ count: Int) -> Samples {
    var data = Samples(graph, count: count, seed: random.next())
    for sample in 0..<count {
      let source = random.normals(4)
      for i in 0..<48 {
        data.inputs[0][sample * 48 + i] = 2 + random.uniform(-0.05, 0.05) + (0..<4).reduce(Float(0)) { $0 + basis[i * 4 + $1] * source[$1] }
      }
    }
    return data
  }
  let calibration = try held(graph, samples(300))
  var options = FactorizeOptions()
  options.amount = 0.1
  let result = try graph.factorized(options, samples: calibration)
  #expect(rank(result, "f") == 4)
  #expect(rank(try graph.factorized(options), "f") == nil)
  // 0.1 about the mean is 20 dB or better of the whole.
  #expect(try compare(graph, result, samples(20)).outputs[0].error.sqnr > 20)
}

@Test func wrongOptionsOfFactorizationAreRefused() throws {
  let graph = try network(48)
  func refuses(_ change: (inout FactorizeOptions) -> Void) {
    var options = FactorizeOptions()
    change(&options)
    do throws(EdgeError) {
      _ = try graph.factorized(options)
      Issue.record("not refused")
    } catch {
      #expect(error.status == .invalidArgument)
    }
  }
  refuses { $0.amount = 1.5 }
  refuses { $0.amount = .nan }
  refuses { ($0.rank, $0.amount) = (.count, 0) }
  refuses { $0.names = ["nobody"] }
  refuses { $0.layers = [LayerValue(name: "p", value: -1)] }
  refuses { $0.windows = 0 }
}
