import CPlatform

// Separable resize from given taps. A unit is one row of output pixels.

func resizeUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_resize.self)
  return Int64(a.pointee.n) &* Int64(a.pointee.oh)
}

/// v = sum_i wh_i (sum_j ww_j x), each sum from zero in index order.
///
/// - `load`: an element of x as a float; `store`: (index in y, v).
@inline(__always)
private func resize(
  _ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, load: (Int) -> Float, store: (Int, Float) -> Void
) {
  let a = arguments(raw, ek_resize.self)
  let taps = int(a.pointee.taps)
  let channels = int(a.pointee.c)
  let height = int(a.pointee.oh)
  let width = int(a.pointee.ow)
  let indexH = a.pointee.index_h.unsafelyUnwrapped
  let indexW = a.pointee.index_w.unsafelyUnwrapped
  let weightH = a.pointee.weight_h.unsafelyUnwrapped
  let weightW = a.pointee.weight_w.unsafelyUnwrapped
  var unit = int(begin)
  while unit < int(end) {
    let image = unit / height
    let vertical = (unit &- image &* height) &* taps
    var column = 0
    while column < width {
      var channel = 0
      while channel < channels {
        var value: Float = 0
        var i = vertical
        while i < vertical &+ taps {
          let row = (image &* int(a.pointee.h) &+ int(indexH[i])) &* int(a.pointee.w)
          var across: Float = 0
          var j = column &* taps
          while j < column &* taps &+ taps {
            across += weightW[j] * load((row &+ int(indexW[j])) &* channels &+ channel)
            j &+= 1
          }
          value += weightH[i] * across
          i &+= 1
        }
        store((unit &* width &+ column) &* channels &+ channel, value)
        channel &+= 1
      }
      column &+= 1
    }
    unit &+= 1
  }
}

func resizeFloat(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_resize.self)
  let x = elements(a.pointee.x, Float.self)
  let y = elements(a.pointee.y, Float.self)
  resize(raw, begin, end) { x[$0] } store: { y[$0] = $1 }
}

func resizeInteger(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_resize.self)
  let x = elements(a.pointee.x, UInt8.self)
  let y = elements(a.pointee.y, UInt8.self)
  let zero = a.pointee.x_quant.zero_point
  let scale = a.pointee.x_quant.scale / a.pointee.y_quant.scale
  resize(raw, begin, end) { float(Int32(x[$0]) &- zero) } store: {
    y[$0] = quantizedOrZero($1 * scale, a.pointee.y_quant.zero_point)
  }
}
