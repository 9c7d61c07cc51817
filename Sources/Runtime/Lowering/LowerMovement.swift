import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Operators that move elements without computing: aliases and strided copies.
extension Lowering {
  /// The operand whose bytes, in the same order, are the node's only result; nil when there is work to do.
  func aliasSource(_ node: Node) -> ValueID? {
    guard node.outputs.count == 1, let x = node.input(0) else { return nil }
    let y = node.outputs[0]
    if case .bitCast = node.op { return x }
    guard dtype(x) == dtype(y), graph.values[x].quantization == graph.values[y].quantization else { return nil }
    let from = shape(x)
    let to = shape(y)
    switch node.op {
    case .reshape, .cast, .requantize: return x
    case .transpose(let order):
      // Only dimensions of size 1 change place.
      var previous = -1
      for axis in order where axis < from.count && from[axis] != 1 {
        if axis < previous { return nil }
        previous = axis
      }
      return x
    case .expand, .pad: return from == to ? x : nil
    case .slice(_, _, let steps):
      if from != to { return nil }
      for step in steps where step < 0 { return nil }
      return x
    case .concat: return node.inputs.count == 1 ? x : nil
    case .split: return x
    default: return nil
    }
  }

  /// Copies `count` elements that follow each other.
  func emitCopy(count: Int, elementBytes: Int, from: BufferPlace, to: BufferPlace) throws(EdgeError) {
    try emitCopy(
      StridedLoops(dims: [count], strides: [[1], [1]]), elementBytes: elementBytes, from: from, to: to)
  }

  /// y[yOffset + i . strides[1]] = x[xOffset + i . strides[0]], in elements.
  func emitCopy(
    _ loops: StridedLoops, elementBytes: Int, from: BufferPlace, xOffset: Int = 0, to: BufferPlace, yOffset: Int = 0
  ) throws(EdgeError) {
    let loops = loops.collapsed()
    var arguments = ek_copy()
    arguments.rank = try int32(loops.dims.count)
    arguments.element_bytes = try int32(elementBytes)
    fillField(&arguments.dims, loops.dims)
    fillField(&arguments.x_stride, loops.strides[0])
    fillField(&arguments.y_stride, loops.strides[1])
    arguments.x_offset = Int64(xOffset)
    arguments.y_offset = Int64(yOffset)
    try emit(Int(EK_COPY), arguments, [.read(0, from), .write(1, to)])
  }

  /// The operand in the quantized type of `y`: itself, or a requantized copy. Data movement keeps types.
  func operand(_ x: ValueID, inTypeOf y: ValueID) throws(EdgeError) -> BufferPlace {
    let place = try operand(x)
    guard dtype(x) == dtype(y) else { throw error(.unsupportedOperator, "the result has another element type", value: y) }
    if graph.values[x].quantization == graph.values[y].quantization { return place }
    let target = temporary(try byteCount(x))
    try emitRequantize(from: place, try quantized(x), to: target, try quantized(y), count: try count(x))
    return target
  }

  func lowerTranspose(_ node: Node, _ order: [Int]) throws(EdgeError) {
    if try viewTranspose(node, order) { return }
    let x = try required(node, 0)
    let y = node.outputs[0]
    let from = StridedLoops.dense(shape(x))
    guard order.count == from.count, order.count <= Shape.maximumRank else { throw unsupported("a transpose of another rank") }
    var strides: [Int] = []
    for axis in order {
      guard axis >= 0, axis < from.count else { throw error(.invalidGraph, "axis \(axis) is outside the tensor", value: x) }
      strides.append(from[axis])
    }
    if try quantizesPixels(x, y, order) { return }
    let dims = shape(y)
    try emitCopy(
      StridedLoops(dims: dims, strides: [strides, StridedLoops.dense(dims)]), elementBytes: dtype(x).byteCount,
      from: try operand(x, inTypeOf: y), to: try result(y))
  }

  func lowerExpand(_ node: Node) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    let dims = shape(y)
    guard let strides = StridedLoops.broadcast(shape(x), to: dims) else {
      throw error(.shapeMismatch, "does not broadcast to the result", value: x)
    }
    try emitCopy(
      StridedLoops(dims: dims, strides: [strides, StridedLoops.dense(dims)]), elementBytes: dtype(x).byteCount,
      from: try operand(x, inTypeOf: y), to: try result(y))
  }

  func lowerConcat(_ node: Node, axis: Int) throws(EdgeError) {
    let y = node.outputs[0]
    let dims = shape(y)
    let dense = StridedLoops.dense(dims)
    guard axis >= 0, axis < dims.count else { throw error(.invalidGraph, "axis \(axis) is outside the tensor", value: y) }
    let target = try result(y)
    var start = 0
    for x in node.inputs where x != Node.noValue {
      let part = shape(x)
      if try size(x) == 0 { continue }
      guard part.count == dims.count, start <= dims[axis] &- part[axis] else {
        throw error(.shapeMismatch, "does not fit the result", value: x)
      }
      if axis == dims.count - 1, writePart(x, of: y, target, from: start, pixel: dims[axis]) {
        start = start &+ part[axis]
        continue
      }
      try emitCopy(
        StridedLoops(dims: part, strides: [StridedLoops.dense(part), dense]), elementBytes: dtype(y).byteCount,
        from: try operand(x, inTypeOf: y), to: target, yOffset: start &* dense[axis])
      start = start &+ part[axis]
    }
  }

  func lowerSplit(_ node: Node, axis: Int) throws(EdgeError) {
    let x = try required(node, 0)
    let dims = shape(x)
    let dense = StridedLoops.dense(dims)
    guard axis >= 0, axis < dims.count else { throw error(.invalidGraph, "axis \(axis) is outside the tensor", value: x) }
    var start = 0
    for y in node.outputs {
      let part = shape(y)
      if try size(y) == 0 {
        _ = try result(y)
        continue
      }
      guard part.count == dims.count, start <= dims[axis] &- part[axis] else {
        throw error(.shapeMismatch, "does not fit the operand", value: y)
      }
      try lowerPart(of: x, to: y, strides: dense, offset: start &* dense[axis])
      start = start &+ part[axis]
    }
  }

  func lowerSlice(_ node: Node, starts: [Int], steps: [Int]) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    let dims = shape(x)
    let part = shape(y)
    guard starts.count == dims.count, steps.count == dims.count, part.count == dims.count else {
      throw unsupported("a slice of another rank")
    }
    let dense = StridedLoops.dense(dims)
    var strides: [Int] = []
    var offset = 0
    _ = try count(y)
    for axis in dims.indices {
      let start = starts[axis]
      let (reach, overflow) = (part[axis] &- 1).multipliedReportingOverflow(by: steps[axis])
      let (last, past) = start.addingReportingOverflow(reach)
      guard !overflow, !past, start >= 0, start < dims[axis], last >= 0, last < dims[axis] else {
        throw error(.shapeMismatch, "the slice leaves the tensor", value: x)
      }
      offset = offset &+ start &* dense[axis]
      strides.append(part[axis] == 1 ? 0 : dense[axis] &* steps[axis])
    }
    try lowerPart(of: x, to: y, strides: strides, offset: offset)
  }

  /// y = the elements of x from `offset` on with these strides: a view where they follow each other, else a copy.
  private func lowerPart(of x: ValueID, to y: ValueID, strides: [Int], offset: Int) throws(EdgeError) {
    let dims = shape(y)
    let bytes = dtype(x).byteCount
    let source = try operand(x, inTypeOf: y)
    let loops = StridedLoops(dims: dims, strides: [strides, StridedLoops.dense(dims)])
    let flat = loops.collapsed()
    if places[y] == nil, flat.dims.count == 1, flat.dims[0] == 1 || flat.strides[0][0] == 1 {
      places[y] = BufferPlace(buffer: source.buffer, offset: source.offset &+ offset &* bytes)
      return
    }
    try emitCopy(loops, elementBytes: bytes, from: source, xOffset: offset, to: try result(y))
  }
}
