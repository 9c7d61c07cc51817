#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// What the mixing coder knows of bytes: of the description of a network, and of numbers that stand in a list.

/// Contexts of the mixing coder have their kind in the four bits above 2^16.
enum MixingContext {
  static func level(_ kind: Int, _ content: Int) -> Int { kind << 14 | content & 0x3FFF }
  static func text(_ order: Int, _ hash: Int) -> Int { order << 16 | hash & 0xFFFF }
  static func list(_ kind: Int, _ content: Int) -> Int { (5 &+ kind) << 16 | content & 0xFFFF }
  static func matrix(_ kind: Int, _ content: Int) -> Int { (8 &+ kind) << 16 | content & 0xFFFF }

  // Sets of eight weights.
  static let textWeights = 0
  static let listWeights = 8
  static let flagWeights = 80
  static let symbolWeights = 96
  static let levelWeights = 104
}

extension MixingCoder {
  /// Bytes of no known structure: each is predicted from the one, two and three before it and from the fourth before it.
  func text(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) {
    var history: UInt32 = 0
    var index = 0
    while index < count, !isTruncated {
      let last = Int(history & 0xFF)
      let byte = number(
        Int(bytes[index]), bits: 8, MixingContext.text(1, last), MixingContext.text(2, Int(history & 0xFFFF)),
        MixingContext.text(3, Int(((history & 0xFF_FFFF) &* 0x9E_3779) >> 7)), MixingContext.text(4, Int(history >> 24)),
        set: MixingContext.textWeights)
      bytes[index] = UInt8(truncatingIfNeeded: byte)
      history = history << 8 | UInt32(truncatingIfNeeded: byte)
      index &+= 1
    }
  }

  /// A number of `bytes` bytes in a list, the highest byte first, predicted from the byte before it and from that of the
  /// `neighbour`. With `isReal` only the first byte is, an exponent, and those behind one that is not zero are as likely as any.
  func element(_ value: UInt64, bytes: Int, neighbour: UInt64, isReal: Bool) -> UInt64 {
    var found: UInt64 = 0
    var plane = bytes
    while plane > 0 {
      plane &-= 1
      let shift = UInt64(8 &* plane)
      if isReal, found != 0 {
        found = found << 8 | UInt64(evenBits(Int(value >> shift & 0xFF), 8))
        continue
      }
      let place = bytes << 3 | plane
      let byte = number(
        Int(value >> shift & 0xFF), bits: 8, MixingContext.list(0, place << 1 | (found == 0 ? 1 : 0)),
        MixingContext.list(0, 1 << 15 | place << 8 | Int(found & 0xFF)),
        MixingContext.list(1, place << 8 | Int(neighbour >> shift & 0xFF)), MixingContext.list(1, 1 << 15 | bytes),
        set: MixingContext.listWeights &+ 8 &* plane)
      found = found << 8 | UInt64(byte)
    }
    return found
  }

  /// Levels of symbols' shares (`FixedMatrix`), each predicted from the two before it.
  func levels(_ levels: [Int], _ count: Int) -> [Int] {
    var (before, earlier) = (0, 0)
    var found: [Int] = []
    while found.count < count, !isTruncated {
      let level = number(
        found.count < levels.count ? levels[found.count] : 0, bits: FixedMatrix.levelBits, MixingContext.level(0, before),
        MixingContext.level(1, earlier << 7 | before), MixingContext.level(2, (before &+ earlier) >> 1), MixingContext.level(3, 0),
        set: MixingContext.levelWeights)
      (earlier, before) = (before, level)
      found.append(level)
    }
    return found
  }

  /// A number of which only the size is known: its length in bits is predicted from the one `before`, the three bits behind
  /// the first from the length, and the others are as likely as any. Gives the number.
  func magnitude(_ value: UInt64, before: UInt64) -> UInt64 {
    func length(_ value: UInt64) -> Int { 64 &- value.leadingZeroBitCount }
    let last = MixingContext.list(2, length(before))
    let any = MixingContext.list(2, 128)
    let bits = number(length(value), bits: 7, last, any, last, any, set: MixingContext.listWeights)
    guard bits > 1, bits <= 64 else { return bits == 1 ? 1 : 0 }
    var found: UInt64 = 1
    var left = bits &- 1
    let head = min(left, 3)
    left &-= head
    let context = MixingContext.list(2, 256 | bits)
    found = found << UInt64(head)
      | UInt64(number(Int(value >> UInt64(left)) & (1 << head &- 1), bits: head, context, any, context, last, set: MixingContext.listWeights &+ 8))
    while left > 0 {
      let piece = min(left, 16)
      left &-= piece
      found = found << UInt64(piece) | UInt64(evenBits(Int(truncatingIfNeeded: value >> UInt64(left)) & (1 << piece &- 1), piece))
    }
    return found
  }
}
