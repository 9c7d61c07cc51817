import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

private func defaultPruneOptions() -> edgeai_prune_options {
  let defaults = PruneOptions()
  var options = edgeai_prune_options()
  options.method = Int32(defaults.method.rawValue)
  options.amount = defaults.amount
  options.block_rows = Int32(defaults.blockRows)
  options.block_columns = Int32(defaults.blockColumns)
  options.norm = Int32(defaults.norm)
  options.pattern_kept = Int32(defaults.kept)
  options.pattern_group = Int32(defaults.group)
  options.repair = Int32(defaults.repair.rawValue)
  options.rounds = Int32(defaults.rounds)
  options.windows = Int32(defaults.windows)
  options.sequential = defaults.isSequential ? 1 : 0
  options.threads = 1
  options.report_samples = 8
  options.damping = defaults.damping
  return options
}

/// `PruneOptions` checks the numbers.
private func pruneOptions(_ chosen: edgeai_prune_options) throws(EdgeError) -> PruneOptions {
  try requireUnused(chosen.reserved, "edgeai_prune_options")
  guard let method = UInt8(exactly: chosen.method).flatMap({ PruneOptions.Method(rawValue: $0) }) else {
    throw EdgeError(.invalidArgument, "there is no way of pruning \(chosen.method)")
  }
  guard let repair = UInt8(exactly: chosen.repair).flatMap({ PruneOptions.Repair(rawValue: $0) }) else {
    throw EdgeError(.invalidArgument, "there is no way of repair \(chosen.repair)")
  }
  var result = PruneOptions()
  result.method = method
  result.amount = chosen.amount
  result.blockRows = Int(chosen.block_rows)
  result.blockColumns = Int(chosen.block_columns)
  result.norm = Int(chosen.norm)
  result.kept = Int(chosen.pattern_kept)
  result.group = Int(chosen.pattern_group)
  result.includesDepthwise = chosen.include_depthwise != 0
  result.includesFirst = chosen.include_first != 0
  result.repair = repair
  result.rounds = Int(chosen.rounds)
  result.windows = Int(chosen.windows)
  result.isSequential = chosen.sequential != 0
  result.threads = try threadCount(chosen.threads)
  result.damping = chosen.damping
  result.names = try names(chosen.names, chosen.name_count, "names")
  result.layers = try layerValues(chosen.layers, chosen.layer_count)
  guard chosen.sensitivity_count == 0 || (chosen.sensitivity_count > 0 && chosen.sensitivity != nil) else {
    throw EdgeError(.invalidArgument, "sensitivity is NULL")
  }
  if let rows = chosen.sensitivity {
    for index in 0..<chosen.sensitivity_count {
      result.sensitivity.append(
        SensitivityRow(layer: try text(rows[index].layer, "sensitivity"), fraction: rows[index].fraction, noise: rows[index].noise))
    }
  }
  result.progress = progressHook(chosen.progress, chosen.progress_context)
  return result
}

@_cdecl("edgeai_prune_options_init") @implementation
public func edgeai_prune_options_init(_ options: UnsafeMutablePointer<edgeai_prune_options>!, _ struct_size: Int) {
  initialize(options, struct_size, defaultPruneOptions())
}

@_cdecl("edgeai_prune") @implementation
public func edgeai_prune(
  _ model: OpaquePointer!, _ caller: UnsafePointer<edgeai_prune_options>!, _ data: edgeai_data_fn!, _ context: UnsafeMutableRawPointer!,
  _ pruned: UnsafeMutablePointer<OpaquePointer?>!, _ report: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let pruned = try required(pruned, "pruned")
    let chosen = try options(caller, defaultPruneOptions(), "edgeai_prune_options")
    let pruning = try pruneOptions(chosen)
    let most = try reportSamples(chosen.report_samples)
    try model.requireRunnable()
    let samples = try callerSamples(model.outline, data, context)
    let original = try model.graph
    let graph = try original.pruned(pruning, samples: samples)
    try giveModel(graph, from: model, original, samples, most: most, threads: pruning.threads, progress: pruning.progress, pruned, report)
  }
}

@_cdecl("edgeai_sensitivity") @implementation
public func edgeai_sensitivity(
  _ model: OpaquePointer!, _ caller: UnsafePointer<edgeai_prune_options>!, _ fractions: UnsafePointer<Double>!, _ fraction_count: Int,
  _ data: edgeai_data_fn!, _ context: UnsafeMutableRawPointer!, _ row: edgeai_sensitivity_fn!, _ row_context: UnsafeMutableRawPointer!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let fractions = try required(fractions, "fractions")
    let give = try required(row, "row")
    guard fraction_count > 0, fraction_count <= 1000 else { throw EdgeError(.invalidArgument, "there must be 1 to 1000 fractions") }
    let pruning = try pruneOptions(try options(caller, defaultPruneOptions(), "edgeai_prune_options"))
    try model.requireRunnable()
    guard let samples = try callerSamples(model.outline, try required(data, "data"), context) else { return }
    var shares: [Double] = []
    for index in 0..<fraction_count { shares.append(fractions[index]) }
    try model.graph.pruningSensitivity(pruning, fractions: shares, samples: samples) { measured in
      measured.layer.withCString { name in
        var row = edgeai_sensitivity_row()
        row.layer = name
        row.fraction = measured.fraction
        row.noise = measured.noise
        row.weights = UInt64(measured.weights)
        row.kept = UInt64(measured.kept)
        row.same_top1 = UInt64(measured.sameTop1)
        row.samples = UInt64(measured.samples)
        return give(row_context, &row) == 0
      }
    }
  }
}

@_cdecl("edgeai_prune_schedule") @implementation
public func edgeai_prune_schedule(_ initial: Double, _ target: Double, _ step: UInt64, _ steps: UInt64) -> Double {
  pruneSchedule(initial: initial, target: target, step: Int(clamping: step), steps: Int(clamping: steps))
}
