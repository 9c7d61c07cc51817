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

/// exp(-difference scale) in steps of 2^-23.
@inline(__always)
private func fixedPower(_ difference: Int, _ scale: Double) -> UInt32 {
  // Adding 1.5 2^52 leaves the rounded number in the low bits.
  UInt32(truncatingIfNeeded: (expDouble(-Double(difference) * scale) * 0x1p23 + 0x1.8p52).bitPattern)
}

func softmaxInteger(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_softmax.self)
  let count = int(a.pointee.axis)
  let step = int(a.pointee.inner)
  let isLog = a.pointee.log != 0
  let scale = Double(a.pointee.x_quant.scale)
  let yScale = a.pointee.y_quant.scale
  let unknown = UInt32.max
  let powers = elements(scratch, UInt32.self)
  var d = 0
  while d < 256 {
    powers[d] = unknown
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
    var sum: Int64 = 0
    i = 0
    while i < count {
      let difference = largest &- Int(x[i &* step])
      if powers[difference] == unknown { powers[difference] = fixedPower(difference, scale) }
      sum = sum &+ Int64(powers[difference])
      i &+= 1
    }
    let total = Double(sum)
    let factor = Float(1 / (total * Double(yScale)))
    let logTotal = isLog ? logDouble(total * 0x1p-23) : 0
    i = 0
    while i < count {
      let difference = largest &- Int(x[i &* step])
      let t = isLog
        ? Float(-Double(difference) * scale - logTotal) * (1 / yScale)
        : float(Int32(truncatingIfNeeded: powers[difference])) * factor
      y[i &* step] = quantizedOrZero(t, a.pointee.y_quant.zero_point)
      i &+= 1
    }
  }
}
