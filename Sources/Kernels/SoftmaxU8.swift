import CPlatform

// Softmax of uint8 rows, with the header's numbers: powers of the 256 differences are integers of a table, whose sum no
// order changes. A unit of work is a row; other axes and logarithms go to the reference.

private var tableEntries: Int { 256 }

private func isRow(_ s: ek_softmax) -> Bool { s.inner == 1 && s.log == 0 }

func softmaxUnitsU8(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let s = args.assumingMemoryBound(to: ek_softmax.self).pointee
  return s.outer &* s.inner
}

func softmaxScratchU8(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let s = args.assumingMemoryBound(to: ek_softmax.self).pointee
  return isRow(s) ? (Int64(tableEntries) &+ s.axis) &* 4 : referenceKernel(EK_SOFTMAX_U8).scratch_bytes(args)
}

func softmaxRunU8(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args, let scratch else { return }
  let s = args.assumingMemoryBound(to: ek_softmax.self).pointee
  if !isRow(s) { return referenceKernel(EK_SOFTMAX_U8).run(args, begin, end, scratch) }
  guard let x = s.x?.assumingMemoryBound(to: UInt8.self), let y = s.y?.assumingMemoryBound(to: UInt8.self) else { return }
  // Entry 255 - d is the power of difference d, so that a number of a row is an index from the row's own beginning.
  let powers = scratch.assumingMemoryBound(to: UInt32.self)
  let row32 = powers + tableEntries
  let scale = Double(s.x_quant.scale)
  // As many powers as rows may need; where fewer numbers than that are left, their own.
  var known = 0
  let quantizer = QuantizerU8(zeroPoint: s.y_quant.zero_point, low: 0, high: 255)
  let count = Int(s.axis)
  var row = Int(begin)
  while row < Int(end) {
    let from = x + row &* count, to = y + row &* count
    let (least, largest) = extremes(from, count)
    let isFew = (Int(end) &- row) &* count <= largest &- least &- known
    let wanted = isFew ? count : largest &- least &+ 1
    var i = isFew ? 0 : known
    while i < wanted {
      let d = isFew ? largest &- Int(from[i]) : i
      // Adding 1.5 2^52 leaves the rounded number in the low bits.
      powers[255 &- d] = UInt32(truncatingIfNeeded: (expDouble(-Double(d) * scale) * 0x1p23 + 0x1.8p52).bitPattern)
      i &+= 1
    }
    if !isFew { known = larger(known, wanted) }
    let sum = powersOfRow(from, count, powers + (255 &- largest), row32)
    let factor = VF(repeating: Float(1 / (Double(sum) * Double(s.y_quant.scale))))
    let numbers = UnsafeMutableRawPointer(row32).assumingMemoryBound(to: Int32.self)
    i = 0
    while i &+ 2 &* lanes <= count {
      let low = quantizer.quantized(toFloat(VI.load(numbers + i)) * factor)
      let high = quantizer.quantized(toFloat(VI.load(numbers + (i &+ lanes))) * factor)
      narrowBytes(low, high, to + i)
      i &+= 2 &* lanes
    }
    while i < count {
      let left = smaller(count &- i, lanes)
      narrowBytesPart(quantizer.quantized(toFloat(loadPart(numbers + i, left)) * factor), to + i, left)
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
  _ x: UnsafePointer<UInt8>, _ count: Int, _ powers: UnsafePointer<UInt32>, _ out: UnsafeMutablePointer<UInt32>
) -> Int {
  var (a, b) = (0, 0)
  let whole = count & ~3
  var i = 0
  while i < whole {
    let (p, q) = (powers[Int(x[i])], powers[Int(x[i &+ 1])])
    let (r, s) = (powers[Int(x[i &+ 2])], powers[Int(x[i &+ 3])])
    (out[i], out[i &+ 1], out[i &+ 2], out[i &+ 3]) = (p, q, r, s)
    a = a &+ Int(p) &+ Int(q)
    b = b &+ Int(r) &+ Int(s)
    i &+= 4
  }
  while i < count {
    out[i] = powers[Int(x[i])]
    a = a &+ Int(out[i])
    i &+= 1
  }
  return a &+ b
}
