#if ISA_AVX2 || ISA_AVX512VNNI && !ISA_AVX512BF16
import CPlatform

// Uniform numbers: a hash of seed, run and place. A unit of work is a stretch of elements. Other sets have no product of 64-bit
// lanes.

private var stretch: Int { 4096 }

#if ISA_AVX2
private typealias Half = SIMD4<UInt64>
private typealias Words = SIMD8<UInt32>
private typealias HalfInteger = SIMD4<Int32>
@inline(__always) private var places: Half { Half(0, 1, 2, 3) }
#else
private typealias Half = SIMD8<UInt64>
private typealias Words = SIMD16<UInt32>
private typealias HalfInteger = SIMD8<Int32>
@inline(__always) private var places: Half { Half(0, 1, 2, 3, 4, 5, 6, 7) }
#endif

func randomUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(divideUp(Int(args.assumingMemoryBound(to: ek_random.self).pointee.count), stretch))
}

func randomRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let a = args.assumingMemoryBound(to: ek_random.self).pointee
  guard let y = a.y, let number = a.number else { return }
  let seed = Half(repeating: UInt64(bitPattern: a.seed) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(bitPattern: number[0]))
  let start = mixed(seed) &+ places
  var i = Int(begin) &* stretch
  let last = smaller(Int(end) &* stretch, Int(a.count))
  while i < last {
    let low = start &+ Half(repeating: UInt64(truncatingIfNeeded: i))
    let v = toFloat(VI(lowHalf: upperBits(low), highHalf: upperBits(low &+ Half(repeating: UInt64(lanes / 2))))) * all(0x1p-24)
    if last &- i >= lanes { v.store(y + i) } else { storePart(v, y + i, last &- i) }
    i &+= lanes
  }
}

/// The upper 24 bits of the hash, which are a float exactly.
@inline(__always) private func upperBits(_ z: Half) -> HalfInteger {
  unsafeBitCast(unsafeBitCast(mixed(z) &>> Half(repeating: 40), to: Words.self).evenHalf, to: HalfInteger.self)
}

/// The finalizer of SplitMix64 (Steele et al. 2014).
@inline(__always) private func mixed(_ value: Half) -> Half {
  var z = value
  z = (z ^ (z &>> Half(repeating: 30))) &* Half(repeating: 0xBF58_476D_1CE4_E5B9)
  z = (z ^ (z &>> Half(repeating: 27))) &* Half(repeating: 0x94D0_49BB_1331_11EB)
  return z ^ (z &>> Half(repeating: 31))
}
#endif
