#if ISA_NEON || ISA_NEONDOT
import CPlatform

// Whole tiles of a panel, one below the other. With 128 channels what surrounds the inner loop took half as long as the loop. So
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
#endif
