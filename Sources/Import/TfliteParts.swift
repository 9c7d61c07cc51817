#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Operators that pick a part of a tensor, and padding.

extension TfliteImporter {
  func importPart(_ code: TfliteCode) throws(EdgeError) {
    let x = try inputValue(0)
    let shape = shapeOf(x)
    switch code {
    case .stridedSlice:
      let part = try stridedPart(shape)
      let op = Operator.slice(starts: part.starts, ends: part.ends, steps: part.steps)
      if part.places == Array(0..<shape.rank) { return try move(op, [x]) }
      let slice = try helper(op, [x])
      let dims = shapeOf(slice).dims
      try move(.reshape(Shape(part.places.map { $0 < 0 ? 1 : dims[$0] })), [slice])
    case .slice: try importSlice(x, shape)
    case .gather: try importGather(x, shape)
    default: try importPad(code, x, shape)
    }
  }

  /// Bounds of STRIDED_SLICE as the graph's slice takes them, and which axis each of the result's is: -1 for a new one.
  func stridedPart(_ shape: Shape) throws(EdgeError) -> (starts: [Int], ends: [Int], steps: [Int], places: [Int]) {
    let options = try options(32)
    let begin = try integers(try input(1))
    let end = try integers(try input(2))
    let strides = try integers(try input(3))
    guard begin.count == end.count, begin.count == strides.count, begin.count <= 2 * Shape.maximumRank else {
      throw malformed("bounds do not fit rank \(shape.rank)")
    }
    let beginMask = try options.int32(0)
    let endMask = try options.int32(1)
    let ellipsisMask = try options.int32(2)
    let newMask = try options.int32(3)
    let shrinkMask = try options.int32(4)
    let isRelative = try options.bool(5)
    var part = (starts: [Int](repeating: 0, count: shape.rank), ends: shape.dims, steps: [Int](repeating: 1, count: shape.rank), places: [Int]())
    var axis = 0
    for entry in begin.indices {
      let bit = 1 << entry
      if ellipsisMask & bit != 0 {
        // All axes but those that later entries name.
        var rest = 0
        for later in entry + 1..<begin.count where newMask & 1 << later == 0 { rest += 1 }
        while axis < shape.rank - rest {
          part.places.append(axis)
          axis += 1
        }
        continue
      }
      if newMask & bit != 0 {
        part.places.append(-1)
        continue
      }
      guard axis < shape.rank else { throw malformed("bounds do not fit rank \(shape.rank)") }
      defer { axis += 1 }
      let dim = shape[axis]
      let step = strides[entry]
      guard step != 0, step != Int.min, let last = isRelative ? addChecked(begin[entry], end[entry]) : end[entry] else {
        throw malformed("a stride or bound is out of range")
      }
      if dim == Shape.batch {
        let isWhole = (beginMask & bit != 0 || begin[entry] == 0) && (endMask & bit != 0 || last == Shape.batch) && step == 1
        guard isWhole, shrinkMask & bit == 0 else { throw reject("the batch can only be taken whole") }
        part.places.append(axis)
        continue
      }
      func limited(_ bound: Int) -> Int {
        let positive = bound < 0 ? bound &+ dim : bound
        return step > 0 ? min(max(positive, 0), dim) : min(max(positive, -1), dim - 1)
      }
      if shrinkMask & bit != 0 {
        let index = begin[entry] < 0 ? begin[entry] &+ dim : begin[entry]
        guard index >= 0, index < dim else { throw malformed("index \(begin[entry]) is out of range") }
        (part.starts[axis], part.ends[axis]) = (index, index + 1)
        continue
      }
      part.starts[axis] = beginMask & bit != 0 ? step > 0 ? 0 : dim - 1 : limited(begin[entry])
      part.ends[axis] = endMask & bit != 0 ? step > 0 ? dim : -1 : limited(last)
      part.steps[axis] = step
      part.places.append(axis)
    }
    while axis < shape.rank {
      part.places.append(axis)
      axis += 1
    }
    return part
  }

  /// Starts and sizes; -1 is the rest of the axis.
  private func importSlice(_ x: ValueID, _ shape: Shape) throws(EdgeError) {
    let sizes = try integers(try input(2))
    guard sizes.count == shape.rank else { throw malformed("bounds do not fit rank \(shape.rank)") }
    guard let starts = try numbers(try input(1))?.elements else {
      // With a computed beginning the rest has no known size.
      guard !sizes.contains(where: { $0 < 0 }) else { throw reject("a computed size is not supported") }
      return try importTakenPart(x, Shape(sizes))
    }
    guard starts.count == shape.rank else { throw malformed("bounds do not fit rank \(shape.rank)") }
    var ends: [Int] = []
    for axis in 0..<shape.rank {
      if sizes[axis] == -1 || shape[axis] == Shape.batch {
        guard shape[axis] != Shape.batch || sizes[axis] == -1 else { throw reject("the batch can only be taken whole") }
        ends.append(shape[axis])
      } else {
        guard sizes[axis] >= 0, let end = addChecked(starts[axis], sizes[axis]) else { throw malformed("size \(sizes[axis]) is out of range") }
        ends.append(end)
      }
    }
    try move(.slice(starts: starts, ends: ends, steps: [Int](repeating: 1, count: shape.rank)), [x])
  }

  private func importGather(_ x: ValueID, _ shape: Shape) throws(EdgeError) {
    let options = try options(23)
    let axis = try normalized(try options.int32(0), rank: shape.rank)
    let batchDims = try options.int32(1)
    guard batchDims == 0, let numbers = try numbers(try input(1)) else { return try importTake(x, axis: axis, batchDims: batchDims) }
    var indices: [Int32] = []
    for index in numbers.elements {
      guard let index = Int32(exactly: index) else { throw malformed("index \(index) is out of range") }
      indices.append(index)
    }
    if numbers.dims.count == 1 { return try move(.gather(axis: axis, indices: indices, scalarIndex: false), [x]) }
    if numbers.dims.isEmpty { return try move(.gather(axis: axis, indices: indices, scalarIndex: true), [x]) }
    let rows = try helper(.gather(axis: axis, indices: indices, scalarIndex: false), [x])
    try move(.reshape(Shape(Array(shape.dims[..<axis]) + numbers.dims + Array(shape.dims[(axis + 1)...]))), [rows])
  }

  private func importPad(_ code: TfliteCode, _ x: ValueID, _ shape: Shape) throws(EdgeError) {
    let amounts = try integers(try input(1))
    guard amounts.count == 2 * shape.rank else { throw malformed("\(amounts.count) amounts do not fit rank \(shape.rank)") }
    var before: [Int] = []
    var after: [Int] = []
    for axis in 0..<shape.rank {
      before.append(amounts[2 * axis])
      after.append(amounts[2 * axis + 1])
    }
    var mode = PadMode.constant
    var filling: Float = 0
    if code == .mirrorPad {
      if try options(77).byte(0) != 0 { return try importMirror(x, before, after) }
      mode = .reflect
    } else if code == .padv2 {
      let dtype = graph.values[x].dtype
      if !hasScale(x), dtype != .float32 {
        // Integers are padded with zero, so what is to be around is taken away first and added again.
        let around = try reshaped(try inputValue(2), [])
        let padded = try helper(.pad(mode, before: before, after: after, value: 0), [try binary(.subtract, x, around)])
        return try setResult(try binary(.add, padded, around))
      }
      filling = try scalar(try input(2))
    }
    // No kernel pads 16-bit integers with a scale.
    let padded = hasScale(x) && graph.values[x].dtype == .int16 ? try helper(.dequantize, [x]) : x
    try move(.pad(mode, before: before, after: after, value: filling), [padded])
  }

  /// Mirrors that repeat the border: a choice of rows along each axis.
  private func importMirror(_ x: ValueID, _ before: [Int], _ after: [Int]) throws(EdgeError) {
    var result = x
    for (axis, size) in shapeOf(x).dims.enumerated() where before[axis] != 0 || after[axis] != 0 {
      guard before[axis] >= 0, after[axis] >= 0, before[axis] <= size, after[axis] <= size, size < 1 << 24 else {
        throw malformed("\(before[axis]) and \(after[axis]) do not fit axis \(axis)")
      }
      let rows = Array((0..<before[axis]).reversed()) + Array(0..<size) + (0..<after[axis]).map { size - 1 - $0 }
      try noteConverted(rows.count &* 4)
      result = try helper(.gather(axis: axis, indices: rows.map { Int32(truncatingIfNeeded: $0) }, scalarIndex: false), [result])
    }
    try setResult(result)
  }
}
