/// Chooses the range with the least mean squared error of quantization. The error of a candidate is computed from
/// the histogram with the very scale and zero point the range would get, clipped values included. Both ends are
/// searched, one at a time, until neither moves: first every 16th bin edge, then all around the best.
enum ErrorCalibrator {
  private static let rounds = 8
  private static let coarse = 16

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
    func consider(_ bins: Int) {
      let candidate = error(bins)
      if candidate < least || (candidate == least && bins > best) {
        least = candidate
        best = bins
      }
    }
    var bins = limit - coarse
    while bins > -coarse {
      consider(max(bins, 0))
      bins -= coarse
    }
    let centre = best
    for bins in max(0, centre - coarse)...min(limit, centre + coarse) { consider(bins) }
    return best
  }

  /// Sum of squared errors when this many bins are kept left and right of zero.
  private static func error(_ line: HistogramLine, _ negative: Int, _ positive: Int) -> Double {
    let scheme = QuantizationParameters.activation(line.range(negativeBins: negative, positiveBins: positive))
    let scale = Double(scheme.scales[0])
    let zero = Int(scheme.zeroPoints[0])
    let last = line.counts.count
    var sum = 0.0
    var from = 0
    if scale >= line.binWidth {
      // Bins are finer than steps: each goes to the level nearest to its centre, its own width adds w^2 / 12.
      for level in 0..<256 {
        let boundary = (Double(level - zero) + 0.5) * scale / line.binWidth
        let to = level == 255 ? last : index(boundary, line, from)
        sum += line.squaredDistance(from, to, to: Double(level - zero) * scale)
        from = to
      }
      return sum + line.total * line.binWidth * line.binWidth / 12
    }
    // Steps are finer than bins: values inside are off by step^2 / 12.
    let start = index(Double(-zero) * scale / line.binWidth, line, 0)
    let end = index(Double(255 - zero) * scale / line.binWidth, line, start)
    return line.squaredDistance(0, start, to: Double(-zero) * scale) + (line.mass[end] - line.mass[start]) * scale * scale / 12
      + line.squaredDistance(end, last, to: Double(255 - zero) * scale)
  }

  /// First bin, not before `least`, whose centre lies beyond a boundary given in bins from zero.
  private static func index(_ boundary: Double, _ line: HistogramLine, _ least: Int) -> Int {
    let position = (boundary - 0.5).rounded(.up) + Double(line.negativeBins)
    return Int(max(Double(least), min(Double(line.counts.count), position)))
  }
}
