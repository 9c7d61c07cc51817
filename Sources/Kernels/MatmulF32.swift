import CPlatform

// Matrix multiplication of activations. The right operand is packed into panels block by block; the left is read
// in place when its rows are contiguous, else copied. A unit of work is a block of rows by a block of panels of
// one matrix of the batch, rows running fastest so that neighbouring units share the packed panels.

private struct MatmulPlan {
  let args: UnsafePointer<ek_matmul>
  let m: Int, n: Int, k: Int
  let rowsInPlace: Bool
  let blockRows: Int, rowBlocks: Int, blockPanels: Int, panelBlocks: Int

  init(_ pointer: UnsafeRawPointer) {
    args = pointer.assumingMemoryBound(to: ek_matmul.self)
    m = Int(args.pointee.m)
    n = Int(args.pointee.n)
    k = Int(args.pointee.k)
    rowsInPlace = args.pointee.a_column_stride == 1
    let panels = divideUp(n, panelWidth)
    // Packing is worth sharing: rows over panels when rows are copied, panels over many rows always.
    blockPanels = smaller(panels, rowsInPlace ? 2 : 8)
    panelBlocks = divideUp(panels, blockPanels)
    let wanted = divideUp(32, Int(args.pointee.batch) &* panelBlocks)
    let most: Int = 24 &* tileRows
    let share = larger(divideUp(m, wanted), 4 &* tileRows)
    blockRows = smaller(roundedUp(smaller(share, m), tileRows), rowsInPlace ? most : 4 &* tileRows)
    rowBlocks = divideUp(m, blockRows)
  }

  var units: Int { Int(args.pointee.batch) &* rowBlocks &* panelBlocks }
  var panelFloats: Int { blockPanels &* panelSize(k) }
  var scratchFloats: Int { panelFloats &+ (rowsInPlace ? 0 : blockRows &* k) }
}

func matmulUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(MatmulPlan(args).units)
}

func matmulScratch(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(MatmulPlan(args).scratchFloats &* 4)
}

func matmulRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args, let scratch else { return }
  let plan = MatmulPlan(args)
  let c = plan.args.pointee
  guard let aBase = c.a, let bBase = c.b, let yBase = c.y else { return }
  let bias = c.bias?.assumingMemoryBound(to: Float.self)
  let panels = scratch.assumingMemoryBound(to: Float.self)
  let copies = panels + plan.panelFloats
  var packed = -1  // the panel block, over the batch, that scratch holds
  var unit = Int(begin)
  while unit < Int(end) {
    let rowBlock = unit % plan.rowBlocks
    let block = unit / plan.rowBlocks
    let panelBlock = block % plan.panelBlocks, item = block / plan.panelBlocks
    let column = panelBlock &* plan.blockPanels &* panelWidth
    let columns = smaller(plan.blockPanels &* panelWidth, plan.n &- column)
    if packed != block {
      let b = bBase.assumingMemoryBound(to: Float.self) + matrixOffset(plan.args, item, c.b_group_stride, c.b_batch_stride)
      packColumns(b, Int(c.b_column_stride), Int(c.b_row_stride), bias, plan.k, column, columns, panels)
      packed = block
    }
    let row = rowBlock &* plan.blockRows
    let rows = smaller(plan.blockRows, plan.m &- row)
    let a = aBase.assumingMemoryBound(to: Float.self) + (matrixOffset(plan.args, item, c.a_group_stride, c.a_batch_stride) &+ row &* Int(c.a_row_stride))
    let y = yBase.assumingMemoryBound(to: Float.self) + (matrixOffset(plan.args, item, c.y_group_stride, c.y_batch_stride) &+ row &* Int(c.y_row_stride))
    let target = FloatTarget(
      y: y + column, stride: Int(c.y_row_stride), residual: nil, residualStride: 0, low: c.clamp_min, high: c.clamp_max)
    if plan.rowsInPlace {
      multiplyBlock(FloatRows(rows, plan.k, a, Int(c.a_row_stride) &* 4), columns, panels, target)
    } else {
      copyRows(a, Int(c.a_row_stride), Int(c.a_column_stride), rows, plan.k, copies)
      multiplyBlock(FloatRows(rows, plan.k, copies, plan.k &* 4), columns, panels, target)
    }
    unit &+= 1
  }
}

/// Where a matrix of the batch begins.
@inline(never)
func matrixOffset(_ args: UnsafePointer<ek_matmul>, _ item: Int, _ groupStride: Int64, _ batchStride: Int64) -> Int {
  Int(ek_matrix_offset(args, Int64(item), groupStride, batchStride))
}

/// Packs columns column ..< column + columns as consecutive panels.
func packColumns(
  _ b: UnsafePointer<Float>, _ columnStep: Int, _ step: Int, _ bias: UnsafePointer<Float>?, _ k: Int, _ column: Int,
  _ columns: Int, _ panels: UnsafeMutablePointer<Float>
) {
  var done = 0
  var panel = panels
  while done < columns {
    let first = column &+ done
    let ownBias: UnsafePointer<Float>? = if let bias { bias + first } else { nil }
    let count = smaller(panelWidth, columns &- done)
    packBias(ownBias, count, panel)
    packColumns(b + first &* columnStep, columnStep, step, k, count, panel + panelWidth)
    panel += panelSize(k)
    done &+= panelWidth
  }
}

/// Copies rows whose elements lie apart. Rows run fastest: in a transposed matrix they are the neighbours.
private func copyRows(
  _ a: UnsafePointer<Float>, _ rowStride: Int, _ columnStride: Int, _ rows: Int, _ k: Int,
  _ to: UnsafeMutablePointer<Float>
) {
  var i = 0
  while i < k {
    let from = a + i &* columnStride
    var row = 0
    while row < rows {
      to[row &* k &+ i] = from[row &* rowStride]
      row &+= 1
    }
    i &+= 1
  }
}
