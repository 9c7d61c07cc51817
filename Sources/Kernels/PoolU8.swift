import CPlatform

// Pooling of uint8 images over vectors of channels. A unit of work is one row of output pixels; taps in the
// padding are skipped.

/// The taps of a window along one axis that meet the image, and how many lie inside the padded image.
private struct PoolSpanU8 {
  let first: Int
  let count: Int
  let padded: Int

  @inline(__always)
  init(_ start: Int, _ taps: Int, _ dilation: Int, _ size: Int, _ padAfter: Int) {
    // A division takes longer than the rest of a small window.
    @inline(__always) func steps(_ distance: Int) -> Int { dilation == 1 ? distance : divideUp(distance, dilation) }
    let before = start < 0 ? smaller(steps(0 &- start), taps) : 0
    let end = start >= size ? before : larger(before, smaller(taps, steps(size &- start)))
    first = start &+ before &* dilation
    count = end &- before
    let room = size &+ padAfter &- start
    padded = room <= 0 ? 0 : smaller(taps, steps(room))
  }
}

/// The real pixels of one window.
private struct PoolWindowU8 {
  let x: UnsafePointer<UInt8>
  let rows: Int
  let columns: Int
  let rowStep: Int
  let columnStep: Int

  /// Visits the address of `channel` in each pixel.
  @inline(__always)
  func forEach(_ channel: Int, _ body: (UnsafePointer<UInt8>) -> Void) {
    var line = x + channel
    var row = rows
    while row > 0 {
      var p = line
      var column = columns
      while column > 0 {
        body(p)
        p += columnStep
        column &-= 1
      }
      line += rowStep
      row &-= 1
    }
  }
}

/// Visits the windows of the rows begin ..< end: (window, its output pixel, pixels that count for an average). `run` may
/// take some of the windows inside the image that follow each other, and says how many: (first pixel, windows, readable
/// bytes from there, output).
@inline(__always)
private func forEachWindow(
  _ p: ek_pool, _ begin: Int, _ end: Int,
  _ run: (UnsafePointer<UInt8>, Int, Int, UnsafeMutablePointer<UInt8>) -> Int,
  _ body: (PoolWindowU8, UnsafeMutablePointer<UInt8>, Int) -> Void
) {
  guard let x = p.x?.assumingMemoryBound(to: UInt8.self), let y = p.y?.assumingMemoryBound(to: UInt8.self) else { return }
  let oh = Int(p.oh), ow = Int(p.ow), w = Int(p.w), pixel = Int(p.x_stride)
  let bytes = (Int(p.n) &* Int(p.h) &* w &- 1) &* pixel &+ Int(p.c)
  // Output columns whose windows are inside the image's width.
  let insideFrom = divideUp(Int(p.pad_left), Int(p.stride_w))
  let insideTo = smaller(
    (w &- 1 &- (Int(p.kw) &- 1) &* Int(p.dilation_w) &+ Int(p.pad_left) &+ Int(p.stride_w)) / Int(p.stride_w), ow)
  var unit = begin
  while unit < end {
    let rows = PoolSpanU8(
      unit % oh &* Int(p.stride_h) &- Int(p.pad_top), Int(p.kh), Int(p.dilation_h), Int(p.h), Int(p.pad_bottom))
    let line = (unit / oh &* Int(p.h) &+ rows.first) &* w
    var column = 0
    while column < ow {
      if column == insideFrom && column < insideTo && rows.count == Int(p.kh) {
        let first = (line &+ column &* Int(p.stride_w) &- Int(p.pad_left)) &* pixel
        let done = run(x + first, insideTo &- column, bytes &- first, y + (unit &* ow &+ column) &* Int(p.y_stride))
        column &+= done
        if done > 0 { continue }
      }
      let columns = PoolSpanU8(
        column &* Int(p.stride_w) &- Int(p.pad_left), Int(p.kw), Int(p.dilation_w), w, Int(p.pad_right))
      let isEmpty = rows.count == 0 || columns.count == 0
      let window = PoolWindowU8(
        x: isEmpty ? x : x + (line &+ columns.first) &* pixel, rows: isEmpty ? 0 : rows.count, columns: columns.count,
        rowStep: Int(p.dilation_h) &* w &* pixel, columnStep: Int(p.dilation_w) &* pixel)
      body(
        window, y + (unit &* ow &+ column) &* Int(p.y_stride),
        p.count_include_pad != 0 ? rows.padded &* columns.padded : rows.count &* columns.count)
      column &+= 1
    }
    unit &+= 1
  }
}

func poolUnitsU8(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let p = args.assumingMemoryBound(to: ek_pool.self).pointee
  return Int64(p.n) &* Int64(p.oh)
}

func maxPoolRunU8(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  maxPool(args.assumingMemoryBound(to: ek_pool.self).pointee, Int(begin), Int(end))
}

/// Processors without AVX2 are few: not worth the code.
#if ISA_SSE2
@inline(__always) private var takesFew: Bool { false }
#else
@inline(__always) private var takesFew: Bool { true }
#endif

/// Windows inside the image whose channels fill less than a register. Registers reach into the next pixels: results written
/// there are overwritten by their own. `room`: bytes that may be read from `x` on. Returns how many of `count` neighbouring
/// windows it did, which leaves those whose registers would reach too far.
@inline(never)
private func maxOfFew(_ p: ek_pool, _ x: UnsafePointer<UInt8>, _ count: Int, _ room: Int, _ y: UnsafeMutablePointer<UInt8>) -> Int {
  typealias Register = SIMD16<UInt8>
  let width = Register.scalarCount, channels = Int(p.c)
  let tapStep = Int(p.dilation_w) &* Int(p.x_stride), lineStep = Int(p.dilation_h) &* Int(p.w) &* Int(p.x_stride)
  let pixelStep = Int(p.stride_w) &* Int(p.x_stride)
  let reach = (Int(p.kh) &- 1) &* lineStep &+ (Int(p.kw) &- 1) &* tapStep &+ width
  guard channels < width, p.y_stride == p.c, room >= reach, count &* channels >= width else { return 0 }
  let done = smaller((room &- reach) / pixelStep, (count &* channels &- width) / channels) &+ 1
  let low = Register(repeating: UInt8(truncatingIfNeeded: p.q_min)), high = Register(repeating: UInt8(truncatingIfNeeded: p.q_max))
  var from = x, to = y
  var left = done
  while left > 0 {
    var best = low
    var line = from
    var lines = p.kh
    while lines > 0 {
      var tap = line
      var taps = p.kw
      while taps > 0 {
        let next = Register.load(tap)
        best.replace(with: next, where: next .> best)
        tap += tapStep
        taps &-= 1
      }
      line += lineStep
      lines &-= 1
    }
    best.replace(with: high, where: best .> high)
    best.store(to)
    from += pixelStep
    to += channels
    left &-= 1
  }
  return done
}

@inline(never)
private func maxPool(_ p: ek_pool, _ begin: Int, _ end: Int) {
  let low = UInt8(truncatingIfNeeded: p.q_min), high = UInt8(truncatingIfNeeded: p.q_max)
  let channels = Int(p.c)
  forEachWindow(p, begin, end, { takesFew ? maxOfFew(p, $0, $1, $2, $3) : 0 }) { window, y, _ in
    let width = BytesU8.scalarCount
    var channel = 0
    // Two registers at a time: walking over a window takes as long as looking at it.
    while channel &+ 2 &* width <= channels {
      var first = BytesU8(repeating: low), second = first
      window.forEach(channel) {
        first = largerBytes(first, BytesU8.load($0))
        second = largerBytes(second, BytesU8.load($0 + width))
      }
      smallerBytes(first, BytesU8(repeating: high)).store(y + channel)
      smallerBytes(second, BytesU8(repeating: high)).store(y + (channel &+ width))
      channel &+= 2 &* width
    }
    while channel &+ width <= channels {
      var best = BytesU8(repeating: low)
      window.forEach(channel) { best = largerBytes(best, BytesU8.load($0)) }
      smallerBytes(best, BytesU8(repeating: high)).store(y + channel)
      channel &+= width
    }
    while channel < channels {
      let count = smaller(channels &- channel, 8)
      var best = SIMD8<UInt8>(repeating: low)
      window.forEach(channel) {
        let next = unsafeBitCast(loadFewBytes($0, count), to: SIMD8<UInt8>.self)
        best.replace(with: next, where: next .> best)
      }
      let limit = SIMD8<UInt8>(repeating: high)
      best.replace(with: limit, where: best .> limit)
      storeFewBytes(unsafeBitCast(best, to: UInt64.self), y + channel, count)
      channel &+= 8
    }
  }
}

func averagePoolRunU8(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  averagePool(args.assumingMemoryBound(to: ek_pool.self).pointee, Int(begin), Int(end))
}

@inline(never)
private func averagePool(_ p: ek_pool, _ begin: Int, _ end: Int) {
  let channels = Int(p.c)
  let quantizer = QuantizerU8(zeroPoint: p.y_zero_point, low: p.q_min, high: p.q_max)
  forEachWindow(p, begin, end, { _, _, _, _ in 0 }) { window, y, count in
    let scale = count > 0 ? p.scale / Float(Int32(truncatingIfNeeded: count)) : 0
    let pixels = Int32(truncatingIfNeeded: window.rows &* window.columns)
    let zero = VI(repeating: pixels &* p.x_zero_point)
    var channel = 0
    while channel &+ 2 &* lanes <= channels {
      var low = VI(repeating: 0), high = VI(repeating: 0)
      window.forEach(channel) {
        low = low &+ widenBytes($0)
        high = high &+ widenBytes($0 + lanes)
      }
      narrowBytes(
        quantizer.quantized(toFloat(low &- zero) * VF(repeating: scale)),
        quantizer.quantized(toFloat(high &- zero) * VF(repeating: scale)), y + channel)
      channel &+= 2 &* lanes
    }
    while channel < channels {
      let part = smaller(channels &- channel, lanes)
      var sum = VI(repeating: 0)
      window.forEach(channel) { sum = sum &+ widenBytesPart($0, part) }
      narrowBytesPart(quantizer.quantized(toFloat(sum &- zero) * VF(repeating: scale)), y + channel, part)
      channel &+= lanes
    }
  }
}
