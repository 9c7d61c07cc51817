#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The coding of large dense matrices of up to 256 symbols: an asymmetric numeral system (Duda 2013) whose probabilities do not
/// change and stand in front of it. Trained weights that are not pruned have little to learn from their neighbours, and so many of
/// them pay for a table. Eight states take turns (Giesen 2014), so that the steps of eight symbols need not wait for each other.
final class FixedMatrix: SymbolRows {
  /// Most symbols.
  static let most = 256
  /// States.
  private static let lanes = 8
  /// Bits of a probability.
  private static let precision: UInt32 = 14
  private static let total = 1 << 14
  /// A state is between this and 2^32; it grows and shrinks by words of 16 bits.
  private static let lowest: UInt32 = 1 << 16

  private let memory: Storage
  /// Of each symbol: its interval's start, and above 16 bits its length.
  private let intervals: UnsafeMutablePointer<UInt32>
  private let states: UnsafeMutablePointer<UInt32>
  /// The symbol whose interval holds a place.
  private let symbolAt: UnsafeMutablePointer<UInt8>

  private var input = UnsafeRawBufferPointer(start: nil, count: 0)
  private var position = 0
  private var lane = 0
  private(set) var isBroken = false
  private(set) var isTruncated = false

  /// Throws `outOfMemory`. The memory, 17 KB, serves any number of matrices.
  init() throws(EdgeError) {
    memory = try Storage.allocate(4 * FixedMatrix.most + 4 * FixedMatrix.lanes + FixedMatrix.total)
    intervals = memory.base.assumingMemoryBound(to: UInt32.self)
    states = intervals + FixedMatrix.most
    symbolAt = (memory.base + 4 * (FixedMatrix.most + FixedMatrix.lanes)).assumingMemoryBound(to: UInt8.self)
  }

  // MARK: Levels

  /// How often a symbol occurs is said by a level: 0 for never, else four bits of the share and their place.
  static let levelBits = 7

  private static func share(_ level: Int) -> Int { level == 0 ? 0 : (8 &+ (level &- 1) & 7) << ((level &- 1) >> 3) }

  /// Levels of symbols that occur so often.
  static func levels(_ counts: [Int]) -> [Int] {
    // The greatest share that has a level, but one of the next place.
    let greatest = 15 << 14
    let most = counts.reduce(1) { $0 > $1 ? $0 : $1 }
    return counts.map { count in
      if count == 0 { return 0 }
      let share = max(8, Int(UInt64(greatest) &* min(UInt64(count), 1 << 40) / min(UInt64(most), 1 << 40)))
      let shift = Int.bitWidth &- 4 &- share.leadingZeroBitCount
      return 1 &+ shift << 3 &+ (share >> shift) & 7
    }
  }

  /// Intervals of symbols with these levels. False when no symbol occurs.
  func setLevels(_ levels: [Int]) -> Bool {
    var (sum, present) = (0, 0)
    for level in levels where level > 0 {
      sum += FixedMatrix.share(level)
      present += 1
    }
    guard present > 0, levels.count <= FixedMatrix.most else { return false }
    // Each symbol that occurs has one place, and of the others what its share is.
    var (before, count, start) = (0, 0, 0)
    for symbol in levels.indices {
      if levels[symbol] > 0 { count &+= 1 }
      before &+= FixedMatrix.share(levels[symbol])
      let end = count &+ Int(UInt64(before) &* UInt64(FixedMatrix.total &- present) / UInt64(sum))
      intervals[symbol] = UInt32(truncatingIfNeeded: (end &- start) << 16 | start)
      while start < end {
        symbolAt[start] = UInt8(truncatingIfNeeded: symbol)
        start &+= 1
      }
    }
    return true
  }

  /// About as many bytes as `encoded` gives for so many of each symbol, with the levels that were set, in integers: what their
  /// probabilities say, and of each state 24 of its 32 bits, because it begins with 16 and ends with between 16 and 32.
  func byteCount(_ counts: [Int]) -> Int {
    var bits: UInt64 = 0
    for (symbol, count) in counts.enumerated() where count > 0 {
      bits &+= UInt64(count) &* FixedMatrix.bits(UInt64(intervals[symbol] >> 16))
    }
    return Int(bits >> (FixedMatrix.fractionBits &+ 3)) &+ 3 &* FixedMatrix.lanes
  }

  private static let fractionBits: UInt64 = 16

  /// Bits of a symbol whose interval is so long, times 2^16: 14 less the logarithm, whose fraction comes from squaring.
  private static func bits(_ length: UInt64) -> UInt64 {
    var logarithm = UInt64(63 &- length.leadingZeroBitCount)
    var mantissa = length << (31 &- logarithm)
    for _ in 0..<fractionBits {
      mantissa = (mantissa &* mantissa) >> 31
      logarithm <<= 1
      if mantissa >> 32 != 0 {
        mantissa >>= 1
        logarithm |= 1
      }
    }
    return UInt64(precision) << fractionBits &- logarithm
  }

  // MARK: Decoding

  /// Begins to decode a matrix with the levels that were set.
  func begin(_ input: UnsafeRawBufferPointer) {
    self.input = input
    (isBroken, isTruncated) = (false, false)
    (position, lane) = (0, 0)
    guard input.count >= 4 * FixedMatrix.lanes else {
      isTruncated = true
      return
    }
    while lane < FixedMatrix.lanes {
      // The highest word first.
      states[lane] = word() << 16
      states[lane] |= word()
      lane &+= 1
    }
    lane = 0
  }

  private func word() -> UInt32 {
    position &+= 2
    return UInt32(input[position &- 2]) | UInt32(input[position &- 1]) << 8
  }

  func code(_ row: UnsafeMutablePointer<UInt16>, _ count: Int) {
    guard !isTruncated, let bytes = input.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
    let (states, symbolAt, intervals) = (states, symbolAt, intervals)
    // Where the last word is; beyond it that word is read again, until the row ends.
    let last = input.count &- 2
    var position = position
    var lane = lane
    var column = 0
    while column < count {
      let state = states[lane]
      let slot = state & UInt32(FixedMatrix.total &- 1)
      let symbol = symbolAt[Int(slot)]
      let interval = intervals[Int(symbol)]
      let next = (interval >> 16) &* (state >> FixedMatrix.precision) &+ slot &- interval & 0xFFFF
      let at = position < last ? position : last
      // A branch would be as often wrong as right.
      let short: UInt32 = next < FixedMatrix.lowest ? 1 : 0
      states[lane] = next &<< (short << 4) | (UInt32(bytes[at]) | UInt32(bytes[at &+ 1]) << 8) & (0 &- short)
      position &+= Int(short << 1)
      row[column] = UInt16(truncatingIfNeeded: symbol)
      lane = (lane &+ 1) & (FixedMatrix.lanes &- 1)
      column &+= 1
    }
    self.lane = lane
    self.position = position
    if position > input.count { isTruncated = true }
  }

  /// The encoder began with these states.
  func end() {
    if position != input.count { isBroken = true }
    for lane in 0..<FixedMatrix.lanes where states[lane] != FixedMatrix.lowest { isBroken = true }
  }

  // MARK: Encoding

  /// The code of so many symbols, with the levels that were set; `fill` gives those from a place on. It is a stack: the last
  /// symbol is coded first. Throws `outOfMemory`.
  func encoded(
    _ count: Int, columns: Int, _ row: UnsafeMutablePointer<UInt16>, fill: (UnsafeMutablePointer<UInt16>, Int, Int) -> Void
  ) throws(EdgeError) -> [UInt8] {
    let wordCount = count &+ 2 &* FixedMatrix.lanes
    let storage = try Storage.allocate(2 * wordCount)
    let words = storage.base.assumingMemoryBound(to: UInt16.self)
    var place = wordCount
    for lane in 0..<FixedMatrix.lanes { states[lane] = FixedMatrix.lowest }
    var end = count
    while end > 0 {
      let start = (end &- 1) / columns &* columns
      fill(row, start, end &- start)
      var index = end
      while index > start {
        index &-= 1
        let interval = intervals[Int(row[index &- start])]
        let length = interval >> 16
        var state = states[index & (FixedMatrix.lanes &- 1)]
        if UInt64(state) >= UInt64(length) << (32 - UInt64(FixedMatrix.precision)) {
          place &-= 1
          words[place] = UInt16(truncatingIfNeeded: state).littleEndian
          state >>= 16
        }
        states[index & (FixedMatrix.lanes &- 1)] = (state / length) << FixedMatrix.precision &+ state % length &+ interval & 0xFFFF
      }
      end = start
    }
    var lane = FixedMatrix.lanes
    while lane > 0 {
      lane &-= 1
      place &-= 2
      words[place] = UInt16(truncatingIfNeeded: states[lane] >> 16).littleEndian
      words[place &+ 1] = UInt16(truncatingIfNeeded: states[lane]).littleEndian
    }
    return [UInt8](UnsafeRawBufferPointer(start: words + place, count: 2 &* (wordCount &- place)))
  }
}
