#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Prunes a network layer by layer with the help of samples: each layer is made to compute from its input what it computed before
/// (`SupportFit`), and the bias takes what is left of the mean. The input is that of the network as it was, or with
/// `PruneOptions.isSequential` what the layers before it leave, so that errors do not add up.
///
/// That is layer-wise reconstruction as in Optimal Brain Surgeon's descendants (Hassibi and Stork 1993; Frantar and Alistarh
/// 2022), with conjugate gradients instead of inverse matrices; the choice of weights takes their diagonal, w^2 h (LeCun, Denker
/// and Solla 1990), again after every fit.
final class PruneRepair {
  private let plan: [PrunedLayer]
  private let options: PruneOptions
  private let pass: StatisticsPass

  private init(_ pass: StatisticsPass, _ plan: [PrunedLayer], _ options: PruneOptions) {
    (self.pass, self.plan, self.options) = (pass, plan, options)
  }

  static func make(_ graph: Graph, _ plan: [PrunedLayer], _ options: PruneOptions) throws(EdgeError) -> PruneRepair {
    PruneRepair(try StatisticsPass.make(graph, windows: options.windows, threads: options.threads), plan, options)
  }

  /// A layer that is being repaired, with its statistics.
  private typealias Layer = (entry: PrunedLayer, layer: ObservedLayer, parts: [InputStatistics])

  func run(_ samples: CalibrationSamples) throws(EdgeError) -> Graph {
    var graph = pass.original
    var done = 0
    var next = 0
    while next < plan.count {
      var layers: [Layer] = []
      var bytes = 0
      // One layer where each makes up for those before it: two together would both make up for the same.
      while next < plan.count, layers.isEmpty || !options.isSequential {
        let entry = plan[next]
        if let layer = pass.observed(entry.layer) {
          let (sum, overflow) = bytes.addingReportingOverflow(layer.memory)
          if !layers.isEmpty, overflow || sum > StatisticsPass.memoryLimit { break }
          bytes = sum
          layers.append((entry, layer, try layer.statistics(threads: options.threads)))
        } else {
          try graph.prune(entry, norm: options.norm)
          done += 1
        }
        next += 1
      }
      if layers.isEmpty { continue }
      let targets = layers.map { (layer: $0.layer, parts: $0.parts) }
      try pass.run(targets, options.isSequential && done > 0 ? graph : nil, samples) { () throws(EdgeError) in try report(done) }
      for layer in layers {
        try report(done)
        try fit(layer, &graph)
        done += 1
      }
    }
    return graph
  }

  private func report(_ done: Int) throws(EdgeError) {
    if let progress = options.progress, !progress("pruning", done, plan.count) { throw EdgeError(.cancelled, "pruning was cancelled") }
  }

  /// Prunes one layer and fits what is left.
  private func fit(_ layer: Layer, _ graph: inout Graph) throws(EdgeError) {
    guard layer.parts.allSatisfy({ $0.isFinite }) else { return try graph.prune(layer.entry, norm: options.norm) }
    let shape = layer.entry.layer
    let original = try pass.original.finiteWeights(shape)
    let weights = try Storage.floats(shape.count)
    let importance = try Storage.floats(try checkedProduct(shape.groups, shape.columns))
    original.withUnsafeBufferPointer { if let base = $0.baseAddress { weights.floats.update(from: base, count: shape.count) } }
    if options.repair == .leastSquares {
      var fits: [SupportFit] = []
      for part in layer.parts {
        let slice = try slice(of: weights, shape, part)
        fits.append(
          try SupportFit.make(
            part, rows: shape.rows / shape.groups, original: slice.floats, damping: options.damping, threads: options.threads))
        let variances = try Storage.floats(part.groups &* part.columns)
        fits[fits.count - 1].importance(variances.floats)
        for group in 0..<shape.groups {
          (importance.floats + (group &* shape.columns &+ part.start)).update(
            from: variances.floats + group &* part.columns, count: part.columns)
        }
      }
      let steps = layer.entry.isPattern ? max(layer.entry.blocks.columns - layer.entry.amount, 1) : options.rounds
      for step in 1...steps {
        layer.entry.prune(weights.floats, norm: options.norm, importance: importance.floats, step: step, steps: steps)
        for (part, fit) in zip(layer.parts, fits) {
          let slice = try slice(of: weights, shape, part)
          try fit.solve(slice.floats)
          put(slice, into: weights, shape, part)
        }
      }
    } else {
      layer.entry.prune(weights.floats, norm: options.norm)
    }
    let fitted = weights.floatArray(shape.count)
    try graph.setWeights(shape, fitted)
    try graph.correctBias(shape, layer.parts, before: original, after: fitted, index: pass.index)
  }

  /// The columns of a part of the statistics, row after row.
  private func slice(of weights: Storage, _ shape: WeightLayer, _ part: InputStatistics) throws(EdgeError) -> Storage {
    let result = try Storage.floats(shape.rows &* part.columns)
    var row = 0
    while row < shape.rows {
      (result.floats + row &* part.columns).update(from: weights.floats + (row &* shape.columns &+ part.start), count: part.columns)
      row &+= 1
    }
    return result
  }

  private func put(_ slice: Storage, into weights: Storage, _ shape: WeightLayer, _ part: InputStatistics) {
    var row = 0
    while row < shape.rows {
      (weights.floats + (row &* shape.columns &+ part.start)).update(from: slice.floats + row &* part.columns, count: part.columns)
      row &+= 1
    }
  }
}
