import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

@_cdecl("edgeai_session_plan_count") @implementation
public func edgeai_session_plan_count(_ session: OpaquePointer!) -> Int {
  session == nil ? 0 : object(session, SessionHandle.self).plan.steps.count
}

@_cdecl("edgeai_session_plan_info") @implementation
public func edgeai_session_plan_info(
  _ session: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<edgeai_step_info>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofSession: session)) { () throws(EdgeError) in
    let session = try object(session, SessionHandle.self, "session")
    let index = try checked(index, below: session.plan.steps.count, "index")
    let step = session.plan.steps[index]
    let texts = session.stepTexts(index)
    var answer = edgeai_step_info()
    answer.dtype = Int32(step.dtype.rawValue)
    answer.name = texts.name
    answer.op = texts.op
    answer.kernel = texts.kernel
    answer.isa = texts.isa
    answer.note = texts.note
    answer.rank = copyDims(step.shape, to: &answer.dims)
    answer.result_bytes = UInt64(clamping: step.resultBytes)
    answer.weight_bytes = UInt64(clamping: step.weightBytes)
    answer.multiply_adds = UInt64(clamping: step.multiplyAdds)
    try fill(info, "edgeai_step_info", answer)
  }
}

@_cdecl("edgeai_session_plan_text") @implementation
public func edgeai_session_plan_text(
  _ session: OpaquePointer!, _ buffer: UnsafeMutablePointer<CChar>!, _ capacity: Int, _ length: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofSession: session)) { () throws(EdgeError) in
    try give(try object(session, SessionHandle.self, "session").plan.text, buffer, capacity, length)
  }
}

@_cdecl("edgeai_session_step_times") @implementation
public func edgeai_session_step_times(
  _ session: OpaquePointer!, _ index: Int, _ times: UnsafeMutablePointer<edgeai_step_times>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofSession: session)) { () throws(EdgeError) in
    let session = try object(session, SessionHandle.self, "session")
    let step = session.stepTimes(try checked(index, below: session.plan.steps.count, "index"))
    try fill(
      times, "edgeai_step_times",
      edgeai_step_times(
        struct_size: 0, reserved: 0, runs: step.runs, last: step.last, least: step.least, most: step.most, total: step.total))
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
    let plan = try object(session, SessionHandle.self, "session").plan
    var answer = edgeai_memory_stats()
    answer.total_bytes = UInt64(plan.memoryRequired)
    answer.activation_bytes = UInt64(clamping: plan.activationBytes)
    answer.packed_weight_bytes = UInt64(clamping: plan.packedBytes)
    answer.scratch_bytes = UInt64(clamping: plan.scratchBytes)
    answer.other_bytes = answer.total_bytes &- answer.activation_bytes &- answer.packed_weight_bytes &- answer.scratch_bytes
    try fill(stats, "edgeai_memory_stats", answer)
  }
}
