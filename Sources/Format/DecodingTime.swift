/// What decoding takes, estimated in nanoseconds, and what it may take. The numbers were measured on one thread of a Zen 4 and are
/// the same wherever a file is written, so that the same graph is the same file everywhere. A reader that is slower than that takes
/// longer than the budget by as much.
enum DecodingTime {
  // Of the mixing coder: a bit that contexts predict, one that is as likely one as zero, and the flag of a matrix, which has
  // to look around.
  private static let mixedBit: Int64 = 31
  private static let evenBit: Int64 = 5
  private static let mixedFlag: Int64 = 39
  // Of the others: flag and digit of the fast coder, a symbol of fixed probabilities, their table and each level of it, a byte that
  // is not coded.
  private static let fastFlag: Int64 = 6
  private static let fastDigit: Int64 = 11
  private static let fixedSymbol: Int64 = 3
  private static let fixedTable: Int64 = 25_000
  private static let fixedLevel: Int64 = 350
  private static let plainByte: Int64 = 2

  /// What a file may take: so much for each byte of its constants, in their own types, which is 200 MB/s, or this for a file that
  /// then has less. There bytes count for more than milliseconds.
  static func budget(_ decodedBytes: Int) -> Int64 { max(5 &* Int64(decodedBytes), 20_000_000) }

  static func description(_ bytes: Int) -> Int64 { 8 &* mixedBit &* Int64(bytes) }

  private static func element(bytes: Int, isReal: Bool) -> Int64 {
    isReal ? 8 &* (mixedBit &+ Int64(bytes &- 1) &* evenBit) : 8 &* Int64(bytes) &* mixedBit
  }

  static func list(_ count: Int, bytes: Int, isReal: Bool) -> Int64 { Int64(count) &* element(bytes: bytes, isReal: isReal) }

  static func split(_ count: Int, bytes: Int) -> Int64 { Int64(count) &* (2 &* fastDigit &+ Int64(bytes &- 1) &* plainByte) }

  static func sparse(_ count: Int, zeros: Int, bytes: Int) -> Int64 {
    Int64(count) &* fastFlag &+ Int64(count &- zeros) &* fastDigit &+ split(count &- zeros, bytes: bytes)
  }

  /// Symbols in this form, of which so many are the frequent one, and what they stand for.
  static func symbols(_ form: ConstantForm, _ matrix: ConstantMatrix, zeros: Int) -> Int64 {
    let (count, others) = (Int64(matrix.count), Int64(matrix.count &- zeros))
    var time: Int64 = 0
    switch form.palette {
    case .list: time = Int64(form.symbols) &* (10 &* mixedBit &+ 16 &* evenBit)
    case .rows: time = Int64(matrix.rows) &* element(bytes: 4, isReal: true)
    case .interval, .grid: break
    }
    switch form.kind {
    case .mixed:
      time &+= count &* mixedFlag &+ others &* mixedBit &* Int64(SymbolAlphabet.placement(form.symbols, form.zero, digitBits: 1).bits)
    case .fast:
      let digits = Int64(SymbolAlphabet.placement(form.symbols, form.zero, digitBits: 4).bits / 4)
      time &+= form.hasFlags ? count &* fastFlag &+ others &* digits &* fastDigit : count &* digits &* fastDigit
    case .fixed: time &+= count &* fixedSymbol &+ fixedTable &+ Int64(form.symbols) &* fixedLevel
    default: break
    }
    return time
  }
}

/// A form of a constant, the bytes that it takes alone, and the time to decode it.
struct CodingWay {
  let kind: ConstantForm.Kind
  let bytes: Int
  let nanoseconds: Int64

  /// For each constant one of its ways, of which the first is the smallest or nearly: those that take the fewest bytes in the time
  /// that the file has for its constants. Nil when those are the first ones.
  static func chosen(_ ways: [[CodingWay]], within budget: Int64) -> [ConstantForm.Kind]? {
    var first: Int64 = 0
    for constant in ways { first &+= constant[0].nanoseconds }
    if first <= budget { return nil }
    // At a price of time each constant has its own best way; the lowest price that keeps to the budget is found, of at most a byte
    // for 32 ns. Where none does, that one comes nearest.
    var (low, high) = (Int64(0), Int64(1) << 19)
    while low < high {
      let middle = (low &+ high) / 2
      if best(ways, middle).nanoseconds <= budget { high = middle } else { low = middle &+ 1 }
    }
    let kinds = best(ways, high).kinds
    for (kind, constant) in zip(kinds, ways) where kind != constant[0].kind { return kinds }
    return nil
  }

  private static func best(_ ways: [[CodingWay]], _ price: Int64) -> (kinds: [ConstantForm.Kind], nanoseconds: Int64) {
    var kinds: [ConstantForm.Kind] = []
    var nanoseconds: Int64 = 0
    for constant in ways {
      var best = constant[0]
      for way in constant where way.cost(price) < best.cost(price) { best = way }
      kinds.append(best.kind)
      nanoseconds &+= best.nanoseconds
    }
    return (kinds, nanoseconds)
  }

  /// In bytes times 2^24; the price is that of a nanosecond.
  private func cost(_ price: Int64) -> Int64 { Int64(bytes) << 24 &+ price &* nanoseconds }
}
