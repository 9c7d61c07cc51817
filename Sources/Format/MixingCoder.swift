#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Binary arithmetic coder whose probabilities are mixed from four contexts.
///
/// Each context has an adaptive estimate; the estimates are added in the logistic domain with weights that are learned
/// while coding (Mahoney, "Adaptive weighing of context models for lossless data compression", 2005). It is slow, some
/// 40 ns a bit, and made for what is small: the description of a network and the weights of small layers. Encoder and
/// decoder are one class, so that their models cannot differ, and all arithmetic is integer.
final class MixingCoder {
  /// A probability lies between these bounds of the logistic domain, in units of 1/256: e^11 to one.
  private static let bound = 2815
  private static let slotBits = 17
  private static let sets = 128

  let isDecoding: Bool
  private let input: UnsafeRawBufferPointer
  private var position = 0
  /// What an encoder has written so far; `finish` completes it.
  private(set) var output: [UInt8] = []
  private var low: UInt32 = 0
  private var high: UInt32 = .max
  private var code: UInt32 = 0

  // One block of memory, cut into tables.
  private let memory: Storage
  /// Estimates: 22 bits of probability, 10 bits that count what was seen.
  private let slots: UnsafeMutablePointer<UInt32>
  private let weights: UnsafeMutablePointer<Int32>
  /// Logarithm of the odds of a probability of 12 bits.
  private let stretched: UnsafeMutablePointer<Int16>
  /// The probability, of 16 bits, of odds' logarithm.
  private let squashed: UnsafeMutablePointer<UInt16>
  private let rates: UnsafeMutablePointer<UInt16>

  /// An encoder, or a decoder of `input`. Throws `outOfMemory`.
  init(decoding input: UnsafeRawBufferPointer?) throws(EdgeError) {
    isDecoding = input != nil
    self.input = input ?? UnsafeRawBufferPointer(start: nil, count: 0)
    let slotCount = 1 << MixingCoder.slotBits
    let squashCount = 2 * MixingCoder.bound + 2
    let weightCount = 4 * MixingCoder.sets
    memory = try Storage.allocate(4 * slotCount + 4 * weightCount + 2 * 4096 + 2 * squashCount + 2 * 256)
    slots = memory.base.assumingMemoryBound(to: UInt32.self)
    weights = (memory.base + 4 * slotCount).assumingMemoryBound(to: Int32.self)
    stretched = (memory.base + 4 * (slotCount + weightCount)).assumingMemoryBound(to: Int16.self)
    squashed = (memory.base + 4 * (slotCount + weightCount) + 2 * 4096).assumingMemoryBound(to: UInt16.self)
    rates = squashed + squashCount
    var index = 0
    while index < slotCount {
      slots[index] = 1 << 31
      index &+= 1
    }
    index = 0
    while index < weightCount {
      // Estimates that agree strengthen each other a little from the start.
      weights[index] = 22_000
      index &+= 1
    }
    fillTables()
    if isDecoding {
      for _ in 0..<4 { code = code << 8 | nextByte() }
    }
  }

  /// Logistic function and its inverse, from powers of e^-1/4 in fixed point: the same on every machine.
  private func fillTables() {
    let one: UInt64 = 1 << 32
    var decay = one
    var upper: UInt64 = 1 << 15
    squashed[MixingCoder.bound] = UInt16(upper)
    var step = 0
    while step < 44 {
      decay = (decay &* 3_344_923_893) >> 32  // e^-1/4
      let next = (65_536 &<< 32) / (one &+ decay)
      var fine = 1
      while fine <= 64, step &* 64 &+ fine <= MixingCoder.bound {
        let at = step &* 64 &+ fine
        let value = (upper &* UInt64(64 &- fine) &+ next &* UInt64(fine)) / 64
        squashed[MixingCoder.bound &+ at] = UInt16(min(value, 65_535))
        squashed[MixingCoder.bound &- at] = UInt16(max(65_536 &- min(value, 65_535), 1))
        fine &+= 1
      }
      upper = next
      step &+= 1
    }
    var probability = 0
    var odds = 0
    while probability < 4096 {
      while odds < 2 * MixingCoder.bound, Int(squashed[odds]) < probability &* 16 &+ 8 { odds &+= 1 }
      stretched[probability] = Int16(truncatingIfNeeded: odds &- MixingCoder.bound)
      probability &+= 1
    }
    var count = 0
    while count < 256 {
      rates[count] = UInt16(truncatingIfNeeded: 131_072 / (2 &* count &+ 3))
      count &+= 1
    }
  }

  /// More was read than there is: the bytes end inside a number. A decoder looks four bytes ahead.
  var isTruncated: Bool { position > input.count &+ 4 }

  /// Everything was read.
  var isAtEnd: Bool { position >= input.count }

  private func nextByte() -> UInt32 {
    let at = position
    position &+= 1
    return at < input.count ? UInt32(input[at]) : 0
  }

  /// Codes one bit and gives it back: an encoder writes `bit`, a decoder ignores it. The four contexts are places that
  /// `slot` gives; `set` chooses the weights, below 128.
  @inline(never)
  func bit(_ bit: Int, _ a: Int, _ b: Int, _ c: Int, _ d: Int, set: Int) -> Int {
    let (sa, sb, sc, sd) = (slots + a, slots + b, slots + c, slots + d)
    let ta = Int64(stretched[Int(sa.pointee >> 20)])
    let tb = Int64(stretched[Int(sb.pointee >> 20)])
    let tc = Int64(stretched[Int(sc.pointee >> 20)])
    let td = Int64(stretched[Int(sd.pointee >> 20)])
    let w = weights + 4 &* set
    let bound = Int64(MixingCoder.bound)
    var sum = Int64(w[0]) &* ta &+ Int64(w[1]) &* tb
    sum = (sum &+ Int64(w[2]) &* tc &+ Int64(w[3]) &* td) >> 16
    if sum > bound { sum = bound }
    if sum < -bound { sum = -bound }
    let probability = squashed[Int(sum &+ bound)]

    let isOne = split(low &+ UInt32(truncatingIfNeeded: (UInt64(high &- low) &* UInt64(probability)) >> 16), bit != 0)
    let miss = (isOne ? 65_536 : 0) &- Int64(probability)
    adjust(w, ta, miss)
    adjust(w + 1, tb, miss)
    adjust(w + 2, tc, miss)
    adjust(w + 3, td, miss)
    learn(sa, isOne)
    learn(sb, isOne)
    learn(sc, isOne)
    learn(sd, isOne)
    return isOne ? 1 : 0
  }

  /// Takes the part up to `middle` for a one, the part above it for a zero.
  private func split(_ middle: UInt32, _ bit: Bool) -> Bool {
    let isOne = isDecoding ? code <= middle : bit
    if isOne { high = middle } else { low = middle &+ 1 }
    while (low ^ high) >> 24 == 0 {
      if isDecoding { code = code << 8 | nextByte() } else { output.append(UInt8(truncatingIfNeeded: high >> 24)) }
      low <<= 8
      high = high << 8 | 255
    }
    return isOne
  }

  /// Bits that are as likely one as zero.
  func evenBits(_ value: Int, _ bits: Int) -> Int {
    var found = 0
    var left = bits
    while left > 0 {
      left &-= 1
      found = found << 1 | (split(low &+ (high &- low) >> 1, value >> left & 1 != 0) ? 1 : 0)
    }
    return found
  }

  private func adjust(_ weight: UnsafeMutablePointer<Int32>, _ input: Int64, _ miss: Int64) {
    let changed = Int64(weight.pointee) &+ ((input &* miss &+ 8192) >> 14)
    weight.pointee = Int32(truncatingIfNeeded: max(min(changed, 1 << 20), -1 << 20))
  }

  /// The mean of what was seen, then one that forgets slowly.
  private func learn(_ slot: UnsafeMutablePointer<UInt32>, _ isOne: Bool) {
    let state = slot.pointee
    let count = state & 1023
    let probability = Int64(state >> 10)
    let moved = probability &+ (((isOne ? 4_194_303 : 0) &- probability) &* Int64(rates[Int(count)])) >> 16
    slot.pointee = UInt32(truncatingIfNeeded: moved) << 10 | (count < 255 ? count &+ 1 : count)
  }

  /// Where a context, below 2^20, has its estimate for a node of a tree of up to 12 bits.
  static func slot(_ context: Int, _ node: Int) -> Int {
    Int((UInt32(truncatingIfNeeded: context << 12 | node) &* 0x9E37_79B1) >> UInt32(32 - slotBits))
  }

  /// A number of `bits` bits, the highest first: a way through a binary tree in each of four contexts.
  func number(_ value: Int, bits: Int, _ a: Int, _ b: Int, _ c: Int, _ d: Int, set: Int) -> Int {
    var node = 1
    var left = bits
    while left > 0 {
      left &-= 1
      let found = bit(
        value >> left & 1, MixingCoder.slot(a, node), MixingCoder.slot(b, node), MixingCoder.slot(c, node), MixingCoder.slot(d, node),
        set: set &+ min(left, 7))
      node = node << 1 | found
    }
    return node &- (1 << bits)
  }

  /// Writes the shortest end that a decoder, which reads zeros behind it, takes for what was coded. No bit may follow.
  func finish() {
    var count = 0
    while high & ~(UInt32.max >> UInt32(8 &* count)) < low { count &+= 1 }
    var end = high
    while count > 0 {
      output.append(UInt8(truncatingIfNeeded: end >> 24))
      end <<= 8
      count &-= 1
    }
  }
}
