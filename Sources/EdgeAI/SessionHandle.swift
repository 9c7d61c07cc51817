import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

/// What an `edgeai_session *` points to. Keeps its model, whose weights it reads, alive.
final class SessionHandle {
  let model: ModelHandle
  let plan: Plan
  let batch: Int
  private(set) var session: Session
  /// The block of a session that owns it; nil when the caller does.
  private let block: Storage?
  private let names: TextPool
  private let steps: [(name: Int, op: Int, kernel: Int, isa: Int, note: Int)]
  /// One entry a step; empty without profiling.
  private var times: [StepTimes]

  struct StepTimes {
    var runs: UInt64 = 0, last: UInt64 = 0, least: UInt64 = 0, most: UInt64 = 0, total: UInt64 = 0
  }

  /// `memory` nil: a block of its own. The last thing done is to start the session, so nothing can fail after it.
  init(_ model: ModelHandle, _ options: SessionOptions, memory: UnsafeMutableRawBufferPointer?) throws(EdgeError) {
    try model.requireRunnable()
    let plan = try Plan(model.graph, options)
    var pool = TextPool()
    var steps: [(name: Int, op: Int, kernel: Int, isa: Int, note: Int)] = []
    for step in plan.steps {
      steps.append((pool.add(step.name), pool.add(step.op), pool.add(step.kernel), pool.add(step.isa), pool.add(step.note)))
    }
    try pool.freeze()
    names = pool
    self.steps = steps
    self.model = model
    self.plan = plan
    batch = options.batch
    times = options.profile ? [StepTimes](repeating: StepTimes(), count: plan.steps.count) : []
    if let memory, let base = memory.baseAddress {
      block = nil
      session = try Session(plan, memory: base, size: memory.count)
    } else {
      let own = try Storage.allocate(plan.memoryRequired)
      block = own
      session = try Session(plan, memory: own.base, size: plan.memoryRequired)
    }
  }

  deinit { session.destroy() }

  func run() throws(EdgeError) {
    try session.run()
    if times.isEmpty { return }
    for index in times.indices {
      let nanoseconds = session.nanoseconds(ofStep: index)
      let first = times[index].runs == 0
      times[index].runs &+= 1
      times[index].last = nanoseconds
      times[index].least = first ? nanoseconds : min(times[index].least, nanoseconds)
      times[index].most = max(times[index].most, nanoseconds)
      times[index].total &+= nanoseconds
    }
  }

  func stepTimes(_ index: Int) -> StepTimes { times.isEmpty ? StepTimes() : times[index] }

  func resetTimes() {
    for index in times.indices { times[index] = StepTimes() }
  }

  func bindInput(_ index: Int, _ pointer: UnsafeRawPointer?, _ bytes: Int) throws(EdgeError) {
    try session.bindInput(index, pointer, bytes)
  }

  func bindOutput(_ index: Int, _ pointer: UnsafeMutableRawPointer?, _ bytes: Int) throws(EdgeError) {
    try session.bindOutput(index, pointer, bytes)
  }

  func stepTexts(_ index: Int) -> (
    name: UnsafePointer<CChar>?, op: UnsafePointer<CChar>?, kernel: UnsafePointer<CChar>?, isa: UnsafePointer<CChar>?,
    note: UnsafePointer<CChar>?
  ) {
    let step = steps[index]
    return (names[step.name], names[step.op], names[step.kernel], names[step.isa], names[step.note])
  }
}
