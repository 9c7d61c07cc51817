import CPlatform

// Uniform numbers that are a function of seed, run and place; units are blocks.

func randomUnits(_ raw: UnsafeRawPointer?) -> Int64 { blocks(arguments(raw, ek_random.self).pointee.count) }

func random(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_random.self).pointee
  let y = a.y.unsafelyUnwrapped
  let seed = UInt64(bitPattern: a.seed), number = UInt64(bitPattern: a.number.unsafelyUnwrapped[0])
  let start = mixed(seed &* 0x9E37_79B9_7F4A_7C15 &+ number)
  let range = blockRange(begin, end, a.count)
  var i = range.begin
  while i < range.end {
    // By way of Int, as elsewhere: 24 bits fit any.
    y[i] = Float(Int(truncatingIfNeeded: mixed(start &+ UInt64(truncatingIfNeeded: i)) &>> 40)) * 0x1p-24
    i &+= 1
  }
}

/// The finalizer of SplitMix64 (Steele et al. 2014).
@inline(__always)
private func mixed(_ value: UInt64) -> UInt64 {
  var z = value
  z = (z ^ (z &>> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z &>> 27)) &* 0x94D0_49BB_1331_11EB
  return z ^ (z &>> 31)
}
