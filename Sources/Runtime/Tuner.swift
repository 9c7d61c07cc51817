import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Finds the fastest way to compute each step, where there are several, by running them.
///
/// What is run is the whole model, each time with other choices for all steps, and the time of each step is kept: a kernel
/// meets the caches as the steps around it leave them, its weights have to come from where they will come from, and threads
/// share it as they will. Nothing is needed for that but plans, sessions and their profiles.
private struct Tuner {
  let graph: Graph
  var options: SessionOptions
  /// The tuning with the best choices so far, and the time of each step with them; 0 where none was taken.
  private(set) var best: [UInt64] = []
  private var times: [UInt64] = []
  /// The tunings that were measured first and last. Most attempts that repeat an earlier plan repeat one of these.
  private var first: [UInt64] = []
  private var last: [UInt64] = []
  /// The steps of each chain of the first plan. Plans of other ways are without, so a chain is compared with its steps' sum.
  private var chains: [[Int]] = []
  /// The options of the first plan, which names the instruction set and the number of threads it will have.
  private(set) var planned = SessionOptions()

  init(_ graph: Graph, _ options: SessionOptions) {
    self.graph = graph
    self.options = options
    self.options.profile = true
    self.options.traceRuns = 0
  }

  /// Runs the model with choices for its steps, and takes over what is faster than before by more than times vary.
  mutating func attempt(_ choices: StepChoices) throws(EdgeError) {
    options.choices = choices
    let plan = try Plan(graph, options)
    let tried = plan.tuning
    // Choices leave the steps the same; if they once should not, the first ones stand.
    if tried == first || tried == last || !first.isEmpty && tried.count != first.count { return }
    last = tried
    var least = try plan.leastStepTimes()
    // Packing is part of what a choice costs.
    for index in plan.lowered.indices where plan.lowered[index].operation == LoweredStep.packing {
      least[index &+ 1] = least[index &+ 1] &+ least[index]
      least[index] = 0
    }
    if first.isEmpty { chains = plan.lowered.compactMap { $0.chain?.members.map { $0.step } } }
    for chain in chains {
      for index in chain.dropLast() {
        least[chain[chain.count - 1]] = least[chain[chain.count - 1]] &+ least[index]
        least[index] = 0
      }
    }
    if first.isEmpty {
      first = tried
      best = tried
      times = least
      planned = plan.options
    }
    for index in times.indices where least[index] > 0 && least[index] &+ least[index] / 32 < times[index] {
      let chain = chains.first { $0[$0.count - 1] == index }
      for step in chain ?? [index] { best[step &+ Tuning.headerWords] = tried[step &+ Tuning.headerWords] }
      times[index] = least[index]
    }
  }

  /// The same for the number of parts, as far as steps have so many units.
  mutating func attempt(parts: Int) throws(EdgeError) {
    options.choices = .given(best)
    let units = try Plan(graph, options).lowered
    var shared = best
    for index in units.indices {
      let most = UInt64(max(min(units[index].units, Int64(parts), 0xFFFF), 1))
      shared[index &+ Tuning.headerWords] = shared[index &+ Tuning.headerWords] & ~0xFFFF_0000 | most << 16
    }
    try attempt(.given(shared))
  }
}

extension Plan {
  /// The least nanoseconds of each step over some runs on zeros, 20 milliseconds or six runs; zeros unless the options ask for
  /// a profile. Throws `outOfMemory`.
  public func leastStepTimes() throws(EdgeError) -> [UInt64] {
    let owned = try OwnedSession.make(self)
    defer { withExtendedLifetime(owned) {} }
    let session = owned.session
    var least = [UInt64](repeating: 0, count: steps.count)
    // The first run finds cold caches.
    var isComplete = session.run()
    let begin = ep_nanoseconds()
    var run = 0
    while isComplete, run < 6 || (run < 200 && ep_nanoseconds() &- begin < 20_000_000) {
      isComplete = session.run()
      for index in least.indices {
        let time = session.stepNanoseconds(index) ?? 0
        if run == 0 || time < least[index] { least[index] = time }
      }
      run &+= 1
    }
    return least
  }

  /// Plans a graph with the choices that are fastest on this machine now. Needs as much memory again as the session, and
  /// the time of seven runs or more with each of the ways. Throws what planning throws, `outOfMemory`, and
  /// `unsupportedFeature` in a build without a clock.
  public static func tuned(_ graph: Graph, _ options: SessionOptions) throws(EdgeError) -> Plan {
    if ep_nanoseconds() == 0 { throw EdgeError(.unsupportedFeature, "this build has no clock to tune with") }
    var tuner = Tuner(graph, options)
    try tuner.attempt(.planned)
    var next = tuner.planned.isa
    while let set = next {
      // Plain, Winograd's squares of 2, 4 and 6, sparse with lanes of outputs and of pixels.
      for form: UInt8 in options.compact ? [0, 0x10, 0x20] : [0, 2, 4, 6, 0x10, 0x20] { try tuner.attempt(.preferred(StepChoices.choice(form: form, isa: set))) }
      next = set.base
    }
    let threads = tuner.planned.threads
    if threads > 1 {
      // One, as many as threads, twice and four times as many.
      var parts = 1
      while parts <= 4 &* threads {
        try tuner.attempt(parts: parts)
        parts = parts == 1 ? threads : parts &* 2
      }
    }
    var options = options
    options.tune = false
    options.choices = .given(tuner.best)
    return try Plan(graph, options)
  }
}
