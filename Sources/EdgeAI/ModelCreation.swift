import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
import Training
#endif

private func defaultArchitectureOptions() -> edgeai_architecture_options {
  let defaults = Architecture(.lenet300)
  var options = edgeai_architecture_options()
  options.architecture = Int32(defaults.kind.rawValue)
  options.width = defaults.width
  options.gamma = defaults.gamma
  return options
}

@_cdecl("edgeai_architecture_options_init") @implementation
public func edgeai_architecture_options_init(_ options: UnsafeMutablePointer<edgeai_architecture_options>!, _ struct_size: Int) {
  initialize(options, struct_size, defaultArchitectureOptions())
}

/// The caller's options; the list is copied.
private func architecture(_ caller: edgeai_architecture_options) throws(EdgeError) -> Architecture {
  guard let kind = UInt8(exactly: caller.architecture).flatMap({ Architecture.Kind(rawValue: $0) }) else {
    throw EdgeError(.invalidArgument, "there is no architecture \(caller.architecture)")
  }
  var architecture = Architecture(kind)
  architecture.seed = caller.seed
  architecture.width = caller.width
  architecture.gamma = caller.gamma
  architecture.resolution = Int(caller.resolution)
  architecture.channels = Int(caller.channels)
  architecture.classes = Int(caller.classes)
  architecture.hasNormalization = caller.batch_norm != 0
  architecture.hasBypass = caller.bypass != 0
  if caller.width_count != 0 {
    let widths = try required(caller.widths, "widths")
    // A size beyond Int arrives as a negative number.
    guard caller.width_count > 0, caller.width_count <= Architecture.mostWidths else {
      throw EdgeError(.invalidArgument, "width_count is out of range: there are at most \(Architecture.mostWidths) widths")
    }
    for index in 0..<caller.width_count { architecture.widths.append(Int(clamping: widths[index])) }
  }
  return architecture
}

@_cdecl("edgeai_model_create") @implementation
public func edgeai_model_create(
  _ options: UnsafePointer<edgeai_architecture_options>!, _ model: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  create(options, model, error)
}

private func create(
  _ caller: UnsafePointer<edgeai_architecture_options>?, _ model: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<edgeai_error>?
) -> edgeai_status {
  // The allocator must be known before anything is allocated, so it is looked at first, by itself.
  var hook: UnsafePointer<edgeai_allocator>?
  if let caller, isPlausible(caller) { hook = caller.pointee.allocator }
  guard isUsable(hook) else { return report(error, EDGEAI_ERROR_INVALID_ARGUMENT, "the allocator is not filled in") }
  let allocator = platformAllocator(hook)
  return call(error, allocator: allocator) { () throws(EdgeError) in
    let model = try required(model, "model")
    let chosen = try options(try required(caller, "options"), defaultArchitectureOptions(), "edgeai_architecture_options")
    try requireUnused(chosen.reserved, "edgeai_architecture_options")
    let log = LogSink(function: chosen.log, context: chosen.log_context)
    let graph = try architecture(chosen).graph()
    model.pointee = handle(try ModelHandle.make(graph, source: EDGEAI_SOURCE_MEMORY, allocator: allocator, log: log))
  }
}
