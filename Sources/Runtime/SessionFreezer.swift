import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Fills a session's block from a plan: records, argument structures with addresses, packed weights.
struct SessionFreezer {
  let plan: Plan
  let block: UnsafeMutableRawPointer
  /// All of the block is zero.
  let isZero: Bool
  /// What makes constants on demand, if they are.
  let source: (any ConstantSource)?

  func freeze() {
    let layout = plan.layout
    let graph = plan.graph
    let header = block.bindMemory(to: SessionBlock.Header.self, capacity: 1)
    header.initialize(
      to: SessionBlock.Header(
        cancelled: 0, steps: (block + layout.steps).bindMemory(to: SessionBlock.Step.self, capacity: plan.lowered.count),
        stepCount: plan.lowered.count,
        patches: (block + layout.patches).bindMemory(to: SessionBlock.Patch.self, capacity: layout.patchCount),
        patchCount: layout.patchCount,
        borders: (block + layout.borders).bindMemory(to: SessionBlock.Border.self, capacity: layout.borderBuffers.count),
        inputCount: graph.inputs.count, outputCount: graph.outputs.count,
        states: (block + layout.states).bindMemory(to: SessionBlock.State.self, capacity: graph.states.count),
        stateCount: graph.states.count, hasNewState: false,
        observed: (block + layout.observed).bindMemory(to: SessionBlock.Observed.self, capacity: plan.options.observed.count),
        observedCount: plan.options.observed.count,
        times: plan.options.profile
          ? (block + layout.times).bindMemory(to: UInt64.self, capacity: plan.lowered.count) : nil,
        clock: StopClock(),
        trace: layout.traceCapacity > 0 ? (block + layout.trace).bindMemory(to: TraceRing.self, capacity: 1) : nil,
        pool: plan.options.threads > 1 ? block + layout.pool : nil, threads: plan.options.threads,
        maximumIterations: plan.options.maximumIterations, exceededStep: -1))
    writeBorders(header)
    writeStates(header)
    var isMissing = plan.buffers.map { $0.isKept }
    writeSteps(header, &isMissing)
    writeKept(isMissing)
    writeTrace(header)
    writeObserved(header)
    if let times = header.pointee.times { times.initialize(repeating: 0, count: plan.lowered.count) }
  }

  private func writeBorders(_ header: UnsafeMutablePointer<SessionBlock.Header>) {
    let values = plan.graph.inputs + plan.graph.outputs
    for (index, offset) in plan.layout.borderBuffers.enumerated() {
      let value = plan.graph.values[values[index]]
      let own = block + offset
      let bytes = value.byteCount(batch: plan.options.batch) ?? 0
      if !isZero { ep_zero(own, bytes) }
      (header.pointee.borders + index).initialize(
        to: SessionBlock.Border(pointer: own, own: own, byteCount: bytes, alignment: value.dtype.byteCount, axis: -1, bound: 0, count: place(of: values[index])))
      guard index >= plan.graph.inputs.count, let extent = plan.extents[values[index]] else { continue }
      (header.pointee.borders + index).pointee.axis = extent.axis
      (header.pointee.borders + index).pointee.bound = value.shape[extent.axis]
      (header.pointee.borders + index).pointee.count = place(of: extent.count)
      clear(extent.count)
    }
  }

  private func writeStates(_ header: UnsafeMutablePointer<SessionBlock.Header>) {
    let graph = plan.graph
    for (index, state) in graph.states.enumerated() {
      let input = graph.inputs.count &- graph.states.count &+ index
      let output = graph.inputs.count &+ graph.outputs.count &- graph.states.count &+ index
      var initial: UnsafeRawPointer?
      if state != Node.noValue, let constant = graph.values[state].constant {
        initial = constant.isOnDemand ? plan.places[state].map { UnsafeRawPointer(base(of: plan.buffers[$0.buffer])) } : constant.base
      }
      (header.pointee.states + index).initialize(to: SessionBlock.State(input: input, output: output, initial: initial))
    }
  }

  /// What is kept and no step reads. That of steps is there already: constants were made when their step's weights were.
  private func writeKept(_ isMissing: [Bool]) {
    for index in plan.buffers.indices where isMissing[index] {
      write(plan.buffers[index])
      source?.forget()
    }
  }

  private func write(_ buffer: PlannedBuffer) {
    let place = block + plan.layout.packed + buffer.offset
    switch buffer.kind {
    case .constant(let data): place.copyMemory(from: data.base, byteCount: data.byteCount)
    case .derived(let storage): place.copyMemory(from: storage.base, byteCount: storage.count)
    default: break
    }
  }

  private func writeSteps(_ header: UnsafeMutablePointer<SessionBlock.Header>, _ isMissing: inout [Bool]) {
    let pointerSize = MemoryLayout<UnsafeRawPointer?>.size
    var arguments = block + plan.layout.arguments
    var patch = header.pointee.patches
    var begins: [UnsafeMutableRawPointer] = []
    var chains = block + plan.layout.chains
    for (index, step) in plan.lowered.enumerated() {
      let bytes = step.arguments.count &* 8
      step.arguments.withUnsafeBytes { source in
        if let base = source.baseAddress { arguments.copyMemory(from: base, byteCount: bytes) }
      }
      for use in step.slots {
        let slot = arguments + use.slot &* pointerSize
        let buffer = plan.buffers[use.place.buffer]
        // Need not be made again.
        if step.isPackedBefore, step.readsOnlyToPack(use), buffer.isMade { continue }
        if isMissing[use.place.buffer] {
          isMissing[use.place.buffer] = false
          write(buffer)
        }
        let address = base(of: buffer) + use.place.offset
        slot.storeBytes(of: address, as: UnsafeMutableRawPointer.self)
        if let border = BlockLayout.borderIndex(buffer, plan.graph) {
          patch.initialize(to: SessionBlock.Patch(slot: slot, border: border, offset: use.place.offset))
          patch += 1
        }
      }
      if let packedSlot = step.packedSlot, step.packedBytes > 0, let pack = step.kernel.pack {
        let packed = block + plan.layout.packed + step.packedOffset
        if !step.isPackedBefore { pack(arguments, packed) }
        (arguments + packedSlot &* pointerSize).storeBytes(of: packed, as: UnsafeMutableRawPointer.self)
        // What was made for packing alone goes; some kernels look at whether there is a pointer.
        for use in step.slots where step.readsOnlyToPack(use) && plan.buffers[use.place.buffer].isMade {
          (arguments + use.slot &* pointerSize).storeBytes(of: packed, as: UnsafeMutableRawPointer.self)
        }
      }
      source?.forget()
      begins.append(arguments)
      (header.pointee.steps + index).initialize(
        to: SessionBlock.Step(
          run: step.isChained ? nil : step.kernel.run, arguments: arguments, units: step.units,
          scratch: block + plan.layout.arena + step.scratchOffset, scratchStride: (step.scratchBytes &+ 63) & ~63, chunks: UInt32(step.chunks), isLong: step.isLong,
          countSlot: Int32(truncatingIfNeeded: step.countSlot), bound: Int64(step.bound), control: step.control.rawValue, target: step.target))
      arguments += bytes
      if let chain = step.chain {
        write(chain, chains, begins)
        (header.pointee.steps + index).pointee.run = ChainCall.run
        (header.pointee.steps + index).pointee.arguments = chains
        chains += ChainCall.byteCount(chain)
      }
    }
  }

  /// A chain of steps whose arguments begin at `begins`.
  private func write(_ chain: Chain, _ call: UnsafeMutableRawPointer, _ begins: [UnsafeMutableRawPointer]) {
    call.initializeMemory(
      as: ChainCall.self,
      to: ChainCall(
        memberCount: chain.members.count, lines: chain.lines, length: chain.length, bandsOfItem: chain.bandsOfItem,
        arguments: ChainCall.progressBytes(chain.members.count), kernelScratch: chain.kernelScratch))
    let members = (call + MemoryLayout<ChainCall>.stride).bindMemory(to: ChainCall.Member.self, capacity: chain.members.count)
    for (index, member) in chain.members.enumerated() {
      let step = plan.lowered[member.step]
      (members + index).initialize(
        to: ChainCall.Member(
          run: step.kernel.run, units: step.kernel.units, arguments: begins[member.step], byteCount: step.arguments.count &* 8,
          elementBytes: step.elementBytes, plan: member))
    }
  }

  /// The trace's ring; steps that threads share get a call that notes the time around the kernel's.
  private func writeTrace(_ header: UnsafeMutablePointer<SessionBlock.Header>) {
    let layout = plan.layout
    let threads = plan.options.threads > 1 ? plan.options.threads : 0
    let capacity = layout.traceCapacity
    let shares = (block + layout.traceShares).bindMemory(to: TraceRing.Share.self, capacity: threads &* capacity)
    header.pointee.trace?.initialize(
      to: TraceRing(
        records: (block + layout.traceRecords).bindMemory(to: TraceRing.Record.self, capacity: capacity), shares: shares, capacity: capacity,
        threads: threads))
    guard header.pointee.trace != nil, threads > 0, let pool = header.pointee.pool else { return }
    if !isZero { ep_zero(shares, (threads &- 1) &* capacity &* MemoryLayout<TraceRing.Share>.stride) }
    let calls = (block + layout.sharedCalls).bindMemory(to: TraceRing.SharedCall.self, capacity: plan.lowered.count)
    for index in plan.lowered.indices {
      let step = header.pointee.steps + index
      // Where the arguments are looked at after the run they stay the kernel's.
      guard step.pointee.chunks > 1, step.pointee.countSlot < 0 else { continue }
      (calls + index).initialize(
        to: TraceRing.SharedCall(
          kernel: step.pointee.run, arguments: step.pointee.arguments, scratch: step.pointee.scratch,
          scratchStride: step.pointee.scratchStride, number: ThreadPool(state: pool).number, shares: shares, capacity: capacity))
      step.pointee.run = TraceRing.SharedCall.run
      step.pointee.arguments = UnsafeMutableRawPointer(calls + index)
    }
  }

  private func writeObserved(_ header: UnsafeMutablePointer<SessionBlock.Header>) {
    for (index, value) in plan.options.observed.enumerated() {
      (header.pointee.observed + index).initialize(to: place(of: value))
    }
  }

  /// Before the first run there are no entries.
  private func clear(_ count: ValueID) {
    guard let place = plan.places[count] else { return }
    switch plan.buffers[place.buffer].kind {
    case .arena, .output: (base(of: plan.buffers[place.buffer]) + place.offset).storeBytes(of: 0, as: Int64.self)
    default: return
    }
  }

  /// Where a value is after a run.
  private func place(of value: ValueID) -> SessionBlock.Observed {
    var record = SessionBlock.Observed(value: value, border: -1, base: block, offset: 0)
    guard let place = plan.places[value] else { return record }
    let buffer = plan.buffers[place.buffer]
    record.base = base(of: buffer)
    record.border = BlockLayout.borderIndex(buffer, plan.graph) ?? -1
    record.offset = place.offset
    return record
  }

  /// Address of a buffer's first byte; for inputs and outputs that of the session's own buffer.
  private func base(of buffer: PlannedBuffer) -> UnsafeMutableRawPointer {
    switch buffer.kind {
    case .arena: return block + plan.layout.arena + buffer.offset
    case .input(let index): return block + plan.layout.borderBuffers[index]
    case .output(let index): return block + plan.layout.borderBuffers[plan.graph.inputs.count &+ index]
    case .constant(let data):
      return buffer.isKept ? block + plan.layout.packed + buffer.offset : UnsafeMutableRawPointer(mutating: data.base)
    case .derived(let storage): return buffer.isKept ? block + plan.layout.packed + buffer.offset : storage.base
    }
  }
}
