import CPlatform

// Products of two uint8 tensors. The second one is packed into a panel for each unit, as weights are at load: on
// instruction sets that multiply bytes as b - 128 plus `dotWeightOffset`, which leaves (128 - zero point) times the sum of
// each row of a to be added, less that offset; elsewhere as Int16 without its zero point. A unit of work is a panel of columns by a chunk of rows
// of one batch.

/// How a product is cut into units.
private struct MatmulShapeU8 {
  let m: Int, n: Int, k: Int
  let steps: Int
  let rowBytes: Int
  let inPlace: Bool
  let blockRows: Int
  let panels: Int
  let chunkRows: Int
  let chunks: Int
  let batch: Int

  private static var enoughUnits: Int { 16 }
  /// Gathered rows stay below this where a single row does.
  private static var gatherBytes: Int { 128 &* 1024 }

  init(_ a: ek_matmul) {
    (m, n, k, batch) = (Int(a.m), Int(a.n), Int(a.k), Int(a.batch))
    steps = stepsU8(k)
    rowBytes = 4 &* steps
    inPlace = activationBytes == 1 && a.a_column_stride == 1 && k % dotGroup == 0
    let block = 8 &* tileRows
    let fitting = rowBytes == 0 ? block : Self.gatherBytes / rowBytes
    blockRows = larger(1, smaller(block, fitting))
    panels = divideUp(n, panelWidth)
    // Every chunk packs its panel again.
    let blocks = divideUp(m, blockRows)
    let wanted = batch &* panels == 0 ? 1 : divideUp(Self.enoughUnits, batch &* panels)
    chunkRows = larger(1, divideUp(blocks, wanted)) &* blockRows
    chunks = divideUp(m, chunkRows)
  }

  var units: Int { batch &* panels &* chunks }
  var sumBytes: Int { roundedUp(4 &* blockRows, 64) }
  var panelBytes: Int { roundedUp(panelBytesU8(steps), 64) }
  var scratchBytes: Int { tailBytesU8 &+ sumBytes &+ panelBytes &+ (inPlace ? 0 : blockRows &* rowBytes) }
}

func matmulUnitsU8(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(MatmulShapeU8(args.assumingMemoryBound(to: ek_matmul.self).pointee).units)
}

func matmulScratchU8(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(MatmulShapeU8(args.assumingMemoryBound(to: ek_matmul.self).pointee).scratchBytes)
}

func matmulRunU8(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args, let scratch else { return }
  runUnits(args.assumingMemoryBound(to: ek_matmul.self).pointee, Int(begin), Int(end), scratch)
}

@inline(never)
private func runUnits(_ args: ek_matmul, _ begin: Int, _ end: Int, _ scratch: UnsafeMutableRawPointer) {
  guard let aBase = args.a?.assumingMemoryBound(to: UInt8.self), let bBase = args.b?.assumingMemoryBound(to: UInt8.self)
  else { return }
  let shape = MatmulShapeU8(args)
  let tail = scratch.assumingMemoryBound(to: UInt8.self)
  let sums = (scratch + tailBytesU8).assumingMemoryBound(to: Int32.self)
  let panel = scratch + tailBytesU8 + shape.sumBytes
  let gathered = panel + shape.panelBytes
  let rowShift = dotGroup == 4 ? 128 &- args.b_zero_point : 0
  let rowFactor = rowShift &- dotWeightOffset
  let rowStride = Int(args.a_row_stride)
  let output = OutputU8(args)
  var packedPanel = -1
  var unit = begin
  while unit < end {
    let panelIndex = unit / shape.chunks
    let batch = panelIndex / shape.panels
    let column = panelIndex % shape.panels &* panelWidth
    let columns = smaller(panelWidth, shape.n &- column)
    if panelIndex != packedPanel {
      packPanel(
        args, shape, bBase + (batch &* Int(args.b_batch_stride) &+ column &* Int(args.b_column_stride)), columns,
        rowShift, panel)
      packedPanel = panelIndex
    }
    let a = aBase + batch &* Int(args.a_batch_stride)
    var row = unit % shape.chunks &* shape.chunkRows
    let last = smaller(row &+ shape.chunkRows, shape.m)
    while row < last {
      let rows = smaller(shape.blockRows, last &- row)
      var source = UnsafeRawPointer(a + row &* rowStride)
      var stride = rowStride
      if !shape.inPlace {
        gatherRows(args, shape, a + row &* rowStride, rows, gathered)
        source = UnsafeRawPointer(gathered)
        stride = shape.rowBytes
      }
      if rowFactor != 0 { sumRowsU8(shape.k, source, stride, rows, rowFactor, sums) }
      var target = output.moved(rows: batch &* shape.m &+ row, columns: column)
      if rowFactor != 0 { target.rowCorrections = UnsafePointer(sums) }
      multiplyBlockU8(rows, columns, shape.steps, source, stride, panel, target, tail)
      row &+= rows
    }
    unit &+= 1
  }
}

/// Packs `columns` columns of b with their corrections.
@inline(never)
private func packPanel(
  _ args: ek_matmul, _ shape: MatmulShapeU8, _ b: UnsafePointer<UInt8>, _ columns: Int, _ rowShift: Int32,
  _ panel: UnsafeMutableRawPointer
) {
  let corrections = panel.assumingMemoryBound(to: Int32.self)
  let scales = (panel + 4 &* panelWidth).assumingMemoryBound(to: Float.self)
  let weights = (panel + 8 &* panelWidth).assumingMemoryBound(to: DotWeight.self)
  let zero: Int32 = dotGroup == 4 ? 128 : args.b_zero_point
  let rowStride = Int(args.b_row_stride), columnStride = Int(args.b_column_stride)
  let constant = Int32(truncatingIfNeeded: shape.k) &* args.a_zero_point &* rowShift
  var column = 0
  while column < panelWidth {
    let from = b + (column < columns ? column : 0) &* columnStride
    let real = column < columns ? shape.k : 0
    var sum: Int32 = 0
    var step = 0
    while step < shape.steps {
      var i = 0
      while i < dotGroup {
        let k = step &* dotGroup &+ i
        let weight = k < real ? Int32(from[k &* rowStride]) &- zero : 0
        sum &+= weight
        weights[step &* panelWidth &* dotGroup &+ dotWeightIndex(column, i)] = DotWeight(
          truncatingIfNeeded: k < real ? weight &+ dotWeightOffset : 0)
        i &+= 1
      }
      step &+= 1
    }
    corrections[column] = 0 &- args.a_zero_point &* sum &- constant
    scales[column] = args.scale
    column &+= 1
  }
}

@inline(never)
private func gatherRows(
  _ args: ek_matmul, _ shape: MatmulShapeU8, _ a: UnsafePointer<UInt8>, _ count: Int, _ rows: UnsafeMutableRawPointer
) {
  let columnStride = Int(args.a_column_stride)
  var row = 0
  while row < count {
    let from = a + row &* Int(args.a_row_stride)
    let to = rows + row &* shape.rowBytes
    var k = 0
    if columnStride == 1 {
      while k &+ 16 <= shape.k {
        moveActivations(to + k &* activationBytes, from + k)
        k &+= 16
      }
    }
    // Behind the last element weights are 0, but the sums of rows want zeros there too.
    while k < shape.steps &* dotGroup {
      let byte: UInt8 = k < shape.k ? from[k &* columnStride] : 0
      if activationBytes == 1 {
        to.storeBytes(of: byte, toByteOffset: k, as: UInt8.self)
      } else {
        to.storeBytes(of: Int16(byte), toByteOffset: 2 &* k, as: Int16.self)
      }
      k &+= 1
    }
    row &+= 1
  }
}
