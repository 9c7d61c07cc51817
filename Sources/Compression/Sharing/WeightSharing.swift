#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// How many values the weights of a layer may have, and how these are found. Raw values are those of the C header.
public struct ShareOptions {
  /// Where the clusters begin (Han, Mao, Dally 2016, 3.2).
  public enum Start: UInt8, Equatable, Sendable {
    /// Evenly between the least and the greatest weight: large weights, which are few and matter most, get values of their own.
    case linear = 0
    /// As many weights for each.
    case density
    /// At weights drawn by chance.
    case random
  }

  /// A layer has at most 2^bits different weights, 1 to 8; zero is one of them where the layer has zeros.
  public var bits = 5
  public var start = Start.linear
  public var seed: UInt64 = 0
  /// Steps of k-means, at most; it ends when nothing changes.
  public var iterations = 100
  /// Layers to share: names, or beginnings of names followed by `*`. None: all.
  public var names: [Text] = []
  /// Bits of single layers; 0 leaves a layer as it is. The last that matches counts.
  public var layers: [LayerValue] = []
  /// Windows of each sample that a convolution's inputs are measured on, at most.
  public var windows = 256
  public var threads = 1
  public var progress: CompressionProgress?

  public init() {}

  func validate(_ graph: Graph) throws(EdgeError) {
    guard bits >= 1, bits <= 8 else { throw EdgeError(.invalidArgument, "bits is \(bits); it must be 1 to 8") }
    for layer in layers {
      guard layer.value >= 0, layer.value <= 8, layer.value == layer.value.rounded() else {
        throw EdgeError(.invalidArgument, "bits must be 0 to 8", node: layer.name)
      }
    }
    guard iterations >= 0, windows >= 1, threads >= 1 else {
      throw EdgeError(.invalidArgument, "iterations must not be negative, windows and threads at least 1")
    }
    let all = graph.weightLayers
    try LayerValue.validate(names, all)
    try LayerValue.validate(layers.map { $0.name }, all)
  }

  fileprivate func bits(_ layer: WeightLayer) -> Int {
    if let own = LayerValue.last(layers, for: layer.name) { return Int(own) }
    return names.isEmpty || names.contains { QuantizerOptions.matches($0, layer.name) } ? bits : 0
  }
}

extension Graph {
  /// The graph whose layers have few different weights: k-means of each layer's weights; zeros stay zeros. With samples a weight
  /// counts as much as its input varies, and biases take the mean of the error. Throws `invalidArgument`, `invalidGraph` for weights
  /// that are not finite, `unsupportedFeature` for a model without layers, `cancelled`, `outOfMemory`.
  public func shared(_ options: ShareOptions, samples: CalibrationSamples? = nil) throws(EdgeError) -> Graph {
    try options.validate(self)
    let pass = try StatisticsPass.make(self, windows: options.windows, threads: options.threads)
    var graph = self
    let chosen = weightLayers.filter { options.bits($0) > 0 }
    try pass.forEach(chosen, samples, "sharing", options.progress) { layer, parts throws(EdgeError) in
      let weights = try finiteWeights(layer)
      let kept = nonZeroCount(weights)
      guard kept > 0 else { return }
      var importance: [Float] = []
      if !parts.isEmpty {
        importance = [Float](repeating: 0, count: try checkedProduct(layer.groups, layer.columns))
        for part in parts {
          let (each, mean) = part.variances()
          for place in each.indices {
            // A column that the samples do not reach still counts a little.
            let target = place / part.columns * layer.columns + part.start + place % part.columns
            importance[target] = each[place] + Float(max(0.01 * mean, 1e-20))
          }
        }
      }
      let sorted = try SortedWeights(weights, layer, importance: importance)
      let most = (1 << options.bits(layer)) - (kept < weights.count ? 1 : 0)
      let clusters = WeightClusters(sorted, most: most, options.start, seed: options.seed, iterations: options.iterations)
      var shared = weights
      clusters.replace(&shared)
      try graph.setWeights(layer, shared)
      if !parts.isEmpty { try graph.correctBias(layer, parts, before: weights, after: shared, index: pass.index) }
    }
    return graph
  }
}
