import CPlatform

// Depthwise 3x3 with stride 1, two output rows at a time. A walk over the columns of four input rows loads each vector
// once: it belongs to three neighbouring outputs of either row, whose sums are all under way.

/// Two output rows of an image, or the last one alone.
struct DepthwisePair {
  private let c: ek_conv
  /// The four input rows at column 0; nil outside the image.
  private let rows: (UnsafePointer<Float>?, UnsafePointer<Float>?, UnsafePointer<Float>?, UnsafePointer<Float>?)
  private let weights: UnsafePointer<Float>
  private let bias: UnsafePointer<Float>?, residual: UnsafePointer<Float>?
  private let y: UnsafeMutablePointer<Float>
  /// The second output row is there.
  private let isWhole: Bool

  static func suits(_ c: ek_conv) -> Bool {
    c.kh == 3 && c.kw == 3 && c.stride_h == 1 && c.stride_w == 1 && c.dilation_h == 1 && c.dilation_w == 1 && c.pad_left <= 2
  }

  /// `number`: of the pair, over all images.
  init(
    _ c: ek_conv, _ number: Int, _ x: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
  ) {
    self.c = c
    self.weights = weights
    let pairs = divideUp(Int(c.oh), 2), w = Int(c.w), h = Int(c.h)
    let image = number / pairs, line = number % pairs &* 2
    isWhole = line &+ 1 < Int(c.oh)
    let first = line &- Int(c.pad_top)
    func row(_ offset: Int) -> UnsafePointer<Float>? {
      let iy = first &+ offset
      return iy < 0 || iy >= h ? nil : x + (image &* h &+ iy) &* w &* Int(c.x_stride)
    }
    rows = (row(0), row(1), row(2), isWhole ? row(3) : nil)
    let pixel = (image &* Int(c.oh) &+ line) &* Int(c.ow)
    self.y = y + pixel &* Int(c.y_stride)
    residual = c.residual.map { $0.assumingMemoryBound(to: Float.self) + pixel &* Int(c.residual_stride) }
    bias = c.bias?.assumingMemoryBound(to: Float.self)
  }

  @inline(never)
  func run<L: ChannelLanes>(_ channel: Int, _ part: L) {
    let channels = Int(c.c_out), pixel = Int(c.x_stride), width = Int(c.w)
    let w = weights + channel
    let w0 = part.load(w), w1 = part.load(w + channels), w2 = part.load(w + 2 &* channels)
    let w3 = part.load(w + 3 &* channels), w4 = part.load(w + 4 &* channels), w5 = part.load(w + 5 &* channels)
    let w6 = part.load(w + 6 &* channels), w7 = part.load(w + 7 &* channels), w8 = part.load(w + 8 &* channels)
    let bias = if let bias { part.load(bias + channel) } else { VF(repeating: 0) }
    // Sums of the outputs that take this column as their right, middle and left one.
    var (right, middle, left) = (bias, bias, bias), (lowRight, lowMiddle, lowLeft) = (bias, bias, bias)
    var at = channel
    var column = 0
    var ox = Int(c.pad_left) &- 2
    while ox < Int(c.ow) {
      if column < width {
        if let row = rows.0 {
          let v = part.load(row + at)
          right = multiplyAdd(v, w2, right)
          middle = multiplyAdd(v, w1, middle)
          left = multiplyAdd(v, w0, left)
        }
        if let row = rows.1 {
          let v = part.load(row + at)
          right = multiplyAdd(v, w5, right)
          middle = multiplyAdd(v, w4, middle)
          left = multiplyAdd(v, w3, left)
          lowRight = multiplyAdd(v, w2, lowRight)
          lowMiddle = multiplyAdd(v, w1, lowMiddle)
          lowLeft = multiplyAdd(v, w0, lowLeft)
        }
        if let row = rows.2 {
          let v = part.load(row + at)
          right = multiplyAdd(v, w8, right)
          middle = multiplyAdd(v, w7, middle)
          left = multiplyAdd(v, w6, left)
          lowRight = multiplyAdd(v, w5, lowRight)
          lowMiddle = multiplyAdd(v, w4, lowMiddle)
          lowLeft = multiplyAdd(v, w3, lowLeft)
        }
        if let row = rows.3 {
          let v = part.load(row + at)
          lowRight = multiplyAdd(v, w8, lowRight)
          lowMiddle = multiplyAdd(v, w7, lowMiddle)
          lowLeft = multiplyAdd(v, w6, lowLeft)
        }
        at &+= pixel
        column &+= 1
      }
      if ox >= 0 {
        put(right, ox, channel, part)
        if isWhole { put(lowRight, Int(c.ow) &+ ox, channel, part) }
      }
      (right, middle, left) = (middle, left, bias)
      (lowRight, lowMiddle, lowLeft) = (lowMiddle, lowLeft, bias)
      ox &+= 1
    }
  }

  @inline(__always)
  private func put<L: ChannelLanes>(_ sum: VF, _ place: Int, _ channel: Int, _ part: L) {
    var sum = sum
    if let residual { sum += part.load(residual + (place &* Int(c.residual_stride) &+ channel)) }
    putChannels(
      minimum(VF(repeating: c.clamp_max), maximum(VF(repeating: c.clamp_min), sum)), y + place &* Int(c.y_stride), channel, part)
  }
}
