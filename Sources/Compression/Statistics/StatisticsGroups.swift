#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension StatisticsPass {
  /// Takes the statistics of layers' inputs in the network as it is and gives them to `body`, layer by layer in the order of
  /// `layers`: as many at a time as the memory limit lets, the samples run for each lot. None where the input cannot be watched
  /// or was not finite, or without samples.
  func forEach(
    _ layers: [WeightLayer], _ samples: CalibrationSamples?, _ stage: StaticString, _ progress: CompressionProgress?,
    _ body: (WeightLayer, [InputStatistics]) throws(EdgeError) -> Void
  ) throws(EdgeError) {
    func report(_ done: Int) throws(EdgeError) {
      if let progress, !progress(stage, done, layers.count) { throw EdgeError(.cancelled, "the work was cancelled") }
    }
    var done = 0
    while done < layers.count {
      var lot: [(layer: WeightLayer, parts: [InputStatistics])] = []
      var targets: [Target] = []
      var bytes = 0
      while done + lot.count < layers.count {
        let layer = layers[done + lot.count]
        guard let samples, samples.count > 0, let observed = observed(layer) else {
          lot.append((layer, []))
          continue
        }
        let (sum, overflow) = bytes.addingReportingOverflow(observed.memory)
        if !targets.isEmpty, overflow || sum > StatisticsPass.memoryLimit { break }
        bytes = sum
        let parts = try observed.statistics(threads: threads)
        targets.append((observed, parts))
        lot.append((layer, parts))
      }
      if let samples, !targets.isEmpty { try run(targets, nil, samples) { () throws(EdgeError) in try report(done) } }
      for entry in lot {
        try report(done)
        let isUsable = !entry.parts.contains { !$0.isFinite }
        try body(entry.layer, isUsable ? entry.parts : [])
        done += 1
      }
    }
  }
}

extension InputStatistics {
  /// The variances of the columns times the rows taken, [groups][columns], and the mean of them.
  func variances() -> (each: [Float], mean: Double) {
    var each: [Float] = []
    var sum = 0.0
    let count = groups &* columns
    each.reserveCapacity(count)
    var place = 0
    while place < count {
      let variance = max(gram.floats[place &* columns &+ place % columns], 0)
      each.append(variance)
      sum += Double(variance)
      place &+= 1
    }
    return (each, sum / Double(max(count, 1)))
  }
}

extension Graph {
  /// The weights of a layer. Throws `invalidGraph` for one that is not finite.
  func finiteWeights(_ layer: WeightLayer) throws(EdgeError) -> [Float] {
    let weights = self.weights(layer)
    var index = 0
    let isFinite = weights.withUnsafeBufferPointer { weights in
      while index < weights.count, weights[index].isFinite { index &+= 1 }
      return index == weights.count
    }
    guard isFinite else {
      throw EdgeError(.invalidGraph, "weight \(index) is not finite", node: layer.name, tensor: values[layer.weights].name)
    }
    return weights
  }
}
