import CPlatform

// Reductions over the middle axis of [outer][axis][inner]. Where inner is 1, a unit of work is some rows, each
// reduced lane by lane and then across lanes; else a unit is a block of columns, each added in axis order.

private var columnBlock: Int { 4 &* lanes }
private var rowsPerUnit: Int { 16 }

func reduceUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let r = args.assumingMemoryBound(to: ek_reduce.self).pointee
  if r.inner == 1 { return Int64(divideUp(Int(r.outer), rowsPerUnit)) }
  return r.outer &* Int64(divideUp(Int(r.inner), columnBlock))
}

/// One reduction: sum = combine(sum, map(x)), then finish.
private protocol Reduction {
  var start: Float { get }
  func map(_ x: VF) -> VF
  func combine(_ a: VF, _ b: VF) -> VF
  func finish(_ sum: VF) -> VF
}

/// Mean; with a count of 1, sum.
private struct Mean: Reduction {
  let count: Float
  @inline(__always) var start: Float { 0 }
  @inline(__always) func map(_ x: VF) -> VF { x }
  @inline(__always) func combine(_ a: VF, _ b: VF) -> VF { a + b }
  @inline(__always) func finish(_ sum: VF) -> VF { sum / all(count) }
}

/// All others in one loop, which asks for the function at every vector: an eighth of the code.
private struct RareReduction: Reduction {
  let function: Int

  @inline(__always) var start: Float {
    switch function {
    case EK_REDUCE_MAX: return -.infinity
    case EK_REDUCE_MIN: return .infinity
    case EK_REDUCE_PROD: return 1
    default: return 0
    }
  }
  @inline(__always) func map(_ x: VF) -> VF {
    switch function {
    case EK_REDUCE_L1: return magnitude(x)
    case EK_REDUCE_L2, EK_REDUCE_SUM_SQUARE: return x * x
    default: return x
    }
  }
  @inline(__always) func combine(_ a: VF, _ b: VF) -> VF {
    switch function {
    case EK_REDUCE_MAX: return maximumOrNaN(a, b)
    case EK_REDUCE_MIN: return minimumOrNaN(a, b)
    case EK_REDUCE_PROD: return a * b
    default: return a + b
    }
  }
  @inline(__always) func finish(_ sum: VF) -> VF { function == EK_REDUCE_L2 ? squareRoot(sum) : sum }
}

func reduceRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let r = args.assumingMemoryBound(to: ek_reduce.self).pointee
  let begin = Int(begin), end = Int(end), function = Int(r.function)
  switch function {
  case EK_REDUCE_MEAN: reduce(r, begin, end, Mean(count: Float(r.axis)))
  case EK_REDUCE_SUM: reduce(r, begin, end, Mean(count: 1))
  default: reduce(r, begin, end, RareReduction(function: function))
  }
}

@inline(never)
private func reduce<R: Reduction>(_ r: ek_reduce, _ begin: Int, _ end: Int, _ f: R) {
  guard let xBase = r.x, let yBase = r.y else { return }
  let x = xBase.assumingMemoryBound(to: Float.self), y = yBase.assumingMemoryBound(to: Float.self)
  let axis = Int(r.axis), inner = Int(r.inner)
  if inner == 1 {
    var row = begin &* rowsPerUnit
    let last = smaller(end &* rowsPerUnit, Int(r.outer))
    while row < last {
      y[row] = reduceRow(x + row &* axis, axis, f)
      row &+= 1
    }
    return
  }
  let blocks = divideUp(inner, columnBlock)
  var unit = begin
  while unit < end {
    let outer = unit / blocks
    var column = unit % blocks &* columnBlock
    let last = smaller(column &+ columnBlock, inner)
    let from = x + outer &* axis &* inner, to = y + outer &* inner
    if column &+ columnBlock <= last {
      reduceBlock(from + column, axis, inner, to + column, f)
      column = last
    }
    while column &+ lanes <= last {
      reduceColumns(from + column, axis, inner, to + column, WholeLanes(), f)
      column &+= lanes
    }
    if column < last { reduceColumns(from + column, axis, inner, to + column, PartLanes(count: last &- column), f) }
    unit &+= 1
  }
}

@inline(__always)
private func reduceRow<R: Reduction>(_ x: UnsafePointer<Float>, _ count: Int, _ f: R) -> Float {
  // Four sums in turn hide the latency of the additions.
  var s0 = all(f.start), s1 = s0, s2 = s0, s3 = s0
  var i = 0
  while i &+ 4 &* lanes <= count {
    s0 = f.combine(s0, f.map(VF.load(x + i)))
    s1 = f.combine(s1, f.map(VF.load(x + (i &+ lanes))))
    s2 = f.combine(s2, f.map(VF.load(x + (i &+ 2 &* lanes))))
    s3 = f.combine(s3, f.map(VF.load(x + (i &+ 3 &* lanes))))
    i &+= 4 &* lanes
  }
  while i &+ lanes <= count {
    s0 = f.combine(s0, f.map(VF.load(x + i)))
    i &+= lanes
  }
  let sum = f.combine(f.combine(s0, s1), f.combine(s2, s3))
  var result = all(sum[0])
  var lane = 1
  while lane < lanes {
    result = f.combine(result, all(sum[lane]))
    lane &+= 1
  }
  while i < count {
    result = f.combine(result, f.map(all(x[i])))
    i &+= 1
  }
  return f.finish(result)[0]
}

@inline(__always)
private func reduceColumns<R: Reduction, L: ChannelLanes>(
  _ x: UnsafePointer<Float>, _ axis: Int, _ inner: Int, _ y: UnsafeMutablePointer<Float>, _ part: L, _ f: R
) {
  var sum = all(f.start)
  var p = x
  var i = 0
  while i < axis {
    sum = f.combine(sum, f.map(part.load(p)))
    p += inner
    i &+= 1
  }
  part.store(f.finish(sum), y)
}

@inline(__always)
private func reduceBlock<R: Reduction>(
  _ x: UnsafePointer<Float>, _ axis: Int, _ inner: Int, _ y: UnsafeMutablePointer<Float>, _ f: R
) {
  var s0 = all(f.start), s1 = s0, s2 = s0, s3 = s0
  var p = x
  var i = 0
  while i < axis {
    s0 = f.combine(s0, f.map(VF.load(p)))
    s1 = f.combine(s1, f.map(VF.load(p + lanes)))
    s2 = f.combine(s2, f.map(VF.load(p + 2 &* lanes)))
    s3 = f.combine(s3, f.map(VF.load(p + 3 &* lanes)))
    p += inner
    i &+= 1
  }
  f.finish(s0).store(y)
  f.finish(s1).store(y + lanes)
  f.finish(s2).store(y + 2 &* lanes)
  f.finish(s3).store(y + 3 &* lanes)
}
