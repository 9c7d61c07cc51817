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
      if part.removed.isEmpty { return try move(op, [x]) }
      let slice = try helper(op, [x])
      let dims = shapeOf(slice).dims
      try move(.reshape(Shape(dims.indices.filter { !part.removed.contains($0) }.map { dims[$0] })), [slice])
    case .slice: try importSlice(x, shape)
    case .gather: try importGather(x, shape)
    default: try importPad(code, x, shape)
    }
  }

  /// Bounds of STRIDED_SLICE as the graph's slice takes them, and the axes that go.
  func stridedPart(_ shape: Shape) throws(EdgeError) -> (starts: [Int], ends: [Int], steps: [Int], removed: [Int]) {
    let options = try options(32)
    let begin = try integers(try input(1))
    let end = try integers(try input(2))
    let strides = try integers(try input(3))
    guard begin.count == end.count, begin.count == strides.count, begin.count <= shape.rank else {
      throw malformed("bounds do not fit rank \(shape.rank)")
    }
    guard try options.int32(2) == 0, try options.int32(3) == 0, try options.bool(5) == false else {
      throw reject("an ellipsis, a new axis or an end relative to the beginning is not supported")
    }
    let beginMask = try options.int32(0)
    let endMask = try options.int32(1)
    let shrinkMask = try options.int32(4)
    var part = (starts: [Int](), ends: [Int](), steps: [Int](), removed: [Int]())
    for axis in 0..<shape.rank {
      let dim = shape[axis]
      guard axis < begin.count else {
        part.starts.append(0)
        part.ends.append(dim)
        part.steps.append(1)
        continue
      }
      let bit = 1 << axis
      let step = strides[axis]
      guard step != 0, step != Int.min else { throw malformed("a stride is out of range") }
      if dim == Shape.batch {
        let isWhole = (beginMask & bit != 0 || begin[axis] == 0) && (endMask & bit != 0 || end[axis] == Shape.batch) && step == 1
        guard isWhole, shrinkMask & bit == 0 else { throw reject("the batch can only be taken whole") }
        part.starts.append(0)
        part.ends.append(Shape.batch)
        part.steps.append(1)
        continue
      }
      func limited(_ bound: Int) -> Int {
        let positive = bound < 0 ? bound &+ dim : bound
        return step > 0 ? min(max(positive, 0), dim) : min(max(positive, -1), dim - 1)
      }
      if shrinkMask & bit != 0 {
        let index = begin[axis] < 0 ? begin[axis] &+ dim : begin[axis]
        guard index >= 0, index < dim else { throw malformed("index \(begin[axis]) is out of range") }
        part.starts.append(index)
        part.ends.append(index + 1)
        part.steps.append(1)
        part.removed.append(axis)
        continue
      }
      part.starts.append(beginMask & bit != 0 ? step > 0 ? 0 : dim - 1 : limited(begin[axis]))
      part.ends.append(endMask & bit != 0 ? step > 0 ? dim : -1 : limited(end[axis]))
      part.steps.append(step)
    }
    return part
  }

  /// Starts and sizes; -1 is the rest of the axis.
  private func importSlice(_ x: ValueID, _ shape: Shape) throws(EdgeError) {
    let starts = try integers(try input(1))
    let sizes = try integers(try input(2))
    guard starts.count == shape.rank, sizes.count == shape.rank else { throw malformed("bounds do not fit rank \(shape.rank)") }
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
    guard try options.int32(1) == 0 else { throw reject("batch dimensions are not supported") }
    guard let numbers = try numbers(try input(1)) else { throw reject("supported only with constant indices") }
    let axis = try normalized(try options.int32(0), rank: shape.rank)
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
      guard try options(77).byte(0) == 0 else { throw reject("symmetric padding is not supported") }
      mode = .reflect
    } else if code == .padv2 {
      filling = try scalar(try input(2))
    }
    try move(.pad(mode, before: before, after: after, value: filling), [x])
  }
}
