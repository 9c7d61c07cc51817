import CPlatform

/// Copies the windows of output pixels first ..< first + count, `depth` channels from `x`, into rows of
/// (kh, kw, depth) elements that start `spacing` words apart. Padding is 0.
func gatherRows<Format: RowFormat>(
  _: Format.Type, _ c: ek_conv, _ x: UnsafePointer<Float>, _ first: Int, _ count: Int, _ depth: Int, _ spacing: Int,
  _ rows: UnsafeMutablePointer<Float>
) {
  let stride = Int(c.x_stride), h = Int(c.h), w = Int(c.w), kh = Int(c.kh), kw = Int(c.kw)
  let dilationH = Int(c.dilation_h), dilationW = Int(c.dilation_w)
  // Taps of one window row are one run of memory.
  let dense = dilationW == 1 && stride == depth
  let words = Format.words(depth)
  let rowWords = kw &* words
  var ox = first % Int(c.ow)
  var oy = first / Int(c.ow) % Int(c.oh)
  var image = x + first / (Int(c.ow) &* Int(c.oh)) &* (h &* w &* stride)
  var out = rows
  var left = count
  while left > 0 {
    let x0 = ox &* Int(c.stride_w) &- Int(c.pad_left)
    // Taps inside the image: firstTap ..< endTap.
    let firstTap = x0 < 0 ? smaller(divideUp(0 &- x0, dilationW), kw) : 0
    var endTap = kw
    if x0 &+ (kw &- 1) &* dilationW >= w {
      endTap = x0 >= w ? firstTap : larger(firstTap, smaller(kw, divideUp(w &- x0, dilationW)))
    }
    var iy = oy &* Int(c.stride_h) &- Int(c.pad_top)
    var tapRow = 0
    while tapRow < kh {
      // Nothing of the image: zeros up to the end.
      let isOutside = iy < 0 || iy >= h
      let lead = isOutside ? kw : firstTap, end = isOutside ? kw : endTap
      if lead > 0 { zeroRun(out, lead &* words) }
      var from = image + (iy &* w &+ x0 &+ firstTap &* dilationW) &* stride
      let run = dense ? end &- lead : 1
      var tap = lead
      while tap < end {
        Format.copy(out + tap &* words, from, run, depth)
        from += dilationW &* stride
        tap &+= run
      }
      if end < kw { zeroRun(out + end &* words, (kw &- end) &* words) }
      out += rowWords
      iy &+= dilationH
      tapRow &+= 1
    }
    out += spacing &- kh &* rowWords
    ox &+= 1
    if ox == Int(c.ow) {
      ox = 0
      oy &+= 1
      if oy == Int(c.oh) {
        oy = 0
        image += h &* w &* stride
      }
    }
    left &-= 1
  }
}

@inline(__always) func smaller(_ a: Int, _ b: Int) -> Int { a < b ? a : b }
@inline(__always) func larger(_ a: Int, _ b: Int) -> Int { a > b ? a : b }

@inline(__always)
func copyFloats(_ to: UnsafeMutablePointer<Float>, _ from: UnsafePointer<Float>, _ count: Int) {
  var i = 0
  while i &+ lanes <= count {
    VF.load(from + i).store(to + i)
    i &+= lanes
  }
  if i < count { storePart(loadPart(from + i, count &- i), to + i, count &- i) }
}

@inline(__always)
func zeroFloats(_ to: UnsafeMutablePointer<Float>, _ count: Int) {
  var i = 0
  while i &+ lanes <= count {
    VF(repeating: 0).store(to + i)
    i &+= lanes
  }
  if i < count { storePart(VF(repeating: 0), to + i, count &- i) }
}

@inline(never)
private func zeroRun(_ to: UnsafeMutablePointer<Float>, _ count: Int) {
  var i = 0
  while i &+ 4 <= count {
    SIMD4<Float>(repeating: 0).store(to + i)
    i &+= 4
  }
  while i < count {
    to[i] = 0
    i &+= 1
  }
}
