#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The second moments H of a layer's input as H = R R^T, R upper triangular, for each group of channels: |R^T d|^2 is what
/// errors d of a row's weights add to its result. Entry i of R^T d has the errors of the first i weights only, so weights can be
/// rounded one after another, each to make up for those before it (Babai 1986; in this form Frantar et al. 2023, "GPTQ").
struct MomentFactor {
  let start: Int
  let columns: Int
  /// Rows that the moments are sums of.
  let samples: Int
  /// R^T, [groups][columns][columns]; below the diagonal, and the diagonal.
  private let storage: Storage

  /// `damping`: times the mean variance, which is added to each. Throws `limitExceeded`, `outOfMemory`.
  init(_ statistics: InputStatistics, damping: Double) throws(EdgeError) {
    (start, columns, samples) = (statistics.start, statistics.columns, statistics.count)
    let square = try checkedProduct(columns, columns)
    storage = try Storage.floats(try checkedProduct(statistics.groups, square))
    let upper = try Storage.doubles(square)
    // Where no input varies any positive number does.
    let added = max(damping * statistics.variances().mean, 1e-20)
    for group in 0..<statistics.groups {
      let matrix = statistics.gram.floats + group &* square
      factorize(matrix, added, upper.doubles, storage.floats + group &* square)
    }
  }

  private func factorize(
    _ matrix: UnsafePointer<Float>, _ added: Double, _ upper: UnsafeMutablePointer<Double>, _ result: UnsafeMutablePointer<Float>
  ) {
    var k = columns &- 1
    while k >= 0 {
      let line = upper + k &* columns
      let rest = columns &- k &- 1
      let square = Double(matrix[k &* columns &+ k]) + added - doubleDotProduct(line + (k &+ 1), line + (k &+ 1), rest)
      // Rounding can leave a little less than what was added.
      let diagonal = max(square, added * 1e-3).squareRoot()
      line[k] = diagonal
      result[k &* columns &+ k] = Float(diagonal)
      var i = 0
      while i < k {
        let other = upper + i &* columns
        let entry = (Double(matrix[i &* columns &+ k]) - doubleDotProduct(other + (k &+ 1), line + (k &+ 1), rest)) / diagonal
        other[k] = entry
        result[k &* columns &+ i] = Float(entry)
        i &+= 1
      }
      k &-= 1
    }
  }

  /// R^T of a group.
  func matrix(group: Int) -> UnsafePointer<Float> { UnsafePointer(storage.floats + group &* columns &* columns) }
}
