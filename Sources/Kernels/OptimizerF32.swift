#if !ISA_AVX512BF16 && !ISA_NEONDOT
import CPlatform

// Updates of parameters. A unit of work is a stretch of elements. Nothing is fused, and divisions are divisions: every set gives
// the reference's bits. `zero` times a mean of squares makes a parameter NaN where that has overflowed.

private var stretch: Int { 4096 }

// The kinds of the graph's operator.
private var sgd: Int32 { 0 }
private var nesterov: Int32 { 1 }
private var adam: Int32 { 2 }
private var adamW: Int32 { 3 }

func optimizerUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(divideUp(Int(args.assumingMemoryBound(to: ek_optimizer_step.self).pointee.count), stretch))
}

func optimizerRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let a = args.assumingMemoryBound(to: ek_optimizer_step.self).pointee
  guard let weights = a.w, let gradients = a.g, let rates = a.rates, let moments = a.m, let out = a.w_out, let momentsOut = a.m_out else { return }
  let rate = all(rates[0] * a.rate), first = all(rates[1]), second = all(rates[2]), epsilon = all(rates[3])
  let decay = all(rates[4] * a.decay), shrink = all(rates[0] * a.rate * (rates[4] * a.decay))
  let firstRest = all(1 - rates[1]), secondRest = all(1 - rates[2]), correction = all(rates[5]), secondCorrection = all(rates[6])
  let isAdam = a.kind == adam || a.kind == adamW, zero = all(0)
  var i = Int(begin) &* stretch
  let last = smaller(Int(end) &* stretch, Int(a.count))
  while i < last {
    let count = smaller(lanes, last &- i)
    var w = part(weights + i, count), g = part(gradients + i, count), m = part(moments + i, count)
    if let factor = a.factor { g *= all(factor[0]) }
    if a.kind == adamW { w -= shrink * w } else { g += decay * w }
    if isAdam {
      guard let v = a.v, let vOut = a.v_out else { return }
      m = first * m + firstRest * g
      let square = second * part(v + i, count) + secondRest * g * g
      put(square, vOut + i, count)
      w -= rate * (m / correction) / (squareRoot(square / secondCorrection) + epsilon)
      w -= zero * square
    } else if a.kind == sgd {
      m = first * m + g
      w -= rate * m
    } else if a.kind == nesterov {
      m = first * m + g
      w -= rate * (g + first * m)
    } else {
      m = second * m + secondRest * g * g
      w -= rate * g / (squareRoot(m) + epsilon)
      w -= zero * m
    }
    put(m, momentsOut + i, count)
    put(w, out + i, count)
    i &+= lanes
  }
}

@inline(__always) private func part(_ p: UnsafePointer<Float>, _ count: Int) -> VF { count == lanes ? VF.load(p) : loadPart(p, count) }
@inline(__always) private func put(_ v: VF, _ p: UnsafeMutablePointer<Float>, _ count: Int) {
  if count == lanes { v.store(p) } else { storePart(v, p, count) }
}
#endif
