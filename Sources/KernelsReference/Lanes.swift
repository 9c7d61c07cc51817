import CPlatform

// Elements of every type as 64-bit lanes: what the typed kernels compute on, a chunk at a time.

/// Integers and booleans as Int64 (uint64 as its bit pattern), floats as the bit pattern of a Double.
typealias Lanes = UnsafeMutablePointer<Int64>

/// Lanes of one chunk. A kernel's scratch holds three chunks.
let laneCount = 256

func lanesScratch(_ raw: UnsafeRawPointer?) -> Int64 { Int64(3 &* laneCount &* 8) }

@inline(__always) func isFloating(_ type: Int32) -> Bool {
  Int(type) == EK_TYPE_FLOAT32 || Int(type) == EK_TYPE_FLOAT16 || Int(type) == EK_TYPE_FLOAT64 || Int(type) == EK_TYPE_BFLOAT16
}

@inline(__always) func bits(_ value: Double) -> Int64 { Int64(bitPattern: value.bitPattern) }
@inline(__always) func real(_ lane: Int64) -> Double { Double(bitPattern: UInt64(bitPattern: lane)) }

/// Reads `count` elements that are `step` apart, the first at index `offset`.
@inline(never)
func loadLanes(_ type: Int32, _ base: UnsafeRawPointer?, _ offset: Int, _ step: Int, _ count: Int, _ lanes: Lanes) {
  @inline(__always) func load<T>(_ type: T.Type, _ widen: (T) -> Int64) {
    let x = elements(base, T.self) + offset
    var i = 0
    while i < count {
      lanes[i] = widen(x[i &* step])
      i &+= 1
    }
  }
  switch Int(type) {
  case EK_TYPE_FLOAT32: load(Float.self) { bits(Double($0)) }
  case EK_TYPE_FLOAT64, EK_TYPE_INT64, EK_TYPE_UINT64: load(Int64.self) { $0 }
  case EK_TYPE_FLOAT16: load(UInt16.self) { bits(Double(float(half: $0))) }
  case EK_TYPE_BFLOAT16: load(UInt16.self) { bits(Double(Float(bitPattern: UInt32($0) << 16))) }
  case EK_TYPE_INT8: load(Int8.self) { Int64($0) }
  case EK_TYPE_INT16: load(Int16.self) { Int64($0) }
  case EK_TYPE_INT32: load(Int32.self) { Int64($0) }
  case EK_TYPE_UINT16: load(UInt16.self) { Int64($0) }
  case EK_TYPE_UINT32: load(UInt32.self) { Int64($0) }
  default: load(UInt8.self) { Int64($0) }
  }
}

/// Writes `count` lanes as elements that are `step` apart. The lanes must be of the type's kind, float or integer.
@inline(never)
func storeLanes(_ type: Int32, _ base: UnsafeMutableRawPointer?, _ offset: Int, _ step: Int, _ count: Int, _ lanes: Lanes) {
  @inline(__always) func store<T>(_ type: T.Type, _ narrow: (Int64) -> T) {
    let y = elements(base, T.self) + offset
    var i = 0
    while i < count {
      y[i &* step] = narrow(lanes[i])
      i &+= 1
    }
  }
  switch Int(type) {
  case EK_TYPE_FLOAT32: store(Float.self) { Float(real($0)) }
  case EK_TYPE_FLOAT64, EK_TYPE_INT64, EK_TYPE_UINT64: store(Int64.self) { $0 }
  case EK_TYPE_FLOAT16: store(UInt16.self) { narrowed(real($0), fraction: 10, bias: 15) }
  case EK_TYPE_BFLOAT16: store(UInt16.self) { narrowed(real($0), fraction: 7, bias: 127) }
  case EK_TYPE_INT8, EK_TYPE_UINT8: store(UInt8.self) { UInt8(truncatingIfNeeded: $0) }
  case EK_TYPE_INT16, EK_TYPE_UINT16: store(UInt16.self) { UInt16(truncatingIfNeeded: $0) }
  case EK_TYPE_BOOL: store(UInt8.self) { $0 != 0 ? 1 : 0 }
  default: store(UInt32.self) { UInt32(truncatingIfNeeded: $0) }
  }
}

/// Changes lanes from the kind of one type to that of another.
func convertLanes(from: Int32, to: Int32, _ count: Int, _ lanes: Lanes) {
  let fromFloat = isFloating(from)
  var i = 0
  if Int(to) == EK_TYPE_BOOL, fromFloat {
    while i < count {
      lanes[i] = real(lanes[i]) != 0 ? 1 : 0
      i &+= 1
    }
  } else if fromFloat && !isFloating(to) {
    let unsigned = Int(to) == EK_TYPE_UINT64
    while i < count {
      lanes[i] = integer(real(lanes[i]), unsigned)
      i &+= 1
    }
  } else if !fromFloat && isFloating(to) {
    let unsigned = Int(from) == EK_TYPE_UINT64
    while i < count {
      var lane = lanes[i]
      // What a double does not hold is rounded once, to the narrower type: its last 11 bits become one that says whether any was set.
      let magnitude = unsigned ? lane : lane ^ (lane >> 63)
      if Int(to) != EK_TYPE_FLOAT64, UInt64(bitPattern: magnitude) >> 53 != 0, lane & 0x7FF != 0 { lane = lane & ~0x7FF | 0x800 }
      lanes[i] = bits(unsigned ? Double(UInt64(bitPattern: lane)) : Double(lane))
      i &+= 1
    }
  }
}

private func integer(_ x: Double, _ unsigned: Bool) -> Int64 {
  if x != x { return 0 }
  if x < 0x1p63 { return x < -0x1p63 ? .min : Int64(x) }
  if !unsigned { return .max }
  return x < 0x1p64 ? Int64(bitPattern: UInt64(x)) : -1
}

/// IEEE binary16 to binary32, exactly: the exponents differ by 112.
@inline(__always) private func float(half: UInt16) -> Float {
  let sign = UInt32(half & 0x8000) << 16
  let magnitude = UInt32(half & 0x7FFF) << 13
  if half & 0x7C00 == 0x7C00 { return Float(bitPattern: sign | 0x7F80_0000 | magnitude) }
  return Float(bitPattern: (Float(bitPattern: magnitude) * 0x1p112).bitPattern | sign)
}

/// The bits of the number nearest to x, half to even, in a 16-bit format of so many bits of fraction, whose exponents have
/// a bias.
@inline(__always)
private func narrowed(_ x: Double, fraction: UInt64, bias: UInt64) -> UInt16 {
  let sign = UInt16(truncatingIfNeeded: x.bitPattern >> 48) & 0x8000
  let magnitude = x.bitPattern & 0x7FFF_FFFF_FFFF_FFFF
  let infinity = (2 &* bias &+ 1) << fraction
  if magnitude > 0x7FF0_0000_0000_0000 { return sign | UInt16(truncatingIfNeeded: infinity | 1 << (fraction &- 1)) }
  if magnitude < (1024 &- bias) << 52 {
    // Below the smallest normal number the bits count units of 2^(1 - bias - fraction), whole ones after adding 2^52.
    let unit = Double(bitPattern: (1022 &+ bias &+ fraction) << 52)
    return sign | UInt16(truncatingIfNeeded: (Double(bitPattern: magnitude) * unit + 0x1p52).bitPattern)
  }
  let shift = 52 &- fraction
  let rounded = (magnitude &- (1023 &- bias) << 52 &+ (1 << (shift &- 1) &- 1) &+ (magnitude >> shift & 1)) >> shift
  return sign | UInt16(truncatingIfNeeded: rounded < infinity ? rounded : infinity)
}
