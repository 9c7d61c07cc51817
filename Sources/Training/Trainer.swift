#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
import Runtime
#endif

/// Trains a model: a session whose every run is one step, and what belongs to it.
///
/// The step is an ordinary graph (`TrainingGraph`), so its memory is planned and a run allocates nothing. The same model, options,
/// methods and data give the same bits, with any number of threads. One thread uses a trainer at a time.
public final class Trainer {
  /// What a step, or an evaluation, found.
  public struct Metrics: Equatable, Sendable {
    public var loss: Double = 0
    /// Share of rows whose largest output is where the largest target is; 0 for other losses than the cross-entropy.
    public var accuracy: Double = 0
    public var samples = 0
    public init() {}
  }

  public let options: TrainerOptions
  public let methods: [TrainingMethod]
  public let parameters: [TrainingGraph.Parameter]
  public let layers: [TrainingGraph.Layer]
  /// The model as methods prepared it.
  let model: Graph
  /// The step.
  public let graph: Graph
  /// Steps taken.
  public private(set) var step = 0

  private let owned: OwnedSession
  private var session: Session { owned.session }
  let states: [TrainingGraph.State]
  let kept: [TrainingGraph.KeptInput]
  private let inputCount: Int
  private let firstKept: Int
  private let weights: EffectiveWeights
  private let statistics: [(model: ValueID, state: ValueID)]
  /// The states that no optimizer changes: running statistics, ranges.
  private let followers: [Int]
  /// The tensors of the exported model whose ranges are learnt, and the states that are their ends.
  public let ranged: [(tensor: Text, least: ValueID, most: ValueID)]
  /// What kept inputs were before the step in progress, where it changes them: `previous` has room for all, one after the other.
  private let previous: Storage
  private var isChanged: [Bool]
  private var evaluator: Evaluator?

  /// Throws `invalidArgument` for options, `unsupportedOperator` or `unsupportedFeature` naming what cannot be trained, and what
  /// `Plan` throws. Memory: `memoryRequired` bytes, and the graph.
  public static func make(_ model: Graph, _ options: TrainerOptions, methods: [TrainingMethod] = []) throws(EdgeError) -> Trainer {
    try options.check()
    var model = model
    for method in methods { model = try method.prepare(model, options) }
    model = try model.fusingActivations().separatingStatistics(frozen: options.frozen)
    let step = try TrainingGraph.make(model, options)
    for method in methods { try method.rewrite(step) }
    try step.dropOut()
    try step.addLoss()
    try step.differentiate()
    for method in methods { try method.adjustGradients(step) }
    try step.addUpdates()
    for method in methods { try method.adjustUpdates(step) }
    let graph = try step.finished()
    var sessionOptions = SessionOptions()
    sessionOptions.threads = options.threads
    sessionOptions.isa = options.isa
    sessionOptions.batch = 1
    let weights = try EffectiveWeights(step, options)
    let ranged = try step.rangedTensors(model)
    let owned = try OwnedSession.make(graph, sessionOptions)
    var bytes = 0
    for input in step.kept { bytes += graph.values[input.input].byteCount() ?? 0 }
    return Trainer(options, methods, model, step, graph, owned, weights, ranged, try Storage.allocate(bytes))
  }

  /// Does not throw: Embedded Swift does not free the object of an initializer that does.
  private init(
    _ options: TrainerOptions, _ methods: [TrainingMethod], _ model: Graph, _ step: TrainingGraph, _ graph: Graph, _ owned: OwnedSession,
    _ weights: EffectiveWeights, _ ranged: [(tensor: Text, least: ValueID, most: ValueID)], _ previous: Storage
  ) {
    self.options = options
    self.methods = methods
    self.model = model
    self.graph = graph
    parameters = step.parameters
    layers = step.layers
    states = step.states
    kept = step.kept
    statistics = step.statistics
    inputCount = model.inputs.count
    firstKept = model.inputs.count + 1
    self.owned = owned
    self.weights = weights
    self.ranged = ranged
    self.previous = previous
    isChanged = [Bool](repeating: false, count: step.kept.count)
    let changed = step.parameters.flatMap { [$0.master] + $0.moments }
    followers = step.states.indices.filter { !changed.contains(step.states[$0].input) }
    for (index, input) in kept.enumerated() {
      guard let initial = input.initial, let target = session.inputPointer(firstKept + index) else { continue }
      target.copyMemory(from: initial.base, byteCount: initial.byteCount)
    }
  }

  /// Of the next step.
  public var learningRate: Float { options.learningRate(at: step) }
  /// Bytes of the step's memory: parameters, moments, results kept for the gradient, scratch, and room for what a failing step
  /// takes back.
  public var memoryRequired: Int { owned.plan.memoryRequired + previous.count }
  /// The kernel calls of a step.
  public var steps: [StepInfo] { owned.plan.steps }

  // MARK: Steps

  /// One step on `options.batch` samples: one pointer for each input of the model, and float32 targets of the output's shape.
  /// Throws `invalidArgument` when the loss is not finite, or something that the step leaves; `cancelled`. All is then as before the
  /// step. Allocates nothing, but for the error: a call that finds no memory for its message ends there, and all is as before the step too.
  public func step(_ inputs: UnsafeBufferPointer<UnsafeRawPointer>, targets: UnsafeRawPointer) throws(EdgeError) -> Metrics {
    guard inputs.count == inputCount else {
      throw EdgeError(.shapeMismatch, "the model has \(inputCount) inputs, \(inputs.count) are given")
    }
    for method in methods { method.beforeStep(self, step) }
    try run(inputs, targets)
    for index in isChanged.indices { isChanged[index] = false }
    step += 1
    evaluator = nil
    var metrics = Metrics()
    metrics.loss = Double(session.outputPointer(0)?.load(as: Float.self) ?? .nan)
    metrics.samples = model.values[model.outputs[0]].shape.hasBatch ? options.batch : 1
    if let logits = session.outputPointer(1) {
      metrics.accuracy = share(logits, targets, rowCount: rows, classes: classes)
    }
    return metrics
  }

  private func run(_ inputs: UnsafeBufferPointer<UnsafeRawPointer>, _ targets: UnsafeRawPointer) throws(EdgeError) {
    writeHyperParameters()
    for (index, input) in inputs.enumerated() {
      session.inputPointer(index)?.copyMemory(from: input, byteCount: session.inputByteCount(index))
    }
    session.inputPointer(inputCount)?.copyMemory(from: targets, byteCount: session.inputByteCount(inputCount))
    guard session.run() else {
      restoreKept()
      throw EdgeError(.cancelled, "the step was cancelled")
    }
    let loss = session.outputPointer(0)?.load(as: Float.self) ?? .nan
    guard let fault = fault(loss) else { return }
    session.discardNewState()
    restoreKept()
    throw EdgeError(.invalidArgument, text(fault, loss))
  }

  /// What is wrong after the run of a step, in numbers: its text takes memory, and the call may end there, so all must be as before the
  /// step first.
  private struct Fault {
    enum Kind { case data, parameter, moment, magnitude, follower }
    let kind: Kind
    /// The parameter, or the state, and the place in it.
    var index = 0
    var element = 0
    var magnitude: Float = 0
  }

  /// Nil when all numbers are finite.
  private func fault(_ loss: Float) -> Fault? {
    let size = session.outputPointer(2)?.load(as: Float.self) ?? .nan
    guard loss.isFinite else {
      // Was it one of the parameters that the step found?
      session.discardNewState()
      let worst = worstParameter()
      return worst.kind == .magnitude ? Fault(kind: .data) : worst
    }
    guard size.isFinite else { return worstParameter() }
    // Few numbers, which no loss need show: a normalization by an infinite variance is constant.
    for index in followers {
      guard let values = session.statePointer(index)?.assumingMemoryBound(to: Float.self) else { continue }
      let count = session.stateByteCount(index) / 4
      var place = 0
      while place < count {
        if !values[place].isFinite { return Fault(kind: .follower, index: index, element: place) }
        place &+= 1
      }
    }
    return nil
  }

  private func text(_ fault: Fault, _ loss: Float) -> Text {
    let what: Text
    switch fault.kind {
    case .data: what = "all parameters are finite; the data or the learning rate are too large"
    case .follower: what = Text("'\(states[fault.index].name)' is not finite at element \(fault.element)")
    case .magnitude:
      what = Text("parameter '\(parameters[fault.index].name)' has the magnitude \(fault.magnitude) at element \(fault.element)")
    case .parameter, .moment:
      let moment: Text = fault.kind == .moment ? ", whose moment has overflowed" : ""
      what = Text("parameter '\(parameters[fault.index].name)' is not finite at element \(fault.element)\(moment)")
    }
    return loss.isFinite ? Text("after step \(step) \(what)") : Text("the loss of step \(step) is \(loss): \(what)")
  }

  private var classes: Int { graph.values[graph.outputs[1]].shape.dims.last ?? 1 }
  private var rows: Int { (graph.values[graph.outputs[1]].shape.elementCount() ?? 0) / max(classes, 1) }

  private func share(_ outputs: UnsafeRawPointer, _ targets: UnsafeRawPointer, rowCount: Int, classes: Int) -> Double {
    guard options.loss == .crossEntropy, rowCount > 0 else { return 0 }
    return Double(equalMaxima(outputs, targets, rows: rowCount, classes: classes)) / Double(rowCount)
  }

  /// Where the first number is that is none, or else the largest one: of the parameters that the next step would find.
  private func worstParameter() -> Fault {
    var largest = Fault(kind: .magnitude, magnitude: -1)
    for (index, parameter) in parameters.enumerated() {
      guard let values = statePointer(parameter.master) else { continue }
      let count = elementCount(parameter.master)
      var place = 0
      while place < count {
        let magnitude = values[place].magnitude
        if !magnitude.isFinite {
          // The update makes NaN of a parameter whose moment has overflowed.
          let hasOverflowed = parameter.moments.contains { statePointer($0)?[place].magnitude == .infinity }
          return Fault(kind: hasOverflowed ? .moment : .parameter, index: index, element: place)
        }
        if magnitude > largest.magnitude { largest = Fault(kind: .magnitude, index: index, element: place, magnitude: magnitude) }
        place &+= 1
      }
    }
    return largest
  }

  private func writeHyperParameters() {
    session.inputPointer(firstKept)?.storeBytes(of: Int64(step), as: Int64.self)
    guard let rates = session.inputPointer(firstKept + 1)?.assumingMemoryBound(to: Float.self) else { return }
    rates[0] = options.learningRate(at: step)
    rates[1] = options.momentum
    rates[2] = options.secondDecay
    rates[3] = options.epsilon
    rates[4] = options.weightDecay
    rates[5] = Float(1 - raised(Double(options.momentum), step + 1))
    rates[6] = Float(1 - raised(Double(options.secondDecay), step + 1))
    rates[7] = 0
  }

  /// Powers by repeated squaring: the same with every C library.
  private func raised(_ base: Double, _ exponent: Int) -> Double {
    var result = 1.0, factor = base, rest = exponent
    while rest > 0 {
      if rest & 1 == 1 { result *= factor }
      factor *= factor
      rest >>= 1
    }
    return result
  }

  /// Continues behind a step, with states that were written.
  func resume(at step: Int) {
    self.step = step
    evaluator = nil
  }

  /// Stops the step in progress, from any thread.
  public func cancel() { session.cancel() }

  // MARK: What methods ask

  /// The values of a parameter between steps.
  public func parameterPointer(_ index: Int) -> UnsafeMutablePointer<Float>? { statePointer(parameters[index].master) }

  /// A state between steps, by its input.
  public func statePointer(_ value: ValueID) -> UnsafeMutablePointer<Float>? {
    for (index, state) in states.enumerated() where state.input == value {
      return session.statePointer(index)?.assumingMemoryBound(to: Float.self)
    }
    return nil
  }

  /// An input that the trainer keeps.
  public func keptPointer(_ value: ValueID) -> UnsafeMutableRawPointer? {
    for (index, input) in kept.enumerated() where input.input == value { return session.inputPointer(firstKept + index) }
    return nil
  }

  /// The same for writing to it before a step, which takes that back if it fails.
  public func keptToChange(_ value: ValueID) -> UnsafeMutableRawPointer? {
    var offset = 0
    for (index, input) in kept.enumerated() {
      let bytes = session.inputByteCount(firstKept + index)
      if input.input == value, let pointer = session.inputPointer(firstKept + index) {
        if !isChanged[index] { (previous.base + offset).copyMemory(from: pointer, byteCount: bytes) }
        isChanged[index] = true
        return pointer
      }
      offset += bytes
    }
    return nil
  }

  private func restoreKept() {
    var offset = 0
    for index in kept.indices {
      let bytes = session.inputByteCount(firstKept + index)
      if isChanged[index] { session.inputPointer(firstKept + index)?.copyMemory(from: previous.base + offset, byteCount: bytes) }
      isChanged[index] = false
      offset += bytes
    }
  }

  public func elementCount(_ value: ValueID) -> Int { graph.values[value].shape.elementCount() ?? 0 }

  // MARK: The trained model

  /// The model with what was learnt: parameters as methods have them read, running statistics; ready for sessions, quantization and
  /// the other methods of compression. `isTrainable`: not optimized, so that normalizations are still there for another trainer, or
  /// for pruning of channels by their factors.
  public func exported(isTrainable: Bool = false) throws(EdgeError) -> Graph {
    var graph = model
    let contents = try weights.run(self)
    for (index, parameter) in parameters.enumerated() where parameter.model != Node.noValue {
      graph.values[parameter.model].constant = contents[index]
    }
    for statistic in statistics {
      guard let values = statePointer(statistic.state) else { continue }
      let count = elementCount(statistic.state)
      graph.values[statistic.model].constant = try TensorData([Float](UnsafeBufferPointer(start: values, count: count)))
    }
    return isTrainable ? graph : try graph.optimized()
  }

  /// The model as it stands, on data it need not have seen: inputs of `samples` samples, one after another.
  public func evaluate(_ inputs: [UnsafeRawPointer], targets: UnsafeRawPointer, samples: Int) throws(EdgeError) -> Metrics {
    guard inputs.count == inputCount, samples > 0 else {
      throw EdgeError(.shapeMismatch, "needs samples of \(inputCount) inputs")
    }
    if let evaluator { return try evaluator.run(inputs, targets, samples) }
    let made = try Evaluator.make(try exported(), options)
    evaluator = made
    return try made.run(inputs, targets, samples)
  }
}

/// Rows whose largest elements are at the same place; the first of equal ones counts.
func equalMaxima(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, rows: Int, classes: Int) -> Int {
  var equal = 0
  var row = 0
  while row < rows {
    let (x, y) = (a + row &* classes &* 4, b + row &* classes &* 4)
    var (bestX, bestY) = (0, 0)
    var index = 1
    while index < classes {
      if x.loadUnaligned(fromByteOffset: index &* 4, as: Float.self) > x.loadUnaligned(fromByteOffset: bestX &* 4, as: Float.self) { bestX = index }
      if y.loadUnaligned(fromByteOffset: index &* 4, as: Float.self) > y.loadUnaligned(fromByteOffset: bestY &* 4, as: Float.self) { bestY = index }
      index &+= 1
    }
    if bestX == bestY { equal &+= 1 }
    row &+= 1
  }
  return equal
}
