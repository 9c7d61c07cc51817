import CPlatform

// Transposed convolution, gathered: every output element collects the inputs that reach it, so a row of output
// pixels is a unit like any other. Floats are summed in the order kh, kw, c_in; then bias, then residual.

/// The input position that reaches `output` (counted in the unpadded result) through a tap, or -1.
@inline(__always)
private func source(_ output: Int, _ tap: Int, _ dilation: Int32, _ stride: Int32, _ size: Int32) -> Int {
  let distance = output &- tap &* int(dilation)
  if distance < 0 { return -1 }
  let position = distance / int(stride)
  return position &* int(stride) == distance && position < int(size) ? position : -1
}

/// Visits, for each output channel of each pixel of the rows [begin, end), the dot products over one tap's input
/// channels; like a convolution's.
@inline(__always)
private func convolveTransposed(
  _ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, dot: (_ x: Int, _ weights: Int, _ count: Int) -> Void,
  finish: (_ pixel: Int, _ channel: Int) -> Void
) {
  let a = arguments(raw, ek_conv.self)
  let groups = int(a.pointee.groups)
  let groupInputs = int(a.pointee.c_in) / groups
  let groupOutputs = int(a.pointee.c_out) / groups
  let kernelHeight = int(a.pointee.kh)
  let kernelWidth = int(a.pointee.kw)
  let height = int(a.pointee.oh)
  let width = int(a.pointee.ow)
  var unit = int(begin)
  while unit < int(end) {
    let image = unit / height
    let row = unit &- image &* height &+ int(a.pointee.pad_top)
    var pixel = unit &* width
    while pixel < unit &* width &+ width {
      let column = pixel &- unit &* width &+ int(a.pointee.pad_left)
      var channel = 0
      var group = 0
      while group < groups {
        let last = channel &+ groupOutputs
        while channel < last {
          var ky = 0
          while ky < kernelHeight {
            let iy = source(row, ky, a.pointee.dilation_h, a.pointee.stride_h, a.pointee.h)
            var kx = iy < 0 ? kernelWidth : 0
            while kx < kernelWidth {
              let ix = source(column, kx, a.pointee.dilation_w, a.pointee.stride_w, a.pointee.w)
              if ix >= 0 {
                let input = (image &* int(a.pointee.h) &+ iy) &* int(a.pointee.w) &+ ix
                dot(
                  input &* int(a.pointee.x_stride) &+ group &* groupInputs,
                  ((channel &* kernelHeight &+ ky) &* kernelWidth &+ kx) &* groupInputs, groupInputs)
              }
              kx &+= 1
            }
            ky &+= 1
          }
          finish(pixel, channel)
          channel &+= 1
        }
        group &+= 1
      }
      pixel &+= 1
    }
    unit &+= 1
  }
}

func convolutionTransposeFloat(
  _ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?
) {
  let a = arguments(raw, ek_conv.self)
  let x = elements(a.pointee.x, Float.self)
  let weights = elements(a.pointee.weights, Float.self)
  var sum: Float = 0
  convolveTransposed(raw, begin, end) { xOffset, weightOffset, count in
    var i = 0
    while i < count {
      sum += x[xOffset &+ i] * weights[weightOffset &+ i]
      i &+= 1
    }
  } finish: { pixel, channel in
    storeFloat(a, sum, pixel: pixel, channel: channel)
    sum = 0
  }
}

func convolutionTransposeInteger(
  _ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?
) {
  let a = arguments(raw, ek_conv.self)
  let x = elements(a.pointee.x, UInt8.self)
  let weights = elements(a.pointee.weights, Int8.self)
  let zero = a.pointee.x_zero_point
  let weightZero = a.pointee.w_zero_point
  var sum: Int32 = 0
  convolveTransposed(raw, begin, end) { xOffset, weightOffset, count in
    var i = 0
    while i < count {
      sum = sum &+ (Int32(x[xOffset &+ i]) &- zero) &* (Int32(weights[weightOffset &+ i]) &- weightZero)
      i &+= 1
    }
  } finish: { pixel, channel in
    storeInteger(a, sum, pixel: pixel, channel: channel)
    sum = 0
  }
}
