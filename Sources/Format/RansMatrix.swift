#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The fast coding of matrices of symbols, for large layers: range asymmetric numeral systems (Duda 2013) with
/// probabilities that are learned while coding.
///
/// A symbol is a flag, whether it is the frequent one ("zero"), predicted from how full its column and row are, and one to
/// three digits of four bits. A digit's probabilities are counts that become a table when they have changed enough, so a
/// file holds no tables. What is learned of one tensor is the start for the next one.
///
/// The coder is a stack: an encoder keeps the steps of a block of rows and codes them from the last to the first.
final class RansMatrix: SymbolRows {
  // A digit's model: 17 bounds of the 16 intervals of 0..<32768, 16 counts, digits until the bounds are computed anew, and
  // how many those are.
  private static let counts = 17
  private static let left = 33
  private static let step = 34
  private static let modelSize = 35
  private static let increment: UInt16 = 8
  /// Models of first digits, by how large the symbols around are.
  private static let contexts = 8
  /// All models of symbols of one, two and three digits.
  private static let modelCount = 8 + (8 + 16) + (8 + 16 + 256)
  /// Flags and models, which stand together.
  private static let learnedBytes = 4 * 256 + 2 * modelSize * modelCount
  /// The coder's state is between this and 2^32; it grows and shrinks by words of 16 bits.
  private static let lowest: UInt32 = 1 << 16
  /// A block ends with the row that reaches this many symbols.
  private static let blockSymbols = 65_536

  let isDecoding: Bool
  private let tables: Storage
  private let models: UnsafeMutablePointer<UInt16>
  private let flags: UnsafeMutablePointer<UInt32>
  /// Of each column: the share of symbols other than zero, of 65536, and their mean distance from zero, times 32.
  private let fullness: UnsafeMutablePointer<UInt16>
  private let distances: UnsafeMutablePointer<UInt16>
  /// How fast an estimate follows after so many symbols, as a shift.
  private let rates: UnsafeMutablePointer<UInt8>
  /// The first digit's context, by the mean distance around; and the level of a share of 65536, by its highest nine bits: a
  /// step for a factor of 1.4, from 0 for less than 1 in 256 to 15 for all.
  private let sizes: UnsafeMutablePointer<UInt8>
  private let levels: UnsafeMutablePointer<UInt8>

  // Encoder: steps of the block, each an interval's start and, above 16 bits, its length.
  private let steps: Storage
  private var stepCount = 0
  private(set) var output: [UInt8] = []
  // Decoder.
  private var input = UnsafeRawBufferPointer(start: nil, count: 0)
  private var position = 0
  private var states = (RansMatrix.lowest, RansMatrix.lowest)

  // The tensor at hand.
  private var symbols = 0
  private var zero = 0
  private var digits = 1
  private var offset = 0
  private var hasFlags = false
  private var row = 0
  private var blockCount = 0
  private(set) var isBroken = false
  private(set) var isTruncated = false

  /// Throws `outOfMemory`. The memory, 0.4 MB and 3 MB more for an encoder, serves any number of tensors.
  init(decoding: Bool) throws(EdgeError) {
    isDecoding = decoding
    let columns = SymbolAlphabet.longestRow
    let modelBytes = 2 * RansMatrix.modelSize * RansMatrix.modelCount
    tables = try Storage.allocate(4 * 256 + modelBytes + 4 * columns + 2 * 64 + 512)
    flags = tables.base.assumingMemoryBound(to: UInt32.self)
    models = (tables.base + 4 * 256).assumingMemoryBound(to: UInt16.self)
    fullness = (tables.base + 4 * 256 + modelBytes).assumingMemoryBound(to: UInt16.self)
    distances = fullness + columns
    rates = (tables.base + 4 * 256 + modelBytes + 4 * columns).assumingMemoryBound(to: UInt8.self)
    sizes = rates + 64
    levels = sizes + 64
    // Four bytes for each step, and two for the word that it may give.
    steps = try Storage.allocate(decoding ? 0 : 6 * 4 * (RansMatrix.blockSymbols + columns) + 8)
    var index = 0
    while index < 64 {
      rates[index] = UInt8(truncatingIfNeeded: min(7, Int.bitWidth &- (index &+ 1).leadingZeroBitCount &+ (index < 20 ? 0 : 1)))
      sizes[index] = index < 4 ? UInt8(index < 3 ? index : 2) : index < 7 ? 3 : index < 12 ? 4 : index < 20 ? 5 : index < 36 ? 6 : 7
      index &+= 1
    }
    index = 0
    while index < RansMatrix.modelCount {
      let model = models + index &* RansMatrix.modelSize
      var digit = 0
      while digit < 16 {
        model[RansMatrix.counts &+ digit] = 1
        digit &+= 1
      }
      model[RansMatrix.step] = 2
      computeBounds(model)
      index &+= 1
    }
    index = 0
    while index < 256 {
      flags[index] = 1 << 31
      index &+= 1
    }
    index = 2
    while index < 512 {
      let octave = Int.bitWidth &- 1 &- index.leadingZeroBitCount
      levels[index] = UInt8(truncatingIfNeeded: (octave &- 1) << 1 | index >> (octave &- 1) & 1)
      index &+= 1
    }
  }

  /// Begins a matrix of rows of `columns` symbols, at most `longestRow`, below `symbols`, at most `most`. A decoder reads `input`.
  func begin(_ input: UnsafeRawBufferPointer, columns: Int, symbols: Int, zero: Int, hasFlags: Bool) {
    self.input = input
    self.symbols = symbols
    self.zero = zero
    self.hasFlags = hasFlags
    let placement = SymbolAlphabet.placement(symbols, zero, digitBits: 4)
    digits = placement.bits / 4
    offset = placement.offset
    position = 0
    row = 0
    output = []
    (isBroken, isTruncated) = (false, false)
    var index = 0
    while index < columns {
      fullness[index] = 16_384
      distances[index] = 0
      index &+= 1
    }
    index = 0
    while index < 256 {
      if flags[index] & 0xFFFF > 15 { flags[index] = flags[index] & 0xFFFF_0000 | 15 }
      index &+= 1
    }
    index = 0
    while index < RansMatrix.modelCount {
      fade(models + index &* RansMatrix.modelSize)
      index &+= 1
    }
  }

  /// Ends the matrix; an encoder's `output` is then whole.
  func end() {
    if blockCount > 0 { closeBlock() }
    if isDecoding, position != input.count { isBroken = true }
  }

  /// Intervals as long as the counts are high; halves the counts first when they are near their limit.
  @inline(never)
  private func computeBounds(_ model: UnsafeMutablePointer<UInt16>) {
    if sum(model) > 60_000 { halve(model) }
    let scale = (UInt64(32_768 - 16) << 16) / UInt64(sum(model))
    var bound: UInt64 = 0
    var digit = 0
    while digit < 16 {
      model[digit] = UInt16(truncatingIfNeeded: bound)
      bound &+= 1 &+ (UInt64(model[RansMatrix.counts &+ digit]) &* scale) >> 16
      digit &+= 1
    }
    model[16] = 32_768
    let step = model[RansMatrix.step]
    model[RansMatrix.left] = step
    let longer = step &+ step / 2 &+ 1
    model[RansMatrix.step] = longer < 256 ? longer : 256
  }

  private func sum(_ model: UnsafeMutablePointer<UInt16>) -> Int {
    var sum = 0
    var digit = 0
    while digit < 16 {
      sum &+= Int(model[RansMatrix.counts &+ digit])
      digit &+= 1
    }
    return sum
  }

  private func halve(_ model: UnsafeMutablePointer<UInt16>) {
    var digit = RansMatrix.counts
    while digit < RansMatrix.counts &+ 16 {
      model[digit] = (model[digit] &+ 1) >> 1
      digit &+= 1
    }
  }

  /// What was learned of another tensor counts as much as 64 digits of this one.
  private func fade(_ model: UnsafeMutablePointer<UInt16>) {
    let most = 64 * Int(RansMatrix.increment)
    guard sum(model) > most else { return }
    while sum(model) > most { halve(model) }
    model[RansMatrix.step] = 4
    computeBounds(model)
  }

  /// What was learned, to go back to.
  func snapshot() throws(EdgeError) -> Storage {
    let copy = try Storage.allocate(RansMatrix.learnedBytes)
    copy.base.copyMemory(from: tables.base, byteCount: copy.count)
    return copy
  }

  func restore(_ snapshot: Storage) { tables.base.copyMemory(from: snapshot.base, byteCount: RansMatrix.learnedBytes) }

  func code(_ row: UnsafeMutablePointer<UInt16>, _ count: Int) {
    // A state that is short of bits takes a word by arithmetic: a branch would be as often wrong as right. And two states
    // take turns, so that a step need not wait for the arithmetic of the one before it.
    var (state, other) = states
    let bytes = input.baseAddress.map { $0.assumingMemoryBound(to: UInt8.self) } ?? UnsafePointer(rates)
    // Where the last word is; beyond it that word is read again, until the row ends.
    let last = input.count &- 2
    var position = position
    if blockCount == 0, isDecoding {
      guard position &+ 8 <= input.count else {
        isTruncated = true
        return
      }
      state = word(bytes, position) << 16 | word(bytes, position &+ 2)
      other = word(bytes, position &+ 4) << 16 | word(bytes, position &+ 6)
      position &+= 8
    }
    let isDecoding = isDecoding
    let hasFlags = hasFlags
    let (symbols, zero, offset, digits) = (symbols, zero, offset, digits)
    let (flags, fullness, distances) = (flags, fullness, distances)
    let (rates, sizes, levels) = (rates, sizes, levels)
    let steps = self.steps.base.assumingMemoryBound(to: UInt32.self)
    var stepCount = stepCount
    let base = models + (digits == 1 ? 0 : digits == 2 ? 8 : 32) &* RansMatrix.modelSize
    let columnRate = Int(rates[self.row < 29 ? self.row &+ 1 : 30])
    var rowFullness = 16_384
    var rowDistance = 22 * 32
    var column = 0
    while column < count {
      var symbol = Int(row[column])
      var isCoded = true
      if hasFlags {
        let full = Int(fullness[column])
        let flag = flags + (Int(levels[full >> 7]) << 4 | Int(levels[rowFullness >> 7]))
        let seen = Int(flag.pointee & 0xFFFF)
        var estimate = flag.pointee >> 16
        let share = estimate >> 1
        if isDecoding {
          let slot = state & 0x7FFF
          isCoded = slot < share
          let next = isCoded ? share &* (state >> 15) &+ slot : (32_768 &- share) &* (state >> 15) &+ slot &- share
          let at = position < last ? position : last
          let short: UInt32 = next < RansMatrix.lowest ? 1 : 0
          state = other
          other = next &<< (short << 4) | (UInt32(bytes[at]) | UInt32(bytes[at &+ 1]) << 8) & (0 &- short)
          position &+= Int(short << 1)
        } else {
          isCoded = symbol != zero
          steps[stepCount] = isCoded ? share << 16 : (32_768 &- share) << 16 | share
          stepCount &+= 1
        }
        let rate = UInt32(rates[seen])
        let rowRate = Int(rates[column < 29 ? column &+ 1 : 30])
        if isCoded {
          estimate &+= (65_535 &- estimate) &>> rate
          if estimate > 65_504 { estimate = 65_504 }
          fullness[column] = UInt16(truncatingIfNeeded: full &+ (65_535 &- full) &>> columnRate)
          rowFullness &+= (65_535 &- rowFullness) &>> rowRate
        } else {
          estimate &-= estimate &>> rate
          if estimate < 32 { estimate = 32 }
          fullness[column] = UInt16(truncatingIfNeeded: full &- full &>> columnRate)
          rowFullness &-= rowFullness &>> rowRate
        }
        flag.pointee = estimate << 16 | UInt32(truncatingIfNeeded: seen < 63 ? seen &+ 1 : 63)
      }
      if isCoded {
        let columnDistance = Int(distances[column])
        let number = symbol &+ offset
        let around = (rowDistance &+ columnDistance) >> 6
        var left = digits
        var found = 0
        var model = base + RansMatrix.modelSize &* Int(sizes[around < 63 ? around : 63])
        while true {
          left &-= 1
          var digit: Int
          if isDecoding {
            let slot = UInt16(truncatingIfNeeded: state & 0x7FFF)
            digit = (model[4] <= slot ? 4 : 0) &+ (model[8] <= slot ? 4 : 0) &+ (model[12] <= slot ? 4 : 0)
            let quarter = model + digit
            digit &+= (quarter[1] <= slot ? 1 : 0) &+ (quarter[2] <= slot ? 1 : 0) &+ (quarter[3] <= slot ? 1 : 0)
            let start = UInt32(model[digit])
            let next = (UInt32(model[digit &+ 1]) &- start) &* (state >> 15) &+ UInt32(slot) &- start
            let at = position < last ? position : last
            let short: UInt32 = next < RansMatrix.lowest ? 1 : 0
            state = other
            other = next &<< (short << 4) | (UInt32(bytes[at]) | UInt32(bytes[at &+ 1]) << 8) & (0 &- short)
            position &+= Int(short << 1)
          } else {
            digit = number &>> (4 &* left) & 15
            steps[stepCount] = (UInt32(model[digit &+ 1]) &- UInt32(model[digit])) << 16 | UInt32(model[digit])
            stepCount &+= 1
          }
          model[RansMatrix.counts &+ digit] &+= RansMatrix.increment
          model[RansMatrix.left] &-= 1
          if model[RansMatrix.left] == 0 { computeBounds(model) }
          found = found << 4 | digit
          if left == 0 { break }
          model = base + RansMatrix.modelSize &* (RansMatrix.contexts &+ (digits &- left == 2 ? 16 : 0) &+ found)
        }
        symbol = found &- offset
        if symbol < 0 || symbol >= symbols {
          isBroken = true
          symbol = zero
        }
        let difference = symbol &- zero
        let magnitude = (difference < 0 ? 0 &- difference : difference) << 5
        let distance = magnitude < 65_535 ? magnitude : 65_535
        rowDistance &+= (distance &- rowDistance) >> 5
        distances[column] = UInt16(truncatingIfNeeded: columnDistance &+ (distance &- columnDistance) >> 2)
      } else {
        symbol = zero
      }
      row[column] = UInt16(truncatingIfNeeded: symbol)
      column &+= 1
    }
    states = (state, other)
    self.position = position
    self.stepCount = stepCount
    if position > input.count { isTruncated = true }
    self.row &+= 1
    blockCount &+= count
    if blockCount >= RansMatrix.blockSymbols { closeBlock() }
  }

  private func word(_ bytes: UnsafePointer<UInt8>, _ at: Int) -> UInt32 { UInt32(bytes[at]) | UInt32(bytes[at &+ 1]) << 8 }

  private func closeBlock() {
    blockCount = 0
    if isDecoding {
      // The encoder began here.
      if states != (RansMatrix.lowest, RansMatrix.lowest) { isBroken = true }
      return
    }
    let from = steps.base.assumingMemoryBound(to: UInt32.self)
    let words = (steps.base + 4 * stepCount).assumingMemoryBound(to: UInt16.self)
    let end = stepCount &+ 4
    var place = end
    // Of the last step, and of the one before it.
    var (state, other) = (RansMatrix.lowest, RansMatrix.lowest)
    while stepCount > 0 {
      stepCount &-= 1
      let start = from[stepCount] & 0xFFFF
      let length = from[stepCount] >> 16
      if UInt64(state) >= UInt64(length) << 17 {
        place &-= 1
        words[place] = UInt16(truncatingIfNeeded: state).littleEndian
        state >>= 16
      }
      let coded = (state / length) << 15 &+ state % length &+ start
      state = other
      other = coded
    }
    // A decoder begins with the state that coded last.
    for last in [state, other] {
      place &-= 1
      words[place] = UInt16(truncatingIfNeeded: last).littleEndian
      place &-= 1
      words[place] = UInt16(truncatingIfNeeded: last >> 16).littleEndian
    }
    output.append(contentsOf: UnsafeRawBufferPointer(start: words + place, count: 2 &* (end &- place)))
    states = (RansMatrix.lowest, RansMatrix.lowest)
  }
}
