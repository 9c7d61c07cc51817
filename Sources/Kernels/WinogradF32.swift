import CPlatform

// 3x3 and 5x5 convolution with stride 1 by Winograd's minimal filtering (Lavin and Gray 2015): squares of m x m results of windows
// of r x r come from (m + r - 1)^2 products for each pair of channels instead of (m r)^2. Image squares and weights are
// transformed, multiplied place by place as matrices (rows are squares, the inner dimension input channels), and the
// products are transformed back. A unit of work is a block of squares by a block of panels. Blocks are large: the
// weights, up to seven times what they were, are read again for each.
//
// The transforms add rounding errors to those of the sums; F32WinogradTests bounds both.

/// Squares, blocks and memory of one convolution.
private struct WinogradPlan {
  let args: UnsafePointer<ek_conv>
  let depth: Int, columns: Int, panels: Int
  /// m; 0 for a convolution that has no such form.
  let results: Int
  /// r.
  let taps: Int
  /// Squares across and down an image, and in all.
  let across: Int, down: Int, squares: Int
  let blockSquares: Int, squareBlocks: Int, blockPanels: Int, panelBlocks: Int

  init(_ pointer: UnsafeRawPointer) {
    args = pointer.assumingMemoryBound(to: ek_conv.self)
    let c = args.pointee
    depth = Int(c.c_in)
    columns = Int(c.c_out)
    panels = divideUp(columns, panelWidth)
    results = WinogradPlan.fits(c) ? Int(c.winograd) : 0
    taps = results > 0 ? Int(c.kh) : 3
    let m = larger(results, 1)
    across = divideUp(Int(c.ow), m)
    down = divideUp(Int(c.oh), m)
    squares = Int(c.n) &* across &* down
    let places = (m &+ taps &- 1) &* (m &+ taps &- 1)
    // Weights that no cache keeps are read for more squares.
    let weights = places &* depth &* columns, isLarge = weights > 2 << 20
    let fitting = smaller(weights / 2, 1 << 20) / (places &* (depth &+ columns)) / tileRows
    squareBlocks = larger(divideUp(squares, larger(fitting, isLarge ? divideUp(28, tileRows) : 2) &* tileRows), 1)
    blockSquares = smaller(roundedUp(divideUp(squares, squareBlocks), tileRows / 2), squares)
    blockPanels = divideUp(panels, larger(smaller(divideUp(squareBlocks < 4 ? 4 : 16, squareBlocks), panels), 1))
    panelBlocks = divideUp(panels, blockPanels)
  }

  /// What this kernel takes. Whether it is the fastest is the planner's question.
  private static func fits(_ c: ek_conv) -> Bool {
    c.kh == c.kw && c.stride_h == 1 && c.stride_w == 1 && c.dilation_h == 1 && c.dilation_w == 1 && c.groups == 1
      && c.c_in >= 8 && c.c_out >= 8
      && (c.kh == 3 && (c.winograd == 2 || c.winograd == 4 || c.winograd == 6) || c.kh == 5 && c.winograd == 4)
  }

  /// Side of an image square, and products for each pair of channels.
  var side: Int { results &+ taps &- 1 }
  /// Which of the transforms it is: m with windows of 3 x 3, else 0.
  var form: Int { taps == 3 ? results : 0 }
  var places: Int { side &* side }
  var units: Int { results > 0 ? squareBlocks &* panelBlocks : 0 }

  // Scratch: a square between the two steps of a transform, transformed squares, their products, and one padded square.
  // Places lie an odd number of cache lines apart: at a power of two they would drive each other out of the cache.
  var lineFloats: Int { places &* lanes }
  var inputPlace: Int { (roundedUp(blockSquares &* depth, 2 &* lanes)) &+ lanes }
  var productPlace: Int { blockSquares &* blockPanels &* panelWidth &+ lanes }
  var scratchFloats: Int { lineFloats &+ places &* (inputPlace &+ productPlace &+ depth) }

  // Packed weights: the same lines, used while packing, then bias, then for each block of panels and place its panels: one
  // stretch of memory for a unit.
  var biasFloats: Int { panels &* panelWidth }
  var placeFloats: Int { blockPanels &* panelSize(depth) }
  var packedFloats: Int { lineFloats &+ biasFloats &+ panelBlocks &* places &* placeFloats }
  /// Where the first place of a panel starts, behind the bias.
  func panelStart(_ panel: Int) -> Int {
    panel / blockPanels &* places &* placeFloats &+ panel % blockPanels &* panelSize(depth)
  }
}

func winogradUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(WinogradPlan(args).units)
}

func winogradScratch(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(WinogradPlan(args).scratchFloats &* 4)
}

func winogradPackedBytes(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let plan = WinogradPlan(args)
  return Int64(plan.packedFloats &* 4)
}

func winogradPack(_ args: UnsafeRawPointer?, _ packed: UnsafeMutableRawPointer?) {
  guard let args, let packed else { return }
  pack(WinogradPlan(args), packed.assumingMemoryBound(to: Float.self))
}

func winogradRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args, let scratch else { return }
  run(WinogradPlan(args), Int(begin), Int(end), scratch.assumingMemoryBound(to: Float.self))
}

/// Weights [c_out][r][r][c_in] become the bias of all panels, then matrix panels whose own bias is 0.
@inline(never)
private func pack(_ plan: WinogradPlan, _ packed: UnsafeMutablePointer<Float>) {
  let c = plan.args.pointee
  guard let source = c.weights else { return }
  let weights = source.assumingMemoryBound(to: Float.self)
  let lines = UnsafeMutableRawPointer(packed).assumingMemoryBound(to: VF.self)
  let bias = packed + plan.lineFloats
  zeroFloats(bias, plan.biasFloats)
  if let plain = c.bias { copyFloats(bias, plain.assumingMemoryBound(to: Float.self), plan.columns) }
  // All columns of a panel for a few channels: they share the lines of memory that are written.
  var column = 0
  while column < plan.columns {
    let start = bias + (plan.biasFloats &+ plan.panelStart(column / panelWidth)), panel = start + panelWidth
    let count = smaller(panelWidth, plan.columns &- column)
    var place = 0
    while place < plan.places {
      zeroFloats(start + place &* plan.placeFloats, count < panelWidth ? panelSize(plan.depth) : panelWidth)
      place &+= 1
    }
    var channel = 0
    while channel < plan.depth {
      var own = 0
      while own < count {
        let from = weights + ((column &+ own) &* plan.taps &* plan.taps &* plan.depth &+ channel), to = panel + (channel &* panelWidth &+ own)
        let channels = smaller(lanes, plan.depth &- channel)
        switch plan.form {
        case 2: packChannels(from, plan.depth, channels, to, plan.placeFloats, lines, WinogradTwo.self)
        case 4: packChannels(from, plan.depth, channels, to, plan.placeFloats, lines, WinogradFour.self)
        case 6: packChannels(from, plan.depth, channels, to, plan.placeFloats, lines, WinogradSix.self)
        default: packChannels(from, plan.depth, channels, to, plan.placeFloats, lines, WinogradFourOfFive.self)
        }
        own &+= 1
      }
      channel &+= lanes
    }
    column &+= panelWidth
  }
}

/// A few input channels of one output channel.
@inline(never)
private func packChannels<Size: WinogradSize>(
  _ weights: UnsafePointer<Float>, _ depth: Int, _ count: Int, _ panel: UnsafeMutablePointer<Float>, _ place: Int,
  _ lines: UnsafeMutablePointer<VF>, _: Size.Type
) {
  var x = 0
  while x < Size.taps {
    let column = weights + x &* depth
    Size.transformWeights({ loadPart(column + $0 &* Size.taps &* depth, count) }, { lines[$0 &* Size.taps &+ x] = $1 })
    x &+= 1
  }
  var y = 0
  while y < Size.side {
    let line = lines + y &* Size.taps
    Size.transformWeights({ line[$0] }) { x, v in
      let to = panel + (y &* Size.side &+ x) &* place
      var lane = 0
      while lane < count {
        to[lane &* panelWidth] = v[lane]
        lane &+= 1
      }
    }
    y &+= 1
  }
}

@inline(never)
private func run(_ plan: WinogradPlan, _ begin: Int, _ end: Int, _ scratch: UnsafeMutablePointer<Float>) {
  let c = plan.args.pointee
  guard let packed = c.packed else { return }
  let bias = packed.assumingMemoryBound(to: Float.self) + plan.lineFloats
  let input = scratch + plan.lineFloats, products = input + plan.places &* plan.inputPlace
  var prepared = -1
  var unit = begin
  while unit < end {
    let block = unit / plan.panelBlocks
    let first = block &* plan.blockSquares
    let count = smaller(plan.blockSquares, plan.squares &- first)
    if prepared != block {
      prepare(plan, first, count, scratch)
      prepared = block
    }
    let panel = unit % plan.panelBlocks &* plan.blockPanels
    let column = panel &* panelWidth
    let columns = smaller(plan.blockPanels &* panelWidth, plan.columns &- column)
    let stride = plan.blockPanels &* panelWidth
    var place = 0
    while place < plan.places {
      let target = FloatTarget(
        y: products + place &* plan.productPlace, stride: stride, residual: nil, residualStride: 0, low: -.infinity, high: .infinity)
      let weights = bias + (plan.biasFloats &+ plan.panelStart(panel) &+ place &* plan.placeFloats)
      multiplyBlock(FloatRows(count, plan.depth, input + place &* plan.inputPlace, plan.depth &* 4), columns, weights, target)
      place &+= 1
    }
    var square = 0
    while square < count {
      let from = products + square &* stride
      switch plan.form {
      case 2: finish(plan, first &+ square, from, column, columns, bias, scratch, WinogradTwo.self)
      case 4: finish(plan, first &+ square, from, column, columns, bias, scratch, WinogradFour.self)
      case 6: finish(plan, first &+ square, from, column, columns, bias, scratch, WinogradSix.self)
      default: finish(plan, first &+ square, from, column, columns, bias, scratch, WinogradFourOfFive.self)
      }
      square &+= 1
    }
    unit &+= 1
  }
}

/// Transforms the image squares of a block: [place][square][channel].
private func prepare(_ plan: WinogradPlan, _ first: Int, _ count: Int, _ scratch: UnsafeMutablePointer<Float>) {
  let c = plan.args.pointee
  guard let base = c.x else { return }
  let image = base.assumingMemoryBound(to: Float.self)
  let (h, w, pixel, depth) = (Int(c.h), Int(c.w), Int(c.x_stride), plan.depth)
  let lines = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: VF.self)
  let transformed = scratch + plan.lineFloats, patch = transformed + plan.places &* (plan.inputPlace &+ plan.productPlace)
  var square = 0
  while square < count {
    let index = first &+ square
    let top = index / plan.across % plan.down &* plan.results &- Int(c.pad_top)
    let left = index % plan.across &* plan.results &- Int(c.pad_left)
    var from = image + (index / (plan.across &* plan.down) &* h &+ top) &* w &* pixel + left &* pixel
    var (line, step) = (w &* pixel, pixel)
    if top < 0 || left < 0 || top &+ plan.side > h || left &+ plan.side > w {
      copySquare(from, line, pixel, top, left, h, w, depth, plan.side, patch)
      (from, line, step) = (UnsafePointer(patch), plan.side &* depth, depth)
    }
    let to = transformed + square &* depth
    switch plan.side {
    case 4: transformSquare(from, line, step, depth, to, plan.inputPlace, lines, WinogradTwo.self)
    case 6: transformSquare(from, line, step, depth, to, plan.inputPlace, lines, WinogradFour.self)
    default: transformSquare(from, line, step, depth, to, plan.inputPlace, lines, WinogradSix.self)
    }
    square &+= 1
  }
}

/// A square that reaches over the image's border, with zeros there.
private func copySquare(
  _ from: UnsafePointer<Float>, _ line: Int, _ pixel: Int, _ top: Int, _ left: Int, _ h: Int, _ w: Int, _ depth: Int, _ side: Int,
  _ to: UnsafeMutablePointer<Float>
) {
  var out = to
  var y = 0
  while y < side {
    var x = 0
    while x < side {
      if top &+ y >= 0, top &+ y < h, left &+ x >= 0, left &+ x < w {
        copyFloats(out, from + (y &* line &+ x &* pixel), depth)
      } else {
        zeroFloats(out, depth)
      }
      out += depth
      x &+= 1
    }
    y &+= 1
  }
}

@inline(never)
private func transformSquare<Size: WinogradSize>(
  _ from: UnsafePointer<Float>, _ line: Int, _ pixel: Int, _ depth: Int, _ to: UnsafeMutablePointer<Float>, _ place: Int,
  _ lines: UnsafeMutablePointer<VF>, _: Size.Type
) {
  @inline(__always) func transform<L: ChannelLanes>(_ channel: Int, _ part: L) {
    var x = 0
    while x < Size.side {
      let column = from + (channel &+ x &* pixel)
      Size.transformInput({ part.load(column + $0 &* line) }, { lines[$0 &* Size.side &+ x] = $1 })
      x &+= 1
    }
    var y = 0
    while y < Size.side {
      let row = lines + y &* Size.side
      Size.transformInput({ row[$0] }, { part.store($1, to + (channel &+ (y &* Size.side &+ $0) &* place)) })
      y &+= 1
    }
  }
  var channel = 0
  while channel &+ lanes <= depth {
    transform(channel, WholeLanes())
    channel &+= lanes
  }
  if channel < depth { transform(channel, PartLanes(count: depth &- channel)) }
}

/// Results of one square from its products with the panels of a unit.
@inline(never)
private func finish<Size: WinogradSize>(
  _ plan: WinogradPlan, _ index: Int, _ products: UnsafePointer<Float>, _ column: Int, _ columns: Int, _ bias: UnsafePointer<Float>,
  _ scratch: UnsafeMutablePointer<Float>, _: Size.Type
) {
  let c = plan.args.pointee
  guard let base = c.y else { return }
  let lines = UnsafeMutableRawPointer(scratch).assumingMemoryBound(to: VF.self)
  let top = index / plan.across % plan.down &* Size.results, left = index % plan.across &* Size.results
  let pixel = (index / (plan.across &* plan.down) &* Int(c.oh) &+ top) &* Int(c.ow) &+ left
  let height = smaller(Size.results, Int(c.oh) &- top), width = smaller(Size.results, Int(c.ow) &- left)
  let low = all(c.clamp_min), high = all(c.clamp_max)
  var half = 0
  while half < columns {
    let channels = smaller(lanes, columns &- half)
    let y = base.assumingMemoryBound(to: Float.self) + (column &+ half)
    let residual = c.residual.map { $0.assumingMemoryBound(to: Float.self) + (column &+ half) }
    var x = 0
    while x < Size.side {
      let from = products + (x &* plan.productPlace &+ half)
      Size.transformOutput({ VF.load(from + $0 &* Size.side &* plan.productPlace) }, { lines[$0 &* Size.side &+ x] = $1 })
      x &+= 1
    }
    let shift = VF.load(bias + (column &+ half))
    var row = 0
    while row < height {
      let at = pixel &+ row &* Int(c.ow)
      let line = lines + row &* Size.side
      Size.transformOutput({ line[$0] }) { place, v in
        if place >= width { return }
        var v = v + shift
        if let residual { v += loadPart(residual + (at &+ place) &* Int(c.residual_stride), channels) }
        storePart(minimum(high, maximum(low, v)), y + (at &+ place) &* Int(c.y_stride), channels)
      }
      row &+= 1
    }
    half &+= lanes
  }
}
