import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

@_cdecl("edgeai_session_plan_count") @implementation
public func edgeai_session_plan_count(_ session: OpaquePointer!) -> Int {
  session == nil ? 0 : object(session, SessionHandle.self).steps.count
}

@_cdecl("edgeai_session_plan_info") @implementation
public func edgeai_session_plan_info(
  _ session: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<edgeai_step_info>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofSession: session)) { () throws(EdgeError) in
    let plan = try object(session, SessionHandle.self, "session").plan
    try fill(info, "edgeai_step_info", plan.info(try checked(index, below: plan.steps.count, "index")))
  }
}

@_cdecl("edgeai_session_plan_text") @implementation
public func edgeai_session_plan_text(
  _ session: OpaquePointer!, _ buffer: UnsafeMutablePointer<CChar>!, _ capacity: Int, _ length: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofSession: session)) { () throws(EdgeError) in
    let session = try object(session, SessionHandle.self, "session")
    try give(try Plan(try session.model.sessionGraph, session.options, isValid: session.model.isValid).text, buffer, capacity, length)
  }
}

@_cdecl("edgeai_session_step_times") @implementation
public func edgeai_session_step_times(
  _ session: OpaquePointer!, _ index: Int, _ times: UnsafeMutablePointer<edgeai_step_times>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofSession: session)) { () throws(EdgeError) in
    let session = try object(session, SessionHandle.self, "session")
    let measured = session.stepTimes(try checked(index, below: session.steps.count, "index"))
    var answer = session.rates(index, nanoseconds: measured.least)
    answer.runs = measured.runs
    answer.last = measured.last
    answer.least = measured.least
    answer.most = measured.most
    answer.total = measured.total
    answer.mean = Double(measured.total) / Double(max(measured.runs, 1))
    try fill(times, "edgeai_step_times", answer)
  }
}

@_cdecl("edgeai_session_reset_times") @implementation
public func edgeai_session_reset_times(_ session: OpaquePointer!, _ error: UnsafeMutablePointer<edgeai_error>!) -> edgeai_status {
  call(error, allocator: allocator(ofSession: session)) { () throws(EdgeError) in
    try object(session, SessionHandle.self, "session").resetTimes()
  }
}

@_cdecl("edgeai_session_memory_stats") @implementation
public func edgeai_session_memory_stats(
  _ session: OpaquePointer!, _ stats: UnsafeMutablePointer<edgeai_memory_stats>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofSession: session)) { () throws(EdgeError) in
    try fill(stats, "edgeai_memory_stats", try object(session, SessionHandle.self, "session").memory)
  }
}

@_cdecl("edgeai_session_measure_peak") @implementation
public func edgeai_session_measure_peak(_ session: OpaquePointer!, _ error: UnsafeMutablePointer<edgeai_error>!) -> edgeai_status {
  call(error, allocator: allocator(ofSession: session)) { () throws(EdgeError) in
    try object(session, SessionHandle.self, "session").measurePeaks()
  }
}

@_cdecl("edgeai_session_tuning") @implementation
public func edgeai_session_tuning(
  _ session: OpaquePointer!, _ buffer: UnsafeMutableRawPointer!, _ capacity: Int, _ bytes: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofSession: session)) { () throws(EdgeError) in
    let session = try object(session, SessionHandle.self, "session")
    let bytes = try required(bytes, "bytes")
    guard buffer != nil || capacity == 0 else { throw EdgeError(.invalidArgument, "buffer is NULL") }
    let tuning = try Plan(try session.model.sessionGraph, session.options, isValid: session.model.isValid).tuning
    let count = tuning.count &* 8
    if let buffer {
      guard capacity < 0 || capacity >= count else {
        throw EdgeError(.bufferTooSmall, "the tuning takes \(count) bytes; there is room for \(capacity)")
      }
      tuning.withUnsafeBytes { if let base = $0.baseAddress { buffer.copyMemory(from: base, byteCount: count) } }
    }
    bytes.pointee = count
  }
}
