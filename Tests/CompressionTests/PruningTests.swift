import Graph
import Testing

@testable import Compression

/// The weights of a layer that is named.
private func weights(_ graph: Graph, _ name: Text) throws -> [Float] {
  graph.weights(try #require(graph.weightLayers.first { $0.name == name }))
}

private func zeros(_ numbers: [Float]) -> Int { numbers.filter { $0 == 0 }.count }

/// conv (first) -> depthwise -> conv -> dense.
private func network(_ seed: UInt64) throws -> Graph {
  var net = NetBuilder(seed: seed)
  let x = net.input("x", [Shape.batch, 6, 6, 3])
  let a = try net.convolution("a", x, 8, clamp: relu)
  let d = try net.convolution("d", a, 8, groups: 8, clamp: relu)
  let b = try net.convolution("b", d, 12, clamp: relu)
  let flat = try net.add(.reshape(Shape([Shape.batch, 432])), "flat", [b])
  return try net.finish(try net.dense("f", flat, 10))
}

@Test func smallestScoresAreExact() {
  var random = Randomness(1)
  for _ in 0..<50 {
    // Few different values, so that there are ties, over many binades.
    let lists = (0..<3).map { _ in
      (0..<Int(random.next() % 40)).map { _ in Float(random.next() % 6) * Float(sign: .plus, exponent: Int(random.next() % 3) - 1, significand: 1) }
    }
    let all = lists.flatMap { $0 }.sorted()
    for count in 0...all.count {
      let smallest = SmallestScores(lists, count: count)
      let below = all.filter { $0 < smallest.limit }.count
      #expect(below + smallest.ties == count)
      #expect(smallest.ties <= all.filter { $0 == smallest.limit }.count)
    }
  }
}

/// Of weights where they lie: masked ones are the smallest, NaN is the largest, signs do not matter.
@Test func smallestScoresOfMaskedWeights() {
  var random = Randomness(2)
  var weights = random.normals(300)
  weights[17] = .nan
  weights[40] = -.infinity
  let mask: [Float] = (0..<300).map { $0 % 3 == 0 ? 0 : 1 }
  let scores = zip(weights, mask).map { $1 == 0 ? 0 : $0.isNaN ? .infinity : $0.magnitude }
  var counters = [Int](repeating: 7, count: SmallestScores.counterCount)
  for count in 0...300 {
    let inPlace = counters.withUnsafeMutableBufferPointer { counters in
      SmallestScores(count: count, counters.baseAddress!) { take in
        for part in [0..<100, 100..<300] {
          weights.withUnsafeBufferPointer { weights in
            mask.withUnsafeBufferPointer { take(weights.baseAddress! + part.lowerBound, $0.baseAddress! + part.lowerBound, part.count) }
          }
        }
      }
    }
    let sorted = scores.sorted()
    #expect(inPlace.limit == (count < 300 ? sorted[count] : .infinity))
    #expect(scores.filter { $0 < inPlace.limit }.count + inPlace.ties == count)
  }
}

@Test func layerwiseRemovesTheShareOfSmallestMagnitude() throws {
  let graph = try network(2)
  var options = PruneOptions()
  options.amount = 0.6
  let pruned = try graph.pruned(options)
  #expect(try weights(pruned, "a") == weights(graph, "a"))
  #expect(try weights(pruned, "d") == weights(graph, "d"))
  for name in [Text("b"), "f"] {
    let (before, after) = (try weights(graph, name), try weights(pruned, name))
    #expect(zeros(after) == Int((0.6 * Double(before.count)).rounded()))
    let removed = zip(before, after).filter { $1 == 0 }.map { $0.0.magnitude }
    let kept = zip(before, after).filter { $1 != 0 }
    #expect(kept.allSatisfy { $0 == $1 })
    #expect(try #require(removed.max()) <= (try #require(kept.map { $0.0.magnitude }.min())))
  }
  options.includesFirst = true
  options.includesDepthwise = true
  let all = try graph.pruned(options)
  #expect(zeros(try weights(all, "a")) == Int((0.6 * 216).rounded()))
  #expect(zeros(try weights(all, "d")) == Int((0.6 * 72).rounded()))
}

@Test func namesAndAmountsOfLayersChoose() throws {
  let graph = try network(3)
  var options = PruneOptions()
  options.names = ["b"]
  var pruned = try graph.pruned(options)
  #expect(zeros(try weights(pruned, "b")) == 432)
  #expect(zeros(try weights(pruned, "f")) == 0)
  // A layer named in full is pruned whatever its kind; the last amount counts.
  options = PruneOptions()
  options.layers = [LayerValue(name: "*", value: 0.25), LayerValue(name: "a", value: 0.75), LayerValue(name: "f", value: 0)]
  pruned = try graph.pruned(options)
  #expect(zeros(try weights(pruned, "a")) == 162)
  #expect(zeros(try weights(pruned, "b")) == 216)
  #expect(zeros(try weights(pruned, "f")) == 0)
  #expect(zeros(try weights(pruned, "d")) == 0)
}

@Test func blocksGoWholeAndTheLeastFirst() throws {
  let graph = try network(4)
  for (rows, columns) in [(1, 4), (4, 1), (1, 8), (3, 5), (16, 4), (1, 100)] {
    var options = PruneOptions()
    (options.blockRows, options.blockColumns) = (rows, columns)
    options.names = ["b"]
    let (before, after) = (try weights(graph, "b"), try weights(pruned(graph, options), "b"))
    // 12 rows, 9 taps of 8 channels.
    var removed: [Float] = []
    var kept: [Float] = []
    for row in stride(from: 0, to: 12, by: rows) {
      for tap in 0..<9 {
        for column in stride(from: 0, to: 8, by: columns) {
          var squares: Float = 0
          var count: Float = 0
          var left = 0
          for r in row..<min(row + rows, 12) {
            for c in column..<min(column + columns, 8) {
              let place = r * 72 + tap * 8 + c
              squares += before[place] * before[place]
              count += 1
              left += after[place] == 0 ? 0 : 1
            }
          }
          #expect(left == 0 || left == Int(count))
          if left == 0 { removed.append(squares / count) } else { kept.append(squares / count) }
        }
      }
    }
    #expect(removed.count == Int((0.5 * Double(removed.count + kept.count)).rounded()))
    if let least = kept.min(), let most = removed.max() { #expect(most <= least * 1.0001) }
  }
}

private func pruned(_ graph: Graph, _ options: PruneOptions) throws -> Graph { try graph.pruned(options) }

@Test func patternsKeepTheGreatestOfEachGroup() throws {
  let graph = try network(5)
  for (kept, group) in [(2, 4), (1, 4), (3, 5)] {
    var options = PruneOptions()
    options.method = .pattern
    (options.kept, options.group) = (kept, group)
    options.names = ["b"]
    let (before, after) = (try weights(graph, "b"), try weights(pruned(graph, options), "b"))
    for start in stride(from: 0, to: before.count, by: 8) {
      for first in stride(from: start, to: start + 8, by: group) {
        let range = first..<min(first + group, start + 8)
        let left = range.filter { after[$0] != 0 }
        #expect(left.count == min(kept, range.count))
        let least = try #require(left.map { before[$0].magnitude }.min())
        #expect(range.filter { after[$0] == 0 }.allSatisfy { before[$0].magnitude <= least })
      }
    }
  }
}

@Test func thresholdIsInStandardDeviations() throws {
  let graph = try network(6)
  var options = PruneOptions()
  options.method = .threshold
  options.amount = 0.8
  let (before, after) = (try weights(graph, "f"), try weights(pruned(graph, options), "f"))
  let mean = before.map(Double.init).reduce(0, +) / Double(before.count)
  let deviation = (before.map { (Double($0) - mean) * (Double($0) - mean) }.reduce(0, +) / Double(before.count)).squareRoot()
  for (w, v) in zip(before, after) where (Double(w.magnitude) - 0.8 * deviation).magnitude > 1e-6 {
    #expect((v == 0) == (Double(w.magnitude) < 0.8 * deviation))
  }
}

@Test func globalChoiceComparesNormalizedLayers() throws {
  var net = NetBuilder(seed: 7)
  let x = net.input("x", [Shape.batch, 16])
  let a = try net.dense("a", x, 32, clamp: relu)
  // The same weights a hundred times as large lose the same share.
  let values = net.random.normals(1024)
  let w = try net.constant("b.w", [32, 32], values)
  let b = try net.add(.dense(relu), "b", [a, w])
  let large = try net.constant("c.w", [32, 32], values.map { $0 * 128 })
  let graph = try net.finish(try net.add(.dense(.none), "c", [b, large]))
  var options = PruneOptions()
  options.method = .global
  options.amount = 0.3
  let pruned = try graph.pruned(options)
  let counts = [zeros(try weights(pruned, "b")), zeros(try weights(pruned, "c"))]
  #expect(counts[0] + counts[1] == Int((0.3 * 2048).rounded()))
  #expect((counts[0] - counts[1]).magnitude <= 1)
  options.layers = [LayerValue(name: "c", value: 0.9)]
  let own = try graph.pruned(options)
  #expect(zeros(try weights(own, "b")) == Int((0.3 * 1024).rounded()))
  #expect(zeros(try weights(own, "c")) == Int((0.9 * 1024).rounded()))
}

@Test func scheduleIsCubic() {
  #expect(abs(pruneSchedule(initial: 0.2, target: 0.8, step: 0, steps: 4) - 0.2) < 1e-12)
  #expect(abs(pruneSchedule(initial: 0, target: 0.8, step: 2, steps: 4) - 0.7) < 1e-12)
  #expect(pruneSchedule(initial: 0, target: 0.8, step: 4, steps: 4) == 0.8)
  #expect(pruneSchedule(initial: 0, target: 0.8, step: 9, steps: 4) == 0.8)
  #expect(pruneSchedule(initial: 0, target: 0.8, step: 0, steps: 0) == 0.8)
}

@Test func wrongOptionsAreRefused() throws {
  let graph = try network(8)
  func refuses(_ change: (inout PruneOptions) -> Void) {
    var options = PruneOptions()
    change(&options)
    do throws(EdgeError) {
      _ = try graph.pruned(options)
      Issue.record("not refused")
    } catch {
      #expect(error.status == .invalidArgument)
    }
  }
  refuses { $0.amount = 1.01 }
  refuses { $0.amount = -.ulpOfOne }
  refuses { $0.amount = .nan }
  refuses { $0.blockRows = 0 }
  refuses { $0.blockColumns = -1 }
  refuses { $0.norm = 3 }
  refuses { ($0.method, $0.kept, $0.group) = (.pattern, 4, 4) }
  refuses { ($0.method, $0.blockRows) = (.pattern, 2) }
  refuses { $0.rounds = 0 }
  refuses { $0.damping = 0 }
  refuses { $0.damping = .nan }
  refuses { $0.windows = 0 }
  refuses { $0.names = ["nobody"] }
  refuses { $0.layers = [LayerValue(name: "b", value: .nan)] }
  refuses { $0.sensitivity = [SensitivityRow(layer: "b", fraction: 0.2, noise: 1)] }
  refuses { $0.sensitivity = [SensitivityRow(layer: "b", fraction: 0.9, noise: -1), SensitivityRow(layer: "f", fraction: 0.9, noise: 1)] }
}

@Test func sensitivityScanAndBalance() throws {
  let graph = try network(9)
  let data = Samples(graph, count: 6, seed: 10)
  let samples = CalibrationSamples()
  try data.withPointers { try samples.add(graph, inputs: $0, samples: 6) }
  var rows: [SensitivityRow] = []
  try graph.pruningSensitivity(PruneOptions(), fractions: [0.25, 0.5, 0.75], samples: samples) {
    rows.append($0)
    return true
  }
  #expect(rows.map(\.layer) == ["b", "b", "b", "f", "f", "f"])
  // What is measured is what a comparison of the pruned graph finds.
  var options = PruneOptions()
  options.names = ["b"]
  let report = try compare(graph, graph.pruned(options), data)
  #expect((report.outputs[0].error.sqnr - rows[1].sqnr).magnitude < 1e-6)
  #expect(report.outputs[0].sameTop1 == rows[1].sameTop1)
  #expect(rows[1].kept == 432 && rows[1].weights == 864)
  // Shares by the table add up, and noise is alike where it lies between rows.
  var balanced = PruneOptions()
  balanced.amount = 0.5
  balanced.sensitivity = rows
  let shares = try balanced.balancedShares(balanced.chosen(graph))
  #expect(abs(shares[0] * 864 + shares[1] * 4320 - 0.5 * 5184) < 1)
  func noise(_ layer: Text, _ share: Double) -> Double {
    var last = (0.0, 0.0)
    for row in rows where row.layer == layer {
      let noise = max(row.noise, last.1)
      if share <= row.fraction { return last.1 + (noise - last.1) * (share - last.0) / (row.fraction - last.0) }
      last = (row.fraction, noise)
    }
    return last.1
  }
  if shares.allSatisfy({ $0 < 0.749 }) { #expect(abs(noise("b", shares[0]) / noise("f", shares[1]) - 1) < 1e-3) }
  #expect(zeros(try weights(graph.pruned(balanced), "b")) == Int((shares[0] * 864).rounded()))
  // The caller may stop.
  do throws(EdgeError) {
    try graph.pruningSensitivity(PruneOptions(), fractions: [0.5], samples: samples) { _ in false }
    Issue.record("not cancelled")
  } catch {
    #expect(error.status == .cancelled)
  }
}
