#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Which layers become two of low rank. Raw values are those of the C header.
public struct FactorizeOptions {
  public enum Rank: UInt8, Equatable, Sendable {
    /// The least rank whose relative error is at most `amount`: of the weights, |W - W'| / |W|; with data, of the layer's
    /// result about its mean.
    case error = 0
    /// The least rank that keeps the share `amount` of the energy, which is 1 - error^2.
    case energy
    /// `amount` itself.
    case count
  }

  public var rank = Rank.error
  public var amount = 0.1
  /// Kernels of k x k become k x 1 and 1 x k; otherwise k x k with fewer results, and 1 x 1.
  public var isSpatial = true
  /// Layers to factorize: names, or beginnings of names followed by `*`. None: all.
  public var names: [Text] = []
  /// Amounts of single layers, in place of `amount`; 0 leaves a layer as it is. The last that matches counts.
  public var layers: [LayerValue] = []
  /// Windows of each sample that errors of a convolution are measured on, at most.
  public var windows = 256
  public var threads = 1
  public var progress: CompressionProgress?

  public init() {}

  /// Throws `invalidArgument`.
  func validate(_ graph: Graph) throws(EdgeError) {
    func isRight(_ amount: Double) -> Bool { amount >= 0 && amount <= (rank == .count ? 1e9 : 1) }
    guard isRight(amount), rank != .count || amount >= 1 else {
      throw EdgeError(.invalidArgument, "the amount must be 0 to 1, a rank at least 1")
    }
    for layer in layers where !isRight(layer.value) {
      throw EdgeError(.invalidArgument, "the amount must be 0 to 1, a rank at least 1", node: layer.name)
    }
    guard windows >= 1 else { throw EdgeError(.invalidArgument, "windows must be at least 1") }
    guard threads >= 1 else { throw EdgeError(.invalidArgument, "threads must be at least 1") }
    let all = graph.weightLayers
    try LayerValue.validate(names, all)
    try LayerValue.validate(layers.map { $0.name }, all)
  }

  /// The amount for a layer, or nil when it stays as it is.
  func amount(_ layer: WeightLayer) -> Double? {
    if let own = LayerValue.last(layers, for: layer.name) { return own == 0 ? nil : own }
    return names.isEmpty || names.contains(where: { QuantizerOptions.matches($0, layer.name) }) ? amount : nil
  }

  /// The least rank that `energies`, largest first, need.
  func leastRank(_ energies: [Double], _ amount: Double) -> Int {
    if rank == .count { return Int(amount) }
    var total = 0.0
    for energy in energies { total += energy }
    let limit = (rank == .error ? amount * amount : 1 - amount) * total
    // What is lost, from the smallest on.
    var lost = 0.0
    var rank = energies.count
    while rank > 1, lost + energies[rank - 1] <= limit {
      lost += energies[rank - 1]
      rank -= 1
    }
    return rank
  }
}
