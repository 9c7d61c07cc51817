#if ISA_AVX2 || ISA_NEON || ISA_AVX512BF16
import CPlatform

// Windows of output pixels as rows of signs.

/// The place of an output pixel.
private struct Pixel {
  private let args: UnsafePointer<ek_conv>
  private(set) var image: Int, y: Int, x: Int

  init(_ plan: BinaryPlan, _ number: Int) {
    args = plan.args
    let line = number / Int(args.pointee.ow)
    image = line / Int(args.pointee.oh)
    y = line &- image &* Int(args.pointee.oh)
    x = number &- line &* Int(args.pointee.ow)
  }

  /// Moves to the next pixel.
  @inline(__always) mutating func move() {
    x &+= 1
    if x < Int(args.pointee.ow) { return }
    (x, y) = (0, y &+ 1)
    if y < Int(args.pointee.oh) { return }
    (y, image) = (0, image &+ 1)
  }
}

/// The window of one output pixel.
private struct Window {
  let range: TapRange
  /// Where the signs of the first tap are, in bytes, and how far its neighbours are below and beside it.
  private let origin: Int, lineStride: Int, tapStride: Int

  /// Without any tap in the image.
  @inline(__always) init() { (range, origin, lineStride, tapStride) = (TapRange(), 0, 0, 0) }

  @inline(__always) init(_ c: ek_conv, _ pixel: Pixel) {
    let stride = Int(c.x_stride)
    lineStride = Int(c.dilation_h) &* Int(c.w) &* stride
    tapStride = Int(c.dilation_w) &* stride
    let y = pixel.y &* Int(c.stride_h) &- Int(c.pad_top)
    let x = pixel.x &* Int(c.stride_w) &- Int(c.pad_left)
    let (top, bottom) = Window.inside(y, Int(c.h), Int(c.dilation_h), Int(c.kh))
    let (left, right) = Window.inside(x, Int(c.w), Int(c.dilation_w), Int(c.kw))
    range = TapRange(top: top, bottom: bottom, left: left, right: right)
    origin = ((pixel.image &* Int(c.h) &+ y) &* Int(c.w) &+ x) &* stride
  }

  /// The taps inside `size` elements, of `count` from `first` on that are `apart`.
  @inline(__always) private static func inside(_ first: Int, _ size: Int, _ apart: Int, _ count: Int) -> (Int32, Int32) {
    if first >= 0 && first &+ (count &- 1) &* apart < size { return (0, Int32(truncatingIfNeeded: count)) }
    let begin = smaller(first < 0 ? divideUp(0 &- first, apart) : 0, count)
    let end = larger(smaller(divideUp(larger(size &- first, 0), apart), count), begin)
    return (Int32(truncatingIfNeeded: begin), Int32(truncatingIfNeeded: end))
  }

  /// Its taps of line `ky`.
  @inline(__always)
  func line(_ x: UnsafeRawPointer, _ ky: Int, _ kw: Int) -> WindowLine {
    let isInside = ky >= Int(range.top) && ky < Int(range.bottom)
    return WindowLine(
      begin: isInside ? Int(range.left) : kw, end: isInside ? Int(range.right) : kw, signs: x + (origin &+ ky &* lineStride),
      tapStride: tapStride)
  }
}

/// A line of a window: its taps begin ..< end lie in the image.
private struct WindowLine {
  let begin: Int, end: Int
  let signs: UnsafeRawPointer
  let tapStride: Int

  /// The signs of a tap in the image.
  @inline(__always) func tap(_ kx: Int) -> UnsafeRawPointer? { kx >= begin && kx < end ? signs + kx &* tapStride : nil }
  /// How many taps from `kx` on lie in the image as that does, or do not.
  @inline(__always) func run(_ kx: Int, _ kw: Int) -> Int { (kx < begin ? begin : kx < end ? end : kw) &- kx }
}

/// Copies the windows of `rows` output pixels from number `first` on.
func gatherSigns(
  _ plan: BinaryPlan, _ first: Int, _ rows: Int, _ to: UnsafeMutableRawPointer, _ ranges: UnsafeMutablePointer<TapRange>
) {
  let c = plan.args.pointee
  guard let x = c.x.map({ UnsafeRawPointer($0) }) else { return }
  let kw = Int(c.kw)
  let tapBytes = plan.tapSteps &* CountStep.elementBytes
  // The taps of a line are one run where their channels are whole words.
  let areJoined = c.c_in % 64 == 0 && c.dilation_w == 1 && Int(c.x_stride) == plan.pixelWords &* 8
  var pixel = Pixel(plan, first)
  var row = 0
  while row < rows {
    let window = Window(c, pixel)
    ranges[row] = window.range
    pixel.move()
    var other = Window()
    if rowsTogether == 2 && row &+ 1 < rows {
      other = Window(c, pixel)
      ranges[row &+ 1] = other.range
      pixel.move()
    }
    var out = to + row / rowsTogether &* plan.rowBytes
    var ky = 0
    while ky < Int(c.kh) {
      let line = window.line(x, ky, kw)
      let otherLine = other.line(x, ky, kw)
      var kx = 0
      while kx < kw {
        var taps = 1
        if areJoined {
          taps = line.run(kx, kw)
          if rowsTogether == 2 { taps = smaller(taps, otherLine.run(kx, kw)) }
        }
        let signs = line.tap(kx)
        let otherSigns = rowsTogether == 2 ? otherLine.tap(kx) : nil
        let words = taps &* plan.pixelWords
        var word = 0
        while word < words {
          copySigns(out + word &* granule, signs64(signs, word), signs64(otherSigns, word))
          word &+= 1
        }
        out += taps &* tapBytes
        kx &+= taps
      }
      ky &+= 1
    }
    // Steps that fill up the number of steps.
    if stepsTogether > 1 { copySigns(out, 0, 0) }
    row &+= rowsTogether
  }
}

@inline(__always) private func signs64(_ signs: UnsafeRawPointer?, _ word: Int) -> UInt64 {
  guard let signs else { return 0 }
  return signs.loadUnaligned(fromByteOffset: word &* 8, as: UInt64.self)
}
#endif
