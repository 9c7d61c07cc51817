import CPlatform

// Depthwise convolution: each vector of channels is a small two-dimensional filter. A unit of work is one output
// row, or a pair of them, of a block of channels. The outputs of one convolution all add their taps to the bias in the
// same order, however the work is shared.

/// A vector's worth of channels: all lanes, or the first few.
protocol ChannelLanes {
  /// How many.
  var lanes: Int { get }
  func load(_ p: UnsafePointer<Float>) -> VF
  func store(_ v: VF, _ p: UnsafeMutablePointer<Float>)
}

struct WholeLanes: ChannelLanes {
  @inline(__always) var lanes: Int { VF.scalarCount }
  @inline(__always) func load(_ p: UnsafePointer<Float>) -> VF { VF.load(p) }
  @inline(__always) func store(_ v: VF, _ p: UnsafeMutablePointer<Float>) { v.store(p) }
}

struct PartLanes: ChannelLanes {
  let count: Int
  @inline(__always) var lanes: Int { count }
  @inline(__always) func load(_ p: UnsafePointer<Float>) -> VF { loadPart(p, count) }
  @inline(__always) func store(_ v: VF, _ p: UnsafeMutablePointer<Float>) { storePart(v, p, count) }
}

/// Stores results, those from channel `channel` on of the pixel at `p`: as pairs of bfloat16 in the set that has this kernel for
/// them alone.
@inline(__always)
func putChannels<L: ChannelLanes>(_ v: VF, _ p: UnsafeMutablePointer<Float>, _ channel: Int, _ part: L) {
  #if ISA_AVX512BF16
  RowStep.storePairs(v, p + channel / 2, part.lanes)
  #else
  part.store(v, p + channel)
  #endif
}

/// Output rows, or pairs of them.
@inline(__always)
private func lineCount(_ c: ek_conv) -> Int {
  Int(c.n) &* (DepthwisePair.suits(c) ? divideUp(Int(c.oh), 2) : Int(c.oh))
}

/// Channel blocks: rows alone may be too few to share.
@inline(__always)
private func channelBlock(_ c: ek_conv) -> Int {
  let wanted = divideUp(16, lineCount(c))
  return larger(roundedUp(divideUp(Int(c.c_out), wanted), lanes), 4 &* lanes)
}

func depthwiseUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let c = args.assumingMemoryBound(to: ek_conv.self).pointee
  return Int64(lineCount(c) &* divideUp(Int(c.c_out), channelBlock(c)))
}

func noScratch(_ args: UnsafeRawPointer?) -> Int64 { 0 }

func depthwiseRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let c = args.assumingMemoryBound(to: ek_conv.self).pointee
  guard let x = c.x?.assumingMemoryBound(to: Float.self), let weights = c.weights?.assumingMemoryBound(to: Float.self),
    let y = c.y?.assumingMemoryBound(to: Float.self)
  else { return }
  let channels = Int(c.c_out), block = channelBlock(c), blocks = divideUp(channels, block)
  let isPair = DepthwisePair.suits(c)
  var unit = Int(begin)
  while unit < Int(end) {
    let line = unit / blocks
    let first = unit % blocks &* block
    let last = smaller(first &+ block, channels)
    if isPair {
      let pair = DepthwisePair(c, line, x, weights, y)
      forEachVector(first, last, { pair.run($0, WholeLanes()) }, { pair.run($0, PartLanes(count: $1)) })
    } else {
      let row = DepthwiseRow(c, line, x, weights, y)
      #if ISA_AVX512BF16
      // A kernel of pairs alone: not worth a second form.
      forEachVector(first, last, { depthwiseVector(row, $0, PartLanes(count: lanes)) }, { depthwiseVector(row, $0, PartLanes(count: $1)) })
      #else
      forEachVector(first, last, { depthwiseVector(row, $0, WholeLanes()) }, { depthwiseVector(row, $0, PartLanes(count: $1)) })
      #endif
    }
    unit &+= 1
  }
}

@inline(__always)
func forEachVector(_ first: Int, _ last: Int, _ whole: (Int) -> Void, _ part: (Int, Int) -> Void) {
  var channel = first
  while channel &+ lanes <= last {
    whole(channel)
    channel &+= lanes
  }
  if channel < last { part(channel, last &- channel) }
}

/// One output row: where its windows lie.
private struct DepthwiseRow {
  /// Channel 0 of the first tap row inside the image, at column 0; of the weights of that tap row; of the output.
  let x: UnsafePointer<Float>, weights: UnsafePointer<Float>
  let y: UnsafeMutablePointer<Float>
  let bias: UnsafePointer<Float>?, residual: UnsafePointer<Float>?
  let tapRows: Int, tapColumns: Int
  let width: Int, outputWidth: Int, stride: Int, dilation: Int, padding: Int
  /// Outputs whose windows lie inside the image: inner ..< innerEnd.
  let inner: Int, innerEnd: Int
  /// Distances in floats.
  let channels: Int, pixel: Int, tapRowStep: Int, yPixel: Int, residualPixel: Int
  let low: Float, high: Float

  init(
    _ c: ek_conv, _ line: Int, _ x: UnsafePointer<Float>, _ weights: UnsafePointer<Float>,
    _ y: UnsafeMutablePointer<Float>
  ) {
    let image = line / Int(c.oh), oy = line % Int(c.oh)
    let h = Int(c.h), w = Int(c.w), kh = Int(c.kh), dilationH = Int(c.dilation_h)
    let y0 = oy &* Int(c.stride_h) &- Int(c.pad_top)
    let firstTap = y0 < 0 ? smaller(divideUp(0 &- y0, dilationH), kh) : 0
    let endTap = y0 >= h ? firstTap : larger(firstTap, smaller(kh, divideUp(h &- y0, dilationH)))
    tapRows = endTap &- firstTap
    tapColumns = Int(c.kw)
    width = w
    outputWidth = Int(c.ow)
    stride = Int(c.stride_w)
    dilation = Int(c.dilation_w)
    padding = Int(c.pad_left)
    channels = Int(c.c_out)
    pixel = Int(c.x_stride)
    yPixel = Int(c.y_stride)
    residualPixel = Int(c.residual_stride)
    tapRowStep = dilationH &* w &* pixel
    // With no tap row inside, the address is never read; keep it inside the image.
    let firstLine = tapRows > 0 ? y0 &+ firstTap &* dilationH : 0
    self.x = x + (image &* h &+ firstLine) &* w &* pixel
    self.weights = weights + firstTap &* tapColumns &* channels
    self.y = y + line &* outputWidth &* yPixel
    bias = c.bias?.assumingMemoryBound(to: Float.self)
    residual = c.residual.map { $0.assumingMemoryBound(to: Float.self) + line &* Int(c.ow) &* Int(c.residual_stride) }
    low = c.clamp_min
    high = c.clamp_max
    let reach = (tapColumns &- 1) &* dilation
    inner = smaller(divideUp(padding, stride), outputWidth)
    let lastStart = w &+ padding &- reach &- 1
    innerEnd = lastStart < 0 ? inner : larger(inner, smaller(outputWidth, lastStart / stride &+ 1))
  }

  @inline(__always)
  func put<L: ChannelLanes>(_ sum: VF, _ ox: Int, _ channel: Int, _ part: L) {
    var sum = sum
    if let residual { sum += part.load(residual + (ox &* residualPixel &+ channel)) }
    putChannels(minimum(VF(repeating: high), maximum(VF(repeating: low), sum)), y + ox &* yPixel, channel, part)
  }
}

@inline(never)
private func depthwiseVector<L: ChannelLanes>(_ row: DepthwiseRow, _ channel: Int, _ part: L) {
  let bias = if let bias = row.bias { part.load(bias + channel) } else { VF(repeating: 0) }
  var ox = 0
  while ox < row.inner {
    depthwiseBorder(row, ox, channel, bias, part)
    ox &+= 1
  }
  if row.tapRows == 3 && row.tapColumns == 3 && row.dilation == 1 {
    ox = depthwiseThree(row, ox, channel, bias, part)
  } else {
    ox = depthwiseInner(row, ox, channel, bias, part)
  }
  while ox < row.outputWidth {
    depthwiseBorder(row, ox, channel, bias, part)
    ox &+= 1
  }
}

/// An output whose window may leave the image on the left or right.
@inline(__always)
private func depthwiseBorder<L: ChannelLanes>(_ row: DepthwiseRow, _ ox: Int, _ channel: Int, _ bias: VF, _ part: L) {
  let x0 = ox &* row.stride &- row.padding
  var sum = bias
  var tapRow = 0
  while tapRow < row.tapRows {
    let line = row.x + (tapRow &* row.tapRowStep &+ channel)
    let weights = row.weights + (tapRow &* row.tapColumns &* row.channels &+ channel)
    var tap = 0
    while tap < row.tapColumns {
      let ix = x0 &+ tap &* row.dilation
      if ix >= 0 && ix < row.width {
        sum = multiplyAdd(part.load(line + ix &* row.pixel), part.load(weights + tap &* row.channels), sum)
      }
      tap &+= 1
    }
    tapRow &+= 1
  }
  row.put(sum, ox, channel, part)
}

/// Windows of any size inside the image, four outputs at a time.
@inline(__always)
private func depthwiseInner<L: ChannelLanes>(
  _ row: DepthwiseRow, _ start: Int, _ channel: Int, _ bias: VF, _ part: L
) -> Int {
  var ox = start
  let step = row.stride &* row.pixel, tapStep = row.dilation &* row.pixel
  while ox &+ 4 <= row.innerEnd {
    var s0 = bias, s1 = bias, s2 = bias, s3 = bias
    var line = row.x + ((ox &* row.stride &- row.padding) &* row.pixel &+ channel)
    var weights = row.weights + channel
    var tapRow = 0
    while tapRow < row.tapRows {
      var p = line
      var tap = 0
      while tap < row.tapColumns {
        let weight = part.load(weights)
        s0 = multiplyAdd(part.load(p), weight, s0)
        s1 = multiplyAdd(part.load(p + step), weight, s1)
        s2 = multiplyAdd(part.load(p + 2 &* step), weight, s2)
        s3 = multiplyAdd(part.load(p + 3 &* step), weight, s3)
        p += tapStep
        weights += row.channels
        tap &+= 1
      }
      line += row.tapRowStep
      tapRow &+= 1
    }
    row.put(s0, ox, channel, part)
    row.put(s1, ox &+ 1, channel, part)
    row.put(s2, ox &+ 2, channel, part)
    row.put(s3, ox &+ 3, channel, part)
    ox &+= 4
  }
  while ox < row.innerEnd {
    depthwiseBorder(row, ox, channel, bias, part)
    ox &+= 1
  }
  return ox
}

/// 3x3 windows inside the image, with the weights in registers.
@inline(__always)
private func depthwiseThree<L: ChannelLanes>(
  _ row: DepthwiseRow, _ start: Int, _ channel: Int, _ bias: VF, _ part: L
) -> Int {
  let w = row.weights + channel, c = row.channels, pixel = row.pixel
  let w0 = part.load(w), w1 = part.load(w + c), w2 = part.load(w + 2 &* c)
  let w3 = part.load(w + 3 &* c), w4 = part.load(w + 4 &* c), w5 = part.load(w + 5 &* c)
  let w6 = part.load(w + 6 &* c), w7 = part.load(w + 7 &* c), w8 = part.load(w + 8 &* c)
  var ox = start
  var p0 = row.x + ((ox &* row.stride &- row.padding) &* pixel &+ channel)
  let step = row.stride &* pixel
  while ox < row.innerEnd {
    let p1 = p0 + row.tapRowStep
    let p2 = p1 + row.tapRowStep
    var sum = multiplyAdd(part.load(p0), w0, bias)
    sum = multiplyAdd(part.load(p0 + pixel), w1, sum)
    sum = multiplyAdd(part.load(p0 + 2 &* pixel), w2, sum)
    sum = multiplyAdd(part.load(p1), w3, sum)
    sum = multiplyAdd(part.load(p1 + pixel), w4, sum)
    sum = multiplyAdd(part.load(p1 + 2 &* pixel), w5, sum)
    sum = multiplyAdd(part.load(p2), w6, sum)
    sum = multiplyAdd(part.load(p2 + pixel), w7, sum)
    sum = multiplyAdd(part.load(p2 + 2 &* pixel), w8, sum)
    row.put(sum, ox, channel, part)
    p0 += step
    ox &+= 1
  }
  return ox
}
