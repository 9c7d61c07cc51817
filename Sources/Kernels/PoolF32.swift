import CPlatform

// Pooling over vectors of channels. A unit of work is one output row.

private protocol Pooling {
  static var start: Float { get }
  /// The result of a window without a pixel.
  static var empty: Float { get }
  static func combine(_ sum: VF, _ x: VF) -> VF
}

private enum MaxPooling: Pooling {
  @inline(__always) static var start: Float { -.infinity }
  @inline(__always) static var empty: Float { -.greatestFiniteMagnitude }
  @inline(__always) static func combine(_ sum: VF, _ x: VF) -> VF { maximumOrNaN(sum, x) }
}

private enum AveragePooling: Pooling {
  @inline(__always) static var start: Float { 0 }
  @inline(__always) static var empty: Float { 0 }
  @inline(__always) static func combine(_ sum: VF, _ x: VF) -> VF { sum + x }
}

func poolUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let p = args.assumingMemoryBound(to: ek_pool.self).pointee
  return Int64(p.n) &* Int64(p.oh)
}

func maxPoolRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  poolRows(MaxPooling.self, args.assumingMemoryBound(to: ek_pool.self).pointee, Int(begin), Int(end))
}

func averagePoolRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  poolRows(AveragePooling.self, args.assumingMemoryBound(to: ek_pool.self).pointee, Int(begin), Int(end))
}

/// The taps of a window along one axis: those inside the image, and how many lie inside the padded image.
struct PoolSpan {
  let first: Int, count: Int, padded: Int

  @inline(__always)
  init(_ start: Int, _ taps: Int, _ dilation: Int, _ size: Int, _ padAfter: Int) {
    if start >= 0 && start &+ (taps &- 1) &* dilation < size {
      // Most windows: without a division.
      (first, count, padded) = (start, taps, taps)
      return
    }
    let firstTap = start < 0 ? smaller(divideUp(0 &- start, dilation), taps) : 0
    let endTap = start >= size ? firstTap : larger(firstTap, smaller(taps, divideUp(size &- start, dilation)))
    first = start &+ firstTap &* dilation
    count = endTap &- firstTap
    let end = size &+ padAfter
    padded = start >= end ? 0 : smaller(taps, divideUp(end &- start, dilation))
  }
}

@inline(__always)
private func poolRows<P: Pooling>(_: P.Type, _ p: ek_pool, _ begin: Int, _ end: Int) {
  guard let xBase = p.x, let yBase = p.y else { return }
  let x = xBase.assumingMemoryBound(to: Float.self), y = yBase.assumingMemoryBound(to: Float.self)
  let oh = Int(p.oh), ow = Int(p.ow), w = Int(p.w), channels = Int(p.c)
  let dilationW = Int(p.dilation_w)
  let pixel = Int(p.x_stride), tapRow = Int(p.dilation_h) &* w &* pixel, tap = dilationW &* pixel
  let xEnd = x + ((Int(p.n) &* Int(p.h) &* w &- 1) &* pixel &+ channels)
  // Output columns whose windows are inside the image's width.
  let insideFrom = divideUp(Int(p.pad_left), Int(p.stride_w))
  let insideTo = smaller((w &- 1 &- (Int(p.kw) &- 1) &* dilationW &+ Int(p.pad_left) &+ Int(p.stride_w)) / Int(p.stride_w), ow)
  var unit = begin
  while unit < end {
    let image = unit / oh, oy = unit % oh
    let rows = PoolSpan(
      oy &* Int(p.stride_h) &- Int(p.pad_top), Int(p.kh), Int(p.dilation_h), Int(p.h), Int(p.pad_bottom))
    let line = x + (image &* Int(p.h) &+ rows.first) &* w &* pixel
    var out = y + unit &* ow &* Int(p.y_stride)
    var ox = 0
    while ox < ow {
      if P.empty != 0, takesFew, ox == insideFrom, rows.count == Int(p.kh) {
        let first = line + (ox &* Int(p.stride_w) &- Int(p.pad_left)) &* pixel
        let done = maxOfFew(p, first, insideTo &- ox, xEnd - first, out)
        ox &+= done
        out += done &* channels
        if done > 0 { continue }
      }
      let columns = PoolSpan(ox &* Int(p.stride_w) &- Int(p.pad_left), Int(p.kw), dilationW, w, Int(p.pad_right))
      let pixels = rows.count &* columns.count
      let divisor = p.count_include_pad != 0 ? rows.padded &* columns.padded : pixels
      let window = PoolWindow(
        x: line + columns.first &* pixel, rows: rows.count, columns: columns.count, rowStep: tapRow, columnStep: tap,
        start: pixels == 0 ? P.empty : P.start, divisor: Float(Int32(truncatingIfNeeded: larger(divisor, 1))), low: p.clamp_min,
        high: p.clamp_max)
      // A register may reach into the next pixel, whose result is written later, where both images have one in this row.
      let reaches = p.y_stride == p.c && ox &+ 1 < ow && columns.first &+ larger(columns.count, 1) &* dilationW <= w &- 1 && lanes <= 2 &* channels
      let end = reaches ? roundedUp(channels, lanes) : channels
      var channel = 0
      while channel &+ lanes <= end {
        poolVector(P.self, window, channel, out, WholeLanes())
        channel &+= lanes
      }
      if channel < channels { poolVector(P.self, window, channel, out, PartLanes(count: channels &- channel)) }
      out += Int(p.y_stride)
      ox &+= 1
    }
    unit &+= 1
  }
}

/// Processors without AVX2 are few: not worth the code.
#if ISA_SSE2
@inline(__always) private var takesFew: Bool { false }
#else
@inline(__always) private var takesFew: Bool { true }
#endif

/// Maxima of windows inside the image whose channels fill less than a register. Registers reach into the next pixels: results
/// written there are overwritten by their own. `room`: floats that may be read from `x` on. Returns how many of `count`
/// neighbouring windows it did, which leaves those whose registers would reach too far.
@inline(never)
private func maxOfFew(_ p: ek_pool, _ x: UnsafePointer<Float>, _ count: Int, _ room: Int, _ y: UnsafeMutablePointer<Float>) -> Int {
  let channels = Int(p.c)
  let tapStep = Int(p.dilation_w) &* Int(p.x_stride), lineStep = Int(p.dilation_h) &* Int(p.w) &* Int(p.x_stride)
  let pixelStep = Int(p.stride_w) &* Int(p.x_stride)
  let reach = (Int(p.kh) &- 1) &* lineStep &+ (Int(p.kw) &- 1) &* tapStep &+ lanes
  guard channels < lanes, p.y_stride == p.c, room >= reach, count &* channels >= lanes else { return 0 }
  let done = smaller((room &- reach) / pixelStep, (count &* channels &- lanes) / channels) &+ 1
  let low = VF(repeating: p.clamp_min), high = VF(repeating: p.clamp_max)
  var from = x, to = y
  var left = done
  while left > 0 {
    var best = VF(repeating: -.infinity)
    var line = from
    var lines = p.kh
    while lines > 0 {
      var tap = line
      var taps = p.kw
      while taps > 0 {
        best = maximumOrNaN(best, VF.load(tap))
        tap += tapStep
        taps &-= 1
      }
      line += lineStep
      lines &-= 1
    }
    minimum(high, maximum(low, best)).store(to)
    from += pixelStep
    to += channels
    left &-= 1
  }
  return done
}

private struct PoolWindow {
  let x: UnsafePointer<Float>
  let rows: Int, columns: Int, rowStep: Int, columnStep: Int
  let start: Float, divisor: Float
  let low: Float, high: Float
}

@inline(__always)
private func poolVector<P: Pooling, L: ChannelLanes>(
  _: P.Type, _ window: PoolWindow, _ channel: Int, _ out: UnsafeMutablePointer<Float>, _ part: L
) {
  var sum = VF(repeating: window.start)
  var line = window.x + channel
  var row = 0
  while row < window.rows {
    var p = line
    var column = 0
    while column < window.columns {
      sum = P.combine(sum, part.load(p))
      p += window.columnStep
      column &+= 1
    }
    line += window.rowStep
    row &+= 1
  }
  if P.empty == 0 { sum /= VF(repeating: window.divisor) }
  part.store(minimum(VF(repeating: window.high), maximum(VF(repeating: window.low), sum)), out + channel)
}
