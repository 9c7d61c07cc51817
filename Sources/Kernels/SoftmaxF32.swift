import CPlatform

// Softmax over the middle axis of [outer][axis][inner], shifted by the largest value. Where inner is 1 a unit of
// work is some rows; else a vector's worth of columns.

private var rowsPerUnit: Int { 8 }

func softmaxUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let s = args.assumingMemoryBound(to: ek_softmax.self).pointee
  if s.inner == 1 { return Int64(divideUp(Int(s.outer), rowsPerUnit)) }
  return s.outer &* Int64(divideUp(Int(s.inner), lanes))
}

func softmaxRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let s = args.assumingMemoryBound(to: ek_softmax.self).pointee
  guard let xBase = s.x, let yBase = s.y else { return }
  let x = xBase.assumingMemoryBound(to: Float.self), y = yBase.assumingMemoryBound(to: Float.self)
  let axis = Int(s.axis), inner = Int(s.inner), log = s.log != 0
  if inner == 1 {
    var row = Int(begin) &* rowsPerUnit
    let last = smaller(Int(end) &* rowsPerUnit, Int(s.outer))
    while row < last {
      softmaxRow(x + row &* axis, y + row &* axis, axis, log)
      row &+= 1
    }
    return
  }
  let blocks = divideUp(inner, lanes)
  var unit = Int(begin)
  while unit < Int(end) {
    let column = unit % blocks &* lanes
    let at = unit / blocks &* axis &* inner &+ column
    if column &+ lanes <= inner {
      softmaxColumns(x + at, y + at, axis, inner, log, WholeLanes())
    } else {
      softmaxColumns(x + at, y + at, axis, inner, log, PartLanes(count: inner &- column))
    }
    unit &+= 1
  }
}

@inline(never)
private func softmaxRow(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int, _ log: Bool) {
  let rest = count % lanes, whole = count &- rest
  var most = all(-.infinity)
  var i = 0
  while i < whole {
    most = maximum(most, VF.load(x + i))
    i &+= lanes
  }
  var largest = most.largestLane
  while i < count {
    if x[i] > largest { largest = x[i] }
    i &+= 1
  }
  let shift = all(largest)
  var sums = all(0)
  i = 0
  while i < whole {
    let e = exponential(VF.load(x + i) - shift)
    sums += e
    if !log { e.store(y + i) }
    i &+= lanes
  }
  var sum = sums.laneSum
  if rest > 0 {
    let e = exponential(loadPart(x + whole, rest) - shift)
    var lane = 0
    while lane < rest {
      sum += e[lane]
      lane &+= 1
    }
    if !log { storePart(e, y + whole, rest) }
  }
  let logSum = log ? logarithm(all(sum)) : all(0), factor = all(1 / sum)
  i = 0
  while i < whole {
    let v = log ? VF.load(x + i) - shift - logSum : VF.load(y + i) * factor
    v.store(y + i)
    i &+= lanes
  }
  if rest > 0 {
    let v = log ? loadPart(x + whole, rest) - shift - logSum : loadPart(y + whole, rest) * factor
    storePart(v, y + whole, rest)
  }
}

@inline(__always)
private func softmaxColumns<L: ChannelLanes>(
  _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ axis: Int, _ inner: Int, _ log: Bool, _ part: L
) {
  var shift = all(-.infinity)
  var i = 0
  while i < axis {
    shift = maximum(shift, part.load(x + i &* inner))
    i &+= 1
  }
  var sum = all(0)
  i = 0
  while i < axis {
    let e = exponential(part.load(x + i &* inner) - shift)
    sum += e
    if !log { part.store(e, y + i &* inner) }
    i &+= 1
  }
  let logSum = logarithm(sum)
  i = 0
  while i < axis {
    let at = i &* inner
    part.store(log ? part.load(x + at) - shift - logSum : part.load(y + at) / sum, y + at)
    i &+= 1
  }
}
