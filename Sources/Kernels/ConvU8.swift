import CPlatform
#if ISA_AVX512VNNI
import _Builtin_intrinsics.intel
#endif

// Convolution of uint8 images with int8 weights as a matrix product: a row for each output pixel, a column for
// each output channel. A unit of work is a block of pixels by a block of channel panels of one group; panels of a
// pixel block follow each other, so a thread gathers the block's windows once, or copies the image lines that hold them
// (LinesU8.swift).

/// Panels multiply bytes and words (MixedPanelsU8.swift).
#if ISA_AVX2
@inline(__always) private var hasMixedPanels: Bool { true }
#else
@inline(__always) private var hasMixedPanels: Bool { false }
#endif

/// The matrix product behind a convolution and how it is cut into units.
private struct ConvShapeU8 {
  let rows: Int
  let columns: Int
  let k: Int
  let steps: Int
  let panels: Int
  let rowBytes: Int
  /// Rows are pixels of the input itself.
  let inPlace: Bool
  /// Output lines of a block whose windows are read in copied lines; 0 where they are gathered, or rows are in place.
  var blockLines: Int { readsLinesU8 ? copiedLines : 0 }
  private let copiedLines: Int
  let lines: LinesU8
  let blockRows: Int
  let rowBlocks: Int
  let blockPanels: Int
  let panelBlocks: Int
  /// What of the weights' zero point is not in their packed form: Int16 weights are packed without, bytes keep it.
  let weightZeroPoint: Int32

  /// Below this many units in one group, or twice as many of copied lines, channels are divided too.
  private static var enoughUnits: Int { 16 }
  /// Gathered rows stay below this where a single row does.
  private static var gatherBytes: Int { hasMixedPanels ? 144 &* 1024 : 384 &* 1024 }

  init(_ a: ek_conv) {
    rows = Int(a.n) &* Int(a.oh) &* Int(a.ow)
    columns = Int(a.c_out / a.groups)
    k = Int(a.kh) &* Int(a.kw) &* Int(a.c_in / a.groups)
    panels = divideUp(columns, panelWidth)
    inPlace = (activationBytes == 1 || hasMixedPanels) && a.kh == 1 && a.kw == 1 && a.stride_h == 1 && a.stride_w == 1
      && a.pad_top == 0 && a.pad_left == 0 && a.oh == a.h && a.ow == a.w && k % 4 == 0
    weightZeroPoint = dotGroup == 4 ? a.w_zero_point : 0
    lines = LinesU8(a)
    let copied = readsLinesU8 && !inPlace && weightZeroPoint == 0 ? lines.blockLines(a, panels) : 0
    copiedLines = copied
    steps = copied > 0 ? lines.steps : stepsU8(k)
    rowBytes = 4 &* steps
    let isShort = Int(a.kw) &* Int(a.c_in) <= 16 && a.groups == 1 && a.dilation_w == 1 && a.stride_w <= a.kw && a.x_stride == a.c_in
    let isPadded = a.pad_left > 0 && 8 &* (Int(a.kw) &- 1) > Int(a.ow)
    copyBytes = copied == 0 && !inPlace && isShort && isPadded && lines.bytes(1) <= 16 << 10 ? roundedUp(lines.bytes(1) &+ 64, 64) : 0
    if copied > 0 {
      blockRows = copied &* Int(a.ow)
      rowBlocks = Int(a.n) &* divideUp(Int(a.oh), copied)
      blockPanels = divideUp(panels, divideUp(2 &* Self.enoughUnits, rowBlocks))
      panelBlocks = divideUp(panels, blockPanels)
      return
    }
    // Where rows have few bytes, what surrounds a block takes long.
    var block = (hasMixedPanels && rowBytes <= 64 ? 16 : 8) &* tileRows
    if (!inPlace || hasMixedPanels) && block &* rowBytes > Self.gatherBytes {
      block = Self.gatherBytes / rowBytes
      if block > tileRows { block = block / tileRows &* tileRows }
      if block < 1 { block = 1 }
    }
    // Where weights stay in the first level cache, few rows are shared too. To gather windows may then take longer than to
    // multiply them: they are not gathered once more for other channels.
    let isSmall = panels &* panelBytesU8(steps) <= 32 << 10
    if isSmall { block = smaller(block, larger(roundedUp(divideUp(rows, inPlace ? 4 : 8), tileRows), 1)) }
    rowBlocks = divideUp(rows, block)
    // Blocks of equal size, as far as whole tiles go: threads that take as many of them take as long.
    blockRows = rowBlocks == 0 ? 0 : smaller(roundedUp(divideUp(rows, rowBlocks), tileRows), block)
    let wanted = rowBlocks == 0 || isSmall && !inPlace && rowBlocks > 4 ? 1 : divideUp(Self.enoughUnits, rowBlocks)
    blockPanels = divideUp(panels, wanted)
    panelBlocks = blockPanels == 0 ? 0 : divideUp(panels, blockPanels)
  }

  /// What the sums of rows are multiplied with and added.
  var rowFactor: Int32 { 0 &- weightZeroPoint &- dotWeightOffset }
  var units: Int { rowBlocks &* panelBlocks }
  var packedGroupBytes: Int { panels &* panelBytesU8(steps) }
  /// With an offset in all weights every row has a correction, which may be 0.
  var hasRowSums: Bool { rowFactor != 0 || dotWeightOffset != 0 }
  var sumBytes: Int { hasRowSums ? roundedUp(4 &* blockRows, 64) : 0 }
  /// Of the copies of lines through which windows are gathered that are short and often in the padding; 0 for others.
  let copyBytes: Int
  /// Runs of memory that make a row.
  var runs: Int { blockLines > 0 ? lines.runs : 1 }
  var tailBytes: Int { hasTailU8(columns) ? tailBytesU8 : 0 }
  /// Orders of four bytes that mixed panels may have: more of them, and more copies of rows, where many panels read them.
  /// In lines all runs of all windows have to begin with a step, which is eight bytes of words.
  var orders: Int { panels >= 8 && (blockLines == 0 || lines.isAligned(to: 8)) ? 3 : 1 }
  #if ISA_AVX2
  /// Bytes of a row, or of all copied lines, which are one as to their orders.
  var formBytes: Int { (blockLines > 0 ? copiedBytes : rowBytes) / 2 }
  var mixedRow: MixedRow {
    MixedRow(runs: runs, length: k / runs, distance: runs > 1 ? lines.distance / 2 : 0, orderDistance: formBytes, orders: orders)
  }
  #endif
  /// Gathered rows, or copied lines.
  var copiedBytes: Int { blockLines > 0 ? lines.bytes(blockLines) : blockRows &* rowBytes }
  /// Scratch of mixed panels' rows of bytes, in all their orders, and of rows that are gathered.
  private var byteRows: Int {
    if !hasMixedPanels { return 0 }
    return copiedBytes / 2 &* ((orders > 1 ? 3 : 0) &+ (inPlace ? 0 : 1)) &+ 16
  }
  /// Tail columns, sums of rows, then gathered rows or copied lines and what copying writes too much; never none, so that
  /// there is an address. Where panels are mixed, rows of words are always there, and behind them rows of bytes that are not in place.
  var scratchBytes: Int {
    let copied = inPlace && !hasMixedPanels ? 0 : copiedBytes &+ 64
    return larger(tailBytes &+ sumBytes &+ copyBytes &+ copied &+ byteRows, 64)
  }
}

@inline(__always) private func conv(_ args: UnsafeRawPointer?) -> UnsafePointer<ek_conv> {
  args.unsafelyUnwrapped.assumingMemoryBound(to: ek_conv.self)
}

func convUnitsU8(_ args: UnsafeRawPointer?) -> Int64 {
  Int64(ConvShapeU8(conv(args).pointee).units &* Int(conv(args).pointee.groups))
}

func convScratchU8(_ args: UnsafeRawPointer?) -> Int64 { Int64(ConvShapeU8(conv(args).pointee).scratchBytes) }

func convPackedBytesU8(_ args: UnsafeRawPointer?) -> Int64 {
  Int64(ConvShapeU8(conv(args).pointee).packedGroupBytes &* Int(conv(args).pointee.groups))
}

func convPackU8(_ args: UnsafeRawPointer?, _ packed: UnsafeMutableRawPointer?) {
  packPanels(conv(args), packed.unsafelyUnwrapped)
}

func convRunU8(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  runUnits(conv(args), Int(begin), Int(end), scratch.unsafelyUnwrapped)
}

@inline(never)
private func packPanels(_ args: UnsafePointer<ek_conv>, _ packed: UnsafeMutableRawPointer) {
  let a = args.pointee
  let shape = ConvShapeU8(a)
  var panel = packed
  var group = 0
  while group < Int(a.groups) {
    var column = 0
    while column < shape.columns {
      let left = shape.columns &- column
      packPanel(a, shape, group &* shape.columns &+ column, left < panelWidth ? left : panelWidth, panel)
      panel += panelBytesU8(shape.steps)
      column &+= panelWidth
    }
    #if ISA_AVX2
    let first = MixedPanel(packed + group &* shape.packedGroupBytes, shape.steps).head
    var index = 0
    while index < shape.panels {
      let head = MixedPanel(packed + (group &* shape.packedGroupBytes &+ index &* panelBytesU8(shape.steps)), shape.steps).head.pointee
      first.pointee.anyBytes |= head.bytes
      first.pointee.anyWords |= head.words
      first.pointee.anyOrdered |= head.anyOrdered
      index &+= 1
    }
    #endif
    group &+= 1
  }
}

/// Packs `count` output channels from `first` on.
private func packPanel(
  _ a: ek_conv, _ shape: ConvShapeU8, _ first: Int, _ count: Int, _ panel: UnsafeMutableRawPointer
) {
  let corrections = panel.assumingMemoryBound(to: Int32.self)
  let scales = (panel + 4 &* panelWidth).assumingMemoryBound(to: Float.self)
  let plain = a.weights.assumingMemoryBound(to: Int8.self)
  let bias = a.bias?.assumingMemoryBound(to: Int32.self)
  let zero = dotGroup == 4 ? 0 : a.w_zero_point
  let constant = Int32(truncatingIfNeeded: shape.k) &* a.x_zero_point &* shape.weightZeroPoint
  @inline(__always) func finish(_ column: Int, _ sum: Int32) {
    var correction: Int32 = 0
    var scale: Float = 0
    if column < count {
      if let bias { correction = bias[first &+ column] }
      correction &+= constant &- a.x_zero_point &* sum
      scale = a.scale[first &+ column]
    }
    corrections[column] = correction
    scales[column] = scale
  }
  var column = 0
  #if ISA_AVX2
  // The sums are made where the corrections will be.
  MixedPanel(panel, shape.steps).pack(plain + first &* shape.k, count, shape.mixedRow, zero: zero, corrections)
  while column < panelWidth {
    finish(column, corrections[column])
    column &+= 1
  }
  MixedPanel(panel, shape.steps).setLimits(zeroPoint: a.y_zero_point, low: a.q_min, high: a.q_max, residualScale: a.residual_scale)
  #else
  let weights = (panel + 8 &* panelWidth).assumingMemoryBound(to: DotWeight.self)
  let stepWeights = panelWidth &* dotGroup
  let runs = shape.runs
  let length = shape.k / runs, steps = shape.steps / runs
  while column < panelWidth {
    #if ISA_AVX512VNNI
    if column &+ 4 <= count {
      var sums = SIMD4<Int32>(repeating: 0)
      var run = 0
      while run < runs {
        sums &+= packFour(
          plain + ((first &+ column) &* shape.k &+ run &* length), shape.k, length, steps,
          weights + (run &* steps &* stepWeights &+ dotWeightIndex(column, 0)))
        run &+= 1
      }
      var i = 0
      while i < 4 {
        finish(column &+ i, sums[i])
        i &+= 1
      }
      column &+= 4
      continue
    }
    #endif
    var sum: Int32 = 0
    let depth = column < count ? length : 0
    var run = 0
    while run < runs {
      var place = weights + (run &* steps &* stepWeights &+ dotWeightIndex(column, 0))
      let row = plain + ((first &+ (column < count ? column : 0)) &* shape.k &+ run &* length)
      var k = 0
      // This runs over every weight when a model is loaded: whole steps without a question for each.
      #if ISA_NEONDOT
      // Four weights are a lane, in the panel as in the row.
      var sums = VI(repeating: 0)
      let ones = VI(repeating: 0x0101_0101)
      while k &+ 4 &* lanes <= depth {
        var words = UnsafeRawPointer(row + k).loadUnaligned(as: VI.self)
        if dotWeightOffset != 0 { words ^= VI(repeating: Int32(bitPattern: 0x8080_8080)) }
        DotOperation.accumulate(&sums, ones, words)
        var lane = 0
        while lane < lanes {
          UnsafeMutableRawPointer(place).storeBytes(of: words[lane], as: Int32.self)
          place += stepWeights
          lane &+= 1
        }
        k &+= 4 &* lanes
      }
      var lane = 0
      while lane < lanes {
        sum &+= sums[lane]
        lane &+= 1
      }
      sum &-= Int32(truncatingIfNeeded: k) &* dotWeightOffset
      #endif
      while k &+ dotGroup <= depth {
        var i = 0
        while i < dotGroup {
          let weight = Int32(row[k &+ i]) &- zero
          sum &+= weight
          place[dotWeightIndex(0, i)] = DotWeight(truncatingIfNeeded: weight &+ dotWeightOffset)
          i &+= 1
        }
        k &+= dotGroup
        place += stepWeights
      }
      while k < steps &* dotGroup {
        var i = 0
        while i < dotGroup {
          let real = k &+ i < depth
          let weight = real ? Int32(row[k &+ i]) &- zero : 0
          sum &+= weight
          place[dotWeightIndex(0, i)] = DotWeight(truncatingIfNeeded: real ? weight &+ dotWeightOffset : 0)
          i &+= 1
        }
        k &+= dotGroup
        place += stepWeights
      }
      run &+= 1
    }
    finish(column, sum)
    column &+= 1
  }
  #endif
}

#if ISA_AVX512VNNI
/// Packs four neighbouring columns, rows of `k` weights that are `distance` apart; their sums. Sixteen steps of four rows
/// are four registers whose quarters are steps.
@inline(never)
private func packFour(
  _ rows: UnsafePointer<Int8>, _ distance: Int, _ k: Int, _ steps: Int, _ place: UnsafeMutablePointer<DotWeight>
) -> SIMD4<Int32> {
  let stepBytes = panelWidth &* dotGroup
  var sums = VI(repeating: 0)
  let ones = VI(repeating: 0x0101_0101)
  var to = UnsafeMutableRawPointer(place)
  var step = 0
  while step < steps {
    @inline(__always) func row(_ index: Int) -> __m512i {
      let left = k &- step &* dotGroup
      let mask = left >= 64 ? UInt64.max : (1 &<< UInt64(truncatingIfNeeded: left)) &- 1
      return _mm512_maskz_loadu_epi8(mask, rows + (index &* distance &+ step &* dotGroup))
    }
    let r0 = row(0), r1 = row(1), r2 = row(2), r3 = row(3)
    let low01 = _mm512_unpacklo_epi32(r0, r1), high01 = _mm512_unpackhi_epi32(r0, r1)
    let low23 = _mm512_unpacklo_epi32(r2, r3), high23 = _mm512_unpackhi_epi32(r2, r3)
    @inline(__always) func put(_ v: __m512i, _ first: Int) {
      let words = lanes32(v)
      DotOperation.accumulate(&sums, ones, words)
      // The quarters are steps `first`, and four, eight and twelve after it.
      let left = steps &- step &- first
      @inline(__always) func store(_ quarter: Int, _ part: SIMD4<Int32>) {
        if left > 4 &* quarter {
          (to + (4 &* quarter &+ first) &* stepBytes).storeBytes(of: part, as: SIMD4<Int32>.self)
        }
      }
      store(0, words.lowHalf.lowHalf)
      store(1, words.lowHalf.highHalf)
      store(2, words.highHalf.lowHalf)
      store(3, words.highHalf.highHalf)
    }
    put(_mm512_unpacklo_epi64(low01, low23), 0)
    put(_mm512_unpackhi_epi64(low01, low23), 1)
    put(_mm512_unpacklo_epi64(high01, high23), 2)
    put(_mm512_unpackhi_epi64(high01, high23), 3)
    to += 16 &* stepBytes
    step &+= 16
  }
  let halves = sums.lowHalf &+ sums.highHalf
  return halves.lowHalf &+ halves.highHalf
}
#endif

#if ISA_AVX2
/// Of rows whose words are at `gathered`, or whose bytes are in place, makes the forms that panels take.
@inline(__always)
private func completeForms(
  _ shape: ConvShapeU8, _ head: MixedHead, _ isNew: Bool, _ gathered: UnsafeMutableRawPointer, _ rows: inout RowsU8
) {
  let areLines = shape.blockLines > 0
  let count = areLines ? 1 : rows.count, length = shape.formBytes
  let ordered = gathered + (shape.copiedBytes &+ 64)
  if shape.inPlace {
    if isNew && head.anyWords != 0 { widenRowsU8(rows.bytes, rows.byteStride, count, length, gathered) }
  } else {
    let bytes = ordered + (shape.orders > 1 ? 3 &* shape.copiedBytes / 2 : 0)
    if isNew && head.anyBytes != 0 { narrowRowsU8(gathered, count &* length, bytes) }
    rows.read(bytes, areLines ? rows.stride / 2 : length)
  }
  if head.anyOrdered != 0 {
    if isNew { orderRowsU8(rows.bytes, rows.byteStride, count, length, ordered) }
    rows.read(ordered, areLines ? rows.byteStride : 3 &* length)
  }
}
#endif

@inline(never)
private func runUnits(_ args: UnsafePointer<ek_conv>, _ begin: Int, _ end: Int, _ scratch: UnsafeMutableRawPointer) {
  let a = args.pointee
  let shape = ConvShapeU8(a)
  let output = OutputU8(a)
  let tail = scratch.assumingMemoryBound(to: UInt8.self)
  let sums = (scratch + shape.tailBytes).assumingMemoryBound(to: Int32.self)
  let copies = scratch + shape.tailBytes + shape.sumBytes
  let gathered = copies + shape.copyBytes
  let linesBetween = shape.copyBytes > 0 ? shape.lines : nil
  let x = a.x.unsafelyUnwrapped, packed = a.packed.unsafelyUnwrapped
  var blockInScratch = -1, blockOfSums = -1
  var unit = begin
  while unit < end {
    let block = unit / shape.panelBlocks
    let group = block / shape.rowBlocks
    let rowBlock = block % shape.rowBlocks
    let firstPanel = unit % shape.panelBlocks &* shape.blockPanels
    let firstColumn = firstPanel &* panelWidth
    let columnsLeft = shape.columns &- firstColumn
    let blockColumns = shape.blockPanels &* panelWidth
    let columns = columnsLeft < blockColumns ? columnsLeft : blockColumns
    let isNew = block != blockInScratch
    var firstRow = rowBlock &* shape.blockRows
    var rows = RowsU8(gathered, smaller(shape.blockRows, shape.rows &- firstRow), shape.rowBytes, steps: shape.steps)
    if shape.inPlace {
      rows.read(x + (firstRow &* Int(a.x_stride) &+ group &* shape.k), Int(a.x_stride))
    } else {
      let windows = WindowsU8(a, x.assumingMemoryBound(to: UInt8.self), group: group, rowBytes: shape.rowBytes)
      if shape.blockLines > 0 {
        let blocks = shape.rowBlocks / Int(a.n)
        let picture = rowBlock / blocks, line = rowBlock % blocks &* shape.blockLines
        let count = smaller(shape.blockLines, Int(a.oh) &- line)
        rows = shape.lines.rows(count, gathered)
        firstRow = (picture &* Int(a.oh) &+ line) &* Int(a.ow)
        if isNew { windows.copyLines(picture, line, shape.lines, count, gathered) }
      } else if isNew {
        windows.gather(firstRow, rows.count, gathered, linesBetween, copies)
      }
    }
    #if ISA_AVX2
    let head = MixedPanel(packed + group &* shape.packedGroupBytes, shape.steps).head.pointee
    completeForms(shape, head, isNew, gathered, &rows)
    #endif
    blockInScratch = block
    var target = output.moved(rows: firstRow, columns: group &* shape.columns &+ firstColumn)
    if shape.hasRowSums {
      if block != blockOfSums { sumRowsU8(shape.k, rows.start, rows.stride, rows.count, shape.rowFactor, sums) }
      blockOfSums = block
      target.rowCorrections = UnsafePointer(sums)
    }
    multiplyBlockU8(
      rows, columns,
      packed + (group &* shape.packedGroupBytes &+ firstPanel &* panelBytesU8(shape.steps)), target, tail)
    unit &+= 1
  }
}
