import CPlatform

// Softmax over the middle axis of [outer][axis][inner]. A unit is one softmax. Exponentials are taken in Double
// and summed in the order of the axis. A NaN anywhere, +inf, or -inf alone makes the whole row NaN.

func softmaxUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_softmax.self)
  return a.pointee.outer &* a.pointee.inner
}

/// Offset of the first element of a unit.
@inline(__always)
private func origin(_ a: UnsafePointer<ek_softmax>, _ unit: Int) -> Int {
  let inner = int(a.pointee.inner)
  let outer = unit / inner
  return outer &* int(a.pointee.axis) &* inner &+ (unit &- outer &* inner)
}

/// y = exp(x - max) rounded to Float, divided by their Double sum rounded to Float; or x - max - log(sum).
func softmaxFloat(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_softmax.self)
  let count = int(a.pointee.axis)
  let step = int(a.pointee.inner)
  let isLog = a.pointee.log != 0
  var unit = int(begin)
  while unit < int(end) {
    let x = elements(a.pointee.x, Float.self) + origin(a, unit)
    let y = elements(a.pointee.y, Float.self) + origin(a, unit)
    unit &+= 1
    var largest = -Float.infinity
    var i = 0
    while i < count {
      let value = x[i &* step]
      if value > largest || value != value { largest = value }
      i &+= 1
    }
    let shift = Double(largest)
    var sum = 0.0
    i = 0
    while i < count {
      let difference = Double(x[i &* step]) - shift
      let power = Float(expDouble(difference))
      sum += Double(power)
      if !isLog { y[i &* step] = power }
      i &+= 1
    }
    let total = Float(sum)
    let logTotal = isLog ? logDouble(sum) : 0
    i = 0
    while i < count {
      y[i &* step] = isLog ? Float(Double(x[i &* step]) - shift - logTotal) : y[i &* step] / total
      i &+= 1
    }
  }
}

/// Exponentials of the 256 differences, computed when first met.
func softmaxIntegerScratch(_ raw: UnsafeRawPointer?) -> Int64 { 256 * 4 }

/// With d = max - x: e = Float(exp(-d x.scale)), v = e / Float(sum of e), or v = Float(-d x.scale - log(sum));
/// then t = v * (1 / y.scale) and the rounding rule. Four sums, each of every fourth e, are added (0 + 1) + (2 + 3):
/// one sum alone would wait for itself.
func softmaxInteger(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_softmax.self)
  let count = int(a.pointee.axis)
  let step = int(a.pointee.inner)
  let isLog = a.pointee.log != 0
  let scale = Double(a.pointee.x_quant.scale)
  let inverse = 1 / a.pointee.y_quant.scale
  let powers = elements(scratch, Float.self)
  var d = 0
  while d < 256 {
    powers[d] = -1
    d &+= 1
  }
  var unit = int(begin)
  while unit < int(end) {
    let x = elements(a.pointee.x, UInt8.self) + origin(a, unit)
    let y = elements(a.pointee.y, UInt8.self) + origin(a, unit)
    unit &+= 1
    var largest = 0
    var i = 0
    while i < count {
      let value = Int(x[i &* step])
      if value > largest { largest = value }
      i &+= 1
    }
    var sums = SIMD4<Double>(repeating: 0)
    i = 0
    while i < count {
      let difference = largest &- Int(x[i &* step])
      if powers[difference] < 0 { powers[difference] = Float(expDouble(-Double(difference) * scale)) }
      sums[i & 3] += Double(powers[difference])
      i &+= 1
    }
    let sum = (sums[0] + sums[1]) + (sums[2] + sums[3])
    let total = Float(sum)
    let logTotal = isLog ? logDouble(sum) : 0
    i = 0
    while i < count {
      let difference = largest &- Int(x[i &* step])
      let value = isLog ? Float(-Double(difference) * scale - logTotal) : powers[difference] / total
      y[i &* step] = quantizedOrZero(value * inverse, a.pointee.y_quant.zero_point)
      i &+= 1
    }
  }
}
