import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

private func defaultFactorizeOptions() -> edgeai_factorize_options {
  let defaults = FactorizeOptions()
  var options = edgeai_factorize_options()
  options.rank = Int32(defaults.rank.rawValue)
  options.amount = defaults.amount
  options.spatial = defaults.isSpatial ? 1 : 0
  options.windows = Int32(defaults.windows)
  options.threads = 1
  options.report_samples = 8
  return options
}

@_cdecl("edgeai_factorize_options_init") @implementation
public func edgeai_factorize_options_init(_ options: UnsafeMutablePointer<edgeai_factorize_options>!, _ struct_size: Int) {
  initialize(options, struct_size, defaultFactorizeOptions())
}

@_cdecl("edgeai_factorize") @implementation
public func edgeai_factorize(
  _ model: OpaquePointer!, _ caller: UnsafePointer<edgeai_factorize_options>!, _ data: edgeai_data_fn!,
  _ context: UnsafeMutableRawPointer!, _ factorized: UnsafeMutablePointer<OpaquePointer?>!,
  _ report: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let factorized = try required(factorized, "factorized")
    let chosen = try options(caller, defaultFactorizeOptions(), "edgeai_factorize_options")
    guard let rank = UInt8(exactly: chosen.rank).flatMap({ FactorizeOptions.Rank(rawValue: $0) }) else {
      throw EdgeError(.invalidArgument, "there is no choice of rank \(chosen.rank)")
    }
    var factorizing = FactorizeOptions()
    factorizing.rank = rank
    factorizing.amount = chosen.amount
    factorizing.isSpatial = chosen.spatial != 0
    factorizing.windows = Int(chosen.windows)
    factorizing.threads = try threadCount(chosen.threads)
    factorizing.names = try names(chosen.names, chosen.name_count, "names")
    factorizing.layers = try layerValues(chosen.layers, chosen.layer_count)
    factorizing.progress = progressHook(chosen.progress, chosen.progress_context)
    let most = try reportSamples(chosen.report_samples)
    try model.requireRunnable()
    let samples = try callerSamples(model.outline, data, context)
    let original = try model.graph
    let graph = try original.factorized(factorizing, samples: samples)
    try giveModel(
      graph, from: model, original, samples, most: most, threads: factorizing.threads, progress: factorizing.progress, factorized, report)
  }
}
