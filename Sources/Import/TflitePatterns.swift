#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Repetitions, blocks of several axes, and tensors that follow from shapes.

extension TfliteImporter {
  func importPattern(_ code: TfliteCode) throws(EdgeError) {
    switch code {
    case .fill:
      let target = try integers(try input(0))
      guard freeBatch || !target.contains(where: { $0 < 0 }) else { throw malformed("\(Shape(target).text) is no shape") }
      try setResult(try helper(.expand(Shape(target)), [try inputValue(1)]))
    case .zerosLike:
      let x = try inputValue(0)
      try requireUnscaled(x)
      try setResult(try helper(.expand(shapeOf(x)), [try number(0, graph.values[x].dtype)]))
    case .range: try importRange()
    case .tile: try importTile()
    case .spaceToBatchNd: try importSpaceToBatch()
    default: try importBatchToSpace()
    }
  }

  /// start, start + delta ... below (above) limit, all of them known float numbers; `foldNumbers` has the integers.
  private func importRange() throws(EdgeError) {
    guard try fileType(try input(0)) == .float32 else { throw reject("supported only where the bounds are known") }
    let (start, limit, delta) = (try scalar(try input(0)), try scalar(try input(1)), try scalar(try input(2)))
    let length = ((limit - start) / delta).rounded(.up)
    guard length.isFinite, length <= Float(TfliteNumbers.maximumCount) else { throw reject("a range of so many numbers") }
    var numbers: [Float] = []
    while numbers.count < Int(max(length, 0)) { numbers.append(start + Float(numbers.count) * delta) }
    try noteConverted(numbers.count &* 4)
    try setResult(try graph.addConstant(helperName(nodeName), .float32, Shape([numbers.count]), numbers))
  }

  /// Along each axis: a new axis before it, expanded and joined with it.
  private func importTile() throws(EdgeError) {
    var x = try inputValue(0)
    var dims = shapeOf(x).dims
    let repeats = try integers(try input(1))
    guard repeats.count == dims.count else { throw malformed("\(repeats.count) repeats do not fit \(Shape(dims).text)") }
    for (axis, count) in repeats.enumerated() where count != 1 {
      guard count > 0, dims[axis] > 0, dims.count < Shape.maximumRank, let size = multiplyChecked(dims[axis], count) else {
        throw reject("\(count) repetitions of axis \(axis) of \(Shape(dims).text) are not supported")
      }
      var wide = dims
      wide.insert(1, at: axis)
      x = try reshaped(x, wide)
      wide[axis] = count
      x = try helper(.expand(Shape(wide)), [x])
      dims[axis] = size
      x = try reshaped(x, dims)
    }
    try setResult(x)
  }

  /// Block sizes and pairs of amounts for the axes after the batch.
  private func blocks(_ dims: [Int]) throws(EdgeError) -> (sizes: [Int], amounts: [Int]) {
    let sizes = try integers(try input(1))
    let amounts = try integers(try input(2))
    if dims.first == Shape.batch { throw reject("the batch cannot be joined with other dimensions") }
    guard !sizes.isEmpty, sizes.count < dims.count, amounts.count == 2 * sizes.count, 2 * sizes.count + dims.count - sizes.count <= Shape.maximumRank,
      !dims.contains(0)
    else { throw malformed("\(sizes.count) blocks do not fit \(Shape(dims).text)") }
    for size in sizes where size <= 0 || size > 1 << 20 { throw malformed("block size \(size) is out of range") }
    for amount in amounts where amount < 0 || amount > 1 << 30 { throw malformed("amount \(amount) is out of range") }
    return (sizes, amounts)
  }

  /// Pixels of one place in each block become a sample.
  private func importSpaceToBatch() throws(EdgeError) {
    var x = try inputValue(0)
    let rank = shapeOf(x).rank
    let (sizes, amounts) = try blocks(shapeOf(x).dims)
    var (before, after) = ([Int](repeating: 0, count: rank), [Int](repeating: 0, count: rank))
    for index in sizes.indices { (before[index + 1], after[index + 1]) = (amounts[2 * index], amounts[2 * index + 1]) }
    x = try helper(.pad(.constant, before: before, after: after, value: 0), [x])
    let dims = shapeOf(x).dims
    var cut = [dims[0]]
    var joined = dims
    for (index, size) in sizes.enumerated() {
      guard dims[index + 1] % size == 0, let batch = multiplyChecked(joined[0], size) else {
        throw malformed("\(Shape(dims).text) does not divide into blocks of \(size)")
      }
      cut += [dims[index + 1] / size, size]
      joined[0] = batch
      joined[index + 1] = dims[index + 1] / size
    }
    let count = sizes.count
    let inner = Array(2 * count + 1..<count + rank)
    let order = (0..<count).map { 2 * $0 + 2 } + [0] + (0..<count).map { 2 * $0 + 1 } + inner
    try move(.reshape(Shape(joined)), [try transposed(try reshaped(x, cut + dims[(count + 1)...]), order)])
  }

  /// The other way round, less the cropped border.
  private func importBatchToSpace() throws(EdgeError) {
    let x = try inputValue(0)
    let dims = shapeOf(x).dims
    let (sizes, amounts) = try blocks(dims)
    var batch = dims[0]
    var joined = dims
    for (index, size) in sizes.enumerated() {
      guard batch % size == 0, let length = multiplyChecked(dims[index + 1], size) else {
        throw malformed("\(dims[0]) samples do not make blocks of \(size)")
      }
      batch /= size
      joined[index + 1] = length
    }
    joined[0] = batch
    let count = sizes.count
    let blocks = try reshaped(x, sizes + [batch] + dims[1...])
    var order = [count]
    for index in 0..<count { order += [count + 1 + index, index] }
    order += Array(2 * count + 1..<count + dims.count)
    let whole = try reshaped(try transposed(blocks, order), joined)
    var (starts, ends) = ([Int](repeating: 0, count: dims.count), joined)
    for index in sizes.indices {
      starts[index + 1] = amounts[2 * index]
      ends[index + 1] = joined[index + 1] &- amounts[2 * index + 1]
      guard starts[index + 1] < ends[index + 1] else { throw malformed("the cropped border leaves nothing") }
    }
    try move(.slice(starts: starts, ends: ends, steps: [Int](repeating: 1, count: dims.count)), [whole])
  }
}
