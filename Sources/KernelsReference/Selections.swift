import CPlatform

// Entries that data select: results of at most `bound` entries, zeros after the last one.

/// One unit of work: what comes later depends on what came before.
func wholeUnits(_ raw: UnsafeRawPointer?) -> Int64 { 1 }

// MARK: Crop

/// A unit is one slice of the outer axes.
func cropUnits(_ raw: UnsafeRawPointer?) -> Int64 { arguments(raw, ek_crop.self).pointee.outer }

func crop(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let a = arguments(raw, ek_crop.self)
  let (axis, bound) = (int(a.pointee.axis), int(a.pointee.bound))
  let size = int(a.pointee.element_bytes)
  let row = int(a.pointee.inner) &* size
  let wanted = a.pointee.count.unsafelyUnwrapped.pointee
  let most = Int64(axis < bound ? axis : bound)
  let taken = int(wanted < 0 ? 0 : wanted < most ? wanted : most) &* row
  var outer = int(begin)
  while outer < int(end) {
    let y = a.pointee.y.unsafelyUnwrapped + outer &* bound &* row
    if taken > 0 { y.copyMemory(from: a.pointee.x.unsafelyUnwrapped + outer &* axis &* row, byteCount: taken) }
    withUnsafeBytes(of: a.pointee.fill) { fill in
      var at = taken
      while at < bound &* row {
        (y + at).copyMemory(from: fill.baseAddress.unsafelyUnwrapped, byteCount: size)
        at &+= size
      }
    }
    outer &+= 1
  }
}

// MARK: NonZero

func nonZero(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard begin < end else { return }
  let a = arguments(raw, ek_non_zero.self)
  let lanes = elements(scratch, Int64.self)
  let (count, bound, rank) = (int(a.pointee.elements), int(a.pointee.bound), int(a.pointee.rank))
  let y = a.pointee.y.unsafelyUnwrapped
  // A zero's bits are 0, but for the sign of a float.
  let mask: Int64 = isFloating(a.pointee.type) ? .max : -1
  var found = 0
  var done = 0
  while done < count {
    let n = count &- done < laneCount ? count &- done : laneCount
    loadLanes(a.pointee.type, a.pointee.x, done, 1, n, lanes)
    var i = 0
    while i < n {
      if lanes[i] & mask != 0 {
        if found < bound {
          withUnsafeBytes(of: a.pointee.dims) { dims in
            var rest = done &+ i
            var axis = rank
            while axis > 0 {
              axis &-= 1
              let dim = int(extents(dims)[axis])
              y[axis &* bound &+ found] = Int64(rest % dim)
              rest /= dim
            }
          }
        }
        found &+= 1
      }
      i &+= 1
    }
    done &+= n
  }
  a.pointee.count.unsafelyUnwrapped.pointee = Int64(found)
  var axis = 0
  while axis < rank {
    var entry = found
    while entry < bound {
      y[axis &* bound &+ entry] = 0
      entry &+= 1
    }
    axis &+= 1
  }
}

// MARK: Heaps of indices

/// Moves the index at a place of a heap down to where it belongs; the one that precedes all others is on top.
@inline(never)
func sink(_ heap: UnsafeMutablePointer<Int32>, _ start: Int, _ count: Int, _ precedes: (Int32, Int32) -> Bool) {
  var place = start
  let index = heap[place]
  while true {
    var child = 2 &* place &+ 1
    if child >= count { break }
    if child &+ 1 < count, precedes(heap[child &+ 1], heap[child]) { child &+= 1 }
    if !precedes(heap[child], index) { break }
    heap[place] = heap[child]
    place = child
  }
  heap[place] = index
}

func makeHeap(_ heap: UnsafeMutablePointer<Int32>, _ count: Int, _ precedes: (Int32, Int32) -> Bool) {
  var place = count / 2
  while place > 0 {
    place &-= 1
    sink(heap, place, count, precedes)
  }
}

/// Takes the top off a heap of `count` indices; the last place is free then.
@inline(__always)
func takeTop(_ heap: UnsafeMutablePointer<Int32>, _ count: Int, _ precedes: (Int32, Int32) -> Bool) -> Int32 {
  let top = heap[0]
  heap[0] = heap[count &- 1]
  if count > 2 { sink(heap, 0, count &- 1, precedes) }
  return top
}

/// Sorts indices so that what precedes comes last: what is taken off a heap fills it from the back.
private func sortBackwards(_ indices: UnsafeMutablePointer<Int32>, _ count: Int, _ precedes: (Int32, Int32) -> Bool) {
  makeHeap(indices, count, precedes)
  var left = count
  while left > 0 {
    let top = takeTop(indices, left, precedes)
    left &-= 1
    indices[left] = top
  }
}

// MARK: Unique

/// Entries in order; where each group of equal ones starts; groups in order. Two lanes to compare with.
func uniqueScratch(_ raw: UnsafeRawPointer?) -> Int64 { 16 &+ (3 &* arguments(raw, ek_unique.self).pointee.axis &+ 1) &* 4 }

/// -1, 0 or 1: how two entries compare, element by element.
@inline(never)
private func compare(_ a: UnsafePointer<ek_unique>, _ first: Int32, _ second: Int32, _ lanes: Lanes) -> Int {
  let (axis, inner) = (int(a.pointee.axis), int(a.pointee.inner))
  var outer = 0
  while outer < int(a.pointee.outer) {
    var i = 0
    while i < inner {
      loadLanes(a.pointee.type, a.pointee.x, (outer &* axis &+ int(first)) &* inner &+ i, 1, 1, lanes)
      loadLanes(a.pointee.type, a.pointee.x, (outer &* axis &+ int(second)) &* inner &+ i, 1, 1, lanes + 1)
      let (isBetter, isEqual) = compared(a.pointee.type, lanes[0], lanes[1], false)
      if !isEqual {
        // Compared, NaN comes first; here it comes last.
        let isNumber = !isFloating(a.pointee.type) || real(lanes[0]) == real(lanes[0]) && real(lanes[1]) == real(lanes[1])
        return isBetter == isNumber ? -1 : 1
      }
      i &+= 1
    }
    outer &+= 1
  }
  return 0
}

func unique(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard begin < end else { return }
  let a = arguments(raw, ek_unique.self)
  let (count, bound) = (int(a.pointee.axis), int(a.pointee.bound))
  let lanes = elements(scratch, Int64.self)
  let entries = elements(scratch, Int32.self) + 4
  let starts = entries + count
  let groups = starts + (count &+ 1)
  var i = 0
  while i < count {
    entries[i] = Int32(truncatingIfNeeded: i)
    i &+= 1
  }
  // The greatest ends up last. Among equals the lower index is first.
  sortBackwards(entries, count) { x, y in
    let order = compare(a, x, y, lanes)
    return order == 0 ? x > y : order > 0
  }
  var found = 0
  i = 0
  while i < count {
    if i == 0 || compare(a, entries[i &- 1], entries[i], lanes) != 0 {
      starts[found] = Int32(truncatingIfNeeded: i)
      groups[found] = Int32(truncatingIfNeeded: found)
      found &+= 1
    }
    i &+= 1
  }
  starts[found] = Int32(truncatingIfNeeded: count)
  if a.pointee.sorted == 0 { sortBackwards(groups, found) { x, y in entries[int(starts[int(x)])] > entries[int(starts[int(y)])] } }
  a.pointee.count.unsafelyUnwrapped.pointee = Int64(found)
  let (first, inverse) = (a.pointee.first.unsafelyUnwrapped, a.pointee.inverse.unsafelyUnwrapped)
  let (counts, inner) = (a.pointee.counts.unsafelyUnwrapped, int(a.pointee.inner))
  let row = inner &* byteCount(a.pointee.type)
  var rank = 0
  while rank < max(found, bound) {
    var entry = 0
    if rank < found {
      let group = int(groups[rank])
      entry = int(entries[int(starts[group])])
      if rank < bound {
        first[rank] = Int64(entry)
        counts[rank] = Int64(starts[group &+ 1] &- starts[group])
      }
      i = int(starts[group])
      while i < int(starts[group &+ 1]) {
        inverse[int(entries[i])] = Int64(rank)
        i &+= 1
      }
    } else {
      first[rank] = 0
      counts[rank] = 0
    }
    var outer = 0
    while rank < bound, outer < int(a.pointee.outer) {
      let y = a.pointee.y.unsafelyUnwrapped + (outer &* bound &+ rank) &* row
      if rank < found {
        y.copyMemory(from: a.pointee.x.unsafelyUnwrapped + (outer &* count &+ entry) &* row, byteCount: row)
      } else {
        var byte = 0
        while byte < row {
          y.storeBytes(of: 0, toByteOffset: byte, as: UInt8.self)
          byte &+= 1
        }
      }
      outer &+= 1
    }
    rank &+= 1
  }
}
