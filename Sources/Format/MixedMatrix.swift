#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The strong coding of a matrix of symbols, for small layers: whether each is the frequent one ("zero"), and which it is.
///
/// Pruned weights cluster: inputs that mean nothing leave empty columns, units that do little empty rows. So the flag is
/// predicted from how full the column and the row have been, over all and in the last eight places.
final class MixedMatrix: SymbolRows {
  private let coder: MixingCoder
  private let columns: Int
  private let symbols: Int
  private let zero: Int
  private let bits: Int
  private let offset: Int
  private let memory: Storage
  private let above: UnsafeMutablePointer<UInt16>
  /// Symbols other than zero in each column.
  private let filled: UnsafeMutablePointer<UInt32>
  /// Whether the last eight of each column were.
  private let recent: UnsafeMutablePointer<UInt8>
  private var row = 0
  private(set) var isBroken = false
  var isTruncated: Bool { coder.isTruncated }

  /// A matrix of rows of `columns` symbols below `symbols`. Throws `outOfMemory`.
  init(_ coder: MixingCoder, columns: Int, symbols: Int, zero: Int) throws(EdgeError) {
    self.coder = coder
    self.columns = columns
    self.symbols = symbols
    self.zero = zero
    (bits, offset) = SymbolAlphabet.placement(symbols, zero, digitBits: 1)
    memory = try Storage.allocate(7 * columns)
    filled = memory.base.assumingMemoryBound(to: UInt32.self)
    above = (memory.base + 4 * columns).assumingMemoryBound(to: UInt16.self)
    recent = (memory.base + 6 * columns).assumingMemoryBound(to: UInt8.self)
    var column = 0
    while column < columns {
      above[column] = UInt16(truncatingIfNeeded: zero)
      column &+= 1
    }
  }

  func code(_ row: UnsafeMutablePointer<UInt16>, _ count: Int) {
    var filledBefore = 0
    var before = 0  // whether the last eight were not zero, the last in the lowest bit
    var left = zero
    var column = 0
    while column < count {
      let up = Int(above[column])
      let lately = recent[column]
      let fullColumn = density(Int(filled[column]), self.row)
      let fullRow = density(filledBefore, column)
      let near = (before & 0xFF).nonzeroBitCount
      let nearColumn = lately.nonzeroBitCount
      let right = column &+ 1 < columns ? Int(recent[column &+ 1] & 1) : 0
      let corner = column > 0 ? Int(above[column &- 1]) : zero
      let around = before & 7 | Int(lately & 3) << 3 | right << 5 | (corner != zero ? 64 : 0)
      var symbol = Int(row[column])
      let flag = coder.number(
        symbol != zero ? 1 : 0, bits: 1, MixingContext.matrix(0, fullRow << 4 | fullColumn), MixingContext.matrix(1, around),
        MixingContext.matrix(2, fullColumn << 4 | nearColumn), MixingContext.matrix(3, fullRow << 4 | near),
        set: MixingContext.flagWeights &+ fullColumn)
      if flag == 0 {
        symbol = zero
      } else {
        symbol = coder.number(
          symbol &+ offset, bits: bits, MixingContext.matrix(4, bits),
          MixingContext.matrix(5, bits << 5 | size(left)), MixingContext.matrix(6, bits << 5 | size(up)),
          MixingContext.matrix(7, bits << 6 | size(left) << 1 | (fullColumn < 8 ? 1 : 0)), set: MixingContext.symbolWeights)
        symbol &-= offset
        if symbol < 0 || symbol >= symbols {
          isBroken = true
          symbol = zero
        }
        filled[column] &+= 1
        filledBefore &+= 1
      }
      row[column] = UInt16(truncatingIfNeeded: symbol)
      above[column] = UInt16(truncatingIfNeeded: symbol)
      recent[column] = lately << 1 | UInt8(flag)
      before = before << 1 | flag
      left = symbol
      column &+= 1
    }
    self.row &+= 1
  }

  /// The stream goes on with something else.
  func end() {}

  /// A share of 1 in steps of a factor of 1.4: 0 for all, 15 for less than one in 180.
  private func density(_ count: Int, _ of: Int) -> Int {
    let share = UInt32(truncatingIfNeeded: (Int64(count) &* 10 &+ 4) << 16 / (Int64(of) &* 10 &+ 8))
    let octave = 31 &- share.leadingZeroBitCount
    let half = octave > 0 ? Int(share >> UInt32(octave &- 1) & 1) : 0
    return max(0, min(15, 32 &- 2 &* octave &- half))
  }

  /// Sign and magnitude of a symbol, coarsely, below 32.
  private func size(_ symbol: Int) -> Int {
    let distance = symbol &- zero
    let magnitude = min(distance.magnitude, 15)
    return Int(magnitude) << 1 | (distance < 0 ? 1 : 0)
  }
}
