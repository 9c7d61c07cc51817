import CPlatform

// Reductions over the middle axis of [outer][axis][inner]. With neighbouring results vectors run over them, and a
// unit is a stretch of results of one outer index; with a single result they run along the axis.

private protocol ReductionU8 {
  static func combine(_ a: VI, _ b: VI) -> VI
}
private enum SumU8: ReductionU8 {
  @inline(__always) static func combine(_ a: VI, _ b: VI) -> VI { a &+ b }
}
private enum MaximumU8: ReductionU8 {
  @inline(__always) static func combine(_ a: VI, _ b: VI) -> VI { maximum(a, b) }
}
private enum MinimumU8: ReductionU8 {
  @inline(__always) static func combine(_ a: VI, _ b: VI) -> VI { minimum(a, b) }
}

/// Results of a unit.
private var unitResults: Int { 256 }

func reduceUnitsU8(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let r = args.assumingMemoryBound(to: ek_reduce.self).pointee
  return Int64(Int(r.outer) &* divideUp(Int(r.inner), unitResults))
}

func reduceRunU8(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let r = args.assumingMemoryBound(to: ek_reduce.self).pointee
  switch Int(r.function) {
  case EK_REDUCE_MAX: reduce(MaximumU8.self, r, Int(begin), Int(end))
  case EK_REDUCE_MIN: reduce(MinimumU8.self, r, Int(begin), Int(end))
  default: reduce(SumU8.self, r, Int(begin), Int(end))
  }
}

@inline(__always)
private func reduce<R: ReductionU8>(_: R.Type, _ r: ek_reduce, _ begin: Int, _ end: Int) {
  guard let x = r.x?.assumingMemoryBound(to: UInt8.self), let y = r.y?.assumingMemoryBound(to: UInt8.self) else { return }
  let axis = Int(r.axis), inner = Int(r.inner)
  let function = Int(r.function)
  var scale = r.x_quant.scale / r.y_quant.scale
  if function == EK_REDUCE_MEAN { scale = scale / Float(axis) }
  let isSum = function == EK_REDUCE_MEAN || function == EK_REDUCE_SUM
  let zeroPoints = isSum ? Int32(truncatingIfNeeded: axis) &* r.x_quant.zero_point : axis == 0 ? 0 : r.x_quant.zero_point
  let quantizer = QuantizerU8(zeroPoint: r.y_quant.zero_point, low: 0, high: 255)

  @inline(__always) func result(_ value: VI) -> VI {
    quantizer.quantizedOrZero(toFloat(value &- VI(repeating: zeroPoints)) * VF(repeating: scale))
  }

  let perOuter = divideUp(inner, unitResults)
  var unit = begin
  while unit < end {
    let outer = unit / perOuter
    let from = x + outer &* axis &* inner
    if inner == 1 {
      narrowBytesPart(result(along(R.self, from, axis)), y + outer, 1)
    } else {
      var i = unit % perOuter &* unitResults
      let last = smaller(i &+ unitResults, inner)
      while i < last {
        let count = smaller(last &- i, lanes)
        var value = VI(repeating: 0)
        if count == lanes {
          if axis > 0 { value = widenBytes(from + i) }
          var k = 1
          while k < axis {
            value = R.combine(value, widenBytes(from + (k &* inner &+ i)))
            k &+= 1
          }
        } else {
          if axis > 0 { value = widenBytesPart(from + i, count) }
          var k = 1
          while k < axis {
            value = R.combine(value, widenBytesPart(from + (k &* inner &+ i), count))
            k &+= 1
          }
        }
        narrowBytesPart(result(value), y + (outer &* inner &+ i), count)
        i &+= lanes
      }
    }
    unit &+= 1
  }
}

/// One result from `count` neighbouring bytes, in lane 0.
@inline(__always)
private func along<R: ReductionU8>(_: R.Type, _ x: UnsafePointer<UInt8>, _ count: Int) -> VI {
  if count == 0 { return VI(repeating: 0) }
  // Lane 0 alone takes what no whole vector covers.
  var value = VI(repeating: 0)
  var i = 0
  if count >= lanes {
    var sums = widenBytes(x)
    i = lanes
    while i &+ lanes <= count {
      sums = R.combine(sums, widenBytes(x + i))
      i &+= lanes
    }
    value = VI(repeating: sums[0])
    var lane = 1
    while lane < lanes {
      value = R.combine(value, VI(repeating: sums[lane]))
      lane &+= 1
    }
  } else {
    value = VI(repeating: Int32(x[0]))
    i = 1
  }
  while i < count {
    value = R.combine(value, VI(repeating: Int32(x[i])))
    i &+= 1
  }
  return value
}
