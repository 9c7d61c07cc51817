/// The indices 0 ..< count, ordered; those that precede each other in neither way keep their order.
///
/// One merge sort for all lists: the standard library's is two kilobytes of code for each element type.
@inline(never)
public func sortedIndices(_ count: Int, _ precedes: (Int, Int) -> Bool) -> [Int] {
  var order = Array(0..<count)
  var merged = order
  var width = 1
  while width < count {
    var start = 0
    while start < count {
      let middle = min(start + width, count)
      let end = min(middle + width, count)
      var left = start
      var right = middle
      for place in start..<end {
        if left < middle, right == end || !precedes(order[right], order[left]) {
          merged[place] = order[left]
          left += 1
        } else {
          merged[place] = order[right]
          right += 1
        }
      }
      start = end
    }
    swap(&order, &merged)
    width *= 2
  }
  return order
}

/// Numbers in ascending order.
@inline(never)
public func ascending(_ numbers: [Int]) -> [Int] {
  sortedIndices(numbers.count) { numbers[$0] < numbers[$1] }.map { numbers[$0] }
}
