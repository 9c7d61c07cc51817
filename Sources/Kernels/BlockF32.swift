// Multiplies a block of rows with packed panels of weights. Convolution, dense layers and matrix multiplication
// all end here; they differ in where rows and panels come from.
//
// A panel holds `panelWidth` columns: first their bias, then for each k their weights. Columns past the last are 0.

/// Columns of a packed panel.
@inline(__always) var panelWidth: Int { 2 &* lanes }
/// Floats of a packed panel with `k` steps.
@inline(__always) func panelSize(_ k: Int) -> Int { (k &+ 1) &* panelWidth }
/// Rows of the largest tile.
@inline(__always) var tileRows: Int { MainTile<NarrowRow<RowStep>>.rows }

@inline(__always) func roundedUp(_ a: Int, _ b: Int) -> Int { divideUp(a, b) &* b }
@inline(__always) func divideUp(_ a: Int, _ b: Int) -> Int { (a &+ b &- 1) / b }

/// Where results go: y = clamp(sum + bias + residual).
struct FloatTarget {
  var y: UnsafeMutablePointer<Float>
  var stride: Int
  var residual: UnsafePointer<Float>?
  var residualStride: Int
  var low: Float
  var high: Float
  #if ISA_AVX512BF16
  /// y is pairs of bfloat16, and `stride` counts words.
  var isPairs = false
  #endif

  @inline(__always) func moved(rows: Int, columns: Int) -> FloatTarget {
    var moved = self
    moved.y += rows &* stride &+ words(columns)
    if let residual { moved.residual = residual + (rows &* residualStride &+ columns) }
    return moved
  }

  /// Words that y has for so many columns.
  @inline(__always) func words(_ columns: Int) -> Int {
    #if ISA_AVX512BF16
    if isPairs { return columns / 2 }
    #endif
    return columns
  }
}

/// Stores whole panels.
struct WholeSink: TileSink {
  let target: FloatTarget
  let bias: UnsafePointer<VF>

  @inline(__always) func take(_ row: Int, _ low: VF, _ high: VF) {
    var low = low + bias[0], high = high + bias[1]
    if let residual = target.residual {
      let r = residual + row &* target.residualStride
      low += VF.load(r)
      high += VF.load(r + lanes)
    }
    let p = target.y + row &* target.stride
    #if ISA_AVX512BF16
    if target.isPairs { return RowStep.pairs(clamped(low, target), clamped(high, target)).store(p) }
    #endif
    clamped(low, target).store(p)
    clamped(high, target).store(p + lanes)
  }
}

/// Stores a panel's first vector and the first `columns` columns of its second one.
private struct WidePartSink: TileSink {
  let target: FloatTarget
  let bias: UnsafePointer<VF>
  let columns: Int

  @inline(__always) func take(_ row: Int, _ low: VF, _ high: VF) {
    var low = low + bias[0], high = high + bias[1]
    if let residual = target.residual {
      let r = residual + row &* target.residualStride
      low += VF.load(r)
      high += loadPart(r + lanes, columns)
    }
    let p = target.y + row &* target.stride
    #if ISA_AVX512BF16
    if target.isPairs { return storePart(RowStep.pairs(clamped(low, target), clamped(high, target)), p, (lanes &+ columns) / 2) }
    #endif
    clamped(low, target).store(p)
    storePart(clamped(high, target), p + lanes, columns)
  }
}

/// Stores the first `columns` columns of a panel, at most a vector of them.
private struct NarrowPartSink: TileSink {
  let target: FloatTarget
  let bias: UnsafePointer<VF>
  let columns: Int

  @inline(__always) func take(_ row: Int, _ low: VF, _: VF) {
    var low = low + bias[0]
    if let residual = target.residual { low += loadPart(residual + row &* target.residualStride, columns) }
    let p = target.y + row &* target.stride
    #if ISA_AVX512BF16
    if target.isPairs { return RowStep.storePairs(clamped(low, target), p, columns) }
    #endif
    storePart(clamped(low, target), p, columns)
  }
}

@inline(__always) func clamped(_ v: VF, _ target: FloatTarget) -> VF {
  minimum(VF(repeating: target.high), maximum(VF(repeating: target.low), v))
}

/// Rows of activations: `lines` lines of `count` rows, each row a window.
struct FloatRows {
  var lines = 1
  var count: Int
  var window: TileWindow
  var a: UnsafeRawPointer
  /// Bytes from row to row and from line to line.
  var stride: Int
  var lineStride = 0

  /// `count` rows of `k` floats.
  @inline(__always) init(_ count: Int, _ k: Int, _ a: UnsafeRawPointer, _ stride: Int) {
    self.count = count
    window = TileWindow(steps: k)
    self.a = a
    self.stride = stride
  }
}

/// Multiplies rows with the panels that hold `columns` columns. Lines follow one another in the target.
func multiplyBlock(_ rows: FloatRows, _ columns: Int, _ panels: UnsafePointer<Float>, _ target: FloatTarget) {
  let size = panelSize(rows.window.total)
  var column = 0
  var panel = panels
  if rows.count == 1 && rows.lines == 1 && rows.window.steps == rows.window.total {
    while column &+ 4 &* panelWidth <= columns {
      fourPanels(rows.window.steps, rows.a.assumingMemoryBound(to: Float.self), panel, size, target.moved(rows: 0, columns: column))
      panel += 4 &* size
      column &+= 4 &* panelWidth
    }
  }
  while column < columns {
    var line = 0
    while line < rows.lines {
      multiplyPanel(
        rows.count, columns &- column, rows.window, rows.a + line &* rows.lineStride, rows.stride, panel,
        target.moved(rows: line &* rows.count, columns: column))
      line &+= 1
    }
    panel += size
    column &+= panelWidth
  }
}

@inline(__always)
private func multiplyPanel(
  _ rows: Int, _ columns: Int, _ window: TileWindow, _ a: UnsafeRawPointer, _ stride: Int, _ panel: UnsafePointer<Float>,
  _ target: FloatTarget
) {
  if columns >= panelWidth {
    let bias = UnsafeRawPointer(panel).assumingMemoryBound(to: VF.self)
    var row = 0
    #if ISA_NEON || ISA_NEONDOT
    let isRun = false  // The instructions of one function are what Tests/cross counts there.
    #else
    let isRun = window.lines &* window.taps == 1
    #endif
    while row &+ tileRows <= rows {
      let own = target.moved(rows: row, columns: 0)
      if isRun {
        wholeRun(window.steps, a + row &* stride, stride, bias, own)
      } else {
        wholeTile(window, a + row &* stride, stride, bias, own)
      }
      row &+= tileRows
    }
    lastRows(rows, row, window, a, stride, panel, target)
  } else {
    partPanel(rows, columns, window, a, stride, panel, target)
  }
}

@inline(never)
private func wholeTile(
  _ window: TileWindow, _ a: UnsafeRawPointer, _ stride: Int, _ bias: UnsafePointer<VF>, _ target: FloatTarget
) {
  MainTile<WideRow<RowStep>>.product(window, a, stride, bias + 2).finish(0, WholeSink(target: target, bias: bias))
}

/// The same where a window is one run of memory. With one loop only the sums stay in registers: between nested ones the compiler
/// keeps most of them in memory, which takes as long as eight steps.
@inline(never)
private func wholeRun(_ steps: Int, _ a: UnsafeRawPointer, _ stride: Int, _ bias: UnsafePointer<VF>, _ target: FloatTarget) {
  MainTile<WideRow<RowStep>>.product(steps, a, stride, bias + 2, VF(), VF()).finish(0, WholeSink(target: target, bias: bias))
}

/// One row: the sums of a single panel would wait for each other. Each is the same as that of a tile.
@inline(never)
private func fourPanels(_ steps: Int, _ a: UnsafePointer<Float>, _ panel: UnsafePointer<Float>, _ size: Int, _ target: FloatTarget) {
  var first = PanelSums(), second = PanelSums(), third = PanelSums(), fourth = PanelSums()
  var weights = panel + panelWidth
  var i = 0
  while i < steps {
    let element = RowStep.broadcast(a + i)
    first.add(element, weights)
    second.add(element, weights + size)
    third.add(element, weights + 2 &* size)
    fourth.add(element, weights + 3 &* size)
    weights += panelWidth
    i &+= 1
  }
  first.store(panel, target)
  second.store(panel + size, target.moved(rows: 0, columns: panelWidth))
  third.store(panel + 2 &* size, target.moved(rows: 0, columns: 2 &* panelWidth))
  fourth.store(panel + 3 &* size, target.moved(rows: 0, columns: 3 &* panelWidth))
}

/// One row's sums of a panel.
private struct PanelSums {
  var low = VF(), high = VF()

  @inline(__always) mutating func add(_ element: RowStep.Vector, _ weights: UnsafePointer<Float>) {
    let panel = UnsafeRawPointer(weights).assumingMemoryBound(to: RowStep.Vector.self)
    RowStep.accumulate(&low, element, panel[0])
    RowStep.accumulate(&high, element, panel[1])
  }

  @inline(__always) func store(_ panel: UnsafePointer<Float>, _ target: FloatTarget) {
    WholeSink(target: target, bias: UnsafeRawPointer(panel).assumingMemoryBound(to: VF.self)).take(0, low, high)
  }
}

/// The rows after the last whole tile.
@inline(never)
private func lastRows(
  _ rows: Int, _ done: Int, _ window: TileWindow, _ a: UnsafeRawPointer, _ stride: Int, _ panel: UnsafePointer<Float>,
  _ target: FloatTarget
) {
  let bias = UnsafeRawPointer(panel).assumingMemoryBound(to: VF.self)
  var row = done
  typealias Row = WideRow<RowStep>
  if row &+ MiddleTile<Row>.rows <= rows {
    MiddleTile<Row>.product(window, a + row &* stride, stride, bias + 2)
      .finish(0, WholeSink(target: target.moved(rows: row, columns: 0), bias: bias))
    row &+= MiddleTile<Row>.rows
  }
  while row &+ SmallTile<Row>.rows <= rows {
    SmallTile<Row>.product(window, a + row &* stride, stride, bias + 2)
      .finish(0, WholeSink(target: target.moved(rows: row, columns: 0), bias: bias))
    row &+= SmallTile<Row>.rows
  }
  while row &+ 2 <= rows {
    Rows2<Row>.product(window, a + row &* stride, stride, bias + 2)
      .finish(0, WholeSink(target: target.moved(rows: row, columns: 0), bias: bias))
    row &+= 2
  }
  if row < rows {
    Row.product(window, a + row &* stride, stride, bias + 2)
      .finish(0, WholeSink(target: target.moved(rows: row, columns: 0), bias: bias))
  }
}

/// A last panel with fewer columns than its width.
@inline(never)
private func partPanel(
  _ rows: Int, _ columns: Int, _ window: TileWindow, _ a: UnsafeRawPointer, _ stride: Int, _ panel: UnsafePointer<Float>,
  _ target: FloatTarget
) {
  let bias = UnsafeRawPointer(panel).assumingMemoryBound(to: VF.self)
  if columns > lanes {
    partRows(WideRow<RowStep>(), rows, window, a, stride, bias, WidePartSink(target: target, bias: bias, columns: columns &- lanes))
  } else {
    partRows(NarrowRow<RowStep>(), rows, window, a, stride, bias, NarrowPartSink(target: target, bias: bias, columns: columns))
  }
}

/// All rows with one panel, which begins with its bias.
@inline(__always)
func partRows<Row: Tile, Sink: TileSink>(
  _: Row, _ rows: Int, _ window: TileWindow, _ a: UnsafeRawPointer, _ stride: Int, _ panel: UnsafePointer<VF>, _ sink: Sink
) where Row.Operation.Vector == VF, Row.Operation.Sum == Sink.Sum {
  var row = 0
  while row &+ tileRows <= rows {
    MainTile<Row>.product(window, a + row &* stride, stride, panel + 2).finish(row, sink)
    row &+= tileRows
  }
  let small = SmallTile<Row>.rows
  while row &+ 1 < rows && rows >= small {
    // A few rows alone would wait for their sums: some of those before are computed again.
    row = smaller(row, rows &- small)
    SmallTile<Row>.product(window, a + row &* stride, stride, panel + 2).finish(row, sink)
    row &+= small
  }
  while row < rows {
    Row.product(window, a + row &* stride, stride, panel + 2).finish(row, sink)
    row &+= 1
  }
}
