#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// How far weights are rounded, and what for. Raw values are those of the C header.
public struct WeightQuantizationOptions {
  public enum Goal: UInt8, Equatable, Sendable {
    /// `amount` is the price itself: the share of its result's power that a layer may lose in errors for each bit saved, times
    /// the number of weights that are not zero.
    case price = 0
    /// At most so many bits for a weight on average, biases included, as estimated.
    case bits
    /// The greatest price at which the outputs' error has at most this power, relative to their own: 0.001 is 30 dB. Needs samples.
    case noise
  }

  public var goal = Goal.price
  public var amount = 0.002
  /// Weights that are zero stay zero; else the errors of others may make them what pays.
  public var keepsZeros = true
  /// Biases are rounded too, as what they are: weights of an input that is 1.
  public var includesBiases = true
  /// With samples: each layer is rounded alone first, to see what its errors do to the outputs, on so many samples; 0 counts all
  /// layers the same.
  public var sensitivitySamples = 16
  /// So many times the mean variance of a layer's inputs is added to each: the less, the more errors make up for each other.
  public var damping = 0.01
  /// Layers to round: names, or beginnings of names followed by `*`. None: all.
  public var names: [Text] = []
  /// Prices of single layers, times the common one; 0 leaves a layer as it is. The last that matches counts.
  public var layers: [LayerValue] = []
  /// Windows of each sample that a convolution's inputs are measured on, at most.
  public var windows = 256
  public var threads = 1
  public var progress: CompressionProgress?

  public init() {}

  func validate(_ graph: Graph, hasSamples: Bool) throws(EdgeError) {
    func require(_ condition: Bool, _ message: StaticString) throws(EdgeError) {
      if !condition { throw EdgeError(.invalidArgument, Text(message)) }
    }
    try require(amount > 0 && amount <= 1e6, "the amount must be above 0")
    try require(goal != .noise || hasSamples, "a limit of the outputs' error needs samples")
    try require(damping > 0 && damping <= 1e6, "damping must be above 0")
    try require(sensitivitySamples >= 0, "sensitivity_samples must not be negative")
    try require(windows >= 1 && threads >= 1, "windows and threads must be at least 1")
    for layer in layers {
      guard layer.value >= 0, layer.value <= 1e6 else { throw EdgeError(.invalidArgument, "a price must not be negative", node: layer.name) }
    }
    let all = graph.weightLayers
    try LayerValue.validate(names, all)
    try LayerValue.validate(layers.map { $0.name }, all)
  }

  /// The price of a layer, times the common one; 0 leaves it as it is.
  func scale(_ layer: WeightLayer) -> Double {
    if let own = LayerValue.last(layers, for: layer.name) { return own }
    return names.isEmpty || names.contains { QuantizerOptions.matches($0, layer.name) } ? 1 : 0
  }
}
