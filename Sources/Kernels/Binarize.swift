#if ISA_AVX2 || ISA_NEON || ISA_AVX512BF16
import CPlatform

// Signs of floats as bits. A unit of work is a block of pixels.

private var pixelsOfUnit: Int { 64 }

func binarizeUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(divideUp(Int(args.assumingMemoryBound(to: ek_binarize.self).pointee.pixels), pixelsOfUnit))
}

func binarizeRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let b = args.assumingMemoryBound(to: ek_binarize.self).pointee
  guard let x = b.x?.assumingMemoryBound(to: Float.self), let y = b.y else { return }
  let channels = Int(b.c)
  let last = smaller(Int(end) &* pixelsOfUnit, Int(b.pixels))
  var pixel = Int(begin) &* pixelsOfUnit
  while pixel < last {
    let from = x + pixel &* channels
    let to = y + pixel &* Int(b.y_stride)
    var channel = 0
    while channel < 8 &* Int(b.y_stride) {
      let left = channels &- channel
      var bits: UInt32 = 0
      var lane = 0
      if left >= 32 {
        while lane < 32 {
          bits |= notNegative(VF.load(from + channel + lane)) &<< UInt32(truncatingIfNeeded: lane)
          lane &+= lanes
        }
      } else {
        while lane < left {
          let part = smaller(left &- lane, lanes)
          bits |= notNegative(loadPart(from + channel + lane, part)) &<< UInt32(truncatingIfNeeded: lane)
          lane &+= lanes
        }
        // Lanes that are not there are 0, whose bit is cleared.
        bits &= left > 0 ? (1 &<< UInt32(truncatingIfNeeded: left)) &- 1 : 0
      }
      to.storeBytes(of: bits, toByteOffset: channel / 8, as: UInt32.self)
      channel &+= 32
    }
    pixel &+= 1
  }
}

/// The bits of lanes that are at least 0.
@inline(__always) private func notNegative(_ values: VF) -> UInt32 {
  signBits(VI(repeating: 0).replacing(with: -1, where: values .>= VF(repeating: 0)))
}
#endif
