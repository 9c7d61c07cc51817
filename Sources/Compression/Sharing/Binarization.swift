#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Which layers get weights of two or three values. Raw values are those of the C header.
public struct BinarizeOptions {
  public enum Values: UInt8, Equatable, Sendable {
    /// -a and a, where a is the mean of the filter's magnitudes; zero becomes a (BWN, Rastegari et al. 2016, 3.1).
    case binary = 0
    /// -a, 0 and a: weights above a threshold stay, a is the mean of their magnitudes (TWN, Li et al. 2016).
    case ternary
  }

  public var values = Values.binary
  /// `ternary`: times the mean magnitude of the filter.
  public var threshold = 0.7
  /// Layers to change: names, or beginnings of names followed by `*`. None: all, less the three kinds below. A layer named in
  /// full is changed whatever its kind.
  public var names: [Text] = []
  /// Layers that inputs reach through no other layer with weights; layers that reach outputs through no other; depthwise layers.
  public var includesFirst = false
  public var includesLast = false
  public var includesDepthwise = false
  /// Windows of each sample that a convolution's inputs are measured on, at most.
  public var windows = 256
  public var threads = 1
  public var progress: CompressionProgress?

  public init() {}

  func chosen(_ graph: Graph) throws(EdgeError) -> [WeightLayer] {
    guard threshold >= 0, threshold.isFinite else { throw EdgeError(.invalidArgument, "the threshold must be finite and not negative") }
    guard windows >= 1, threads >= 1 else { throw EdgeError(.invalidArgument, "windows and threads must be at least 1") }
    let all = graph.weightLayers
    try LayerValue.validate(names, all)
    let (isFirst, isLast) = (graph.readsInputs, graph.makesOutputs)
    let chosen = all.filter { layer in
      if names.contains(layer.name) { return true }
      if !names.isEmpty, !names.contains(where: { QuantizerOptions.matches($0, layer.name) }) { return false }
      return (includesFirst || !isFirst[layer.node]) && (includesLast || !isLast[layer.node]) && (includesDepthwise || !layer.isDepthwise)
    }
    try LayerValue.requireSome(chosen)
    return chosen
  }
}

extension Graph {
  /// For each node whether it reaches an output of the graph through no other layer with weights.
  var makesOutputs: [Bool] {
    var isNear = [Bool](repeating: false, count: values.count)
    for output in outputs { isNear[output] = true }
    var result = [Bool](repeating: false, count: nodes.count)
    for index in nodes.indices.reversed() {
      result[index] = nodes[index].outputs.contains { isNear[$0] }
      if nodes[index].op.isLayer { continue }
      for input in nodes[index].inputs where input != Node.noValue && result[index] { isNear[input] = true }
    }
    return result
  }

  /// The graph with binary or ternary weights in the chosen layers: for each filter the nearest in the sense of least squares, as
  /// ordinary float32 numbers -a, 0, a. With samples the biases take the mean of the error. Throws as `shared`.
  public func binarized(_ options: BinarizeOptions, samples: CalibrationSamples? = nil) throws(EdgeError) -> Graph {
    let chosen = try options.chosen(self)
    let pass = try StatisticsPass.make(self, windows: options.windows, threads: options.threads)
    var graph = self
    try pass.forEach(chosen, samples, "binarizing", options.progress) { layer, parts throws(EdgeError) in
      let weights = try finiteWeights(layer)
      var changed = weights
      changed.withUnsafeMutableBufferPointer { changed in
        guard let base = changed.baseAddress else { return }
        for row in 0..<layer.rows { options.binarize(base + row &* layer.columns, layer.columns) }
      }
      try graph.setWeights(layer, changed)
      if !parts.isEmpty { try graph.correctBias(layer, parts, before: weights, after: changed, index: pass.index) }
    }
    return graph
  }
}

extension BinarizeOptions {
  /// One filter.
  fileprivate func binarize(_ weights: UnsafeMutablePointer<Float>, _ count: Int) {
    var sum = 0.0
    var index = 0
    while index < count {
      sum += Double(weights[index].magnitude)
      index &+= 1
    }
    let limit = values == .ternary ? threshold * sum / Double(count) : -1
    var kept = 0
    sum = 0
    index = 0
    while index < count {
      let magnitude = Double(weights[index].magnitude)
      if magnitude > limit {
        sum += magnitude
        kept &+= 1
      }
      index &+= 1
    }
    let scale = kept > 0 ? Float(sum / Double(kept)) : 0
    index = 0
    while index < count {
      let weight = weights[index]
      weights[index] = Double(weight.magnitude) > limit ? (weight < 0 ? -scale : scale) : 0
      index &+= 1
    }
  }
}
