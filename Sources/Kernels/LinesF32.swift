import CPlatform

/// Copies of image lines with their padding, compact in channels: what a block of output lines reads. A window is
/// a run of memory for each of its lines, and the windows of one output line are evenly spaced.
struct PaddedLines {
  /// Floats of a pixel, of a line; lines between output lines, lines a window spans.
  private let depth: Int, lineFloats: Int, step: Int, reach: Int
  private let isUseful: Bool

  init(_ c: ek_conv, _ depth: Int) {
    let ow = Int(c.ow)
    self.depth = depth
    lineFloats = ((ow &- 1) &* Int(c.stride_w) &+ (Int(c.kw) &- 1) &* Int(c.dilation_w) &+ 1) &* depth
    step = Int(c.stride_h)
    reach = (Int(c.kh) &- 1) &* Int(c.dilation_h) &+ 1
    // The tiles of an output line leave a remainder; in short lines it costs more than copying windows. Windows
    // further apart than they are wide would copy pixels nobody reads.
    isUseful = (ow % tileRows == 0 || ow >= 27) && c.kh &* c.kw > 1 && c.stride_w <= c.kw && c.stride_h <= c.kh
  }

  /// Floats copied for `lines` output lines.
  func floats(_ lines: Int) -> Int { ((lines &- 1) &* step &+ reach) &* lineFloats }

  /// Output lines whose copy fits `limit` floats, and at most `most`; 0 where windows are the better choice.
  func linesWithin(_ limit: Int, _ most: Int) -> Int {
    guard isUseful, floats(1) <= 128 << 10 else { return 0 }
    var lines = 1
    while lines < most && floats(lines &+ 1) <= limit { lines &+= 1 }
    return lines
  }

  /// Copies what output lines line ..< line + count of an image read.
  func copy(_ c: ek_conv, _ image: UnsafePointer<Float>, _ line: Int, _ count: Int, _ to: UnsafeMutablePointer<Float>) {
    let w = Int(c.w), pixel = Int(c.x_stride)
    let left = smaller(Int(c.pad_left), lineFloats / depth)
    let inside = smaller(w, lineFloats / depth &- left)
    var iy = line &* step &- Int(c.pad_top)
    let end = iy &+ (count &- 1) &* step &+ reach
    var out = to
    while iy < end {
      if iy < 0 || iy >= Int(c.h) {
        zeroFloats(out, lineFloats)
      } else {
        let from = image + iy &* w &* pixel
        zeroFloats(out, left &* depth)
        if pixel == depth {
          copyFloats(out + left &* depth, from, inside &* depth)
        } else {
          var i = 0
          while i < inside {
            copyFloats(out + (left &+ i) &* depth, from + i &* pixel, depth)
            i &+= 1
          }
        }
        zeroFloats(out + (left &+ inside) &* depth, lineFloats &- (left &+ inside) &* depth)
      }
      out += lineFloats
      iy &+= 1
    }
  }

  /// The windows of `count` output lines in a copy.
  func rows(_ c: ek_conv, _ count: Int, _ copy: UnsafePointer<Float>) -> FloatRows {
    var rows = FloatRows(Int(c.ow), Int(c.kw) &* depth, copy, Int(c.stride_w) &* depth &* 4)
    rows.lines = count
    rows.lineStride = step &* lineFloats &* 4
    rows.window.lines = Int(c.kh)
    rows.window.lineStride = Int(c.dilation_h) &* lineFloats &* 4
    if c.dilation_w != 1 {
      rows.window.taps = Int(c.kw)
      rows.window.steps = depth
      rows.window.tapStride = Int(c.dilation_w) &* depth &* 4
    }
    return rows
  }
}
