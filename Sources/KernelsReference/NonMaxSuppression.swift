import CPlatform

// Greedy non-maximum suppression. The candidates of one batch and class are a heap with the best on top; each that is
// taken off is compared with the chosen ones, so the work is that of sorting and of chosen times taken boxes.

/// The heap. What is taken off makes room at its end for the chosen boxes.
func nonMaxSuppressionScratch(_ raw: UnsafeRawPointer?) -> Int64 { arguments(raw, ek_nms.self).pointee.box_count &* 4 }

/// Corners, smaller coordinates first, and the area of a box.
private struct Box {
  let x0: Float, y0: Float, x1: Float, y1: Float

  @inline(__always)
  init(_ box: UnsafePointer<Float>, isCentered: Bool) {
    if isCentered {
      let (width, height) = (box[2] / 2, box[3] / 2)
      (x0, x1, y0, y1) = (box[0] - width, box[0] + width, box[1] - height, box[1] + height)
    } else {
      (y0, y1) = box[0] < box[2] ? (box[0], box[2]) : (box[2], box[0])
      (x0, x1) = box[1] < box[3] ? (box[1], box[3]) : (box[3], box[1])
    }
  }

  var area: Float { (x1 - x0) * (y1 - y0) }

  @inline(__always)
  func overlaps(_ other: Box, above limit: Float) -> Bool {
    let width = (x1 < other.x1 ? x1 : other.x1) - (x0 > other.x0 ? x0 : other.x0)
    let height = (y1 < other.y1 ? y1 : other.y1) - (y0 > other.y0 ? y0 : other.y0)
    guard width > 0, height > 0 else { return false }
    let common = width * height
    let all = area + other.area - common
    guard common > 0, area > 0, other.area > 0, all > 0 else { return false }
    return common / all > limit
  }
}

func nonMaxSuppression(_ raw: UnsafeRawPointer?, _ begin: Int64, _ end: Int64, _ scratch: UnsafeMutableRawPointer?) {
  guard begin < end else { return }
  let a = arguments(raw, ek_nms.self)
  let (count, classes, bound) = (int(a.pointee.box_count), int(a.pointee.classes), int(a.pointee.bound))
  let heap = elements(scratch, Int32.self)
  let y = a.pointee.y.unsafelyUnwrapped
  let isCentered = a.pointee.centered != 0
  var found = 0
  var line = 0
  while count > 0, line < int(a.pointee.batches) &* classes {
    let batch = line / classes
    let boxes = a.pointee.boxes.unsafelyUnwrapped + batch &* count &* 4
    let scores = a.pointee.scores.unsafelyUnwrapped + line &* count
    func precedes(_ x: Int32, _ y: Int32) -> Bool {
      let (left, right) = (scores[int(x)], scores[int(y)])
      return left > right || left == right && x < y
    }
    var left = 0
    var box = 0
    while box < count {
      if a.pointee.has_threshold == 0 || scores[box] > a.pointee.threshold {
        heap[left] = Int32(truncatingIfNeeded: box)
        left &+= 1
      }
      box &+= 1
    }
    makeHeap(heap, left, precedes)
    var chosen = 0
    while left > 0, Int64(chosen) < a.pointee.most {
      let candidate = takeTop(heap, left, precedes)
      left &-= 1
      let corners = Box(boxes + int(candidate) &* 4, isCentered: isCentered)
      var isNew = true
      var other = 1
      while isNew, other <= chosen {
        isNew = !corners.overlaps(Box(boxes + int(heap[count &- other]) &* 4, isCentered: isCentered), above: a.pointee.overlap)
        other &+= 1
      }
      if isNew {
        chosen &+= 1
        heap[count &- chosen] = candidate
        if found < bound {
          y[found &* 3] = Int64(batch)
          y[found &* 3 &+ 1] = Int64(line &- batch &* classes)
          y[found &* 3 &+ 2] = Int64(candidate)
        }
        found &+= 1
      }
    }
    line &+= 1
  }
  a.pointee.count.unsafelyUnwrapped.pointee = Int64(found)
  var rest = found &* 3
  while rest < bound &* 3 {
    y[rest] = 0
    rest &+= 1
  }
}
