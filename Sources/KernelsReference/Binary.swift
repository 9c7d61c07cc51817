import CPlatform

// Elementwise functions of two broadcast tensors. Minimum and maximum propagate NaN and give b for equal values
// (so for zeros of either sign); power follows C's pow.

func binaryUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_binary.self)
  return blocks(a.pointee.end &- a.pointee.first)
}

@inline(__always) func extents(_ raw: UnsafeRawBufferPointer) -> Extents {
  raw.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Int64.self)
}

/// Visits the elements of the units [begin, end): (index in y, offset in a, offset in b).
@inline(__always)
private func forEachElement(
  _ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ body: (_ y: Int, _ a: Int, _ b: Int) -> Void
) {
  let a = arguments(raw, ek_binary.self)
  let rank = a.pointee.rank
  withUnsafeBytes(of: a.pointee.dims) { dims in
    withUnsafeBytes(of: a.pointee.a_stride) { p in
      withUnsafeBytes(of: a.pointee.b_stride) { q in
        let range = blockRange(begin, end, a.pointee.end, from: a.pointee.first)
        let pStep = rank > 0 ? int(extents(p)[int(rank) &- 1]) : 0
        let qStep = rank > 0 ? int(extents(q)[int(rank) &- 1]) : 0
        walk(
          rank: rank, dims: extents(dims), p: extents(p), q: extents(q), begin: range.begin, end: range.end
        ) { index, pOffset, qOffset, count in
          var pOffset = pOffset
          var qOffset = qOffset
          var i = index
          while i < index &+ count {
            body(i, pOffset, qOffset)
            pOffset &+= pStep
            qOffset &+= qStep
            i &+= 1
          }
        }
      }
    }
  }
}

@inline(__always)
private func binaryValue(_ function: Int32, _ a: Float, _ b: Float) -> Float {
  switch Int(function) {
  case EK_BINARY_ADD: a + b
  case EK_BINARY_SUBTRACT: a - b
  case EK_BINARY_MULTIPLY: a * b
  case EK_BINARY_DIVIDE: a / b
  case EK_BINARY_MINIMUM: a < b || a != a ? a : b
  case EK_BINARY_MAXIMUM: a > b || a != a ? a : b
  case EK_BINARY_POWER: power(a, b)
  default: a < 0 ? a * b : a
  }
}

func binaryFloat(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let args = arguments(raw, ek_binary.self)
  let a = elements(args.pointee.a, Float.self)
  let b = elements(args.pointee.b, Float.self)
  let y = elements(args.pointee.y, Float.self)
  let low = args.pointee.clamp_min
  let high = args.pointee.clamp_max
  let function = args.pointee.function
  if Int(function) == EK_BINARY_GATE {
    return forEachElement(raw, begin, end) { y[$0] = low < b[$2] && b[$2] < high ? a[$1] : 0 }
  }
  forEachElement(raw, begin, end) { y[$0] = clamped(binaryValue(function, a[$1], b[$2]), low, high) }
}

func binaryInteger(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let args = arguments(raw, ek_binary.self)
  let a = elements(args.pointee.a, UInt8.self)
  let b = elements(args.pointee.b, UInt8.self)
  let y = elements(args.pointee.y, UInt8.self)
  let function = args.pointee.function
  let aQuant = args.pointee.a_quant
  let bQuant = args.pointee.b_quant
  let inverse = 1 / args.pointee.y_quant.scale
  let zero = args.pointee.y_quant.zero_point
  let low = args.pointee.q_min
  let high = args.pointee.q_max
  forEachElement(raw, begin, end) {
    let value = binaryValue(
      function, float(Int32(a[$1]) &- aQuant.zero_point) * aQuant.scale,
      float(Int32(b[$2]) &- bQuant.zero_point) * bQuant.scale) * inverse
    y[$0] = quantized(value == value ? value : 0, zero, low, high)
  }
}
