import CPlatform

// Depthwise convolution of uint8 images: vectors run over channels. The taps of a pixel are a list of addresses,
// so any kernel size, stride and dilation is the same loop; a tap in the padding is the address of bytes that hold
// the zero point. Taps are taken a few at a time, as many as the multiplier sums in a lane.
//
// Where weights are packed as bytes, a zero point is one more set of taps, at the same addresses, whose weights are all
// its negative; that of -128 takes two (127 and 1).
//
// Where a few channels leave room in the registers, and pixels lie side by side in both images, neighbouring pixels are
// taken together: their channels follow one another like those of one pixel, with the same weights again.
//
// Packed weights: for each block of channels its corrections (Int32) and scales (Float) in lane order, then the
// weights of each step of taps.

/// How a depthwise convolution is cut into units: rows of output pixels by chunks of channel blocks.
private struct DepthwiseShapeU8 {
  let channels: Int
  /// Output pixels taken together.
  let together: Int
  /// Taps of the window, and with those that stand for a zero point.
  let window: Int
  let taps: Int
  /// The window is one of `DepthwiseThreeU8`, whose order its taps have; `steps` counts what fills them up too.
  let isThree: Bool
  let steps: Int
  let blocks: Int
  /// One or two lines of pixels make a row; rows of all images.
  let rows: Int
  /// Lines of a row, and rows of an image.
  let lines: Int
  let imageRows: Int
  let chunkBlocks: Int
  let chunks: Int

  private static var enoughUnits: Int { 16 }
  /// Bounds the zero-point bytes in scratch.
  private static var chunkChannels: Int { 4096 }

  init(_ a: ek_conv) {
    channels = Int(a.c_out)
    let isSideBySide = a.stride_w == 1 && a.x_stride == a.c_out && a.y_stride == a.c_out && a.residual_stride == a.c_out
    together = isSideBySide && channels > 0 && DepthwiseSumsU8.channels % channels == 0 ? DepthwiseSumsU8.channels / channels : 1
    window = Int(a.kh) &* Int(a.kw)
    let isPlain = a.w_zero_point == 0 || MemoryLayout<DepthwiseSumsU8.Weight>.size > 1
    taps = window &* (isPlain ? 1 : a.w_zero_point == -128 ? 3 : 2)
    #if !ISA_SSE2
    isThree = together == 1 && DepthwiseThreeU8.suits(a)
    steps = divideUp(isThree ? DepthwiseThreeU8.taps : taps, DepthwiseSumsU8.taps)
    lines = isThree && DepthwiseThreeU8.takesTwoLines && a.stride_h == 1 && a.stride_w == 1 ? 2 : 1
    #else
    isThree = false
    lines = 1
    steps = divideUp(taps, DepthwiseSumsU8.taps)
    #endif
    blocks = divideUp(channels, DepthwiseSumsU8.channels)
    imageRows = divideUp(Int(a.oh), lines)
    rows = Int(a.n) &* imageRows
    let wanted = rows == 0 ? 1 : divideUp(Self.enoughUnits, rows)
    let chunk = divideUp(blocks, wanted)
    let limit = Self.chunkChannels / DepthwiseSumsU8.channels
    chunkBlocks = chunk < limit ? chunk : limit
    chunks = chunkBlocks == 0 ? 0 : divideUp(blocks, chunkBlocks)
  }

  /// The tap of the window, or behind it, that stands at a place of the packed taps; nil where it is one that is there already.
  @inline(__always) func tap(at place: Int) -> Int? {
    #if !ISA_SSE2
    if isThree { return DepthwiseThreeU8.tap(at: place) }
    #endif
    return place
  }

  var units: Int { rows &* chunks }
  var stepBytes: Int {
    DepthwiseSumsU8.taps &* DepthwiseSumsU8.channels &* MemoryLayout<DepthwiseSumsU8.Weight>.size
  }
  var blockBytes: Int { 8 &* DepthwiseSumsU8.channels &+ steps &* stepBytes }
  var addressBytes: Int { isThree ? 0 : roundedUp(steps &* DepthwiseSumsU8.taps &* MemoryLayout<Int>.size, 64) }
  var scratchBytes: Int { addressBytes &+ chunkBlocks &* DepthwiseSumsU8.channels }
}

@inline(__always) private func conv(_ args: UnsafeRawPointer?) -> UnsafePointer<ek_conv> {
  args.unsafelyUnwrapped.assumingMemoryBound(to: ek_conv.self)
}

func depthwiseUnitsU8(_ args: UnsafeRawPointer?) -> Int64 { Int64(DepthwiseShapeU8(conv(args).pointee).units) }

func depthwiseScratchU8(_ args: UnsafeRawPointer?) -> Int64 {
  Int64(DepthwiseShapeU8(conv(args).pointee).scratchBytes)
}

func depthwisePackedBytesU8(_ args: UnsafeRawPointer?) -> Int64 {
  let shape = DepthwiseShapeU8(conv(args).pointee)
  return Int64(shape.blocks &* shape.blockBytes)
}

func depthwisePackU8(_ args: UnsafeRawPointer?, _ packed: UnsafeMutableRawPointer?) {
  packBlocks(conv(args).pointee, packed.unsafelyUnwrapped)
}

func depthwiseRunU8(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  DepthwiseRunU8(conv(args), scratch.unsafelyUnwrapped).run(Int(begin), Int(end))
}

@inline(never)
private func packBlocks(_ a: ek_conv, _ packed: UnsafeMutableRawPointer) {
  let shape = DepthwiseShapeU8(a)
  let width = DepthwiseSumsU8.channels, together = DepthwiseSumsU8.taps
  let bias = a.bias?.assumingMemoryBound(to: Int32.self)
  var block = packed
  var first = 0
  while first < shape.channels {
    let sums = block.assumingMemoryBound(to: Int32.self)
    let scales = (block + 4 &* width).assumingMemoryBound(to: Float.self)
    @inline(__always) func channel(_ lane: Int) -> Int {
      let channel = first &+ DepthwiseSumsU8.channel(lane)
      return shape.together > 1 ? channel % shape.channels : channel
    }
    var lane = 0
    while lane < width {
      sums[lane] = 0
      lane &+= 1
    }
    // This runs over every weight when a model is loaded: the weights of a tap lie side by side.
    var place = 0
    #if ISA_AVX512VNNI
    if shape.together == 1, shape.taps == shape.window {
      var all = DepthwiseSumsU8(block)
      while place < shape.steps &* together {
        all.pack(smaller(shape.channels &- first, width), block + (8 &* width &+ place / together &* shape.stepBytes)) { index in
          guard let tap = shape.tap(at: place &+ index), tap < shape.window else { return nil }
          return a.weights.assumingMemoryBound(to: UInt8.self) + (tap &* shape.channels &+ first)
        }
        place &+= together
      }
      let vectors = block.assumingMemoryBound(to: VI.self)
      (vectors[0], vectors[1], vectors[2], vectors[3]) = (all.s0, all.s1, all.s2, all.s3)
    }
    #endif
    while place < shape.steps &* together {
      guard let tap = shape.tap(at: place) else {
        place &+= 1
        continue
      }
      let weights = (block + (8 &* width &+ place / together &* shape.stepBytes)).assumingMemoryBound(to: DepthwiseSumsU8.Weight.self)
      let isReal = tap < shape.window
      let row = a.weights.assumingMemoryBound(to: Int8.self) + (isReal ? tap &* shape.channels : 0)
      // What is subtracted from a weight, or stands for all.
      let zero = shape.taps == shape.window ? a.w_zero_point : 0
      let same: Int32 = tap >= shape.taps ? 0 : tap >= 2 &* shape.window ? 1 : a.w_zero_point == -128 ? 127 : 0 &- a.w_zero_point
      lane = 0
      while lane < width {
        let channel = channel(lane)
        var weight: Int32 = 0
        if channel < shape.channels { weight = isReal ? Int32(row[channel]) &- zero : same }
        sums[lane] &+= weight
        weights[DepthwiseSumsU8.weightIndex(lane, place % together)] = DepthwiseSumsU8.Weight(truncatingIfNeeded: weight)
        lane &+= 1
      }
      place &+= 1
    }
    #if ISA_AVX2 || ISA_AVX512VNNI
    if shape.isThree { DepthwiseThreeU8.packSecondLine(block + 8 &* width) }
    #endif
    lane = 0
    while lane < width {
      let channel = channel(lane)
      var correction: Int32 = 0
      var scale: Float = 0
      if channel < shape.channels {
        if let bias { correction = bias[channel] }
        correction &+= (DepthwiseSumsU8.offset &- a.x_zero_point) &* sums[lane]
        scale = a.scale[channel]
      }
      sums[lane] = correction
      scales[lane] = scale
      lane &+= 1
    }
    block += shape.blockBytes
    first &+= width
  }
}

/// One thread's share of the units.
private struct DepthwiseRunU8 {
  private let args: UnsafePointer<ek_conv>
  private let shape: DepthwiseShapeU8
  private let output: OutputU8
  private let quantizer: QuantizerU8
  private let x: UnsafePointer<UInt8>
  private let packed: UnsafeRawPointer
  private let addresses: UnsafeMutablePointer<UnsafePointer<UInt8>>
  private let padding: UnsafeMutablePointer<UInt8>

  init(_ args: UnsafePointer<ek_conv>, _ scratch: UnsafeMutableRawPointer) {
    let a = args.pointee
    self.args = args
    shape = DepthwiseShapeU8(a)
    output = OutputU8(a)
    quantizer = output.quantizer
    x = a.x.assumingMemoryBound(to: UInt8.self)
    packed = a.packed.unsafelyUnwrapped
    addresses = scratch.assumingMemoryBound(to: UnsafePointer<UInt8>.self)
    padding = (scratch + shape.addressBytes).assumingMemoryBound(to: UInt8.self)
  }

  @inline(never)
  func run(_ begin: Int, _ end: Int) {
    var i = 0
    while i < shape.chunkBlocks &* DepthwiseSumsU8.channels {
      padding[i] = UInt8(truncatingIfNeeded: args.pointee.x_zero_point)
      i &+= 1
    }
    var unit = begin
    while unit < end {
      row(unit / shape.chunks, unit % shape.chunks)
      unit &+= 1
    }
  }

  /// One row of output pixels, one chunk of channels.
  private func row(_ row: Int, _ chunk: Int) {
    let a = args.pointee
    let width = Int(a.ow), strideW = Int(a.stride_w), left = Int(a.pad_left)
    let firstChannel = chunk &* shape.chunkBlocks &* DepthwiseSumsU8.channels
    let channelsLeft = shape.channels &- firstChannel
    let chunkChannels = shape.chunkBlocks &* DepthwiseSumsU8.channels
    let channels = channelsLeft < chunkChannels ? channelsLeft : chunkChannels
    let blocks = packed + chunk &* shape.chunkBlocks &* shape.blockBytes
    let picture = row / shape.imageRows, line = row % shape.imageRows &* shape.lines
    let image = x + (picture &* Int(a.h) &* Int(a.w) &* Int(a.x_stride) &+ firstChannel)
    let top = line &* Int(a.stride_h) &- Int(a.pad_top)
    var target = output.moved(rows: (picture &* Int(a.oh) &+ line) &* width, columns: firstChannel)
    #if !ISA_SSE2
    if shape.isThree { return three(a, image, top, smaller(shape.lines, Int(a.oh) &- line), channels, blocks, target) }
    #endif
    // Columns whose windows have no padding share one list of addresses, moved from pixel to pixel.
    var insideFrom = width, insideTo = width
    if top >= 0 && top &+ (Int(a.kh) &- 1) &* Int(a.dilation_h) < Int(a.h) {
      let reach = (Int(a.kw) &- 1) &* Int(a.dilation_w)
      insideFrom = divideUp(left, strideW)
      insideTo = (Int(a.w) &- 1 &- reach &+ left)
      insideTo = insideTo < 0 ? 0 : insideTo / strideW &+ 1
      if insideTo > width { insideTo = width }
    }
    var column = 0
    var shared = false
    var distance = 0
    while column < width {
      let inside = column >= insideFrom && column < insideTo
      if !inside || !shared {
        listTaps(a, image, top, column &* strideW &- left)
        distance = 0
        shared = inside
      }
      let count = inside && column &+ shape.together <= insideTo ? shape.together : 1
      pixels(blocks, count &* channels, distance, target)
      target = target.moved(rows: count, columns: 0)
      distance &+= count &* strideW &* Int(a.x_stride)
      column &+= count
    }
  }

  #if !ISA_SSE2
  /// A row of one or two lines of output pixels; the windows of the first begin in line `top`.
  private func three(
    _ a: ek_conv, _ image: UnsafePointer<UInt8>, _ top: Int, _ lines: Int, _ channels: Int, _ blocks: UnsafeRawPointer, _ output: OutputU8
  ) {
    let pixel = Int(a.x_stride), left = 0 &- Int(a.pad_left), count = Int(a.ow), width = Int(a.w)
    let start = image + (top &* width &+ left) &* pixel
    let margin = UnsafePointer(padding)
    var block = blocks
    var channel = 0
    while channel < channels {
      let blockChannels = smaller(channels &- channel, DepthwiseSumsU8.channels)
      var target = output.moved(rows: 0, columns: channel)
      // The line so far below the top, from the pixel in front of it on, or the padding.
      @inline(__always) func place(_ line: Int) -> DepthwiseLineU8 {
        if UInt(bitPattern: top &+ line) >= UInt(bitPattern: Int(a.h)) { return DepthwiseLineU8(pixels: margin, step: 0) }
        return DepthwiseLineU8(pixels: start + (line &* width &* pixel &+ channel), step: pixel)
      }
      var line = 0
      while true {
        let three = DepthwiseThreeU8(first: place(line), second: place(line &+ 1), third: place(line &+ 2), padding: margin)
        #if ISA_AVX2 || ISA_AVX512VNNI
        if line &+ 2 == lines, target.residual == nil {
          three.runTwo(place(line &+ 3), block, blockChannels, count, left: left, width: width, target, quantizer)
          break
        }
        #endif
        if a.stride_w == 2 {
          three.runByTwo(block, blockChannels, count, left: left, width: width, target, quantizer)
        } else {
          three.run(block, blockChannels, count, left: left, width: width, target, quantizer)
        }
        line &+= 1
        if !DepthwiseThreeU8.takesTwoLines || line == lines { break }
        target = target.moved(rows: count, columns: 0)
      }
      block += shape.blockBytes
      channel &+= DepthwiseSumsU8.channels
    }
  }
  #endif

  private func listTaps(_ a: ek_conv, _ image: UnsafePointer<UInt8>, _ top: Int, _ left: Int) {
    let h = Int(a.h), w = Int(a.w), pixel = Int(a.x_stride)
    var place = 0
    var y = top
    var tapY = Int(a.kh)
    while tapY > 0 {
      let line = image + y &* w &* pixel
      var column = left
      var tapX = Int(a.kw)
      while tapX > 0 {
        let outside = y < 0 || y >= h || column < 0 || column >= w
        addresses[place] = outside ? UnsafePointer(padding) : line + column &* pixel
        column &+= Int(a.dilation_w)
        place &+= 1
        tapX &-= 1
      }
      y &+= Int(a.dilation_h)
      tapY &-= 1
    }
    // The taps of a zero point, and what fills up a step: its weight is 0, but it must be readable, and move with the others.
    while place < shape.steps &* DepthwiseSumsU8.taps {
      addresses[place] = addresses[place &- shape.window]
      place &+= 1
    }
  }

  /// One pixel's channels, or those of several that are taken together. `distance`: bytes from the listed taps to theirs.
  @inline(__always)
  private func pixels(_ blocks: UnsafeRawPointer, _ channels: Int, _ distance: Int, _ output: OutputU8) {
    var block = blocks
    var channel = 0
    #if ISA_AVX512VNNI
    // A mask costs nothing.
    while channel < channels {
      channelBlock(block, channel, distance, output, whole: false, smaller(channels &- channel, DepthwiseSumsU8.channels))
      block += shape.blockBytes
      channel &+= DepthwiseSumsU8.channels
    }
    #else
    while channel &+ DepthwiseSumsU8.channels <= channels {
      channelBlock(block, channel, distance, output, whole: true, DepthwiseSumsU8.channels)
      block += shape.blockBytes
      channel &+= DepthwiseSumsU8.channels
    }
    if channel < channels { channelBlock(block, channel, distance, output, whole: false, channels &- channel) }
    #endif
  }

  @inline(__always)
  private func channelBlock(
    _ block: UnsafeRawPointer, _ channel: Int, _ distance: Int, _ output: OutputU8, whole: Bool, _ count: Int
  ) {
    var sums = DepthwiseSumsU8(block)
    var weights = block + 8 &* DepthwiseSumsU8.channels
    var taps = UnsafePointer(addresses)
    var left = shape.steps
    while left > 0 {
      sums.add(taps, distance &+ channel, weights, whole: whole, count)
      weights += shape.stepBytes
      taps += DepthwiseSumsU8.taps
      left &-= 1
    }
    sums.store(block, output.moved(rows: 0, columns: channel), quantizer, whole: whole, count)
  }
}
