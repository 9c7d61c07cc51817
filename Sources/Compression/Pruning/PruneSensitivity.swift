#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What pruning one layer alone does to the outputs of the network.
public struct SensitivityRow {
  public var layer: Text
  /// Share of the layer's weights that was to go.
  public var fraction: Double
  /// Weights of the layer, and those of them that are not zero afterwards.
  public var weights: Int
  public var kept: Int
  /// Power of the error of the worst output, relative to the output's own: 1 / SQNR. 0 when nothing changed.
  public var noise: Double
  /// Samples for which the first output that is a vector still ranks the same element first; all when none is one.
  public var sameTop1: Int
  public var samples: Int

  public init(layer: Text, fraction: Double, weights: Int = 0, kept: Int = 0, noise: Double, sameTop1: Int = 0, samples: Int = 0) {
    self.layer = layer
    self.fraction = fraction
    self.weights = weights
    self.kept = kept
    self.noise = noise
    self.sameTop1 = sameTop1
    self.samples = samples
  }

  /// The same in decibels; infinite when nothing changed.
  public var sqnr: Double { noise > 0 ? -decibels(noise) : .infinity }
}

extension Graph {
  /// Prunes each layer that `options` choose alone, by each of the `fractions`, and measures on all samples how far the
  /// outputs are from those of the whole network. `row` takes what was measured, layer by layer; false stops.
  ///
  /// Memory: the outputs of all samples, and sessions of two graphs. Throws what `pruned` throws.
  public func pruningSensitivity(
    _ options: PruneOptions, fractions: [Double], samples: CalibrationSamples, row: (SensitivityRow) -> Bool
  ) throws(EdgeError) {
    guard samples.count > 0 else { throw EdgeError(.invalidArgument, "there are no samples to measure on") }
    var options = options
    options.method = .layerwise
    options.sensitivity = []
    options.layers = []
    for fraction in fractions {
      options.amount = fraction
      try options.validate(self)
    }
    let reference = try OutputRecord.make(self, samples, threads: options.threads)
    for layer in options.chosen(self) {
      let blocks = PruneBlocks(layer, rows: options.blockRows, columns: options.blockColumns)
      for fraction in fractions {
        let amount = Int((fraction * Double(blocks.count)).rounded())
        var pruned = self
        try pruned.prune(PrunedLayer(layer: layer, blocks: blocks, amount: amount, isPattern: false), norm: options.norm)
        let measured = try reference.compare(pruned, samples, threads: options.threads)
        let result = SensitivityRow(
          layer: layer.name, fraction: fraction, weights: layer.count, kept: nonZeroCount(pruned.weights(layer)),
          noise: measured.noise, sameTop1: measured.sameTop1, samples: samples.count)
        guard row(result) else { throw EdgeError(.cancelled, "the scan was cancelled") }
      }
    }
  }
}

/// How many numbers are not zero.
func nonZeroCount(_ numbers: [Float]) -> Int {
  numbers.withUnsafeBufferPointer { numbers in
    var count = 0
    var index = 0
    while index < numbers.count {
      if numbers[index] != 0 { count &+= 1 }
      index &+= 1
    }
    return count
  }
}

/// The outputs of a network for some samples.
struct OutputRecord {
  private let graph: Graph
  /// For each output that can be measured its index and its number of elements.
  private let outputs: [(index: Int, count: Int)]
  /// For each of them all samples.
  private let records: [[Double]]

  static func make(_ graph: Graph, _ samples: CalibrationSamples, threads: Int) throws(EdgeError) -> OutputRecord {
    var outputs: [(index: Int, count: Int)] = []
    for (index, id) in graph.callerOutputs.enumerated() where RealView.supports(graph.values[id]) {
      if let count = graph.values[id].shape.elementCount(), count > 0 { outputs.append((index, count)) }
    }
    guard !outputs.isEmpty else { throw EdgeError(.unsupportedFeature, "the model has no output of real numbers to measure") }
    let runner = try GraphRunner.make(graph, observed: [], threads: threads, isa: nil)
    var records = [[Double]](repeating: [], count: outputs.count)
    try samples.forEach { _, inputs, sample throws(EdgeError) in
      try runner.run(inputs, sample: sample, requiresFinite: true)
      for (place, output) in outputs.enumerated() {
        guard let view = RealView(runner.outputPointer(output.index), graph.values[graph.outputs[output.index]]) else { continue }
        var element = 0
        while element < output.count {
          records[place].append(view[element])
          element &+= 1
        }
      }
    }
    return OutputRecord(graph: graph, outputs: outputs, records: records)
  }

  func compare(_ other: Graph, _ samples: CalibrationSamples, threads: Int) throws(EdgeError) -> (noise: Double, sameTop1: Int) {
    let runner = try GraphRunner.make(other, observed: [], threads: threads, isa: nil)
    var meters = [ErrorMeter](repeating: ErrorMeter(), count: outputs.count)
    let vector = outputs.firstIndex { output in
      let dims = graph.values[graph.outputs[output.index]].shape.dims
      return output.count > 1 && dims.last == output.count
    }
    var same = vector == nil ? samples.count : 0
    try samples.forEach { number, inputs, sample throws(EdgeError) in
      try runner.run(inputs, sample: sample, requiresFinite: true)
      for (place, output) in outputs.enumerated() {
        guard let view = RealView(runner.outputPointer(output.index), other.values[other.outputs[output.index]]) else { continue }
        records[place].withUnsafeBufferPointer { record in
          let start = number &* output.count
          var best = 0
          var otherBest = 0
          var element = 0
          while element < output.count {
            let x = record[start &+ element]
            let y = view[element]
            meters[place].add(x, y)
            if x > record[start &+ best] { best = element }
            if y > view[otherBest] { otherBest = element }
            element &+= 1
          }
          if place == vector, best == otherBest { same += 1 }
        }
      }
    }
    var noise = 0.0
    for meter in meters { noise = max(noise, meter.relativeNoise) }
    return (noise, same)
  }
}

extension PruneOptions {
  /// For each layer the share to remove so that all lose alike and the share `amount` of all their weights goes. Between
  /// the measured shares, and from nothing to the first, the noise counts as a straight line. Layers without a row keep
  /// all. Throws `invalidArgument` when the rows do not reach so far.
  func balancedShares(_ layers: [WeightLayer]) throws(EdgeError) -> [Double] {
    /// Of each layer shares in ascending order with noise that does not fall.
    var curves: [[(fraction: Double, noise: Double)]] = []
    var total = 0.0
    var reachable = 0.0
    var loudest = 0.0
    for layer in layers {
      var rows = sensitivity.filter { $0.layer == layer.name }
      rows = sortedIndices(rows.count) { rows[$0].fraction < rows[$1].fraction }.map { rows[$0] }
      var curve: [(fraction: Double, noise: Double)] = [(0, 0)]
      for row in rows {
        guard row.fraction >= 0, row.fraction <= 1, row.noise >= 0, row.noise.isFinite else {
          throw EdgeError(.invalidArgument, "a measured sensitivity is out of range", node: layer.name)
        }
        curve.append((row.fraction, max(row.noise, curve[curve.count - 1].noise)))
      }
      loudest = max(loudest, curve[curve.count - 1].noise)
      reachable += curve[curve.count - 1].fraction * Double(layer.count)
      total += Double(layer.count)
      curves.append(curve)
    }
    guard reachable >= amount * total * (1 - 1e-9) else {
      throw EdgeError(.invalidArgument, "the measured shares are too small for what is to be removed")
    }
    func share(_ curve: [(fraction: Double, noise: Double)], _ noise: Double) -> Double {
      var found = 0.0
      for index in curve.indices.dropFirst() {
        let (from, to) = (curve[index - 1], curve[index])
        if to.noise <= noise {
          found = to.fraction
        } else {
          return from.fraction + (to.fraction - from.fraction) * (noise - from.noise) / (to.noise - from.noise)
        }
      }
      return found
    }
    func removed(_ noise: Double) -> Double {
      var sum = 0.0
      for (layer, curve) in zip(layers, curves) { sum += share(curve, noise) * Double(layer.count) }
      return sum
    }
    var low = 0.0
    var high = loudest
    for _ in 0..<100 {
      // Of noise that may be the greatest number.
      let middle = low + (high - low) / 2
      if removed(middle) < amount * total { low = middle } else { high = middle }
    }
    return curves.map { share($0, high) }
  }
}
