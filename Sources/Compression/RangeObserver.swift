#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Watches the values of one tensor go by, in fixed memory, and gives their range at the end. Numbers that are not
/// finite do not count.
public struct RangeObserver {
  private let options: CalibrationOptions
  private let histogram: MagnitudeHistogram?
  private var least = Float.infinity
  private var greatest = -Float.infinity
  private var averageLeast = 0.0
  private var averageGreatest = 0.0
  private var samples = 0
  /// Numbers passed over because they are NaN or infinite.
  public private(set) var ignored = 0

  /// Throws `invalidArgument` for an option out of its bounds, `outOfMemory`.
  public init(_ options: CalibrationOptions) throws(EdgeError) {
    try options.validate()
    self.options = options
    histogram = options.calibrator.usesHistogram ? try MagnitudeHistogram.make() : nil
  }

  /// Takes the values of one sample.
  public mutating func add(_ x: UnsafePointer<Float>, count: Int) {
    var low = Float.infinity
    var high = -Float.infinity
    var index = 0
    while index < count {
      let value = x[index]
      index &+= 1
      guard value.isFinite else {
        ignored &+= 1
        continue
      }
      if value < low { low = value }
      if value > high { high = value }
    }
    guard low <= high else { return }
    least = min(least, low)
    greatest = max(greatest, high)
    if samples == 0 {
      averageLeast = Double(low)
      averageGreatest = Double(high)
    } else {
      averageLeast = options.momentum * averageLeast + (1 - options.momentum) * Double(low)
      averageGreatest = options.momentum * averageGreatest + (1 - options.momentum) * Double(high)
    }
    samples += 1
    histogram?.add(x, count: count, largest: max(low.magnitude, high.magnitude))
  }

  /// The range by the chosen calibrator; nil when no finite value was seen. When all values are equal, that value
  /// is both ends.
  public func range() -> ValueRange? {
    guard samples > 0 else { return nil }
    let whole = ValueRange(min: least, max: greatest)
    if least == greatest { return whole }
    guard let histogram else {
      return options.calibrator == .movingAverage ? ValueRange(min: Float(averageLeast), max: Float(averageGreatest)) : whole
    }
    switch options.calibrator {
    case .percentile: return PercentileCalibrator.range(of: histogram, within: whole, percentile: options.percentile)
    case .entropy: return EntropyCalibrator.range(of: histogram, within: whole)
    default: return ErrorCalibrator.range(of: histogram, within: whole)
    }
  }
}
