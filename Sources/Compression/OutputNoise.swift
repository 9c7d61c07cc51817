#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

/// Measures how far the outputs of changed models are from the original's, on samples whose results it remembers.
///
/// Memory: the outputs of all samples as doubles, and while it measures a session.
final class OutputNoise {
  private let graph: Graph
  private let samples: CalibrationSamples
  private let most: Int
  private let threads: Int
  /// For each sample the outputs one after another.
  private let expected: [[Double]]
  /// Where each output begins in them, and the end; and the power of each over all samples.
  private let starts: [Int]
  private let power: [Double]
  /// The output whose greatest element is the answer, if there is one.
  private let classifier: Int?

  private init(
    _ graph: Graph, _ samples: CalibrationSamples, _ most: Int, _ threads: Int, _ expected: [[Double]], _ starts: [Int], _ power: [Double],
    _ classifier: Int?
  ) {
    self.graph = graph
    self.samples = samples
    self.most = most
    self.threads = threads
    self.expected = expected
    self.starts = starts
    self.power = power
    self.classifier = classifier
  }

  /// Runs the original. `most`: how many of the samples count. Throws `unsupportedFeature` when no output is a number,
  /// `invalidArgument` for inputs that are not finite or no samples, and what planning throws.
  static func make(_ graph: Graph, _ samples: CalibrationSamples, atMost most: Int, threads: Int) throws(EdgeError) -> OutputNoise {
    guard samples.count > 0, most > 0 else { throw EdgeError(.invalidArgument, "there are no samples to measure with") }
    var starts = [0]
    var classifier: Int?
    for (index, output) in graph.callerOutputs.enumerated() {
      let value = graph.values[output]
      let count = RealView.supports(value) ? value.shape.elementCount() ?? 0 : 0
      starts.append(starts[index] + count)
      if classifier == nil, count > 1, count == value.shape.dims.last { classifier = index }
    }
    guard starts[starts.count - 1] > 0 else { throw EdgeError(.unsupportedFeature, "the model has no output of real numbers to measure") }
    let runner = try GraphRunner.make(graph, observed: [], threads: threads, isa: nil)
    var expected: [[Double]] = []
    var power = [Double](repeating: 0, count: starts.count - 1)
    try samples.forEach { (number, inputs, sample) throws(EdgeError) in
      guard number < most else { return }
      try runner.run(inputs, sample: sample, requiresFinite: true)
      var outputs: [Double] = []
      outputs.reserveCapacity(starts[starts.count - 1])
      for index in power.indices where starts[index + 1] > starts[index] {
        guard let view = RealView(runner.outputPointer(index), graph.values[graph.callerOutputs[index]]) else { continue }
        var element = 0
        while element < starts[index + 1] &- starts[index] {
          let x = view[element]
          outputs.append(x)
          power[index] += x.isFinite ? x * x : 0
          element &+= 1
        }
      }
      expected.append(outputs)
    }
    return OutputNoise(graph, samples, most, threads, expected, starts, power, classifier)
  }

  struct Measurement {
    /// Sum over the outputs of error power / power.
    var noise = 0.0
    /// Percent of the samples whose greatest element of the first vector output stays the same; without such an output
    /// 100 (1 - noise).
    var agreement = 0.0
  }

  /// Of a model with the same inputs and outputs. A number that is not finite where the original's is counts as its power.
  func measure(_ candidate: Graph) throws(EdgeError) -> Measurement {
    let runner = try GraphRunner.make(candidate, observed: [], threads: threads, isa: nil)
    var errors = [Double](repeating: 0, count: power.count)
    var same = 0
    try samples.forEach { (number, inputs, sample) throws(EdgeError) in
      guard number < most else { return }
      try runner.run(inputs, sample: sample, requiresFinite: false)
      for index in power.indices where starts[index + 1] > starts[index] {
        guard let view = RealView(runner.outputPointer(index), candidate.values[candidate.callerOutputs[index]]) else { continue }
        let start = starts[index]
        var (best, expectedBest) = (0, 0)
        var element = 0
        while element < starts[index + 1] &- start {
          let (x, y) = (expected[number][start &+ element], view[element])
          if x.isFinite { errors[index] += y.isFinite ? (x - y) * (x - y) : x * x }
          if x > expected[number][start &+ expectedBest] { expectedBest = element }
          if y > view[best] { best = element }
          element &+= 1
        }
        if index == classifier, best == expectedBest { same += 1 }
      }
    }
    var result = Measurement()
    for (error, power) in zip(errors, power) where error > 0 { result.noise += power > 0 ? error / power : 1 }
    result.agreement = classifier == nil ? 100 * (1 - result.noise) : 100 * Double(same) / Double(expected.count)
    return result
  }
}
