import CPlatform

// The k best elements of each line, best first. A unit is one line; its k best so far are a heap with the worst on
// top, which at the end is taken apart from the back.

func topKUnits(_ raw: UnsafeRawPointer?) -> Int64 {
  let a = arguments(raw, ek_top_k.self)
  return a.pointee.outer &* a.pointee.inner
}

/// A chunk of the line, and the heap's lanes and indices.
func topKScratch(_ raw: UnsafeRawPointer?) -> Int64 { (Int64(laneCount) &+ 2 &* arguments(raw, ek_top_k.self).pointee.k) &* 8 }

private struct Heap {
  let type: Int32
  let largest: Bool
  let lanes: Lanes
  let indices: Lanes

  /// Whether an element comes before another one in the result.
  func precedes(_ lane: Int64, _ index: Int64, _ other: Int) -> Bool {
    if isFloating(type), !largest, real(lane) != real(lane) || real(lanes[other]) != real(lanes[other]) {
      // Among the smallest NaN is the last.
      let (isNaN, otherIsNaN) = (real(lane) != real(lane), real(lanes[other]) != real(lanes[other]))
      return isNaN == otherIsNaN ? index < indices[other] : otherIsNaN
    }
    let (isBetter, isEqual) = compared(type, lane, lanes[other], largest)
    return isEqual ? index < indices[other] : isBetter
  }

  /// Puts an element in at the top of a heap of `count`, in place of what was there.
  func sink(_ lane: Int64, _ index: Int64, count: Int) {
    var place = 0
    while true {
      var child = 2 &* place &+ 1
      if child >= count { break }
      if child &+ 1 < count, precedes(lanes[child], indices[child], child &+ 1) { child &+= 1 }
      // The worst child goes up unless the element is worse still.
      if !precedes(lane, index, child) { break }
      lanes[place] = lanes[child]
      indices[place] = indices[child]
      place = child
    }
    lanes[place] = lane
    indices[place] = index
  }

  /// Puts an element in at the end of a heap of `count`.
  func rise(_ lane: Int64, _ index: Int64, count: Int) {
    var place = count
    while place > 0 {
      let parent = (place &- 1) / 2
      // A worse element goes above a better one.
      if precedes(lane, index, parent) { break }
      lanes[place] = lanes[parent]
      indices[place] = indices[parent]
      place = parent
    }
    lanes[place] = lane
    indices[place] = index
  }
}

func topK(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  let args = arguments(raw, ek_top_k.self)
  let (axis, inner, k) = (int(args.pointee.axis), int(args.pointee.inner), int(args.pointee.k))
  let type = args.pointee.type
  let chunk = elements(scratch, Int64.self)
  let heap = Heap(type: type, largest: args.pointee.largest != 0, lanes: chunk + laneCount, indices: chunk + laneCount + k)
  var line = int(begin)
  while line < int(end) {
    let outer = line / inner
    let column = line &- outer &* inner
    var i = 0
    while i < axis {
      let n = axis &- i < laneCount ? axis &- i : laneCount
      loadLanes(type, args.pointee.x, (outer &* axis &+ i) &* inner &+ column, inner, n, chunk)
      var lane = 0
      while lane < n {
        let index = i &+ lane
        if index < k {
          heap.rise(chunk[lane], Int64(index), count: index)
        } else if heap.precedes(chunk[lane], Int64(index), 0) {
          heap.sink(chunk[lane], Int64(index), count: k)
        }
        lane &+= 1
      }
      i &+= n
    }
    var left = k
    while left > 1 {
      left &-= 1
      let (lane, index) = (heap.lanes[left], heap.indices[left])
      heap.lanes[left] = heap.lanes[0]
      heap.indices[left] = heap.indices[0]
      heap.sink(lane, index, count: left)
    }
    let start = outer &* k &* inner &+ column
    storeLanes(type, args.pointee.values, start, inner, k, heap.lanes)
    storeLanes(Int32(EK_TYPE_INT64), args.pointee.indices, start, inner, k, heap.indices)
    line &+= 1
  }
}
