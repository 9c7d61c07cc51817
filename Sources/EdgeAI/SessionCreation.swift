import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

private func defaultSessionOptions() -> edgeai_session_options {
  let defaults = SessionOptions()
  var options = edgeai_session_options()
  options.batch = 1
  options.threads = 1
  options.spin_microseconds = Int32(clamping: defaults.spinMicroseconds)
  options.max_extent = Int64(defaults.maximumExtent)
  options.max_iterations = Int64(defaults.maximumIterations)
  return options
}

@_cdecl("edgeai_session_options_init") @implementation
public func edgeai_session_options_init(_ options: UnsafeMutablePointer<edgeai_session_options>!, _ struct_size: Int) {
  initialize(options, struct_size, defaultSessionOptions())
}

/// The runtime's options from the caller's.
private func sessionOptions(_ caller: UnsafePointer<edgeai_session_options>?) throws(EdgeError) -> SessionOptions {
  let chosen = try options(caller, defaultSessionOptions(), "edgeai_session_options")
  try requireUnused(chosen.reserved, "edgeai_session_options")
  var result = SessionOptions()
  guard chosen.batch >= 1 else { throw EdgeError(.invalidArgument, "batch is \(chosen.batch); it must be at least 1") }
  guard chosen.threads >= 1 else { throw EdgeError(.invalidArgument, "threads is \(chosen.threads); it must be at least 1") }
  guard chosen.spin_microseconds >= 0 else { throw EdgeError(.invalidArgument, "spin_microseconds is negative") }
  guard chosen.max_extent >= 2 else { throw EdgeError(.invalidArgument, "max_extent is \(chosen.max_extent); it must be at least 2") }
  result.maximumExtent = Int(clamping: chosen.max_extent)
  guard chosen.max_iterations >= 1 else {
    throw EdgeError(.invalidArgument, "max_iterations is \(chosen.max_iterations); it must be at least 1")
  }
  result.maximumIterations = Int(clamping: chosen.max_iterations)
  guard let raw = UInt8(exactly: chosen.precision), let precision = Precision(rawValue: raw) else {
    throw EdgeError(.invalidArgument, "precision is \(chosen.precision), which is none of EDGEAI_PRECISION_*")
  }
  result.precision = precision
  result.compact = chosen.compact != 0
  result.batch = Int(chosen.batch)
  // More would take no part, and their memory and the parts cut for them would only cost.
  result.threads = chosen.threads > 256 ? Int(chosen.threads) : min(Int(chosen.threads), Int(ep_processors()))
  result.spinMicroseconds = Int(chosen.spin_microseconds)
  result.strict = chosen.strict != 0
  result.profile = chosen.profile != 0
  result.tune = chosen.tune != 0
  result.traceRuns = Int(chosen.trace_runs)
  if let tuning = chosen.tuning {
    if result.tune { throw EdgeError(.invalidArgument, "tune and tuning exclude each other: give one of them") }
    result.choices = try StepChoices(tuning: UnsafeRawBufferPointer(start: tuning, count: Int(clamping: chosen.tuning_bytes)))
  } else if chosen.tuning_bytes != 0 {
    throw EdgeError(.invalidArgument, "tuning is NULL and tuning_bytes is not 0")
  }
  if let name = chosen.isa {
    result.isa = try instructionSet(name)
  }
  return result
}

/// The set of a name. Throws `invalidArgument` for an unknown one.
func instructionSet(_ name: UnsafePointer<CChar>) throws(EdgeError) -> InstructionSet {
  var raw: UInt8 = 0
  while let set = InstructionSet(rawValue: raw) {
    if equal(name, set.name) { return set }
    raw += 1
  }
  throw EdgeError(.invalidArgument, "there is no instruction set '\(Text(cString: name))'")
}

@_cdecl("edgeai_session_memory_required") @implementation
public func edgeai_session_memory_required(
  _ model: OpaquePointer!, _ options: UnsafePointer<edgeai_session_options>!, _ bytes: UnsafeMutablePointer<Int>!,
  _ alignment: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let bytes = try required(bytes, "bytes")
    let alignment = try required(alignment, "alignment")
    try model.requireRunnable()
    let options = try sessionOptions(options)
    try refuseTuning(options)
    let plan = try Plan(try model.sessionGraph, options, isValid: model.isValid)
    bytes.pointee = plan.memoryRequired
    alignment.pointee = Session.alignment
  }
}

/// What is measured decides about the size: it would not be the same when the session is created.
private func refuseTuning(_ options: SessionOptions) throws(EdgeError) {
  if options.tune { throw EdgeError(.invalidArgument, "tune changes the session's size: tune a session of its own, then give its tuning") }
}

@_cdecl("edgeai_session_create") @implementation
public func edgeai_session_create(
  _ model: OpaquePointer!, _ options: UnsafePointer<edgeai_session_options>!, _ session: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  create(model, options, nil, session, error)
}

@_cdecl("edgeai_session_create_in") @implementation
public func edgeai_session_create_in(
  _ model: OpaquePointer!, _ options: UnsafePointer<edgeai_session_options>!, _ memory: UnsafeMutableRawPointer!, _ size: Int,
  _ session: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  guard let memory else { return report(error, EDGEAI_ERROR_INVALID_ARGUMENT, "memory is NULL") }
  guard Int(bitPattern: memory) & (Session.alignment - 1) == 0 else {
    return report(error, EDGEAI_ERROR_INVALID_ARGUMENT, "memory is not a multiple of the alignment")
  }
  // Sizes of half the address space and more come from a caller's arithmetic error.
  guard size >= 0 else { return report(error, EDGEAI_ERROR_INVALID_ARGUMENT, "size is more than an object can have") }
  return create(model, options, UnsafeMutableRawBufferPointer(start: memory, count: size), session, error)
}

private func create(
  _ model: OpaquePointer?, _ options: UnsafePointer<edgeai_session_options>?, _ memory: UnsafeMutableRawBufferPointer?,
  _ session: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<edgeai_error>?
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let session = try required(session, "session")
    let options = try sessionOptions(options)
    if memory != nil { try refuseTuning(options) }
    let object = try SessionHandle.make(model, options, memory: memory)
    session.pointee = handle(object)
  }
}

@_cdecl("edgeai_session_destroy") @implementation
public func edgeai_session_destroy(_ session: OpaquePointer!) {
  destroy(session, SessionHandle.self)
}
