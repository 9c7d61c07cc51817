import CPlatform

// Layer normalization of rows: the mean, the mean square of what is left, the result. A unit of work is some rows.

/// Of both element types.
var layerNormRowsPerUnit: Int { 4 }

func layerNormUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(divideUp(Int(args.assumingMemoryBound(to: ek_layer_norm.self).pointee.rows), layerNormRowsPerUnit))
}

func layerNormRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let l = args.assumingMemoryBound(to: ek_layer_norm.self).pointee
  guard let x = l.x?.assumingMemoryBound(to: Float.self), let y = l.y?.assumingMemoryBound(to: Float.self), let scale = l.scale,
    let bias = l.bias
  else { return }
  let count = Int(l.axis)
  var row = Int(begin) &* layerNormRowsPerUnit
  let last = smaller(Int(end) &* layerNormRowsPerUnit, Int(l.rows))
  while row < last {
    let from = x + row &* count, to = y + row &* count
    var s0 = all(0), s1 = s0
    var i = 0
    while i &+ 2 &* lanes <= count {
      s0 += VF.load(from + i)
      s1 += VF.load(from + (i &+ lanes))
      i &+= 2 &* lanes
    }
    while i < count {
      s0 += loadPart(from + i, smaller(lanes, count &- i))
      i &+= lanes
    }
    let mean = (s0 + s1).laneSum / Float(count)
    let middle = all(mean)
    (s0, s1) = (all(0), all(0))
    i = 0
    while i &+ 2 &* lanes <= count {
      let d = VF.load(from + i) - middle, e = VF.load(from + (i &+ lanes)) - middle
      s0 = multiplyAdd(d, d, s0)
      s1 = multiplyAdd(e, e, s1)
      i &+= 2 &* lanes
    }
    var squares = (s0 + s1).laneSum
    while i < count {
      let d = from[i] - mean
      squares += d * d
      i &+= 1
    }
    let factor = all(1 / (squares / Float(count) + l.epsilon).squareRoot())
    i = 0
    while i &+ lanes <= count {
      multiplyAdd((VF.load(from + i) - middle) * factor, VF.load(scale + i), VF.load(bias + i)).store(to + i)
      i &+= lanes
    }
    if i < count {
      let rest = count &- i
      let centred = loadPart(from + i, rest) - middle
      storePart(multiplyAdd(centred * factor, loadPart(scale + i, rest), loadPart(bias + i, rest)), to + i, rest)
    }
    row &+= 1
  }
}
