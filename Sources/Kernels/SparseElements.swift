#if !ISA_SSE2 && !ISA_AVX512BF16 && !ISA_NEONDOT
import CPlatform

// Convolution with weights of which most are zero, as a product of a matrix of windows, a row for each output pixel, with the
// weights that are left. Two forms differ in what the lanes of a register are (`ek_conv.sparse`):
//
//   SparsePanels   outputs: for each input that one of them has a weight for, their weights times one word of a row.
//                  For weights pruned in columns of as many outputs.
//   SparsePixels   pixels: for each weight, one word times a transposed row. For any pattern.
//
// A row is made of words of 32 bits: a float, or as many bytes as a lane sums products of. Both forms are generic over what
// this file says of floats and bytes. Sums run over the words in their order, like those of a dense convolution.

/// One register of outputs where that is 16 of them, else two. The tile has enough sums to hide the latency of the multiplier,
/// and no more: its rows, of which each word lies on another line of the cache, then stay in the first level.
#if ISA_AVX512VNNI
typealias SparseRow<Operation: TileOperation> = NarrowRow<Operation>
typealias SparseTile<Operation: TileOperation> = Rows7<NarrowRow<Operation>>
@inline(__always) var sparseVectors: Int { 1 }
#else
typealias SparseRow<Operation: TileOperation> = WideRow<Operation>
#if ISA_AVX2
typealias SparseTile<Operation: TileOperation> = Rows6<WideRow<Operation>>
#else
typealias SparseTile<Operation: TileOperation> = Rows8<WideRow<Operation>>
#endif
@inline(__always) var sparseVectors: Int { 2 }
#endif
/// Outputs of a panel.
@inline(__always) var sparseWidth: Int { sparseVectors &* lanes }

/// What is known of an output before its sum: bias and nothing, or correction and scale.
struct SparseHead {
  var first: UInt32 = 0, second: UInt32 = 0
}

protocol SparseElements {
  associatedtype Operation: TileOperation
  associatedtype Output
  /// Bytes of an element of x, y and residual.
  static var elementBytes: Int { get }
  /// Elements of a word.
  static var group: Int { get }
  static var readsInPlace: Bool { get }
  /// Copies windows of `count` output pixels from `first` on as rows `rowBytes` apart, which may be a multiple of 64 bytes more.
  static func gather(_ a: ek_conv, _ first: Int, _ count: Int, _ rowBytes: Int, _ to: UnsafeMutableRawPointer)

  /// Weights k ..< k + group of an output of `count` inputs; 0 where all are zero.
  static func word(_ weights: UnsafeRawPointer, _ count: Int, _ k: Int) -> UInt32
  static func sum(_ word: UInt32) -> Int32
  /// Puts a word into a step of a panel, which is zero.
  static func place(_ word: UInt32, _ column: Int, _ step: UnsafeMutableRawPointer)
  /// `sum`: that of an output's weights.
  static func head(_ a: ek_conv, _ column: Int, _ sum: Int32) -> SparseHead

  static func output(_ a: ek_conv) -> Output
  static func moved(_ output: Output, _ rows: Int, _ columns: Int) -> Output
  /// The same results in memory of their own, `stride` elements from row to row.
  static func replaced(_ output: Output, _ y: UnsafeMutableRawPointer, _ residual: UnsafeRawPointer?, _ stride: Int) -> Output
  static func y(_ output: Output) -> (UnsafeMutableRawPointer, stride: Int)
  static func residual(_ output: Output) -> (UnsafeRawPointer, stride: Int)?

  /// What the sums of a panel begin with.
  static func start(_ heads: UnsafeRawPointer) -> (Operation.Sum, Operation.Sum)
  static func finish<T: Tile>(_ tile: T, _ output: Output, _ heads: UnsafeRawPointer) where T.Operation == Operation
}

/// Elements whose words can be lanes too.
protocol SparseLanes: SparseElements where Operation.Sum == Operation.Vector {
  /// Turns the sums of one output for `count` registers of pixels into results. Those of several outputs may be parts of one
  /// word: `column` counts them, `results` and `residual` hold their words.
  static func finish(
    _ sums: UnsafePointer<Operation.Sum>, _ count: Int, _ head: SparseHead, _ column: Int, _ output: Output,
    _ residual: UnsafePointer<VI>?, _ results: UnsafeMutablePointer<VI>)
}

enum SparseF32: SparseLanes {
  typealias Operation = FloatStep
  typealias Output = FloatTarget
  @inline(__always) static var elementBytes: Int { 4 }
  @inline(__always) static var group: Int { 1 }
  @inline(__always) static var readsInPlace: Bool { true }

  @inline(never)
  static func gather(_ a: ek_conv, _ first: Int, _ count: Int, _ rowBytes: Int, _ to: UnsafeMutableRawPointer) {
    gatherRows(
      FloatStep.self, a, a.x.assumingMemoryBound(to: Float.self), first, count, Int(a.c_in), rowBytes / 4,
      to.assumingMemoryBound(to: Float.self))
  }

  /// Of the two zeros there is one.
  @inline(__always) static func word(_ weights: UnsafeRawPointer, _ count: Int, _ k: Int) -> UInt32 {
    let word = weights.loadUnaligned(fromByteOffset: 4 &* k, as: UInt32.self)
    return word &<< 1 == 0 ? 0 : word
  }
  @inline(__always) static func sum(_ word: UInt32) -> Int32 { 0 }
  @inline(__always) static func place(_ word: UInt32, _ column: Int, _ step: UnsafeMutableRawPointer) {
    step.storeBytes(of: word, toByteOffset: 4 &* column, as: UInt32.self)
  }
  @inline(__always) static func head(_ a: ek_conv, _ column: Int, _ sum: Int32) -> SparseHead {
    SparseHead(first: a.bias?.load(fromByteOffset: 4 &* column, as: UInt32.self) ?? 0)
  }

  @inline(__always) static func output(_ a: ek_conv) -> FloatTarget {
    FloatTarget(
      y: a.y.assumingMemoryBound(to: Float.self), stride: Int(a.y_stride),
      residual: a.residual?.assumingMemoryBound(to: Float.self), residualStride: Int(a.residual_stride), low: a.clamp_min,
      high: a.clamp_max)
  }
  @inline(__always) static func moved(_ output: FloatTarget, _ rows: Int, _ columns: Int) -> FloatTarget {
    output.moved(rows: rows, columns: columns)
  }
  @inline(__always)
  static func replaced(_ output: FloatTarget, _ y: UnsafeMutableRawPointer, _ residual: UnsafeRawPointer?, _ stride: Int) -> FloatTarget {
    FloatTarget(
      y: y.assumingMemoryBound(to: Float.self), stride: stride, residual: residual?.assumingMemoryBound(to: Float.self),
      residualStride: stride, low: output.low, high: output.high)
  }
  @inline(__always) static func y(_ output: FloatTarget) -> (UnsafeMutableRawPointer, stride: Int) {
    (UnsafeMutableRawPointer(output.y), output.stride)
  }
  @inline(__always) static func residual(_ output: FloatTarget) -> (UnsafeRawPointer, stride: Int)? {
    output.residual.map { (UnsafeRawPointer($0), output.residualStride) }
  }

  @inline(__always) static func start(_ heads: UnsafeRawPointer) -> (VF, VF) { (VF(), VF()) }
  @inline(__always)
  static func finish<T: Tile>(_ tile: T, _ output: FloatTarget, _ heads: UnsafeRawPointer) where T.Operation == FloatStep {
    let bias = heads.assumingMemoryBound(to: VF.self)
    #if ISA_AVX512VNNI
    tile.finish(0, OneRegisterSinkF32(target: output, bias: bias[0]))
    #else
    tile.finish(0, WholeSink(target: output, bias: bias))
    #endif
  }

  @inline(__always)
  static func finish(
    _ sums: UnsafePointer<VF>, _ count: Int, _ head: SparseHead, _ column: Int, _ output: FloatTarget, _ residual: UnsafePointer<VI>?,
    _ results: UnsafeMutablePointer<VI>
  ) {
    let bias = VF(repeating: Float(bitPattern: head.first))
    var i = 0
    while i < count {
      var sum = sums[i] + bias
      if let residual { sum += unsafeBitCast(residual[column &* count &+ i], to: VF.self) }
      results[column &* count &+ i] = unsafeBitCast(clamped(sum, output), to: VI.self)
      i &+= 1
    }
  }
}

#if ISA_AVX512VNNI
/// Stores panels of one register.
private struct OneRegisterSinkF32: TileSink {
  let target: FloatTarget
  let bias: VF

  @inline(__always) func take(_ row: Int, _ low: VF, _: VF) {
    var sum = low + bias
    if let residual = target.residual { sum += VF.load(residual + row &* target.residualStride) }
    clamped(sum, target).store(target.y + row &* target.stride)
  }
}
#endif

enum SparseU8: SparseElements {
  typealias Operation = DotOperation
  typealias Output = OutputU8
  @inline(__always) static var elementBytes: Int { 1 }
  @inline(__always) static var group: Int { dotGroup }
  @inline(__always) static var readsInPlace: Bool { activationBytes == 1 }

  @inline(never)
  static func gather(_ a: ek_conv, _ first: Int, _ count: Int, _ rowBytes: Int, _ to: UnsafeMutableRawPointer) {
    WindowsU8(a, a.x.assumingMemoryBound(to: UInt8.self), group: 0, rowBytes: rowBytes).gather(first, count, to)
  }

  @inline(__always) static func word(_ weights: UnsafeRawPointer, _ count: Int, _ k: Int) -> UInt32 {
    let bits = UInt32(8 &* activationBytes)
    let mask: UInt32 = activationBytes == 1 ? 0xFF : 0xFFFF
    var word: UInt32 = 0
    var i = 0
    while i < dotGroup, k &+ i < count {
      let weight = Int32(weights.load(fromByteOffset: k &+ i, as: Int8.self))
      word |= (UInt32(bitPattern: weight) & mask) &<< (bits &* UInt32(truncatingIfNeeded: i))
      i &+= 1
    }
    return word
  }
  /// Weight `i` of a word.
  @inline(__always) private static func weight(_ word: UInt32, _ i: Int) -> Int32 {
    let bits = Int32(8 &* activationBytes)
    return (Int32(bitPattern: word) &<< (32 &- bits &* (Int32(truncatingIfNeeded: i) &+ 1))) &>> (32 &- bits)
  }
  @inline(__always) static func sum(_ word: UInt32) -> Int32 {
    var sum: Int32 = 0
    var i = 0
    while i < dotGroup {
      sum &+= weight(word, i)
      i &+= 1
    }
    return sum
  }
  @inline(__always) static func place(_ word: UInt32, _ column: Int, _ step: UnsafeMutableRawPointer) {
    let weights = step.assumingMemoryBound(to: DotWeight.self)
    var i = 0
    while i < dotGroup {
      weights[dotWeightIndex(column, i)] = DotWeight(truncatingIfNeeded: weight(word, i))
      i &+= 1
    }
  }
  @inline(__always) static func head(_ a: ek_conv, _ column: Int, _ sum: Int32) -> SparseHead {
    let bias = a.bias?.load(fromByteOffset: 4 &* column, as: Int32.self) ?? 0
    return SparseHead(first: UInt32(bitPattern: bias &- a.x_zero_point &* sum), second: a.scale[column].bitPattern)
  }

  @inline(__always) static func output(_ a: ek_conv) -> OutputU8 { OutputU8(a) }
  @inline(__always) static func moved(_ output: OutputU8, _ rows: Int, _ columns: Int) -> OutputU8 {
    output.moved(rows: rows, columns: columns)
  }
  @inline(__always)
  static func replaced(_ output: OutputU8, _ y: UnsafeMutableRawPointer, _ residual: UnsafeRawPointer?, _ stride: Int) -> OutputU8 {
    var replaced = output
    (replaced.y, replaced.stride) = (y.assumingMemoryBound(to: UInt8.self), stride)
    (replaced.residual, replaced.residualStride) = (residual?.assumingMemoryBound(to: UInt8.self), stride)
    return replaced
  }
  @inline(__always) static func y(_ output: OutputU8) -> (UnsafeMutableRawPointer, stride: Int) {
    (UnsafeMutableRawPointer(output.y), output.stride)
  }
  @inline(__always) static func residual(_ output: OutputU8) -> (UnsafeRawPointer, stride: Int)? {
    output.residual.map { (UnsafeRawPointer($0), output.residualStride) }
  }

  @inline(__always) static func start(_ heads: UnsafeRawPointer) -> (VI, VI) {
    let corrections = heads.assumingMemoryBound(to: VI.self)
    return (corrections[0], corrections[sparseVectors &- 1])
  }
  @inline(__always)
  static func finish<T: Tile>(_ tile: T, _ output: OutputU8, _ heads: UnsafeRawPointer) where T.Operation == DotOperation {
    let scales = (heads + 4 &* sparseWidth).assumingMemoryBound(to: VF.self)
    #if ISA_AVX512VNNI
    tile.finish(
      0,
      OneRegisterSinkU8(
        output: output, scale: scales[0], high: VF(repeating: Float(output.high &- output.zeroPoint)),
        zeroPoint: VI(repeating: output.zeroPoint), low: VI(repeating: output.low)))
    #else
    tile.finish(0, WideSinkU8(output, scales))
    #endif
  }
}

#if ISA_AVX512VNNI
/// Stores panels of one register. With few products this is most of the work: below, integers are limited, which a number too
/// small for them becomes the least of.
private struct OneRegisterSinkU8: TileSink {
  let output: OutputU8
  let scale: VF, high: VF
  let zeroPoint: VI, low: VI

  @inline(__always) func take(_ row: Int, _ sum: VI, _: VI) {
    var result = toFloat(sum) * scale
    if let residual = output.residual { result += output.residualTerm(widenBytes(residual + row &* output.residualStride)) }
    narrowBytes(maximum(toInteger(minimum(result, high)) &+ zeroPoint, low), output.y + row &* output.stride)
  }
}
#endif

#if !ISA_NEON
extension SparseU8: SparseLanes {
  @inline(__always)
  static func finish(
    _ sums: UnsafePointer<VI>, _ count: Int, _ head: SparseHead, _ column: Int, _ output: OutputU8, _ residual: UnsafePointer<VI>?,
    _ results: UnsafeMutablePointer<VI>
  ) {
    let correction = VI(repeating: Int32(bitPattern: head.first)), scale = VF(repeating: Float(bitPattern: head.second))
    let quantizer = output.quantizer
    let shift = VI(repeating: Int32(truncatingIfNeeded: column % 4 &* 8))
    let first = column / 4 &* count
    var i = 0
    while i < count {
      var result = toFloat(sums[i] &+ correction) * scale
      if let residual { result += output.residualTerm((residual[first &+ i] &>> shift) & VI(repeating: 255)) }
      let byte = quantizer.quantized(result) &<< shift
      results[first &+ i] = column % 4 == 0 ? byte : results[first &+ i] | byte
      i &+= 1
    }
  }
}
#endif
#endif
