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
  // Windows inside the image's width.
  let insideFrom = divideUp(Int(p.pad_left), Int(p.stride_w))
  let insideTo = smaller((w &- Int(p.kw) &+ Int(p.pad_left) &+ Int(p.stride_w)) / Int(p.stride_w), Int(p.ow))
  var gradient = dy
  var oy = 0
  while oy < Int(p.oh) {
    let rows = PoolSpan(oy &* Int(p.stride_h) &- Int(p.pad_top), Int(p.kh), Int(p.dilation_h), Int(p.h), Int(p.pad_bottom))
    var ox = 0
    while ox < Int(p.ow) {
      if let x, isFour(p), rows.count == 2, ox == insideFrom, ox < insideTo {
        let pixel = rows.first &* w &+ ox &* Int(p.stride_w) &- Int(p.pad_left)
        let four = FourTaps(
          x: x + pixel &* Int(p.x_stride), y: y + pixel &* channels, dy: gradient, count: insideTo &- ox, step: Int(p.stride_w),
          width: w, pixel: Int(p.x_stride), channels: channels)
        forEachVector(0, channels, { four.put($0, WholeLanes()) }, { four.put($0, PartLanes(count: $1)) })
        gradient += four.count &* channels
        ox = insideTo
        continue
      }
      let columns = PoolSpan(ox &* Int(p.stride_w) &- Int(p.pad_left), Int(p.kw), Int(p.dilation_w), w, Int(p.pad_right))
      let count = p.count_include_pad != 0 ? rows.padded &* columns.padded : rows.count &* columns.count
      let pixel = rows.first &* w &+ columns.first
      let window = GradientWindow(
        x: x.map { $0 + pixel &* Int(p.x_stride) }, y: y + pixel &* channels, rows: rows.count, columns: columns.count,
        rowStep: Int(p.dilation_h) &* w, columnStep: Int(p.dilation_w), pixel: Int(p.x_stride), channels: channels,
        divisor: Float(Int32(truncatingIfNeeded: count)))
      if rows.count &* columns.count > 0 {
        if x == nil {
          forEachVector(0, channels, { window.share(gradient, $0, WholeLanes()) }, { window.share(gradient, $0, PartLanes(count: $1)) })
        } else {
          forEachVector(0, channels, { window.add(gradient, $0, WholeLanes()) }, { window.add(gradient, $0, PartLanes(count: $1)) })
        }
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

  /// An average: to every pixel its share.
  @inline(never) func share<L: ChannelLanes>(_ gradient: UnsafePointer<Float>, _ channel: Int, _ part: L) {
    let share = part.load(gradient + channel) / VF(repeating: divisor)
    var row = 0
    while row < rows {
      var p = y + (row &* rowStep &* channels &+ channel)
      var column = 0
      while column < columns {
        part.store(part.load(p) + share, p)
        p += columnStep &* channels
        column &+= 1
      }
      row &+= 1
    }
  }

  /// A maximum: all of it to one pixel.
  @inline(never) func add<L: ChannelLanes>(_ gradient: UnsafePointer<Float>, _ channel: Int, _ part: L) {
    guard let x else { return }
    let dy = part.load(gradient + channel), best = place(x + channel, part)
    var number = VI(repeating: 0)
    var row = 0
    while row < rows {
      var p = y + (row &* rowStep &* channels &+ channel)
      var column = 0
      while column < columns {
        let old = part.load(p)
        part.store(old.replacing(with: old + dy, where: best .== number), p)
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
        let isNext = isBetter(v, best)
        best.replace(with: v, where: isNext)
        place.replace(with: number, where: isNext)
        number &+= VI(repeating: 1)
        p += columnStep &* pixel
        column &+= 1
      }
      row &+= 1
    }
    return place
  }
}

/// Windows of 2x2 pixels that share none.
@inline(__always) private func isFour(_ p: ek_pool) -> Bool {
  p.kh == 2 && p.kw == 2 && p.dilation_h == 1 && p.dilation_w == 1 && p.stride_h >= 2 && p.stride_w >= 2
}

/// Neighbouring windows of a line of them. Their pixels are theirs alone, so nothing is added to what is there.
private struct FourTaps {
  let x: UnsafePointer<Float>
  let y: UnsafeMutablePointer<Float>
  let dy: UnsafePointer<Float>
  /// Windows; pixels from one to the next and of a line; floats of a pixel of x, and of the others.
  let count: Int, step: Int, width: Int, pixel: Int, channels: Int

  @inline(never) func put<L: ChannelLanes>(_ channel: Int, _ part: L) {
    var from = x + channel, to = y + channel, gradient = dy + channel
    let zero = VF(repeating: 0)
    var left = count
    while left > 0 {
      let below = from + width &* pixel
      let a = part.load(from), b = part.load(from + pixel), c = part.load(below), d = part.load(below + pixel)
      // As the reference adds it to zeros: of -0 that is +0.
      let dy = zero + part.load(gradient)
      let isB = isBetter(b, a), isD = isBetter(d, c)
      let top = a.replacing(with: b, where: isB), bottom = c.replacing(with: d, where: isD)
      let isBottom = isBetter(bottom, top)
      let own = dy.replacing(with: zero, where: isBottom), other = zero.replacing(with: dy, where: isBottom)
      let line = to + width &* channels
      part.store(own.replacing(with: zero, where: isB), to)
      part.store(zero.replacing(with: own, where: isB), to + channels)
      part.store(other.replacing(with: zero, where: isD), line)
      part.store(zero.replacing(with: other, where: isD), line + channels)
      from += step &* pixel
      to += step &* channels
      gradient += channels
      left &-= 1
    }
  }
}

/// Larger than one before it; the first NaN is larger than all.
@inline(__always) private func isBetter(_ v: VF, _ best: VF) -> SIMDMask<VF.MaskStorage> {
  (v .> best) .| ((v .!= v) .& (best .== best))
}
#endif
