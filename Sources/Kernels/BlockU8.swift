import CPlatform

// Multiplies a block of uint8 rows with packed panels of int8 weights and requantizes the sums while they are
// in registers. Convolution and dense layers end here; they differ in where rows come from.
//
// A panel holds `panelWidth` columns: their corrections (Int32: bias less what the zero point adds), their scales
// (Float), then the weights of each step. Columns past the last are 0.

/// Steps of a row of `k` activations.
@inline(__always) func stepsU8(_ k: Int) -> Int { divideUp(k, dotGroup) }
/// Bytes of a packed panel.
@inline(__always) func panelBytesU8(_ steps: Int) -> Int {
  panelWidth &* (8 &+ steps &* dotGroup &* MemoryLayout<DotWeight>.size)
}
/// Scratch in which the tail columns of a panel are put together: results, then residuals.
@inline(__always) var tailBytesU8: Int { 2 &* roundedUp(tileRows &* panelWidth, 64) }

/// How a sum becomes a byte.
struct OutputU8 {
  var y: UnsafeMutablePointer<UInt8>
  var stride: Int
  var residual: UnsafePointer<UInt8>?
  var residualStride: Int
  let residualZeroPoint: Int32
  let residualScale: Float
  /// Added to all sums of a row: what a zero point of the second operand makes of the first one.
  var rowCorrections: UnsafePointer<Int32>?
  let zeroPoint: Int32
  let low: Int32
  let high: Int32

  init(_ a: ek_conv) {
    y = a.y.assumingMemoryBound(to: UInt8.self)
    stride = Int(a.y_stride)
    residual = a.residual?.assumingMemoryBound(to: UInt8.self)
    residualStride = Int(a.residual_stride)
    residualZeroPoint = a.residual_zero_point
    residualScale = a.residual_scale
    rowCorrections = nil
    zeroPoint = a.y_zero_point
    low = a.q_min
    high = a.q_max
  }

  init(_ a: ek_matmul) {
    y = a.y.assumingMemoryBound(to: UInt8.self)
    stride = Int(a.y_row_stride)
    residual = nil
    residualStride = 0
    residualZeroPoint = 0
    residualScale = 0
    rowCorrections = nil
    zeroPoint = a.y_zero_point
    low = 0
    high = 255
  }

  @inline(__always) func moved(rows: Int, columns: Int) -> OutputU8 {
    var moved = self
    moved.y += rows &* stride &+ columns
    if let residual { moved.residual = residual + (rows &* residualStride &+ columns) }
    if let rowCorrections { moved.rowCorrections = rowCorrections + rows }
    return moved
  }

  @inline(__always) func rowCorrection(_ row: Int) -> VI {
    // With an offset in all weights, all rows have corrections.
    if dotWeightOffset != 0 { return VI(repeating: rowCorrections.unsafelyUnwrapped[row]) }
    if let rowCorrections { return VI(repeating: rowCorrections[row]) }
    return VI(repeating: 0)
  }

  @inline(__always) var quantizer: QuantizerU8 { QuantizerU8(zeroPoint: zeroPoint, low: low, high: high) }

  /// Quantizes two neighbouring registers and stores them.
  @inline(__always) func store(_ first: VF, _ second: VF, _ quantizer: QuantizerU8, _ p: UnsafeMutablePointer<UInt8>) {
    #if ISA_AVX512VNNI
    narrowBytes(first, second, VF(repeating: Float(high &- zeroPoint)), zeroPoint, low, p)
    #else
    narrowBytes(quantizer.quantized(first), quantizer.quantized(second), p)
    #endif
  }

  @inline(__always) func residualTerm(_ bytes: VI) -> VF {
    toFloat(bytes &- VI(repeating: residualZeroPoint)) * VF(repeating: residualScale)
  }
}

/// Stores both registers of a panel. What all rows need is in registers: results might be stored over it in memory.
struct WideSinkU8: TileSink {
  let output: OutputU8
  let quantizer: QuantizerU8
  let lowScale: VF, highScale: VF

  @inline(__always)
  init(_ output: OutputU8, _ scales: UnsafePointer<VF>) {
    self.output = output
    quantizer = output.quantizer
    lowScale = scales[0]
    highScale = scales[1]
  }

  @inline(__always) func take(_ row: Int, _ low: VI, _ high: VI) {
    let correction = output.rowCorrection(row)
    var low = toFloat(low &+ correction) * lowScale
    var high = toFloat(high &+ correction) * highScale
    if let residual = output.residual {
      let r = residual + row &* output.residualStride
      low += output.residualTerm(widenBytes(r))
      high += output.residualTerm(widenBytes(r + lanes))
    }
    output.store(low, high, quantizer, output.y + row &* output.stride)
  }
}

/// Stores the first register of a panel.
private struct NarrowSinkU8: TileSink {
  let output: OutputU8
  let quantizer: QuantizerU8
  let scale: VF

  @inline(__always)
  init(_ output: OutputU8, _ scales: UnsafePointer<VF>) {
    self.output = output
    quantizer = output.quantizer
    scale = scales[0]
  }

  @inline(__always) func take(_ row: Int, _ low: VI, _: VI) {
    var low = toFloat(low &+ output.rowCorrection(row)) * scale
    if let residual = output.residual {
      low += output.residualTerm(widenBytes(residual + row &* output.residualStride))
    }
    narrowBytes(quantizer.quantized(low), output.y + row &* output.stride)
  }
}

/// Rows and one panel.
private struct PanelProduct {
  let steps: Int
  let rows: UnsafeRawPointer
  let stride: Int
  let panel: UnsafeRawPointer

  @inline(__always) var corrections: UnsafePointer<VI> { panel.assumingMemoryBound(to: VI.self) }
  @inline(__always) var scales: UnsafePointer<VF> {
    (panel + 4 &* panelWidth).assumingMemoryBound(to: VF.self)
  }
  @inline(__always) var weights: UnsafePointer<DotOperation.Vector> {
    (panel + 8 &* panelWidth).assumingMemoryBound(to: DotOperation.Vector.self)
  }

  @inline(__always) func wide<T: Tile>(_: T.Type, _ row: Int, _ output: OutputU8) where T.Operation == DotOperation {
    T.product(steps, rows + row &* stride, stride, weights, corrections[0], corrections[1]).finish(0, WideSinkU8(output, scales))
  }

  @inline(__always) func narrow<T: Tile>(_: T.Type, _ row: Int, _ output: OutputU8) where T.Operation == DotOperation {
    T.product(steps, rows + row &* stride, stride, weights, corrections[0], corrections[0]).finish(0, NarrowSinkU8(output, scales))
  }

  /// One row has too few sums to hide the latency of the multiplier: four sets of them take turns.
  @inline(__always) func wideRow(_ row: Int, _ output: OutputU8) {
    var a = rows + row &* stride, w = weights
    var s0 = WideRow<DotOperation>(corrections[0], corrections[1])
    var s1 = WideRow<DotOperation>(), s2 = s1, s3 = s1
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
    WideSinkU8(output, scales)
      .take(0, (s0.low &+ s1.low) &+ (s2.low &+ s3.low), (s0.high &+ s1.high) &+ (s2.high &+ s3.high))
  }
}

/// Multiplies `count` rows, `stride` bytes apart, with the panels of `columns` columns.
/// `tail`: `tailBytesU8` of scratch.
func multiplyBlockU8(
  _ count: Int, _ columns: Int, _ steps: Int, _ rows: UnsafeRawPointer, _ stride: Int, _ panels: UnsafeRawPointer,
  _ output: OutputU8, _ tail: UnsafeMutablePointer<UInt8>
) {
  var column = 0
  while column < columns {
    let panel = PanelProduct(
      steps: steps, rows: rows, stride: stride, panel: panels + column / panelWidth &* panelBytesU8(steps))
    let target = output.moved(rows: 0, columns: column)
    let width = columns &- column
    if width >= panelWidth {
      widePanel(count, panel, target, panelWidth, tail)
    } else if width > lanes {
      widePanel(count, panel, target, width, tail)
    } else {
      narrowPanel(count, panel, target, width, tail)
    }
    column &+= panelWidth
  }
}

@inline(never)
private func widePanel(
  _ count: Int, _ panel: PanelProduct, _ output: OutputU8, _ width: Int, _ tail: UnsafeMutablePointer<UInt8>
) {
  typealias Row = WideRow<DotOperation>
  var row = 0
  while row < count {
    let left = count &- row
    let size = tileSize(left)
    let place = placeU8(output, row, size, width, panelWidth, tail)
    if size == MainTile<Row>.rows {
      panel.wide(MainTile<Row>.self, row, place)
    } else if size == MiddleTile<Row>.rows {
      panel.wide(MiddleTile<Row>.self, row, place)
    } else if size == 2 {
      panel.wide(Rows2<Row>.self, row, place)
    } else {
      panel.wideRow(row, place)
    }
    if width < panelWidth { copyTail(place, output, row, size, width) }
    row &+= size
  }
}

@inline(never)
private func narrowPanel(
  _ count: Int, _ panel: PanelProduct, _ output: OutputU8, _ width: Int, _ tail: UnsafeMutablePointer<UInt8>
) {
  typealias Row = NarrowRow<DotOperation>
  var row = 0
  while row < count {
    let left = count &- row
    let size = tileSize(left)
    let place = placeU8(output, row, size, width, lanes, tail)
    if size == MainTile<Row>.rows {
      panel.narrow(MainTile<Row>.self, row, place)
    } else if size == MiddleTile<Row>.rows {
      panel.narrow(MiddleTile<Row>.self, row, place)
    } else if size == 2 {
      panel.narrow(Rows2<Row>.self, row, place)
    } else {
      panel.narrow(Row.self, row, place)
    }
    if width < lanes { copyTail(place, output, row, size, width) }
    row &+= size
  }
}

/// The largest tile that `left` rows fill.
@inline(__always) private func tileSize(_ left: Int) -> Int {
  if left >= tileRows { return tileRows }
  let middle = MiddleTile<NarrowRow<DotOperation>>.rows
  if left >= middle { return middle }
  return left >= 2 ? 2 : 1
}

/// Where a tile stores whole registers: the output itself, or scratch when the output is narrower.
@inline(__always)
private func placeU8(
  _ output: OutputU8, _ row: Int, _ rows: Int, _ width: Int, _ whole: Int, _ tail: UnsafeMutablePointer<UInt8>
) -> OutputU8 {
  var place = output.moved(rows: row, columns: 0)
  if width >= whole { return place }
  place.y = tail
  place.stride = panelWidth
  if let residual = place.residual {
    let copy = tail + tailBytesU8 / 2
    var i = 0
    while i < rows {
      copyBytes(copy + i &* panelWidth, residual + i &* place.residualStride, width)
      i &+= 1
    }
    place.residual = UnsafePointer(copy)
    place.residualStride = panelWidth
  }
  return place
}

@inline(__always)
private func copyTail(_ from: OutputU8, _ to: OutputU8, _ row: Int, _ rows: Int, _ width: Int) {
  var i = 0
  while i < rows {
    copyBytes(to.y + (row &+ i) &* to.stride, from.y + i &* from.stride, width)
    i &+= 1
  }
}

/// The sums of `count` rows of `k` bytes, times `factor`: what a zero point of the other operand adds to a product.
@inline(never)
func sumRowsU8(
  _ k: Int, _ rows: UnsafeRawPointer, _ stride: Int, _ count: Int, _ factor: Int32,
  _ sums: UnsafeMutablePointer<Int32>
) {
  var row = 0
  while row < count {
    let from = (rows + row &* stride).assumingMemoryBound(to: UInt8.self)
    var total = VI(repeating: 0)
    var i = 0
    #if ISA_NEONDOT
    while i &+ 16 <= k {
      total = en_add_bytes(total, from + i)
      i &+= 16
    }
    #endif
    while i &+ lanes <= k {
      total = total &+ widenBytes(from + i)
      i &+= lanes
    }
    if i < k { total = total &+ widenBytesPart(from + i, k &- i) }
    sums[row] = total.laneSum &* factor
    row &+= 1
  }
}
