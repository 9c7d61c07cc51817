#if !ISA_AVX512BF16 && !ISA_NEONDOT
import CPlatform

// The gradient of pooling over vectors of channels. Windows may overlap, so a unit of work is an image, whose windows add to
// their pixels in turn: every set gives the reference's bits.

func poolGradientUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(args.assumingMemoryBound(to: ek_pool_gradient.self).pointee.pool.n)
}

func poolGradientRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let a = args.assumingMemoryBound(to: ek_pool_gradient.self).pointee
  let p = a.pool
  guard let y = p.y?.assumingMemoryBound(to: Float.self), let dy = a.dy else { return }
  let channels = Int(p.c), pixels = Int(p.h) &* Int(p.w)
  var image = Int(begin)
  while image < Int(end) {
    let at = image &* pixels &* channels
    zeroFloats(y + at, pixels &* channels)
    let from = p.x.map { $0.assumingMemoryBound(to: Float.self) + image &* pixels &* Int(p.x_stride) }
    gradients(p, a.is_max != 0 ? from : nil, dy + image &* Int(p.oh) &* Int(p.ow) &* channels, y + at)
    image &+= 1
  }
}

/// The windows of an image; without `x` they are averages.
private func gradients(_ p: ek_pool, _ x: UnsafePointer<Float>?, _ dy: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>) {
  let channels = Int(p.c), w = Int(p.w)
  var gradient = dy
  var oy = 0
  while oy < Int(p.oh) {
    let rows = PoolSpan(oy &* Int(p.stride_h) &- Int(p.pad_top), Int(p.kh), Int(p.dilation_h), Int(p.h), Int(p.pad_bottom))
    var ox = 0
    while ox < Int(p.ow) {
      let columns = PoolSpan(ox &* Int(p.stride_w) &- Int(p.pad_left), Int(p.kw), Int(p.dilation_w), w, Int(p.pad_right))
      let count = p.count_include_pad != 0 ? rows.padded &* columns.padded : rows.count &* columns.count
      let pixel = rows.first &* w &+ columns.first
      let window = GradientWindow(
        x: x.map { $0 + pixel &* Int(p.x_stride) }, y: y + pixel &* channels, rows: rows.count, columns: columns.count,
        rowStep: Int(p.dilation_h) &* w, columnStep: Int(p.dilation_w), pixel: Int(p.x_stride), channels: channels,
        divisor: Float(Int32(truncatingIfNeeded: count)))
      if rows.count &* columns.count > 0 {
        var channel = 0
        while channel &+ lanes <= channels {
          window.add(gradient, channel, WholeLanes())
          channel &+= lanes
        }
        if channel < channels { window.add(gradient, channel, PartLanes(count: channels &- channel)) }
      }
      gradient += channels
      ox &+= 1
    }
    oy &+= 1
  }
}

private struct GradientWindow {
  /// The first real pixel.
  let x: UnsafePointer<Float>?
  let y: UnsafeMutablePointer<Float>
  let rows: Int, columns: Int
  /// Pixels from tap to tap; floats of a pixel.
  let rowStep: Int, columnStep: Int, pixel: Int, channels: Int
  let divisor: Float

  @inline(never) func add<L: ChannelLanes>(_ gradient: UnsafePointer<Float>, _ channel: Int, _ part: L) {
    let dy = part.load(gradient + channel)
    let share = x == nil ? dy / VF(repeating: divisor) : dy
    let best = x.map { place($0 + channel, part) }
    var number = VI(repeating: 0)
    var row = 0
    while row < rows {
      var p = y + (row &* rowStep &* channels &+ channel)
      var column = 0
      while column < columns {
        let old = part.load(p)
        let sum = old + share
        part.store(best.map { old.replacing(with: sum, where: $0 .== number) } ?? sum, p)
        number &+= VI(repeating: 1)
        p += columnStep &* channels
        column &+= 1
      }
      row &+= 1
    }
  }

  /// The number of the tap that is the maximum: the first of equals, the first NaN.
  @inline(__always) private func place<L: ChannelLanes>(_ x: UnsafePointer<Float>, _ part: L) -> VI {
    var best = part.load(x)
    var place = VI(repeating: 0), number = place
    var row = 0
    while row < rows {
      var p = x + row &* rowStep &* pixel
      var column = 0
      while column < columns {
        let v = part.load(p)
        let isBetter = (v .> best) .| ((v .!= v) .& (best .== best))
        best.replace(with: v, where: isBetter)
        place.replace(with: number, where: isBetter)
        number &+= VI(repeating: 1)
        p += columnStep &* pixel
        column &+= 1
      }
      row &+= 1
    }
    return place
  }
}
#endif
