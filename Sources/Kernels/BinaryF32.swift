import CPlatform

// Elementwise functions of two broadcast tensors. A unit of work is a stretch of the result. Along the last axis
// an operand is contiguous, constant or strided; the first two cases are vectorized.

private var stretch: Int { 4096 }

@_optimize(size)
func axes(_ b: ek_binary) -> Axes {
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
  let b = args.assumingMemoryBound(to: ek_binary.self)
  // The reference cuts powers in the same stretches.
  return Int64(divideUp(Int(b.pointee.end &- b.pointee.first), stretch))
}

func binaryRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let b = args.assumingMemoryBound(to: ek_binary.self).pointee
  // Powers need more than single precision inside.
  if Int(b.function) == EK_BINARY_POWER { return referenceKernel(EK_BINARY_F32).run(args, begin, end, scratch) }
  let begin = Int(begin), end = Int(end)
  // The usual functions have loops of their own, but for old processors; the others share one, which is a sixth of the code.
  let function = Int(b.function)
  switch function {
  #if !ISA_SSE2
  case EK_BINARY_ADD: combine(b, begin, end, Sum())
  case EK_BINARY_MULTIPLY: combine(b, begin, end, Product())
  #endif
  case EK_BINARY_GATE:
    var open = b
    (open.clamp_min, open.clamp_max) = (-.infinity, .infinity)
    combine(open, begin, end, Gate(low: all(b.clamp_min), high: all(b.clamp_max)))
  default: combine(b, begin, end, RareFunction(function: function))
  }
}

/// A function of two registers. A closure would be called, and pass them in parts.
private protocol Combination {
  func value(_ a: VF, _ b: VF) -> VF
}

#if !ISA_SSE2
private struct Sum: Combination {
  @inline(__always) func value(_ a: VF, _ b: VF) -> VF { a + b }
}

private struct Product: Combination {
  @inline(__always) func value(_ a: VF, _ b: VF) -> VF { a * b }
}
#endif

private struct Gate: Combination {
  let low: VF, high: VF
  @inline(__always) func value(_ a: VF, _ b: VF) -> VF {
    all(0).replacing(with: all(0).replacing(with: a, where: low .< b), where: b .< high)
  }
}

private struct RareFunction: Combination {
  let function: Int
  @inline(__always) func value(_ a: VF, _ b: VF) -> VF {
    switch function {
    #if ISA_SSE2
    case EK_BINARY_ADD: return a + b
    case EK_BINARY_MULTIPLY: return a * b
    #endif
    case EK_BINARY_SUBTRACT: return a - b
    case EK_BINARY_DIVIDE: return a / b
    case EK_BINARY_MINIMUM: return minimumOrNaN(a, b)
    case EK_BINARY_MAXIMUM: return maximumOrNaN(a, b)
    default: return a.replacing(with: a * b, where: a .< all(0))  // PReLU
    }
  }
}

@inline(never)
private func combine<F: Combination>(_ b: ek_binary, _ begin: Int, _ end: Int, _ f: F) {
  guard let aBase = b.a, let bBase = b.b, let yBase = b.y else { return }
  let x = aBase.assumingMemoryBound(to: Float.self), z = bBase.assumingMemoryBound(to: Float.self)
  let y = yBase.assumingMemoryBound(to: Float.self)
  let low = all(b.clamp_min), high = all(b.clamp_max)
  let axes = axes(b)
  let inner = axes.last
  let first = Int(b.first)
  axes.forEachRun(first &+ begin &* stretch, smaller(first &+ end &* stretch, Int(b.end))) { index, p, q, count in
    var i = 0
    // Most tensors: nothing to ask at each register.
    while inner.p == 1 && inner.q == 1 && i &+ lanes <= count {
      let v = f.value(VF.load(x + (p &+ i)), VF.load(z + (q &+ i)))
      minimum(high, maximum(low, v)).store(y + (index &+ i))
      i &+= lanes
    }
    while i < count {
      let n = smaller(lanes, count &- i)
      let v = f.value(operand(x + (p &+ i &* inner.p), inner.p, n), operand(z + (q &+ i &* inner.q), inner.q, n))
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
