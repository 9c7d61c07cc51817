/// Chooses the range with the least mean squared error: rounding costs step^2 / 12 for each value inside (uniform
/// over a step), clipping the squared distance for each value outside. Both ends are searched over all bin edges,
/// one end at a time, until neither moves.
enum ErrorCalibrator {
  private static let rounds = 8

  static func range(of histogram: MagnitudeHistogram, within range: ValueRange) -> ValueRange {
    let line = HistogramLine(histogram, range: range)
    var negative = line.negativeBins
    var positive = line.positiveBins
    for _ in 0..<rounds {
      let before = (negative, positive)
      positive = leastError(upTo: line.positiveBins) { error(line, negative, $0) }
      negative = leastError(upTo: line.negativeBins) { error(line, $0, positive) }
      if before == (negative, positive) { break }
    }
    return line.range(negativeBins: negative, positiveBins: positive)
  }

  /// The number of bins with the least error; of equal ones the greatest.
  private static func leastError(upTo limit: Int, _ error: (Int) -> Double) -> Int {
    var best = limit
    var least = error(limit)
    var bins = limit
    while bins > 0 {
      bins -= 1
      let candidate = error(bins)
      if candidate < least {
        least = candidate
        best = bins
      }
    }
    return best
  }

  /// Sum of squared errors when this many bins are kept left and right of zero.
  private static func error(_ line: HistogramLine, _ negative: Int, _ positive: Int) -> Double {
    let start = line.negativeBins - negative
    let end = line.negativeBins + positive
    let low = line.lowerEdge(negative)
    let high = line.upperEdge(positive)
    let step = (high - low) / 255
    let inside = line.mass[end] - line.mass[start]
    let last = line.counts.count
    let below = line.secondMoment[start] - 2 * low * line.firstMoment[start] + low * low * line.mass[start]
    let above =
      line.secondMoment[last] - line.secondMoment[end] - 2 * high * (line.firstMoment[last] - line.firstMoment[end])
      + high * high * (line.mass[last] - line.mass[end])
    return inside * step * step / 12 + max(below, 0) + max(above, 0)
  }
}
