#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Which channels of a graph are pruned, and how many.
public struct ChannelOptions {
  /// What says how much a channel matters. Each is taken relative to the mean of its layer, and the mean over all layers
  /// a channel goes through.
  public enum Criterion: UInt8, Sendable {
    /// Sum of magnitudes of the weights that make the channel (Li et al. 2017).
    case l1 = 0
    /// Square root of the sum of their squares.
    case l2
    /// Magnitude of the factor of batch normalization (Liu et al. 2017), or of another multiplication by one constant
    /// for each channel; `l1` for channels that meet none.
    case scale
    /// Mean magnitude of the channel on data (Hu et al. 2016, who count its zeros).
    case activation
  }

  public var criterion = Criterion.l1
  /// Share of the channels that go, 0 up to 1.
  public var fraction: Float = 0.3
  /// The share is one of all channels together: layers that matter less lose more. Otherwise it is one of each layer's.
  public var isGlobal = false
  /// No layer is left with fewer channels.
  public var minimum = 1
  /// The channels that a layer keeps are a multiple of this, or all.
  public var multiple = 1
  /// Layers whose share is not `fraction`, as names or beginnings of names followed by `*`, and their shares. The first that
  /// fits holds.
  public var layers: [Text] = []
  public var fractions: [Float] = []
  /// Exactly these output channels go, with all that depend on them: names of layers, and channels of each. Everything above
  /// is ignored.
  public var chosen: [Text] = []
  public var channels: [[Int]] = []
  /// The same channels become zeros in a graph of the old shape instead.
  public var isMasked = false

  public init() {}

  /// Throws `invalidArgument` for a number out of range, or lists of different lengths.
  public func validate() throws(EdgeError) {
    guard layers.count == fractions.count, chosen.count == channels.count else {
      throw EdgeError(.invalidArgument, "there are not as many names as fractions or lists of channels")
    }
    for share in [fraction] + fractions where !(share >= 0 && share < 1) {
      throw EdgeError(.invalidArgument, "a fraction is \(share); it must be 0 up to 1")
    }
    guard minimum >= 1, multiple >= 1 else {
      throw EdgeError(.invalidArgument, "minimum is \(minimum) and multiple \(multiple); they must be at least 1")
    }
  }
}

/// What became of the output channels of one layer.
public final class ChannelLayer {
  public let name: Text
  public let before: Int
  /// Indices of the channels that stay, ascending.
  public let kept: [Int]
  /// How many of all could not have gone, and the reason of the first of them.
  public let fixed: Int
  public let reason: Text

  init(_ name: Text, before: Int, kept: [Int], fixed: Int, reason: Text) {
    self.name = name
    self.before = before
    self.kept = kept
    self.fixed = fixed
    self.reason = reason
  }
}

/// The pruned graph, and what became of each convolution, transposed convolution and dense layer, in their order.
public struct ChannelPruning {
  public let graph: Graph
  public let layers: [ChannelLayer]
}

extension Graph {
  /// Removes channels: from the layer that makes them, from everything they pass, and from the weights that read them.
  ///
  ///     before   x -> Convolution 3x3, 64 -> Depthwise 64 -> Convolution 1x1, 128
  ///     after    x -> Convolution 3x3, 45 -> Depthwise 45 -> Convolution 1x1, 128
  ///
  /// Channels that additions, products, concatenations, groups or shuffles tie together go together
  /// (`ChannelDependencies`). A channel that goes counts as zero: the result computes what this graph does with zeros
  /// for the weights and the bias that make the channel, and for constants that are added along it. Where a zero would
  /// not stay a zero up to the layer that reads it, as behind a sigmoid, the channel stays. So does every channel that
  /// meets an operator this does not know, with the reason in the result.
  ///
  /// - activations: for `Criterion.activation`.
  /// - Throws: `invalidArgument` for an option, a name no layer has, or a chosen channel that cannot go;
  ///   `unsupportedFeature` for a quantized graph; `invalidGraph` for weights that are not finite, which have no order.
  public func channelsPruned(_ options: ChannelOptions, activations: ChannelActivations? = nil) throws(EdgeError) -> ChannelPruning {
    try options.validate()
    try validate()
    guard !values.contains(where: { $0.quantization != nil }) else {
      throw EdgeError(.unsupportedFeature, "channels are pruned before a model is quantized")
    }
    let dependencies = ChannelDependencies(self)
    var selection = ChannelSelection(dependencies, options)
    if options.chosen.isEmpty {
      for layer in weightLayers { _ = try finiteWeights(layer) }
      let scores = try ChannelScores(dependencies, options.criterion, activations)
      try selection.choose(scores)
    } else {
      try selection.take()
    }
    let removal = ChannelRemoval(dependencies, selection.isRemoved)
    let graph = options.isMasked ? try removal.masked() : try removal.pruned()
    return ChannelPruning(graph: graph, layers: dependencies.summary(selection.isRemoved))
  }
}
