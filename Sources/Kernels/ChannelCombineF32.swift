#if !ISA_AVX512BF16 && !ISA_NEONDOT
import CPlatform

// What is made of the sums of channels: means, gradients, factors of a normalization. A unit of work is 16 channels. Every set
// gives the reference's bits: nothing is fused, and divisions are divisions.

func channelCombineUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(divideUp(Int(args.assumingMemoryBound(to: ek_channel_combine.self).pointee.c), 16))
}

func channelCombineRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let a = args.assumingMemoryBound(to: ek_channel_combine.self).pointee
  forEachVector(
    Int(begin) &* 16, smaller(Int(end) &* 16, Int(a.c)), { combine(a, $0, WholeLanes()) }, { combine(a, $0, PartLanes(count: $1)) })
}

@inline(never)
private func combine<L: ChannelLanes>(_ a: ek_channel_combine, _ channel: Int, _ part: L) {
  let channels = Int(a.c), function = Int(a.function)
  let count = all(Float(Int(a.rows)))
  if function == EK_SUMS_MEAN || function == EK_SUMS_VARIANCE {
    if let y = a.y0 { part.store(total(a, channel, 1, part) / count, y + channel) }
    return
  }
  guard let scale = a.scale, let mean = a.mean, let variance = a.variance, let factors = a.factors else { return }
  let inverse = all(1) / squareRoot(part.load(variance + channel) + all(a.epsilon))
  let factor = part.load(scale + channel) * inverse
  part.store(factor, factors + channel)
  if function == EK_SUMS_NONE {
    guard let bias = a.bias else { return }
    part.store(all(0), factors + (channels &+ channel))
    part.store(part.load(bias + channel) - part.load(mean + channel) * factor, factors + (2 &* channels &+ channel))
    return
  }
  guard let y0 = a.y0, let y1 = a.y1 else { return }
  let gradient = total(a, channel, 2, part), product = total(a, channels &+ channel, 2, part)
  part.store(product * inverse, y0 + channel)
  part.store(gradient, y1 + channel)
  let slope = -factor * inverse * inverse * product / count
  part.store(slope, factors + (channels &+ channel))
  part.store(-factor * gradient / count - slope * part.load(mean + channel), factors + (2 &* channels &+ channel))
}

/// The sum over the blocks, each of which has `sums` of them, from the first one on.
@inline(__always)
private func total<L: ChannelLanes>(_ a: ek_channel_combine, _ place: Int, _ sums: Int, _ part: L) -> VF {
  guard let parts = a.sums else { return all(0) }
  var p = parts + place
  var total = part.load(p)
  var left = a.blocks &- 1
  while left > 0 {
    p += sums &* Int(a.c)
    total += part.load(p)
    left &-= 1
  }
  return total
}
#endif
