import CPlatform

// Strided copy, fill and gather: bytes are moved, never interpreted.

// MARK: Copy

func copyUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_copy.self)
  return withUnsafeBytes(of: a.pointee.dims) { blocks(elementCount(a.pointee.rank, extents($0))) }
}

func copy(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_copy.self)
  let rank = a.pointee.rank
  let size = int(a.pointee.element_bytes)
  let x = a.pointee.x.unsafelyUnwrapped + int(a.pointee.x_offset) &* size
  let y = a.pointee.y.unsafelyUnwrapped + int(a.pointee.y_offset) &* size
  withUnsafeBytes(of: a.pointee.dims) { dims in
    withUnsafeBytes(of: a.pointee.x_stride) { p in
      withUnsafeBytes(of: a.pointee.y_stride) { q in
        let range = blockRange(begin, end, elementCount(rank, extents(dims)))
        let pStep = rank > 0 ? int(extents(p)[int(rank) &- 1]) : 1
        let qStep = rank > 0 ? int(extents(q)[int(rank) &- 1]) : 1
        walk(
          rank: rank, dims: extents(dims), p: extents(p), q: extents(q), begin: range.begin, end: range.end
        ) { _, pOffset, qOffset, count in
          copyRun(x + pOffset &* size, pStep, y + qOffset &* size, qStep, count, size)
        }
      }
    }
  }
}

/// Copies `count` elements of `size` bytes; steps in elements.
@inline(__always)
private func copyRun(
  _ x: UnsafeRawPointer, _ xStep: Int, _ y: UnsafeMutableRawPointer, _ yStep: Int, _ count: Int, _ size: Int
) {
  if xStep == 1 && yStep == 1 { return y.copyMemory(from: x, byteCount: count &* size) }
  switch size {
  case 1: copyElements(elements(x, UInt8.self), xStep, elements(y, UInt8.self), yStep, count)
  case 2: copyElements(elements(x, UInt16.self), xStep, elements(y, UInt16.self), yStep, count)
  case 4: copyElements(elements(x, UInt32.self), xStep, elements(y, UInt32.self), yStep, count)
  case 8: copyElements(elements(x, UInt64.self), xStep, elements(y, UInt64.self), yStep, count)
  default:
    var i = 0
    while i < count {
      (y + i &* yStep &* size).copyMemory(from: x + i &* xStep &* size, byteCount: size)
      i &+= 1
    }
  }
}

@inline(__always)
private func copyElements<T>(
  _ x: UnsafePointer<T>, _ xStep: Int, _ y: UnsafeMutablePointer<T>, _ yStep: Int, _ count: Int
) {
  var i = 0
  while i < count {
    y[i &* yStep] = x[i &* xStep]
    i &+= 1
  }
}

// MARK: Fill

func fillUnits(_ raw: UnsafeRawPointer?) -> Int64 { blocks(arguments(raw, ek_fill.self).pointee.count) }

func fill(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_fill.self)
  let range = blockRange(begin, end, a.pointee.count)
  let size = int(a.pointee.element_bytes)
  let y = a.pointee.y.unsafelyUnwrapped
  withUnsafeBytes(of: a.pointee.value) { value in
    let value = value.baseAddress.unsafelyUnwrapped
    var i = range.begin
    while i < range.end {
      (y + i &* size).copyMemory(from: value, byteCount: size)
      i &+= 1
    }
  }
}

// MARK: Gather

/// A unit is one gathered row.
func gatherUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_gather.self)
  return a.pointee.outer &* a.pointee.axis_out
}

func gather(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_gather.self)
  let x = a.pointee.x.unsafelyUnwrapped
  let y = a.pointee.y.unsafelyUnwrapped
  let indices = a.pointee.indices.unsafelyUnwrapped
  let rows = int(a.pointee.axis_out)
  let size = int(a.pointee.inner_bytes)
  guard begin < end, rows > 0 else { return }
  var row = int(begin) % rows
  var source = x + int(begin) / rows &* int(a.pointee.axis_in) &* size
  var target = y + int(begin) &* size
  var left = int(end &- begin)
  while left > 0 {
    let from = source + int(indices[row]) &* size
    // Single floats are what a shuffle of channels moves: a call for each would take most of the time.
    if size == 4 {
      target.storeBytes(of: from.loadUnaligned(as: UInt32.self), as: UInt32.self)
    } else {
      target.copyMemory(from: from, byteCount: size)
    }
    target += size
    row &+= 1
    if row == rows {
      row = 0
      source += int(a.pointee.axis_in) &* size
    }
    left &-= 1
  }
}
