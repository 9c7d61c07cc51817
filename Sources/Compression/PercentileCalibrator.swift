/// Leaves out the values furthest from zero: at most (100 - percentile) % of all values seen, zeros included. When
/// there are both negative and positive values, half of that share is cut on each side.
enum PercentileCalibrator {
  static func range(of histogram: MagnitudeHistogram, within range: ValueRange, percentile: Double) -> ValueRange {
    let negatives = histogram.total(negative: true)
    let positives = histogram.total(negative: false)
    let count = negatives &+ positives &+ histogram.zeros
    let cut = (Double(count) * (100 - percentile) / 100).rounded(.down)
    let share = negatives > 0 && positives > 0 ? (cut / 2).rounded(.down) : cut
    let low = edge(of: histogram, negative: true, cut: share)
    let high = edge(of: histogram, negative: false, cut: share)
    return ValueRange(
      min: max(min(range.min, 0), -Float(low)), max: min(max(range.max, 0), Float(high)))
  }

  /// The magnitude beyond which at most `cut` values of a sign lie.
  private static func edge(of histogram: MagnitudeHistogram, negative: Bool, cut: Double) -> Double {
    var bin = histogram.usedBins(negative: negative)
    var outside = 0.0
    while bin > 0 {
      outside += Double(histogram.count(negative: negative, bin: bin - 1))
      if outside > cut { return Double(bin) * histogram.binWidth }
      bin -= 1
    }
    return 0
  }
}
