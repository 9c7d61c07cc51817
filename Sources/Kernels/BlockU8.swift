import CPlatform

// Multiplies a block of uint8 rows with packed panels of int8 weights and requantizes the sums while they are
// in registers. Convolution and dense layers end here; they differ in where rows come from.
//
// A panel holds `panelWidth` columns: their corrections (Int32: bias less what the zero point adds), their scales
// (Float), then the weights of each step. Columns past the last are 0.

/// Scratch in which the tail columns of a panel are put together: results, then residuals.
@inline(__always) var tailBytesU8: Int { 2 &* roundedUp(tileRows &* panelWidth, 64) }

/// A product with so many columns needs that scratch: its last panel stores less than whole registers.
@inline(__always) func hasTailU8(_ columns: Int) -> Bool {
  let rest = columns % panelWidth
  return storesPartsU8 ? rest > lanes : rest > 0
}

/// A register may be stored in part, so that narrow results need no copy.
#if ISA_AVX512VNNI
@inline(__always) private var storesPartsU8: Bool { true }
#else
@inline(__always) private var storesPartsU8: Bool { false }
#endif

/// Stores the first register of a panel, or `columns` of it where the set stores parts of a register.
private struct NarrowSinkU8: TileSink {
  let output: OutputU8
  let quantizer: QuantizerU8
  let scale: VF
  let columns: Int

  @inline(__always)
  init(_ output: OutputU8, _ scales: UnsafePointer<VF>, _ columns: Int) {
    self.output = output
    self.columns = columns
    quantizer = output.quantizer
    scale = scales[0]
  }

  @inline(__always) func take(_ row: Int, _ low: VI, _: VI) {
    var low = toFloat(low &+ output.rowCorrection(row)) * scale
    if let residual = output.residual {
      let r = residual + row &* output.residualStride
      low += output.residualTerm(storesPartsU8 ? widenBytesPart(r, columns) : widenBytes(r))
    }
    let y = output.y + row &* output.stride
    if storesPartsU8 { return narrowBytesPart(quantizer.quantized(low), y, columns) }
    narrowBytes(quantizer.quantized(low), y)
  }
}

/// Rows and one panel.
private struct PanelProduct {
  /// Steps of a run.
  let steps: Int
  var rows: UnsafeRawPointer
  let stride: Int
  let panel: UnsafeRawPointer
  let runs: RunsU8

  /// Rows from `first` on.
  @inline(__always) init(_ rows: RowsU8, from first: Int, _ panel: UnsafeRawPointer) {
    steps = rows.runSteps
    self.rows = rows.start + first &* rows.stride
    stride = rows.stride
    self.panel = panel
    runs = rows.runs
    #if ISA_AVX2
    bytes = rows.bytes + first &* rows.byteStride
    byteStride = rows.byteStride
    #endif
  }

  /// To rows `distance` bytes further.
  @inline(__always) mutating func moveBy(_ distance: Int) {
    rows += distance
    #if ISA_AVX2
    bytes += distance / 2
    #endif
  }

  #if ISA_AVX2
  var bytes: UnsafeRawPointer
  let byteStride: Int

  @inline(__always) func product<T: Tile>(_: T.Type, _ row: Int, _ low: VI, _ high: VI) -> T where T.Operation == DotOperation {
    MixedPanel(panel, steps).product(T.self, bytes + row &* byteStride, byteStride, rows + row &* stride, stride, low, high)
  }
  #else
  @inline(__always) var window: TileWindow { runs.window(steps) }

  @inline(__always) func product<T: Tile>(_: T.Type, _ row: Int, _ low: VI, _ high: VI) -> T where T.Operation == DotOperation {
    T.product(window, rows + row &* stride, stride, weights, low, high)
  }
  #endif

  @inline(__always) var corrections: UnsafePointer<VI> { panel.assumingMemoryBound(to: VI.self) }
  @inline(__always) var scales: UnsafePointer<VF> {
    (panel + 4 &* panelWidth).assumingMemoryBound(to: VF.self)
  }
  #if !ISA_AVX2
  @inline(__always) var weights: UnsafePointer<DotOperation.Vector> {
    (panel + 8 &* panelWidth).assumingMemoryBound(to: DotOperation.Vector.self)
  }
  #endif

  @inline(__always) func wide<T: Tile>(_: T.Type, _ row: Int, _ output: OutputU8) where T.Operation == DotOperation {
    let tile = product(T.self, row, corrections[0], corrections[1])
    #if ISA_AVX2
    tile.finish(0, MixedSinkU8(output: output, panel: panel))
    #else
    tile.finish(0, WideSinkU8(output, scales))
    #endif
  }

  @inline(__always)
  func narrow<T: Tile>(_: T.Type, _ row: Int, _ output: OutputU8, _ columns: Int) where T.Operation == DotOperation {
    product(T.self, row, corrections[0], corrections[0]).finish(0, NarrowSinkU8(output, scales, columns))
  }

  #if ISA_AVX2
  /// What a sum waits for is an addition: the multiplier is not part of it.
  @inline(__always) func wideRow(_ row: Int, _ output: OutputU8) { wide(WideRow<DotOperation>.self, row, output) }
  #else
  /// One row has too few sums to hide the latency of the multiplier: four sets of them take turns.
  @inline(__always) func wideRow(_ row: Int, _ output: OutputU8) {
    var line = rows + row &* stride
    var w = weights
    var s0 = WideRow<DotOperation>(corrections[0], corrections[1])
    var s1 = WideRow<DotOperation>(), s2 = s1, s3 = s1
    var lines = runs.count
    while lines > 0 {
      var a = line
      var left = steps
      while left >= 4 {
        s0.step(a, 0, w[0], w[1])
        s1.step(a + 4, 0, w[2], w[3])
        s2.step(a + 8, 0, w[4], w[5])
        s3.step(a + 12, 0, w[6], w[7])
        a += 16
        w += 8
        left &-= 4
      }
      while left > 0 {
        s0.step(a, 0, w[0], w[1])
        a += 4
        w += 2
        left &-= 1
      }
      line += runs.distance
      lines &-= 1
    }
    WideSinkU8(output, scales)
      .take(0, (s0.low &+ s1.low) &+ (s2.low &+ s3.low), (s0.high &+ s1.high) &+ (s2.high &+ s3.high))
  }
  #endif
}

/// Multiplies rows with the panels of `columns` columns.
/// `tail`: `tailBytesU8` of scratch where `hasTailU8`.
@inline(never)
func multiplyBlockU8(
  _ rows: RowsU8, _ columns: Int, _ panels: UnsafeRawPointer, _ output: OutputU8, _ tail: UnsafeMutablePointer<UInt8>
) {
  let panelBytes = panelBytesU8(rows.steps)
  var column = 0
  while column < columns {
    let width = columns &- column
    let panel = panels + column / panelWidth &* panelBytes
    let target = output.moved(rows: 0, columns: column)
    // What whole tiles of the fastest kind take of each line.
    #if ISA_NEON || ISA_NEONDOT
    let done = width >= panelWidth ? rows.count / tileRows &* tileRows : 0
    wholeTilesU8(done, rows.steps, rows.start, rows.stride, panel, target)
    #elseif ISA_AVX2 || ISA_AVX512VNNI
    let done = width >= panelWidth && rows.count >= tileRows ? multiplyTamePanel(panel, rows, target) : 0
    #else
    let done = 0
    #endif
    if done < rows.count {
      let product = PanelProduct(rows, from: done, panel), rest = target.moved(rows: done, columns: 0)
      if width > lanes {
        widePanel(rows.count &- done, rows.count, rows.lines, product, rest, smaller(width, panelWidth), tail)
      } else {
        narrowPanel(rows.count &- done, rows.count, rows.lines, product, rest, width, tail)
      }
    }
    column &+= panelWidth
  }
}

/// Multiplies the first `count` of the `lineRows` rows of each line.
@inline(never)
private func widePanel(
  _ count: Int, _ lineRows: Int, _ lines: RunsU8, _ panel: PanelProduct, _ output: OutputU8, _ width: Int,
  _ tail: UnsafeMutablePointer<UInt8>
) {
  typealias Row = WideRow<DotOperation>
  var panel = panel
  var first = 0
  var left = lines.count
  while left > 0 {
    var row = 0
    while row < count {
      #if ISA_AVX2 || ISA_AVX512VNNI
      // Of rows and panels that the largest tile is for, those with a rare kind of results are left, and the last panel.
      let size = tileSize(smaller(count &- row, PartTile<Row>.rows))
      #else
      let size = tileSize(count &- row)
      #endif
      let fits = mayOverlap(output, count &- row &- size, width, panelWidth)
      let place = placeU8(output, first &+ row, size, width, fits, tail)
      #if ISA_NEON || ISA_NEONDOT
      if size == MainTile<Row>.rows {
        wholeTilesU8(size, panel.steps, panel.rows + row &* panel.stride, panel.stride, panel.panel, place)
      }
      #elseif ISA_SSE2
      if size == MainTile<Row>.rows { panel.wide(MainTile<Row>.self, row, place) }
      #endif
      if size == PartTile<Row>.rows {
        panel.wide(PartTile<Row>.self, row, place)
      } else if size == 2 {
        panel.wide(Rows2<Row>.self, row, place)
      } else if size == 1 {
        panel.wideRow(row, place)
      }
      if !fits { copyTail(tail, output, first &+ row, size, width) }
      row &+= size
    }
    first &+= lineRows
    panel.moveBy(lines.distance)
    left &-= 1
  }
}

@inline(never)
private func narrowPanel(
  _ count: Int, _ lineRows: Int, _ lines: RunsU8, _ panel: PanelProduct, _ output: OutputU8, _ width: Int,
  _ tail: UnsafeMutablePointer<UInt8>
) {
  typealias Row = NarrowRow<DotOperation>
  let whole = storesPartsU8 ? width : lanes
  var panel = panel
  var first = 0
  var left = lines.count
  while left > 0 {
    var row = 0
    while row < count {
      let size = tileSize(count &- row)
      let fits = mayOverlap(output, count &- row &- size, width, whole)
      let place = placeU8(output, first &+ row, size, width, fits, tail)
      if size == MainTile<Row>.rows {
        panel.narrow(MainTile<Row>.self, row, place, width)
      } else if size == PartTile<Row>.rows {
        panel.narrow(PartTile<Row>.self, row, place, width)
      } else if size == 2 {
        panel.narrow(Rows2<Row>.self, row, place, width)
      } else {
        panel.narrow(Row.self, row, place, width)
      }
      if !fits { copyTail(tail, output, first &+ row, size, width) }
      row &+= size
    }
    first &+= lineRows
    panel.moveBy(lines.distance)
    left &-= 1
  }
}

/// What short lines of windows, and the last rows of others, are made of.
#if ISA_AVX512VNNI
private typealias PartTile<Row: Tile> = SmallTile<Row>
#else
private typealias PartTile<Row: Tile> = MiddleTile<Row>
#endif

/// The largest tile that `left` rows fill.
@inline(__always) func tileSize(_ left: Int) -> Int {
  if left >= tileRows { return tileRows }
  let part = PartTile<NarrowRow<DotOperation>>.rows
  if left >= part { return part }
  return left >= 2 ? 2 : 1
}

/// Whole registers of `whole` columns may be stored where results of `width` belong: what they store too much lies in the next
/// `rows` rows, whose own results come later, and no residual is there.
@inline(__always)
private func mayOverlap(_ output: OutputU8, _ rows: Int, _ width: Int, _ whole: Int) -> Bool {
  width >= whole || output.stride == width && output.residual == nil && rows &* width >= whole &- width
}

/// Where a tile stores whole registers: the output itself where they `fit`, else scratch.
@inline(__always)
private func placeU8(
  _ output: OutputU8, _ row: Int, _ rows: Int, _ width: Int, _ fits: Bool, _ tail: UnsafeMutablePointer<UInt8>
) -> OutputU8 {
  var place = output.moved(rows: row, columns: 0)
  if fits { return place }
  place.y = tail
  place.stride = panelWidth
  if let residual = place.residual {
    let copy = tail + tailBytesU8 / 2
    copyRows(copy, panelWidth, residual, place.residualStride, rows, width)
    place.residual = UnsafePointer(copy)
    place.residualStride = panelWidth
  }
  return place
}

@inline(__always)
private func copyTail(_ tail: UnsafePointer<UInt8>, _ output: OutputU8, _ row: Int, _ rows: Int, _ width: Int) {
  copyRows(output.y + row &* output.stride, output.stride, tail, panelWidth, rows, width)
}

@inline(never)
private func copyRows(
  _ to: UnsafeMutablePointer<UInt8>, _ toStride: Int, _ from: UnsafePointer<UInt8>, _ fromStride: Int, _ rows: Int, _ width: Int
) {
  var i = 0
  while i < rows {
    copyBytes(to + i &* toStride, from + i &* fromStride, width)
    i &+= 1
  }
}
