#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Gathering, scattering, sorting, running sums. Indices that are computed and lie outside of their tensor, where LiteRT
// fails, are moved to its nearest end; negative ones count from the end.

extension TfliteImporter {
  func importIndexing(_ code: TfliteCode) throws(EdgeError) {
    switch code {
    case .gatherNd: try setResult(try helper(.take(Indexing(.tuples, axis: 0)), [try inputValue(0), try indexValue(1)]))
    case .scatterNd: try importScatter()
    case .embeddingLookup:
      // A table of a hybrid model is real numbers.
      let isReal = try innerType(try output()).quantization == nil
      let table = isReal ? try floatValue(try input(1)) : try inputValue(1)
      try setResult(try helper(.take(Indexing(.slices, axis: 0)), [table, try indexValue(0)]))
    case .argMax: try importBest(.argMax)
    case .argMin: try importBest(.argMin)
    case .topkV2:
      let x = try inputValue(0)
      let k = try integer(try input(1))
      let results = try emit(
        .topK(axis: shapeOf(x).rank - 1, k: k, largest: true), [x], [helperName(nodeName), helperName(nodeName)])
      for (index, result) in results.enumerated() { try finish(result, output: index) }
    case .cumsum:
      let x = try inputValue(0)
      try requireUnscaled(x)
      let options = try options(102)
      let axis = try normalized(try integer(try input(1)), rank: shapeOf(x).rank)
      try compute(.scan(.sum, axis: axis, exclusive: try options.bool(0), reverse: try options.bool(1)), [x])
    case .oneHot: try importOneHot()
    case .segmentSum: try importSegmentSum()
    case .dynamicUpdateSlice: try importUpdate()
    case .reverseV2: try importReverse()
    default: try importReverseSequence()
    }
  }

  /// Many typed operators compute on integers for themselves, not for real numbers.
  func requireUnscaled(_ value: ValueID) throws(EdgeError) {
    if hasScale(value) { throw reject("not supported on quantized integers") }
  }

  /// GATHER with computed indices, or with a gathering for each sample.
  func importTake(_ x: ValueID, axis: Int, batchDims: Int) throws(EdgeError) {
    let indices = try indexValue(1)
    if batchDims == 0 { return try move(.take(Indexing(.slices, axis: axis)), [x, indices]) }
    let rank = shapeOf(x).rank
    let places = shapeOf(indices).dims
    guard batchDims > 0, batchDims <= axis, batchDims <= places.count, places.count < Shape.maximumRank else {
      throw malformed("\(batchDims) batch dimensions do not fit")
    }
    // Tuples of one index into the first axis that is not shared.
    let front = Array(0..<batchDims) + [axis] + (batchDims..<rank).filter { $0 != axis }
    let rows = try helper(
      .take(Indexing(.tuples, axis: batchDims)), [try transposed(x, front), try reshaped(indices, places + [1])])
    // The axes between the shared ones and the gathered one come after the indices' now.
    let between = axis - batchDims
    let total = shapeOf(rows).rank
    let order = Array(0..<batchDims) + Array(places.count..<places.count + between) + Array(batchDims..<places.count)
      + Array(places.count + between..<total)
    try move(.transpose(order), [rows])
  }

  /// Updates that name the same place are added up.
  private func importScatter() throws(EdgeError) {
    let updates = try inputValue(1)
    try requireUnscaled(updates)
    let target = try integers(try input(2))
    guard !target.contains(where: { $0 < 0 }) else { throw malformed("\(Shape(target).text) is no shape") }
    let zeros = try helper(.expand(Shape(target)), [try number(0, graph.values[updates].dtype)])
    try compute(.put(Indexing(.tuples, axis: 0), .add), [zeros, try indexValue(0), updates])
  }

  private func importBest(_ function: ReduceFunction) throws(EdgeError) {
    let x = try inputValue(0)
    let axis = try normalized(try integer(try input(1)), rank: shapeOf(x).rank)
    try finish(try helper(.reduce(function, axes: [axis], keepDims: false), [x]))
  }

  /// 'on' where an index equals the position along a new axis.
  private func importOneHot() throws(EdgeError) {
    let indices = try indexValue(0)
    try requireUnscaled(indices)
    let depth = try integer(try input(1))
    let shape = shapeOf(indices)
    let choice = try options(61).int32(0)
    let axis = choice == -1 ? shape.rank : try normalized(choice, rank: shape.rank + 1)
    guard depth > 0, shape.rank < Shape.maximumRank else { throw malformed("the depth is \(depth)") }
    let wide = Array(shape.dims[..<axis]) + [1] + Array(shape.dims[axis...])
    let places = try positions(depth, axis: axis, rank: wide.count, graph.values[indices].dtype)
    let isOn = try binary(.equal, try reshaped(indices, wide), places)
    try setResult(try helper(.select, [isOn, try inputValue(2), try inputValue(3)]))
  }

  /// Rows of one number are added up. The numbers must be known: they say how many rows the result has.
  private func importSegmentSum() throws(EdgeError) {
    let x = try inputValue(0)
    try requireUnscaled(x)
    let segments = try integers(try input(1))
    var shape = shapeOf(x)
    guard shape.rank > 0, shape[0] == segments.count, let last = segments.max(), !segments.contains(where: { $0 < 0 }), last < 1 << 30 else {
      throw malformed("\(segments.count) segments do not fit \(shape.text)")
    }
    shape[0] = last + 1
    let zeros = try helper(.expand(shape), [try number(0, graph.values[x].dtype)])
    try compute(.put(Indexing(.slices, axis: 0), .add), [zeros, try indexValue(1), x])
  }

  /// A part of x from computed indices on is replaced. Along each axis of which the part has less than all, the rows are
  /// taken, changed along the other axes, and put back.
  private func importUpdate() throws(EdgeError) {
    let (x, update) = (try inputValue(0), try inputValue(1))
    let (shape, part) = (shapeOf(x), shapeOf(update))
    guard part.rank == shape.rank, zip(part.dims, shape.dims).allSatisfy({ $0 == $1 || $0 > 0 && $0 <= $1 }) else {
      throw malformed("\(part.text) is no part of \(shape.text)")
    }
    let axes = (0..<shape.rank).filter { part[$0] != shape[$0] }
    if axes.isEmpty { return try setResult(update) }
    let rows = try partialRows(2, axes, part: part, of: shape)
    var pieces = [x]
    for index in 0..<axes.count - 1 {
      pieces.append(try helper(.take(Indexing(.slices, axis: axes[index])), [pieces[index], rows[index]]))
    }
    var result = update
    for index in axes.indices.reversed() {
      let op = Operator.put(Indexing(.slices, axis: axes[index]), .replace)
      result = try helper(op, [pieces[index], rows[index], result])
    }
    try setResult(result)
  }

  /// SLICE from computed indices on.
  func importTakenPart(_ x: ValueID, _ part: Shape) throws(EdgeError) {
    let shape = shapeOf(x)
    let axes = (0..<shape.rank).filter { part[$0] != shape[$0] }
    var result = x
    for (axis, rows) in zip(axes, try partialRows(1, axes, part: part, of: shape)) {
      result = try helper(.take(Indexing(.slices, axis: axis)), [result, rows])
    }
    try setResult(result)
  }

  /// Indices of the rows along each of `axes` from the computed ones of an input on, which are moved so that the part fits.
  private func partialRows(_ input: Int, _ axes: [Int], part: Shape, of shape: Shape) throws(EdgeError) -> [ValueID] {
    let starts = try indexValue(input)
    let dtype = graph.values[starts].dtype
    guard shapeOf(starts).dims == [shape.rank] else { throw malformed("the part's beginning does not fit \(shape.text)") }
    var rows: [ValueID] = []
    for axis in axes {
      guard shape[axis] > 0, part[axis] > 0 else { throw reject("the batch can only be taken whole") }
      var start = try helper(.slice(starts: [axis], ends: [axis + 1], steps: [1]), [starts])
      start = try binary(.maximum, start, try number(0, dtype))
      start = try binary(.minimum, start, try number(Double(shape[axis] - part[axis]), dtype))
      rows.append(try binary(.add, start, try positions(part[axis], axis: 0, rank: 1, dtype)))
    }
    return rows
  }

  private func importReverse() throws(EdgeError) {
    let x = try inputValue(0)
    let dims = shapeOf(x).dims
    var (starts, ends, steps) = ([Int](repeating: 0, count: dims.count), dims, [Int](repeating: 1, count: dims.count))
    for axis in try integers(try input(1)) {
      let axis = try normalized(axis, rank: dims.count)
      guard dims[axis] >= 0 else { throw reject("the batch cannot be reversed") }
      (starts[axis], ends[axis], steps[axis]) = (dims[axis] - 1, -1, -1)
    }
    try move(.slice(starts: starts, ends: ends, steps: steps), [x])
  }

  /// The first elements of each sample in reverse: element i is length - 1 - i while i < length.
  private func importReverseSequence() throws(EdgeError) {
    let x = try inputValue(0)
    let shape = shapeOf(x)
    let options = try options(87)
    let time = try normalized(try options.int32(0), rank: shape.rank)
    let batch = try normalized(try options.int32(1), rank: shape.rank)
    guard time != batch, shape[time] > 0 else { throw malformed("the time axis is the batch axis, or open") }
    let lengths = try indexValue(1)
    let dtype = graph.values[lengths].dtype
    var dims = [Int](repeating: 1, count: shape.rank)
    dims[batch] = shape[batch]
    let length = try reshaped(lengths, dims)
    let index = try positions(shape[time], axis: time, rank: shape.rank, dtype)
    let mirrored = try binary(.subtract, try binary(.subtract, length, try number(1, dtype)), index)
    let chosen = try helper(.select, [try binary(.less, index, length), mirrored, index])
    let places = try helper(.expand(shape), [chosen])
    try move(.take(Indexing(.elements, axis: time)), [x, places])
  }
}
