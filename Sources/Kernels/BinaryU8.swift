import CPlatform

// Elementwise functions of two broadcast uint8 tensors: to float, the function, back. A unit of work is a stretch
// of the result.

func binaryRunU8(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let b = args.assumingMemoryBound(to: ek_binary.self).pointee
  // The two usual functions have loops of their own, but for old processors; the others share one, which is a sixth of the code.
  let function = Int(b.function)
  switch function {
  #if !ISA_SSE2
  case EK_BINARY_ADD: combine(b, begin, end) { $0 + $1 }
  case EK_BINARY_MULTIPLY: combine(b, begin, end) { $0 * $1 }
  #endif
  case EK_BINARY_POWER: referenceKernel(EK_BINARY_U8).run(args, begin, end, scratch)
  default: combine(b, begin, end) { rareFunction(function, $0, $1) }
  }
}

@inline(__always)
private func rareFunction(_ function: Int, _ a: VF, _ b: VF) -> VF {
  switch function {
  #if ISA_SSE2
  case EK_BINARY_ADD: return a + b
  case EK_BINARY_MULTIPLY: return a * b
  #endif
  case EK_BINARY_SUBTRACT: return a - b
  case EK_BINARY_DIVIDE: return a / b
  case EK_BINARY_MINIMUM: return minimum(a, b)
  case EK_BINARY_MAXIMUM: return maximum(a, b)
  default: return a.replacing(with: a * b, where: a .< VF(repeating: 0))  // PReLU
  }
}

/// One operand as real values.
private struct OperandU8 {
  let bytes: UnsafePointer<UInt8>
  let step: Int
  let zero: VI
  let scale: VF

  @inline(__always)
  init(_ bytes: UnsafePointer<UInt8>, _ step: Int, _ quant: ek_quant) {
    self.bytes = bytes
    self.step = step
    zero = VI(repeating: quant.zero_point)
    scale = VF(repeating: quant.scale)
  }

  /// `count` elements from `offset` on.
  @inline(__always)
  func values(_ offset: Int, _ count: Int) -> VF {
    toFloat(load(bytes + offset, count) &- zero) * scale
  }

  @inline(__always)
  private func load(_ p: UnsafePointer<UInt8>, _ count: Int) -> VI {
    if step == 1 { return count == lanes ? widenBytes(p) : widenBytesPart(p, count) }
    if step == 0 { return VI(repeating: Int32(p[0])) }
    return spaced(p, step, count)
  }
}

/// `count` elements, `step` apart. Rare: a call is less code than the loop at each place.
@inline(never)
private func spaced(_ p: UnsafePointer<UInt8>, _ step: Int, _ count: Int) -> VI {
  var v = VI(repeating: 0)
  var i = 0
  while i < count {
    v[i] = Int32(p[i &* step])
    i &+= 1
  }
  return v
}

@inline(__always)
private func combine(_ b: ek_binary, _ begin: Int64, _ end: Int64, _ function: (VF, VF) -> VF) {
  guard let p = b.a?.assumingMemoryBound(to: UInt8.self), let q = b.b?.assumingMemoryBound(to: UInt8.self),
    let y = b.y?.assumingMemoryBound(to: UInt8.self)
  else { return }
  let axes = axes(b)
  let inner = axes.last
  let left = OperandU8(p, inner.p, b.a_quant), right = OperandU8(q, inner.q, b.b_quant)
  let inverse = VF(repeating: 1 / b.y_quant.scale)
  let quantizer = QuantizerU8(zeroPoint: b.y_quant.zero_point, low: b.q_min, high: b.q_max)
  let first = Int(b.first)
  axes.forEachRun(first &+ Int(begin) &* stretchU8, first &+ stretchEndU8(end, b.end &- b.first)) { index, pOffset, qOffset, count in
    var i = 0
    while i < count {
      let n = smaller(lanes, count &- i)
      let value = function(left.values(pOffset &+ i &* inner.p, n), right.values(qOffset &+ i &* inner.q, n))
      let bytes = quantizer.quantizedOrZero(value * inverse)
      if n == lanes { narrowBytes(bytes, y + (index &+ i)) } else { narrowBytesPart(bytes, y + (index &+ i), n) }
      i &+= lanes
    }
  }
}
