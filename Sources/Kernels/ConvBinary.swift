#if ISA_AVX2 || ISA_NEON || ISA_AVX512BF16
import CPlatform

// Convolution of signs with binary or ternary weights (Rastegari et al. 2016, XNOR-Net): the sum of n products of signs is n less
// twice the number of places where the signs differ. A weight that may be 0 is half the sum of two signs: the window is counted
// against both, its counts added, and not doubled.
//
// Windows of a block of output pixels are copied out as rows of bits (CountStep.swift), in which a tap outside the image is
// all -1; what that counts is known for each tap and channel, and taken back. A unit of work is a block of rows by all
// panels, or where there are few blocks by those panels that are passed together.

/// How a layer is cut into rows, steps, panels and units.
struct BinaryPlan {
  let args: UnsafePointer<ek_conv>
  let taps: Int
  /// 64-bit words of a pixel.
  let pixelWords: Int
  /// Elements of a tap, of a row.
  let tapSteps: Int, steps: Int
  /// Bytes of a row, or of the rows that share elements.
  let rowBytes: Int
  let panels: Int, panelBytes: Int
  let pixels: Int, blockRows: Int, rowBlocks: Int, panelBlocks: Int

  init(_ pointer: UnsafeRawPointer) {
    args = pointer.assumingMemoryBound(to: ek_conv.self)
    let c = args.pointee
    taps = Int(c.kh) &* Int(c.kw)
    pixelWords = divideUp(Int(c.c_in), 64)
    tapSteps = divideUp(Int(c.c_in), elementBits)
    steps = roundedUp(taps &* tapSteps, stepsTogether)
    // The last tap may be copied with what is behind its channels. Rows a multiple of many lines apart would share cache sets.
    let bytes = roundedUp(steps &* CountStep.elementBytes &+ granule, 64)
    rowBytes = bytes % 512 == 0 ? bytes &+ 64 : bytes
    panels = divideUp(Int(c.c_out), countWidth)
    panelBytes = countWidth &* 4 &* (taps &+ 2) &+ Int(c.planes) &* steps &* 2 &* MemoryLayout<CountStep.Vector>.size
    pixels = Int(c.n) &* Int(c.oh) &* Int(c.ow)
    blockRows = smaller(pixels, rowsOfBlock)
    rowBlocks = divideUp(pixels, blockRows)
    panelBlocks = rowBlocks < 16 ? divideUp(panels, panelsTogether) : 1
  }

  var windowBytes: Int { divideUp(blockRows, rowsTogether) &* rowBytes }
  /// Counts of a block of rows and one panel.
  var blockCounts: Int { blockRows &* countWidth }

  var scratchBytes: Int {
    tablesBytes &+ windowBytes &+ blockRows &* MemoryLayout<TapRange>.size &+ 4 &* countWidth &+ panelsTogether &* blockCounts &* MemoryLayout<Count>.size
  }
}

/// The taps of a window that lie in the image.
struct TapRange: Equatable {
  var top: Int32 = 0, bottom: Int32 = 0, left: Int32 = 0, right: Int32 = 0
}

func convBinaryUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let plan = BinaryPlan(args)
  return Int64(plan.rowBlocks &* plan.panelBlocks)
}

func convBinaryScratch(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(BinaryPlan(args).scratchBytes)
}

func convBinaryPackedBytes(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let plan = BinaryPlan(args)
  return Int64(plan.panels &* plan.panelBytes)
}

/// A panel: what a tap outside the image counts, for each tap and channel; factors; biases or thresholds; the signs, plane by
/// plane.
func convBinaryPack(_ args: UnsafeRawPointer?, _ packed: UnsafeMutableRawPointer?) {
  guard let args, let packed else { return }
  let plan = BinaryPlan(args)
  let c = plan.args.pointee
  guard let weights = c.weights?.assumingMemoryBound(to: Float.self) else { return }
  packed.initializeMemory(as: UInt8.self, repeating: 0, count: plan.panels &* plan.panelBytes)
  let depth = Int(c.c_in)
  var column = 0
  while column < plan.panels &* countWidth {
    let panel = packed + column / countWidth &* plan.panelBytes
    let inPanel = column % countWidth
    let corrections = panel.assumingMemoryBound(to: Int32.self) + inPanel
    let ends = corrections + plan.taps &* countWidth
    if column >= Int(c.c_out) {
      // Of bits behind the last channel, none is set.
      if c.y_bits != 0 { ends[countWidth] = 1 << 25 }
      column &+= 1
      continue
    }
    if let scale = c.scale { ends[0] = Int32(bitPattern: scale[column].bitPattern) }
    if let bias = c.bias?.assumingMemoryBound(to: Int32.self) { ends[countWidth] = bias[column] }
    // What is compared is the largest dot whose bit is 0.
    if c.y_bits != 0 { ends[countWidth] &-= 1 }
    var signs = panel.assumingMemoryBound(to: UInt8.self) + countWidth &* 4 &* (plan.taps &+ 2)
    var plane = 0
    while plane < Int(c.planes) {
      var weight = weights + column &* plan.taps &* depth
      var tap = 0
      while tap < plan.taps {
        var channel = 0
        while channel < depth {
          let value = weight[channel]
          if value > 0 || value == 0 && plane == 0 {
            let place = countPlace(inPanel, channel % elementBits)
            let step = (tap &* plan.tapSteps &+ channel / elementBits) &* 2 &* MemoryLayout<CountStep.Vector>.size
            signs[step &+ place.byte] |= 1 &<< UInt8(truncatingIfNeeded: place.bit)
            corrections[tap &* countWidth] &+= 1
          }
          channel &+= 1
        }
        weight += depth
        tap &+= 1
      }
      signs += plan.steps &* 2 &* MemoryLayout<CountStep.Vector>.size
      plane &+= 1
    }
    column &+= 1
  }
}

func convBinaryRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args, let scratch else { return }
  let plan = BinaryPlan(args)
  let c = plan.args.pointee
  guard let packed = c.packed else { return }
  let windows = scratch + tablesBytes
  let ranges = (windows + plan.windowBytes).assumingMemoryBound(to: TapRange.self)
  let table = UnsafeMutableRawPointer(ranges + plan.blockRows).assumingMemoryBound(to: Int32.self)
  let counts = UnsafeMutableRawPointer(table + countWidth).assumingMemoryBound(to: Count.self)
  #if ISA_AVX2
  fillTables(scratch, areOfPairs: plan.blockRows > 1)
  #endif
  var prepared = -1
  var unit = Int(begin)
  while unit < Int(end) {
    let block = unit / plan.panelBlocks
    let first = block &* plan.blockRows
    let rows = smaller(plan.blockRows, plan.pixels &- first)
    if prepared != block {
      gatherSigns(plan, first, rows, windows, ranges)
      prepared = block
    }
    var panel = plan.panelBlocks == 1 ? 0 : unit % plan.panelBlocks &* panelsTogether
    let lastPanel = plan.panelBlocks == 1 ? plan.panels : smaller(panel &+ panelsTogether, plan.panels)
    while panel < lastPanel {
      let panels = smaller(panelsTogether, lastPanel &- panel)
      var header = packed + panel &* plan.panelBytes
      countBlock(plan, rows, scratch, windows, header + countWidth &* 4 &* (plan.taps &+ 2), panels, counts)
      var number = 0
      while number < panels {
        if c.y_bits != 0 {
          storeSigns(plan, first, rows, panel, header, ranges, counts + number &* plan.blockCounts, table)
        } else {
          storeFloats(plan, first, rows, panel, header, ranges, counts + number &* plan.blockCounts, table)
        }
        header += plan.panelBytes
        panel &+= 1
        number &+= 1
      }
    }
    unit &+= 1
  }
}

/// Counts of all rows for one panel, or for two. The rows are read in runs of which no sum overflows, a part of the panels by all
/// rows before the next.
private func countBlock(
  _ plan: BinaryPlan, _ rows: Int, _ tables: UnsafeRawPointer, _ from: UnsafeRawPointer, _ signs: UnsafeRawPointer, _ panels: Int,
  _ counts: UnsafeMutablePointer<Count>
) {
  UnsafeMutableRawPointer(counts).initializeMemory(
    as: UInt8.self, repeating: 0, count: panels &* plan.blockCounts &* MemoryLayout<Count>.size)
  let runs = divideUp(plan.steps, longestRun)
  let longest = roundedUp(divideUp(plan.steps, runs), stepsTogether)
  var panel = signs.assumingMemoryBound(to: CountStep.Vector.self)
  var plane = 0
  while plane < Int(plan.args.pointee.planes) {
    var step = 0
    while step < plan.steps {
      let run = smaller(longest, plan.steps &- step)
      let source = from + step &* CountStep.elementBytes
      countRun(tables, run, source, rows, plan.rowBytes, panel, panels, plan.panelBytes, counts, plan.blockCounts)
      panel += 2 &* run
      step &+= run
    }
    plane &+= 1
  }
}

#if !ISA_AVX2
private struct CountSink: TileSink {
  typealias Sum = CountStep.Sum
  let counts: UnsafeMutablePointer<Count>
  @inline(__always) func take(_ row: Int, _ low: Sum, _ high: Sum) { addCounts(low, high, counts + row &* countWidth) }
}

/// Adds what `rows` rows count in a run of steps of one panel.
private func countRun(
  _: UnsafeRawPointer, _ steps: Int, _ from: UnsafeRawPointer, _ rows: Int, _ rowBytes: Int, _ panel: UnsafePointer<CountStep.Vector>,
  _: Int, _: Int, _ counts: UnsafeMutablePointer<Count>, _: Int
) {
  var row = 0
  while row &+ CountTile.rows <= rows {
    countRows(CountTile.self, steps, from + row &* rowBytes, rowBytes, panel, counts + row &* countWidth)
    row &+= CountTile.rows
  }
  while row &+ 2 <= rows {
    countRows(Rows2<WideRow<CountStep>>.self, steps, from + row &* rowBytes, rowBytes, panel, counts + row &* countWidth)
    row &+= 2
  }
  if row < rows { countRows(WideRow<CountStep>.self, steps, from + row &* rowBytes, rowBytes, panel, counts + row &* countWidth) }
}

/// Adds what the rows of a tile count.
@inline(__always)
private func countRows<T: Tile>(
  _: T.Type, _ steps: Int, _ from: UnsafeRawPointer, _ rowBytes: Int, _ panel: UnsafePointer<CountStep.Vector>,
  _ counts: UnsafeMutablePointer<Count>
) where T.Operation == CountStep {
  let tile = T.product(steps, from, rowBytes, panel, CountStep.Sum(), CountStep.Sum())
  tile.finish(0, CountSink(counts: counts))
}
#endif

/// What turns counts into sums of products: counts are taken from the number of a window's products, to which what taps outside
/// the image have counted is added. Where there are any, both are in a table, made anew where the window before had others.
private struct Products {
  private let args: UnsafePointer<ek_conv>
  private let corrections: UnsafePointer<Int32>
  private let table: UnsafeMutablePointer<Int32>
  private var range = TapRange(top: -1)
  private var isWhole = false
  private let whole: VI
  private let shift: VI

  @inline(__always)
  init(_ plan: BinaryPlan, _ header: UnsafeRawPointer, _ table: UnsafeMutablePointer<Int32>) {
    args = plan.args
    corrections = header.assumingMemoryBound(to: Int32.self)
    self.table = table
    whole = VI(repeating: args.pointee.kh &* args.pointee.kw &* args.pointee.c_in)
    // A ternary layer counts against both signs, and does not double.
    shift = VI(repeating: args.pointee.planes == 2 ? 0 : 1)
  }

  /// Prepares for a row.
  @inline(__always) mutating func take(_ range: TapRange) {
    isWhole = range.bottom &- range.top == args.pointee.kh && range.right &- range.left == args.pointee.kw
    if isWhole || range == self.range { return }
    self.range = range
    fillProducts(table, args, corrections, range, shift)
  }

  /// The sums of a register of channels.
  @inline(__always) func dots(_ counts: UnsafePointer<Count>, _ column: Int) -> VI {
    (isWhole ? whole : VI.load(table + column)) &- loadCounts(counts + column) &<< shift
  }
}

/// Fills the table of a panel for windows whose taps in the image are `range`.
@inline(never)
private func fillProducts(
  _ table: UnsafeMutablePointer<Int32>, _ args: UnsafePointer<ek_conv>, _ corrections: UnsafePointer<Int32>, _ range: TapRange, _ shift: VI
) {
  let (kh, kw) = (args.pointee.kh, args.pointee.kw)
  let inside = VI(repeating: (range.bottom &- range.top) &* (range.right &- range.left) &* args.pointee.c_in)
  var column = 0
  while column < countWidth {
    inside.store(table + column)
    column &+= lanes
  }
  var tap = corrections
  var ky: Int32 = 0
  while ky < kh {
    var kx: Int32 = 0
    while kx < kw {
      if ky < range.top || ky >= range.bottom || kx < range.left || kx >= range.right {
        column = 0
        while column < countWidth {
          (VI.load(table + column) &+ VI.load(tap + column) &<< shift).store(table + column)
          column &+= lanes
        }
      }
      tap += countWidth
      kx &+= 1
    }
    ky &+= 1
  }
}

private func storeFloats(
  _ plan: BinaryPlan, _ first: Int, _ rows: Int, _ panel: Int, _ header: UnsafeRawPointer, _ ranges: UnsafePointer<TapRange>,
  _ counts: UnsafePointer<Count>, _ table: UnsafeMutablePointer<Int32>
) {
  let c = plan.args.pointee
  guard let base = c.y else { return }
  let ends = header.assumingMemoryBound(to: Float.self) + plan.taps &* countWidth
  let low = VF(repeating: c.clamp_min), high = VF(repeating: c.clamp_max)
  let columns = smaller(countWidth, Int(c.c_out) &- panel &* countWidth)
  var y = base.assumingMemoryBound(to: Float.self) + (first &* Int(c.y_stride) &+ panel &* countWidth)
  var residual = c.residual.map { $0.assumingMemoryBound(to: Float.self) + (first &* Int(c.residual_stride) &+ panel &* countWidth) }
  let hasBias = c.bias != nil
  var products = Products(plan, header, table)
  var row = 0
  while row < rows {
    products.take(ranges[row])
    let counts = counts + row &* countWidth
    var column = 0
    while column < columns {
      let left = columns &- column
      var value = toFloat(products.dots(counts, column)) * VF.load(ends + column)
      if hasBias { value = value + VF.load(ends + countWidth + column) }
      if let residual { value = value + (left < lanes ? loadPart(residual + column, left) : VF.load(residual + column)) }
      value = minimum(high, maximum(low, value))
      if left < lanes { storePart(value, y + column, left) } else { value.store(y + column) }
      column &+= lanes
    }
    y += Int(c.y_stride)
    if let next = residual { residual = next + Int(c.residual_stride) }
    row &+= 1
  }
}

private func storeSigns(
  _ plan: BinaryPlan, _ first: Int, _ rows: Int, _ panel: Int, _ header: UnsafeRawPointer, _ ranges: UnsafePointer<TapRange>,
  _ counts: UnsafePointer<Count>, _ table: UnsafeMutablePointer<Int32>
) {
  let c = plan.args.pointee
  guard let base = c.y else { return }
  let thresholds = header.assumingMemoryBound(to: Int32.self) + (plan.taps &+ 1) &* countWidth
  let start = panel &* countWidth / 8
  // A pixel is whole words of 64 bits; a panel of 32 channels may leave the last half word to be cleared.
  let clears = panel &+ 1 == plan.panels && start &+ countWidth / 8 < Int(c.y_stride)
  var products = Products(plan, header, table)
  var row = 0
  while row < rows {
    let y = base + ((first &+ row) &* Int(c.y_stride) &+ start)
    products.take(ranges[row])
    let counts = counts + row &* countWidth
    var column = 0
    while column < countWidth {
      var bits: UInt32 = 0
      var lane = 0
      while lane < 32 {
        bits |= signBits(VI.load(thresholds + (column &+ lane)) &- products.dots(counts, column &+ lane)) &<< UInt32(truncatingIfNeeded: lane)
        lane &+= lanes
      }
      y.storeBytes(of: bits, toByteOffset: column / 8, as: UInt32.self)
      column &+= 32
    }
    if clears { y.storeBytes(of: 0, toByteOffset: countWidth / 8, as: UInt32.self) }
    row &+= 1
  }
}
#endif
