import CPlatform

// Reductions and running sums of [outer][axis][inner] in any element type. A unit is one line along the axis.

func typedReduceUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_typed_reduce.self)
  return a.pointee.outer &* a.pointee.inner
}

/// The elements of a line in chunks: (index of the first, how many), in lanes of the kind of `kind`.
@inline(__always)
private func forEachChunk(
  _ args: UnsafePointer<ek_typed_reduce>, _ kind: Int32, _ line: Int, _ lanes: Lanes, _ body: (_ index: Int, _ count: Int) -> Void
) {
  let (axis, inner) = (int(args.pointee.axis), int(args.pointee.inner))
  let outer = line / inner
  let start = outer &* axis &* inner &+ (line &- outer &* inner)
  var i = 0
  while i < axis {
    let n = axis &- i < laneCount ? axis &- i : laneCount
    loadLanes(args.pointee.x_type, args.pointee.x, start &+ i &* inner, inner, n, lanes)
    convertLanes(from: args.pointee.x_type, to: kind, n, lanes)
    body(i, n)
    i &+= n
  }
}

func typedReduce(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let args = arguments(raw, ek_typed_reduce.self)
  let lanes = elements(scratch, Int64.self)
  let function = Int(args.pointee.function)
  let type = args.pointee.x_type
  let needsReal =
    function == EK_REDUCE_MEAN || function == EK_REDUCE_L2 || function == EK_REDUCE_LOG_SUM || function == EK_REDUCE_LOG_SUM_EXP
  var line = int(begin)
  while line < int(end) {
    if function >= EK_REDUCE_ARG_MAX {
      lanes[laneCount] = bestIndex(args, line, lanes)
    } else if isFloating(type) || needsReal {
      lanes[laneCount] = bits(reducedReal(args, line, lanes))
      convertLanes(from: Int32(EK_TYPE_FLOAT64), to: args.pointee.y_type, 1, lanes + laneCount)
    } else {
      lanes[laneCount] = reducedInteger(args, line, lanes)
    }
    storeLanes(args.pointee.y_type, args.pointee.y, line, 1, 1, lanes + laneCount)
    line &+= 1
  }
}

private func reducedReal(_ args: UnsafePointer<ek_typed_reduce>, _ line: Int, _ lanes: Lanes) -> Double {
  let function = Int(args.pointee.function)
  let isMaximum = function == EK_REDUCE_MAX || function == EK_REDUCE_LOG_SUM_EXP
  var value: Double = isMaximum ? -.infinity : function == EK_REDUCE_MIN ? .infinity : function == EK_REDUCE_PROD ? 1 : 0
  forEachChunk(args, Int32(EK_TYPE_FLOAT64), line, lanes) { _, count in
    var i = 0
    while i < count {
      let x = real(lanes[i])
      switch function {
      case EK_REDUCE_MAX, EK_REDUCE_LOG_SUM_EXP: value = x > value || x != x ? x : value
      case EK_REDUCE_MIN: value = x < value || x != x ? x : value
      case EK_REDUCE_PROD: value = value * x
      case EK_REDUCE_L1: value += x < 0 ? -x : x
      case EK_REDUCE_L2, EK_REDUCE_SUM_SQUARE: value += x * x
      default: value += x
      }
      i &+= 1
    }
  }
  switch function {
  case EK_REDUCE_MEAN: return value / Double(int(args.pointee.axis))
  case EK_REDUCE_L2: return value.squareRoot()
  case EK_REDUCE_LOG_SUM: return logDouble(value)
  case EK_REDUCE_LOG_SUM_EXP:
    // log sum exp x = m + log sum exp(x - m) with the largest m, which no exponential overflows.
    guard value - value == 0 else { return value }
    let largest = value
    var sum = 0.0
    forEachChunk(args, Int32(EK_TYPE_FLOAT64), line, lanes) { _, count in
      var i = 0
      while i < count {
        sum += expDouble(real(lanes[i]) - largest)
        i &+= 1
      }
    }
    return largest + logDouble(sum)
  default: return value
  }
}

private func lowest(_ type: Int32) -> Int64 {
  switch Int(type) {
  case EK_TYPE_INT8: return -0x80
  case EK_TYPE_INT16: return -0x8000
  case EK_TYPE_INT32: return -0x8000_0000
  case EK_TYPE_INT64: return .min
  default: return 0
  }
}

private func reducedInteger(_ args: UnsafePointer<ek_typed_reduce>, _ line: Int, _ lanes: Lanes) -> Int64 {
  let function = Int(args.pointee.function)
  let type = args.pointee.x_type
  let flip: Int64 = Int(type) == EK_TYPE_UINT64 ? .min : 0
  // The highest number has the lowest one's bits turned, within the width that is stored.
  var value: Int64 = function == EK_REDUCE_PROD ? 1 : function == EK_REDUCE_MAX ? lowest(type) : function == EK_REDUCE_MIN ? ~lowest(type) : 0
  var isFirst = true
  forEachChunk(args, type, line, lanes) { _, count in
    var i = 0
    while i < count {
      let x = lanes[i]
      switch function {
      case EK_REDUCE_MAX: value = isFirst || x ^ flip > value ^ flip ? x : value
      case EK_REDUCE_MIN: value = isFirst || x ^ flip < value ^ flip ? x : value
      case EK_REDUCE_PROD: value = value &* x
      case EK_REDUCE_L1: value = value &+ (x < 0 && flip == 0 ? 0 &- x : x)
      case EK_REDUCE_SUM_SQUARE: value = value &+ x &* x
      default: value = value &+ x
      }
      isFirst = false
      i &+= 1
    }
  }
  return value
}

private func bestIndex(_ args: UnsafePointer<ek_typed_reduce>, _ line: Int, _ lanes: Lanes) -> Int64 {
  let function = Int(args.pointee.function)
  let type = args.pointee.x_type
  let (wantsLargest, takesLast) = (function <= EK_REDUCE_ARG_MAX_LAST, function == EK_REDUCE_ARG_MAX_LAST || function == EK_REDUCE_ARG_MIN_LAST)
  var best: Int64 = 0
  var index = -1
  forEachChunk(args, type, line, lanes) { first, count in
    var i = 0
    while i < count {
      let (isBetter, isEqual) = index < 0 ? (true, false) : compared(type, lanes[i], best, wantsLargest)
      if isBetter || isEqual && takesLast {
        best = lanes[i]
        index = first &+ i
      }
      i &+= 1
    }
  }
  return Int64(index < 0 ? 0 : index)
}

/// Whether lane `a` comes before lane `b` when the largest (or smallest) come first, and whether they are equal. NaN is
/// the first in either order.
@inline(never)
func compared(_ type: Int32, _ a: Int64, _ b: Int64, _ largest: Bool) -> (isBetter: Bool, isEqual: Bool) {
  if isFloating(type) {
    let (x, y) = (real(a), real(b))
    if x != x || y != y { return (y == y, x != x && y != y) }
    return (largest ? x > y : x < y, x == y)
  }
  let flip: Int64 = Int(type) == EK_TYPE_UINT64 ? .min : 0
  return (largest ? a ^ flip > b ^ flip : a ^ flip < b ^ flip, a == b)
}

func typedScan(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let args = arguments(raw, ek_typed_reduce.self)
  let lanes = elements(scratch, Int64.self)
  let type = args.pointee.x_type
  let function = Int32(Int(args.pointee.function) == EK_REDUCE_PROD ? EK_BINARY_MULTIPLY : EK_BINARY_ADD)
  let (axis, inner) = (int(args.pointee.axis), int(args.pointee.inner))
  let total = lanes + laneCount
  var line = int(begin)
  while line < int(end) {
    let outer = line / inner
    var start = outer &* axis &* inner &+ (line &- outer &* inner)
    var step = inner
    if args.pointee.reverse != 0 {
      start = start &+ (axis &- 1) &* inner
      step = 0 &- inner
    }
    let one: Int64 = isFloating(type) ? bits(1) : 1
    total[0] = Int(function) == EK_BINARY_MULTIPLY ? one : 0
    var i = 0
    while i < axis {
      let n = axis &- i < laneCount ? axis &- i : laneCount
      loadLanes(type, args.pointee.x, start &+ i &* step, step, n, lanes)
      var lane = 0
      while lane < n {
        let before = total[0]
        _ = combineLanes(function, type, total, lanes + lane, 1)
        lanes[lane] = args.pointee.exclusive != 0 ? before : total[0]
        lane &+= 1
      }
      storeLanes(args.pointee.y_type, args.pointee.y, start &+ i &* step, step, n, lanes)
      i &+= n
    }
    line &+= 1
  }
}

// MARK: Matrix product

/// A unit is one row of the result.
func typedMatmulUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_typed_matmul.self)
  return a.pointee.batch &* a.pointee.m
}

func typedMatmul(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let args = arguments(raw, ek_typed_matmul.self)
  let (m, n, k) = (int(args.pointee.m), int(args.pointee.n), int(args.pointee.k))
  let type = args.pointee.type
  let a = elements(scratch, Int64.self)
  let b = a + laneCount
  let sum = b + laneCount
  var row = int(begin)
  while row < int(end) {
    let batch = row / m
    let aStart = batch &* int(args.pointee.a_batch_stride) &+ (row &- batch &* m) &* k
    let bStart = batch &* int(args.pointee.b_batch_stride)
    var column = 0
    while column < n {
      sum[0] = 0
      var i = 0
      while i < k {
        let count = k &- i < laneCount ? k &- i : laneCount
        loadLanes(type, args.pointee.a, aStart &+ i, 1, count, a)
        loadLanes(type, args.pointee.b, bStart &+ i &* n &+ column, n, count, b)
        var lane = 0
        while lane < count {
          sum[0] = sum[0] &+ a[lane] &* b[lane]
          lane &+= 1
        }
        i &+= count
      }
      storeLanes(type, args.pointee.y, row &* n &+ column, 1, 1, sum)
      column &+= 1
    }
    row &+= 1
  }
}
