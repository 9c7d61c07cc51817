import CPlatform

// Softmax of uint8 rows, with the reference's numbers: powers of the 256 differences in a table, four sums. A unit of
// work is a row; other axes and logarithms go to the reference.

private var tableFloats: Int { 256 }

private func isRow(_ s: ek_softmax) -> Bool { s.inner == 1 && s.log == 0 }

func softmaxUnitsU8(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let s = args.assumingMemoryBound(to: ek_softmax.self).pointee
  return s.outer &* s.inner
}

func softmaxScratchU8(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let s = args.assumingMemoryBound(to: ek_softmax.self).pointee
  return isRow(s) ? (Int64(tableFloats) &+ s.axis) &* 4 : referenceKernel(EK_SOFTMAX_U8).scratch_bytes(args)
}

func softmaxRunU8(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args, let scratch else { return }
  let s = args.assumingMemoryBound(to: ek_softmax.self).pointee
  if !isRow(s) { return referenceKernel(EK_SOFTMAX_U8).run(args, begin, end, scratch) }
  guard let x = s.x?.assumingMemoryBound(to: UInt8.self), let y = s.y?.assumingMemoryBound(to: UInt8.self) else { return }
  let powers = scratch.assumingMemoryBound(to: Float.self)
  let scale = Double(s.x_quant.scale)
  // As many powers as rows may need: a few rows of a few numbers do not pay for all.
  var known = 0
  let inverse = VF(repeating: 1 / s.y_quant.scale)
  let quantizer = QuantizerU8(zeroPoint: s.y_quant.zero_point, low: 0, high: 255)
  let count = Int(s.axis)
  var row = Int(begin)
  while row < Int(end) {
    let from = x + row &* count, to = y + row &* count
    let (least, largest) = extremes(from, count)
    while known <= largest &- least {
      powers[known] = Float(expDouble(-Double(known) * scale))
      known &+= 1
    }
    let total = VF(repeating: powersOfRow(from, count, largest, powers, powers + tableFloats))
    var i = 0
    while i < count {
      let left = count &- i
      let power = left < lanes ? loadPart(powers + (tableFloats &+ i), left) : VF.load(powers + (tableFloats &+ i))
      let bytes = quantizer.quantizedOrZero(power / total * inverse)
      if left < lanes { narrowBytesPart(bytes, to + i, left) } else { narrowBytes(bytes, to + i) }
      i &+= lanes
    }
    row &+= 1
  }
}

/// The least and the largest of `count` numbers, at least one.
@inline(never)
private func extremes(_ x: UnsafePointer<UInt8>, _ count: Int) -> (Int, Int) {
  var (least, largest) = (x[0], x[0])
  var i = 0
  if count >= 16 {
    var low = SIMD16<UInt8>.load(x), high = low
    while i < count {
      // The last one covers some numbers again.
      let next = SIMD16<UInt8>.load(x + smaller(i, count &- 16))
      low = low.replacing(with: next, where: next .< low)
      high = high.replacing(with: next, where: next .> high)
      i &+= 16
    }
    let low8 = low.lowHalf.replacing(with: low.highHalf, where: low.highHalf .< low.lowHalf)
    let high8 = high.lowHalf.replacing(with: high.highHalf, where: high.highHalf .> high.lowHalf)
    var lane = 0
    while lane < 8 {
      least = low8[lane] < least ? low8[lane] : least
      largest = high8[lane] > largest ? high8[lane] : largest
      lane &+= 1
    }
  }
  while i < count {
    least = x[i] < least ? x[i] : least
    largest = x[i] > largest ? x[i] : largest
    i &+= 1
  }
  return (Int(least), Int(largest))
}

/// Writes the power of each number; their sum.
@inline(never)
private func powersOfRow(
  _ x: UnsafePointer<UInt8>, _ count: Int, _ largest: Int, _ powers: UnsafePointer<Float>, _ out: UnsafeMutablePointer<Float>
) -> Float {
  var (a, b, c, d) = (0.0, 0.0, 0.0, 0.0)
  let whole = count & ~3
  var i = 0
  while i < whole {
    let (p, q) = (powers[largest &- Int(x[i])], powers[largest &- Int(x[i &+ 1])])
    let (r, s) = (powers[largest &- Int(x[i &+ 2])], powers[largest &- Int(x[i &+ 3])])
    (out[i], out[i &+ 1], out[i &+ 2], out[i &+ 3]) = (p, q, r, s)
    a += Double(p)
    b += Double(q)
    c += Double(r)
    d += Double(s)
    i &+= 4
  }
  while i < count {
    let power = powers[largest &- Int(x[i])]
    out[i] = power
    switch i & 3 {
    case 0: a += Double(power)
    case 1: b += Double(power)
    default: c += Double(power)
    }
    i &+= 1
  }
  return Float((a + b) + (c + d))
}
