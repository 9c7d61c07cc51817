#if !ISA_AVX512BF16 && !ISA_NEONDOT
import CPlatform

/// One line of results of a transposed depthwise convolution with stride, without dilation. Weights are [kh][kw][c].
struct DepthwiseTransposeRow {
  private let c: ek_conv
  /// The first tap that reaches the line, and the input line it meets.
  private let tap: Int, line: Int
  private let image: Int, place: Int

  init(_ c: ek_conv, _ number: Int) {
    self.c = c
    image = number / Int(c.oh)
    place = number &* Int(c.ow)
    let row = number % Int(c.oh) &+ Int(c.pad_top)
    let behind = larger(row / Int(c.stride_h) &- Int(c.h) &+ 1, 0)
    tap = row % Int(c.stride_h) &+ behind &* Int(c.stride_h)
    line = row / Int(c.stride_h) &- behind
  }

  func run() {
    let channels = Int(c.c_out)
    var channel = 0
    while channel &+ lanes <= channels {
      add(channel, WholeLanes())
      channel &+= lanes
    }
    if channel < channels { add(channel, PartLanes(count: channels &- channel)) }
  }

  @inline(never)
  private func add<L: ChannelLanes>(_ channel: Int, _ part: L) {
    guard let x = c.x, let packed = c.packed, let y = c.y else { return }
    let w = Int(c.w), kh = Int(c.kh), kw = Int(c.kw), strideH = Int(c.stride_h), strideW = Int(c.stride_w)
    let pixel = Int(c.x_stride), channels = Int(c.c_out), low = VF(repeating: c.clamp_min), high = VF(repeating: c.clamp_max)
    let from = x.assumingMemoryBound(to: Float.self) + (image &* Int(c.h) &* w &* pixel &+ channel)
    let weights = packed.assumingMemoryBound(to: Float.self) + channel
    let bias = if let bias = c.bias { part.load(bias.assumingMemoryBound(to: Float.self) + channel) } else { VF(repeating: 0) }
    var residual = c.residual.map { $0.assumingMemoryBound(to: Float.self) + (place &* Int(c.residual_stride) &+ channel) }
    var out = y.assumingMemoryBound(to: Float.self) + (place &* Int(c.y_stride) &+ channel)
    var first = Int(c.pad_left) % strideW, position = Int(c.pad_left) / strideW
    var left = c.ow
    while left > 0 {
      let behind = larger(position &- w &+ 1, 0)
      let firstTap = first &+ behind &* strideW, start = position &- behind
      var sum = bias
      var ky = tap, iy = line
      while ky < kh && iy >= 0 {
        var p = from + (iy &* w &+ start) &* pixel
        var kx = firstTap, ix = start
        while kx < kw && ix >= 0 {
          sum = multiplyAdd(part.load(p), part.load(weights + (ky &* kw &+ kx) &* channels), sum)
          p -= pixel
          kx &+= strideW
          ix &-= 1
        }
        ky &+= strideH
        iy &-= 1
      }
      if let own = residual {
        sum += part.load(own)
        residual = own + Int(c.residual_stride)
      }
      part.store(minimum(high, maximum(low, sum)), out)
      out += Int(c.y_stride)
      first &+= 1
      if first == strideW { (first, position) = (0, position &+ 1) }
      left &-= 1
    }
  }
}
#endif
