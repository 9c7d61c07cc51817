import CPlatform

// Reductions over the middle axis of [outer][axis][inner]. A unit is up to 64 neighbouring results of one outer
// index; each result is folded in the order of the axis. Maximum and minimum propagate NaN. An empty axis gives
// sums 0, product 1, maximum -inf, minimum +inf, mean NaN; in uint8 sum is 0, and the others real 0.

private let unitResults: Int64 = 64

func reduceUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_reduce.self)
  return a.pointee.outer &* ((a.pointee.inner &+ (unitResults &- 1)) / unitResults)
}

/// Visits the results of the units [begin, end): (offset of the first element in x, index in y).
@inline(__always)
private func forEachResult(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ body: (_ x: Int, _ y: Int) -> Void) {
  let a = arguments(raw, ek_reduce.self)
  let inner = int(a.pointee.inner)
  let width = int(unitResults)
  let perOuter = (inner &+ width &- 1) / width
  var unit = int(begin)
  while unit < int(end) {
    let outer = unit / perOuter
    let first = (unit &- outer &* perOuter) &* width
    let last = first &+ width < inner ? first &+ width : inner
    var i = first
    while i < last {
      body(outer &* int(a.pointee.axis) &* inner &+ i, outer &* inner &+ i)
      i &+= 1
    }
    unit &+= 1
  }
}

func reduceFloat(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_reduce.self)
  let x = elements(a.pointee.x, Float.self)
  let y = elements(a.pointee.y, Float.self)
  let count = int(a.pointee.axis)
  let step = int(a.pointee.inner)

  @inline(__always) func fold(_ offset: Int, _ initial: Float, _ next: (Float, Float) -> Float) -> Float {
    var value = initial
    var i = 0
    while i < count {
      value = next(value, x[offset &+ i &* step])
      i &+= 1
    }
    return value
  }

  forEachResult(raw, begin, end) { offset, index in
    switch Int(a.pointee.function) {
    case EK_REDUCE_MEAN: y[index] = fold(offset, 0) { $0 + $1 } / Float(count)
    case EK_REDUCE_SUM: y[index] = fold(offset, 0) { $0 + $1 }
    case EK_REDUCE_MAX: y[index] = fold(offset, -.infinity) { $1 > $0 || $1 != $1 ? $1 : $0 }
    case EK_REDUCE_MIN: y[index] = fold(offset, .infinity) { $1 < $0 || $1 != $1 ? $1 : $0 }
    case EK_REDUCE_PROD: y[index] = fold(offset, 1) { $0 * $1 }
    case EK_REDUCE_L1: y[index] = fold(offset, 0) { $0 + Float(bitPattern: $1.bitPattern & 0x7FFF_FFFF) }
    case EK_REDUCE_L2: y[index] = fold(offset, 0) { $0 + $1 * $1 }.squareRoot()
    default: y[index] = fold(offset, 0) { $0 + $1 * $1 }
    }
  }
}

func reduceInteger(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_reduce.self)
  let x = elements(a.pointee.x, UInt8.self)
  let y = elements(a.pointee.y, UInt8.self)
  let count = int(a.pointee.axis)
  let step = int(a.pointee.inner)
  let zero = a.pointee.x_quant.zero_point
  let function = Int(a.pointee.function)
  var scale = a.pointee.x_quant.scale / a.pointee.y_quant.scale
  if function == EK_REDUCE_MEAN { scale = scale / Float(count) }
  forEachResult(raw, begin, end) { offset, index in
    var value: Int32 = 0
    var i = 0
    while i < count {
      let next = Int32(x[offset &+ i &* step]) &- zero
      switch function {
      case EK_REDUCE_MAX: value = i == 0 || next > value ? next : value
      case EK_REDUCE_MIN: value = i == 0 || next < value ? next : value
      default: value = value &+ next
      }
      i &+= 1
    }
    y[index] = quantizedOrZero(float(value) * scale, a.pointee.y_quant.zero_point)
  }
}
