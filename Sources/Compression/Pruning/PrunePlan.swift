#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What one layer loses.
struct PrunedLayer {
  let layer: WeightLayer
  let blocks: PruneBlocks
  /// Blocks to remove; of a pattern, weights that stay of each block.
  let amount: Int
  let isPattern: Bool

  /// Removes the least important weights so that after `step` of `steps` the layer has lost a part of what it will lose, at
  /// the end all. `importance`: see `PruneBlocks.scores`.
  func prune(_ weights: UnsafeMutablePointer<Float>, norm: Int, importance: UnsafePointer<Float>? = nil, step: Int = 1, steps: Int = 1) {
    if isPattern {
      // The scores are of single weights, the blocks are the groups.
      let single = PruneBlocks(layer, rows: 1, columns: 1)
      let most = max(blocks.columns - amount, 0)
      let removed = step >= steps ? most : most * step / steps
      blocks.keep(blocks.columns - removed, single.scores(weights, norm: 2, importance: importance), weights)
    } else {
      let share = pruneSchedule(initial: 0, target: Double(amount), step: step, steps: steps)
      blocks.remove(Int(share.rounded()), blocks.scores(weights, norm: norm, importance: importance), weights)
    }
  }
}

extension PruneOptions {
  /// What each layer loses; those that lose nothing are not in the list. Throws `invalidArgument` for an option,
  /// `invalidGraph` for weights that are not finite where a threshold depends on them.
  func plan(_ graph: Graph) throws(EdgeError) -> [PrunedLayer] {
    try validate(graph)
    let layers = chosen(graph)
    var blocks: [PruneBlocks] = []
    var amounts: [Double] = []
    var isOwn: [Bool] = []
    let balanced = sensitivity.isEmpty ? [] : try balancedShares(layers)
    for (index, layer) in layers.enumerated() {
      blocks.append(PruneBlocks(layer, rows: method == .pattern ? 1 : blockRows, columns: method == .pattern ? group : blockColumns))
      let own = LayerValue.last(self.layers, for: layer.name)
      isOwn.append(own != nil)
      amounts.append(own ?? (balanced.isEmpty ? amount : balanced[index]))
    }
    var counts: [Int] = []
    for (index, layer) in layers.enumerated() {
      switch method {
      case .pattern: counts.append(amounts[index] == 0 ? group : kept)
      case .threshold where amounts[index] > 0:
        counts.append(PruneOptions.countBelow(try graph.finiteWeights(layer), blocks[index], amounts[index], norm))
      case .threshold: counts.append(0)
      case .layerwise, .global: counts.append(Int((amounts[index] * Double(blocks[index].count)).rounded()))
      }
    }
    if method == .global { chooseGlobally(graph, blocks, isOwn, &counts) }
    var plan: [PrunedLayer] = []
    for (index, layer) in layers.enumerated() {
      let isIdle = method == .pattern ? counts[index] == group : counts[index] == 0
      if isIdle { continue }
      plan.append(PrunedLayer(layer: layer, blocks: blocks[index], amount: counts[index], isPattern: method == .pattern))
    }
    return plan
  }

  /// Blocks whose mean magnitude, or root of the mean square, is below so many standard deviations of the weights.
  private static func countBelow(_ weights: [Float], _ blocks: PruneBlocks, _ quality: Double, _ norm: Int) -> Int {
    weights.withUnsafeBufferPointer { weights in
      guard let base = weights.baseAddress else { return 0 }
      var sum = 0.0
      var squares = 0.0
      var index = 0
      while index < weights.count {
        let w = Double(base[index])
        sum += w
        squares += w * w
        index &+= 1
      }
      let mean = sum / Double(weights.count)
      let variance = squares / Double(weights.count) - mean * mean
      guard variance > 0 else { return 0 }
      let limit = norm == 2 ? quality * quality * variance : quality * variance.squareRoot()
      var count = 0
      for score in blocks.scores(base, norm: norm, importance: nil) where Double(score) < limit { count += 1 }
      return count
    }
  }

  /// One choice over all layers but those with amounts of their own: how many blocks of each are among the smallest.
  private func chooseGlobally(_ graph: Graph, _ blocks: [PruneBlocks], _ isOwn: [Bool], _ counts: inout [Int]) {
    var lists: [[Float]] = []
    var total = 0
    for (index, layer) in blocks.enumerated() {
      if isOwn[index] {
        lists.append([])
        continue
      }
      var scores = graph.weights(layer.layer).withUnsafeBufferPointer { weights in
        weights.baseAddress.map { layer.scores($0, norm: norm, importance: nil) } ?? []
      }
      scores.withUnsafeMutableBufferPointer { scores in
        var sum = 0.0
        var place = 0
        while place < scores.count {
          if scores[place].isFinite { sum += Double(scores[place]) }
          place &+= 1
        }
        let factor = sum > 0 ? Float(Double(scores.count) / sum) : 1
        place = 0
        while place < scores.count {
          let scaled = scores[place] * factor
          scores[place] = scaled.isNaN ? .infinity : scaled
          place &+= 1
        }
      }
      total += scores.count
      lists.append(scores)
    }
    let removed = Int((amount * Double(total)).rounded())
    let smallest = SmallestScores(lists, count: removed)
    var ties = smallest.ties
    for (index, scores) in lists.enumerated() where !isOwn[index] {
      var count = 0
      scores.withUnsafeBufferPointer { scores in
        var place = 0
        while place < scores.count {
          if scores[place] < smallest.limit {
            count &+= 1
          } else if scores[place] == smallest.limit, ties > 0 {
            count &+= 1
            ties &-= 1
          }
          place &+= 1
        }
      }
      counts[index] = count
    }
  }
}

extension Graph {
  /// The graph with weights of its convolutions and dense layers set to zero. Shapes, nodes and names stay.
  ///
  /// With `samples`, what is left is repaired (`PruneOptions.repair`). The same graph, options and samples give the same
  /// weights, with any number of threads.
  ///
  /// Throws `invalidArgument` (an option, a name that no layer has, options that leave out all layers, an input that is not
  /// finite), `invalidGraph` (weights that are not finite), `unsupportedFeature` (no layers), `cancelled`, `unsupportedOperator`,
  /// `limitExceeded`, `outOfMemory`.
  public func pruned(_ options: PruneOptions, samples: CalibrationSamples? = nil) throws(EdgeError) -> Graph {
    let plan = try options.plan(self)
    if let samples, samples.count > 0, options.repair != .none { return try PruneRepair.make(self, plan, options).run(samples) }
    if options.isSequential { throw EdgeError(.invalidArgument, "layers that make up for those before them need samples and a repair") }
    var graph = self
    for (index, entry) in plan.enumerated() {
      if let progress = options.progress, !progress("pruning", index, plan.count) { throw EdgeError(.cancelled, "pruning was cancelled") }
      try graph.prune(entry, norm: options.norm)
    }
    return graph
  }

  /// Removes weights of one layer. Throws `invalidGraph` for one that is not finite.
  mutating func prune(_ entry: PrunedLayer, norm: Int) throws(EdgeError) {
    var weights = try finiteWeights(entry.layer)
    weights.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { entry.prune(base, norm: norm) } }
    try setWeights(entry.layer, weights)
  }
}
