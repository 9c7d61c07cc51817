import CPlatform

// Pooling. A unit is one row of output pixels; taps outside the image are skipped. Sums run in the order kh, kw.
// A NaN in a window is the maximum. A window without a pixel gives the type's lowest value (maximum) or real 0
// (average), clamped like any other result.

func poolUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_pool.self)
  return Int64(a.pointee.n) &* Int64(a.pointee.oh)
}

/// Taps of a window that lie inside the padded image.
@inline(__always)
private func paddedTaps(_ taps: Taps, _ kernel: Int32, _ dilation: Int32, _ size: Int32, _ padding: Int32) -> Int {
  let room = int(size) &+ int(padding) &- taps.origin
  let needed = (int(kernel) &- 1) &* int(dilation) &+ 1
  return room >= needed ? int(kernel) : room > 0 ? (room &+ int(dilation) &- 1) / int(dilation) : 0
}

/// Visits every pixel under the window of every channel of every output pixel.
///
/// - `start`, `finish`: (offset of the element in y, pixels of the window that count for an average).
/// - `tap`: offset of the element in x.
@inline(__always)
func pool(
  _ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, start: (_ y: Int, _ count: Int) -> Void = { _, _ in },
  tap: (_ x: Int) -> Void, finish: (_ y: Int, _ count: Int) -> Void
) {
  let a = arguments(raw, ek_pool.self)
  let channels = int(a.pointee.c)
  let height = int(a.pointee.oh)
  let outputWidth = int(a.pointee.ow)
  let width = int(a.pointee.w)
  let pixelStride = int(a.pointee.x_stride)
  let stepH = int(a.pointee.dilation_h)
  let stepW = int(a.pointee.dilation_w)
  var unit = int(begin)
  while unit < int(end) {
    let image = unit / height
    let rows = Taps(
      output: unit &- image &* height, stride: a.pointee.stride_h, padding: a.pointee.pad_top,
      dilation: a.pointee.dilation_h, kernel: a.pointee.kh, size: a.pointee.h)
    var outputColumn = 0
    while outputColumn < outputWidth {
      let columns = Taps(
        output: outputColumn, stride: a.pointee.stride_w, padding: a.pointee.pad_left, dilation: a.pointee.dilation_w,
        kernel: a.pointee.kw, size: a.pointee.w)
      let count =
        a.pointee.count_include_pad != 0
        ? paddedTaps(rows, a.pointee.kh, a.pointee.dilation_h, a.pointee.h, a.pointee.pad_bottom)
          &* paddedTaps(columns, a.pointee.kw, a.pointee.dilation_w, a.pointee.w, a.pointee.pad_right)
        : (rows.end &- rows.begin) &* (columns.end &- columns.begin)
      let y = (unit &* outputWidth &+ outputColumn) &* int(a.pointee.y_stride)
      var channel = 0
      while channel < channels {
        start(y &+ channel, count)
        var ky = rows.begin
        while ky < rows.end {
          let row = (image &* int(a.pointee.h) &+ rows.origin &+ ky &* stepH) &* width &+ columns.origin
          var kx = columns.begin
          while kx < columns.end {
            tap((row &+ kx &* stepW) &* pixelStride &+ channel)
            kx &+= 1
          }
          ky &+= 1
        }
        finish(y &+ channel, count)
        channel &+= 1
      }
      outputColumn &+= 1
    }
    unit &+= 1
  }
}

func maxPoolFloat(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_pool.self)
  let x = elements(a.pointee.x, Float.self)
  let y = elements(a.pointee.y, Float.self)
  let lowest = -Float.greatestFiniteMagnitude
  var best = lowest
  var isEmpty = true
  pool(raw, begin, end, tap: {
    let value = x[$0]
    if isEmpty || value > best || value != value { best = value }
    isEmpty = false
  }) { offset, _ in
    y[offset] = clamped(best, a.pointee.clamp_min, a.pointee.clamp_max)
    best = lowest
    isEmpty = true
  }
}

func maxPoolInteger(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_pool.self)
  let x = elements(a.pointee.x, UInt8.self)
  let y = elements(a.pointee.y, UInt8.self)
  let low = UInt8(truncatingIfNeeded: a.pointee.q_min)
  let high = UInt8(truncatingIfNeeded: a.pointee.q_max)
  var best = low
  pool(raw, begin, end, tap: {
    let value = x[$0]
    if value > best { best = value }
  }) { offset, _ in
    y[offset] = best < high ? best : high
    best = low
  }
}

func averagePoolFloat(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_pool.self)
  let x = elements(a.pointee.x, Float.self)
  let y = elements(a.pointee.y, Float.self)
  var sum: Float = 0
  pool(raw, begin, end, tap: { sum += x[$0] }) { offset, count in
    let mean = count > 0 ? sum / Float(count) : 0
    y[offset] = clamped(mean, a.pointee.clamp_min, a.pointee.clamp_max)
    sum = 0
  }
}

func averagePoolInteger(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_pool.self)
  let x = elements(a.pointee.x, UInt8.self)
  let y = elements(a.pointee.y, UInt8.self)
  let zero = a.pointee.x_zero_point
  var sum: Int32 = 0
  pool(raw, begin, end) { sum = sum &+ (Int32(x[$0]) &- zero) } finish: { offset, count in
    let value = count > 0 ? float(sum) * (a.pointee.scale / Float(count)) : 0
    y[offset] = quantized(value, a.pointee.y_zero_point, a.pointee.q_min, a.pointee.q_max)
    sum = 0
  }
}
