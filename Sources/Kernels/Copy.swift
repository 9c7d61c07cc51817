import CPlatform

// Strided copies. After sorting and merging the axes a copy is one of three: runs contiguous on both sides, a
// transpose (one axis contiguous in x, another in y), or scattered elements.

private struct CopyPlan {
  let x: UnsafeRawPointer?, y: UnsafeMutableRawPointer?
  let bytes: Int
  /// p steps through x, q through y, in elements; q runs in memory order.
  var axes = Axes()
  /// A transpose: the axis contiguous in x, taken out of `axes`, whose last is the one contiguous in y.
  var across = Axis(size: 1, p: 0, q: 0)
  var isTranspose = false

  @_optimize(size)
  init(_ args: UnsafeRawPointer) {
    let c = args.assumingMemoryBound(to: ek_copy.self).pointee
    bytes = Int(c.element_bytes)
    x = c.x.map { $0 + Int(c.x_offset) &* Int(c.element_bytes) }
    y = c.y.map { $0 + Int(c.y_offset) &* Int(c.element_bytes) }
    var i = 0
    while i < Int(c.rank) {
      axes.append(Axis(size: field(c.dims, i), p: field(c.x_stride, i), q: field(c.y_stride, i)))
      i &+= 1
    }
    axes.sortByStep()
    axes.merge()
    guard axes.count > 1, axes.last.q == 1, axes.last.p != 1, bytes == 1 || bytes == 4 else { return }
    i = 0
    while i &+ 1 < axes.count {
      if axes[i].p == 1 {
        across = axes.remove(i)
        isTranspose = true
        return
      }
      i &+= 1
    }
  }

  /// Elements of a unit, or blocks of `across` in a transpose.
  var stretch: Int { 16384 / bytes }
  var acrossBlocks: Int { divideUp(across.size, block) }
  /// Three planes become pixels of three elements, as colours do.
  var isInterleaving: Bool { axes.last.size == 3 && across.q == 3 }
  /// Elements along x that a transpose moves together: a line of the cache for four-byte elements.
  var block: Int { isInterleaving ? 1024 : transposeBlock }
  /// Combinations of the axes outside a transpose.
  var outer: Int { axes.elements / larger(axes.last.size, 1) }
  var units: Int { isTranspose ? outer &* acrossBlocks : divideUp(axes.elements, larger(stretch, 1)) }
}

private var transposeBlock: Int { 16 }

func copyUnits(_ args: UnsafeRawPointer?) -> Int64 {
  guard let args else { return 0 }
  return Int64(CopyPlan(args).units)
}

func copyRun(_ args: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard let args else { return }
  let plan = CopyPlan(args)
  guard let x = plan.x, let y = plan.y else { return }
  if plan.isTranspose {
    var unit = Int(begin)
    while unit < Int(end) {
      let at = plan.axes.offsets(unit / plan.acrossBlocks &* plan.axes.last.size)
      let first = unit % plan.acrossBlocks &* plan.block
      let count = smaller(plan.block, plan.across.size &- first)
      let p = at.p &+ first, q = at.q &+ first &* plan.across.q
      if plan.bytes == 4 {
        transpose(
          x.assumingMemoryBound(to: UInt32.self) + p, y.assumingMemoryBound(to: UInt32.self) + q, count, plan)
      } else {
        transpose(x.assumingMemoryBound(to: UInt8.self) + p, y.assumingMemoryBound(to: UInt8.self) + q, count, plan)
      }
      unit &+= 1
    }
    return
  }
  let inner = plan.axes.last, bytes = plan.bytes
  plan.axes.forEachRun(Int(begin) &* plan.stretch, smaller(Int(end) &* plan.stretch, plan.axes.elements)) {
    _, p, q, count in
    let from = x + p &* bytes, to = y + q &* bytes
    if inner.p == 1 && inner.q == 1 {
      to.copyMemory(from: from, byteCount: count &* bytes)
    } else {
      switch bytes {
      case 1: scatter(from.assumingMemoryBound(to: UInt8.self), to.assumingMemoryBound(to: UInt8.self), count, inner)
      case 2: scatter(from.assumingMemoryBound(to: UInt16.self), to.assumingMemoryBound(to: UInt16.self), count, inner)
      case 4: scatter(from.assumingMemoryBound(to: UInt32.self), to.assumingMemoryBound(to: UInt32.self), count, inner)
      default:
        var i = 0
        while i < count {
          (to + i &* inner.q &* bytes).copyMemory(from: from + i &* inner.p &* bytes, byteCount: bytes)
          i &+= 1
        }
      }
    }
  }
}

@inline(__always)
private func scatter<T>(_ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ count: Int, _ axis: Axis) {
  var i = 0
  while i < count {
    y[i &* axis.q] = x[i &* axis.p]
    i &+= 1
  }
}

/// Pixels of three planes `step` apart.
@inline(__always)
private func interleave<T: FixedWidthInteger & UnsignedInteger>(
  _ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ count: Int, _ step: Int
) {
  var i = 0
  if T.bitWidth == 8 {
    // One store for each pixel; its fourth byte is the next pixel's first.
    while i &+ 1 < count {
      let pixel = UInt32(truncatingIfNeeded: x[i]) | UInt32(truncatingIfNeeded: x[step &+ i]) &<< 8
        | UInt32(truncatingIfNeeded: x[2 &* step &+ i]) &<< 16
      UnsafeMutableRawPointer(y + 3 &* i).storeBytes(of: pixel, as: UInt32.self)
      i &+= 1
    }
  }
  while i < count {
    y[3 &* i] = x[i]
    y[3 &* i &+ 1] = x[step &+ i]
    y[3 &* i &+ 2] = x[2 &* step &+ i]
    i &+= 1
  }
}

/// Moves `count` neighbours of x, for each step of the axis contiguous in y, to as many rows of y.
@inline(__always)
private func transpose<T: FixedWidthInteger & UnsignedInteger>(
  _ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ count: Int, _ plan: CopyPlan
) {
  if plan.isInterleaving { return interleave(x, y, count, plan.axes.last.p) }
  let length = plan.axes.last.size, step = plan.axes.last.p, rowStep = plan.across.q
  if count == transposeBlock {
    var i = 0
    while i < length {
      let from = x + i &* step
      let to = y + i
      var row = 0
      while row < transposeBlock {
        to[row &* rowStep] = from[row]
        row &+= 1
      }
      i &+= 1
    }
    return
  }
  var row = 0
  while row < count {
    var i = 0
    while i < length {
      y[row &* rowStep &+ i] = x[i &* step &+ row]
      i &+= 1
    }
    row &+= 1
  }
}
