import CPlatform

// Layer normalization. A unit is one row.

func layerNormUnits(_ raw: UnsafeRawPointer?) -> Int64 { arguments(raw, ek_layer_norm.self).pointee.rows }

/// In Double, rounded once.
func layerNormFloat(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_layer_norm.self)
  let count = int(a.pointee.axis)
  let scale = a.pointee.scale.unsafelyUnwrapped, bias = a.pointee.bias.unsafelyUnwrapped
  var row = int(begin)
  while row < int(end) {
    let x = elements(a.pointee.x, Float.self) + row &* count
    let y = elements(a.pointee.y, Float.self) + row &* count
    var sum = 0.0
    var i = 0
    while i < count {
      sum += Double(x[i])
      i &+= 1
    }
    let mean = sum / Double(count)
    var squares = 0.0
    i = 0
    while i < count {
      let difference = Double(x[i]) - mean
      squares += difference * difference
      i &+= 1
    }
    let deviation = (squares / Double(count) + Double(a.pointee.epsilon)).squareRoot()
    i = 0
    while i < count {
      y[i] = Float((Double(x[i]) - mean) / deviation * Double(scale[i]) + Double(bias[i]))
      i &+= 1
    }
    row &+= 1
  }
}

func layerNormInteger(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_layer_norm.self)
  let count = int(a.pointee.axis)
  let scale = a.pointee.scale.unsafelyUnwrapped, bias = a.pointee.bias.unsafelyUnwrapped
  let step = Double(a.pointee.x_quant.scale), terms = Double(count)
  var row = int(begin)
  while row < int(end) {
    let x = elements(a.pointee.x, UInt8.self) + row &* count
    let y = elements(a.pointee.y, UInt8.self) + row &* count
    var sum: Int64 = 0
    var squares: Int64 = 0
    var i = 0
    while i < count {
      sum = sum &+ Int64(x[i])
      squares = squares &+ Int64(x[i]) &* Int64(x[i])
      i &+= 1
    }
    let spread = a.pointee.axis &* squares &- sum &* sum
    let variance = Double(spread) / (terms * terms) * (step * step) + Double(a.pointee.epsilon)
    let mean = Float(Double(sum) / terms)
    let factor = Float(step / variance.squareRoot())
    i = 0
    while i < count {
      let t = ((float(Int32(x[i])) - mean) * factor) * scale[i] + bias[i]
      y[i] = quantizedOrZero(t, a.pointee.y_quant.zero_point)
      i &+= 1
    }
    row &+= 1
  }
}
