import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

private func defaultBinarizeOptions() -> edgeai_binarize_options {
  let defaults = BinarizeOptions()
  var options = edgeai_binarize_options()
  options.values = Int32(defaults.values.rawValue)
  options.threshold = defaults.threshold
  options.windows = Int32(defaults.windows)
  options.threads = 1
  options.report_samples = 8
  return options
}

@_cdecl("edgeai_binarize_options_init") @implementation
public func edgeai_binarize_options_init(_ options: UnsafeMutablePointer<edgeai_binarize_options>!, _ struct_size: Int) {
  initialize(options, struct_size, defaultBinarizeOptions())
}

@_cdecl("edgeai_binarize") @implementation
public func edgeai_binarize(
  _ model: OpaquePointer!, _ caller: UnsafePointer<edgeai_binarize_options>!, _ data: edgeai_data_fn!, _ context: UnsafeMutableRawPointer!,
  _ binarized: UnsafeMutablePointer<OpaquePointer?>!, _ report: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let binarized = try required(binarized, "binarized")
    let chosen = try options(caller, defaultBinarizeOptions(), "edgeai_binarize_options")
    guard let values = UInt8(exactly: chosen.values).flatMap({ BinarizeOptions.Values(rawValue: $0) }) else {
      throw EdgeError(.invalidArgument, "there is no kind of values \(chosen.values)")
    }
    var settings = BinarizeOptions()
    settings.values = values
    settings.threshold = chosen.threshold
    settings.includesFirst = chosen.include_first != 0
    settings.includesLast = chosen.include_last != 0
    settings.includesDepthwise = chosen.include_depthwise != 0
    settings.windows = Int(chosen.windows)
    settings.threads = try threadCount(chosen.threads)
    settings.names = try names(chosen.names, chosen.name_count, "names")
    settings.progress = progressHook(chosen.progress, chosen.progress_context)
    let most = try reportSamples(chosen.report_samples)
    try model.requireRunnable()
    let samples = try callerSamples(model.outline, data, context)
    let original = try model.graph
    let graph = try original.binarized(settings, samples: samples)
    try giveModel(graph, from: model, original, samples, most: most, threads: settings.threads, progress: settings.progress, binarized, report)
  }
}
