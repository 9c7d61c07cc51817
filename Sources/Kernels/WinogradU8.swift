#if ISA_AVX2 || ISA_AVX512VNNI || ISA_NEON
import CPlatform

// 3x3 convolution of bytes with stride 1 by Winograd's minimal filtering (Lavin and Gray 2015) in integers, which gives the plain
// form's sums exactly: squares of 4 x 4 results take 36 products for each pair of channels instead of 144. The points are 0, 1,
// -1, 2, -2 and infinity. Along one axis, of inputs d, weights g and results y:
//
//     v = B d      4 0 -5 0 1 0;  0 -4 -4 1 1 0;  0 4 -4 -1 1 0;  0 -2 -1 2 1 0;  0 2 -1 -2 1 0;  0 4 0 -5 0 1
//     u = G g      6 0 0;  1 1 1;  1 -1 1;  1 2 4;  1 -2 4;  0 0 6
//     m = u v      summed over input channels
//     24 y0 = m0 - 4 (m1 + m2) + (m3 + m4)        12 y1 = (m3 - m4) - 2 (m1 - m2)
//      6 y2 = (m3 + m4) - (m1 + m2)                6 y3 = 2 (m3 - m4) - (m1 - m2) + m5
//
// G is the usual one times 4, -6, -6, 24, 24, 1 for its rows, of which the first and the last were then multiplied by 6; the
// results' factors make up for it.
//
// Why it is exact: activations less their zero point and weights less theirs are at most 255 in magnitude. A row of B has
// magnitudes that add up to 10, of G to 7: transformed along both axes they are at most 100 * 255 = 25500 and 49 * 255 = 12495,
// which fit in Int16, and two products of them in Int32. Sums over channels and the results' transform wrap around: they are
// right modulo 2^32. So is 9 * 2^b y, with b = 3, 2, 1, 1 along each axis for y0 to y3, and, multiplied by the inverse of 9, 2^b y.
// That is y itself, shifted, where the magnitude of y is below 2^25 (b is 6 at most). With activations from -z to 255 - z and the
// magnitudes of a channel's positive and negative weights P and N together, y lies between -(z P + (255 - z) N) and
// (255 - z) P + z N: layers in which one of these is 2^25 or more are not taken.

/// Squares, blocks and memory of one convolution.
private struct WinogradPlanU8 {
  let args: UnsafePointer<ek_conv>
  let depth: Int, columns: Int, panels: Int
  /// Squares across and down an image, and in all.
  let across: Int, down: Int, squares: Int
  let blockSquares: Int, squareBlocks: Int, blockPanels: Int, panelBlocks: Int

  /// The side of an image square, and its places.
  @inline(__always) static var side: Int { 6 }
  @inline(__always) static var places: Int { 36 }
  @inline(__always) static var results: Int { 4 }

  init(_ pointer: UnsafeRawPointer) {
    args = pointer.assumingMemoryBound(to: ek_conv.self)
    let c = args.pointee
    depth = Int(c.c_in)
    columns = Int(c.c_out)
    panels = divideUp(columns, panelWidth)
    across = divideUp(Int(c.ow), Self.results)
    down = divideUp(Int(c.oh), Self.results)
    squares = Int(c.n) &* across &* down
    // Squares and their products in the second level cache; weights that are more than that are read for more squares.
    let weights = Self.places &* depth &* columns, least = weights > 2 << 20 ? divideUp(56, tileRows) : 2
    let fitting = smaller(larger(weights, 384 << 10), 2 << 20) / (Self.places &* (2 &* depth &+ 4 &* columns)) / tileRows
    squareBlocks = larger(divideUp(squares, larger(fitting, least) &* tileRows), 1)
    blockSquares = divideUp(squares, squareBlocks)
    blockPanels = divideUp(panels, larger(smaller(divideUp(squareBlocks < 4 ? 4 : 16, squareBlocks), panels), 1))
    panelBlocks = divideUp(panels, blockPanels)
  }

  /// What this kernel takes. Whether it is the fastest is the planner's question.
  var fits: Bool {
    let c = args.pointee
    return c.kh == 3 && c.kw == 3 && c.stride_h == 1 && c.stride_w == 1 && c.dilation_h == 1 && c.dilation_w == 1 && c.groups == 1
      && c.winograd == 4 && depth > 0 && depth <= 1 << 16 && depth % 16 == 0 && columns > 0 && columns % panelWidth == 0
  }

  /// No result of these weights can be 2^25 or more.
  private var isExact: Bool {
    let c = args.pointee
    guard let source = c.weights else { return false }
    let below = Int(c.x_zero_point), above = 255 &- below, limit = 1 << 25
    // The largest weights there can be need not be looked at.
    if 9 &* depth &* 255 &* larger(below, above) < limit { return true }
    let zero = SIMD8<Int32>(repeating: c.w_zero_point)
    var row = source.assumingMemoryBound(to: Int8.self)
    var left = columns
    while left > 0 {
      var sums = SIMD8<Int32>(repeating: 0), magnitudes = sums
      var i = 0
      while i < 9 &* depth {
        let bytes = UnsafeRawPointer(row + i).loadUnaligned(as: SIMD8<Int8>.self)
        let weights = SIMD8<Int32>(truncatingIfNeeded: bytes) &- zero
        sums &+= weights
        magnitudes &+= weights.replacing(with: 0 &- weights, where: weights .< 0)
        i &+= 8
      }
      let sum = Int(sums.laneSum), magnitude = Int(magnitudes.laneSum)
      let positive = (magnitude &+ sum) / 2, negative = (magnitude &- sum) / 2
      if larger(above &* positive &+ below &* negative, below &* positive &+ above &* negative) >= limit { return false }
      row += 9 &* depth
      left &-= 1
    }
    return true
  }

  var units: Int { fits ? squareBlocks &* panelBlocks : 0 }

  // Scratch: lines between the two steps of a transform, transformed squares, their products, and one padded square. Tiles
  // take whole rows behind the last. Places lie an odd number of cache lines apart: at a power of two they would drive each
  // other out of the cache.
  var lineBytes: Int { 48 &* 4 &* lanes }
  var blockRows: Int { roundedUp(blockSquares, tileRows) }
  var rowBytes: Int { 2 &* depth }
  var inputPlace: Int { roundedUp(blockRows &* rowBytes, 128) &+ 64 }
  var productStride: Int { blockPanels &* panelWidth }
  /// In sums.
  var productPlace: Int { roundedUp(blockRows &* productStride, 32) &+ 16 }
  var scratchBytes: Int { lineBytes &+ Self.places &* (inputPlace &+ 4 &* productPlace &+ depth) }

  // Packed: the same lines, used while packing, bias and scales, then for each block of panels and place its panels: one stretch of memory for a unit.
  var headBytes: Int { lineBytes &+ roundedUp(8 &* columns, 64) }
  /// Steps are pairs of channels.
  var steps: Int { depth / 2 }
  var panelBytes: Int { steps &* panelWidth &* 4 }
  var placeBytes: Int { blockPanels &* panelBytes }
  /// 0 for weights that are not taken.
  var packedBytes: Int { !isExact ? 0 : headBytes &+ panelBlocks &* Self.places &* placeBytes }
  /// Where the first place of a panel starts.
  func panelStart(_ panel: Int) -> Int {
    headBytes &+ panel / blockPanels &* Self.places &* placeBytes &+ panel % blockPanels &* panelBytes
  }
}

func winogradUnitsU8(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(WinogradPlanU8(args).units)
}

func winogradScratchU8(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(WinogradPlanU8(args).scratchBytes)
}

func winogradPackedBytesU8(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(WinogradPlanU8(args).packedBytes)
}

/// Weights [c_out][3][3][c_in] become panels of transformed pairs.
func winogradPackU8(_ args: UnsafeRawPointer?, _ packed: UnsafeMutableRawPointer?) {
  guard let args, let packed else { return }
  let plan = WinogradPlanU8(args)
  let c = plan.args.pointee
  guard let source = c.weights else { return }
  let weights = source.assumingMemoryBound(to: Int8.self)
  let bias = (packed + plan.lineBytes).assumingMemoryBound(to: Int32.self), plain = c.bias?.assumingMemoryBound(to: Int32.self)
  let scales = (packed + (plan.lineBytes &+ 4 &* plan.columns)).assumingMemoryBound(to: Float.self)
  var column = 0
  while column < plan.columns {
    bias[column] = plain?[column] ?? 0
    scales[column] = c.scale[column]
    column &+= 1
  }
  // All columns of a panel for a few channels: they share the lines of memory that are written.
  var panel = 0
  while panel < plan.panels {
    var channel = 0
    while channel < plan.depth {
      let to = packed + (plan.panelStart(panel) &+ channel &* 2 &* panelWidth)
      var own = 0
      while own < panelWidth {
        packChannels(
          weights + ((panel &* panelWidth &+ own) &* 9 &* plan.depth &+ channel), plan.depth,
          TransformWords(repeating: Int16(truncatingIfNeeded: c.w_zero_point)), to + 2 &* wordIndex(own, 0), plan.placeBytes,
          packed.assumingMemoryBound(to: TransformWords.self))
        own &+= 1
      }
      channel &+= TransformWords.scalarCount
    }
    panel &+= 1
  }
}

func winogradRunU8(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args, let scratch else { return }
  let plan = WinogradPlanU8(args)
  guard let packed = plan.args.pointee.packed else { return }
  let input = scratch + plan.lineBytes
  let products = (input + WinogradPlanU8.places &* plan.inputPlace).assumingMemoryBound(to: Int32.self)
  var prepared = -1
  var unit = Int(begin)
  while unit < Int(end) {
    let block = unit / plan.panelBlocks
    let first = block &* plan.blockSquares
    let count = smaller(plan.blockSquares, plan.squares &- first)
    if prepared != block {
      prepare(plan, first, count, scratch)
      prepared = block
    }
    let panel = unit % plan.panelBlocks &* plan.blockPanels
    let panels = smaller(plan.blockPanels, plan.panels &- panel)
    var place = 0
    while place < WinogradPlanU8.places {
      multiply(
        plan, count, panels, input + place &* plan.inputPlace, packed + (plan.panelStart(panel) &+ place &* plan.placeBytes),
        products + place &* plan.productPlace)
      place &+= 1
    }
    var square = 0
    while square < count {
      finish(plan, first &+ square, products + square &* plan.productStride, panel, panels, packed, scratch)
      square &+= 1
    }
    unit &+= 1
  }
}

/// Stores sums as they are.
private struct SumSink: TileSink {
  let to: UnsafeMutablePointer<Int32>
  let stride: Int

  @inline(__always) func take(_ row: Int, _ low: VI, _ high: VI) {
    low.store(to + row &* stride)
    high.store(to + (row &* stride &+ lanes))
  }
}

/// Products of one place. Tiles are whole: what rows behind the last hold does not matter.
@inline(never)
private func multiply(
  _ plan: WinogradPlanU8, _ count: Int, _ panels: Int, _ rows: UnsafeRawPointer, _ weights: UnsafeRawPointer,
  _ to: UnsafeMutablePointer<Int32>
) {
  typealias Row = WideRow<WordOperation>
  let stride = plan.rowBytes, steps = plan.steps
  var panel = 0
  while panel < panels {
    let w = (weights + panel &* plan.panelBytes).assumingMemoryBound(to: WordOperation.Vector.self)
    var row = 0
    while row < count {
      let sink = SumSink(to: to + (row &* plan.productStride &+ panel &* panelWidth), stride: plan.productStride)
      let a = rows + row &* stride
      if count &- row <= MiddleTile<Row>.rows {
        MiddleTile<Row>.product(steps, a, stride, w, VI(repeating: 0), VI(repeating: 0)).finish(0, sink)
        break
      }
      MainTile<Row>.product(steps, a, stride, w, VI(repeating: 0), VI(repeating: 0)).finish(0, sink)
      row &+= tileRows
    }
    panel &+= 1
  }
}

/// Transforms the image squares of a block: [place][square][channel].
private func prepare(_ plan: WinogradPlanU8, _ first: Int, _ count: Int, _ scratch: UnsafeMutableRawPointer) {
  let c = plan.args.pointee
  guard let base = c.x else { return }
  let image = base.assumingMemoryBound(to: UInt8.self)
  let (h, w, pixel, depth) = (Int(c.h), Int(c.w), Int(c.x_stride), plan.depth)
  let side = WinogradPlanU8.side, places = WinogradPlanU8.places
  let zero = UInt8(truncatingIfNeeded: c.x_zero_point)
  let lines = scratch.assumingMemoryBound(to: TransformWords.self)
  let transformed = scratch + plan.lineBytes
  let patch = (transformed + places &* (plan.inputPlace &+ 4 &* plan.productPlace)).assumingMemoryBound(to: UInt8.self)
  var square = 0
  while square < count {
    let index = first &+ square
    let top = index / plan.across % plan.down &* WinogradPlanU8.results &- Int(c.pad_top)
    let left = index % plan.across &* WinogradPlanU8.results &- Int(c.pad_left)
    var from = image + ((index / (plan.across &* plan.down) &* h &+ top) &* w &+ left) &* pixel
    var (line, step) = (w &* pixel, pixel)
    if top < 0 || left < 0 || top &+ side > h || left &+ side > w {
      // A square that reaches over the image's border has zero points there.
      var out = patch
      var y = top
      while y < top &+ side {
        var x = left
        while x < left &+ side {
          let isInside = y >= 0 && y < h && x >= 0 && x < w
          let pixel = from + ((y &- top) &* line &+ (x &- left) &* step)
          var i = 0
          while i < depth {
            (isInside ? SIMD16<UInt8>.load(pixel + i) : SIMD16<UInt8>(repeating: zero)).store(out + i)
            i &+= 16
          }
          out += depth
          x &+= 1
        }
        y &+= 1
      }
      (from, line, step) = (UnsafePointer(patch), side &* depth, depth)
    }
    var channel = 0
    while channel < depth {
      transformSquare(
        from + channel, line, step, TransformWords(repeating: Int16(zero)), transformed + (square &* plan.rowBytes &+ 2 &* channel), plan.inputPlace,
        lines)
      channel &+= TransformWords.scalarCount
    }
    square &+= 1
  }
}

/// Results of one square from its products with the panels of a unit.
@inline(never)
private func finish(
  _ plan: WinogradPlanU8, _ index: Int, _ products: UnsafePointer<Int32>, _ firstPanel: Int, _ panels: Int, _ packed: UnsafeRawPointer,
  _ scratch: UnsafeMutableRawPointer
) {
  let c = plan.args.pointee
  let lines = scratch.assumingMemoryBound(to: VI.self)
  let top = index / plan.across % plan.down &* 4, left = index % plan.across &* 4
  let pixel = (index / (plan.across &* plan.down) &* Int(c.oh) &+ top) &* Int(c.ow) &+ left
  let height = smaller(4, Int(c.oh) &- top), width = smaller(4, Int(c.ow) &- left)
  let whole = OutputU8(c).moved(rows: pixel, columns: firstPanel &* panelWidth)
  let quantizer = whole.quantizer
  var panel = 0
  while panel < panels {
    let column = panel &* panelWidth
    var half = 0
    while half < 2 {
      var x = 0
      while x < 6 {
        let from = products + (x &* plan.productPlace &+ column &+ half &* lanes), step = 6 &* plan.productPlace
        let v = OutputLine(
          VI.load(from), VI.load(from + step), VI.load(from + 2 &* step), VI.load(from + 3 &* step), VI.load(from + 4 &* step),
          VI.load(from + 5 &* step))
        let to = lines + (half &* 24 &+ x)
        to[0] = v.y0
        to[6] = v.y1
        to[12] = v.y2
        to[18] = v.y3
        x &+= 1
      }
      half &+= 1
    }
    let heads = (packed + plan.lineBytes).assumingMemoryBound(to: Int32.self) + (firstPanel &* panelWidth &+ column)
    let scales = UnsafeRawPointer(heads + plan.columns).assumingMemoryBound(to: VF.self)
    let bias = UnsafeRawPointer(heads).assumingMemoryBound(to: VI.self)
    var y = 0
    while y < height {
      let low = lines + 6 &* y, high = low + 24
      let l = OutputLine(low[0], low[1], low[2], low[3], low[4], low[5]), h = OutputLine(high[0], high[1], high[2], high[3], high[4], high[5])
      var output = whole.moved(rows: y &* Int(c.ow), columns: column)
      var x = 0
      while x < width {
        let (first, second) =
          switch x {
          case 0: (l.y0, h.y0)
          case 1: (l.y1, h.y1)
          case 2: (l.y2, h.y2)
          default: (l.y3, h.y3)
          }
        // 2^b times what they are.
        let shift = VI(repeating: Int32(truncatingIfNeeded: larger(3 &- y, 1) &+ larger(3 &- x, 1)))
        let ninth = VI(repeating: 954_437_177)  // modulo 2^32
        var a = toFloat((first &* ninth) &>> shift &+ bias[0]) * scales[0], b = toFloat((second &* ninth) &>> shift &+ bias[1]) * scales[1]
        if let residual = output.residual {
          a += output.residualTerm(widenBytes(residual))
          b += output.residualTerm(widenBytes(residual + lanes))
        }
        output.store(a, b, quantizer, output.y)
        output = output.moved(rows: 1, columns: 0)
        x &+= 1
      }
      y &+= 1
    }
    panel &+= 1
  }
}
#endif
