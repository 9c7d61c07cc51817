import CPlatform

// Convolution as matrix multiplication: rows are output pixels, columns output channels of one group, and the
// inner dimension runs over (kh, kw, c). A unit of work is a block of rows by a block of panels of one group.
// The inner dimension is never split, so any partition adds in the same order.

/// The matrix form of a convolution and its split into units.
private struct ConvPlan {
  let args: UnsafePointer<ek_conv>
  /// Channels of a group.
  let depth: Int, columns: Int
  /// Inner dimension, output pixels, panels of a group.
  let k: Int, pixels: Int, panels: Int
  /// True when the activations are the rows already.
  let inPlace: Bool
  let blockRows: Int, rowBlocks: Int
  let blockPanels: Int, panelBlocks: Int

  init(_ pointer: UnsafeRawPointer) {
    args = pointer.assumingMemoryBound(to: ek_conv.self)
    let c = args.pointee
    let groups = Int(c.groups)
    depth = Int(c.c_in) / groups
    columns = Int(c.c_out) / groups
    k = Int(c.kh) &* Int(c.kw) &* depth
    pixels = Int(c.n) &* Int(c.oh) &* Int(c.ow)
    panels = divideUp(columns, panelWidth)
    inPlace = c.kh == 1 && c.kw == 1 && c.stride_h == 1 && c.stride_w == 1 && c.pad_top == 0 && c.pad_left == 0
      && c.h == c.oh && c.w == c.ow

    // Rows of one block are read again for each panel. Where all panels stay in the second level cache, short
    // blocks keep copied rows near the first; where panels stream from memory, tall blocks read them less often.
    let streams = panels &* panelSize(k) > 256 << 10
    let cacheFloats: Int = streams ? 128 << 10 : inPlace ? 64 << 10 : 16 << 10
    var rows: Int = cacheFloats / k / tileRows
    if rows > 12 { rows = 12 }
    if rows < 1 { rows = 1 }
    blockRows = rows &* tileRows
    rowBlocks = divideUp(pixels, blockRows)

    // Panels are split when rows alone give too few units to share, but not below a useful amount of work.
    let wanted = divideUp(32, rowBlocks &* groups)
    var panelsPerBlock = divideUp(panels, wanted)
    let rowsHere = pixels < blockRows ? pixels : blockRows
    let smallest = divideUp(1 << 18, rowsHere &* k &* panelWidth)
    if panelsPerBlock < smallest { panelsPerBlock = smallest }
    if !inPlace && panelsPerBlock < 4 { panelsPerBlock = 4 }
    if panelsPerBlock > panels { panelsPerBlock = panels }
    blockPanels = panelsPerBlock
    panelBlocks = divideUp(panels, blockPanels)
  }

  var units: Int { Int(args.pointee.groups) &* rowBlocks &* panelBlocks }
  var groupFloats: Int { panels &* panelSize(k) }
}

func convUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(ConvPlan(args).units)
}

func convScratch(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let plan = ConvPlan(args)
  return plan.inPlace ? 0 : Int64(plan.blockRows &* plan.k &* 4)
}

func convPackedBytes(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let plan = ConvPlan(args)
  return Int64(Int(plan.args.pointee.groups) &* plan.groupFloats &* 4)
}

/// Weights [c_out][k] become, for each group, panels of bias and [k][panelWidth].
func convPack(_ args: UnsafeRawPointer?, _ packed: UnsafeMutableRawPointer?) {
  guard let args, let packed else { return }
  let plan = ConvPlan(args)
  let c = plan.args.pointee
  guard let source = c.weights else { return }
  let weights = source.assumingMemoryBound(to: Float.self)
  let bias = c.bias?.assumingMemoryBound(to: Float.self)
  var out = packed.assumingMemoryBound(to: Float.self)
  var group = 0
  while group < Int(c.groups) {
    var column = 0
    while column < plan.columns {
      let first = group &* plan.columns &+ column
      let count = plan.columns &- column < panelWidth ? plan.columns &- column : panelWidth
      packPanel(weights + first &* plan.k, plan.k, 1, bias.map { $0 + first }, plan.k, count, out)
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
  guard let xBase = c.x, let yBase = c.y, let packed = c.packed else { return }
  let x = xBase.assumingMemoryBound(to: Float.self)
  let whole = FloatTarget(
    y: yBase.assumingMemoryBound(to: Float.self), stride: Int(c.y_stride),
    residual: c.residual?.assumingMemoryBound(to: Float.self), residualStride: Int(c.residual_stride),
    low: c.clamp_min, high: c.clamp_max)
  var gathered = -1  // the row block, over all groups, that scratch holds
  var unit = Int(begin)
  while unit < Int(end) {
    let panelBlock = unit % plan.panelBlocks
    let block = unit / plan.panelBlocks
    let rowBlock = block % plan.rowBlocks, group = block / plan.rowBlocks
    let row = rowBlock &* plan.blockRows
    let rows = plan.pixels &- row < plan.blockRows ? plan.pixels &- row : plan.blockRows
    let column = panelBlock &* plan.blockPanels &* panelWidth
    let width = plan.blockPanels &* panelWidth
    let columns = plan.columns &- column < width ? plan.columns &- column : width
    let panels = packed.assumingMemoryBound(to: Float.self)
      + (group &* plan.groupFloats &+ panelBlock &* plan.blockPanels &* panelSize(plan.k))
    let target = whole.moved(rows: row, columns: group &* plan.columns &+ column)
    if plan.inPlace {
      let a = x + (row &* Int(c.x_stride) &+ group &* plan.depth)
      multiplyBlock(rows, columns, plan.k, a, Int(c.x_stride) &* 4, panels, target)
    } else if let scratch {
      if gathered != block {
        gatherRows(plan.args, row, rows, group &* plan.depth, plan.depth, scratch.assumingMemoryBound(to: Float.self))
        gathered = block
      }
      multiplyBlock(rows, columns, plan.k, scratch, plan.k &* 4, panels, target)
    }
    unit &+= 1
  }
}
