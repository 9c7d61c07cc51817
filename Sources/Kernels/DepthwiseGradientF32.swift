#if !ISA_AVX512BF16 && !ISA_NEONDOT
import CPlatform

// The gradient of a depthwise convolution's weights: lanes are channels, and each tap is a sum over all output pixels of
// dy[pixel][c] x[pixel under the tap][c]. A unit of work is a vector of channels; where those are few, a line of its taps.
// Each output line's sums begin at 0 and are added to those of the lines before it.

private struct DepthwiseGradientPlan {
  let c: ek_conv
  let vectors: Int, parts: Int
  /// 3x3: all taps at once.
  let isThree: Bool

  init(_ args: UnsafeRawPointer) {
    c = args.assumingMemoryBound(to: ek_conv.self).pointee
    vectors = divideUp(Int(c.c_out), lanes)
    isThree = c.kh == 3 && c.kw == 3 && c.dilation_w == 1
    parts = isThree || vectors >= 8 ? 1 : Int(c.kh)
  }
}

func depthwiseGradientUnits(_ args: UnsafeRawPointer) -> Int64 {
  let plan = DepthwiseGradientPlan(args)
  return Int64(plan.vectors &* plan.parts)
}

func depthwiseGradientRun(_ args: UnsafeRawPointer, _ begin: Int, _ end: Int) {
  let plan = DepthwiseGradientPlan(args)
  var unit = begin
  while unit < end {
    let vector = unit / plan.parts, part = unit % plan.parts
    let count = plan.parts == 1 ? Int(plan.c.kh) : 1
    let channel = vector &* lanes, left = Int(plan.c.c_out) &- channel
    if left >= lanes {
      depthwiseGradient(plan, channel, part, count, WholeLanes())
    } else {
      depthwiseGradient(plan, channel, part, count, PartLanes(count: left))
    }
    unit &+= 1
  }
}

/// Lines `first` ..< first + count of the taps of a vector of channels.
@inline(never)
private func depthwiseGradient<L: ChannelLanes>(_ plan: DepthwiseGradientPlan, _ channel: Int, _ first: Int, _ count: Int, _ part: L) {
  let c = plan.c
  guard let x = c.x, let gradient = c.weights, let y = c.y else { return }
  let lines = TapLines(
    c, x.assumingMemoryBound(to: Float.self) + channel, gradient.assumingMemoryBound(to: Float.self) + channel,
    y.assumingMemoryBound(to: Float.self) + channel &* Int(c.kh) &* Int(c.kw))
  if plan.isThree { return lines.three(part) }
  var line = first
  while line < first &+ count {
    lines.any(line, part)
    line &+= 1
  }
}

/// A vector of channels: where its operands lie.
private struct TapLines {
  let c: ek_conv
  let x: UnsafePointer<Float>, gradient: UnsafePointer<Float>
  let y: UnsafeMutablePointer<Float>

  init(_ c: ek_conv, _ x: UnsafePointer<Float>, _ gradient: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>) {
    self.c = c
    self.x = x
    self.gradient = gradient
    self.y = y
  }

  /// Input line under a line of taps, or -1.
  @inline(__always) private func input(_ image: Int, _ oy: Int, _ line: Int) -> Int {
    let iy = oy &* Int(c.stride_h) &- Int(c.pad_top) &+ line &* Int(c.dilation_h)
    return iy >= 0 && iy < Int(c.h) ? image &* Int(c.h) &+ iy : -1
  }

  /// Writes a tap's sums, of the channels there are.
  @inline(__always) private func put<L: ChannelLanes>(_ sum: VF, _ tap: Int, _ part: L) {
    let taps = Int(c.kh) &* Int(c.kw)
    var lane = 0
    while lane < part.lanes {
      y[lane &* taps &+ tap] = sum[lane]
      lane &+= 1
    }
  }

  /// One line of taps, tap by tap.
  @inline(__always) func any<L: ChannelLanes>(_ line: Int, _ part: L) {
    let ow = Int(c.ow), w = Int(c.w), stride = Int(c.stride_w)
    let pixel = Int(c.x_stride), own = Int(c.y_stride)
    var tap = 0
    while tap < Int(c.kw) {
      // Outputs whose windows have the tap inside: from ..< to.
      let offset = tap &* Int(c.dilation_w) &- Int(c.pad_left)
      let from = offset < 0 ? smaller(divideUp(0 &- offset, stride), ow) : 0
      let to = offset >= w ? from : larger(from, smaller(ow, divideUp(w &- offset, stride)))
      var sum = VF()
      var image = 0
      while image < Int(c.n) {
        var oy = 0
        while oy < Int(c.oh) {
          let iy = input(image, oy, line)
          if iy >= 0 && from < to {
            sum += product(
              x + (iy &* w &+ offset &+ from &* stride) &* pixel, stride &* pixel,
              gradient + ((image &* Int(c.oh) &+ oy) &* ow &+ from) &* own, own, to &- from, part)
          }
          oy &+= 1
        }
        image &+= 1
      }
      put(sum, line &* Int(c.kw) &+ tap, part)
      tap &+= 1
    }
  }

  /// The sum of products of two rows; four sums in turn do not wait for each other.
  @inline(__always)
  private func product<L: ChannelLanes>(
    _ a: UnsafePointer<Float>, _ aStep: Int, _ b: UnsafePointer<Float>, _ bStep: Int, _ count: Int, _ part: L
  ) -> VF {
    var s0 = VF(), s1 = VF(), s2 = VF(), s3 = VF()
    var a = a, b = b
    var left = count
    while left >= 4 {
      s0 = multiplyAdd(part.load(a), part.load(b), s0)
      s1 = multiplyAdd(part.load(a + aStep), part.load(b + bStep), s1)
      s2 = multiplyAdd(part.load(a + 2 &* aStep), part.load(b + 2 &* bStep), s2)
      s3 = multiplyAdd(part.load(a + 3 &* aStep), part.load(b + 3 &* bStep), s3)
      a += 4 &* aStep
      b += 4 &* bStep
      left &-= 4
    }
    while left > 0 {
      s0 = multiplyAdd(part.load(a), part.load(b), s0)
      a += aStep
      b += bStep
      left &-= 1
    }
    return (s0 + s1) + (s2 + s3)
  }

  /// 3x3 taps, all at once.
  @inline(__always) func three<L: ChannelLanes>(_ part: L) {
    let w = Int(c.w), pixel = Int(c.x_stride), own = Int(c.y_stride), ow = Int(c.ow)
    var t0 = VF(), t1 = VF(), t2 = VF(), t3 = VF(), t4 = VF(), t5 = VF(), t6 = VF(), t7 = VF(), t8 = VF()
    var image = 0
    while image < Int(c.n) {
      var oy = 0
      while oy < Int(c.oh) {
        let top = input(image, oy, 0), middle = input(image, oy, 1), bottom = input(image, oy, 2)
        // A line outside the image is computed with one inside, and left out.
        let inside = larger(top, larger(middle, bottom))
        if inside >= 0 {
          let p0 = x + (top < 0 ? inside : top) &* w &* pixel
          let p1 = x + (middle < 0 ? inside : middle) &* w &* pixel
          let p2 = x + (bottom < 0 ? inside : bottom) &* w &* pixel
          let line = gradient + (image &* Int(c.oh) &+ oy) &* ow &* own
          let s = c.stride_w == 1 ? near(p0, p1, p2, line, part) : apart(p0, p1, p2, line, part)
          if top >= 0 { (t0, t1, t2) = (t0 + s.0, t1 + s.1, t2 + s.2) }
          if middle >= 0 { (t3, t4, t5) = (t3 + s.3, t4 + s.4, t5 + s.5) }
          if bottom >= 0 { (t6, t7, t8) = (t6 + s.6, t7 + s.7, t8 + s.8) }
        }
        oy &+= 1
      }
      image &+= 1
    }
    put(t0, 0, part)
    put(t1, 1, part)
    put(t2, 2, part)
    put(t3, 3, part)
    put(t4, 4, part)
    put(t5, 5, part)
    put(t6, 6, part)
    put(t7, 7, part)
    put(t8, 8, part)
  }

  typealias NineSums = (VF, VF, VF, VF, VF, VF, VF, VF, VF)

  /// The sums of an output line with stride 1. A walk over the columns of three input lines loads each vector once: it belongs to
  /// three neighbouring outputs.
  @inline(__always)
  private func near<L: ChannelLanes>(
    _ p0: UnsafePointer<Float>, _ p1: UnsafePointer<Float>, _ p2: UnsafePointer<Float>, _ line: UnsafePointer<Float>, _ part: L
  ) -> NineSums {
    let ow = Int(c.ow), pixel = Int(c.x_stride), own = Int(c.y_stride)
    var s0 = VF(), s1 = VF(), s2 = VF(), s3 = VF(), s4 = VF(), s5 = VF(), s6 = VF(), s7 = VF(), s8 = VF()
    // Gradients of the outputs that have this column as their right, middle and left one.
    var ox = Int(c.pad_left)
    var right = ox >= 2 && ox &- 2 < ow ? part.load(line + (ox &- 2) &* own) : VF()
    var center = ox >= 1 && ox &- 1 < ow ? part.load(line + (ox &- 1) &* own) : VF()
    let end = ox &+ Int(c.w)
    var at = 0
    while ox < end {
      let left = ox < ow ? part.load(line + ox &* own) : VF()
      let a = part.load(p0 + at), b = part.load(p1 + at), d = part.load(p2 + at)
      s0 = multiplyAdd(a, left, s0)
      s1 = multiplyAdd(a, center, s1)
      s2 = multiplyAdd(a, right, s2)
      s3 = multiplyAdd(b, left, s3)
      s4 = multiplyAdd(b, center, s4)
      s5 = multiplyAdd(b, right, s5)
      s6 = multiplyAdd(d, left, s6)
      s7 = multiplyAdd(d, center, s7)
      s8 = multiplyAdd(d, right, s8)
      (right, center) = (center, left)
      at &+= pixel
      ox &+= 1
    }
    return (s0, s1, s2, s3, s4, s5, s6, s7, s8)
  }

  /// The same with any stride.
  @inline(__always)
  private func apart<L: ChannelLanes>(
    _ p0: UnsafePointer<Float>, _ p1: UnsafePointer<Float>, _ p2: UnsafePointer<Float>, _ line: UnsafePointer<Float>, _ part: L
  ) -> NineSums {
    let ow = Int(c.ow), w = Int(c.w), pixel = Int(c.x_stride), own = Int(c.y_stride)
    var s0 = VF(), s1 = VF(), s2 = VF(), s3 = VF(), s4 = VF(), s5 = VF(), s6 = VF(), s7 = VF(), s8 = VF()
    var ix = 0 &- Int(c.pad_left)
    var ox = 0
    while ox < ow {
      let v = part.load(line + ox &* own)
      let at = ix &* pixel
      if ix >= 0 && ix < w {
        s0 = multiplyAdd(part.load(p0 + at), v, s0)
        s3 = multiplyAdd(part.load(p1 + at), v, s3)
        s6 = multiplyAdd(part.load(p2 + at), v, s6)
      }
      if ix >= -1 && ix < w &- 1 {
        s1 = multiplyAdd(part.load(p0 + (at &+ pixel)), v, s1)
        s4 = multiplyAdd(part.load(p1 + (at &+ pixel)), v, s4)
        s7 = multiplyAdd(part.load(p2 + (at &+ pixel)), v, s7)
      }
      if ix >= -2 && ix < w &- 2 {
        s2 = multiplyAdd(part.load(p0 + (at &+ 2 &* pixel)), v, s2)
        s5 = multiplyAdd(part.load(p1 + (at &+ 2 &* pixel)), v, s5)
        s8 = multiplyAdd(part.load(p2 + (at &+ 2 &* pixel)), v, s8)
      }
      ix &+= Int(c.stride_w)
      ox &+= 1
    }
    return (s0, s1, s2, s3, s4, s5, s6, s7, s8)
  }
}
#endif
