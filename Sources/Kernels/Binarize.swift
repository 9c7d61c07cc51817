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
      var bits: UInt32 = 0
      var lane = 0
      while lane < 32 && channel &+ lane < channels {
        let left = channels &- channel &- lane
        let value = left < lanes ? loadPart(from + channel + lane, left) : VF.load(from + channel + lane)
        // Lanes that are not there are 0, whose bit is cleared.
        var set = signBits(VI(repeating: 0).replacing(with: -1, where: value .>= VF(repeating: 0)))
        if left < lanes { set &= (1 &<< UInt32(truncatingIfNeeded: left)) &- 1 }
        bits |= set &<< UInt32(truncatingIfNeeded: lane)
        lane &+= lanes
      }
      to.storeBytes(of: bits, toByteOffset: channel / 8, as: UInt32.self)
      channel &+= 32
    }
    pixel &+= 1
  }
}
#endif
