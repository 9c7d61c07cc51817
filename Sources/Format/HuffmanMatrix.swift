#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Counts of what `HuffmanMatrix` would code, for every size of gaps, from which the smallest code is chosen.
struct HuffmanStatistics {
  /// Sizes of gaps that are tried.
  private static let choices = 8

  /// The bits of a gap of one of them: 0, which codes every symbol and no gaps, and 2 to 8.
  private static func bits(_ choice: Int) -> Int { choice == 0 ? 0 : choice &+ 1 }

  static func isGap(bits: Int) -> Bool { bits == 0 || bits >= 2 && bits <= 8 }

  private let zero: Int
  private var symbols: [Int]
  private var gaps: [[Int]] = (0..<choices).map { [Int](repeating: 0, count: $0 == 0 ? 0 : 1 << bits($0)) }
  private var fillers = [Int](repeating: 0, count: choices)
  private var distance = 0

  init(symbols: Int, zero: Int) {
    self.symbols = [Int](repeating: 0, count: symbols)
    self.zero = zero
  }

  mutating func add(_ row: UnsafeMutablePointer<UInt16>, _ count: Int) {
    var column = 0
    while column < count {
      let symbol = Int(row[column])
      symbols[symbol] += 1
      if symbol == zero {
        distance &+= 1
      } else {
        var choice = 1
        while choice < HuffmanStatistics.choices {
          let bits = HuffmanStatistics.bits(choice)
          gaps[choice][distance & (1 << bits &- 1)] += 1
          fillers[choice] += distance >> bits
          choice &+= 1
        }
        distance = 0
      }
      column &+= 1
    }
  }

  /// The plan of the fewest bits.
  func best() -> HuffmanPlan {
    var best: HuffmanPlan?
    var least = Int.max
    for choice in 0..<HuffmanStatistics.choices {
      let bits = HuffmanStatistics.bits(choice)
      var counts = symbols
      if bits > 0 { counts[zero] = fillers[choice] }
      var gapCounts = gaps[choice]
      if bits > 0 { gapCounts[gapCounts.count - 1] += fillers[choice] }
      let codes = HuffmanTable(counts: counts)
      let gapTable = HuffmanTable(counts: gapCounts)
      // Each table costs a few bits for each of its words.
      let cost = codes.cost(counts) + gapTable.cost(gapCounts) + 4 * gapCounts.count
      if cost < least {
        least = cost
        best = HuffmanPlan(gapBits: bits, entries: counts.reduce(0, +), codes: codes, gaps: gapTable)
      }
    }
    // There is always a best one: the first choice.
    return best ?? HuffmanPlan(gapBits: 0, entries: 0, codes: HuffmanTable(counts: symbols), gaps: HuffmanTable(counts: []))
  }
}

/// How a matrix is coded: bits of gaps, number of entries, and the two codes.
struct HuffmanPlan {
  var gapBits: Int
  var entries: Int
  var codes: HuffmanTable
  var gaps: HuffmanTable
}

/// The coding of Deep Compression (Han, Mao and Dally 2016): each symbol other than zero is an entry, the number of zeros
/// before it and the symbol, both as words of a Huffman code. Where more zeros stand than a gap can say, an entry whose
/// symbol is zero fills in. Zeros behind the last entry are not written.
final class HuffmanMatrix: SymbolRows {
  let isDecoding: Bool
  private let plan: HuffmanPlan
  private let zero: Int
  private let codeTable: [UInt32]
  private let gapTable: [UInt32]
  private let codeWidth: Int
  private let gapWidth: Int
  private(set) var output: [UInt8] = []
  private let input: UnsafeRawBufferPointer
  private var position = 0
  private var bits: UInt64 = 0
  private var bitCount = 0
  private(set) var isBroken = false
  private(set) var isTruncated = false
  /// Where the row at hand begins, and, of a decoder, where its next entry belongs.
  private var start = 0
  private var next = -1
  private var symbol = 0
  private var entriesLeft: Int
  private var distance = 0

  /// An encoder, or a decoder of `input`.
  init(_ plan: HuffmanPlan, zero: Int, decoding input: UnsafeRawBufferPointer?) {
    self.plan = plan
    self.zero = zero
    isDecoding = input != nil
    self.input = input ?? UnsafeRawBufferPointer(start: nil, count: 0)
    codeTable = isDecoding ? plan.codes.decodingTable() : []
    gapTable = isDecoding && plan.gapBits > 0 ? plan.gaps.decodingTable() : []
    codeWidth = plan.codes.width
    gapWidth = plan.gaps.width
    entriesLeft = plan.entries
    if isDecoding { readEntry() }
  }

  func code(_ row: UnsafeMutablePointer<UInt16>, _ count: Int) {
    if isDecoding { decode(row, count) } else { encode(row, count) }
    start &+= count
  }

  /// Ends the matrix; an encoder's `output` is then whole.
  func end() {
    if isDecoding {
      if next >= 0 || position &- bitCount >> 3 != input.count { isBroken = true }
    } else if bitCount > 0 {
      write(0, 8 &- bitCount)
    }
  }

  private func encode(_ row: UnsafeMutablePointer<UInt16>, _ count: Int) {
    let longest = 1 << plan.gapBits
    var column = 0
    while column < count {
      let symbol = Int(row[column])
      column &+= 1
      if plan.gapBits > 0 {
        if symbol == zero {
          distance &+= 1
          continue
        }
        while distance >= longest {
          writeWord(plan.gaps, longest &- 1)
          writeWord(plan.codes, zero)
          distance &-= longest
        }
        writeWord(plan.gaps, distance)
        distance = 0
      }
      writeWord(plan.codes, symbol)
    }
  }

  private func decode(_ row: UnsafeMutablePointer<UInt16>, _ count: Int) {
    var column = 0
    while column < count {
      row[column] = UInt16(truncatingIfNeeded: zero)
      column &+= 1
    }
    while next >= 0, next < start &+ count {
      row[next &- start] = UInt16(truncatingIfNeeded: symbol)
      readEntry()
    }
  }

  /// The place and symbol of the next entry; -1 when there is none, or none that is right.
  private func readEntry() {
    guard entriesLeft > 0 else {
      next = -1
      return
    }
    entriesLeft &-= 1
    let gap = plan.gapBits > 0 ? readWord(gapTable, gapWidth) : 0
    symbol = readWord(codeTable, codeWidth)
    if isBroken || isTruncated { next = -1 } else { next = (next < 0 ? -1 : next) &+ 1 &+ gap }
  }

  private func writeWord(_ table: HuffmanTable, _ symbol: Int) {
    let word = table.word(symbol)
    write(word.bits, word.length)
  }

  private func write(_ value: Int, _ count: Int) {
    bits = bits << UInt64(count) | UInt64(value)
    bitCount &+= count
    while bitCount >= 8 {
      bitCount &-= 8
      output.append(UInt8(truncatingIfNeeded: bits >> UInt64(bitCount)))
    }
  }

  private func readWord(_ table: [UInt32], _ width: Int) -> Int {
    while bitCount < width {
      bits = bits << 8 | (position < input.count ? UInt64(input[position]) : 0)
      position &+= 1
      bitCount &+= 8
    }
    let entry = table[Int(truncatingIfNeeded: bits >> UInt64(bitCount &- width)) & (1 << width &- 1)]
    let length = Int(entry & 15)
    if length == 0 { isBroken = true }
    bitCount &-= length
    // What was looked at lies up to so many bits ahead.
    if position &- bitCount >> 3 > input.count { isTruncated = true }
    return Int(entry >> 4)
  }
}
