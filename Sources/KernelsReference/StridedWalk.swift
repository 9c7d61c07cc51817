typealias Extents = UnsafePointer<Int64>

/// Walks the elements [begin, end) of a row-major index space of shape `dims` as runs along its last axis, with
/// the element offsets of two strided tensors. Trailing axes that both tensors step through evenly become one.
///
/// - `body`: (index of the run's first element, its offset in p, its offset in q, elements of the run). Inside a
///   run the tensors advance by the last axis's strides.
@inline(__always)
func walk(
  rank: Int32, dims: Extents, p: Extents, q: Extents, begin: Int, end: Int,
  _ body: (_ index: Int, _ p: Int, _ q: Int, _ count: Int) -> Void
) {
  guard begin < end else { return }
  guard rank > 0 else { return body(0, 0, 0, 1) }
  var outer = int(rank) &- 1
  var run = int(dims[outer])
  while outer > 0, p[outer &- 1] == p[outer] &* dims[outer], q[outer &- 1] == q[outer] &* dims[outer] {
    outer &-= 1
    run = run &* int(dims[outer])
  }
  let last = int(rank) &- 1
  let pStep = int(p[last])
  let qStep = int(q[last])

  // Coordinates of the run that holds `begin`, without the last axis.
  var coordinates: (Int, Int, Int, Int, Int, Int, Int, Int) = (0, 0, 0, 0, 0, 0, 0, 0)
  withUnsafeMutableBytes(of: &coordinates) { raw in
    let at = raw.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: Int.self)
    var rest = begin / run
    var inside = begin &- rest &* run
    var pOffset = 0
    var qOffset = 0
    var axis = outer
    while axis > 0 {
      axis &-= 1
      let extent = int(dims[axis])
      let quotient = rest / extent
      at[axis] = rest &- quotient &* extent
      rest = quotient
      pOffset &+= at[axis] &* int(p[axis])
      qOffset &+= at[axis] &* int(q[axis])
    }
    var index = begin
    while true {
      let left = run &- inside
      let count = left < end &- index ? left : end &- index
      body(index, pOffset &+ inside &* pStep, qOffset &+ inside &* qStep, count)
      index &+= count
      if index >= end { return }
      inside = 0
      axis = outer
      while axis > 0 {
        axis &-= 1
        at[axis] &+= 1
        pOffset &+= int(p[axis])
        qOffset &+= int(q[axis])
        if at[axis] < int(dims[axis]) { break }
        pOffset &-= at[axis] &* int(p[axis])
        qOffset &-= at[axis] &* int(q[axis])
        at[axis] = 0
      }
    }
  }
}

/// Elements of a shape; 1 for a scalar.
@inline(__always) func elementCount(_ rank: Int32, _ dims: Extents) -> Int64 {
  var count: Int64 = 1
  for axis in 0..<int(rank) { count = count &* dims[axis] }
  return count
}
