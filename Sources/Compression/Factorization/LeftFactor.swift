#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The singular value decomposition of a matrix W [rows][columns], as far as low rank needs it: the best approximation of rank c
/// is U U^T W, where the columns of U are the first c left singular vectors. With second moments H of what W is multiplied with
/// it is the best for the products instead: then U is of W L, with H = L L^T.
struct LeftFactor {
  /// Called now and then during long work; what it throws ends it.
  typealias Pause = () throws(EdgeError) -> Void

  private let rows: Int
  private let columns: Int
  /// W or W L.
  private let scaled: Storage
  private let eigen: SymmetricEigen
  /// The decomposition is that of the columns' products, because there are fewer.
  private let isOfColumns: Bool

  /// `moments`: [columns][columns], or nil. Throws `outOfMemory`, `internalError`, what `pause` throws.
  init(_ weights: UnsafePointer<Float>, rows: Int, columns: Int, moments: UnsafePointer<Float>?, pause: @escaping Pause) throws(EdgeError) {
    self.rows = rows
    self.columns = columns
    let scaled = try Storage.doubles(try checkedProduct(rows, columns))
    var index = 0
    while index < rows &* columns {
      scaled.doubles[index] = Double(weights[index])
      index &+= 1
    }
    if let moments { try LeftFactor.multiply(scaled.doubles, rows, columns, moments, pause) }
    self.scaled = scaled
    isOfColumns = columns < rows
    let side = min(rows, columns)
    // Rows of which all products are taken.
    let vectors = isOfColumns ? try LeftFactor.transposed(scaled, rows, columns) : scaled
    let length = max(rows, columns)
    let products = try Storage.doubles(try checkedProduct(side, side))
    var i = 0
    while i < side {
      if i % 32 == 31 { try pause() }
      var j = 0
      while j <= i {
        let product = doubleDotProduct(vectors.doubles + i &* length, vectors.doubles + j &* length, length)
        products.doubles[i &* side &+ j] = product
        products.doubles[j &* side &+ i] = product
        j &+= 1
      }
      i &+= 1
    }
    eigen = try SymmetricEigen(products, count: side, pause: pause)
  }

  /// Squares of the singular values, largest first; none is negative.
  var energies: [Double] { eigen.values.map { max($0, 0) } }

  /// The first `rank` left singular vectors as rows [rank][rows].
  func vectors(_ rank: Int) throws(EdgeError) -> Storage {
    let found = try eigen.vectors(rank)
    if !isOfColumns { return found }
    // u = A v / |A v|.
    let result = try Storage.doubles(try checkedProduct(rank, rows))
    for place in 0..<rank {
      let (v, u) = (found.doubles + place &* columns, result.doubles + place &* rows)
      var row = 0
      while row < rows {
        u[row] = doubleDotProduct(scaled.doubles + row &* columns, v, columns)
        row &+= 1
      }
      let norm = doubleDotProduct(u, u, rows).squareRoot()
      addScaled(u, norm > 0 ? 1 / norm - 1 : 0, u, 0, u, rows)
    }
    return result
  }

  private static func transposed(_ matrix: Storage, _ rows: Int, _ columns: Int) throws(EdgeError) -> Storage {
    let result = try Storage.doubles(try checkedProduct(rows, columns))
    var row = 0
    while row < rows {
      var column = 0
      while column < columns {
        result.doubles[column &* rows &+ row] = matrix.doubles[row &* columns &+ column]
        column &+= 1
      }
      row &+= 1
    }
    return result
  }

  /// W := W L with H = L L^T, a little of the mean diagonal added so that there is an L (Cholesky's decomposition, by rows).
  private static func multiply(
    _ weights: UnsafeMutablePointer<Double>, _ rows: Int, _ columns: Int, _ moments: UnsafePointer<Float>, _ pause: Pause
  ) throws(EdgeError) {
    let factor = try Storage.doubles(try checkedProduct(columns, columns))
    let l = factor.doubles
    var trace = 0.0
    for index in 0..<columns { trace += Double(moments[index &* columns &+ index]) }
    let damping = max(1e-4 * trace / Double(columns), 1e-20)
    var i = 0
    while i < columns {
      if i % 32 == 31 { try pause() }
      let row = l + i &* columns
      var j = 0
      while j < i {
        row[j] = (Double(moments[i &* columns &+ j]) - doubleDotProduct(row, l + j &* columns, j)) / l[j &* columns &+ j]
        j &+= 1
      }
      let rest = Double(moments[i &* columns &+ i]) + damping - doubleDotProduct(row, row, i)
      row[i] = max(rest, damping * 1e-6).squareRoot()
      i &+= 1
    }
    // Column j of L from row j on: its transpose makes rows of them.
    let across = try transposed(factor, columns, columns)
    i = 0
    while i < rows {
      if i % 32 == 31 { try pause() }
      let row = weights + i &* columns
      var j = 0
      while j < columns {
        row[j] = doubleDotProduct(row + j, across.doubles + (j &* columns &+ j), columns &- j)
        j &+= 1
      }
      i &+= 1
    }
  }
}
