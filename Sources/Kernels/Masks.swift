import CPlatform

// What attention makes masks with and reads them with: comparisons, and choices between two tensors. All operands broadcast. A chunk
// of each is brought together first where it is not, so that the loops know neither axes nor remainders. A unit of work is a
// stretch of the result. What is not a loop over elements is compiled for size.

private var stretch: Int { 4096 }
/// Elements that are computed at a time, whole registers of every kind.
private var chunk: Int { 1024 }
/// Of the widest elements.
private var chunkBytes: Int { chunk &* 8 }

func maskUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  let m = args.assumingMemoryBound(to: ek_typed.self)
  return Int64(divideUp(Int(m.pointee.end &- m.pointee.first), stretch))
}

/// Two operands and a mask.
func maskScratch(_ args: UnsafeRawPointer?) -> Int64 { Int64(2 &* chunkBytes &+ chunk) }

@_optimize(size)
func maskRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args, let scratch, let target = args.assumingMemoryBound(to: ek_typed.self).pointee.y else { return }
  let m = args.assumingMemoryBound(to: ek_typed.self)
  let first = Int(m.pointee.first), isChoice = m.pointee.inputs > 2
  let width = elementBytes(isChoice ? m.pointee.b_type : m.pointee.a_type), resultWidth = isChoice ? width : 1
  let operand: Int32 = isChoice ? 1 : 0
  var left = MaskOperand(m, operand, width, scratch), right = MaskOperand(m, operand &+ 1, width, scratch + chunkBytes)
  let truths = scratch + 2 &* chunkBytes, isTest = isChoice && Int(m.pointee.function) == EK_BINARY_NOT_EQUAL
  var mask = MaskOperand(m, isTest ? 2 : 0, 1, truths)
  let last = smaller(first &+ Int(end) &* stretch, Int(m.pointee.end))
  var i = first &+ Int(begin) &* stretch
  while i < last {
    let n = smaller(chunk, last &- i)
    // Registers are read before what they give is written, and that is never longer.
    let y = n & 15 == 0 ? target + i &* resultWidth : scratch
    let a = left.elements(i, n), b = right.elements(i, n), count = (n &+ 15) & ~15
    if isTest {
      compare(m, b, b, truths.assumingMemoryBound(to: UInt8.self), count)
      choose(truths.assumingMemoryBound(to: UInt8.self), a, b, y, count, width)
    } else if isChoice {
      choose(mask.elements(i, n).assumingMemoryBound(to: UInt8.self), a, b, y, count, width)
    } else {
      compare(m, a, b, y.assumingMemoryBound(to: UInt8.self), count)
    }
    if y == scratch { (target + i &* resultWidth).copyMemory(from: y, byteCount: n &* resultWidth) }
    i &+= n
  }
}

private func elementBytes(_ type: Int32) -> Int {
  switch Int(type) {
  case EK_TYPE_BOOL, EK_TYPE_UINT8, EK_TYPE_INT8: return 1
  case EK_TYPE_FLOAT16, EK_TYPE_BFLOAT16, EK_TYPE_INT16, EK_TYPE_UINT16: return 2
  case EK_TYPE_FLOAT32, EK_TYPE_INT32, EK_TYPE_UINT32: return 4
  default: return 8
  }
}

/// A broadcast tensor.
private struct MaskOperand {
  let base: UnsafeRawPointer
  let width: Int
  /// Where a chunk is brought together.
  let room: UnsafeMutableRawPointer
  /// Only p is used: all axes that this tensor passes as one are merged.
  var axes = Axes()
  /// A single element fills its room once.
  var isFilled = false

  @inline(never) @_optimize(size)
  init(_ m: UnsafePointer<ek_typed>, _ operand: Int32, _ width: Int, _ room: UnsafeMutableRawPointer) {
    base = ek_typed_operand(m, operand)
    (self.width, self.room) = (width, room)
    var i: Int32 = 0
    while i < m.pointee.rank {
      axes.append(Axis(size: Int(ek_typed_stride(m, -1, i)), p: Int(ek_typed_stride(m, operand, i)), q: 0))
      i &+= 1
    }
    axes.merge()
  }

  /// `count` elements that belong to those of the result from `first` on; registers may be read from whole sixteens.
  @inline(never) @_optimize(size)
  mutating func elements(_ first: Int, _ count: Int) -> UnsafeRawPointer {
    let inner = axes.last
    if inner.p == 1 && count & 15 == 0 && first % inner.size &+ count <= inner.size { return base + axes.offsets(first).p &* width }
    if isFilled { return UnsafeRawPointer(room) }
    isFilled = axes.count == 1 && inner.p == 0
    var to = room
    axes.forEachRun(first, first &+ count) { _, p, _, n in
      let from = base + p &* width
      if inner.p == 1 {
        to.copyMemory(from: from, byteCount: n &* width)
      } else {
        switch width {
        case 1: spread(from, to, n, inner.p, UInt8.self)
        case 2: spread(from, to, n, inner.p, UInt16.self)
        case 4: spread(from, to, n, inner.p, UInt32.self)
        default: spread(from, to, n, inner.p, UInt64.self)
        }
      }
      to += n &* width
    }
    return UnsafeRawPointer(room)
  }
}

@inline(__always)
private func spread<T>(_ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ count: Int, _ step: Int, _ type: T.Type) {
  let x = from.assumingMemoryBound(to: type), y = to.assumingMemoryBound(to: type)
  var i = 0
  while i < count {
    y[i] = x[i &* step]
    i &+= 1
  }
}

/// y = a ? b for whole sixteens: true where `equal` counts and the two are, or where `less` does, turned by `flip`.
private func compare(_ m: UnsafePointer<ek_typed>, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ y: UnsafeMutablePointer<UInt8>, _ count: Int) {
  let function = Int(m.pointee.function)
  let equal = function != EK_BINARY_LESS, less = function == EK_BINARY_LESS || function == EK_BINARY_LESS_OR_EQUAL
  let flip = function == EK_BINARY_NOT_EQUAL
  switch Int(m.pointee.a_type) {
  case EK_TYPE_FLOAT32:
    let equal = SIMDMask<SIMD8<Int32>>(repeating: equal), less = SIMDMask<SIMD8<Int32>>(repeating: less)
    let flip = SIMDMask<SIMD8<Int32>>(repeating: flip)
    forEachEight(y, count) { i in
      let v = eight(a, i, SIMD8<Float>.self), w = eight(b, i, SIMD8<Float>.self)
      let truth = ((v .== w) .& equal .| (v .< w) .& less) .^ flip
      return SIMD8<UInt8>(truncatingIfNeeded: unsafeBitCast(truth, to: SIMD8<Int32>.self))
    }
  case EK_TYPE_INT32:
    let equal = SIMDMask<SIMD8<Int32>>(repeating: equal), less = SIMDMask<SIMD8<Int32>>(repeating: less)
    let flip = SIMDMask<SIMD8<Int32>>(repeating: flip)
    forEachEight(y, count) { i in
      let v = eight(a, i, SIMD8<Int32>.self), w = eight(b, i, SIMD8<Int32>.self)
      let truth = ((v .== w) .& equal .| (v .< w) .& less) .^ flip
      return SIMD8<UInt8>(truncatingIfNeeded: unsafeBitCast(truth, to: SIMD8<Int32>.self))
    }
  case EK_TYPE_INT64:
    #if ISA_SSE2
    // Compares no 64 bits at once.
    let p = a.assumingMemoryBound(to: Int64.self), q = b.assumingMemoryBound(to: Int64.self)
    var i = 0
    while i < count {
      y[i] = (p[i] == q[i] && equal || p[i] < q[i] && less) != flip ? 1 : 0
      i &+= 1
    }
    #else
    let equal = SIMDMask<SIMD8<Int64>>(repeating: equal), less = SIMDMask<SIMD8<Int64>>(repeating: less)
    let flip = SIMDMask<SIMD8<Int64>>(repeating: flip)
    forEachEight(y, count) { i in
      let v = eight(a, i, SIMD8<Int64>.self), w = eight(b, i, SIMD8<Int64>.self)
      let truth = ((v .== w) .& equal .| (v .< w) .& less) .^ flip
      return SIMD8<UInt8>(truncatingIfNeeded: unsafeBitCast(truth, to: SIMD8<Int64>.self))
    }
    #endif
  default:
    let equal = SIMDMask<SIMD8<Int8>>(repeating: equal), less = SIMDMask<SIMD8<Int8>>(repeating: less)
    let flip = SIMDMask<SIMD8<Int8>>(repeating: flip)
    forEachEight(y, count) { i in
      let v = eight(a, i, SIMD8<UInt8>.self), w = eight(b, i, SIMD8<UInt8>.self)
      let truth = ((v .== w) .& equal .| (v .< w) .& less) .^ flip
      return unsafeBitCast(truth, to: SIMD8<UInt8>.self)
    }
  }
}

@inline(__always)
private func eight<V: SIMD>(_ p: UnsafeRawPointer, _ i: Int, _ type: V.Type) -> V { V.load(p.assumingMemoryBound(to: V.Scalar.self) + i) }

@inline(__always)
private func forEachEight(_ y: UnsafeMutablePointer<UInt8>, _ count: Int, _ truths: (Int) -> SIMD8<UInt8>) {
  let one = SIMD8<UInt8>(repeating: 1)
  var i = 0
  while i < count {
    (truths(i) & one).store(y + i)
    i &+= 8
  }
}

/// y = mask ? a : b for whole sixteens.
private func choose(
  _ mask: UnsafePointer<UInt8>, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, _ count: Int, _ width: Int
) {
  switch width {
  case 4:
    let a = a.assumingMemoryBound(to: Int32.self), b = b.assumingMemoryBound(to: Int32.self), y = y.assumingMemoryBound(to: Int32.self)
    var i = 0
    while i < count {
      VI.load(a + i).replacing(with: VI.load(b + i), where: widenBytes(mask + i) .== VI(repeating: 0)).store(y + i)
      i &+= lanes
    }
  case 1:
    let a = a.assumingMemoryBound(to: UInt8.self), b = b.assumingMemoryBound(to: UInt8.self), y = y.assumingMemoryBound(to: UInt8.self)
    var i = 0
    while i < count {
      let isOff = SIMD16<UInt8>.load(mask + i) .== SIMD16<UInt8>(repeating: 0)
      SIMD16<UInt8>.load(a + i).replacing(with: SIMD16<UInt8>.load(b + i), where: isOff).store(y + i)
      i &+= 16
    }
  case 2: pick(mask, a, b, y, count, UInt16.self)
  default: pick(mask, a, b, y, count, UInt64.self)
  }
}

@inline(__always)
private func pick<T>(
  _ mask: UnsafePointer<UInt8>, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, _ count: Int, _ type: T.Type
) {
  let a = a.assumingMemoryBound(to: type), b = b.assumingMemoryBound(to: type), y = y.assumingMemoryBound(to: type)
  var i = 0
  while i < count {
    y[i] = mask[i] != 0 ? a[i] : b[i]
    i &+= 1
  }
}
