#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

/// Runs two graphs with the same inputs and outputs side by side, each with its deployed kernels, and measures for
/// every result they have in common by name, and for the outputs, how far the second is from the first.
///
/// Memory: a session of each that keeps all compared results. It does not grow with the samples.
public final class Comparison {
  private let reference: Graph
  private let candidate: Graph
  private let reasons: [Text]
  private let referenceRunner: GraphRunner
  private let candidateRunner: GraphRunner
  /// Counterparts of values of the reference; compared ones only.
  private let pairs: [Pair]
  private typealias Pair = (reference: ValueID, candidate: ValueID, count: Int)
  private var meters: [ErrorMeter]
  private var outputMeters: [ErrorMeter]
  private var agreements: [Int]
  private var sampleCount = 0

  private init(
    _ reference: Graph, _ candidate: Graph, reasons: [Text], _ referenceRunner: GraphRunner, _ candidateRunner: GraphRunner,
    _ pairs: [Pair]
  ) {
    self.reference = reference
    self.candidate = candidate
    self.reasons = reasons
    self.referenceRunner = referenceRunner
    self.candidateRunner = candidateRunner
    self.pairs = pairs
    meters = [ErrorMeter](repeating: ErrorMeter(), count: pairs.count)
    outputMeters = [ErrorMeter](repeating: ErrorMeter(), count: reference.callerOutputs.count)
    agreements = [Int](repeating: 0, count: reference.callerOutputs.count)
  }

  /// `reasons`: for each node of the reference why it stayed in float, from `QuantizationResult`; may be empty.
  /// Throws `shapeMismatch` or `dtypeMismatch` when inputs or outputs differ, `unsupportedOperator`, `outOfMemory`.
  public static func make(
    _ reference: Graph, _ candidate: Graph, reasons: [Text] = [], threads: Int = 1
  ) throws(EdgeError) -> Comparison {
    try Comparison.checkBorders(reference, candidate, reference.callerInputs, candidate.callerInputs, "inputs")
    try Comparison.checkBorders(reference, candidate, reference.callerOutputs, candidate.callerOutputs, "outputs")
    var pairs: [Pair] = []
    var ids = TextMap()
    for value in try GraphRunner.computedValues(candidate) { ids.set(candidate.values[value].name, value) }
    for value in try GraphRunner.computedValues(reference).dropFirst(reference.inputs.count) {
      guard let other = ids[reference.values[value].name], RealView.supports(reference.values[value]),
        RealView.supports(candidate.values[other]), let count = reference.values[value].shape.elementCount(),
        count == candidate.values[other].shape.elementCount()
      else { continue }
      pairs.append((value, other, count))
    }
    let referenceRunner = try GraphRunner.make(reference, observed: pairs.map { $0.reference }, threads: threads, isa: nil)
    let candidateRunner = try GraphRunner.make(candidate, observed: pairs.map { $0.candidate }, threads: threads, isa: nil)
    return Comparison(reference, candidate, reasons: reasons, referenceRunner, candidateRunner, pairs)
  }

  private static func checkBorders(
    _ a: Graph, _ b: Graph, _ first: [ValueID], _ second: [ValueID], _ what: StaticString
  ) throws(EdgeError) {
    guard first.count == second.count else {
      throw EdgeError(.shapeMismatch, "the models have \(first.count) and \(second.count) \(what)")
    }
    for (x, y) in zip(first, second) {
      let (one, other) = (a.values[x], b.values[y])
      guard one.shape == other.shape else {
        throw EdgeError(.shapeMismatch, "the models' \(what) have shapes \(one.shape.text) and \(other.shape.text)", tensor: one.name)
      }
      guard one.dtype == other.dtype else {
        throw EdgeError(.dtypeMismatch, "the models' \(what) are \(one.dtype.name) and \(other.dtype.name)", tensor: one.name)
      }
    }
  }

  /// Takes samples. `inputs`: a pointer for each input, to that many dense samples one after another. Throws
  /// `shapeMismatch` for the number of inputs, `invalidArgument` for a number that is not finite, `cancelled` when
  /// `progress` says so. An error leaves the samples before it counted.
  public func feed(inputs: [UnsafeRawPointer], samples: Int, progress: CompressionProgress? = nil) throws(EdgeError) {
    for sample in 0..<max(samples, 0) {
      if let progress, !progress("comparison", sample, samples) { throw EdgeError(.cancelled, "comparison was cancelled") }
      try referenceRunner.run(inputs, sample: sample, requiresFinite: true)
      try candidateRunner.run(inputs, sample: sample, requiresFinite: true)
      for (index, pair) in pairs.enumerated() {
        guard let x = RealView(referenceRunner.pointer(of: pair.reference), reference.values[pair.reference]),
          let y = RealView(candidateRunner.pointer(of: pair.candidate), candidate.values[pair.candidate])
        else { continue }
        for element in 0..<pair.count { meters[index].add(x[element], y[element]) }
      }
      for index in reference.callerOutputs.indices { compareOutput(index) }
      sampleCount += 1
    }
  }

  private func compareOutput(_ index: Int) {
    let value = reference.values[reference.callerOutputs[index]]
    guard let x = RealView(referenceRunner.outputPointer(index), value),
      let y = RealView(candidateRunner.outputPointer(index), candidate.values[candidate.callerOutputs[index]]),
      let count = value.shape.elementCount(), count > 0
    else { return }
    var bestX = 0
    var bestY = 0
    for element in 0..<count {
      outputMeters[index].add(x[element], y[element])
      if x[element] > x[bestX] { bestX = element }
      if y[element] > y[bestY] { bestY = element }
    }
    if bestX == bestY { agreements[index] += 1 }
  }

  /// What was measured so far.
  public func report() -> CompressionReport {
    var report = CompressionReport(reference, candidate, reasons: reasons)
    report.samples = sampleCount
    var places = [Int](repeating: -1, count: reference.values.count)
    for (index, pair) in pairs.enumerated() { places[pair.reference] = index }
    for (index, node) in reference.nodes.enumerated() {
      guard sampleCount > 0, let output = node.outputs.first, places[output] >= 0 else { continue }
      report.layers[index].error = meters[places[output]]
    }
    for (index, output) in reference.callerOutputs.enumerated() {
      let value = reference.values[output]
      let isClassifier = value.shape.elementCount() == value.shape.dims.last && (value.shape.dims.last ?? 0) > 1
      report.outputs.append(
        CompressionReport.Output(
          name: value.name, error: outputMeters[index], sameTop1: isClassifier && sampleCount > 0 ? agreements[index] : nil))
    }
    return report
  }
}
