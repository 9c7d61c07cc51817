import CPlatform

// Convolution as matrix multiplication: rows are output pixels, columns output channels of one group, and the
// inner dimension runs over (kh, kw, c). A unit of work is a block of rows by a block of panels of one group.
// The inner dimension is never split and always runs in the same order, so the partition and the way rows are
// read do not show in the result.

/// How the tile reads rows.
private enum RowSource {
  /// The activations are the rows: 1x1, stride 1, no padding.
  case image
  /// The same, copied: rows a multiple of a cache's page of sets apart would drive each other out of it.
  case copies
  /// Windows lie in padded copies of image lines, or in the image; the rows of one output line are evenly spaced there.
  case lines
  /// Each window is copied out: images too narrow for lines, strided 1x1.
  case windows
  /// Each window is copied out as floats and then made words, so that pixels of an odd number of channels waste none.
  case packedWindows
  /// Few results: copied lines again, for two neighbouring pixels at once (`PixelPairs`).
  case pairs
}

/// Windows of `packedWindows` that are copied out as floats at a time.
private var stagedRows: Int { 16 }

/// The matrix form of a convolution and its split into units. Sizes of rows and panels are in words (RowStep.swift).
private struct ConvPlan {
  let args: UnsafePointer<ek_conv>
  /// Channels of a group, and what x has for them at a pixel: as many floats, or words; elements of a window of weights.
  let channels: Int, depth: Int, columns: Int, filter: Int
  /// Inner dimension in words, panels of a group.
  let k: Int, panels: Int
  /// Words from row to row of copied windows.
  let rowWords: Int
  let source: RowSource
  /// Rows of a block; with lines, output lines of a block, which does not cross images.
  let blockRows: Int, rowBlocks: Int
  let blockPanels: Int, panelBlocks: Int

  init(_ pointer: UnsafeRawPointer) {
    args = pointer.assumingMemoryBound(to: ek_conv.self)
    let c = args.pointee
    let groups = Int(c.groups)
    let channels = Int(c.c_in) / groups
    self.channels = channels
    depth = areWords(c) ? RowStep.words(channels) : channels
    columns = Int(c.c_out) / groups
    filter = Int(c.kh) &* Int(c.kw) &* channels
    var k = Int(c.kh) &* Int(c.kw) &* RowStep.words(channels)
    panels = divideUp(columns, panelWidth)
    let pixels = Int(c.n) &* Int(c.oh) &* Int(c.ow)

    // Rows of one block are read again for each panel. Where all panels stay in the second level cache, short
    // blocks keep copied rows near the first; where panels stream from memory, tall blocks read them less often.
    let streams = panels &* panelSize(k) > 256 << 10
    let rowsOfBlock: Int
    let readsWindows: Bool
    if c.kh == 1 && c.kw == 1 && c.stride_h == 1 && c.stride_w == 1 && c.pad_top == 0 && c.pad_left == 0
      && c.h == c.oh && c.w == c.ow
    {
      let copies = !areWords(c) || c.x_stride % 1024 == 0 && pixels > 4 && panels > 4
      source = copies ? .copies : .image
      readsWindows = false
      let wanted = areWords(c) ? divideUp(16, panels &* groups) : 16
      blockRows = evenRows(pixels, (streams ? 128 << 10 : 64 << 10) / k, streams ? 1 : wanted)
      rowBlocks = rowBlockCount(pixels, blockRows)
      rowsOfBlock = smaller(blockRows, pixels)
    } else {
      readsWindows = true
      let pairLines = PixelPairs.linesWithin(c)
      // Three lines at least share what their windows overlap; blocks are equal.
      let fewest = divideUp(Int(c.oh), smaller(larger(divideUp(Int(c.n) &* Int(c.oh), 32), 3), Int(c.oh)))
      let most = divideUp(Int(c.oh), fewest)
      let padded = PaddedLines(c, depth)
      // A word would hold one channel and nothing.
      let isWasted = channels == 1 && RowStep.words(1) == RowStep.words(2)
      let fitting = isWasted ? 0 : padded.linesWithin(streams ? 128 << 10 : 64 << 10, most, Int(c.ow), Int(c.kw) &* channels, panels)
      let lines = pairLines > 0 ? pairLines : fitting
      if lines > 0 {
        source = pairLines > 0 ? .pairs : .lines
        blockRows = lines
        rowBlocks = Int(c.n) &* divideUp(Int(c.oh), lines)
        rowsOfBlock = lines &* Int(c.ow)
      } else {
        source = RowStep.words(filter) < k ? .packedWindows : .windows
        k = RowStep.words(filter)
        blockRows = evenRows(pixels, (streams ? 128 << 10 : 16 << 10) / k, streams ? 1 : divideUp(16, groups))
        rowBlocks = rowBlockCount(pixels, blockRows)
        rowsOfBlock = smaller(blockRows, pixels)
      }
    }

    rowWords = k % 512 == 0 ? k &+ 16 : k
    self.k = k

    // Panels are split when rows alone give too few units to share, but not below a useful amount of work. A single row
    // is read by four panels at once. Floats that become words are rounded again for each part that takes the same rows.
    let wanted = divideUp(areWords(c) ? 32 : 16, rowBlocks &* groups)
    var most = larger(divideUp(panels, wanted), divideUp(1 << 14, rowsOfBlock &* k &* panelWidth))
    if readsWindows { most = larger(most, 4) } else if !areWords(c) { most = larger(most, panels < 16 ? 3 : 4) }
    if pixels == 1 { most = roundedUp(most, 4) }
    blockPanels = smaller(most, panels)
    panelBlocks = divideUp(panels, blockPanels)
  }

  var units: Int { Int(args.pointee.groups) &* rowBlocks &* panelBlocks }
  var groupWords: Int { panels &* panelSize(k) }
  var scratchWords: Int {
    switch source {
    case .image: 0
    case .lines: PaddedLines(args.pointee, depth).words(blockRows)
    case .copies, .windows: (blockRows &+ tileRows / 2) &* rowWords
    case .packedWindows: (blockRows &+ tileRows / 2) &* rowWords &+ stagedRows &* filter
    case .pairs: PixelPairs(args.pointee).floats(blockRows)
    }
  }

  /// Rows of a block that is not lines.
  func rowCount(_ block: Int) -> Int {
    let c = args.pointee
    return block &+ 1 < rowBlocks ? blockRows : Int(c.n) &* Int(c.oh) &* Int(c.ow) &- block &* blockRows
  }
}

/// Rows of the blocks that make `rows`: equal blocks of whole tiles, of `fitting` rows at most (168, and one tile at
/// least), and `wanted` blocks where that leaves them a tile.
@inline(__always)
private func evenRows(_ rows: Int, _ fitting: Int, _ wanted: Int) -> Int {
  let most = larger(smaller(fitting / tileRows, 12), 1) &* tileRows
  let even = roundedUp(divideUp(rows, divideUp(rows, most)), tileRows)
  return smaller(even, larger(rows / wanted / tileRows, 1) &* tileRows)
}

/// Blocks of `blockRows` rows; half a tile that would be left belongs to the last one.
@inline(__always)
private func rowBlockCount(_ rows: Int, _ blockRows: Int) -> Int {
  larger((rows &+ blockRows &- 1 &- tileRows / 2) / blockRows, 1)
}

func convUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(ConvPlan(args).units)
}

func convScratch(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(ConvPlan(args).scratchWords &* 4)
}

func convPackedBytes(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let plan = ConvPlan(args)
  return Int64(Int(plan.args.pointee.groups) &* plan.groupWords &* 4)
}

/// Weights [c_out][kh][kw][depth] become, for each group, panels of bias and [k][panelWidth].
func convPack(_ args: UnsafeRawPointer?, _ packed: UnsafeMutableRawPointer?) {
  guard let args, let packed else { return }
  packConvolution(args, packed, isTurned: false)
}

/// The same; turned: with the taps of each window in reverse order.
func packConvolution(_ args: UnsafeRawPointer, _ packed: UnsafeMutableRawPointer, isTurned: Bool) {
  let plan = ConvPlan(args)
  let c = plan.args.pointee
  guard let source = c.weights else { return }
  let weights = source.assumingMemoryBound(to: Float.self)
  let bias = c.bias?.assumingMemoryBound(to: Float.self)
  var out = packed.assumingMemoryBound(to: Float.self)
  let filter = plan.filter
  // A column's weights are one run unless each pixel begins a word of its own.
  let run = RowStep.words(filter) == plan.k && !isTurned ? filter : plan.channels
  var group = 0
  while group < Int(c.groups) {
    var column = 0
    while column < plan.columns {
      let first = group &* plan.columns &+ column
      let count = smaller(plan.columns &- column, panelWidth)
      packBias(bias.map { $0 + first }, count, out)
      var done = 0
      var rows = out + panelWidth
      while done < filter {
        let tap = isTurned ? filter &- run &- done : done
        packColumns(weights + (first &* filter &+ tap), filter, 1, run, count, rows)
        done &+= run
        rows += RowStep.words(run) &* panelWidth
      }
      if plan.source == .pairs { PixelPairs.double(out, plan.k) }
      out += panelSize(plan.k)
      column &+= panelWidth
    }
    group &+= 1
  }
}

func convRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let plan = ConvPlan(args)
  let c = plan.args.pointee
  guard let x = c.x, let y = c.y, let packed = c.packed else { return }
  var whole = FloatTarget(
    y: y.assumingMemoryBound(to: Float.self), stride: Int(c.y_stride),
    residual: c.residual?.assumingMemoryBound(to: Float.self), residualStride: Int(c.residual_stride),
    low: c.clamp_min, high: c.clamp_max)
  #if ISA_AVX512BF16
  whole.isPairs = c.y_pairs != 0
  #endif
  var rows = FloatRows(0, plan.k, x, 0)
  var firstRow = 0
  var prepared = -1  // the row block, over all groups, that `rows` describes
  var unit = Int(begin)
  while unit < Int(end) {
    let panelBlock = unit % plan.panelBlocks
    let block = unit / plan.panelBlocks
    let group = block / plan.rowBlocks
    if prepared != block {
      firstRow = prepare(plan, block % plan.rowBlocks, group &* plan.depth, scratch, &rows)
      prepared = block
    }
    let width = plan.blockPanels &* panelWidth
    let column = panelBlock &* width
    let panels = packed.assumingMemoryBound(to: Float.self)
      + (group &* plan.groupWords &+ panelBlock &* plan.blockPanels &* panelSize(plan.k))
    if plan.source == .pairs {
      multiplyPairs(rows, plan.columns, Int(c.ow), panels, whole.moved(rows: firstRow, columns: 0))
      unit &+= 1
      continue
    }
    multiplyBlock(
      rows, smaller(width, plan.columns &- column), panels,
      whole.moved(rows: firstRow, columns: group &* plan.columns &+ column))
    unit &+= 1
  }
}

/// Makes the rows of a block readable by the tile. Returns the number of the first.
private func prepare(
  _ plan: ConvPlan, _ rowBlock: Int, _ channel: Int, _ scratch: UnsafeMutableRawPointer?, _ rows: inout FloatRows
) -> Int {
  let c = plan.args.pointee
  guard let base = c.x else { return 0 }
  let x = base.assumingMemoryBound(to: Float.self) + channel
  switch plan.source {
  case .image:
    let row = rowBlock &* plan.blockRows
    rows = FloatRows(plan.rowCount(rowBlock), plan.k, x + row &* Int(c.x_stride), Int(c.x_stride) &* 4)
    return row
  case .copies, .windows:
    let row = rowBlock &* plan.blockRows
    guard let scratch else { return 0 }
    rows = FloatRows(plan.rowCount(rowBlock), plan.k, scratch, plan.rowWords &* 4)
    let words = scratch.assumingMemoryBound(to: Float.self)
    if areWords(c) {
      gatherRows(FloatStep.self, c, x, row, rows.count, plan.depth, plan.rowWords, words)
    } else {
      gatherRows(RowStep.self, c, x, row, rows.count, plan.depth, plan.rowWords, words)
    }
    return row
  case .packedWindows:
    let row = rowBlock &* plan.blockRows
    guard let scratch else { return 0 }
    rows = FloatRows(plan.rowCount(rowBlock), plan.k, scratch, plan.rowWords &* 4)
    let words = scratch.assumingMemoryBound(to: Float.self)
    let staged = words + (plan.blockRows &+ tileRows / 2) &* plan.rowWords
    var done = 0
    while done < rows.count {
      let count = smaller(stagedRows, rows.count &- done)
      gatherRows(FloatStep.self, c, x, row &+ done, count, plan.channels, plan.filter, staged)
      var i = 0
      while i < count {
        RowStep.copy(words + (done &+ i) &* plan.rowWords, staged + i &* plan.filter, 1, plan.filter)
        i &+= 1
      }
      done &+= count
    }
    return row
  case .lines, .pairs:
    let blocks = divideUp(Int(c.oh), plan.blockRows)
    let image = rowBlock / blocks, line = rowBlock % blocks &* plan.blockRows
    guard let scratch else { return 0 }
    let copied = scratch.assumingMemoryBound(to: Float.self)
    let count = smaller(plan.blockRows, Int(c.oh) &- line)
    let first = x + image &* Int(c.h) &* Int(c.w) &* Int(c.x_stride)
    if plan.source == .pairs {
      rows = PixelPairs(c).prepare(c, first, line, count, copied)
    } else {
      let lines = PaddedLines(c, plan.depth)
      rows = lines.rows(c, count, lines.copy(c, first, line, count, copied))
    }
    return (image &* Int(c.oh) &+ line) &* Int(c.ow)
  }
}
