/// Chooses the range whose 256 levels lose least information about the distribution: the Kullback-Leibler
/// divergence of the clipped histogram P (outliers join the outermost bins) from Q, the same values with every
/// level's mass spread evenly over its bins that hold something. (Migacz 2017, "8-bit inference with TensorRT".)
///
/// Candidates keep the same number of bins on both sides of zero, as far as there are values, in steps of 8 bins,
/// and at least one bin for each level. A level that Q leaves empty while outliers join it counts as a ten-thousandth
/// of a value. Of equal candidates the widest wins.
enum EntropyCalibrator {
  private static let levels = 256
  private static let step = 8
  private static let emptyMass = 1e-4

  static func range(of histogram: MagnitudeHistogram, within range: ValueRange) -> ValueRange {
    let line = HistogramLine(histogram, range: range)
    let tables = Tables(line)
    var best = line.range(negativeBins: line.negativeBins, positiveBins: line.positiveBins)
    guard line.total > 0 else { return best }
    var least = Double.infinity
    var reach = max(line.negativeBins, line.positiveBins)
    while reach > 0 {
      let negative = min(reach, line.negativeBins)
      let positive = min(reach, line.positiveBins)
      if negative + positive < levels { break }
      let divergence = tables.divergence(line, line.negativeBins - negative, line.negativeBins + positive)
      if divergence < least {
        least = divergence
        best = line.range(negativeBins: negative, positiveBins: positive)
      }
      reach = (reach - 1) / step * step
    }
    return best
  }

  /// Running sums over the bins.
  private struct Tables {
    /// Bins that hold something.
    var filled: [Int] = [0]
    /// c log c.
    var selfInformation: [Double] = [0]

    init(_ line: HistogramLine) {
      for (index, count) in line.counts.enumerated() {
        filled.append(filled[index] + (count > 0 ? 1 : 0))
        selfInformation.append(selfInformation[index] + Tables.information(count))
      }
    }

    static func information(_ count: Double) -> Double { count > 0 ? count * naturalLogarithm(count) : 0 }

    /// KL(P || Q) for the bins `start ..< end`, in nats.
    func divergence(_ line: HistogramLine, _ start: Int, _ end: Int) -> Double {
      let bins = end - start
      let left = line.mass[start]
      let right = line.total - line.mass[end]
      let inside = line.mass[end] - line.mass[start]
      guard inside > 0 else { return .infinity }
      // sum over bins of P's counts times their logarithm, with the outliers in the outermost bins.
      var information = selfInformation[end] - selfInformation[start]
      if left > 0 { information += Tables.information(line.counts[start] + left) - Tables.information(line.counts[start]) }
      if right > 0 { information += Tables.information(line.counts[end - 1] + right) - Tables.information(line.counts[end - 1]) }
      var cross = 0.0
      for level in 0..<levels {
        let from = start + level * bins / levels
        let to = start + (level + 1) * bins / levels
        let mass = line.mass[to] - line.mass[from]
        var spread = filled[to] - filled[from]
        var target = mass
        if level == 0, left > 0 {
          target += left
          if line.counts[start] == 0 { spread += 1 }
        }
        if level == levels - 1, right > 0 {
          target += right
          if line.counts[end - 1] == 0 { spread += 1 }
        }
        if target == 0 { continue }
        cross += target * naturalLogarithm(max(mass, emptyMass) / (Double(spread) * inside))
      }
      return (information - cross) / line.total - naturalLogarithm(line.total)
    }
  }
}
