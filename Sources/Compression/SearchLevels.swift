#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension SearchMethod {
  /// Prices of `Graph.weightsQuantized`: from hardly any loss to hardly anything left of a network. The first ones are about a bit of
  /// a weight apart, the last ones a quarter of the file.
  private static var prices: [Double] { [0.00001, 0.00005, 0.0002, 0.0006, 0.0015, 0.004, 0.01, 0.03, 0.06, 0.12, 0.25, 0.5, 1.2] }
  /// Shares of the blocks that go.
  private static var shares: [Double] { [0.5, 0.65, 0.75, 0.85, 0.9, 0.95] }

  /// Levels of the ladder, the original included.
  var levelCount: Int { 1 + (self == .grid ? SearchMethod.prices.count : SearchMethod.shares.count) }

  /// Makes the levels that the state lacks, harder and harder: each from the original.
  func makeLevels(_ state: SearchState, _ options: SearchOptions, _ samples: CalibrationSamples) throws(EdgeError) {
    switch self {
    case .grid:
      var grid = WeightQuantizationOptions()
      // The search measures what the outputs feel.
      grid.sensitivitySamples = 0
      grid.threads = options.threads
      grid.progress = options.progress
      try state.levels[0].quantizeWeights(grid, prices: SearchMethod.prices, samples: samples, state)
    case .blocks:
      for (index, share) in SearchMethod.shares.enumerated() {
        if state.has(state.layers.count - 1, index + 1) { continue }
        if let progress = options.progress, !progress("preparing levels", index, levelCount - 1) {
          throw EdgeError(.cancelled, "the search was cancelled")
        }
        var blocks = options.blocks
        blocks.amount = share
        blocks.rounds = 1
        state.levels[index + 1] = try state.levels[0].pruned(blocks, samples: samples)
        for row in state.layers.indices { try state.keep(row, index + 1) }
      }
    }
  }

  /// The original with the shares of blocks that a choice of levels takes from its layers, fitted one layer after another: each
  /// makes up for those before it, which layers that were fitted alone cannot.
  func repaired(_ ladder: LayerLadder, _ choice: [Int], _ options: SearchOptions, _ samples: CalibrationSamples) throws(EdgeError) -> Graph {
    var blocks = options.blocks
    blocks.isSequential = true
    blocks.progress = options.progress
    for (layer, level) in zip(ladder.layers, choice) {
      blocks.layers.append(LayerValue(name: layer.name, value: level > 0 ? SearchMethod.shares[level - 1] : 0))
    }
    return try ladder.levels[0].pruned(blocks, samples: samples)
  }
}

extension SearchOptions {
  fileprivate var blocks: PruneOptions {
    var blocks = PruneOptions()
    blocks.blockRows = blockRows
    blocks.blockColumns = blockColumns
    blocks.threads = threads
    return blocks
  }
}
