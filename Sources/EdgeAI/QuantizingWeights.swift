import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

private func defaultQuantizeWeightsOptions() -> edgeai_quantize_weights_options {
  let defaults = WeightQuantizationOptions()
  var options = edgeai_quantize_weights_options()
  options.goal = Int32(defaults.goal.rawValue)
  options.amount = defaults.amount
  options.damping = defaults.damping
  options.keep_zeros = 1
  options.biases = 1
  options.sensitivity_samples = Int32(defaults.sensitivitySamples)
  options.windows = Int32(defaults.windows)
  options.threads = 1
  options.report_samples = 8
  return options
}

@_cdecl("edgeai_quantize_weights_options_init") @implementation
public func edgeai_quantize_weights_options_init(_ options: UnsafeMutablePointer<edgeai_quantize_weights_options>!, _ struct_size: Int) {
  initialize(options, struct_size, defaultQuantizeWeightsOptions())
}

@_cdecl("edgeai_quantize_weights") @implementation
public func edgeai_quantize_weights(
  _ model: OpaquePointer!, _ caller: UnsafePointer<edgeai_quantize_weights_options>!, _ data: edgeai_data_fn!, _ context: UnsafeMutableRawPointer!,
  _ quantized: UnsafeMutablePointer<OpaquePointer?>!, _ report: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let quantized = try required(quantized, "quantized")
    let chosen = try options(caller, defaultQuantizeWeightsOptions(), "edgeai_quantize_weights_options")
    guard let goal = UInt8(exactly: chosen.goal).flatMap({ WeightQuantizationOptions.Goal(rawValue: $0) }) else {
      throw EdgeError(.invalidArgument, "there is no goal \(chosen.goal)")
    }
    var settings = WeightQuantizationOptions()
    settings.goal = goal
    settings.amount = chosen.amount
    settings.damping = chosen.damping
    settings.keepsZeros = chosen.keep_zeros != 0
    settings.includesBiases = chosen.biases != 0
    settings.sensitivitySamples = Int(chosen.sensitivity_samples)
    settings.layers = try layerValues(chosen.layers, chosen.layer_count)
    settings.windows = Int(chosen.windows)
    settings.threads = try threadCount(chosen.threads)
    settings.names = try names(chosen.names, chosen.name_count, "names")
    settings.progress = progressHook(chosen.progress, chosen.progress_context)
    let most = try reportSamples(chosen.report_samples)
    try model.requireRunnable()
    let samples = try callerSamples(model.outline, data, context)
    let original = try model.graph
    let graph = try original.weightsQuantized(settings, samples: samples)
    try giveModel(graph, from: model, original, samples, most: most, threads: settings.threads, progress: settings.progress, quantized, report)
  }
}
