import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

extension SessionHandle {
  /// The trace in the format of Chrome's trace events: complete events ("X"), and the names of threads ("M"). Steps are events of
  /// thread 0, the caller's; what it did of a step that is shared lies inside.
  func traceText() throws(EdgeError) -> Text {
    guard options.traceRuns > 0 else { throw EdgeError(.invalidArgument, "the session was created without trace_runs") }
    var json = JsonText()
    json.open("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")
    for thread in 0..<options.threads {
      json.raw("{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":0,\"tid\":\(thread),\"args\":{\"name\":\"thread \(thread)\"}}")
    }
    let start = session.traceEvent(0)?.begin ?? 0
    for index in 0..<session.traceCount {
      guard let event = session.traceEvent(index) else { break }
      open("step", event.step, thread: 0, (event.begin, event.end), since: start, &json)
      writeArguments(event, &json)
      for thread in 0..<event.threads {
        guard let share = session.share(event, thread: thread) else { continue }
        open("share", event.step, thread: thread, share, since: start, &json)
        json.close("}")
      }
    }
    json.close("]}")
    return json.text
  }

  /// Begins an event with what all have.
  private func open(
    _ category: Text, _ step: Int, thread: Int, _ time: (begin: UInt64, end: UInt64), since start: UInt64, _ json: inout JsonText
  ) {
    json.open("{")
    json.field("name", string(steps[step].name == 0 ? steps[step].op : steps[step].name))
    json.raw("\"ph\":\"X\",\"cat\":\"\(category)\",\"pid\":0,\"tid\":\(thread)")
    json.field("ts", Double(time.begin &- start) / 1000)
    json.field("dur", Double(time.end &- time.begin) / 1000)
  }

  /// What the step is and how fast it was; ends the event.
  private func writeArguments(_ event: TraceEvent, _ json: inout JsonText) {
    let step = steps[event.step]
    let rates = rates(event.step, nanoseconds: event.end &- event.begin)
    json.key("args")
    json.open("{")
    json.field("op", string(step.op))
    json.field("kernel", string(step.kernel))
    json.field("dtype", Text(step.dtype.name))
    json.field("shape", step.shape.text)
    json.field("run", event.run)
    json.field("step", event.step)
    json.field("parts", step.parts)
    json.field("bytes", step.byteCount)
    json.field("gbytes", rates.gbytes)
    json.field("gops", rates.gops)
    json.field("peak_share", rates.peak_share)
    json.close("}}")
  }

  private func string(_ offset: Int) -> Text { text(offset).map { Text(cString: $0) } ?? "" }
}

@_cdecl("edgeai_session_write_trace") @implementation
public func edgeai_session_write_trace(
  _ session: OpaquePointer!, _ buffer: UnsafeMutablePointer<CChar>!, _ capacity: Int, _ length: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofSession: session)) { () throws(EdgeError) in
    try give(try object(session, SessionHandle.self, "session").traceText(), buffer, capacity, length)
  }
}

@_cdecl("edgeai_session_save_trace") @implementation
public func edgeai_session_save_trace(
  _ session: OpaquePointer!, _ path: UnsafePointer<CChar>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofSession: session)) { () throws(EdgeError) in
    let path = try required(path, "path")
    let text = try object(session, SessionHandle.self, "session").traceText().utf8
    var failure: EdgeError?
    text.withUnsafeBytes { bytes in
      do throws(EdgeError) { try writeFile(path, bytes) } catch let error { failure = error }
    }
    if let failure { throw failure }
  }
}
