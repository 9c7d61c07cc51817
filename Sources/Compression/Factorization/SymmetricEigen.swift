#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Eigenvalues and eigenvectors of a symmetric matrix of double numbers: Householder reflections make it tridiagonal, implicit QR
/// steps with Wilkinson's shift make that diagonal (Golub and Van Loan, Matrix Computations, 8.3). About 2 n^3 operations for the
/// eigenvalues, 6 n^3 more for the vectors.
struct SymmetricEigen {
  /// Largest first.
  private(set) var values: [Double] = []
  /// In row k the reflection of step k, from column k + 1 on.
  private let matrix: Storage
  private let count: Int
  private var factors: [Double] = []
  private var diagonal: [Double] = []
  private var besides: [Double] = []
  /// Asked now and then: to throw ends the work.
  private let pause: LeftFactor.Pause

  /// Takes the matrix [count][count] over. Throws `outOfMemory`, `internalError` for numbers that are not finite, what `pause` throws.
  init(_ matrix: Storage, count: Int, pause: @escaping LeftFactor.Pause) throws(EdgeError) {
    self.matrix = matrix
    self.count = count
    self.pause = pause
    try tridiagonalize()
    var (d, e) = (diagonal, besides)
    try diagonalize(&d, &e, vectors: nil)
    values = sortedIndices(count) { d[$0] > d[$1] }.map { d[$0] }
  }

  private mutating func tridiagonalize() throws(EdgeError) {
    let a = matrix.doubles
    let products = try Storage.doubles(count)
    let p = products.doubles
    factors = [Double](repeating: 0, count: count)
    diagonal = [Double](repeating: 0, count: count)
    besides = [Double](repeating: 0, count: count)
    for k in 0..<count {
      if k % 32 == 31 { try pause() }
      diagonal[k] = a[k &* count &+ k]
      let size = count &- k &- 1
      guard size > 0 else { break }
      let v = a + (k &* count &+ k &+ 1)
      let norm = doubleDotProduct(v, v, size).squareRoot()
      let head = v[0]
      if size == 1 || norm == 0 {
        besides[k] = head
        continue
      }
      // v becomes x + sign(x0) |x| e0, whose reflection takes x to -sign(x0) |x| e0.
      besides[k] = head > 0 ? -norm : norm
      v[0] = head - besides[k]
      let factor = 2 / doubleDotProduct(v, v, size)
      factors[k] = factor
      var row = 0
      while row < size {
        p[row] = factor * doubleDotProduct(a + ((k &+ 1 &+ row) &* count &+ k &+ 1), v, size)
        row &+= 1
      }
      let half = factor / 2 * doubleDotProduct(p, v, size)
      addScaled(p, -half, v, 0, v, size)
      row = 0
      while row < size {
        addScaled(a + ((k &+ 1 &+ row) &* count &+ k &+ 1), -v[row], p, -p[row], v, size)
        row &+= 1
      }
    }
  }

  /// `vectors`: rows [count][count] that turn with the matrix.
  private func diagonalize(_ d: inout [Double], _ e: inout [Double], vectors: UnsafeMutablePointer<Double>?) throws(EdgeError) {
    let count = d.count
    var end = count - 1
    var steps = 0
    while end > 0 {
      if !(e[end - 1].magnitude > Double.ulpOfOne * (d[end - 1].magnitude + d[end].magnitude)) {
        e[end - 1] = 0
        end -= 1
        continue
      }
      var start = end - 1
      while start > 0, e[start - 1].magnitude > Double.ulpOfOne * (d[start - 1].magnitude + d[start].magnitude) { start -= 1 }
      steps += 1
      if vectors != nil, steps % 32 == 0 { try pause() }
      guard steps <= 60 * count else { throw EdgeError(.internalError, "a decomposition does not converge") }
      // The eigenvalue of the last two rows that is nearer to the last number.
      let half = (d[end - 1] - d[end]) / 2
      let square = e[end - 1] * e[end - 1]
      let root = (half * half + square).squareRoot()
      let shift = d[end] - square / (half + (half < 0 ? -root : root))
      var x = d[start] - shift
      var z = e[start]
      for k in start..<end {
        let length = (x * x + z * z).squareRoot()
        let (c, s) = length == 0 ? (1, 0) : (x / length, z / length)
        if k > start { e[k - 1] = length }
        let (first, second, beside) = (d[k], d[k + 1], e[k])
        d[k] = c * c * first + 2 * c * s * beside + s * s * second
        d[k + 1] = s * s * first - 2 * c * s * beside + c * c * second
        e[k] = c * s * (second - first) + (c * c - s * s) * beside
        if k + 1 < end {
          x = e[k]
          z = s * e[k + 1]
          e[k + 1] *= c
        }
        if let vectors { rotate(vectors + k &* count, vectors + (k &+ 1) &* count, c, s, count) }
      }
    }
    for value in d where !value.isFinite { throw EdgeError(.internalError, "a decomposition has a number that is not finite") }
  }

  /// Eigenvectors of the `most` largest eigenvalues, one in each row [most][count].
  func vectors(_ most: Int) throws(EdgeError) -> Storage {
    let all = try Storage.doubles(try checkedProduct(count, count))
    for index in 0..<count { all.doubles[index &* count &+ index] = 1 }
    var (d, e) = (diagonal, besides)
    try diagonalize(&d, &e, vectors: all.doubles)
    let order = sortedIndices(count) { d[$0] > d[$1] }
    let result = try Storage.doubles(try checkedProduct(most, count))
    for place in 0..<most {
      if place % 32 == 31 { try pause() }
      let vector = result.doubles + place &* count
      vector.update(from: all.doubles + order[place] &* count, count: count)
      // Back through the reflections, the last one first.
      var k = count &- 2
      while k >= 0 {
        if factors[k] != 0 {
          let size = count &- k &- 1
          let reflection = matrix.doubles + (k &* count &+ k &+ 1)
          let target = vector + (k &+ 1)
          addScaled(target, -factors[k] * doubleDotProduct(reflection, target, size), reflection, 0, reflection, size)
        }
        k &-= 1
      }
    }
    return result
  }
}
