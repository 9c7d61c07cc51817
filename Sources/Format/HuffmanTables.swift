#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Canonical Huffman codes (Huffman 1952): a code is known from the lengths of its words, at most `longest` bits.
struct HuffmanTable {
  static let longest = 15
  /// Bits of the word of each symbol; 0 for one that does not occur.
  private(set) var lengths: [UInt8]
  /// Words, the first bit in the highest place.
  private var words: [UInt16] = []

  /// The code of least total length for symbols that occur so often. A single symbol has a word of one bit.
  init(counts: [Int]) {
    lengths = [UInt8](repeating: 0, count: counts.count)
    var weights = counts
    while !assignLengths(weights) {
      // Too deep a tree: nearer to equal counts it is flatter.
      for index in weights.indices where weights[index] > 0 { weights[index] = weights[index] / 2 + 1 }
    }
    assignWords()
  }

  /// The code of these lengths; nil when they are too long, or when they are those of no prefix code.
  init?(lengths: [UInt8]) {
    self.lengths = lengths
    var room = 1 << HuffmanTable.longest
    for length in lengths where length > 0 {
      guard length <= UInt8(HuffmanTable.longest) else { return nil }
      room -= 1 << (HuffmanTable.longest - Int(length))
      guard room >= 0 else { return nil }
    }
    assignWords()
  }

  /// Two queues give the tree: symbols by count, and the nodes made of them, whose counts grow.
  private mutating func assignLengths(_ weights: [Int]) -> Bool {
    let used = weights.indices.filter { weights[$0] > 0 }
    let order = sortedIndices(used.count) { weights[used[$0]] < weights[used[$1]] }.map { used[$0] }
    guard order.count > 1 else {
      for symbol in order { lengths[symbol] = 1 }
      return true
    }
    var sums = order.map { weights[$0] }
    var parents = [Int](repeating: 0, count: 2 * order.count - 1)
    var leaf = 0
    var node = order.count
    while sums.count < parents.count {
      var sum = 0
      for _ in 0..<2 {
        let least: Int
        if leaf < order.count, node >= sums.count || sums[leaf] <= sums[node] {
          least = leaf
          leaf += 1
        } else {
          least = node
          node += 1
        }
        parents[least] = sums.count
        sum += sums[least]
      }
      sums.append(sum)
    }
    var depths = [Int](repeating: 0, count: parents.count)
    for index in (0..<parents.count - 1).reversed() { depths[index] = depths[parents[index]] + 1 }
    for (index, symbol) in order.enumerated() {
      guard depths[index] <= HuffmanTable.longest else { return false }
      lengths[symbol] = UInt8(depths[index])
    }
    return true
  }

  /// Symbols in order of length, then of number, have words in order.
  private mutating func assignWords() {
    words = [UInt16](repeating: 0, count: lengths.count)
    var word = 0
    for length in 1...HuffmanTable.longest {
      word <<= 1
      for symbol in lengths.indices where Int(lengths[symbol]) == length {
        words[symbol] = UInt16(truncatingIfNeeded: word)
        word += 1
      }
    }
  }

  func word(_ symbol: Int) -> (bits: Int, length: Int) { (Int(words[symbol]), Int(lengths[symbol])) }

  /// Total length in bits of symbols that occur so often.
  func cost(_ counts: [Int]) -> Int {
    var bits = 0
    for (symbol, count) in counts.enumerated() { bits += count * Int(lengths[symbol]) }
    return bits
  }

  /// Bits of the longest word, at least 1.
  var width: Int { max(1, Int(lengths.max() ?? 0)) }

  /// For each `width` bits that may come next: the symbol, and in the lowest four bits how many are its word; 0 where no
  /// word begins so.
  func decodingTable() -> [UInt32] {
    let width = width
    var table = [UInt32](repeating: 0, count: 1 << width)
    for symbol in lengths.indices where lengths[symbol] > 0 {
      let free = width - Int(lengths[symbol])
      let first = Int(words[symbol]) << free
      let entry = UInt32(symbol) << 4 | UInt32(lengths[symbol])
      var index = first
      while index < first + 1 << free {
        table[index] = entry
        index &+= 1
      }
    }
    return table
  }
}
