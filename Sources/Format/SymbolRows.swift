/// Codes a matrix of symbols row by row, in place: an encoder reads a row, a decoder fills it.
protocol SymbolRows: AnyObject {
  /// The next row, of `count` symbols; only the last may be shorter than the others.
  func code(_ row: UnsafeMutablePointer<UInt16>, _ count: Int)
  /// A decoder met a symbol that does not exist.
  var isBroken: Bool { get }
  /// A decoder read beyond the end of its bytes.
  var isTruncated: Bool { get }
  /// Ends the matrix; the bytes of an encoder are then whole.
  func end()
}

/// Numbers that stand for the values of a tensor.
enum SymbolAlphabet {
  /// Most values that symbols are used for.
  static let most = 4096
  /// Longest row. A tensor with longer ones is a matrix of rows of this length.
  static let longestRow = 65_536

  /// How symbols become numbers of whole digits of `digitBits` bits: with zero in the middle where that takes no more
  /// digits, so that what was learned of one tensor serves the next, whose zero is another symbol.
  static func placement(_ symbols: Int, _ zero: Int, digitBits: Int) -> (bits: Int, offset: Int) {
    var bits = digitBits
    while 1 << bits < symbols { bits += digitBits }
    let half = 1 << (bits - 1)
    return (bits, zero <= half && symbols - zero <= half ? half - zero : 0)
  }
}
