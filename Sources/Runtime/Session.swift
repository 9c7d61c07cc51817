import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A model ready to run: a handle on one block of memory, frozen from a plan.
///
/// The block holds everything: kernel calls, packed weights, intermediate tensors, buffers for inputs and outputs,
/// the thread pool's state. It must not move while the session lives. Constants that kernels read as they are
/// stay in the graph: keep the plan alive. After `init` nothing allocates.
///
/// One thread uses a session at a time; only `cancel` may be called from any thread, or from a signal handler.
public struct Session {
  /// Alignment of a session's memory.
  public static let alignment = 64

  private let block: UnsafeMutableRawPointer
  private var header: UnsafeMutablePointer<SessionBlock.Header> { block.assumingMemoryBound(to: SessionBlock.Header.self) }

  /// A handle on a block that `init(_:memory:size:)` filled.
  public init(block: UnsafeMutableRawPointer) { self.block = block }

  /// Freezes a plan into `size` bytes at `memory`: fills in addresses, packs weights, starts the pool's threads.
  /// Needs `plan.memoryRequired` bytes, 64-byte aligned. Throws `bufferTooSmall`, `invalidArgument` for a
  /// misaligned address, `outOfMemory` when a thread cannot be started.
  /// `isZero`: all bytes are zero already, so that those which must be need not be touched.
  public init(_ plan: Plan, memory: UnsafeMutableRawPointer, size: Int, isZero: Bool = false) throws(EdgeError) {
    guard size >= plan.memoryRequired else {
      throw EdgeError(.bufferTooSmall, "the session needs \(plan.memoryRequired) bytes, \(size) are given")
    }
    guard UInt(bitPattern: memory) % UInt(Session.alignment) == 0 else {
      throw EdgeError(.invalidArgument, "the session's memory must be \(Session.alignment)-byte aligned")
    }
    block = memory
    let source = plan.graph.source
    SessionFreezer(plan: plan, block: memory, isZero: isZero, source: source).freeze()
    if let failure = source?.failure { throw failure }
    reset()
    if plan.options.threads > 1, let state = header.pointee.pool {
      _ = try ThreadPool.start(state: state, threads: plan.options.threads, spinMicroseconds: plan.options.spinMicroseconds)
    }
  }

  /// Ends the pool's threads. The memory is the caller's again; the handle must not be used any more.
  public func destroy() {
    if let state = header.pointee.pool { ThreadPool(state: state).stop() }
    header.pointee.pool = nil
  }

  // MARK: Running

  /// Runs the model once. False when `cancel` stopped it, or a step did (`exceededStep`): the outputs are then
  /// undefined and the session can run again.
  public func run() -> Bool {
    let isDone = runSteps()
    if header.pointee.times != nil { header.pointee.clock.calibrate() }
    return isDone
  }

  private func runSteps() -> Bool {
    let header = self.header
    let steps = header.pointee.steps
    let times = header.pointee.times
    let stepCount = header.pointee.stepCount
    var iterationsLeft = header.pointee.maximumIterations
    header.pointee.exceededStep = -1
    if let times { times.update(repeating: 0, count: stepCount) }
    takeStates()
    let trace = header.pointee.trace
    trace?.pointee.beginRun()
    // A step begins when the one before it ended: one reading each.
    var clock = times == nil ? 0 : ep_ticks()
    var index = 0
    while index < stepCount {
      if ep_atomic_load(cancelledWord) != 0 {
        ep_atomic_store(cancelledWord, 0)
        return false
      }
      let step = steps + index
      var next = index &+ 1
      var callerEnd: UInt64 = 0
      if step.pointee.control != 0 {
        if Session.follow(step, &next) { iterationsLeft &-= 1 }
        if iterationsLeft < 0 {
          header.pointee.exceededStep = index
          return false
        }
      } else if step.pointee.chunks > 1, let state = header.pointee.pool {
        callerEnd = ThreadPool(state: state).run(
          ThreadPool.Job(
            run: step.pointee.run, arguments: step.pointee.arguments, units: step.pointee.units, chunks: step.pointee.chunks,
            isLong: step.pointee.isLong, scratch: step.pointee.scratch, scratchStride: step.pointee.scratchStride),
          number: trace?.pointee.number ?? 0)
      } else {
        step.pointee.run?(step.pointee.arguments, 0, step.pointee.units, step.pointee.scratch)
      }
      if let times {
        let now = max(ep_ticks(), clock)
        times[index] = times[index] &+ (now &- clock)
        trace?.pointee.note(step: index, begin: clock, end: now, callerEnd: callerEnd)
        clock = now
      }
      if step.pointee.countSlot >= 0, Session.entries(step) > step.pointee.bound {
        header.pointee.exceededStep = index
        return false
      }
      index = next
    }
    header.pointee.hasNewState = header.pointee.stateCount > 0
    return true
  }

  private static func entries(_ step: UnsafeMutablePointer<SessionBlock.Step>) -> Int64 {
    let slot = step.pointee.arguments + Int(step.pointee.countSlot) &* MemoryLayout<UnsafeRawPointer?>.size
    return slot.load(as: UnsafePointer<Int64>.self).pointee
  }

  /// Decides which step comes next; whether an iteration begins.
  private static func follow(_ step: UnsafeMutablePointer<SessionBlock.Step>, _ next: inout Int) -> Bool {
    let arguments = step.pointee.arguments.load(as: ControlArguments.self)
    var holds = true
    if let condition = arguments.condition { holds = condition.pointee != 0 }
    switch step.pointee.control {
    case ControlStep.branch.rawValue: if !holds { next = step.pointee.target }
    case ControlStep.jump.rawValue: next = step.pointee.target
    default:
      guard let number = arguments.number else { return false }
      let isFirst = step.pointee.control == ControlStep.enter.rawValue
      number.pointee = isFirst ? 0 : number.pointee &+ 1
      if let iterations = arguments.iterations { holds = holds && number.pointee < iterations.pointee }
      if holds != isFirst { next = step.pointee.target }
      return holds
    }
    return false
  }

  /// The step (index into the plan's steps) that ended the last run: a loop that asked for more iterations than the
  /// options allow, or one that found more entries than there is room for (`overflow`). Nil when none did.
  public var exceededStep: Int? { header.pointee.exceededStep < 0 ? nil : header.pointee.exceededStep }

  /// How many entries of a dimension that depends on data a step found and how many there is room for; nil for a loop.
  public func overflow(_ index: Int) -> (entries: Int, bound: Int)? {
    let step = header.pointee.steps + index
    guard step.pointee.countSlot >= 0 else { return nil }
    return (Int(clamping: Session.entries(step)), Int(step.pointee.bound))
  }

  /// What the last run left is what this one finds: the two buffers of each state change places. Only now, so that between the
  /// runs both can be looked at; a run that was cancelled left nothing.
  private func takeStates() {
    guard header.pointee.hasNewState else { return }
    header.pointee.hasNewState = false
    let (states, borders) = (header.pointee.states, header.pointee.borders)
    var index = 0
    while index < header.pointee.stateCount {
      // No caller can bind them, so they are the session's own.
      let (left, found) = (borders + states[index].output, borders + states[index].input)
      let new = left.pointee.own
      (left.pointee.own, left.pointee.pointer) = (found.pointee.own, found.pointee.own)
      (found.pointee.own, found.pointee.pointer) = (new, new)
      index &+= 1
    }
    let patches = header.pointee.patches
    var patch = 0
    while patch < header.pointee.patchCount {
      patches[patch].slot.storeBytes(of: borders[patches[patch].border].pointer + patches[patch].offset, as: UnsafeMutableRawPointer.self)
      patch &+= 1
    }
  }

  /// The next run finds the state that the last one found, as if that had been cancelled.
  public func discardNewState() { header.pointee.hasNewState = false }

  public var stateCount: Int { header.pointee.stateCount }

  /// Where state `index` of the graph is between runs: what the last run left and the next one will find, for reading and writing
  /// until then. It moves with each run. Nil when there is no such state.
  public func statePointer(_ index: Int) -> UnsafeMutableRawPointer? {
    guard index >= 0, index < stateCount else { return nil }
    let state = header.pointee.states[index]
    return header.pointee.borders[header.pointee.hasNewState ? state.output : state.input].own
  }

  /// Bytes of state `index`; 0 when there is no such state.
  public func stateByteCount(_ index: Int) -> Int {
    index >= 0 && index < stateCount ? header.pointee.borders[header.pointee.states[index].input].byteCount : 0
  }

  /// Makes the next run find the state as the first one did.
  public func reset() {
    header.pointee.hasNewState = false
    let (states, borders) = (header.pointee.states, header.pointee.borders)
    for index in 0..<header.pointee.stateCount {
      let border = borders[states[index].input]
      if let initial = states[index].initial {
        border.own.copyMemory(from: initial, byteCount: border.byteCount)
      } else {
        ep_zero(border.own, border.byteCount)
      }
    }
  }

  /// Stops the run in progress before its next step; the next run when none is in progress or the last step has
  /// begun.
  public func cancel() { ep_atomic_store(cancelledWord, 1) }

  private var cancelledWord: UnsafeMutablePointer<UInt32> { block.assumingMemoryBound(to: UInt32.self) }

  // MARK: Inputs and outputs

  public var inputCount: Int { header.pointee.inputCount &- header.pointee.stateCount }
  public var outputCount: Int { header.pointee.outputCount &- header.pointee.stateCount }

  /// Where the next run reads graph input `index`: the session's own buffer or the bound one; nil when there is no
  /// such input.
  public func inputPointer(_ index: Int) -> UnsafeMutableRawPointer? { inputBorder(index)?.pointee.pointer }
  /// Where the next run writes graph output `index`.
  public func outputPointer(_ index: Int) -> UnsafeMutableRawPointer? { outputBorder(index)?.pointee.pointer }
  /// Bytes of graph input `index`; 0 when there is no such input.
  public func inputByteCount(_ index: Int) -> Int { inputBorder(index)?.pointee.byteCount ?? 0 }
  /// Bytes of graph output `index`; 0 when there is no such output.
  public func outputByteCount(_ index: Int) -> Int { outputBorder(index)?.pointee.byteCount ?? 0 }

  /// The axis of graph output `index` whose size depends on data, and its size in the last run: the first entries along
  /// it are the output, the others mean nothing. Nil when all sizes are fixed.
  public func outputExtent(_ index: Int) -> (axis: Int, count: Int)? {
    guard let border = outputBorder(index), border.pointee.axis >= 0 else { return nil }
    let count = address(border.pointee.count).load(as: Int64.self)
    return (border.pointee.axis, min(max(Int(clamping: count), 0), border.pointee.bound))
  }

  /// Makes runs read graph input `index` from the caller's memory, which must stay valid and must not overlap an
  /// output; nil goes back to the session's own buffer. `bytes` must be the tensor's exact size, the address
  /// aligned for its element type. Throws `invalidArgument`, `bufferTooSmall` or `shapeMismatch` (too large).
  public func bindInput(_ index: Int, _ pointer: UnsafeRawPointer?, bytes: Int) throws(EdgeError) {
    guard let border = inputBorder(index) else { throw EdgeError(.invalidArgument, "there is no input \(index)") }
    try bind(border, index, UnsafeMutableRawPointer(mutating: pointer), bytes)
  }

  /// Makes runs write graph output `index` to the caller's memory; the rules of `bindInput`.
  public func bindOutput(_ index: Int, _ pointer: UnsafeMutableRawPointer?, bytes: Int) throws(EdgeError) {
    guard let border = outputBorder(index) else { throw EdgeError(.invalidArgument, "there is no output \(index)") }
    try bind(border, header.pointee.inputCount &+ index, pointer, bytes)
  }

  private func bind(
    _ border: UnsafeMutablePointer<SessionBlock.Border>, _ index: Int, _ pointer: UnsafeMutableRawPointer?, _ bytes: Int
  ) throws(EdgeError) {
    if let pointer {
      let needed = border.pointee.byteCount
      if bytes < needed { throw EdgeError(.bufferTooSmall, "the tensor has \(needed) bytes, \(bytes) are given") }
      if bytes > needed { throw EdgeError(.shapeMismatch, "the tensor has \(needed) bytes, \(bytes) are given") }
      guard UInt(bitPattern: pointer) % UInt(border.pointee.alignment) == 0 else {
        throw EdgeError(.invalidArgument, "the address must be \(border.pointee.alignment)-byte aligned")
      }
    }
    let address = pointer ?? border.pointee.own
    border.pointee.pointer = address
    let patches = header.pointee.patches
    for patch in 0..<header.pointee.patchCount where patches[patch].border == index {
      patches[patch].slot.storeBytes(of: address + patches[patch].offset, as: UnsafeMutableRawPointer.self)
    }
  }

  private func inputBorder(_ index: Int) -> UnsafeMutablePointer<SessionBlock.Border>? {
    index >= 0 && index < inputCount ? header.pointee.borders + index : nil
  }

  private func outputBorder(_ index: Int) -> UnsafeMutablePointer<SessionBlock.Border>? {
    index >= 0 && index < outputCount ? header.pointee.borders + (header.pointee.inputCount &+ index) : nil
  }

  // MARK: Looking inside

  /// Contents of an observed value after a run; nil when it was not observed.
  public func pointer(of value: ValueID) -> UnsafeRawPointer? {
    let records = header.pointee.observed
    for index in 0..<header.pointee.observedCount where records[index].value == value {
      return address(records[index])
    }
    return nil
  }

  private func address(_ record: SessionBlock.Observed) -> UnsafeRawPointer {
    UnsafeRawPointer((record.border >= 0 ? header.pointee.borders[record.border].pointer : record.base) + record.offset)
  }

  var trace: UnsafeMutablePointer<TraceRing>? { header.pointee.trace }
  var clock: StopClock { header.pointee.clock }

  /// Time of step `index` of the last run, in a loop of all iterations together; nil unless the plan's options asked for a profile.
  public func stepNanoseconds(_ index: Int) -> UInt64? {
    guard let times = header.pointee.times, index >= 0, index < header.pointee.stepCount else { return nil }
    return header.pointee.clock.duration(times[index])
  }
}
