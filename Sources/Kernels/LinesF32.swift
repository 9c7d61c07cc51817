import CPlatform

/// Copies of image lines with their padding, compact in channels: what a block of output lines reads. A window is
/// a run of memory for each of its lines, and the windows of one output line are evenly spaced. An image without padding
/// is read where it is.
struct PaddedLines {
  /// What x has of a pixel, words of it and of a line; lines between output lines, lines a window spans.
  private let depth: Int, words: Int, lineWords: Int, step: Int, reach: Int
  private let isUseful: Bool, isInPlace: Bool

  init(_ c: ek_conv, _ depth: Int) {
    let ow = Int(c.ow)
    self.depth = depth
    words = areWords(c) ? depth : RowStep.words(depth)
    lineWords = ((ow &- 1) &* Int(c.stride_w) &+ (Int(c.kw) &- 1) &* Int(c.dilation_w) &+ 1) &* words
    step = Int(c.stride_h)
    reach = (Int(c.kh) &- 1) &* Int(c.dilation_h) &+ 1
    isInPlace = areWords(c) && c.pad_top == 0 && c.pad_left == 0 && lineWords <= Int(c.w) &* depth && (Int(c.oh) &- 1) &* step &+ reach <= Int(c.h)
      && Int(c.x_stride) == depth && depth &* Int(c.stride_w) % 1024 != 0
    // Windows further apart than they are wide would copy pixels nobody reads.
    isUseful = c.kh &* c.kw > 1 && c.stride_w <= c.kw && c.stride_h <= c.kh
  }

  var wordsOfLine: Int { lineWords }

  /// Words copied for `lines` output lines.
  func words(_ lines: Int) -> Int { ((lines &- 1) &* step &+ reach) &* lineWords }

  /// Output lines whose copy fits `limit` words, and at most `most`; 0 where windows are the better choice. The tiles of
  /// an output line leave a remainder: in short lines it costs more than copying windows, unless windows are small and few
  /// panels read the copies.
  func linesWithin(_ limit: Int, _ most: Int, _ ow: Int, _ run: Int, _ panels: Int) -> Int {
    let isLong = ow % tileRows == 0 || ow >= 27 || ow >= 5 && run &* panels < 192
    guard isUseful, isLong, words(1) <= 128 << 10 else { return 0 }
    var lines = 1
    while lines < most && words(lines &+ 1) <= limit { lines &+= 1 }
    return lines
  }

  /// Copies what output lines line ..< line + count of an image read, unless it can be read in the image; where it is.
  func copy(
    _ c: ek_conv, _ image: UnsafePointer<Float>, _ line: Int, _ count: Int, _ to: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    if isInPlace { return image + (line &* step &- Int(c.pad_top)) &* Int(c.w) &* depth }
    copyLines(c, image, line, count, to)
    return UnsafePointer(to)
  }

  /// Copies what output lines line ..< line + count of an image read.
  func copyLines(_ c: ek_conv, _ image: UnsafePointer<Float>, _ line: Int, _ count: Int, _ to: UnsafeMutablePointer<Float>) {
    var iy = line &* step &- Int(c.pad_top)
    let end = iy &+ (count &- 1) &* step &+ reach
    var out = to
    while iy < end {
      copyLine(c, image, iy, out)
      out += lineWords
      iy &+= 1
    }
  }

  /// Copies line `iy` of an image, which may lie outside.
  func copyLine(_ c: ek_conv, _ image: UnsafePointer<Float>, _ iy: Int, _ out: UnsafeMutablePointer<Float>) {
    if iy < 0 || iy >= Int(c.h) { return zeroFloats(out, lineWords) }
    let w = Int(c.w), pixel = Int(c.x_stride)
    let left = smaller(Int(c.pad_left), lineWords / words)
    let inside = smaller(w, lineWords / words &- left)
    let from = image + iy &* w &* pixel
    zeroFloats(out, left &* words)
    if pixel == depth {
      copyPixels(c, out + left &* words, from, inside)
    } else {
      var i = 0
      while i < inside {
        copyPixels(c, out + (left &+ i) &* words, from + i &* pixel, 1)
        i &+= 1
      }
    }
    zeroFloats(out + (left &+ inside) &* words, lineWords &- (left &+ inside) &* words)
  }

  /// Copies `count` neighbouring pixels.
  @inline(__always)
  private func copyPixels(_ c: ek_conv, _ to: UnsafeMutablePointer<Float>, _ from: UnsafePointer<Float>, _ count: Int) {
    if areWords(c) { return FloatStep.copy(to, from, count, depth) }
    RowStep.copy(to, from, count, depth)
  }

  /// The windows of `count` output lines in a copy that has `width` words for each one.
  func rows(_ c: ek_conv, _ count: Int, _ copy: UnsafePointer<Float>, _ width: Int = 1) -> FloatRows {
    let line = isInPlace && width == 1 ? Int(c.w) &* depth : lineWords
    var rows = FloatRows(Int(c.ow), Int(c.kw) &* words, copy, Int(c.stride_w) &* words &* width &* 4)
    rows.lines = count
    rows.lineStride = step &* line &* width &* 4
    rows.window.lines = Int(c.kh)
    rows.window.lineStride = Int(c.dilation_h) &* line &* width &* 4
    if c.dilation_w != 1 {
      rows.window.taps = Int(c.kw)
      rows.window.steps = words
      rows.window.tapStride = Int(c.dilation_w) &* words &* width &* 4
    }
    return rows
  }
}
