#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Least squares on a support: for each row w of a layer's weights the numbers where w is not zero that make
///
///     |y w - x w0|^2 + d |w - w0|^2
///
/// least, where x are the inputs that the whole layer w0 had and y those that w has. All rows are solved together by conjugate
/// gradients with the diagonal as preconditioner (Hestenes and Stiefel 1952), each in its own subspace: a step is one product
/// with the matrix of second moments, which the library's kernels do, where a factorization would be one for each row's support.
/// The error falls with every step.
final class SupportFit {
  private static let iterations = 40
  /// A row is solved when its residual has fallen to this share, measured in the preconditioner's norm squared.
  private static let tolerance = 1e-9

  private let statistics: InputStatistics
  /// Rows of the layer in each group.
  private let rows: Int
  private let damping: Float
  private let session: MatrixSession
  private let left: UnsafeMutablePointer<Float>
  private let product: UnsafePointer<Float>
  /// The right side of the equations, [groups][rows][columns].
  private let right: Storage
  private let residual: Storage
  private let direction: Storage

  private init(
    _ statistics: InputStatistics, _ rows: Int, _ damping: Float, _ session: MatrixSession, _ left: UnsafeMutablePointer<Float>,
    _ product: UnsafePointer<Float>, _ right: Storage, _ residual: Storage, _ direction: Storage
  ) {
    self.statistics = statistics
    self.rows = rows
    self.damping = damping
    self.session = session
    self.left = left
    self.product = product
    self.right = right
    self.residual = residual
    self.direction = direction
  }

  /// `original`: the weights before anything was removed, of the columns of the statistics, [groups][rows][columns].
  static func make(
    _ statistics: InputStatistics, rows: Int, original: UnsafePointer<Float>, damping: Double, threads: Int
  ) throws(EdgeError) -> SupportFit {
    let (groups, columns) = (statistics.groups, statistics.columns)
    let count = groups &* rows &* columns
    let session = try MatrixSession.product(groups: groups, rows: rows, inner: columns, columns: columns, threads: threads)
    let (left, matrix, product) = (try session.input(0), try session.input(1), try session.output(0))
    let square = groups &* columns &* columns
    var trace = 0.0
    var index = 0
    while index < groups &* columns {
      trace += Double(statistics.gram.floats[index &* columns &+ index % columns])
      index &+= 1
    }
    // Where the input never changes there is nothing to fit to, and any positive number keeps the weights.
    let strength = Float(max(damping * trace / Double(max(groups &* columns, 1)), 1e-20))
    let right = try Storage.floats(count)
    left.update(from: original, count: count)
    matrix.update(from: statistics.cross.floats, count: square)
    try session.run()
    index = 0
    while index < count {
      right.floats[index] = product[index] + strength * original[index]
      index &+= 1
    }
    matrix.update(from: statistics.gram.floats, count: square)
    return SupportFit(
      statistics, rows, strength, session, left, product, right, try Storage.floats(count), try Storage.floats(count))
  }

  /// The variance that each column's weights meet, [groups][columns], with the damping.
  func importance(_ values: UnsafeMutablePointer<Float>) {
    let columns = statistics.columns
    var index = 0
    while index < statistics.groups &* columns {
      values[index] = statistics.gram.floats[index &* columns &+ index % columns] + damping
      index &+= 1
    }
  }

  /// Changes the weights [groups][rows][columns] that are not zero.
  func solve(_ weights: UnsafeMutablePointer<Float>) throws(EdgeError) {
    let (groups, columns) = (statistics.groups, statistics.columns)
    let count = groups &* rows &* columns
    let diagonal = try Storage.floats(groups &* columns)
    importance(diagonal.floats)
    let power = try Storage.doubles(groups &* rows)
    let first = try Storage.doubles(groups &* rows)
    let (residual, direction, right) = (self.residual.floats, self.direction.floats, self.right.floats)
    // Zeros mark what is not there: a weight of the support that becomes zero on the way leaves it in the end only.
    let support = try Storage.allocate(count)
    let isThere = support.base.assumingMemoryBound(to: UInt8.self)
    var index = 0
    while index < count {
      isThere[index] = weights[index] != 0 ? 1 : 0
      index &+= 1
    }
    left.update(from: weights, count: count)
    try session.run()
    var row = 0
    while row < groups &* rows {
      let scale = diagonal.floats + row / rows &* columns
      let start = row &* columns
      var sum = 0.0
      var column = 0
      while column < columns {
        let place = start &+ column
        let r = isThere[place] != 0 ? right[place] - product[place] - damping * weights[place] : 0
        residual[place] = r
        direction[place] = r / scale[column]
        sum += Double(r) * Double(direction[place])
        column &+= 1
      }
      power.doubles[row] = sum
      first.doubles[row] = sum
      row &+= 1
    }
    for _ in 0..<SupportFit.iterations {
      left.update(from: direction, count: count)
      try session.run()
      var active = 0
      row = 0
      while row < groups &* rows {
        if step(row, diagonal.floats + row / rows &* columns, weights, isThere, power.doubles + row, first.doubles[row]) { active &+= 1 }
        row &+= 1
      }
      if active == 0 { break }
    }
  }

  /// One step of a row; false when it is solved.
  private func step(
    _ row: Int, _ scale: UnsafePointer<Float>, _ weights: UnsafeMutablePointer<Float>, _ isThere: UnsafePointer<UInt8>,
    _ power: UnsafeMutablePointer<Double>, _ first: Double
  ) -> Bool {
    let columns = statistics.columns
    let start = row &* columns
    let (r, p, q, w) = (residual.floats + start, direction.floats + start, product + start, weights + start)
    guard power.pointee > SupportFit.tolerance * first else {
      p.update(repeating: 0, count: columns)
      return false
    }
    var curvature = 0.0
    var column = 0
    while column < columns {
      curvature += Double(p[column]) * Double(q[column] + damping * p[column])
      column &+= 1
    }
    guard curvature > 0, curvature.isFinite else {
      power.pointee = 0
      return false
    }
    let length = Float(power.pointee / curvature)
    var sum = 0.0
    column = 0
    while column < columns {
      if isThere[start &+ column] != 0 {
        w[column] += length * p[column]
        r[column] -= length * (q[column] + damping * p[column])
        sum += Double(r[column]) * Double(r[column] / scale[column])
      }
      column &+= 1
    }
    let turn = Float(sum / power.pointee)
    column = 0
    while column < columns {
      p[column] = r[column] / scale[column] + turn * p[column]
      column &+= 1
    }
    power.pointee = sum
    return true
  }
}
