import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// When each step of the last runs began and ended, and what each thread did of it: a ring in the session's block.
///
/// A session without a trace does nothing for one. Where there is one, the frozen steps that threads share call
/// `SharedCall.run` instead of their kernel, which notes the time in a ring of the thread's own: no thread writes where another one
/// reads or writes during a run. All times are ticks.
struct TraceRing {
  struct Span {
    var begin: UInt64
    var end: UInt64
  }

  struct Record {
    var span: Span
    /// When the caller had done its share of a step that is shared; else 0.
    var callerEnd: UInt64
    var step: UInt32
    var run: UInt32
  }

  /// What a thread did of the step with a number; 0 for none.
  struct Share {
    var span: Span
    var number: Int
  }

  /// Stands in for a kernel that threads share.
  struct SharedCall {
    var kernel: (@convention(c) (UnsafeRawPointer?, Int64, Int64, UnsafeMutableRawPointer?) -> Void)?
    var arguments: UnsafeMutableRawPointer
    /// Of the step: a thread is known by the scratch it is given.
    var scratch: UnsafeMutableRawPointer
    var scratchStride: Int
    /// The number of the job that is being done.
    var number: UnsafeMutablePointer<Int>
    var shares: UnsafeMutablePointer<Share>
    var capacity: Int

    static let run: @convention(c) (UnsafeRawPointer?, Int64, Int64, UnsafeMutableRawPointer?) -> Void = { call, begin, end, scratch in
      guard let call = call?.assumingMemoryBound(to: SharedCall.self), let scratch else { return }
      let distance = scratch - call.pointee.scratch
      // The caller begins with the step, and the pool notes when it ends.
      if distance == 0 {
        call.pointee.kernel?(call.pointee.arguments, begin, end, scratch)
        return
      }
      let number = call.pointee.number.pointee
      let share = call.pointee.shares + TraceRing.place(distance / call.pointee.scratchStride, number, call.pointee.capacity)
      if share.pointee.number != number {
        share.pointee.number = number
        share.pointee.span.begin = ep_ticks()
      }
      call.pointee.kernel?(call.pointee.arguments, begin, end, scratch)
      share.pointee.span.end = ep_ticks()
    }
  }

  /// Where a thread (1 and up) notes its share of the step with a number.
  @inline(__always)
  static func place(_ thread: Int, _ number: Int, _ capacity: Int) -> Int { (thread &- 1) &* capacity &+ number % capacity }

  /// Shares that all threads but the caller keep.
  static func shareCount(threads: Int, capacity: Int) throws(EdgeError) -> Int {
    let (count, overflow) = (threads &- 1).multipliedReportingOverflow(by: capacity)
    if overflow { throw EdgeError(.limitExceeded, "the trace's memory overflows") }
    return count
  }

  private let records: UnsafeMutablePointer<Record>
  private let shares: UnsafeMutablePointer<Share>
  private let capacity: Int
  /// Threads that share steps: none where the caller is alone.
  let threads: Int
  /// Records written, those that were overwritten or forgotten included. The step that is being run has the next number.
  private var count = 0
  private var forgotten = 0
  /// Where the next record goes.
  private var next: UnsafeMutablePointer<Record>
  private(set) var run: UInt32 = 0

  init(records: UnsafeMutablePointer<Record>, shares: UnsafeMutablePointer<Share>, capacity: Int, threads: Int) {
    self.records = records
    self.shares = shares
    self.capacity = capacity
    self.threads = threads
    next = records
  }

  var number: Int { count &+ 1 }

  mutating func beginRun() { run &+= 1 }

  /// Notes a step that is done. `callerEnd`: 0 for one that is not shared.
  @inline(never)
  mutating func note(step: Int, begin: UInt64, end: UInt64, callerEnd: UInt64) {
    next.initialize(
      to: Record(span: Span(begin: begin, end: end), callerEnd: callerEnd, step: UInt32(truncatingIfNeeded: step), run: run))
    count &+= 1
    next += 1
    if next == records + capacity { next = records }
  }

  mutating func forget() {
    forgotten = count
    run = 0
  }

  private var first: Int { max(count &- capacity, forgotten) }

  /// The records that are still there.
  var kept: Int { count &- first }

  /// The record with an index below `kept`, oldest first.
  func record(_ index: Int) -> Record { records[(first &+ index) % capacity] }

  /// What a thread did of it.
  func share(_ index: Int, thread: Int) -> Span? {
    let record = record(index), number = first &+ index &+ 1
    guard record.callerEnd != 0, thread >= 0, thread < threads else { return nil }
    if thread == 0 { return Span(begin: record.span.begin, end: record.callerEnd) }
    let share = shares[TraceRing.place(thread, number, capacity)]
    return share.number == number ? share.span : nil
  }
}

/// One execution of a step, in nanoseconds since the session was made.
public struct TraceEvent {
  /// Index into the plan's steps.
  public let step: Int
  /// Counts the session's runs since the trace began.
  public let run: Int
  public let begin: UInt64
  public let end: UInt64
  /// Threads that `share` may be asked about.
  public let threads: Int
  fileprivate let index: Int
}

extension Session {
  /// What the options' `traceRuns` keep, oldest first: `0..<traceCount`.
  public var traceCount: Int { trace?.pointee.kept ?? 0 }

  public func traceEvent(_ index: Int) -> TraceEvent? {
    guard let ring = trace, index >= 0, index < traceCount else { return nil }
    let record = ring.pointee.record(index)
    return TraceEvent(
      step: Int(record.step), run: Int(record.run), begin: clock.time(record.span.begin), end: clock.time(record.span.end),
      threads: ring.pointee.threads, index: index)
  }

  /// From when to when a thread (0: the caller) worked on its share of an event; nil when it had none.
  public func share(_ event: TraceEvent, thread: Int) -> (begin: UInt64, end: UInt64)? {
    guard let span = trace?.pointee.share(event.index, thread: thread) else { return nil }
    // Processors read their counters a little early or late.
    let begin = min(max(clock.time(span.begin), event.begin), event.end)
    return (begin, min(max(clock.time(span.end), begin), event.end))
  }

  /// Forgets the trace.
  public func resetTrace() { trace?.pointee.forget() }
}
