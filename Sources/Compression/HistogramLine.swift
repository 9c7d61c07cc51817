/// A histogram laid out from the most negative to the most positive value, with running sums, so that the mass and
/// moments of any stretch take two look-ups. Exact zeros are left out: quantization represents them exactly.
struct HistogramLine {
  /// Bins left and right of zero.
  let negativeBins: Int
  let positiveBins: Int
  let binWidth: Double
  /// Least and greatest value counted; ends of the line.
  let range: ValueRange
  /// Numbers in each bin.
  let counts: [Double]
  /// Sums over the bins before an index: numbers, first and second moment.
  private(set) var mass: [Double] = [0]
  private(set) var firstMoment: [Double] = [0]
  private(set) var secondMoment: [Double] = [0]

  init(_ histogram: MagnitudeHistogram, range: ValueRange) {
    negativeBins = histogram.usedBins(negative: true)
    positiveBins = histogram.usedBins(negative: false)
    binWidth = histogram.binWidth
    self.range = range
    var counts: [Double] = []
    counts.reserveCapacity(negativeBins + positiveBins)
    for bin in 0..<negativeBins { counts.append(Double(histogram.count(negative: true, bin: negativeBins - 1 - bin))) }
    for bin in 0..<positiveBins { counts.append(Double(histogram.count(negative: false, bin: bin))) }
    self.counts = counts
    for index in counts.indices {
      let centre = (Double(index - negativeBins) + 0.5) * binWidth
      mass.append(mass[index] + counts[index])
      firstMoment.append(firstMoment[index] + counts[index] * centre)
      secondMoment.append(secondMoment[index] + counts[index] * centre * centre)
    }
  }

  var total: Double { mass[counts.count] }

  /// Sum over the bins `from ..< to` of the squared distance of their values to a point.
  func squaredDistance(_ from: Int, _ to: Int, to point: Double) -> Double {
    guard from < to else { return 0 }
    let sum =
      secondMoment[to] - secondMoment[from] - 2 * point * (firstMoment[to] - firstMoment[from])
      + point * point * (mass[to] - mass[from])
    return max(sum, 0)
  }

  /// Lower end of a range that keeps this many bins left of zero.
  func lowerEdge(_ bins: Int) -> Double {
    bins == 0 ? 0 : bins >= negativeBins ? Double(range.min) : -Double(bins) * binWidth
  }

  /// Upper end of a range that keeps this many bins right of zero.
  func upperEdge(_ bins: Int) -> Double {
    bins == 0 ? 0 : bins >= positiveBins ? Double(range.max) : Double(bins) * binWidth
  }

  func range(negativeBins: Int, positiveBins: Int) -> ValueRange {
    ValueRange(min: Float(lowerEdge(negativeBins)), max: Float(upperEdge(positiveBins)))
  }
}
