#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension Graph {
  /// The graph whose weights lie on a grid for each layer, value = Float(symbol) * step, so that a context-adaptive coder needs few
  /// bits: each symbol is chosen for the least of error + price * bits, and the step of a layer by the same measure. With samples
  /// the error is that of the layer's result, weights make up for the errors of those before them, biases take the mean, and
  /// layers whose errors the outputs feel more are rounded less.
  ///
  /// Throws `invalidArgument`, `invalidGraph` for weights that are not finite, `unsupportedFeature` for a model without layers,
  /// `cancelled`, `limitExceeded`, `outOfMemory`.
  public func weightsQuantized(_ options: WeightQuantizationOptions, samples: CalibrationSamples? = nil) throws(EdgeError) -> Graph {
    try options.validate(self, hasSamples: (samples?.count ?? 0) > 0)
    let quantizer = try WeightQuantizer.make(self, options, samples)
    return try quantizer.run()
  }

  /// The levels that a search lacks: the graph at each of several prices, as one call for each would give it. Layer by layer, because a
  /// layer is done with its samples, which take most of the time, when it has all its levels. Of the options `goal`, `amount` and
  /// `sensitivitySamples` are not read.
  func quantizeWeights(
    _ options: WeightQuantizationOptions, prices: [Double], samples: CalibrationSamples, _ state: SearchState
  ) throws(EdgeError) {
    try options.validate(self, hasSamples: true)
    let pass = try StatisticsPass.make(self, windows: options.windows, threads: options.threads)
    let quantizer = WeightQuantizer(self, options, samples, pass.index)
    for layer in state.layers { quantizer.kept += nonZeroCount(try finiteWeights(layer)) }
    let rows = state.layers.indices.filter { !state.has($0, prices.count) }
    var next = 0
    try pass.forEach(rows.map { state.layers[$0] }, samples, "statistics", options.progress) { layer, parts throws(EdgeError) in
      let row = rows[next]
      try quantizer.take(layer, parts)
      for (index, price) in prices.enumerated() where !state.has(row, index + 1) {
        try quantizer.report("preparing levels", row * prices.count + index, state.layers.count * prices.count)
        _ = try quantizer.quantize(0, price, &state.levels[index + 1])
        try state.keep(row, index + 1)
      }
      quantizer.forget()
      next += 1
    }
  }
}

/// The layers of a network on their way to the grid.
private final class WeightQuantizer {
  private let graph: Graph
  private let options: WeightQuantizationOptions
  private let samples: CalibrationSamples?
  private let index: GraphIndex
  fileprivate private(set) var layers: [GridLayer] = []
  /// The statistics without their second moments, for the biases.
  private var parts: [[InputStatistics]] = []
  /// What a layer's relative error does to the outputs, relative to the mean.
  private var sensitivities: [Double] = []
  /// Weights that are not zero, of all layers.
  fileprivate var kept = 0

  fileprivate init(_ graph: Graph, _ options: WeightQuantizationOptions, _ samples: CalibrationSamples?, _ index: GraphIndex) {
    (self.graph, self.options, self.samples, self.index) = (graph, options, samples, index)
  }

  static func make(
    _ graph: Graph, _ options: WeightQuantizationOptions, _ samples: CalibrationSamples?
  ) throws(EdgeError) -> WeightQuantizer {
    let pass = try StatisticsPass.make(graph, windows: options.windows, threads: options.threads)
    let quantizer = WeightQuantizer(graph, options, samples, pass.index)
    let chosen = graph.weightLayers.filter { options.scale($0) > 0 }
    try pass.forEach(chosen, samples, "statistics", options.progress) { layer, parts throws(EdgeError) in
      try quantizer.take(layer, parts)
      quantizer.kept += quantizer.layers[quantizer.layers.count - 1].kept
    }
    return quantizer
  }

  /// Takes the statistics of one more layer, without which biases need less memory.
  fileprivate func take(_ layer: WeightLayer, _ parts: [InputStatistics]) throws(EdgeError) {
    var factors: [MomentFactor] = []
    for part in parts {
      factors.append(try MomentFactor(part, damping: options.damping))
      try part.dropMoments()
    }
    layers.append(try GridLayer.make(layer, try graph.finiteWeights(layer), factors))
    self.parts.append(parts)
    sensitivities.append(1)
  }

  /// Of all layers but their number of weights.
  fileprivate func forget() {
    layers = []
    parts = []
    sensitivities = []
  }

  fileprivate func report(_ stage: StaticString, _ done: Int, _ total: Int) throws(EdgeError) {
    if let progress = options.progress, !progress(stage, done, total) { throw EdgeError(.cancelled, "the work was cancelled") }
  }

  func run() throws(EdgeError) -> Graph {
    guard kept > 0 else { return graph }
    var record: OutputRecord?
    if let samples, options.sensitivitySamples > 0, layers.count > 1 { try measureSensitivities(samples) }
    if options.goal == .price { return try quantized(options.amount).graph }
    if options.goal == .noise, let samples { record = try OutputRecord.make(graph, samples, threads: options.threads) }
    func isMet(_ attempt: Attempt) throws(EdgeError) -> Bool {
      guard let record, let samples else { return attempt.bits <= options.amount * Double(attempt.weights) }
      return try record.compare(attempt.graph, samples, threads: options.threads).noise <= options.amount
    }
    // Bits fall and noise rises with the price: bisection of its logarithm, which is accurate to 3 %.
    var (low, high) = (1e-7, 10.0)
    var best: Graph?
    for step in 0..<10 {
      try report("search", step, 10)
      let middle = (low * high).squareRoot()
      let attempt = try quantized(middle)
      let met = try isMet(attempt)
      if met { best = attempt.graph }
      if met == (options.goal == .noise) { low = middle } else { high = middle }
    }
    if let best { return best }
    throw EdgeError(.invalidArgument, "no price meets the goal")
  }

  typealias Attempt = (graph: Graph, bits: Double, weights: Int)

  /// All layers at a price.
  func quantized(_ price: Double) throws(EdgeError) -> Attempt {
    var result: Attempt = (graph, 0, 0)
    for place in layers.indices {
      try report("rounding", place, layers.count)
      let outcome = try quantize(place, price * options.scale(layers[place].layer) / sensitivities[place], &result.graph)
      result.bits += outcome.bits
      result.weights += layers[place].layer.count
    }
    return result
  }

  /// One layer at a price: its error, relative to the power of its result, and the bits of weights and bias.
  fileprivate func quantize(_ place: Int, _ price: Double, steps: Int = 4, _ graph: inout Graph) throws(EdgeError) -> (error: Double, bits: Double) {
    let layer = layers[place]
    guard layer.kept > 0, layer.power > 0, layer.meanGain > 0 else { return (0, 0) }
    let absolute = price / Double(kept) * layer.power
    var values: [Float] = []
    var best = GridLayer.Outcome(step: 0, bits: 0, error: 0)
    // At a high rate the best distance of the grid follows from the price: a bit less costs (2 ln 2) step^2 / 12. The lower the
    // rate, the wider the best one.
    var step = (absolute / (layer.meanGain * 0.11552453)).squareRoot()
    for _ in 0..<steps {
      let outcome = try layer.quantize(step: layer.usable(step), price: absolute, keepsZeros: options.keepsZeros, isNew: values.isEmpty)
      if !values.isEmpty, outcome.error + absolute * outcome.bits >= best.error + absolute * best.bits { break }
      best = outcome
      values = layer.values(step: outcome.step)
      step *= 1.4
    }
    try graph.setWeights(layer.layer, values)
    if !parts[place].isEmpty { try graph.correctBias(layer.layer, parts[place], before: layer.weights, after: values, index: index) }
    if options.includesBiases { best.bits += try roundBias(layer, absolute, samples: parts[place].first?.count ?? 1, &graph) }
    return (best.error / layer.power, best.bits)
  }

  /// Puts the bias of a layer on a grid as well; its bits, about.
  private func roundBias(_ layer: GridLayer, _ price: Double, samples: Int, _ graph: inout Graph) throws(EdgeError) -> Double {
    guard let id = graph.nodes[layer.layer.node].input(2), id >= index.producers.count || index.isUsedOnce(id),
      let data = graph.values[id].constant, graph.values[id].dtype == .float32
    else { return 0 }
    var bias = data.array(of: Float.self)
    var largest: Float = 0
    for element in bias { largest = max(largest, element.magnitude) }
    let step = max(Float((price / (Double(max(samples, 1)) * 0.11552453)).squareRoot()), largest / 32767)
    guard step > 0, step.isFinite else { return 0 }
    var bits = 0.0
    for place in bias.indices {
      let symbol = (bias[place] / step).rounded(.toNearestOrEven)
      guard symbol.isFinite else { return 0 }
      bias[place] = symbol * step
      bits += symbol == 0 ? 0.5 : 2 + 2 * naturalLogarithm(Double(symbol.magnitude)) / 0.6931471805599453
    }
    graph.values[id].constant = try TensorData(bias)
    return bits
  }

  /// Rounds each layer alone and measures what that does to the outputs.
  private func measureSensitivities(_ samples: CalibrationSamples) throws(EdgeError) {
    let some = try samples.first(options.sensitivitySamples, of: graph)
    let record = try OutputRecord.make(graph, some, threads: options.threads)
    var (sum, measured) = (0.0, 0)
    var found = [Double](repeating: 0, count: layers.count)
    for place in layers.indices {
      try report("sensitivity", place, layers.count)
      var changed = graph
      let error = try quantize(place, 0.01, steps: 1, &changed).error
      guard error > 0 else { continue }
      found[place] = try record.compare(changed, some, threads: options.threads).noise / error
      sum += found[place]
      measured += 1
    }
    guard measured > 0 else { return }
    // Within limits, as each is measured on few samples.
    let mean = sum / Double(measured)
    for place in layers.indices where found[place] > 0 { sensitivities[place] = min(max(found[place] / mean, 1.0 / 32), 32) }
  }
}
