import CPlatform

// Signs as bits, and their convolution with binary or ternary weights, straight from the formulas of the header.

func binarizeUnits(_ raw: UnsafeRawPointer?) -> Int64 { arguments(raw, ek_binarize.self).pointee.pixels }

func binarize(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_binarize.self)
  let channels = int(a.pointee.c)
  let bytes = int(a.pointee.y_stride)
  var pixel = int(begin)
  while pixel < int(end) {
    let x = elements(a.pointee.x, Float.self) + pixel &* channels
    let y = elements(a.pointee.y, UInt8.self) + pixel &* bytes
    var byte = 0
    while byte < bytes {
      y[byte] = 0
      byte &+= 1
    }
    var channel = 0
    while channel < channels {
      if x[channel] >= 0 { setBit(y, channel) }
      channel &+= 1
    }
    pixel &+= 1
  }
}

func convolutionBinary(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_conv.self)
  let x = elements(a.pointee.x, UInt8.self)
  let weights = elements(a.pointee.weights, Float.self)
  var dot: Int32 = 0
  convolve(raw, begin, end) { xOffset, weightOffset, count in
    // The strides of x count bytes, and with one group channels begin at 0: the offset is one of bytes.
    let signs = x + xOffset
    let w = weights + weightOffset
    var i = 0
    while i < count {
      let sign: Int32 = signs[i >> 3] >> UInt8(truncatingIfNeeded: i & 7) & 1 == 1 ? 1 : -1
      if w[i] > 0 { dot = dot &+ sign }
      if w[i] < 0 { dot = dot &- sign }
      i &+= 1
    }
  } finish: { pixel, channel in
    if a.pointee.y_bits == 0 {
      storeFloat(a, float(dot) * a.pointee.scale.unsafelyUnwrapped[channel], pixel: pixel, channel: channel)
    } else {
      let y = elements(a.pointee.y, UInt8.self) + pixel &* int(a.pointee.y_stride)
      if channel == 0 {
        var byte = 0
        while byte < int(a.pointee.y_stride) {
          y[byte] = 0
          byte &+= 1
        }
      }
      if dot >= elements(a.pointee.bias, Int32.self)[channel] { setBit(y, channel) }
    }
    dot = 0
  }
}

@inline(__always)
private func setBit(_ y: UnsafeMutablePointer<UInt8>, _ channel: Int) {
  y[channel >> 3] |= 1 &<< UInt8(truncatingIfNeeded: channel & 7)
}
