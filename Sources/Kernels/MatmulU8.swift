import CPlatform

// Products of two uint8 tensors. The second one is packed into panels for each unit, as weights are at load: on
// instruction sets that multiply bytes as b - 128 plus `dotWeightOffset`, which leaves (128 - zero point) times the sum of
// each row of a to be added, less that offset; elsewhere as Int16 without its zero point. A unit of work is some panels of
// columns by a chunk of rows of one matrix.

/// How a product is cut into units.
private struct MatmulShapeU8 {
  let m: Int, n: Int, k: Int
  let steps: Int
  let rowBytes: Int
  let inPlace: Bool
  let blockRows: Int
  let blockPanels: Int
  let panelBlocks: Int
  let chunkRows: Int
  let chunks: Int
  let batch: Int

  private static var enoughUnits: Int { 16 }
  /// Gathered rows, and the panels of a unit, stay below this where a single one does.
  private static var gatherBytes: Int { 128 &* 1024 }

  init(_ a: ek_matmul) {
    (m, n, k, batch) = (Int(a.m), Int(a.n), Int(a.k), Int(a.batch))
    steps = stepsU8(k)
    rowBytes = 4 &* steps
    inPlace = activationBytes == 1 && a.a_column_stride == 1 && k % dotGroup == 0
    let block = 8 &* tileRows
    let fitting = rowBytes == 0 ? block : Self.gatherBytes / rowBytes
    blockRows = larger(1, smaller(block, fitting))
    // What is done to rows is done once for all panels of a unit.
    let panels = divideUp(n, panelWidth)
    let share = smaller(batch &* panels / Self.enoughUnits, Self.gatherBytes / panelBytesU8(steps))
    panelBlocks = divideUp(panels, larger(1, share))
    blockPanels = divideUp(panels, larger(1, panelBlocks))
    // Every chunk packs its panels again.
    let blocks = divideUp(m, blockRows)
    let wanted = batch &* panelBlocks == 0 ? 1 : divideUp(Self.enoughUnits, batch &* panelBlocks)
    chunkRows = larger(1, divideUp(blocks, wanted)) &* blockRows
    chunks = divideUp(m, chunkRows)
  }

  var units: Int { batch &* panelBlocks &* chunks }
  var sumBytes: Int { roundedUp(4 &* blockRows, 64) }
  var panelBytes: Int { roundedUp(blockPanels &* panelBytesU8(steps), 64) }
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
  runUnits(args.assumingMemoryBound(to: ek_matmul.self), Int(begin), Int(end), scratch)
}

@inline(never)
private func runUnits(_ pointer: UnsafePointer<ek_matmul>, _ begin: Int, _ end: Int, _ scratch: UnsafeMutableRawPointer) {
  let args = pointer.pointee
  guard let aBase = args.a?.assumingMemoryBound(to: UInt8.self), let bBase = args.b?.assumingMemoryBound(to: UInt8.self)
  else { return }
  let shape = MatmulShapeU8(args)
  let tail = scratch.assumingMemoryBound(to: UInt8.self)
  let sums = (scratch + tailBytesU8).assumingMemoryBound(to: Int32.self)
  let panel = scratch + tailBytesU8 + shape.sumBytes
  let gathered = panel + shape.panelBytes
  let rowShift = dotGroup == 4 ? 128 &- args.b_zero_point : 0
  let rowFactor = rowShift &- dotWeightOffset
  let hasRowSums = rowFactor != 0 || dotWeightOffset != 0
  let rowStride = Int(args.a_row_stride)
  let output = OutputU8(args)
  var packed = -1
  var unit = begin
  while unit < end {
    let block = unit / shape.chunks
    let batch = block / shape.panelBlocks
    let column = block % shape.panelBlocks &* shape.blockPanels &* panelWidth
    let columns = smaller(shape.blockPanels &* panelWidth, shape.n &- column)
    if block != packed {
      let b = bBase + (matrixOffset(pointer, batch, args.b_group_stride, args.b_batch_stride) &+ column &* Int(args.b_column_stride))
      var done = 0
      while done < columns {
        packPanel(
          args, shape, b + done &* Int(args.b_column_stride), smaller(panelWidth, columns &- done), rowShift,
          panel + done / panelWidth &* panelBytesU8(shape.steps))
        done &+= panelWidth
      }
      packed = block
    }
    let a = aBase + matrixOffset(pointer, batch, args.a_group_stride, args.a_batch_stride)
    var matrixOutput = output
    matrixOutput.y += matrixOffset(pointer, batch, args.y_group_stride, args.y_batch_stride)
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
      if hasRowSums { sumRowsU8(shape.k, source, stride, rows, rowFactor, sums) }
      var target = matrixOutput.moved(rows: row, columns: column)
      if hasRowSums { target.rowCorrections = UnsafePointer(sums) }
      multiplyBlockU8(RowsU8(source, rows, stride, steps: shape.steps), columns, panel, target, tail)
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
  #if ISA_AVX2
  let mixed = MixedPanel(panel, shape.steps)
  mixed.allWords()
  let weights = UnsafeMutableRawPointer(mixed.weights)
  #else
  let weights = panel + 8 &* panelWidth
  #endif
  let rowStride = Int(args.b_row_stride), columnStride = Int(args.b_column_stride)
  if dotGroup == 4 && rowStride == 1 {
    packRuns(b, columnStride, columns, shape.k, weights.assumingMemoryBound(to: UInt32.self))
  } else if dotGroup == 4 && columnStride == 1 {
    packRows(b, rowStride, columns, shape.k, weights.assumingMemoryBound(to: Int32.self))
  } else {
    packElements(args, shape, b, columns, weights.assumingMemoryBound(to: DotWeight.self))
  }
  // A product with ones is the sum of each column.
  let pattern = VI(repeating: dotGroup == 4 ? 0x0101_0101 : 0x0001_0001)
  let ones = withUnsafeBytes(of: pattern) { $0.loadUnaligned(as: DotOperation.Vector.self) }
  var w = UnsafeRawPointer(weights).assumingMemoryBound(to: DotOperation.Vector.self)
  var low = VI(repeating: 0), high = low
  var left = shape.steps
  while left > 0 {
    DotOperation.accumulate(&low, ones, w[0])
    DotOperation.accumulate(&high, ones, w[1])
    w += 2
    left &-= 1
  }
  let factor = VI(repeating: 0 &- args.a_zero_point)
  let excess = VI(repeating: Int32(truncatingIfNeeded: shape.k) &* dotWeightOffset)
  let constant = VI(repeating: Int32(truncatingIfNeeded: shape.k) &* args.a_zero_point &* rowShift)
  let corrections = panel.assumingMemoryBound(to: Int32.self)
  ((low &- excess) &* factor &- constant).store(corrections)
  ((high &- excess) &* factor &- constant).store(corrections + lanes)
  let scales = (panel + 4 &* panelWidth).assumingMemoryBound(to: Float.self)
  VF(repeating: args.scale).store(scales)
  VF(repeating: args.scale).store(scales + lanes)
  #if ISA_AVX2
  mixed.setLimits(zeroPoint: args.y_zero_point, low: 0, high: 255, residualScale: 0)
  #endif
}

/// What makes four bytes weights: less 128 each flips their top bits, and `dotWeightOffset` may take that back.
private var flipped: UInt32 { dotWeightOffset == 0 ? 0x8080_8080 : 0 }

/// Columns whose elements follow each other, four at a time.
@inline(never)
private func packRuns(_ b: UnsafePointer<UInt8>, _ stride: Int, _ columns: Int, _ k: Int, _ weights: UnsafeMutablePointer<UInt32>) {
  let whole = k / 4, rest = k % 4
  var column = 0
  while column < panelWidth {
    let from = UnsafeRawPointer(b + (column < columns ? column : 0) &* stride)
    var to = weights + column
    var step = 0
    while step < whole {
      to.pointee = from.loadUnaligned(fromByteOffset: 4 &* step, as: UInt32.self) ^ flipped
      to += panelWidth
      step &+= 1
    }
    if rest > 0 {
      let bytes = loadFewBytes(from.assumingMemoryBound(to: UInt8.self) + 4 &* whole, rest)
      to.pointee = UInt32(truncatingIfNeeded: bytes) ^ flipped &>> UInt32(truncatingIfNeeded: 8 &* (4 &- rest))
    }
    column &+= 1
  }
}

/// Rows whose elements follow each other, four interleaved at a time.
@inline(never)
private func packRows(_ b: UnsafePointer<UInt8>, _ stride: Int, _ columns: Int, _ k: Int, _ weights: UnsafeMutablePointer<Int32>) {
  let top = VI(repeating: Int32(truncatingIfNeeded: flipped & 0x80))
  var from = b, to = weights
  var left = k
  while left > 0 {
    var column = 0
    while column < panelWidth {
      let count = smaller(columns &- column, lanes)
      var group = VI(repeating: 0)
      if count > 0 {
        var i = smaller(left, 4)
        while i > 0 {
          i &-= 1
          let p = from + (i &* stride &+ column)
          group = group &<< VI(repeating: 8) | (count < lanes ? widenBytesPart(p, count) : widenBytes(p)) ^ top
        }
      }
      group.store(to + column)
      column &+= lanes
    }
    from += 4 &* stride
    to += panelWidth
    left &-= 4
  }
}

/// Any strides, element by element.
@inline(never)
private func packElements(
  _ args: ek_matmul, _ shape: MatmulShapeU8, _ b: UnsafePointer<UInt8>, _ columns: Int, _ weights: UnsafeMutablePointer<DotWeight>
) {
  let zero: Int32 = dotGroup == 4 ? 128 : args.b_zero_point
  let rowStride = Int(args.b_row_stride), columnStride = Int(args.b_column_stride)
  var column = 0
  while column < panelWidth {
    let from = b + (column < columns ? column : 0) &* columnStride
    let real = column < columns ? shape.k : 0
    var step = 0
    while step < shape.steps {
      var i = 0
      while i < dotGroup {
        let k = step &* dotGroup &+ i
        let weight = k < real ? Int32(from[k &* rowStride]) &- zero : 0
        weights[step &* panelWidth &* dotGroup &+ dotWeightIndex(column, i)] = DotWeight(
          truncatingIfNeeded: k < real ? weight &+ dotWeightOffset : 0)
        i &+= 1
      }
      step &+= 1
    }
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
