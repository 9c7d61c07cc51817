import CPlatform

// What becomes of the integer sums of a tile: bytes, by the rule of edgeai_kernels.h.

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
    #elseif ISA_NEON || ISA_NEONDOT
    UnsafeMutableRawPointer(p).storeBytes(of: quantizer.bytes(first, second), as: UInt64.self)
    #else
    narrowBytes(quantizer.quantized(first), quantizer.quantized(second), p)
    #endif
  }

  /// Adds the residuals of row `row`, whose columns are a and b, and of the next one, c and d.
  @inline(__always) func addResiduals(_ row: Int, _ a: inout VF, _ b: inout VF, _ c: inout VF, _ d: inout VF) {
    guard let residual else { return }
    let r = residual + row &* residualStride, s = r + residualStride
    a += residualTerm(widenBytes(r))
    b += residualTerm(widenBytes(r + lanes))
    c += residualTerm(widenBytes(s))
    d += residualTerm(widenBytes(s + lanes))
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
