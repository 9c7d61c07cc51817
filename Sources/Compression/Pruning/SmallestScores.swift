/// Finds which scores are the smallest, exactly and in a time that grows with their number alone: those that are not negative
/// are ordered like their bits, of which the upper half and then the lower half are counted.
public struct SmallestScores {
  /// Scores below this one are among the smallest.
  public let limit: Float
  /// So many that equal it are as well, the first ones.
  public let ties: Int

  /// The `count` smallest of all lists together. Scores are not negative and no NaN.
  public init(_ lists: [[Float]], count: Int) {
    var total = 0
    for list in lists { total += list.count }
    guard count < total else {
      limit = .infinity
      var infinite = 0
      for list in lists { for score in list where score == .infinity { infinite += 1 } }
      ties = infinite
      return
    }
    let (upper, before) = SmallestScores.place(lists, count, 0, isUpper: true)
    let (lower, below) = SmallestScores.place(lists, count - before, upper, isUpper: false)
    limit = Float(bitPattern: UInt32(upper << 16 | lower))
    ties = count - before - below
  }

  /// The half of the bits at which `count` scores are reached, and how many lie below it.
  private static func place(_ lists: [[Float]], _ count: Int, _ upper: Int, isUpper: Bool) -> (half: Int, before: Int) {
    var counts = [Int](repeating: 0, count: 65536)
    counts.withUnsafeMutableBufferPointer { counts in
      for list in lists {
        list.withUnsafeBufferPointer { scores in
          var index = 0
          while index < scores.count {
            let bits = Int(scores[index].bitPattern)
            if isUpper { counts[bits >> 16] &+= 1 } else if bits >> 16 == upper { counts[bits & 65535] &+= 1 }
            index &+= 1
          }
        }
      }
    }
    var half = 0
    var before = 0
    while half < 65535, before + counts[half] <= count {
      before += counts[half]
      half += 1
    }
    return (half, before)
  }
}
