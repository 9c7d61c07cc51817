import CPlatform

/// When each step of the last runs began and ended, and what each thread did of it: a ring in the session's block.
///
/// A session without a trace does nothing for one. Where there is one, the frozen steps that threads share call
/// `SharedCall.run` instead of their kernel, which notes the time in a line for each thread; when the step is done the session
/// copies the lines into the ring.
struct TraceRing {
  struct Span {
    var begin: UInt64
    var end: UInt64
  }

  struct Record {
    var span: Span
    var step: UInt32
    var run: UInt32
  }

  /// Stands in for a kernel that threads share.
  struct SharedCall {
    var kernel: (@convention(c) (UnsafeRawPointer?, Int64, Int64, UnsafeMutableRawPointer?) -> Void)?
    var arguments: UnsafeMutableRawPointer
    /// Of the step: a thread is known by the scratch it is given.
    var scratch: UnsafeMutableRawPointer
    var scratchStride: Int
    /// A `Span` for each thread, `lineBytes` apart.
    var lines: UnsafeMutableRawPointer

    static let run: @convention(c) (UnsafeRawPointer?, Int64, Int64, UnsafeMutableRawPointer?) -> Void = { call, begin, end, scratch in
      guard let call = call?.assumingMemoryBound(to: SharedCall.self), let scratch else { return }
      let thread = (scratch - call.pointee.scratch) / call.pointee.scratchStride
      let span = (call.pointee.lines + thread &* lineBytes).assumingMemoryBound(to: Span.self)
      if span.pointee.begin == 0 { span.pointee.begin = ep_nanoseconds() }
      call.pointee.kernel?(call.pointee.arguments, begin, end, scratch)
      span.pointee.end = ep_nanoseconds()
    }
  }

  /// A cache line for each thread, because it alone writes there.
  static let lineBytes = 64

  var records: UnsafeMutableRawPointer
  var lines: UnsafeMutableRawPointer
  var capacity: Int
  /// Threads with a span in each record: none where the caller is alone.
  var threads: Int
  /// Records written, those that were overwritten included.
  var count: Int
  var run: UInt32

  /// Bytes of a record: `Record`, then a `Span` for each thread.
  static func stride(threads: Int) -> Int {
    MemoryLayout<Record>.stride &+ (threads > 1 ? threads &* MemoryLayout<Span>.stride : 0)
  }

  private func record(_ number: Int) -> UnsafeMutablePointer<Record> {
    (records + number % capacity &* TraceRing.stride(threads: threads)).assumingMemoryBound(to: Record.self)
  }

  static func spans(_ record: UnsafeMutablePointer<Record>) -> UnsafeMutablePointer<Span> {
    UnsafeMutableRawPointer(record + 1).assumingMemoryBound(to: Span.self)
  }

  /// Notes a step that is done. `isShared`: threads have noted their spans; else the caller ran it alone.
  @inline(never)
  mutating func note(step: Int, begin: UInt64, end: UInt64, isShared: Bool) {
    let record = record(count)
    record.initialize(to: Record(span: Span(begin: begin, end: end), step: UInt32(truncatingIfNeeded: step), run: run))
    count &+= 1
    var thread = 0
    while thread < threads {
      var span = Span(begin: 0, end: 0)
      if isShared {
        let line = (lines + thread &* TraceRing.lineBytes).assumingMemoryBound(to: Span.self)
        span = line.pointee
        line.pointee.begin = 0
      }
      (TraceRing.spans(record) + thread).initialize(to: span)
      thread &+= 1
    }
  }

  /// The records that are still there, oldest first, from this number on.
  var first: Int { max(count &- capacity, 0) }

  subscript(number: Int) -> UnsafeMutablePointer<Record> { record(number) }
}

/// One execution of a step, in nanoseconds of a monotonic clock.
public struct TraceEvent {
  /// Index into the plan's steps.
  public let step: Int
  /// Counts the session's runs since the trace began.
  public let run: Int
  public let begin: UInt64
  public let end: UInt64
  fileprivate let spans: UnsafeMutablePointer<TraceRing.Span>
  /// Threads that `share` may be asked about.
  public let threads: Int

  /// From when to when a thread (0: the caller) worked on its share; nil when it had none.
  public func share(_ thread: Int) -> (begin: UInt64, end: UInt64)? {
    let span = spans[thread]
    return span.begin == 0 ? nil : (span.begin, span.end)
  }
}

extension Session {
  /// What the options' `traceRuns` keep, oldest first: `0..<traceCount`.
  public var traceCount: Int {
    guard let ring = trace?.pointee else { return 0 }
    return ring.count &- ring.first
  }

  public func traceEvent(_ index: Int) -> TraceEvent? {
    guard let ring = trace?.pointee, index >= 0, index < traceCount else { return nil }
    let record = ring[ring.first &+ index]
    return TraceEvent(
      step: Int(record.pointee.step), run: Int(record.pointee.run), begin: record.pointee.span.begin, end: record.pointee.span.end,
      spans: TraceRing.spans(record), threads: ring.threads)
  }

  /// Forgets the trace.
  public func resetTrace() {
    trace?.pointee.count = 0
    trace?.pointee.run = 0
  }
}
