import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

/// What an `edgeai_session *` points to. Keeps its model, whose constants it reads in place, alive; the plan is not
/// kept, because it holds copies of what is now in the session's block.
final class SessionHandle {
  let model: ModelHandle
  /// As it runs: the model's, with the bounds of this session.
  let graph: Graph
  let extents: [Extent?]
  /// As the plan resolved them: planning again with them gives the same plan.
  let options: SessionOptions
  let plan: PlanTexts
  let memory: edgeai_memory_stats
  let session: Session
  /// The block of a session that owns it; nil when the caller does.
  private let block: Storage?
  /// One entry a step; empty without profiling.
  private var times: [StepTimes]
  /// Billions of operations a second of one core, once measured.
  private(set) var peaks = (float: 0.0, integer: 0.0, bfloat16: 0.0)

  struct StepTimes {
    var runs: UInt64 = 0, last: UInt64 = 0, least: UInt64 = 0, most: UInt64 = 0, total: UInt64 = 0

    mutating func add(_ nanoseconds: UInt64) {
      last = nanoseconds
      least = runs == 0 ? nanoseconds : min(least, nanoseconds)
      most = max(most, nanoseconds)
      total &+= nanoseconds
      runs &+= 1
    }
  }

  private init(
    _ model: ModelHandle, _ plan: Plan, _ texts: PlanTexts, _ times: [StepTimes], _ session: Session, _ block: Storage?
  ) {
    self.model = model
    var graph = plan.graph
    if graph.source != nil {
      // The block has all that was made on demand: what made it goes.
      for id in graph.values.indices { graph.values[id].constant = model.outline.values[id].constant }
    }
    self.graph = graph
    extents = plan.extents
    options = plan.options
    self.plan = texts
    self.times = times
    self.session = session
    self.block = block
    memory = SessionHandle.memoryStats(plan)
  }

  /// `caller` nil: a block of its own. Starting the session, and its threads, is the last thing that can fail.
  static func make(
    _ model: ModelHandle, _ options: SessionOptions, memory caller: UnsafeMutableRawBufferPointer?
  ) throws(EdgeError) -> SessionHandle {
    try model.requireRunnable()
    let chosen = options.tune ? try Plan.tuned(try model.graph, options).options : options
    let plan = try Plan(try model.sessionGraph, chosen, isValid: model.isValid)
    if let caller, caller.count < plan.memoryRequired {
      throw EdgeError(.bufferTooSmall, "the session needs \(plan.memoryRequired) bytes; \(caller.count) are given")
    }
    let texts = try PlanTexts(plan.steps)
    let times = plan.options.profile ? [StepTimes](repeating: StepTimes(), count: plan.steps.count) : []
    if model.log.function != nil {
      model.log.write(
        EDGEAI_LOG_INFO,
        "session of '\(model.outline.name)': \(plan.steps.count) steps on \(plan.options.isa?.name ?? "reference"), \(plan.memoryRequired) bytes")
    }
    if let base = caller?.baseAddress {
      return SessionHandle(model, plan, texts, times, try Session(plan, memory: base, size: plan.memoryRequired), nil)
    }
    let block = try Storage.allocate(plan.memoryRequired)
    let session = try Session(plan, memory: block.base, size: plan.memoryRequired, isZero: true)
    return SessionHandle(model, plan, texts, times, session, block)
  }

  deinit { session.destroy() }

  private static func memoryStats(_ plan: Plan) -> edgeai_memory_stats {
    var stats = edgeai_memory_stats()
    stats.total_bytes = UInt64(plan.memoryRequired)
    var activations = plan.arenaBytes
    for id in plan.graph.inputs + plan.graph.outputs {
      activations = activations &+ (plan.graph.values[id].byteCount(batch: plan.options.batch) ?? 0)
    }
    stats.activation_bytes = UInt64(activations)
    stats.packed_weight_bytes = UInt64(plan.packedBytes)
    stats.scratch_bytes = UInt64(plan.scratchBytes)
    stats.other_bytes = stats.total_bytes &- stats.activation_bytes &- stats.packed_weight_bytes &- stats.scratch_bytes
    return stats
  }

  var steps: [PlanTexts.Step] { plan.steps }

  /// Adds the node of a step to an error.
  func name(_ step: Int, in error: UnsafeMutablePointer<edgeai_error>?) {
    guard let error else { return }
    error.pointee.node_index = Int32(clamping: steps[step].nodeIndex)
    guard let name = text(steps[step].name) else { return }
    var length = 0
    while name[length] != 0 { length &+= 1 }
    copyText(UnsafeRawBufferPointer(start: name, count: length), to: &error.pointee.node, capacity: Int(EDGEAI_NAME_CAPACITY))
  }

  /// Allocates nothing. False when the run was cancelled, or ended by a step that passed a limit.
  func run() -> Bool {
    guard session.run() else { return false }
    // Of small networks each step takes less than what arrays would ask here.
    times.withUnsafeMutableBufferPointer { times in
      var index = 0
      while index < times.count {
        times[index].add(session.stepNanoseconds(index) ?? 0)
        index &+= 1
      }
    }
    return true
  }

  func stepTimes(_ index: Int) -> StepTimes { times.isEmpty ? StepTimes() : times[index] }

  func resetTimes() {
    for index in times.indices { times[index] = StepTimes() }
    session.resetTrace()
  }

  func measurePeaks() throws(EdgeError) {
    let isa = options.isa ?? .reference
    // Emulated, it is the float32 kernels that compute.
    let hasPairs = isa == .avx512bf16 && options.precision == .bfloat16
    peaks = (try isa.peakRate(of: .float32), try isa.peakRate(of: .uint8), hasPairs ? try isa.peakRate(of: .bfloat16) : 0)
  }

  /// How fast a step was that took so long: the rates of `edgeai_step_times`; 0 for no time.
  func rates(_ index: Int, nanoseconds: UInt64) -> edgeai_step_times {
    let step = steps[index]
    var rates = edgeai_step_times()
    switch step.dtype {
    case .float32 where step.operands == .bits: break
    case .float32: rates.peak_gops = step.operands == .pairs ? peaks.bfloat16 : peaks.float
    case .uint8, .int8: rates.peak_gops = peaks.integer
    default: break
    }
    rates.peak_gops *= Double(min(step.parts, options.threads))
    if nanoseconds == 0 { return rates }
    rates.gops = 2 * Double(step.multiplyAdds) / Double(nanoseconds)
    rates.gbytes = Double(step.byteCount) / Double(nanoseconds)
    if rates.peak_gops > 0 { rates.peak_share = rates.gops / rates.peak_gops }
    return rates
  }

  /// A text of a step.
  func text(_ offset: Int) -> UnsafePointer<CChar>? { plan.names[offset] }
}
