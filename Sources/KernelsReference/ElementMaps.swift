import CPlatform

// Lookup, quantize and dequantize; units are blocks.

func lookupUnits(_ raw: UnsafeRawPointer?) -> Int64 { blocks(arguments(raw, ek_lookup.self).pointee.count) }

func lookup(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_lookup.self)
  let x = elements(a.pointee.x, UInt8.self)
  let table = elements(a.pointee.table, UInt8.self)
  let y = elements(a.pointee.y, UInt8.self)
  let range = blockRange(begin, end, a.pointee.count)
  var i = range.begin
  while i < range.end {
    y[i] = table[Int(x[i])]
    i &+= 1
  }
}

func quantizeUnits(_ raw: UnsafeRawPointer?) -> Int64 { blocks(arguments(raw, ek_quantize.self).pointee.count) }

func quantize(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_quantize.self)
  let x = elements(a.pointee.x, Float.self)
  let y = elements(a.pointee.y, UInt8.self)
  let inverse = 1 / a.pointee.scale
  let zero = a.pointee.zero_point
  let pixels = Int(a.pointee.pixels), planes = int(a.pointee.planes)
  let range = blockRange(begin, end, a.pointee.count)
  var i = range.begin
  while i < range.end {
    // Element i of y is of this plane and pixel of its picture.
    let plane = i % planes
    let pixel = i / planes % pixels
    let picture = i / planes / pixels
    y[i] = quantizedOrZero(x[(picture &* planes &+ plane) &* pixels &+ pixel] * inverse, zero)
    i &+= 1
  }
}

func dequantize(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_quantize.self)
  let x = elements(a.pointee.x, UInt8.self)
  let y = elements(a.pointee.y, Float.self)
  let scale = a.pointee.scale
  let zero = a.pointee.zero_point
  let range = blockRange(begin, end, a.pointee.count)
  var i = range.begin
  while i < range.end {
    y[i] = float(Int32(x[i]) &- zero) * scale
    i &+= 1
  }
}
