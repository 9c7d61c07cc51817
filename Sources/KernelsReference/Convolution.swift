import CPlatform

// Convolution and depthwise convolution. A unit is one row of output pixels. Taps outside the image are skipped,
// so padding adds exactly nothing, whatever the weight. Floats are summed in the order kh, kw, c_in from zero;
// then bias, then residual.

func convolutionUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_conv.self)
  return Int64(a.pointee.n) &* Int64(a.pointee.oh)
}

/// Visits the output pixels of the rows [begin, end).
///
/// - `body`: (first pixel of the image in x, vertical taps, horizontal taps, output pixel).
@inline(__always)
private func forEachPixel(
  _ a: UnsafePointer<ek_conv>, _ begin: Int64, _ end: Int64,
  _ body: (_ image: Int, _ rows: Taps, _ columns: Taps, _ pixel: Int) -> Void
) {
  let height = int(a.pointee.oh)
  let width = int(a.pointee.ow)
  let imagePixels = int(a.pointee.h) &* int(a.pointee.w)
  var unit = int(begin)
  while unit < int(end) {
    let image = unit / height
    let rows = Taps(
      output: unit &- image &* height, stride: a.pointee.stride_h, padding: a.pointee.pad_top,
      dilation: a.pointee.dilation_h, kernel: a.pointee.kh, size: a.pointee.h)
    var column = 0
    while column < width {
      let columns = Taps(
        output: column, stride: a.pointee.stride_w, padding: a.pointee.pad_left, dilation: a.pointee.dilation_w,
        kernel: a.pointee.kw, size: a.pointee.w)
      body(image &* imagePixels, rows, columns, unit &* width &+ column)
      column &+= 1
    }
    unit &+= 1
  }
}

// MARK: Results

/// Adds bias and residual to a float sum, clamps and stores it.
@inline(__always)
func storeFloat(_ a: UnsafePointer<ek_conv>, _ sum: Float, pixel: Int, channel: Int) {
  var value = sum
  if let bias = a.pointee.bias { value += elements(bias, Float.self)[channel] }
  if let residual = a.pointee.residual {
    value += elements(residual, Float.self)[pixel &* int(a.pointee.residual_stride) &+ channel]
  }
  elements(a.pointee.y, Float.self)[pixel &* int(a.pointee.y_stride) &+ channel] = clamped(
    value, a.pointee.clamp_min, a.pointee.clamp_max)
}

/// Adds the bias to an integer sum, requantizes, adds the residual, rounds and stores it.
@inline(__always)
func storeInteger(_ a: UnsafePointer<ek_conv>, _ sum: Int32, pixel: Int, channel: Int) {
  var sum = sum
  if let bias = a.pointee.bias { sum = sum &+ elements(bias, Int32.self)[channel] }
  var value = float(sum) * a.pointee.scale.unsafelyUnwrapped[channel]
  if let residual = a.pointee.residual {
    let r = elements(residual, UInt8.self)[pixel &* int(a.pointee.residual_stride) &+ channel]
    value = value + float(Int32(r) &- a.pointee.residual_zero_point) * a.pointee.residual_scale
  }
  elements(a.pointee.y, UInt8.self)[pixel &* int(a.pointee.y_stride) &+ channel] = quantized(
    value, a.pointee.y_zero_point, a.pointee.q_min, a.pointee.q_max)
}

// MARK: Convolution

/// Visits, for each output channel of a pixel, the dot products over one tap's input channels.
///
/// - `dot`: (offset in x, offset in the weights, channels of the group) for each tap inside the image.
/// - `finish`: after the last tap of the channel.
@inline(__always)
func convolve(
  _ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, dot: (_ x: Int, _ weights: Int, _ count: Int) -> Void,
  finish: (_ pixel: Int, _ channel: Int) -> Void
) {
  let a = arguments(raw, ek_conv.self)
  let groups = int(a.pointee.groups)
  let groupInputs = int(a.pointee.c_in) / groups
  let groupOutputs = int(a.pointee.c_out) / groups
  let kernelWidth = int(a.pointee.kw)
  let filter = int(a.pointee.kh) &* kernelWidth &* groupInputs
  let width = int(a.pointee.w)
  let pixelStride = int(a.pointee.x_stride)
  let stepH = int(a.pointee.dilation_h)
  let stepW = int(a.pointee.dilation_w)
  forEachPixel(a, begin, end) { image, rows, columns, pixel in
    var channel = 0
    var group = 0
    while group < groups {
      let last = channel &+ groupOutputs
      while channel < last {
        var ky = rows.begin
        while ky < rows.end {
          let row = image &+ (rows.origin &+ ky &* stepH) &* width &+ columns.origin
          var kx = columns.begin
          while kx < columns.end {
            dot(
              (row &+ kx &* stepW) &* pixelStride &+ group &* groupInputs,
              channel &* filter &+ (ky &* kernelWidth &+ kx) &* groupInputs, groupInputs)
            kx &+= 1
          }
          ky &+= 1
        }
        finish(pixel, channel)
        channel &+= 1
      }
      group &+= 1
    }
  }
}

func convolutionFloat(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_conv.self)
  let x = elements(a.pointee.x, Float.self)
  let weights = elements(a.pointee.weights, Float.self)
  var sum: Float = 0
  convolve(raw, begin, end) { xOffset, weightOffset, count in
    let p = x + xOffset
    let q = weights + weightOffset
    var i = 0
    while i < count {
      sum += p[i] * q[i]
      i &+= 1
    }
  } finish: { pixel, channel in
    storeFloat(a, sum, pixel: pixel, channel: channel)
    sum = 0
  }
}

func convolutionInteger(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_conv.self)
  let x = elements(a.pointee.x, UInt8.self)
  let weights = elements(a.pointee.weights, Int8.self)
  let zero = a.pointee.x_zero_point
  let weightZero = a.pointee.w_zero_point
  var sum: Int32 = 0
  convolve(raw, begin, end) { xOffset, weightOffset, count in
    let p = x + xOffset
    let q = weights + weightOffset
    var i = 0
    while i < count {
      sum = sum &+ (Int32(p[i]) &- zero) &* (Int32(q[i]) &- weightZero)
      i &+= 1
    }
  } finish: { pixel, channel in
    storeInteger(a, sum, pixel: pixel, channel: channel)
    sum = 0
  }
}

// MARK: Depthwise

/// Visits every tap inside the image of every channel of every pixel. The weights are tap-major: [kh][kw][c].
@inline(__always)
private func convolveDepthwise(
  _ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, tap: (_ x: Int, _ weight: Int) -> Void,
  finish: (_ pixel: Int, _ channel: Int) -> Void
) {
  let a = arguments(raw, ek_conv.self)
  let channels = int(a.pointee.c_out)
  let kernelWidth = int(a.pointee.kw)
  let width = int(a.pointee.w)
  let pixelStride = int(a.pointee.x_stride)
  let stepH = int(a.pointee.dilation_h)
  let stepW = int(a.pointee.dilation_w)
  forEachPixel(a, begin, end) { image, rows, columns, pixel in
    var channel = 0
    while channel < channels {
      var ky = rows.begin
      while ky < rows.end {
        let row = image &+ (rows.origin &+ ky &* stepH) &* width &+ columns.origin
        var kx = columns.begin
        while kx < columns.end {
          tap((row &+ kx &* stepW) &* pixelStride &+ channel, (ky &* kernelWidth &+ kx) &* channels &+ channel)
          kx &+= 1
        }
        ky &+= 1
      }
      finish(pixel, channel)
      channel &+= 1
    }
  }
}

func depthwiseFloat(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_conv.self)
  let x = elements(a.pointee.x, Float.self)
  let weights = elements(a.pointee.weights, Float.self)
  var sum: Float = 0
  convolveDepthwise(raw, begin, end) { sum += x[$0] * weights[$1] } finish: { pixel, channel in
    storeFloat(a, sum, pixel: pixel, channel: channel)
    sum = 0
  }
}

func depthwiseInteger(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_conv.self)
  let x = elements(a.pointee.x, UInt8.self)
  let weights = elements(a.pointee.weights, Int8.self)
  let zero = a.pointee.x_zero_point
  let weightZero = a.pointee.w_zero_point
  var sum: Int32 = 0
  convolveDepthwise(raw, begin, end) {
    sum = sum &+ (Int32(x[$0]) &- zero) &* (Int32(weights[$1]) &- weightZero)
  } finish: { pixel, channel in
    storeInteger(a, sum, pixel: pixel, channel: channel)
    sum = 0
  }
}
