import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

private func defaultShareOptions() -> edgeai_share_options {
  let defaults = ShareOptions()
  var options = edgeai_share_options()
  options.bits = Int32(defaults.bits)
  options.start = Int32(defaults.start.rawValue)
  options.iterations = Int32(defaults.iterations)
  options.windows = Int32(defaults.windows)
  options.threads = 1
  options.report_samples = 8
  return options
}

@_cdecl("edgeai_share_options_init") @implementation
public func edgeai_share_options_init(_ options: UnsafeMutablePointer<edgeai_share_options>!, _ struct_size: Int) {
  initialize(options, struct_size, defaultShareOptions())
}

@_cdecl("edgeai_share") @implementation
public func edgeai_share(
  _ model: OpaquePointer!, _ caller: UnsafePointer<edgeai_share_options>!, _ data: edgeai_data_fn!, _ context: UnsafeMutableRawPointer!,
  _ shared: UnsafeMutablePointer<OpaquePointer?>!, _ report: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let shared = try required(shared, "shared")
    let chosen = try options(caller, defaultShareOptions(), "edgeai_share_options")
    try requireUnused(chosen.reserved, "edgeai_share_options")
    guard let start = UInt8(exactly: chosen.start).flatMap({ ShareOptions.Start(rawValue: $0) }) else {
      throw EdgeError(.invalidArgument, "there is no start of clusters \(chosen.start)")
    }
    var settings = ShareOptions()
    settings.bits = Int(chosen.bits)
    settings.start = start
    settings.iterations = Int(chosen.iterations)
    settings.seed = chosen.seed
    settings.layers = try layerValues(chosen.layers, chosen.layer_count)
    settings.windows = Int(chosen.windows)
    settings.threads = try threadCount(chosen.threads)
    settings.names = try names(chosen.names, chosen.name_count, "names")
    settings.progress = progressHook(chosen.progress, chosen.progress_context)
    let most = try reportSamples(chosen.report_samples)
    try model.requireRunnable()
    let samples = try callerSamples(model.outline, data, context)
    let original = try model.graph
    let graph = try original.shared(settings, samples: samples)
    try giveModel(graph, from: model, original, samples, most: most, threads: settings.threads, progress: settings.progress, shared, report)
  }
}
