import CPlatform

/// Copies of image lines with their padding, compact in channels: what a block of output lines reads. A window is
/// a run of memory for each of its lines, and the windows of one output line are evenly spaced.
struct PaddedLines {
  /// Channels and words of a pixel, words of a line; lines between output lines, lines a window spans.
  private let depth: Int, words: Int, lineWords: Int, step: Int, reach: Int
  private let isUseful: Bool

  init(_ c: ek_conv, _ depth: Int) {
    let ow = Int(c.ow)
    self.depth = depth
    words = RowStep.words(depth)
    lineWords = ((ow &- 1) &* Int(c.stride_w) &+ (Int(c.kw) &- 1) &* Int(c.dilation_w) &+ 1) &* words
    step = Int(c.stride_h)
    reach = (Int(c.kh) &- 1) &* Int(c.dilation_h) &+ 1
    // The tiles of an output line leave a remainder; in short lines it costs more than copying windows. Windows
    // further apart than they are wide would copy pixels nobody reads.
    isUseful = (ow % tileRows == 0 || ow >= 27) && c.kh &* c.kw > 1 && c.stride_w <= c.kw && c.stride_h <= c.kh
  }

  /// Words copied for `lines` output lines.
  func words(_ lines: Int) -> Int { ((lines &- 1) &* step &+ reach) &* lineWords }

  /// Output lines whose copy fits `limit` words, and at most `most`; 0 where windows are the better choice.
  func linesWithin(_ limit: Int, _ most: Int) -> Int {
    guard isUseful, words(1) <= 128 << 10 else { return 0 }
    var lines = 1
    while lines < most && words(lines &+ 1) <= limit { lines &+= 1 }
    return lines
  }

  /// Copies what output lines line ..< line + count of an image read.
  func copy(_ c: ek_conv, _ image: UnsafePointer<Float>, _ line: Int, _ count: Int, _ to: UnsafeMutablePointer<Float>) {
    let w = Int(c.w), pixel = Int(c.x_stride)
    let left = smaller(Int(c.pad_left), lineWords / words)
    let inside = smaller(w, lineWords / words &- left)
    var iy = line &* step &- Int(c.pad_top)
    let end = iy &+ (count &- 1) &* step &+ reach
    var out = to
    while iy < end {
      if iy < 0 || iy >= Int(c.h) {
        zeroFloats(out, lineWords)
      } else {
        let from = image + iy &* w &* pixel
        zeroFloats(out, left &* words)
        if pixel == depth {
          RowStep.copy(out + left &* words, from, inside, depth)
        } else {
          var i = 0
          while i < inside {
            RowStep.copy(out + (left &+ i) &* words, from + i &* pixel, 1, depth)
            i &+= 1
          }
        }
        zeroFloats(out + (left &+ inside) &* words, lineWords &- (left &+ inside) &* words)
      }
      out += lineWords
      iy &+= 1
    }
  }

  /// The windows of `count` output lines in a copy.
  func rows(_ c: ek_conv, _ count: Int, _ copy: UnsafePointer<Float>) -> FloatRows {
    var rows = FloatRows(Int(c.ow), Int(c.kw) &* words, copy, Int(c.stride_w) &* words &* 4)
    rows.lines = count
    rows.lineStride = step &* lineWords &* 4
    rows.window.lines = Int(c.kh)
    rows.window.lineStride = Int(c.dilation_h) &* lineWords &* 4
    if c.dilation_w != 1 {
      rows.window.taps = Int(c.kw)
      rows.window.steps = words
      rows.window.tapStride = Int(c.dilation_w) &* words &* 4
    }
    return rows
  }
}
