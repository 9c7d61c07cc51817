#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Elements of any type as unsigned numbers in the order of their values, bit for bit: every pattern, also those of NaN and
/// of the two zeros, has a number of its own.
struct ElementKeys {
  let bytes: Int
  private let sign: UInt64
  private let mask: UInt64
  private let isReal: Bool

  init(_ dtype: DType) {
    bytes = dtype.byteCount
    mask = bytes == 8 ? .max : (1 << UInt64(8 * bytes)) - 1
    sign = 1 << UInt64(8 * bytes - 1)
    isReal = dtype.isFloatingPoint
    switch dtype {
    case .uint8, .uint16, .uint32, .uint64, .bool: isSigned = false
    default: isSigned = true
    }
  }
  private let isSigned: Bool

  func pattern(_ base: UnsafeRawPointer, _ index: Int) -> UInt64 {
    let at = base + index &* bytes
    switch bytes {
    case 1: return UInt64(at.loadUnaligned(as: UInt8.self))
    case 2: return UInt64(at.loadUnaligned(as: UInt16.self))
    case 4: return UInt64(at.loadUnaligned(as: UInt32.self))
    default: return at.loadUnaligned(as: UInt64.self)
    }
  }

  /// Zero is the pattern without a set bit, for the coder and for who counts. A -0 is a value like others, and costs as much: to
  /// come back bit for bit it cannot be left out.
  func isZero(_ base: UnsafeRawPointer, _ index: Int) -> Bool { pattern(base, index) == 0 }

  func zeroCount(_ base: UnsafeRawPointer, _ count: Int) -> Int {
    var zeros = 0
    var index = 0
    while index < count {
      if isZero(base, index) { zeros &+= 1 }
      index &+= 1
    }
    return zeros
  }

  func store(_ pattern: UInt64, _ base: UnsafeMutableRawPointer, _ index: Int) {
    let at = base + index &* bytes
    switch bytes {
    case 1: at.storeBytes(of: UInt8(truncatingIfNeeded: pattern), as: UInt8.self)
    case 2: at.storeBytes(of: UInt16(truncatingIfNeeded: pattern), as: UInt16.self)
    case 4: at.storeBytes(of: UInt32(truncatingIfNeeded: pattern), as: UInt32.self)
    default: at.storeBytes(of: pattern, as: UInt64.self)
    }
  }

  func key(_ pattern: UInt64) -> UInt64 {
    guard isSigned else { return pattern }
    return isReal && pattern & sign != 0 ? ~pattern & mask : pattern ^ sign
  }

  func pattern(ofKey key: UInt64) -> UInt64 {
    guard isSigned else { return key & mask }
    return isReal && key & sign == 0 ? ~key & mask : (key ^ sign) & mask
  }

  /// The pattern with the exponent of a floating-point number in the highest byte, its sign in the lowest bit.
  func rotated(_ pattern: UInt64) -> UInt64 {
    isReal ? (pattern << 1 | pattern >> UInt64(8 &* bytes &- 1)) & mask : pattern
  }

  func unrotated(_ rotated: UInt64) -> UInt64 {
    isReal ? (rotated >> 1 | rotated << UInt64(8 &* bytes &- 1)) & mask : rotated
  }
}

/// The distinct values of a tensor, up to 4096, with how often they occur.
struct ValueTable {
  private static let slotBits = 14
  private let memory: Storage
  private let keys: UnsafeMutablePointer<UInt64>
  /// Number of each value in the order of discovery, plus one; 0 in a free place.
  private let numbers: UnsafeMutablePointer<UInt16>
  private(set) var patterns: [UInt64] = []
  private(set) var counts: [Int] = []

  init() throws(EdgeError) {
    let slots = 1 << ValueTable.slotBits
    memory = try Storage.allocate(10 * slots)
    keys = memory.base.assumingMemoryBound(to: UInt64.self)
    numbers = (memory.base + 8 * slots).assumingMemoryBound(to: UInt16.self)
  }

  private func place(_ pattern: UInt64) -> Int {
    var at = Int(truncatingIfNeeded: (pattern &* 0x9E37_79B9_7F4A_7C15) >> UInt64(64 - ValueTable.slotBits))
    while numbers[at] != 0, keys[at] != pattern { at = (at &+ 1) & (1 << ValueTable.slotBits &- 1) }
    return at
  }

  /// The number of a value that was added.
  func number(_ pattern: UInt64) -> Int { Int(numbers[place(pattern)]) &- 1 }

  /// Whether all elements have one of at most 4096 values.
  mutating func add(_ keys: ElementKeys, _ base: UnsafeRawPointer, _ count: Int) -> Bool {
    var index = 0
    while index < count {
      let pattern = keys.pattern(base, index)
      var end = index &+ 1
      while end < count, keys.pattern(base, end) == pattern { end &+= 1 }
      let at = place(pattern)
      if numbers[at] == 0 {
        guard patterns.count < SymbolAlphabet.most else { return false }
        patterns.append(pattern)
        counts.append(0)
        self.keys[at] = pattern
        numbers[at] = UInt16(truncatingIfNeeded: patterns.count)
      }
      counts[Int(numbers[at]) &- 1] += end &- index
      index = end
    }
    return true
  }
}
