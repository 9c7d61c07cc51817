import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

private func defaultCompressOptions() -> edgeai_compress_options {
  let defaults = SearchOptions()
  var options = edgeai_compress_options()
  options.method = Int32(defaults.method.rawValue)
  options.max_drop = -1
  options.block_rows = Int32(defaults.blockRows)
  options.block_columns = Int32(defaults.blockColumns)
  options.scan_samples = Int32(defaults.scanSamples)
  options.threads = Int32(defaults.threads)
  return options
}

@_cdecl("edgeai_compress_options_init") @implementation
public func edgeai_compress_options_init(_ options: UnsafeMutablePointer<edgeai_compress_options>!, _ struct_size: Int) {
  initialize(options, struct_size, defaultCompressOptions())
}

/// The caller's options as the library's, without those that need the model.
private func searchOptions(_ caller: UnsafePointer<edgeai_compress_options>?) throws(EdgeError) -> (SearchOptions, edgeai_compress_options) {
  let chosen = try options(caller, defaultCompressOptions(), "edgeai_compress_options")
  var result = SearchOptions()
  guard let raw = UInt8(exactly: chosen.method), let method = SearchMethod(rawValue: raw) else {
    throw EdgeError(.invalidArgument, "there is no method \(chosen.method)")
  }
  result.method = method
  result.blockRows = Int(chosen.block_rows)
  result.blockColumns = Int(chosen.block_columns)
  result.scanSamples = Int(chosen.scan_samples)
  result.threads = Int(chosen.threads)
  result.version = edgeai_version_number()
  result.progress = progressHook(chosen.progress, chosen.progress_context)
  try result.validate()
  return (result, chosen)
}

private func target(_ options: edgeai_compress_options) throws(EdgeError) -> CompressionTarget {
  var targets: [CompressionTarget] = []
  if options.target_bytes > 0 { targets.append(.bytes(Int(clamping: options.target_bytes))) }
  if options.target_nanoseconds > 0 { targets.append(.nanoseconds(Int(clamping: options.target_nanoseconds))) }
  if options.max_drop >= 0 { targets.append(.drop(options.max_drop)) }
  guard targets.count == 1 else {
    throw EdgeError(.invalidArgument, "\(targets.count) of target_bytes, target_nanoseconds and max_drop are set; exactly one must be")
  }
  return targets[0]
}

@_cdecl("edgeai_compress_state_bytes") @implementation
public func edgeai_compress_state_bytes(
  _ model: OpaquePointer!, _ options: UnsafePointer<edgeai_compress_options>!, _ bytes: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let bytes = try required(bytes, "bytes")
    bytes.pointee = try model.outline.searchStateBytes(try searchOptions(options).0)
  }
}

@_cdecl("edgeai_compress") @implementation
public func edgeai_compress(
  _ model: OpaquePointer!, _ options: UnsafePointer<edgeai_compress_options>!, _ data: edgeai_data_fn!, _ context: UnsafeMutableRawPointer!,
  _ compressed: UnsafeMutablePointer<OpaquePointer?>!, _ report: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let source = try object(model, ModelHandle.self, "model")
    let compressed = try required(compressed, "compressed")
    try source.requireRunnable()
    var (search, chosen) = try searchOptions(options)
    let goal = try target(chosen)
    let needed = try source.outline.searchStateBytes(search)
    if let state = chosen.state {
      guard chosen.state_bytes == needed else {
        throw EdgeError(.invalidArgument, "state_bytes is \(chosen.state_bytes); the state of this search has \(needed)")
      }
      search.state = state
    }
    if let quality = chosen.quality {
      search.quality = { (graph) throws(EdgeError) in
        let judged = handle(try ModelHandle.make(graph, source: EDGEAI_SOURCE_MEMORY, allocator: source.allocator, log: source.log))
        defer { destroy(judged, ModelHandle.self) }
        let value = quality(chosen.quality_context, judged)
        guard !value.isNaN else { throw EdgeError(.cancelled, "the quality function cancelled the search") }
        return value
      }
    }
    guard let samples = try callerSamples(source.outline, data, context) else { throw EdgeError(.invalidArgument, "data is NULL") }
    let original = try source.graph
    let result = try original.compressed(goal, search, samples)
    let model = try ModelHandle.make(result, source: EDGEAI_SOURCE_MEMORY, allocator: source.allocator, log: source.log)
    if let report {
      var measured = try CompressionReport.following(
        original, [(name: "compressed", graph: result)], samples, threads: search.threads, progress: search.progress)
      report.pointee = handle(try ReportHandle.make(&measured, original, result, source.allocator))
    }
    compressed.pointee = handle(model)
  }
}

@_cdecl("edgeai_report_stages") @implementation
public func edgeai_report_stages(
  _ original: OpaquePointer!, _ models: UnsafePointer<OpaquePointer?>!, _ names: UnsafePointer<UnsafePointer<CChar>?>!,
  _ stage_count: Int, _ data: edgeai_data_fn!, _ context: UnsafeMutableRawPointer!, _ report: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: original)) { () throws(EdgeError) in
    let source = try object(original, ModelHandle.self, "original")
    let report = try required(report, "report")
    let models = try required(models, "models")
    let names = try required(names, "names")
    guard stage_count > 0 else { throw EdgeError(.invalidArgument, "there are no stages") }
    try source.requireRunnable()
    var stages: [(name: Text, graph: Graph)] = []
    for index in 0..<stage_count {
      let stage = try object(models[index], ModelHandle.self, "models")
      try stage.requireRunnable()
      stages.append((try text(names[index], "names"), try stage.graph))
    }
    guard let samples = try callerSamples(source.outline, data, context) else { throw EdgeError(.invalidArgument, "data is NULL") }
    let original = try source.graph
    var measured = try CompressionReport.following(original, stages, samples, threads: 1, progress: nil)
    report.pointee = handle(try ReportHandle.make(&measured, original, stages[stage_count - 1].graph, source.allocator))
  }
}
