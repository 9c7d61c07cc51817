import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Compression
import Format
import Graph
#endif

private func defaultQuantizeOptions() -> edgeai_quantize_options {
  let defaults = CalibrationOptions()
  var options = edgeai_quantize_options()
  options.calibrator = Int32(defaults.calibrator.rawValue)
  options.per_channel = 1
  options.threads = 1
  options.report_samples = 8
  options.percentile = Float(defaults.percentile)
  options.momentum = Float(defaults.momentum)
  return options
}

@_cdecl("edgeai_quantize_options_init") @implementation
public func edgeai_quantize_options_init(_ options: UnsafeMutablePointer<edgeai_quantize_options>!, _ struct_size: Int) {
  initialize(options, struct_size, defaultQuantizeOptions())
}

@_cdecl("edgeai_calibration_create") @implementation
public func edgeai_calibration_create(
  _ model: OpaquePointer!, _ options: UnsafePointer<edgeai_quantize_options>!, _ calibration: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  create(model, options, calibration, error)
}

private func create(
  _ model: OpaquePointer?, _ caller: UnsafePointer<edgeai_quantize_options>?, _ calibration: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<edgeai_error>?
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let calibration = try required(calibration, "calibration")
    let chosen = try options(caller, defaultQuantizeOptions(), "edgeai_quantize_options")
    calibration.pointee = handle(try CalibrationHandle.make(model, chosen))
  }
}

private func allocator(ofCalibration calibration: OpaquePointer?) -> UnsafePointer<ep_allocator>? {
  calibration.map { object($0, CalibrationHandle.self).model.allocator } ?? nil
}

@_cdecl("edgeai_calibration_feed") @implementation
public func edgeai_calibration_feed(
  _ calibration: OpaquePointer!, _ inputs: UnsafePointer<edgeai_span>!, _ input_count: Int, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofCalibration: calibration)) { () throws(EdgeError) in
    try object(calibration, CalibrationHandle.self, "calibration").feed(inputs, input_count)
  }
}

@_cdecl("edgeai_calibration_sample_count") @implementation
public func edgeai_calibration_sample_count(_ calibration: OpaquePointer!) -> UInt64 {
  calibration == nil ? 0 : UInt64(object(calibration, CalibrationHandle.self).sampleCount)
}

@_cdecl("edgeai_calibration_finish") @implementation
public func edgeai_calibration_finish(_ calibration: OpaquePointer!, _ error: UnsafeMutablePointer<edgeai_error>!) -> edgeai_status {
  call(error, allocator: allocator(ofCalibration: calibration)) { () throws(EdgeError) in
    try object(calibration, CalibrationHandle.self, "calibration").finish()
  }
}

@_cdecl("edgeai_calibration_destroy") @implementation
public func edgeai_calibration_destroy(_ calibration: OpaquePointer!) {
  destroy(calibration, CalibrationHandle.self)
}

@_cdecl("edgeai_quantize") @implementation
public func edgeai_quantize(
  _ calibration: OpaquePointer!, _ quantized: UnsafeMutablePointer<OpaquePointer?>!, _ report: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofCalibration: calibration)) { () throws(EdgeError) in
    let calibration = try object(calibration, CalibrationHandle.self, "calibration")
    let quantized = try required(quantized, "quantized")
    guard let ranges = calibration.result else { throw EdgeError(.invalidArgument, "the calibration is not finished") }
    let source = calibration.model
    let original = try source.graph
    let result = try original.quantized(ranges, calibration.quantizer)
    let model = try ModelHandle.make(result.graph, source: EDGEAI_SOURCE_MEMORY, allocator: source.allocator, log: source.log)
    for warning in result.warnings { source.log.write(EDGEAI_LOG_WARNING, warning) }
    if let report {
      let comparison = try Comparison.make(original, result.graph, reasons: result.reasons, threads: calibration.threads)
      var inputs: [UnsafeRawPointer] = []
      for storage in calibration.kept { inputs.append(UnsafeRawPointer(storage.base)) }
      try comparison.feed(inputs: inputs, samples: calibration.keptCount, progress: calibration.progress)
      var measured = comparison.report()
      measured.warnings = result.warnings
      report.pointee = handle(try ReportHandle.make(&measured, original, result.graph, source.allocator))
    }
    quantized.pointee = handle(model)
  }
}

@_cdecl("edgeai_compare") @implementation
public func edgeai_compare(
  _ model: OpaquePointer!, _ other: OpaquePointer!, _ data: edgeai_data_fn!, _ context: UnsafeMutableRawPointer!,
  _ report: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let other = try object(other, ModelHandle.self, "other")
    let next = try required(data, "data")
    let report = try required(report, "report")
    try model.requireRunnable()
    try other.requireRunnable()
    let (graph, otherGraph) = (try model.graph, try other.graph)
    let comparison = try Comparison.make(graph, otherGraph)
    try forEachBatch(graph, next, context) { (batch) throws(EdgeError) in
      try comparison.feed(inputs: batch.pointers, samples: batch.samples)
    }
    var measured = comparison.report()
    report.pointee = handle(try ReportHandle.make(&measured, graph, otherGraph, model.allocator))
  }
}
