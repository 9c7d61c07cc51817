import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Format
import Graph
import Runtime
#endif

/// What a search may do to the weights of a layer. Raw values are the C header's.
public enum SearchMethod: UInt8, Equatable, Sendable {
  /// Coarser numbers (`Graph.weightsQuantized`).
  case grid = 0
  /// Fewer blocks of numbers (`Graph.pruned`).
  case blocks
}

public struct SearchOptions {
  public var method = SearchMethod.grid
  /// Of a block: output and input channels.
  public var blockRows = 16
  public var blockColumns = 1
  /// So many of the judging samples measure the noise of single layers.
  public var scanSamples = 8
  public var threads = 1
  /// How good a model is; nil: see `OutputNoise.Measurement.agreement`.
  public var quality: ((Graph) throws(EdgeError) -> Double)?
  /// Memory for what was made and measured, `Graph.searchStateBytes` long: zeros, or what an earlier search left.
  public var state: UnsafeMutableRawPointer?
  /// Of the library: what another one left may not be what this one would make.
  public var version: UInt32 = 0
  public var progress: CompressionProgress?

  public init() {}

  /// Throws `invalidArgument`.
  public func validate() throws(EdgeError) {
    guard blockRows >= 1, blockRows <= 1024, blockColumns >= 1, blockColumns <= 1024 else {
      throw EdgeError(.invalidArgument, "a block of \(blockRows) by \(blockColumns); both must be 1 to 1024")
    }
    guard scanSamples >= 1 else { throw EdgeError(.invalidArgument, "scan_samples is \(scanSamples); it must be at least 1") }
    guard threads >= 1, threads <= 256 else { throw EdgeError(.invalidArgument, "threads is \(threads); it must be 1 to 256") }
  }
}

extension Graph {
  /// The model with every layer compressed as hard as the target asks and the layer's part in the result allows.
  ///
  /// Throws `invalidArgument` (an option, no samples, a state of another search, no layer that blocks are removed from),
  /// `invalidGraph` (weights that are not finite), `unsupportedFeature` (no layers with float32 weights), `limitExceeded` (the
  /// target is out of reach), `cancelled`, `outOfMemory`.
  public func compressed(_ target: CompressionTarget, _ options: SearchOptions, _ samples: CalibrationSamples) throws(EdgeError) -> Graph {
    try options.validate()
    // Weights that were fitted to samples look better on these than they are.
    let (fitting, judging) = try samples.halves(self)
    let meter = try OutputNoise.make(self, judging, atMost: options.scanSamples, threads: options.threads)
    let state = try SearchState.make(self, options, samples, try searchStateBytes(options))
    try options.method.makeLevels(state, options, fitting)
    let ladder = try LayerLadder(state.levels)
    let noise = try state.measured(ladder, meter, options.progress)
    let cost = options.isTimed(target) ? try ladder.times(options.threads) : try state.measured(ladder, nil, options.progress)
    let search = CompressionSearch(noise: noise, cost: cost, progress: options.progress)
    // A caller who judges has no use for the outputs of the original.
    var judge: OutputNoise?
    if case .drop = target, options.quality == nil {
      judge = try OutputNoise.make(self, judging, atMost: judging.count, threads: options.threads)
    }
    /// What the target limits: bytes, nanoseconds, or, from below, the quality.
    func measured(_ graph: Graph) throws(EdgeError) -> Double {
      switch target {
      case .bytes: return Double(try encodeModel(graph, .adaptive).count)
      case .nanoseconds: return try stepTimes(graph, options.threads).reduce(0, +)
      case .drop:
        if let asked = options.quality { return try asked(graph) }
        return try judge?.measure(graph).agreement ?? 0
      }
    }
    func judged(_ choice: [Int]) throws(EdgeError) -> Double { try measured(ladder.graph(choice)) }
    let limit: Double
    let choice: [Int]
    switch target {
    case .bytes(let most), .nanoseconds(let most):
      limit = Double(most)
      // Blocks are fitted again, which takes some bytes more.
      choice = try search.within(limit, isSpent: options.method == .grid, judged).choice
    case .drop(let most):
      limit = try measured(self) - most
      choice = try search.keeping(limit, judged).choice
    }
    var result = ladder.graph(choice)
    if options.method == .blocks {
      let repaired = try options.method.repaired(ladder, choice, options, fitting)
      if try meter.measure(repaired).noise < meter.measure(result).noise {
        let value = try measured(repaired)
        var isMet = value <= limit
        if case .drop = target { isMet = value >= limit }
        if isMet { result = repaired }
      }
    }
    return result
  }
}

extension CalibrationSamples {
  /// Every second sample, from the first on, and the others; where there is only one, that is both.
  fileprivate func halves(_ graph: Graph) throws(EdgeError) -> (CalibrationSamples, CalibrationSamples) {
    if count < 2 { return (self, self) }
    let (first, second) = (CalibrationSamples(), CalibrationSamples())
    try forEach { (number, inputs, sample) throws(EdgeError) in
      var own: [UnsafeRawPointer] = []
      for (input, id) in zip(inputs, graph.callerInputs) { own.append(input + sample * (graph.values[id].byteCount() ?? 0)) }
      try (number % 2 == 0 ? first : second).add(graph, inputs: own, samples: 1)
    }
    return (first, second)
  }
}

extension SearchOptions {
  /// Whether layers cost time, and not bytes.
  fileprivate func isTimed(_ target: CompressionTarget) -> Bool {
    switch target {
    case .bytes: return false
    case .nanoseconds: return true
    case .drop: return method == .blocks
    }
  }
}

extension LayerLadder {
  /// Nanoseconds of each layer's steps at each level, in a run of the whole level.
  fileprivate func times(_ threads: Int) throws(EdgeError) -> [[Double]] {
    var rows = [[Double]](repeating: [], count: layers.count)
    for level in levels {
      let times = try nodeTimes(level, threads)
      for (index, layer) in layers.enumerated() { rows[index].append(times[layer.node]) }
    }
    return rows
  }
}

/// The least nanoseconds of each step of a model.
private func stepTimes(_ graph: Graph, _ threads: Int) throws(EdgeError) -> [Double] {
  try timedPlan(graph, threads).leastStepTimes().map { Double($0) }
}

/// The same for each node.
private func nodeTimes(_ graph: Graph, _ threads: Int) throws(EdgeError) -> [Double] {
  let plan = try timedPlan(graph, threads)
  var times = [Double](repeating: 0, count: graph.nodes.count)
  for (step, time) in try plan.leastStepTimes().enumerated() where plan.steps[step].nodeIndex >= 0 {
    times[plan.steps[step].nodeIndex] += Double(time)
  }
  return times
}

private func timedPlan(_ graph: Graph, _ threads: Int) throws(EdgeError) -> Plan {
  if ep_nanoseconds() == 0 { throw EdgeError(.unsupportedFeature, "this build has no clock to measure with") }
  var options = SessionOptions()
  options.threads = threads
  options.profile = true
  return try Plan(graph, options)
}
