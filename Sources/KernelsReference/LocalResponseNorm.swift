import CPlatform

/// A unit is one pixel.
func localResponseNormUnits(_ raw: UnsafeRawPointer?) -> Int64 { arguments(raw, ek_lrn.self).pointee.pixels }

/// y = x / (bias + alpha / size * sum of x^2)^beta over the channels c - (size - 1) / 2 ... c + size / 2 that exist,
/// summed in their order: ONNX's definition.
func localResponseNorm(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_lrn.self)
  let channels = int(a.pointee.c)
  let size = int(a.pointee.size)
  let scale = a.pointee.alpha / float(a.pointee.size)
  var unit = int(begin)
  while unit < int(end) {
    let x = elements(a.pointee.x, Float.self) + unit &* channels
    let y = elements(a.pointee.y, Float.self) + unit &* channels
    unit &+= 1
    var channel = 0
    while channel < channels {
      let first = channel &- (size &- 1) / 2
      let last = channel &+ size / 2
      var sum: Float = 0
      var i = first > 0 ? first : 0
      while i <= last && i < channels {
        sum += x[i] * x[i]
        i &+= 1
      }
      y[channel] = x[channel] / power(a.pointee.bias + scale * sum, a.pointee.beta)
      channel &+= 1
    }
  }
}
