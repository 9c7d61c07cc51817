#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// How the range of an activation follows from the values seen. Raw values are those of the C header.
public enum CalibratorKind: UInt8, Equatable, Sendable {
  /// Least and greatest value.
  case minMax = 0
  /// Exponential moving average, over samples, of each sample's least and greatest value (Jacob et al. 2018).
  case movingAverage
  /// Leaves out the share of values that lies furthest out.
  case percentile
  /// Least Kullback-Leibler divergence between the values and their quantized form.
  case entropy
  /// Least mean squared error of quantization.
  case meanSquaredError

  public static var all: [CalibratorKind] { [.minMax, .movingAverage, .percentile, .entropy, .meanSquaredError] }

  /// The kind needs the distribution, not only its ends.
  var usesHistogram: Bool { self == .percentile || self == .entropy || self == .meanSquaredError }
}

/// Told now and then during long work: what is going on, how much of how much is done. False stops the work with
/// the status `cancelled`.
public typealias CompressionProgress = (_ stage: StaticString, _ done: Int, _ total: Int) -> Bool

public struct CalibrationOptions {
  public var calibrator = CalibratorKind.minMax
  /// `percentile`: share of the values inside the range, in percent; above 0, at most 100.
  public var percentile = 99.99
  /// `movingAverage`: weight of the past, from 0 up to but not including 1.
  public var momentum = 0.9
  /// Ranges of tensors that are known: they take the place of what would be found. Of tensors that move into each other and so share a
  /// scheme, the range of the one that is computed first counts.
  public var known: [(tensor: Text, range: ValueRange)] = []
  /// Threads that run the model.
  public var threads = 1
  public var progress: CompressionProgress?

  public init() {}

  func validate() throws(EdgeError) {
    guard percentile > 0, percentile <= 100 else {
      throw EdgeError(.invalidArgument, "percentile must be above 0 and at most 100")
    }
    guard momentum >= 0, momentum < 1 else { throw EdgeError(.invalidArgument, "momentum must be at least 0 and below 1") }
    guard threads >= 1 else { throw EdgeError(.invalidArgument, "threads must be at least 1") }
  }
}
