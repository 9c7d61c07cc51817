#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A number for a layer, or for those whose names begin with what stands in front of a `*`.
public struct LayerValue {
  public var name: Text
  public var value: Double
  public init(name: Text, value: Double) {
    self.name = name
    self.value = value
  }

  /// The last value that applies to a layer.
  public static func last(_ list: [LayerValue], for name: Text) -> Double? {
    var found: Double?
    for entry in list where QuantizerOptions.matches(entry.name, name) { found = entry.value }
    return found
  }

  /// Throws `invalidArgument` where a method would change nothing because its options leave out every layer.
  static func requireSome(_ chosen: [WeightLayer]) throws(EdgeError) {
    guard chosen.isEmpty else { return }
    throw EdgeError(.invalidArgument, "the options leave out all layers; those named in full are not left out")
  }

  /// Throws `invalidArgument` for a name that no layer has, `unsupportedFeature` where there are no layers: a method would give the
  /// model back as if it had worked on it.
  static func validate(_ names: [Text], _ layers: [WeightLayer]) throws(EdgeError) {
    if layers.isEmpty { throw EdgeError(.unsupportedFeature, "the model has no layers with float32 weights") }
    for name in names where !layers.contains(where: { QuantizerOptions.matches(name, $0.name) }) {
      throw EdgeError(.invalidArgument, "no layer with float32 weights is named \(name)", node: name)
    }
  }
}

/// Which weights become zero, and what happens to the others. Raw values are those of the C header.
public struct PruneOptions {
  public enum Method: UInt8, Equatable, Sendable {
    /// The share `amount` of the weights of each layer.
    case layerwise = 0
    /// The share `amount` of the weights of all layers together. Scores are divided by their mean in the layer first, so
    /// that layers of small weights are not emptied.
    case global
    /// Weights below `amount` standard deviations of the layer (Han et al. 2015).
    case threshold
    /// `kept` of each `group` neighbouring input channels stay.
    case pattern
  }

  /// What is done with calibration data to make up for what was removed.
  public enum Repair: UInt8, Equatable, Sendable {
    case none = 0
    /// The bias takes the mean of the error.
    case bias
    /// Weights are chosen by what they contribute to the layer's result, and those that stay are fitted again by least
    /// squares, so that the layer computes from its new input what it computed before; and the bias.
    case leastSquares
  }

  public var method = Method.layerwise
  public var amount = 0.5
  /// Weights are removed in blocks of so many output channels and input channels, inside one tap of the kernel. Blocks at
  /// the edges are smaller.
  public var blockRows = 1
  public var blockColumns = 1
  /// A block's score: the mean of the magnitudes (1) or of the squares (2). Without blocks there is no difference.
  public var norm = 2
  /// `pattern`; a group of fewer channels, at the end, keeps at most so many.
  public var kept = 2
  public var group = 4
  /// Layers to prune: names, or beginnings of names followed by `*`. None: all of them, less the two below.
  public var names: [Text] = []
  /// Amounts of single layers, in place of `amount`; 0 leaves a layer as it is. The last that matches counts. With
  /// `global`, such layers stay out of the common choice and lose this share.
  public var layers: [LayerValue] = []
  /// Prunes depthwise layers, which have few weights, on which much depends. Layers named in full are pruned anyway.
  public var includesDepthwise = false
  /// Prunes the layers that inputs reach through no other layer with weights. As above.
  public var includesFirst = false
  /// Not empty: what `Graph.pruningSensitivity` measured. The share `amount` of all weights is removed, from each layer so
  /// much that all lose alike; `method` must be `layerwise`. No layer loses more than was measured.
  public var sensitivity: [SensitivityRow] = []

  public var repair = Repair.leastSquares
  /// Weights are removed and the rest fitted again in so many steps.
  public var rounds = 4
  /// How strongly the fit holds on to the weights there were: so many times the mean variance of the inputs is added to
  /// each. Above 0.
  public var damping = 0.1
  /// Windows of each sample that a convolution is fitted on, at most.
  public var windows = 256
  /// Each layer is fitted to the input that the layers before it leave, and makes up for their errors as well. The samples run
  /// anew for each layer, which takes about as many times as long, and it needs more samples: with few, what is made up for
  /// are the errors of these alone. Otherwise all layers are fitted to the inputs they had.
  public var isSequential = false
  public var threads = 1
  public var progress: CompressionProgress?

  public init() {}

  /// Throws `invalidArgument`, also where no layer is chosen, and `unsupportedFeature` where there is none to choose.
  func validate(_ graph: Graph) throws(EdgeError) {
    func require(_ condition: Bool, _ message: StaticString) throws(EdgeError) {
      if !condition { throw EdgeError(.invalidArgument, Text(message)) }
    }
    let largest = method == .threshold ? Double.greatestFiniteMagnitude : 1
    let rule: StaticString =
      method == .threshold ? "the threshold must be finite and not negative" : "the share of weights to remove must be 0 to 1"
    try require(amount >= 0 && amount <= largest, rule)
    for layer in layers {
      guard layer.value >= 0, layer.value <= largest else { throw EdgeError(.invalidArgument, Text(rule), node: layer.name) }
    }
    try require(blockRows >= 1 && blockColumns >= 1, "a block has at least one row and one column")
    try require(norm == 1 || norm == 2, "the norm must be 1 or 2")
    try require(method != .pattern || (kept >= 1 && kept < group), "a pattern keeps at least 1 weight of a group and not all")
    try require(method != .pattern || (blockRows == 1 && blockColumns == 1), "a pattern has no blocks")
    try require(rounds >= 1 && rounds <= 100, "rounds must be 1 to 100")
    try require(damping > 0 && damping <= 1e6, "damping must be above 0")
    try require(windows >= 1, "windows must be at least 1")
    try require(threads >= 1, "threads must be at least 1")
    try require(sensitivity.isEmpty || method == .layerwise, "measured sensitivities go with shares of each layer")
    let all = graph.weightLayers
    try LayerValue.validate(names, all)
    try LayerValue.validate(layers.map { $0.name }, all)
    try LayerValue.requireSome(chosen(graph))
  }

  /// The layers to prune, in the order of the graph.
  func chosen(_ graph: Graph) -> [WeightLayer] {
    let isFirst = graph.readsInputs
    return graph.weightLayers.filter { layer in
      if names.contains(layer.name) || layers.contains(where: { $0.name == layer.name }) { return true }
      if !names.isEmpty, !names.contains(where: { QuantizerOptions.matches($0, layer.name) }) { return false }
      return (includesDepthwise || !layer.isDepthwise) && (includesFirst || !isFirst[layer.node])
    }
  }
}

extension Graph {
  /// For each node whether an input of the graph reaches it through no layer with weights.
  var readsInputs: [Bool] {
    var isNear = [Bool](repeating: false, count: values.count)
    for input in inputs { isNear[input] = true }
    var result: [Bool] = []
    for node in nodes {
      let reads = node.inputs.contains { $0 != Node.noValue && isNear[$0] }
      result.append(reads)
      if node.op.isLayer { continue }
      for output in node.outputs where reads { isNear[output] = true }
    }
    return result
  }
}

/// The share of weights to remove after a step of gradual pruning: target + (initial - target)(1 - step / steps)^3 (Zhu and
/// Gupta 2017). `step` beyond `steps` gives the target; no steps do too.
public func pruneSchedule(initial: Double, target: Double, step: Int, steps: Int) -> Double {
  guard steps > 0, step < steps else { return target }
  let left = 1 - Double(max(step, 0)) / Double(steps)
  return target + (initial - target) * left * left * left
}
