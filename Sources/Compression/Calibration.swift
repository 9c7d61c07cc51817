#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

/// What calibration learnt about a graph.
public struct CalibrationResult {
  /// For each value of the graph its range; nil for constants, values that are not float32 and those of which no
  /// finite number was seen.
  public var ranges: [ValueRange?]
  /// For each value, how many numbers did not count because they are NaN or infinite.
  public var ignored: [Int]
  /// For each value, whether its range was given.
  public var isKnown: [Bool]
  /// Samples seen.
  public var samples: Int

  public init(ranges: [ValueRange?], ignored: [Int], samples: Int) {
    self.ranges = ranges
    self.ignored = ignored
    isKnown = [Bool](repeating: false, count: ranges.count)
    self.samples = samples
  }
}

/// Runs a float graph on typical input, one sample at a time, and watches the range of every value.
///
/// Memory: a session that keeps all results, and for each value a fixed number of bytes (about 32 KB for the
/// calibrators that need the distribution). It does not grow with the samples.
///
/// Like all classes of the library it has no initializer that throws: Embedded Swift does not free the object of one
/// that does. What can fail is done by a static function, before there is an object.
public final class Calibration {
  public let graph: Graph
  private let options: CalibrationOptions
  private let runner: GraphRunner
  private typealias Observed = (value: ValueID, count: Int, observer: RangeObserver)
  private var observers: [Observed]
  /// Ranges that were given, for each value.
  private let known: [ValueRange?]
  public private(set) var sampleCount = 0
  private var isFinished = false

  private init(
    _ graph: Graph, _ options: CalibrationOptions, _ runner: GraphRunner, _ observers: [Observed], _ known: [ValueRange?]
  ) {
    self.graph = graph
    self.options = options
    self.runner = runner
    self.observers = observers
    self.known = known
  }

  /// `graph`: float and optimized. Throws `invalidArgument` (an option, a known range of no computed tensor or of several),
  /// `unsupportedFeature` (quantized already), `unsupportedOperator`, `outOfMemory`.
  public static func make(_ graph: Graph, _ options: CalibrationOptions = CalibrationOptions()) throws(EdgeError) -> Calibration {
    try options.validate()
    for value in graph.values where value.quantization != nil {
      throw EdgeError(.unsupportedFeature, "the model is quantized already", tensor: value.name)
    }
    let observed = try GraphRunner.computedValues(graph).filter { graph.values[$0].dtype == .float32 }
    var known = [ValueRange?](repeating: nil, count: graph.values.count)
    for (tensor, range) in options.known {
      let named = observed.filter { graph.values[$0].name == tensor }
      guard let value = named.first else {
        throw EdgeError(.invalidArgument, "no float32 tensor that the model reads or computes is named '\(tensor)'", tensor: tensor)
      }
      guard named.count == 1 else {
        throw EdgeError(.invalidArgument, "\(named.count) tensors are named '\(tensor)': whose range it is nothing says", tensor: tensor)
      }
      guard range.min <= range.max, range.min.isFinite, range.max.isFinite else {
        throw EdgeError(.invalidArgument, "the range of '\(tensor)' is no range", tensor: tensor)
      }
      known[value] = range.union(ValueRange(min: 0, max: 0))
    }
    let runner = try GraphRunner.make(graph, observed: observed, threads: options.threads, isa: nil)
    var observers: [Observed] = []
    for value in observed {
      guard let count = graph.values[value].shape.elementCount() else {
        throw EdgeError(.limitExceeded, "the tensor's size overflows", tensor: graph.values[value].name)
      }
      observers.append((value, count, try RangeObserver(options)))
    }
    return Calibration(graph, options, runner, observers, known)
  }

  /// Takes samples. `inputs`: a pointer for each input of the graph, to that many dense samples one after another.
  /// Throws `invalidArgument` (an input that is not finite, the number of inputs, after `finish`), `cancelled`. An
  /// error leaves the samples before it counted.
  public func feed(inputs: [UnsafeRawPointer], samples: Int) throws(EdgeError) {
    guard !isFinished else { throw EdgeError(.invalidArgument, "the calibration is finished") }
    guard samples >= 0 else { throw EdgeError(.invalidArgument, "the number of samples is negative") }
    for sample in 0..<samples {
      if let progress = options.progress, !progress("calibration", sample, samples) {
        throw EdgeError(.cancelled, "calibration was cancelled")
      }
      try runner.run(inputs, sample: sample, requiresFinite: true)
      for index in observers.indices {
        guard let pointer = runner.pointer(of: observers[index].value) else {
          throw EdgeError(.internalError, "an observed value has no memory", tensor: graph.values[observers[index].value].name)
        }
        observers[index].observer.add(pointer.assumingMemoryBound(to: Float.self), count: observers[index].count)
      }
      sampleCount += 1
    }
  }

  /// The ranges. Throws `invalidArgument` without samples or a second time.
  public func finish() throws(EdgeError) -> CalibrationResult {
    guard !isFinished else { throw EdgeError(.invalidArgument, "the calibration is finished already") }
    guard sampleCount > 0 else { throw EdgeError(.invalidArgument, "the calibration has seen no samples") }
    var ranges = [ValueRange?](repeating: nil, count: graph.values.count)
    var ignored = [Int](repeating: 0, count: graph.values.count)
    // The call may end here for want of memory and be made again: nothing of the calibration changes before all is there, and no
    // second reference to its observers is left behind.
    for done in observers.indices {
      if let progress = options.progress, !progress("ranges", done, observers.count) {
        throw EdgeError(.cancelled, "calibration was cancelled")
      }
      ranges[observers[done].value] = observers[done].observer.range()
      ignored[observers[done].value] = observers[done].observer.ignored
    }
    var result = CalibrationResult(ranges: ranges, ignored: ignored, samples: sampleCount)
    for (value, range) in known.enumerated() where range != nil { (result.ranges[value], result.isKnown[value]) = (range, true) }
    isFinished = true
    return result
  }
}
