/// Finds which scores are the smallest, exactly and in a time that grows with their number alone: magnitudes are ordered like
/// their bits, of which the upper 11, the next 10 and the last 10 are counted.
public struct SmallestScores {
  /// Scores below this one are among the smallest.
  public let limit: Float
  /// So many that equal it are as well, the first ones.
  public let ties: Int

  /// Numbers that it counts with.
  public static var counterCount: Int { 2048 }

  /// The `count` smallest of all lists together. Scores are not negative and no NaN.
  public init(_ lists: [[Float]], count: Int) {
    var counters = [Int](repeating: 0, count: SmallestScores.counterCount)
    self = counters.withUnsafeMutableBufferPointer { counters in
      SmallestScores(count: count, counters.baseAddress.unsafelyUnwrapped) { take in
        for list in lists { list.withUnsafeBufferPointer { if let values = $0.baseAddress { take(values, nil, $0.count) } } }
      }
    }
  }

  /// The `count` smallest scores of all lists that `lists` hands out, each time in the same order: weights, their mask, how many they are.
  /// Allocates nothing: `counters` has room for `counterCount` numbers.
  public init(
    count: Int, _ counters: UnsafeMutablePointer<Int>,
    _ lists: (_ take: (UnsafePointer<Float>, _ mask: UnsafePointer<Float>?, _ count: Int) -> Void) -> Void
  ) {
    var total = 0
    lists { _, _, count in total += count }
    guard count < total else {
      var infinite = 0
      lists { weights, mask, count in
        var index = 0
        while index < count {
          if SmallestScores.score(weights, mask, index) == .infinity { infinite += 1 }
          index &+= 1
        }
      }
      limit = .infinity
      ties = infinite
      return
    }
    var (bits, rest, shift) = (UInt32(0), count, UInt32(30))
    while shift > 0 {
      shift -= 10
      counters.update(repeating: 0, count: SmallestScores.counterCount)
      lists { weights, mask, count in SmallestScores.tally(weights, mask, count, counters, bits, shift) }
      var place = 0
      while place < SmallestScores.counterCount - 1, counters[place] <= rest {
        rest -= counters[place]
        place += 1
      }
      bits |= UInt32(place) << shift
    }
    limit = Float(bitPattern: bits)
    ties = rest
  }

  /// The magnitude of a weight; 0 of one that is masked. NaN counts as the largest: it is not what pruning should hide.
  @inline(__always) public static func score(_ weights: UnsafePointer<Float>, _ mask: UnsafePointer<Float>?, _ index: Int) -> Float {
    if let mask, mask[index] == 0 { return 0 }
    let magnitude = weights[index].magnitude
    return magnitude == magnitude ? magnitude : .infinity
  }

  /// Counts the 11 or 10 bits from `shift` on of the scores whose bits above them are `known`.
  private static func tally(
    _ weights: UnsafePointer<Float>, _ mask: UnsafePointer<Float>?, _ count: Int, _ counters: UnsafeMutablePointer<Int>, _ known: UInt32,
    _ shift: UInt32
  ) {
    let (above, own): (UInt32, UInt32) = shift == 20 ? (0, 2047) : (~0 << (shift + 10), 1023)
    var index = 0
    while index < count {
      let bits = score(weights, mask, index).bitPattern
      if bits & above == known { counters[Int((bits >> shift) & own)] &+= 1 }
      index &+= 1
    }
  }
}
