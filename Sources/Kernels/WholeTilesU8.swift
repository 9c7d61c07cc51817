// Whole tiles of a panel, one below the other.

#if ISA_NEON || ISA_NEONDOT
import CPlatform

// With 128 channels what surrounds the inner loop took half as long as the loop. So
// what rows have of their own is added when their sums begin, instead of to the finished ones, two rows become sixteen bytes
// together, and everything that tiles share stays outside their loop.

/// What the zero point of weights adds to a row.
private struct CorrectionsU8: RowTerms {
  let corrections: UnsafePointer<Int32>

  @inline(__always) func add(_ row: Int, _ low: inout VI, _ high: inout VI) {
    let four = UnsafeRawPointer(corrections + (row & ~3)).loadUnaligned(as: VI.self)
    let correction = VI(repeating: four[row & 3])
    low = low &+ correction
    high = high &+ correction
  }
}

/// Quantizes and stores eight columns of two rows at a time.
private struct PairSinkU8: PairSink {
  var y: UnsafeMutablePointer<UInt8>
  var residual: UnsafePointer<UInt8>?
  let output: OutputU8
  let lowScale: VF, highScale: VF
  let quantizer: QuantizerU8

  @inline(__always)
  init(_ output: OutputU8, _ row: Int, _ scales: UnsafePointer<VF>) {
    self.output = output
    y = output.y + row &* output.stride
    if let start = output.residual { residual = start + row &* output.residualStride }
    (lowScale, highScale) = (scales[0], scales[1])
    quantizer = output.quantizer
  }

  @inline(__always) mutating func take(_ first: (low: VI, high: VI), _ second: (low: VI, high: VI)) {
    var a = toFloat(first.low) * lowScale, b = toFloat(first.high) * highScale
    var c = toFloat(second.low) * lowScale, d = toFloat(second.high) * highScale
    if let r = residual {
      let next = r + output.residualStride
      a += output.residualTerm(widenBytes(r))
      b += output.residualTerm(widenBytes(r + lanes))
      c += output.residualTerm(widenBytes(next))
      d += output.residualTerm(widenBytes(next + lanes))
      residual = next + output.residualStride
    }
    let next = y + output.stride
    en_store_halves(y, next, quantizer.bytes(a, b, c, d))
    y = next + output.stride
  }
}

/// Multiplies `count` rows, as many as fill tiles, `stride` bytes apart, with a panel of `steps` steps.
@inline(never)
func wholeTilesU8(_ count: Int, _ steps: Int, _ rows: UnsafeRawPointer, _ stride: Int, _ panel: UnsafeRawPointer, _ output: OutputU8) {
  typealias T = MainTile<WideRow<DotOperation>>
  let corrections = panel.assumingMemoryBound(to: VI.self)
  let scales = (panel + 4 &* panelWidth).assumingMemoryBound(to: VF.self)
  let weights = (panel + 8 &* panelWidth).assumingMemoryBound(to: DotOperation.Vector.self)
  var a = rows
  var row = 0
  while row < count {
    var tile = T(corrections[0], corrections[1])
    if let added = output.rowCorrections { tile.begin(0, CorrectionsU8(corrections: added + row)) }
    var w = weights
    tile.add(steps, a, stride, &w)
    var sink = PairSinkU8(output, row, scales)
    tile.finishPairs(&sink)
    a += T.rows &* stride
    row &+= T.rows
  }
}
#elseif ISA_AVX512VNNI
import CPlatform
import _Builtin_intrinsics.intel

// Whole tiles of a panel whose results are tame: none leaves Int32, where conversion would make the least number of a large one. Two
// rows are packed together. Of 16 channels what surrounds the inner loop took longer than the loop.

/// Multiplies rows with a panel, as many of each line as fill tiles; how many they are, none where results are not tame.
@inline(never)
func multiplyTamePanel(_ panel: UnsafeRawPointer, _ rows: RowsU8, _ output: OutputU8) -> Int {
  typealias T = MainTile<WideRow<DotOperation>>
  let scales = (panel + 4 &* panelWidth).assumingMemoryBound(to: VF.self)
  @inline(__always) func magnitude(_ scale: VF) -> __m512i { bits(unsafeBitCast(scale, to: VI.self) & VI(repeating: Int32.max)) }
  let largest = _mm512_reduce_max_epi32(_mm512_max_epi32(magnitude(scales[0]), magnitude(scales[1])))
  // A sum is less than 2^31; a quarter of it and as much of a residual are together.
  guard largest < Int32(bitPattern: Float(0.25).bitPattern), output.residualScale.magnitude < 0x1p22 else { return 0 }
  let corrections = panel.assumingMemoryBound(to: VI.self)
  let weights = (panel + 8 &* panelWidth).assumingMemoryBound(to: DotOperation.Vector.self)
  let window = rows.runs.window(rows.runSteps)
  let count = rows.count / T.rows &* T.rows
  var first = rows.start
  var target = output
  var left = rows.lines.count
  while left > 0 {
    var row = 0
    while row < count {
      let tile = T.product(window, first + row &* rows.stride, rows.stride, weights, corrections[0], corrections[1])
      let sink = TameSinkU8(scales: scales, output: target.moved(rows: row, columns: 0))
      sink.take(0, tile.top.top.top)
      sink.take(2, tile.top.top.bottom)
      sink.take(4, tile.top.bottom.top)
      sink.take(6, tile.top.bottom.bottom)
      sink.take(8, tile.bottom.top.top)
      sink.take(10, tile.bottom.top.bottom)
      sink.take(12, tile.bottom.bottom)
      row &+= T.rows
    }
    first += rows.lines.distance
    target = target.moved(rows: rows.count, columns: 0)
    left &-= 1
  }
  return count
}

/// Quantizes and stores the columns of two rows.
private struct TameSinkU8 {
  let scales: UnsafePointer<VF>
  let output: OutputU8

  @inline(__always) func take(_ row: Int, _ sums: Rows2<WideRow<DotOperation>>) {
    var sums = sums
    if output.rowCorrections != nil {
      let first = output.rowCorrection(row), second = output.rowCorrection(row &+ 1)
      (sums.top.low, sums.top.high) = (sums.top.low &+ first, sums.top.high &+ first)
      (sums.bottom.low, sums.bottom.high) = (sums.bottom.low &+ second, sums.bottom.high &+ second)
    }
    var a = toFloat(sums.top.low) * scales[0], b = toFloat(sums.top.high) * scales[1]
    var c = toFloat(sums.bottom.low) * scales[0], d = toFloat(sums.bottom.high) * scales[1]
    output.addResiduals(row, &a, &b, &c, &d)
    // Packing limits a byte.
    if output.high < 255 {
      let high = VF(repeating: Float(output.high &- output.zeroPoint))
      (a, b, c, d) = (minimum(a, high), minimum(b, high), minimum(c, high), minimum(d, high))
    }
    let y = output.y + row &* output.stride
    narrowBytes(a, b, c, d, output.zeroPoint, output.low, y, y + output.stride)
  }
}
#endif
