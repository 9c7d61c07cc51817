#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Binary arithmetic coder whose probabilities are mixed from four contexts.
///
/// Each context has an adaptive estimate; the estimates are added in the logistic domain with weights that are learned
/// while coding (Mahoney, "Adaptive weighing of context models for lossless data compression", 2005). It is slow, some
/// 30 ns a bit, and made for what is small: the description of a network and the weights of small layers. Encoder and
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
  /// Of the number at hand: its four contexts times a factor, and the four estimates of a bit.
  private let contexts: UnsafeMutablePointer<UInt32>
  /// Four. Of a loop that it knows to be so short the compiler makes four pieces, and of what they have in common functions.
  private var ways = 4

  /// An encoder, or a decoder of `input`. Throws `outOfMemory`.
  init(decoding input: UnsafeRawBufferPointer?) throws(EdgeError) {
    isDecoding = input != nil
    self.input = input ?? UnsafeRawBufferPointer(start: nil, count: 0)
    let slotCount = 1 << MixingCoder.slotBits
    let squashCount = 2 * MixingCoder.bound + 2
    let weightCount = 4 * MixingCoder.sets
    memory = try Storage.allocate(4 * slotCount + 4 * weightCount + 2 * 4096 + 2 * squashCount + 2 * 256 + 4 * 8)
    slots = memory.base.assumingMemoryBound(to: UInt32.self)
    weights = (memory.base + 4 * slotCount).assumingMemoryBound(to: Int32.self)
    stretched = (memory.base + 4 * (slotCount + weightCount)).assumingMemoryBound(to: Int16.self)
    squashed = (memory.base + 4 * (slotCount + weightCount) + 2 * 4096).assumingMemoryBound(to: UInt16.self)
    rates = squashed + squashCount
    contexts = UnsafeMutableRawPointer(rates + 256).assumingMemoryBound(to: UInt32.self)
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
      while position < 4 {
        code = code << 8 | (position < self.input.count ? UInt32(self.input[position]) : 0)
        position += 1
      }
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

  /// Codes a number of `bits` bits, the highest first, and gives it back: an encoder writes `value`, a decoder ignores it. It is
  /// a way through a binary tree in each of four contexts, below 2^20; `set` chooses the weights of the last bit, and `set + 7`
  /// at most, below 128, those of bits before it.
  ///
  /// The one loop in which the time of a description, of lists and of small layers goes: it makes no calls but where a byte
  /// is complete, and nothing in it is guessed.
  @inline(never)
  func number(_ value: Int, bits: Int, _ a: Int, _ b: Int, _ c: Int, _ d: Int, set: Int) -> Int {
    // The place of a node is the upper part of (context << 12 | node) x factor: of a sum, because nodes are below 2^12.
    let factor: UInt32 = 0x9E37_79B1
    let shift = UInt32(32 - MixingCoder.slotBits)
    let (contexts, slots, weights, stretched, rates) = (contexts, slots, weights, stretched, rates)
    contexts[0] = UInt32(truncatingIfNeeded: a << 12) &* factor
    contexts[1] = UInt32(truncatingIfNeeded: b << 12) &* factor
    contexts[2] = UInt32(truncatingIfNeeded: c << 12) &* factor
    contexts[3] = UInt32(truncatingIfNeeded: d << 12) &* factor
    let squashed = squashed + MixingCoder.bound
    let isDecoding = isDecoding
    let ways = ways
    var (low, high, code) = (low, high, code)
    var node = 1
    var place = factor
    var left = bits
    while left > 0 {
      left &-= 1
      let w = weights + 4 &* (set &+ (left < 7 ? left : 7))
      var sum: Int64 = 0
      var way = 0
      while way < ways {
        let estimate = stretched[Int(slots[Int((contexts[way] &+ place) >> shift)] >> 20)]
        contexts[4 &+ way] = UInt32(bitPattern: Int32(estimate))
        sum &+= Int64(w[way]) &* Int64(estimate)
        way &+= 1
      }
      var odds = Int(truncatingIfNeeded: sum >> 16)
      odds = odds > MixingCoder.bound ? MixingCoder.bound : odds
      odds = odds < -MixingCoder.bound ? -MixingCoder.bound : odds
      let probability = squashed[odds]

      let middle = low &+ UInt32(truncatingIfNeeded: (UInt64(high &- low) &* UInt64(probability)) >> 16)
      let one: UInt32 = isDecoding ? (code <= middle ? 1 : 0) : UInt32(truncatingIfNeeded: value &>> left) & 1
      // All ones for a one.
      let mask = 0 &- one
      high = (middle & mask) | (high & ~mask)
      low = (low & mask) | ((middle &+ 1) & ~mask)
      while (low ^ high) >> 24 == 0 { renormalize(&low, &high, &code) }

      let miss = Int(one << 16) &- Int(probability)
      let target = Int64(mask >> 10)
      way = 0
      while way < ways {
        var weight = Int(w[way]) &+ (Int(Int32(bitPattern: contexts[4 &+ way])) &* miss &+ 8192) >> 14
        weight = weight > 1 << 20 ? 1 << 20 : weight
        weight = weight < -1 << 20 ? -1 << 20 : weight
        w[way] = Int32(truncatingIfNeeded: weight)
        // The mean of what was seen, then one that forgets slowly. Two ways may have the same slot.
        let slot = slots + Int((contexts[way] &+ place) >> shift)
        let count = slot.pointee & 1023
        let estimate = Int64(slot.pointee >> 10)
        let moved = estimate &+ ((target &- estimate) &* Int64(rates[Int(count)])) >> 16
        slot.pointee = UInt32(truncatingIfNeeded: moved) << 10 | (count < 255 ? count &+ 1 : count)
        way &+= 1
      }
      node = node << 1 | Int(one)
      place = place << 1 &+ (factor & mask)
    }
    (self.low, self.high, self.code) = (low, high, code)
    return node &- (1 << bits)
  }

  /// The highest byte of the bounds is certain: it is written, or the next one read.
  private func renormalize(_ low: inout UInt32, _ high: inout UInt32, _ code: inout UInt32) {
    if isDecoding {
      let next: UInt32 = position < input.count ? UInt32(input[position]) : 0
      position &+= 1
      code = code << 8 | next
    } else {
      output.append(UInt8(truncatingIfNeeded: high >> 24))
    }
    low <<= 8
    high = high << 8 | 255
  }

  /// Bits that are as likely one as zero.
  func evenBits(_ value: Int, _ bits: Int) -> Int {
    let isDecoding = isDecoding
    var (low, high, code) = (low, high, code)
    var found = 0
    var left = bits
    while left > 0 {
      left &-= 1
      let middle = low &+ (high &- low) >> 1
      let one: UInt32 = isDecoding ? (code <= middle ? 1 : 0) : UInt32(truncatingIfNeeded: value >> left) & 1
      let mask = 0 &- one
      high = (middle & mask) | (high & ~mask)
      low = (low & mask) | ((middle &+ 1) & ~mask)
      while (low ^ high) >> 24 == 0 { renormalize(&low, &high, &code) }
      found = found << 1 | Int(one)
    }
    (self.low, self.high, self.code) = (low, high, code)
    return found
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
