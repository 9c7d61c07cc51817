import CPlatform

// The gradient of a convolution's weights. A unit is one output channel. Each sum runs in the order n, oh, ow from
// zero; taps outside the image are skipped.

func weightGradientUnits(_ raw: UnsafeRawPointer?) -> Int64 { Int64(arguments(raw, ek_conv.self).pointee.c_out) }

func weightGradient(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_conv.self)
  let depth = int(a.pointee.c_in) / int(a.pointee.groups)
  let groupOutputs = int(a.pointee.c_out) / int(a.pointee.groups)
  let kernelWidth = int(a.pointee.kw)
  let filter = int(a.pointee.kh) &* kernelWidth &* depth
  let lines = int(a.pointee.n) &* int(a.pointee.oh)
  var output = int(begin)
  while output < int(end) {
    let y = elements(a.pointee.y, Float.self) + output &* filter
    var i = 0
    while i < filter {
      y[i] = 0
      i &+= 1
    }
    var line = 0
    while line < lines {
      let image = line / int(a.pointee.oh)
      let rows = Taps(
        output: line &- image &* int(a.pointee.oh), stride: a.pointee.stride_h, padding: a.pointee.pad_top,
        dilation: a.pointee.dilation_h, kernel: a.pointee.kh, size: a.pointee.h)
      var column = 0
      while column < int(a.pointee.ow) {
        let columns = Taps(
          output: column, stride: a.pointee.stride_w, padding: a.pointee.pad_left, dilation: a.pointee.dilation_w,
          kernel: a.pointee.kw, size: a.pointee.w)
        let pixel = line &* int(a.pointee.ow) &+ column
        let gradient = elements(a.pointee.weights, Float.self)[pixel &* int(a.pointee.y_stride) &+ output]
        var ky = rows.begin
        while ky < rows.end {
          let row = (image &* int(a.pointee.h) &+ rows.origin &+ ky &* int(a.pointee.dilation_h)) &* int(a.pointee.w)
          var kx = columns.begin
          while kx < columns.end {
            let place = row &+ columns.origin &+ kx &* int(a.pointee.dilation_w)
            let x = elements(a.pointee.x, Float.self) + (place &* int(a.pointee.x_stride) &+ output / groupOutputs &* depth)
            let sums = y + (ky &* kernelWidth &+ kx) &* depth
            var channel = 0
            while channel < depth {
              sums[channel] += gradient * x[channel]
              channel &+= 1
            }
            kx &+= 1
          }
          ky &+= 1
        }
        column &+= 1
      }
      line &+= 1
    }
    output &+= 1
  }
}
