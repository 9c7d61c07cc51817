import CPlatform

// Elementwise functions of two broadcast tensors. A unit of work is a stretch of the result. Along the last axis
// an operand is contiguous, constant or strided; the first two cases are vectorized.

private var stretch: Int { 4096 }

private func axes(_ b: ek_binary) -> Axes {
  var axes = Axes()
  var i = 0
  while i < Int(b.rank) {
    axes.append(Axis(size: field(b.dims, i), p: field(b.a_stride, i), q: field(b.b_stride, i)))
    i &+= 1
  }
  axes.merge()
  return axes
}

func binaryUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let b = args.assumingMemoryBound(to: ek_binary.self).pointee
  if Int(b.function) == EK_BINARY_POWER { return referenceKernel(EK_BINARY_F32).units(args) }
  var count = 1
  var i = 0
  while i < Int(b.rank) {
    count = count &* field(b.dims, i)
    i &+= 1
  }
  return Int64(divideUp(count, stretch))
}

func binaryRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let b = args.assumingMemoryBound(to: ek_binary.self).pointee
  // Powers need more than single precision inside.
  if Int(b.function) == EK_BINARY_POWER { return referenceKernel(EK_BINARY_F32).run(args, begin, end, scratch) }
  let begin = Int(begin), end = Int(end)
  // The two usual functions have loops of their own; the others share one, which is a sixth of the code.
  let function = Int(b.function)
  switch function {
  case EK_BINARY_ADD: combine(b, begin, end) { $0 + $1 }
  case EK_BINARY_MULTIPLY: combine(b, begin, end) { $0 * $1 }
  default:
    let low = all(b.clamp_min), high = all(b.clamp_max)
    var other = b
    if function == EK_BINARY_GATE { (other.clamp_min, other.clamp_max) = (-.infinity, .infinity) }
    combine(other, begin, end) { rareFunction(function, $0, $1, low, high) }
  }
}

@inline(__always)
private func rareFunction(_ function: Int, _ a: VF, _ b: VF, _ low: VF, _ high: VF) -> VF {
  switch function {
  case EK_BINARY_SUBTRACT: return a - b
  case EK_BINARY_DIVIDE: return a / b
  case EK_BINARY_MINIMUM: return minimumOrNaN(a, b)
  case EK_BINARY_MAXIMUM: return maximumOrNaN(a, b)
  case EK_BINARY_GATE:
    let above = all(0).replacing(with: a, where: low .< b)
    return all(0).replacing(with: above, where: b .< high)
  default: return a.replacing(with: a * b, where: a .< all(0))  // PReLU
  }
}

@inline(__always)
private func combine(_ b: ek_binary, _ begin: Int, _ end: Int, _ f: (VF, VF) -> VF) {
  guard let aBase = b.a, let bBase = b.b, let yBase = b.y else { return }
  let x = aBase.assumingMemoryBound(to: Float.self), z = bBase.assumingMemoryBound(to: Float.self)
  let y = yBase.assumingMemoryBound(to: Float.self)
  let low = all(b.clamp_min), high = all(b.clamp_max)
  let axes = axes(b)
  let inner = axes.last
  axes.forEachRun(begin &* stretch, smaller(end &* stretch, axes.elements)) { index, p, q, count in
    var i = 0
    while i < count {
      let n = smaller(lanes, count &- i)
      let v = f(operand(x + (p &+ i &* inner.p), inner.p, n), operand(z + (q &+ i &* inner.q), inner.q, n))
      let clamped = minimum(high, maximum(low, v))
      if n == lanes { clamped.store(y + (index &+ i)) } else { storePart(clamped, y + (index &+ i), n) }
      i &+= lanes
    }
  }
}

/// `count` elements, `step` apart.
@inline(__always)
private func operand(_ p: UnsafePointer<Float>, _ step: Int, _ count: Int) -> VF {
  if step == 1 { return count == lanes ? VF.load(p) : loadPart(p, count) }
  if step == 0 { return all(p[0]) }
  return spaced(p, step, count)
}

/// Rare: a call is less code than the loop at each place.
@inline(never)
private func spaced(_ p: UnsafePointer<Float>, _ step: Int, _ count: Int) -> VF {
  var v = all(0)
  var i = 0
  while i < count {
    v[i] = p[i &* step]
    i &+= 1
  }
  return v
}
