import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The records a session's block is made of. Plain memory: no Swift objects, addresses absolute.
enum SessionBlock {
  struct Header {
    /// Written by any thread. First, so that its address is the block's.
    var cancelled: UInt32
    var steps: UnsafeMutablePointer<Step>
    var stepCount: Int
    var patches: UnsafeMutablePointer<Patch>
    var patchCount: Int
    /// Graph inputs, then graph outputs.
    var borders: UnsafeMutablePointer<Border>
    var inputCount: Int
    var outputCount: Int
    /// The last inputs and outputs are state.
    var states: UnsafeMutablePointer<State>
    var stateCount: Int
    /// The last run left state that the next one has to take.
    var hasNewState: Bool
    var observed: UnsafeMutablePointer<Observed>
    var observedCount: Int
    /// Ticks of each step; nil when not profiled.
    var times: UnsafeMutablePointer<UInt64>?
    var clock: StopClock
    /// nil without a trace.
    var trace: UnsafeMutablePointer<TraceRing>?
    var pool: UnsafeMutableRawPointer?
    var threads: Int
    var maximumIterations: Int
    /// The step that ended the last run, or -1: see `Session.exceededStep`.
    var exceededStep: Int
  }

  struct Step {
    var run: (@convention(c) (UnsafeRawPointer?, Int64, Int64, UnsafeMutableRawPointer?) -> Void)?
    var arguments: UnsafeMutableRawPointer
    var units: Int64
    var scratch: UnsafeMutableRawPointer
    var scratchStride: Int
    var chunks: UInt32
    /// See `ThreadPool.Job`.
    var isLong: Bool
    /// Pointer of the arguments to the number of entries the step found, -1 for none, and how many there is room for.
    var countSlot: Int32
    var bound: Int64
    /// A `ControlStep`.
    var control: UInt32
    var target: Int
  }

  /// A pointer inside an argument structure that follows a graph input or output.
  struct Patch {
    var slot: UnsafeMutableRawPointer
    /// Index into `borders`.
    var border: Int
    var offset: Int
  }

  struct Border {
    var pointer: UnsafeMutableRawPointer
    /// The buffer inside the block.
    var own: UnsafeMutableRawPointer
    var byteCount: Int
    var alignment: Int
    /// Of an output with an axis whose size depends on data: that axis, or -1; its bound; and where its size is.
    var axis: Int
    var bound: Int
    var count: Observed
  }

  struct State {
    /// Indices into `borders`.
    var input: Int
    var output: Int
    /// First contents; nil for zeros.
    var initial: UnsafeRawPointer?
  }

  struct Observed {
    var value: ValueID
    /// Index into `borders`, or -1: then `base` is the address.
    var border: Int
    var base: UnsafeMutableRawPointer
    var offset: Int
  }
}

/// Where each part of a session's block begins.
struct BlockLayout {
  let steps: Int
  let arguments: Int
  /// Of steps with chains, one after the other.
  let chains: Int
  let patches: Int
  let patchCount: Int
  let borders: Int
  let states: Int
  let observed: Int
  let times: Int
  /// The trace's ring, its records, what threads note of their shares, and what stands in for the kernels of steps that they share.
  let trace: Int
  let traceRecords: Int
  let traceShares: Int
  let traceCapacity: Int
  let sharedCalls: Int
  let pool: Int
  let packed: Int
  let packedBytes: Int
  let arena: Int
  /// Of each graph input, then each graph output.
  let borderBuffers: [Int]
  let byteCount: Int

  /// Lays out a lowered graph; sets the packed offsets of steps and the offsets of derived constants, from the
  /// beginning of the packed part. Throws `limitExceeded` when a size overflows.
  init(_ lowering: Lowering, arenaBytes: Int, options: SessionOptions) throws(EdgeError) {
    var cursor = LayoutCursor()
    try cursor.take(1, MemoryLayout<SessionBlock.Header>.stride)
    steps = try cursor.take(lowering.steps.count, MemoryLayout<SessionBlock.Step>.stride)
    var words = 0, chainBytes = 0
    var patchCount = 0
    for step in lowering.steps {
      words = words &+ step.arguments.count
      if let chain = step.chain { chainBytes = chainBytes &+ ChainCall.byteCount(chain) }
      for use in step.slots where BlockLayout.borderIndex(lowering.buffers[use.place.buffer], lowering.graph) != nil { patchCount += 1 }
    }
    arguments = try cursor.take(words, 8)
    chains = try cursor.take(chainBytes, 1)
    patches = try cursor.take(patchCount, MemoryLayout<SessionBlock.Patch>.stride)
    self.patchCount = patchCount
    let borderCount = lowering.graph.inputs.count &+ lowering.graph.outputs.count
    borders = try cursor.take(borderCount, MemoryLayout<SessionBlock.Border>.stride)
    states = try cursor.take(lowering.graph.states.count, MemoryLayout<SessionBlock.State>.stride)
    observed = try cursor.take(options.observed.count, MemoryLayout<SessionBlock.Observed>.stride)
    times = try cursor.take(options.profile ? lowering.steps.count : 0, 8)
    let isTraced = options.traceRuns > 0
    let tracedShares = isTraced && options.threads > 1
    let (records, manyRecords) = lowering.steps.count.multipliedReportingOverflow(by: options.traceRuns)
    if manyRecords { throw EdgeError(.limitExceeded, "the trace's memory overflows") }
    // A model without steps has a ring of one record, so that nothing divides by 0.
    traceCapacity = isTraced ? max(records, 1) : 0
    trace = try cursor.take(isTraced ? 1 : 0, MemoryLayout<TraceRing>.stride)
    traceRecords = try cursor.take(traceCapacity, MemoryLayout<TraceRing.Record>.stride)
    traceShares = try cursor.take(
      tracedShares ? try TraceRing.shareCount(threads: options.threads, capacity: traceCapacity) : 0, MemoryLayout<TraceRing.Share>.stride)
    sharedCalls = try cursor.take(tracedShares ? lowering.steps.count : 0, MemoryLayout<TraceRing.SharedCall>.stride)
    pool = try cursor.take(1, ThreadPool.byteCount(threads: options.threads))

    packed = cursor.end
    // The last step that packs a buffer.
    var packers = [Int](repeating: -1, count: lowering.buffers.count)
    for index in lowering.steps.indices where lowering.steps[index].packedBytes > 0 {
      for use in lowering.steps[index].slots where lowering.steps[index].readsOnlyToPack(use) {
        let earlier = packers[use.place.buffer]
        packers[use.place.buffer] = index
        guard earlier >= 0, lowering.packsAlike(earlier, index) else { continue }
        lowering.steps[index].isPackedBefore = true
        lowering.steps[index].packedOffset = lowering.steps[earlier].packedOffset
      }
      if lowering.steps[index].isPackedBefore { continue }
      lowering.steps[index].packedOffset = try cursor.take(1, lowering.steps[index].packedBytes) &- packed
    }
    for index in lowering.buffers.indices {
      let buffer = lowering.buffers[index]
      guard buffer.isKept else { continue }
      lowering.buffers[index].offset = try cursor.take(1, lowering.buffers[index].byteCount) &- packed
    }
    packedBytes = cursor.end &- packed
    arena = try cursor.take(1, arenaBytes)
    var buffers: [Int] = []
    for value in lowering.graph.inputs + lowering.graph.outputs { buffers.append(try cursor.take(1, try lowering.byteCount(value))) }
    borderBuffers = buffers
    byteCount = cursor.end
  }

  /// Index into the session's borders; nil for memory inside the block or the graph.
  static func borderIndex(_ buffer: PlannedBuffer, _ graph: Graph) -> Int? {
    switch buffer.kind {
    case .input(let index): return index
    case .output(let index): return graph.inputs.count &+ index
    default: return nil
    }
  }
}

/// Hands out 64-byte aligned parts of a block.
private struct LayoutCursor {
  var end = 0

  @discardableResult
  mutating func take(_ count: Int, _ stride: Int) throws(EdgeError) -> Int {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: stride)
    if overflow { throw EdgeError(.limitExceeded, "the session's memory overflows") }
    let begin = end
    let (next, past) = begin.addingReportingOverflow(try MemoryPlan.aligned(bytes))
    if past { throw EdgeError(.limitExceeded, "the session's memory overflows") }
    end = next
    return begin
  }
}
