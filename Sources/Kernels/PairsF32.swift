import CPlatform

#if ISA_AVX512VNNI && !ISA_AVX512BF16
import _Builtin_intrinsics.intel

// Convolutions with few results, the first layers of small networks. Eight channels fill half of a register of 16, so two
// neighbouring output pixels share it: a lane holds a channel of one of them, and where other convolutions broadcast an
// element of a window, here a register with that element of both windows is read. It is made once for each element of a
// line and serves all windows that hold it. No lane sees a pixel of the other window.

/// One vector of sums: two pixels of up to half as many channels.
private enum PairStep: TileOperation {
  @inline(__always) static var elementBytes: Int { lanes &* 4 }
  @inline(__always) static func broadcast(_ p: UnsafeRawPointer) -> VF { p.loadUnaligned(as: VF.self) }
  @inline(__always) static func accumulate(_ sum: inout VF, _ element: VF, _ panel: VF) {
    sum = multiplyAdd(element, panel, sum)
  }
}

/// Copies of image lines, each element beside the one that the next output pixel has in its place.
struct PixelPairs {
  /// A line before it is doubled.
  private let lines: PaddedLines
  /// Floats of a line, from an element to the next pixel's; lines between output lines, lines a window spans.
  private let lineFloats: Int, apart: Int, step: Int, reach: Int

  init(_ c: ek_conv) {
    lines = PaddedLines(c, Int(c.c_in))
    lineFloats = lines.wordsOfLine
    apart = Int(c.stride_w) &* Int(c.c_in)
    step = Int(c.stride_h)
    reach = (Int(c.kh) &- 1) &* Int(c.dilation_h) &+ 1
  }

  /// Output lines of a block, 0 where this form does not suit: what a block reads must stay in the first level cache.
  static func linesWithin(_ c: ek_conv) -> Int {
    guard c.groups == 1, Int(c.c_out) <= lanes / 2, c.residual == nil, c.kh &* c.kw > 1, c.stride_w <= c.kw,
      c.stride_h <= c.kh, c.ow > 1
    else { return 0 }
    let pairs = PixelPairs(c), limit: Int = 6 << 10
    var count = 0
    while count < Int(c.oh) && pairs.floats(count &+ 1) <= limit { count &+= 1 }
    return count == 0 ? 0 : divideUp(Int(c.oh), divideUp(Int(c.oh), count))
  }

  /// Scratch for `count` output lines: one line as it is, with room for the neighbours past its end, and the doubled ones.
  func floats(_ count: Int) -> Int {
    roundedUp(lineFloats &+ apart, lanes) &+ ((count &- 1) &* step &+ reach) &* lineFloats &* lanes
  }

  /// Doubles the lines that output lines line ..< line + count of an image read. A row of the result is a pair of pixels.
  func prepare(
    _ c: ek_conv, _ image: UnsafePointer<Float>, _ line: Int, _ count: Int, _ scratch: UnsafeMutablePointer<Float>
  ) -> FloatRows {
    let doubled = scratch + roundedUp(lineFloats &+ apart, lanes)
    zeroFloats(scratch + lineFloats, apart)
    var out = doubled
    var iy = line &* step &- Int(c.pad_top)
    let end = iy &+ (count &- 1) &* step &+ reach
    while iy < end {
      lines.copyLine(c, image, iy, scratch)
      var i = 0
      while i < lineFloats {
        let own = VF(repeating: scratch[i]).lowHalf, next = VF(repeating: scratch[i &+ apart]).lowHalf
        VF(lowHalf: own, highHalf: next).store(out)
        out += lanes
        i &+= 1
      }
      iy &+= 1
    }
    var rows = lines.rows(c, count, doubled, lanes)
    rows.count = divideUp(Int(c.ow), 2)
    rows.stride = 2 &* apart &* lanes &* 4
    return rows
  }

  /// A packed panel's first half register of columns, again in the second half.
  static func double(_ panel: UnsafeMutablePointer<Float>, _ k: Int) {
    var row = 0
    while row <= k {
      let columns = VF.load(panel + row &* panelWidth).lowHalf
      VF(lowHalf: columns, highHalf: columns).store(panel + row &* panelWidth)
      row &+= 1
    }
  }
}

/// Stores the channels of both pixels; of the last pair of an odd line those of the first.
private struct PairSink: TileSink {
  let target: FloatTarget
  let bias: VF
  let columns: Int, pixels: Int

  @inline(__always) func take(_ row: Int, _ low: VF, _ high: VF) {
    let sum = clamped(low + bias, target)
    let p = target.y + 2 &* row &* target.stride
    if target.stride == columns && 2 &* row &+ 1 < pixels { return storePart(compact(sum, columns), p, 2 &* columns) }
    storePart(sum, p, columns)
    if 2 &* row &+ 1 < pixels { storePart(VF(lowHalf: sum.highHalf, highHalf: sum.highHalf), p + target.stride, columns) }
  }
}

/// The first `columns` lanes of both halves, side by side.
@inline(__always) private func compact(_ v: VF, _ columns: Int) -> VF {
  let half = ((1 as UInt32) &<< UInt32(truncatingIfNeeded: columns)) &- 1
  return _mm512_maskz_compress_ps(__mmask16(truncatingIfNeeded: half | half &<< 8), v)
}

/// Multiplies lines of pairs with a doubled panel of `columns` columns. A line of results has `pixels` pixels.
func multiplyPairs(_ rows: FloatRows, _ columns: Int, _ pixels: Int, _ panel: UnsafePointer<Float>, _ target: FloatTarget) {
  let weights = UnsafeRawPointer(panel).assumingMemoryBound(to: VF.self)
  var line = 0
  while line < rows.lines {
    let sink = PairSink(target: target.moved(rows: line &* pixels, columns: 0), bias: weights[0], columns: columns, pixels: pixels)
    partRows(NarrowRow<PairStep>(), rows.count, rows.window, rows.a + line &* rows.lineStride, rows.stride, weights, sink)
    line &+= 1
  }
}
#else
/// Eight channels fill narrower registers, and in bfloat16 a word holds two elements: no such form.
struct PixelPairs {
  @inline(__always) init(_ c: ek_conv) {}
  @inline(__always) static func linesWithin(_ c: ek_conv) -> Int { 0 }
  @inline(__always) func floats(_ count: Int) -> Int { 0 }
  @inline(__always) func prepare(
    _ c: ek_conv, _ image: UnsafePointer<Float>, _ line: Int, _ count: Int, _ scratch: UnsafeMutablePointer<Float>
  ) -> FloatRows { FloatRows(0, 0, image, 0) }
  @inline(__always) static func double(_ panel: UnsafeMutablePointer<Float>, _ k: Int) {}
}

@inline(__always)
func multiplyPairs(_ rows: FloatRows, _ columns: Int, _ pixels: Int, _ panel: UnsafePointer<Float>, _ target: FloatTarget) {}
#endif
