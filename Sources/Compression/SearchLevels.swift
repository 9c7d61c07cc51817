#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension SearchMethod {
  /// Prices of `Graph.weightsQuantized`, each about a bit of a weight from the one before.
  private static var prices: [Double] { [0.00001, 0.00005, 0.0002, 0.0006, 0.0015, 0.004, 0.01, 0.03] }
  /// Shares of the blocks that go.
  private static var shares: [Double] { [0.5, 0.65, 0.75, 0.85, 0.9, 0.95] }

  /// Levels of the ladder, the original included.
  var levelCount: Int { 1 + (self == .grid ? SearchMethod.prices.count : SearchMethod.shares.count) }

  /// The original, and what becomes of it harder and harder: each level is made from the original.
  func levels(_ graph: Graph, _ options: SearchOptions, _ samples: CalibrationSamples) throws(EdgeError) -> [Graph] {
    var levels = [graph]
    switch self {
    case .grid:
      for price in SearchMethod.prices {
        try options.report(levels.count - 1, levelCount - 1)
        var grid = WeightQuantizationOptions()
        grid.amount = price
        // The search measures what the outputs feel.
        grid.sensitivitySamples = 0
        grid.threads = options.threads
        levels.append(try graph.weightsQuantized(grid, samples: samples))
      }
    case .blocks:
      for share in SearchMethod.shares {
        try options.report(levels.count - 1, levelCount - 1)
        var blocks = PruneOptions()
        blocks.amount = share
        blocks.blockRows = options.blockRows
        blocks.blockColumns = options.blockColumns
        blocks.rounds = 1
        blocks.threads = options.threads
        levels.append(try graph.pruned(blocks, samples: samples))
      }
    }
    return levels
  }
}

extension SearchOptions {
  fileprivate func report(_ done: Int, _ total: Int) throws(EdgeError) {
    if let progress, !progress("preparing levels", done, total) { throw EdgeError(.cancelled, "the search was cancelled") }
  }
}
