#if ISA_AVX2 || ISA_NEON || ISA_AVX512BF16
import CPlatform

// Convolution of signs with binary or ternary weights (Rastegari et al. 2016, XNOR-Net): the sum of n products of signs is n less
// twice the number of places where the signs differ. A weight that may be 0 is half the sum of two signs: the window is counted
// against both, its counts added, and not doubled.
//
// Windows of a block of output pixels are copied out as rows of bits (CountStep.swift), in which a tap outside the image is
// all -1; what that counts is known for each tap and channel, and taken back. A unit of work is a block of rows by all
// panels, or by one panel where there are few blocks.

/// A block's rows are a few tiles: their window stays near while panels pass.
private var tilesOfBlock: Int { 4 }

private struct BinaryPlan {
  let args: UnsafePointer<ek_conv>
  let taps: Int
  /// 64-bit words of a pixel.
  let pixelWords: Int
  /// Elements of a tap, of a row.
  let tapSteps: Int, steps: Int
  let rowBytes: Int
  let panels: Int, panelBytes: Int
  let pixels: Int, blockRows: Int, rowBlocks: Int, panelBlocks: Int

  init(_ pointer: UnsafeRawPointer) {
    args = pointer.assumingMemoryBound(to: ek_conv.self)
    let c = args.pointee
    taps = Int(c.kh) &* Int(c.kw)
    pixelWords = divideUp(Int(c.c_in), 64)
    tapSteps = divideUp(Int(c.c_in), elementBits)
    steps = taps &* tapSteps
    // The last tap may be copied with what is behind its channels. Rows a multiple of many lines apart would share cache sets.
    let bytes = roundedUp(steps &* CountStep.elementBytes &+ granule, 64)
    rowBytes = bytes % 512 == 0 ? bytes &+ 64 : bytes
    panels = divideUp(Int(c.c_out), countWidth)
    panelBytes = countWidth &* 4 &* (taps &+ 2) &+ Int(c.planes) &* steps &* 2 &* MemoryLayout<CountStep.Vector>.size
    pixels = Int(c.n) &* Int(c.oh) &* Int(c.ow)
    blockRows = smaller(pixels, tilesOfBlock &* CountTile<WideRow<CountStep>>.rows)
    rowBlocks = divideUp(pixels, blockRows)
    panelBlocks = rowBlocks < 16 ? panels : 1
  }

  var scratchBytes: Int { blockRows &* (rowBytes &+ MemoryLayout<TapRange>.size &+ countWidth &* MemoryLayout<Count>.size) }
}

/// The taps of a window that lie in the image.
private struct TapRange {
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
  let ranges = (scratch + plan.blockRows &* plan.rowBytes).assumingMemoryBound(to: TapRange.self)
  let counts = (scratch + plan.blockRows &* (plan.rowBytes &+ MemoryLayout<TapRange>.size)).assumingMemoryBound(to: Count.self)
  var prepared = -1
  var unit = Int(begin)
  while unit < Int(end) {
    let block = unit / plan.panelBlocks
    let first = block &* plan.blockRows
    let rows = smaller(plan.blockRows, plan.pixels &- first)
    if prepared != block {
      gatherSigns(plan, first, rows, scratch, ranges)
      prepared = block
    }
    var panel = plan.panelBlocks == 1 ? 0 : unit % plan.panelBlocks
    let lastPanel = plan.panelBlocks == 1 ? plan.panels : panel &+ 1
    while panel < lastPanel {
      let header = packed + panel &* plan.panelBytes
      countBlock(plan, rows, scratch, header + countWidth &* 4 &* (plan.taps &+ 2), counts)
      if c.y_bits != 0 {
        storeSigns(plan, first, rows, panel, header, ranges, counts)
      } else {
        storeFloats(plan, first, rows, panel, header, ranges, counts)
      }
      panel &+= 1
    }
    unit &+= 1
  }
}

/// Copies the windows of `rows` output pixels from number `first` on.
private func gatherSigns(
  _ plan: BinaryPlan, _ first: Int, _ rows: Int, _ to: UnsafeMutableRawPointer, _ ranges: UnsafeMutablePointer<TapRange>
) {
  let c = plan.args.pointee
  guard let x = c.x else { return }
  let kw = Int(c.kw), height = Int(c.h), width = Int(c.w), stride = Int(c.x_stride), apart = Int(c.dilation_w)
  let tapBytes = plan.tapSteps &* CountStep.elementBytes
  // The taps of a line are one run where their channels are whole words.
  let areJoined = c.c_in % 64 == 0 && apart == 1 && stride == plan.pixelWords &* 8
  var row = 0
  while row < rows {
    let pixel = first &+ row
    let line = pixel / Int(c.ow)
    let image = line / Int(c.oh)
    let firstY = (line &- image &* Int(c.oh)) &* Int(c.stride_h) &- Int(c.pad_top)
    let firstX = (pixel &- line &* Int(c.ow)) &* Int(c.stride_w) &- Int(c.pad_left)
    let left = smaller(firstX < 0 ? divideUp(0 &- firstX, apart) : 0, kw)
    let right = larger(smaller(divideUp(width &- firstX, apart), kw), left)
    var range = TapRange(left: Int32(truncatingIfNeeded: left), right: Int32(truncatingIfNeeded: right))
    var out = to + row &* plan.rowBytes
    var ky = 0
    while ky < Int(c.kh) {
      let y = firstY &+ ky &* Int(c.dilation_h)
      var (begin, end) = (kw, kw)
      if y >= 0 && y < height {
        if range.bottom == 0 { range.top = Int32(truncatingIfNeeded: ky) }
        range.bottom = Int32(truncatingIfNeeded: ky &+ 1)
        (begin, end) = (left, right)
      }
      var kx = 0
      while kx < kw {
        var word = 0
        if kx >= begin && kx < end {
          let signs = x + ((image &* height &+ y) &* width &+ firstX &+ kx &* apart) &* stride
          let taps = areJoined ? end &- kx : 1
          while word < taps &* plan.pixelWords {
            copySigns(out + word &* granule, signs.loadUnaligned(fromByteOffset: word &* 8, as: UInt64.self))
            word &+= 1
          }
          out += taps &* tapBytes
          kx &+= taps
        } else {
          while word < plan.pixelWords {
            copySigns(out + word &* granule, 0)
            word &+= 1
          }
          out += tapBytes
          kx &+= 1
        }
      }
      ky &+= 1
    }
    ranges[row] = range
    row &+= 1
  }
}

private struct CountSink: TileSink {
  typealias Sum = CountStep.Sum
  let counts: UnsafeMutablePointer<Count>
  @inline(__always) func take(_ row: Int, _ low: Sum, _ high: Sum) { addCounts(low, high, counts + row &* countWidth) }
}

/// Counts of all rows for one panel. The rows are read in runs of which no sum overflows, a part of the panel by all rows before
/// the next.
private func countBlock(
  _ plan: BinaryPlan, _ rows: Int, _ from: UnsafeRawPointer, _ signs: UnsafeRawPointer, _ counts: UnsafeMutablePointer<Count>
) {
  UnsafeMutableRawPointer(counts).initializeMemory(
    as: UInt8.self, repeating: 0, count: rows &* countWidth &* MemoryLayout<Count>.size)
  let runs = divideUp(plan.steps, longestRun)
  let longest = divideUp(plan.steps, runs)
  var panel = signs.assumingMemoryBound(to: CountStep.Vector.self)
  var plane = 0
  while plane < Int(plan.args.pointee.planes) {
    var step = 0
    while step < plan.steps {
      let run = smaller(longest, plan.steps &- step)
      let source = from + step &* CountStep.elementBytes
      var row = 0
      while row &+ CountTile<WideRow<CountStep>>.rows <= rows {
        count(CountTile<WideRow<CountStep>>.self, run, source, row, plan.rowBytes, panel, counts)
        row &+= CountTile<WideRow<CountStep>>.rows
      }
      while row &+ 2 <= rows {
        count(Rows2<WideRow<CountStep>>.self, run, source, row, plan.rowBytes, panel, counts)
        row &+= 2
      }
      if row < rows { count(WideRow<CountStep>.self, run, source, row, plan.rowBytes, panel, counts) }
      panel += 2 &* run
      step &+= run
    }
    plane &+= 1
  }
}

@inline(__always)
private func count<T: Tile>(
  _: T.Type, _ steps: Int, _ from: UnsafeRawPointer, _ row: Int, _ rowBytes: Int, _ panel: UnsafePointer<CountStep.Vector>,
  _ counts: UnsafeMutablePointer<Count>
) where T.Operation == CountStep {
  let tile = T.product(steps, from + row &* rowBytes, rowBytes, panel, CountStep.Sum(), CountStep.Sum())
  tile.finish(0, CountSink(counts: counts + row &* countWidth))
}

/// What turns the counts of one row and panel into sums of products.
private struct RowDots {
  let kh: Int32, kw: Int32
  let range: TapRange
  let counts: UnsafePointer<Count>
  let corrections: UnsafePointer<Int32>
  let most: VI
  let isWhole: Bool, isTernary: Bool

  @inline(__always)
  init(_ c: ek_conv, _ range: TapRange, _ header: UnsafeRawPointer, _ counts: UnsafePointer<Count>) {
    (kh, kw) = (c.kh, c.kw)
    self.range = range
    self.counts = counts
    corrections = header.assumingMemoryBound(to: Int32.self)
    let inside = (range.bottom &- range.top) &* (range.right &- range.left)
    most = VI(repeating: inside &* c.c_in)
    isWhole = inside == kh &* kw
    isTernary = c.planes == 2
  }

  /// For the channels from `column` of the panel on.
  @inline(__always) func load(_ column: Int) -> VI {
    var differing = loadCounts(counts + column)
    if !isWhole { differing = differing &- outside(column) }
    return most &- (isTernary ? differing : differing &+ differing)
  }

  /// What the taps outside the image have counted.
  @inline(__always) private func outside(_ column: Int) -> VI {
    var sum = VI(repeating: 0)
    var ky: Int32 = 0
    while ky < kh {
      let isLine = ky >= range.top && ky < range.bottom
      var kx: Int32 = isLine && range.left == 0 ? range.right : 0
      while kx < kw {
        sum = sum &+ VI.load(corrections + (Int(ky &* kw &+ kx) &* countWidth &+ column))
        kx &+= 1
        if isLine && kx == range.left { kx = range.right }
      }
      ky &+= 1
    }
    return sum
  }
}

private func storeFloats(
  _ plan: BinaryPlan, _ first: Int, _ rows: Int, _ panel: Int, _ header: UnsafeRawPointer, _ ranges: UnsafePointer<TapRange>,
  _ counts: UnsafePointer<Count>
) {
  let c = plan.args.pointee
  guard let base = c.y else { return }
  let ends = header.assumingMemoryBound(to: Float.self) + plan.taps &* countWidth
  let low = VF(repeating: c.clamp_min), high = VF(repeating: c.clamp_max)
  let columns = smaller(countWidth, Int(c.c_out) &- panel &* countWidth)
  var y = base.assumingMemoryBound(to: Float.self) + (first &* Int(c.y_stride) &+ panel &* countWidth)
  var residual = c.residual.map { $0.assumingMemoryBound(to: Float.self) + (first &* Int(c.residual_stride) &+ panel &* countWidth) }
  let hasBias = c.bias != nil
  var row = 0
  while row < rows {
    let dots = RowDots(c, ranges[row], header, counts + row &* countWidth)
    var column = 0
    while column < columns {
      let left = columns &- column
      var value = toFloat(dots.load(column)) * VF.load(ends + column)
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
  _ counts: UnsafePointer<Count>
) {
  let c = plan.args.pointee
  guard let base = c.y else { return }
  let thresholds = header.assumingMemoryBound(to: Int32.self) + (plan.taps &+ 1) &* countWidth
  let start = panel &* countWidth / 8
  // A pixel is whole words of 64 bits; a panel of 32 channels may leave the last half word to be cleared.
  let clears = panel &+ 1 == plan.panels && start &+ countWidth / 8 < Int(c.y_stride)
  var row = 0
  while row < rows {
    let y = base + ((first &+ row) &* Int(c.y_stride) &+ start)
    let dots = RowDots(c, ranges[row], header, counts + row &* countWidth)
    var column = 0
    while column < countWidth {
      var bits: UInt32 = 0
      var lane = 0
      while lane < 32 {
        bits |= signBits(VI.load(thresholds + (column &+ lane)) &- dots.load(column &+ lane)) &<< UInt32(truncatingIfNeeded: lane)
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
