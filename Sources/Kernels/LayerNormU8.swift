import CPlatform

// Layer normalization of uint8 rows, with the header's numbers: the sums are integers, which no order changes.

func layerNormRunU8(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let l = args.assumingMemoryBound(to: ek_layer_norm.self).pointee
  guard let x = l.x?.assumingMemoryBound(to: UInt8.self), let y = l.y?.assumingMemoryBound(to: UInt8.self), let scale = l.scale,
    let bias = l.bias
  else { return }
  let count = Int(l.axis)
  let step = Double(l.x_quant.scale), terms = Double(count)
  let quantizer = QuantizerU8(zeroPoint: l.y_quant.zero_point, low: 0, high: 255)
  var row = Int(begin) &* layerNormRowsPerUnit
  let last = smaller(Int(end) &* layerNormRowsPerUnit, Int(l.rows))
  while row < last {
    let from = x + row &* count, to = y + row &* count
    var sums = VI(repeating: 0), squareSums = sums
    var i = 0
    while i < count {
      let left = count &- i
      let v = left < lanes ? widenBytesPart(from + i, left) : widenBytes(from + i)
      sums = sums &+ v
      squareSums = squareSums &+ v &* v
      i &+= lanes
    }
    var sum: Int64 = 0, squares: Int64 = 0
    var lane = 0
    while lane < lanes {
      sum = sum &+ Int64(sums[lane])
      squares = squares &+ Int64(squareSums[lane])
      lane &+= 1
    }
    let spread = l.axis &* squares &- sum &* sum
    let variance = Double(spread) / (terms * terms) * (step * step) + Double(l.epsilon)
    let mean = VF(repeating: Float(Double(sum) / terms))
    let factor = VF(repeating: Float(step / variance.squareRoot()))
    i = 0
    while i &+ 2 &* lanes <= count {
      let t = (toFloat(widenBytes(from + i)) - mean) * factor * VF.load(scale + i) + VF.load(bias + i)
      let j = i &+ lanes
      let u = (toFloat(widenBytes(from + j)) - mean) * factor * VF.load(scale + j) + VF.load(bias + j)
      narrowBytes(quantizer.quantizedOrZero(t), quantizer.quantizedOrZero(u), to + i)
      i &+= 2 &* lanes
    }
    while i < count {
      let rest = smaller(lanes, count &- i)
      let t = (toFloat(widenBytesPart(from + i, rest)) - mean) * factor * loadPart(scale + i, rest) + loadPart(bias + i, rest)
      narrowBytesPart(quantizer.quantizedOrZero(t), to + i, rest)
      i &+= lanes
    }
    row &+= 1
  }
}
