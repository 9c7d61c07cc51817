import Graph
import Testing

@testable import Compression

private func held(_ graph: Graph, _ data: Samples) throws -> CalibrationSamples {
  let samples = CalibrationSamples()
  try data.withPointers { try samples.add(graph, inputs: $0, samples: data.count) }
  return samples
}

/// Solves a x = b by Gauss's elimination with pivots.
private func solve(_ a: [[Double]], _ b: [Double]) -> [Double] {
  var (a, b) = (a, b)
  let n = b.count
  for k in 0..<n {
    let pivot = (k..<n).max { a[$0][k].magnitude < a[$1][k].magnitude }!
    a.swapAt(k, pivot)
    b.swapAt(k, pivot)
    for row in k + 1..<n {
      let factor = a[row][k] / a[k][k]
      for column in k..<n { a[row][column] -= factor * a[k][column] }
      b[row] -= factor * b[k]
    }
  }
  var x = [Double](repeating: 0, count: n)
  for k in (0..<n).reversed() { x[k] = (b[k] - (k + 1..<n).reduce(0) { $0 + a[k][$1] * x[$1] }) / a[k][k] }
  return x
}

@Test func fitIsThatOfLeastSquaresByBruteForce() throws {
  // One dense layer on correlated inputs with large means.
  var net = NetBuilder(seed: 11)
  let x = net.input("x", [Shape.batch, 24])
  let graph = try net.finish(try net.dense("f", x, 5))
  var random = Randomness(12)
  let mixing = random.normals(24 * 24)
  var data = Samples(graph, count: 200, seed: 13)
  for sample in 0..<200 {
    let source = random.normals(24)
    for i in 0..<24 { data.inputs[0][sample * 24 + i] = 50 + (0..<24).reduce(Float(0)) { $0 + mixing[i * 24 + $1] * source[$1] } }
  }
  var options = PruneOptions()
  options.rounds = 1
  options.includesFirst = true
  options.damping = 1e-6
  let pruned = try graph.pruned(options, samples: held(graph, data))
  let layer = graph.weightLayers[0]
  let (before, after) = (graph.weights(layer), pruned.weights(layer))
  let bias = try #require(graph.value("f.b")?.constant).array(of: Float.self)
  let found = try #require(pruned.value("f.b")?.constant).array(of: Float.self)
  for row in 0..<5 {
    let support = (0..<24).filter { after[row * 24 + $0] != 0 }
    // Unknowns: the weights of the support, and the bias.
    var a = [[Double]](repeating: [Double](repeating: 0, count: support.count + 1), count: support.count + 1)
    var b = [Double](repeating: 0, count: support.count + 1)
    var total = 0.0
    for sample in 0..<200 {
      let input = (0..<24).map { Double(data.inputs[0][sample * 24 + $0]) }
      let target = Double(bias[row]) + (0..<24).reduce(0) { $0 + input[$1] * Double(before[row * 24 + $1]) }
      let line = support.map { input[$0] } + [1]
      for i in line.indices {
        for j in line.indices { a[i][j] += line[i] * line[j] }
        b[i] += line[i] * target
      }
      total += target * target
    }
    let best = solve(a, b)
    func error(_ solution: [Double]) -> Double {
      var sum = 0.0
      for sample in 0..<200 {
        let input = (0..<24).map { Double(data.inputs[0][sample * 24 + $0]) }
        let target = Double(bias[row]) + (0..<24).reduce(0) { $0 + input[$1] * Double(before[row * 24 + $1]) }
        let result = zip(support, solution).reduce(solution[support.count]) { $0 + input[$1.0] * $1.1 }
        sum += (result - target) * (result - target)
      }
      return sum
    }
    let ours = error(support.map { Double(after[row * 24 + $0]) } + [Double(found[row])])
    let plain = error(support.map { Double(before[row * 24 + $0]) } + [Double(bias[row])])
    // Within a hundredth of the least there is; without the fit it is many times as much.
    #expect(ours <= error(best) * 1.01)
    #expect(ours < plain / 10)
  }
}

/// What a layer computes, from the rows of its windows.
private func windowsMakeTheResult(_ graph: Graph) throws {
  let layer = try #require(graph.weightLayers.first)
  let windows = try #require(InputWindows(graph, layer))
  let node = graph.nodes[layer.node]
  let data = Samples(graph, count: 1, seed: 20)
  let runner = try GraphRunner.make(graph, observed: [node.outputs[0]], threads: 1, isa: nil)
  try data.withPointers { try runner.run($0, sample: 0, requiresFinite: true) }
  let result = try #require(runner.pointer(of: node.outputs[0])).assumingMemoryBound(to: Float.self)
  let weights = graph.weights(layer)
  let bias = try #require(node.input(2).map { graph.values[$0].constant!.array(of: Float.self) })
  var row = [Float](repeating: 0, count: layer.columns)
  for position in 0..<windows.positions {
    for channel in 0..<layer.rows {
      data.inputs[0].withUnsafeBufferPointer { x in
        row.withUnsafeMutableBufferPointer {
          windows.gather(x.baseAddress!, position: position, group: channel / (layer.rows / layer.groups), to: $0.baseAddress!)
        }
      }
      let sum = (0..<layer.columns).reduce(bias[channel]) { $0 + row[$1] * weights[channel * layer.columns + $1] }
      #expect((sum - result[position * layer.rows + channel]).magnitude < 1e-4)
    }
  }
}

@Test func windowsAreThoseOfTheLayers() throws {
  for (groups, stride, dilation, isTransposed) in [(1, 1, 1, false), (2, 2, 1, false), (4, 1, 2, false), (1, 2, 1, true), (2, 3, 2, true)] {
    var net = NetBuilder(seed: 21)
    let x = net.input("x", [Shape.batch, 7, 6, 8])
    var window = Window()
    (window.kernelHeight, window.kernelWidth) = (3, 2)
    (window.strideHeight, window.strideWidth) = (stride, stride)
    (window.dilationHeight, window.dilationWidth) = (dilation, 1)
    (window.padTop, window.padLeft, window.padBottom, window.padRight) = (1, 0, 2, 1)
    let w = try net.constant("w", [12, 3, 2, 8 / groups], net.random.uniforms(12 * 6 * 8 / groups))
    let b = try net.constant("b", [12], net.random.uniforms(12))
    let op: Operator =
      isTransposed
      ? .transposedConvolution(TransposedConvolution(window: window, groups: groups)) : .convolution(Convolution(window: window, groups: groups))
    try windowsMakeTheResult(net.finish(net.add(op, "c", [x, w, b])))
  }
  var net = NetBuilder(seed: 22)
  let x = net.input("x", [Shape.batch, 5, 16])
  try windowsMakeTheResult(net.finish(net.dense("f", x, 4)))
}

/// conv -> conv stride 2 -> grouped conv -> conv with residual -> dense.
private func network(_ seed: UInt64) throws -> Graph {
  var net = NetBuilder(seed: seed)
  let x = net.input("x", [Shape.batch, 12, 12, 3])
  let a = try net.convolution("a", x, 16, clamp: relu6)
  let b = try net.convolution("b", a, 24, stride: 2, clamp: relu6)
  let g = try net.convolution("g", b, 24, groups: 2, clamp: relu6)
  let c = try net.convolution("c", g, 24, kernel: 1, residual: b)
  let flat = try net.add(.reshape(Shape([Shape.batch, 864])), "flat", [c])
  return try net.finish(try net.dense("f", flat, 10))
}

@Test func repairLowersTheErrorOfUnseenSamples() throws {
  let graph = try network(23)
  let calibration = try held(graph, Samples(graph, count: 60, seed: 24))
  let test = Samples(graph, count: 20, seed: 25)
  for isPattern in [false, true] {
    var noise: [Double] = []
    for repair in [PruneOptions.Repair.none, .bias, .leastSquares] {
      var options = PruneOptions()
      options.repair = repair
      if isPattern { options.method = .pattern }
      let pruned = try graph.pruned(options, samples: calibration)
      // The fit adds nothing where weights were removed.
      let reference = try graph.pruned(options)
      for layer in pruned.weightLayers { #expect(nonZeroCount(pruned.weights(layer)) <= nonZeroCount(reference.weights(layer))) }
      noise.append(try compare(graph, pruned, test).outputs[0].error.relativeNoise)
    }
    print("relative noise without repair, of biases, of least squares:", noise)
    #expect(noise[1] < noise[0])
    #expect(noise[2] < noise[1] * 0.8)
  }
}

@Test func repairGivesTheSameWithAnyThreadsAndAgain() throws {
  let graph = try network(26)
  let calibration = try held(graph, Samples(graph, count: 8, seed: 27))
  var options = PruneOptions()
  options.isSequential = true
  let first = bytes(of: try graph.pruned(options, samples: calibration))
  #expect(try bytes(of: graph.pruned(options, samples: calibration)) == first)
  options.threads = 3
  #expect(try bytes(of: graph.pruned(options, samples: calibration)) == first)
}

@Test func layersWithoutBiasGetOneAndSharedWeightsAreLeftAlone() throws {
  var net = NetBuilder(seed: 28)
  let x = net.input("x", [Shape.batch, 16])
  let a = try net.dense("a", x, 16, clamp: relu)
  let w = try net.constant("b.w", [16, 16], net.random.uniforms(256))
  let b = try net.add(.dense(relu), "b", [a, w])
  let shared = try net.constant("c.w", [16, 16], net.random.uniforms(256))
  let c = try net.add(.dense(relu), "c", [b, shared])
  let graph = try net.finish(try net.add(.dense(.none), "d", [c, shared]))
  let pruned = try graph.pruned(PruneOptions(), samples: held(graph, Samples(graph, count: 30, seed: 29)))
  try pruned.validate()
  #expect(try #require(pruned.node("b")?.input(2)) >= 0)
  #expect(pruned.node("c")?.input(2) == nil)
  let (before, after) = (graph.weights(graph.weightLayers[2]), pruned.weights(pruned.weightLayers[2]))
  #expect(zip(before, after).allSatisfy { $1 == 0 || $0 == $1 })
  #expect(nonZeroCount(after) == 128)
}

@Test func numbersThatAreNotFiniteAndCancellingEndTheRepair() throws {
  let graph = try network(30)
  var data = Samples(graph, count: 2, seed: 31)
  data.inputs[0][500] = .nan
  do throws(EdgeError) {
    _ = try graph.pruned(PruneOptions(), samples: (try? held(graph, data)) ?? CalibrationSamples())
    Issue.record("not refused")
  } catch {
    #expect(error.status == .invalidArgument)
  }
  var options = PruneOptions()
  var calls = 0
  options.progress = { _, done, total in
    #expect(done <= total)
    calls += 1
    return calls < 3
  }
  do throws(EdgeError) {
    _ = try graph.pruned(options, samples: (try? held(graph, Samples(graph, count: 2, seed: 32))) ?? CalibrationSamples())
    Issue.record("not cancelled")
  } catch {
    #expect(error.status == .cancelled)
  }
}
