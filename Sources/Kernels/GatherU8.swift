import CPlatform

// Lays out the input windows of output pixels as rows of a matrix (im2col of one block). Most pixels have windows
// inside the image, whose lines are runs of neighbouring bytes at an even distance: those are copied in a tight
// loop. The others go tap by tap.

#if !ISA_AVX512VNNI
/// Bytes of the longest single move.
@inline(__always) private var lineBytes: Int { 16 }
#endif

/// Three lines of one move each are most of the windows there are: of colours, and of few channels.
@inline(__always) func isShortWindowU8(_ lines: Int, _ lineBytes: Int) -> Bool { lines == 3 && lineBytes <= 16 }

/// Copies windows of one group of channels.
struct WindowsU8 {
  private let x: UnsafePointer<UInt8>
  private let end: UnsafePointer<UInt8>
  private let channels: Int
  /// Bytes from pixel to pixel, from line to line, from image to image.
  private let pixel: Int, line: Int, image: Int
  private let h: Int, w: Int, oh: Int, ow: Int
  private let kh: Int, kw: Int
  private let strideH: Int, strideW: Int, dilationH: Int, dilationW: Int, padTop: Int, padLeft: Int
  private let zeroPoint: UInt8
  private let rowBytes: Int
  /// A window's line is one run.
  private let hasRuns: Bool
  /// Output columns whose windows are inside the image's width.
  private let insideFrom: Int, insideTo: Int

  /// `rowBytes`: distance of the rows to be written.
  init(_ a: ek_conv, _ first: UnsafePointer<UInt8>, group: Int, rowBytes: Int) {
    (h, w, oh, ow) = (Int(a.h), Int(a.w), Int(a.oh), Int(a.ow))
    (kh, kw) = (Int(a.kh), Int(a.kw))
    (strideH, strideW) = (Int(a.stride_h), Int(a.stride_w))
    (dilationH, dilationW) = (Int(a.dilation_h), Int(a.dilation_w))
    (padTop, padLeft) = (Int(a.pad_top), Int(a.pad_left))
    zeroPoint = UInt8(truncatingIfNeeded: a.x_zero_point)
    self.rowBytes = rowBytes
    channels = Int(a.c_in / a.groups)
    pixel = Int(a.x_stride)
    line = w &* pixel
    image = h &* line
    x = first + group &* channels
    end = first + (Int(a.n) &* image &- pixel &+ Int(a.c_in))
    hasRuns = kw == 1 || dilationW == 1 && channels == pixel
    insideFrom = divideUp(padLeft, strideW)
    let room = w &- 1 &- (kw &- 1) &* dilationW &+ padLeft
    insideTo = room < 0 ? 0 : smaller(room / strideW &+ 1, ow)
  }

  /// Writes `count` windows from output pixel `first` on. The bytes between a window and the next row are left
  /// undefined; up to 64 bytes beyond the last row are overwritten.
  @inline(never)
  func gather(
    _ first: Int, _ count: Int, _ rows: UnsafeMutableRawPointer, _ lines: LinesU8? = nil, _ copies: UnsafeMutableRawPointer? = nil
  ) {
    if let lines, let copies { return gather(first, count, rows, through: lines, copies) }
    var column = first % ow
    var y = first / ow % oh
    var picture = x + first / (ow &* oh) &* image
    var row = rows
    var left = count
    while left > 0 {
      let part = smaller(left, ow &- column)
      outputLine(picture, y &* strideH &- padTop, column, part, row)
      row += part &* rowBytes
      left &-= part
      column = 0
      y &+= 1
      if y == oh {
        y = 0
        picture += image
      }
    }
  }

  /// The same for windows of few activations of which many reach into the padding: `copies` is room for the lines of one output line.
  private func gather(
    _ first: Int, _ count: Int, _ rows: UnsafeMutableRawPointer, through lines: LinesU8, _ copies: UnsafeMutableRawPointer
  ) {
    let runBytes = kw &* channels &* activationBytes
    var pixel = first
    var row = rows
    while pixel < first &+ count {
      let column = pixel % ow
      copyLines(pixel / (ow &* oh), pixel / ow % oh, lines, 1, copies)
      var from = UnsafeRawPointer(copies) + column &* lines.stride
      var left = smaller(first &+ count &- pixel, ow &- column)
      pixel &+= left
      while left > 0 {
        var to = row, run = from
        var tap = kh
        while tap > 0 {
          var i = 0
          while i < runBytes {
            (to + i).storeBytes(of: (run + i).loadUnaligned(as: SIMD16<UInt8>.self), as: SIMD16<UInt8>.self)
            i &+= 16
          }
          to += runBytes
          run += lines.distance
          tap &-= 1
        }
        row += rowBytes
        from += lines.stride
        left &-= 1
      }
    }
  }

  /// Copies the image lines, with their padding, that `count` output lines from `first` on read. Up to 15 activations behind
  /// the last are overwritten.
  @inline(never)
  func copyLines(_ picture: Int, _ first: Int, _ lines: LinesU8, _ count: Int, _ to: UnsafeMutableRawPointer) {
    let width = lines.width
    let before = smaller(padLeft, width)
    let inside = smaller(w, width &- before)
    let bytes = channels &* activationBytes
    var out = to
    var y = first &* strideH &- padTop
    var left = lines.count(count)
    while left > 0 {
      let isInside = y >= 0 && y < h
      let empty = isInside ? before : width
      fill(out, empty &* channels)
      if isInside {
        copy(out + before &* bytes, x + (picture &* image &+ y &* line), inside &* channels)
        fill(out + (before &+ inside) &* bytes, (width &- before &- inside) &* channels)
      }
      out += width &* bytes
      y &+= 1
      left &-= 1
    }
  }

  /// Windows of neighbouring output columns, whose first line is `top`.
  private func outputLine(
    _ picture: UnsafePointer<UInt8>, _ top: Int, _ first: Int, _ count: Int, _ rows: UnsafeMutableRawPointer
  ) {
    var column = first
    var row = rows
    let last = first &+ count
    let isInside = hasRuns && top >= 0 && top &+ (kh &- 1) &* dilationH < h
    while column < last {
      let left = column &* strideW &- padLeft
      if isInside && column >= insideFrom && column < insideTo {
        let from = picture + (top &* line &+ left &* pixel)
        let copied = copyInside(from, smaller(insideTo, last) &- column, row)
        column &+= copied
        row += copied &* rowBytes
        if copied > 0 { continue }
      }
      window(picture, top, left, row)
      column &+= 1
      row += rowBytes
    }
  }

  /// Copies windows inside the image in whole sixteens, as many as that keeps within the tensor. What is written
  /// too much is overwritten by the next line, or lies behind the last row.
  private func copyInside(_ first: UnsafePointer<UInt8>, _ count: Int, _ rows: UnsafeMutableRawPointer) -> Int {
    let run = kw &* channels
    let lineStep = dilationH &* line, pixelStep = strideW &* pixel
    let isShort = isShortWindowU8(kh, run), isLine = kh == 3 && !isShort && run <= lineBytes
    let reach = (kh &- 1) &* lineStep &+ (isLine ? lineBytes : roundedUp(run, 16))
    let room = end - first &- reach
    if room < 0 { return 0 }
    let windows = pixelStep > 0 ? smaller(count, room / pixelStep &+ 1) : count
    let runBytes = run &* activationBytes
    var from = first
    var row = rows
    var left = windows
    while isShort && left > 0 {
      moveActivations(row, from)
      moveActivations(row + runBytes, from + lineStep)
      moveActivations(row + 2 &* runBytes, from + 2 &* lineStep)
      row += rowBytes
      from += pixelStep
      left &-= 1
    }
    #if ISA_AVX512VNNI
    while isLine && left > 0 {
      moveLine(row, from)
      moveLine(row + runBytes, from + lineStep)
      moveLine(row + 2 &* runBytes, from + 2 &* lineStep)
      row += rowBytes
      from += pixelStep
      left &-= 1
    }
    #endif
    while left > 0 {
      var to = row
      var p = from
      var tap = kh
      while tap > 0 {
        var i = 0
        #if ISA_AVX512VNNI
        while i &+ lineBytes <= run {
          moveLine(to + i, p + i)
          i &+= lineBytes
        }
        while i &+ 16 < run {
          moveHalfLine(to + i, p + i)
          i &+= lineBytes / 2
        }
        #endif
        while i < run {
          moveActivations(to + i &* activationBytes, p + i)
          i &+= 16
        }
        to += runBytes
        p += lineStep
        tap &-= 1
      }
      row += rowBytes
      from += pixelStep
      left &-= 1
    }
    return windows
  }

  /// One window of any kind, reading nothing outside the tensor.
  private func window(
    _ picture: UnsafePointer<UInt8>, _ top: Int, _ left: Int, _ row: UnsafeMutableRawPointer
  ) {
    var to = row
    var tapY = 0
    while tapY < kh {
      let y = top &+ tapY &* dilationH
      if y < 0 || y >= h {
        fill(to, kw &* channels)
        to += kw &* channels &* activationBytes
      } else {
        // Where a line is one run, all its taps inside the image are copied at once.
        let together = hasRuns ? kw : 1
        var tapX = 0
        while tapX < kw {
          let column = left &+ tapX &* dilationW
          let before = smaller(column < 0 ? 0 &- column : 0, together)
          let inside = larger(smaller(w &- column, together) &- before, 0)
          fill(to, before &* channels)
          to += before &* channels &* activationBytes
          copy(to, picture + (y &* line &+ (column &+ before) &* pixel), inside &* channels)
          to += inside &* channels &* activationBytes
          let after = (together &- before &- inside) &* channels
          fill(to, after)
          to += after &* activationBytes
          tapX &+= together
        }
      }
      tapY &+= 1
    }
  }

  /// Copies `count` activations; up to fifteen behind them may be written too.
  @inline(__always)
  private func copy(_ to: UnsafeMutableRawPointer, _ from: UnsafePointer<UInt8>, _ count: Int) {
    var i = 0
    while i < count, i &+ 16 <= end - from {
      moveActivations(to + i &* activationBytes, from + i)
      i &+= 16
    }
    while i < count {
      if activationBytes == 1 {
        to.storeBytes(of: from[i], toByteOffset: i, as: UInt8.self)
      } else {
        to.storeBytes(of: Int16(from[i]), toByteOffset: 2 &* i, as: Int16.self)
      }
      i &+= 1
    }
  }

  /// Writes `count` zero points; up to fifteen behind them may be written too.
  @inline(__always)
  private func fill(_ to: UnsafeMutableRawPointer, _ count: Int) {
    var i = 0
    while i < count {
      let place = to + i &* activationBytes
      if activationBytes == 1 {
        place.storeBytes(of: SIMD16<UInt8>(repeating: zeroPoint), as: SIMD16<UInt8>.self)
      } else {
        place.storeBytes(of: SIMD16<Int16>(repeating: Int16(zeroPoint)), as: SIMD16<Int16>.self)
      }
      i &+= 16
    }
  }
}
