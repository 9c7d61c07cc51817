#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Second moments of what a layer sees, about their means: of its input in the pruned network, y, and between that and its
/// input in the network as it was, x. Of some of its columns, for each group of channels.
///
/// Rows are collected until a product is worth its while. They are taken less the means of the first lot, so that the float32
/// products lose nothing to large means; between lots the sums are float32 too.
final class InputStatistics {
  /// The columns of the layer that these are of.
  let start: Int
  let columns: Int
  let groups: Int
  /// Rows taken.
  private(set) var count = 0
  /// sum y^T y and sum x^T y about the means, [groups][columns][columns], after `finish`.
  private(set) var gram: Storage
  private(set) var cross: Storage
  /// Means, [groups][columns], after `finish`.
  let xMean: Storage
  let yMean: Storage

  private let rows: Int
  private var filled = 0
  /// Means of the first lot, [groups][columns], x and then y.
  private let shifts: Storage
  private let sums: Storage
  private var session: MatrixSession?
  private let x: UnsafeMutablePointer<Float>
  private let y: UnsafeMutablePointer<Float>

  private typealias Tables = (gram: Storage, cross: Storage, xMean: Storage, yMean: Storage, shifts: Storage, sums: Storage)

  private init(
    start: Int, columns: Int, groups: Int, rows: Int, _ tables: Tables, _ session: MatrixSession, _ x: UnsafeMutablePointer<Float>,
    _ y: UnsafeMutablePointer<Float>
  ) {
    self.start = start
    self.columns = columns
    self.groups = groups
    self.rows = rows
    self.session = session
    self.x = x
    self.y = y
    (gram, cross, xMean, yMean, shifts, sums) = tables
  }

  /// Throws `limitExceeded`, `outOfMemory`.
  static func make(start: Int, columns: Int, groups: Int, threads: Int) throws(EdgeError) -> InputStatistics {
    let width = try checkedProduct(groups, columns)
    let square = try checkedProduct(width, columns)
    let rows = max(min(lotElements / max(width, 1), 1024), 64)
    let tables: Tables = (
      try Storage.floats(square), try Storage.floats(square), try Storage.doubles(width), try Storage.doubles(width),
      try Storage.floats(try checkedProduct(width, 2)), try Storage.doubles(try checkedProduct(width, 2))
    )
    let session = try MatrixSession.grams(groups: groups, rows: rows, columns: columns, threads: threads)
    return InputStatistics(
      start: start, columns: columns, groups: groups, rows: rows, tables, session, try session.input(0), try session.input(1))
  }

  /// Elements of one lot of rows.
  private static let lotElements = 1 << 21

  /// Takes a row of both, for each group the numbers of the layer's columns.
  func add(_ xRow: UnsafePointer<Float>, _ yRow: UnsafePointer<Float>, group: Int) {
    let place = (group &* rows &+ filled) &* columns
    (x + place).update(from: xRow + start, count: columns)
    (y + place).update(from: yRow + start, count: columns)
  }

  /// After each group has its row.
  func endRow() throws(EdgeError) {
    filled += 1
    count += 1
    if filled == rows { try flush() }
  }

  private func flush() throws(EdgeError) {
    guard let session, filled > 0 else { return }
    let width = groups &* columns
    let isFirst = count == filled
    shift(x, shifts.floats, sums.doubles, isFirst: isFirst)
    shift(y, shifts.floats + width, sums.doubles + width, isFirst: isFirst)
    try session.run()
    let (yy, xy) = (try session.output(0), try session.output(1))
    let (gram, cross) = (self.gram.floats, self.cross.floats)
    var index = 0
    while index < width &* columns {
      gram[index] += yy[index]
      cross[index] += xy[index]
      index &+= 1
    }
    filled = 0
  }

  /// Takes the shifts from the rows of a lot, which `isFirst` sets, and adds up what is left; rows that are not filled
  /// become zeros.
  private func shift(
    _ lot: UnsafeMutablePointer<Float>, _ shifts: UnsafeMutablePointer<Float>, _ sums: UnsafeMutablePointer<Double>, isFirst: Bool
  ) {
    var group = 0
    while group < groups {
      let matrix = lot + group &* rows &* columns
      let shift = shifts + group &* columns
      let sum = sums + group &* columns
      var column = 0
      if isFirst {
        while column < columns {
          var total = 0.0
          var row = 0
          while row < filled {
            total += Double(matrix[row &* columns &+ column])
            row &+= 1
          }
          shift[column] = Float(total / Double(filled))
          column &+= 1
        }
      }
      var row = 0
      while row < filled {
        let line = matrix + row &* columns
        column = 0
        while column < columns {
          let rest = line[column] - shift[column]
          line[column] = rest
          sum[column] += Double(rest)
          column &+= 1
        }
        row &+= 1
      }
      (matrix + filled &* columns).update(repeating: 0, count: (rows &- filled) &* columns)
      group &+= 1
    }
  }

  /// False when the network made numbers that are not finite: the statistics then say nothing.
  var isFinite: Bool {
    var index = 0
    while index < groups &* columns {
      if !gram.floats[index &* columns &+ index % columns].isFinite || !xMean.doubles[index].isFinite { return false }
      index &+= 1
    }
    return true
  }

  /// The moments about the means. Gives the memory of the products back.
  func finish() throws(EdgeError) {
    try flush()
    session = nil
    let width = groups &* columns
    let n = Double(max(count, 1))
    let (xShift, yShift) = (shifts.floats, shifts.floats + width)
    let (xSum, ySum) = (sums.doubles, sums.doubles + width)
    var group = 0
    while group < groups {
      var i = 0
      while i < columns {
        let place = group &* columns &+ i
        let (xPart, yPart) = (xSum[place] / n, ySum[place] / n)
        let (gramLine, crossLine) = (gram.floats + place &* columns, cross.floats + place &* columns)
        let others = ySum + group &* columns
        var j = 0
        while j < columns {
          gramLine[j] = Float(Double(gramLine[j]) - yPart * others[j])
          crossLine[j] = Float(Double(crossLine[j]) - xPart * others[j])
          j &+= 1
        }
        xMean.doubles[place] = Double(xShift[place]) + xPart
        yMean.doubles[place] = Double(yShift[place]) + yPart
        i &+= 1
      }
      group &+= 1
    }
  }

  /// Gives the memory of the second moments back; the means stay. Nothing may ask for `isFinite` or the moments afterwards.
  func dropMoments() throws(EdgeError) {
    gram = try Storage.floats(0)
    cross = try Storage.floats(0)
  }
}
