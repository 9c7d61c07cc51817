import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

/// The common part of describing a session's input or output.
private func describe(
  _ session: OpaquePointer?, _ index: Int, _ info: UnsafeMutablePointer<edgeai_tensor_info>?,
  _ error: UnsafeMutablePointer<edgeai_error>?, _ list: (Graph) -> [ValueID]
) -> edgeai_status {
  call(error, allocator: allocator(ofSession: session)) { () throws(EdgeError) in
    let session = try object(session, SessionHandle.self, "session")
    let ids = list(session.graph)
    let id = ids[try checked(index, below: ids.count, "index")]
    try fill(
      info, "edgeai_tensor_info",
      try tensorInfo(
        session.graph.values[id], name: session.model.valueName(id), batch: session.options.batch, extent: session.extents[id]))
  }
}

/// The allocator of the session's model.
func allocator(ofSession session: OpaquePointer?) -> UnsafePointer<ep_allocator>? {
  session.map { object($0, SessionHandle.self).model.allocator } ?? nil
}

@_cdecl("edgeai_session_input_count") @implementation
public func edgeai_session_input_count(_ session: OpaquePointer!) -> Int {
  session == nil ? 0 : object(session, SessionHandle.self).model.outline.callerInputs.count
}

@_cdecl("edgeai_session_output_count") @implementation
public func edgeai_session_output_count(_ session: OpaquePointer!) -> Int {
  session == nil ? 0 : object(session, SessionHandle.self).model.outline.callerOutputs.count
}

@_cdecl("edgeai_session_input_info") @implementation
public func edgeai_session_input_info(
  _ session: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<edgeai_tensor_info>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  describe(session, index, info, error) { $0.callerInputs }
}

@_cdecl("edgeai_session_output_info") @implementation
public func edgeai_session_output_info(
  _ session: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<edgeai_tensor_info>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  describe(session, index, info, error) { $0.callerOutputs }
}

/// Exact bytes of a session's input or output; nil when the index is out of range.
private func byteCount(_ session: SessionHandle, _ ids: [ValueID], _ index: Int) -> Int? {
  guard index >= 0, index < ids.count else { return nil }
  return session.graph.values[ids[index]].byteCount(batch: session.options.batch)
}

@_cdecl("edgeai_session_input_buffer") @implementation
public func edgeai_session_input_buffer(
  _ session: OpaquePointer!, _ index: Int, _ data: UnsafeMutablePointer<UnsafeMutableRawPointer?>!, _ bytes: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  guard let session, let data else { return report(error, EDGEAI_ERROR_INVALID_ARGUMENT, "session or data is NULL") }
  let object = object(session, SessionHandle.self)
  guard let size = byteCount(object, object.model.outline.callerInputs, index) else {
    return report(error, EDGEAI_ERROR_INVALID_ARGUMENT, "the session has no input of that index")
  }
  guard errorIsUsable(error) else { return EDGEAI_ERROR_ABI_MISMATCH }
  data.pointee = object.session.inputPointer(index)
  bytes?.pointee = size
  return EDGEAI_OK
}

@_cdecl("edgeai_session_output_buffer") @implementation
public func edgeai_session_output_buffer(
  _ session: OpaquePointer!, _ index: Int, _ data: UnsafeMutablePointer<UnsafeRawPointer?>!, _ bytes: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  guard let session, let data else { return report(error, EDGEAI_ERROR_INVALID_ARGUMENT, "session or data is NULL") }
  let object = object(session, SessionHandle.self)
  guard let size = byteCount(object, object.model.outline.callerOutputs, index) else {
    return report(error, EDGEAI_ERROR_INVALID_ARGUMENT, "the session has no output of that index")
  }
  guard errorIsUsable(error) else { return EDGEAI_ERROR_ABI_MISMATCH }
  data.pointee = UnsafeRawPointer(object.session.outputPointer(index))
  bytes?.pointee = size
  return EDGEAI_OK
}

@_cdecl("edgeai_session_output_shape") @implementation
public func edgeai_session_output_shape(
  _ session: OpaquePointer!, _ index: Int, _ dims: UnsafeMutablePointer<Int64>!, _ rank: UnsafeMutablePointer<Int32>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  guard let session, let dims else { return report(error, EDGEAI_ERROR_INVALID_ARGUMENT, "session or dims is NULL") }
  let object = object(session, SessionHandle.self)
  guard index >= 0, index < object.graph.callerOutputs.count else {
    return report(error, EDGEAI_ERROR_INVALID_ARGUMENT, "the session has no output of that index")
  }
  guard errorIsUsable(error) else { return EDGEAI_ERROR_ABI_MISMATCH }
  let shape = object.graph.values[object.graph.outputs[index]].shape
  for axis in 0..<shape.rank { dims[axis] = Int64(shape[axis] == Shape.batch ? object.options.batch : shape[axis]) }
  if let extent = object.session.outputExtent(index) { dims[extent.axis] = Int64(extent.count) }
  rank?.pointee = Int32(shape.rank)
  return EDGEAI_OK
}

@_cdecl("edgeai_session_bind_input") @implementation
public func edgeai_session_bind_input(
  _ session: OpaquePointer!, _ index: Int, _ data: UnsafeRawPointer!, _ bytes: Int, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofSession: session)) { () throws(EdgeError) in
    let session = try object(session, SessionHandle.self, "session")
    try checkBinding(session, session.model.outline.callerInputs, index, UnsafeRawPointer(data), bytes)
    try session.session.bindInput(index, data, bytes: bytes)
  }
}

@_cdecl("edgeai_session_bind_output") @implementation
public func edgeai_session_bind_output(
  _ session: OpaquePointer!, _ index: Int, _ data: UnsafeMutableRawPointer!, _ bytes: Int, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofSession: session)) { () throws(EdgeError) in
    let session = try object(session, SessionHandle.self, "session")
    try checkBinding(session, session.model.outline.callerOutputs, index, UnsafeRawPointer(data), bytes)
    try session.session.bindOutput(index, data, bytes: bytes)
  }
}

/// Also says what the elements are when the size is wrong: a caller may take float16 for float32. Runs of small networks bind
/// each time, so names are asked for only when something is wrong.
private func checkBinding(
  _ session: SessionHandle, _ ids: [ValueID], _ index: Int, _ data: UnsafeRawPointer?, _ bytes: Int
) throws(EdgeError) {
  guard data != nil || bytes == 0 else { throw EdgeError(.invalidArgument, "data is NULL and bytes is not 0") }
  guard ids.indices.contains(index) else { throw EdgeError(.invalidArgument, "the session has no tensor of that index") }
  guard let data, let needed = byteCount(session, ids, index) else { return }
  let alignment = session.graph.values[ids[index]].dtype.byteCount
  if needed == bytes, Int(bitPattern: data) & (alignment &- 1) == 0 { return }
  let value = session.model.outline.values[ids[index]]
  if needed == bytes {
    throw EdgeError(.invalidArgument, "the tensor '\(value.name)' must be \(alignment)-byte aligned", tensor: value.name)
  }
  let count = needed / alignment
  var given: Text = ""
  for other in [DType.float32, .float64, .float16, .uint8] where count > 0 && count &* other.byteCount == bytes {
    given = ", as many as elements of \(other.name) take"
  }
  throw EdgeError(
    bytes < needed ? .bufferTooSmall : .shapeMismatch,
    "the tensor '\(value.name)' is \(value.dtype.name) and has \(needed) bytes; \(bytes) are given\(given)", tensor: value.name)
}

@_cdecl("edgeai_session_run") @implementation
public func edgeai_session_run(_ session: OpaquePointer!, _ error: UnsafeMutablePointer<edgeai_error>!) -> edgeai_status {
  guard let session else { return report(error, EDGEAI_ERROR_INVALID_ARGUMENT, "session is NULL") }
  guard errorIsUsable(error) else { return EDGEAI_ERROR_ABI_MISMATCH }
  let object = object(session, SessionHandle.self)
  if object.run() { return EDGEAI_OK }
  guard let step = object.session.exceededStep else { return report(error, EDGEAI_ERROR_CANCELLED, "the run was cancelled") }
  let status = report(error, EDGEAI_ERROR_LIMIT_EXCEEDED, "the loop passed the session's max_iterations")
  object.name(step, in: error)
  if let overflow = object.session.overflow(step), let error {
    ep_overflow_text(
      &error.pointee.message, Int(EDGEAI_MESSAGE_CAPACITY), object.text(object.steps[step].op), Int64(overflow.entries),
      Int64(overflow.bound))
  }
  return status
}

@_cdecl("edgeai_session_reset") @implementation
public func edgeai_session_reset(_ session: OpaquePointer!, _ error: UnsafeMutablePointer<edgeai_error>!) -> edgeai_status {
  guard let session else { return report(error, EDGEAI_ERROR_INVALID_ARGUMENT, "session is NULL") }
  guard errorIsUsable(error) else { return EDGEAI_ERROR_ABI_MISMATCH }
  object(session, SessionHandle.self).session.reset()
  return EDGEAI_OK
}

@_cdecl("edgeai_session_cancel") @implementation
public func edgeai_session_cancel(_ session: OpaquePointer!) {
  guard let session else { return }
  object(session, SessionHandle.self).session.cancel()
}
