import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Operators that pick rows by an index table, and padding.
extension Lowering {
  /// y[o][j] = x[o][indices[j]], rows of `innerBytes`. Indices must be inside 0..<axisIn.
  func emitGather(
    from: BufferPlace, to: BufferPlace, outer: Int, axisIn: Int, indices: [Int32], innerBytes: Int
  ) throws(EdgeError) {
    for index in indices where index < 0 || Int(index) >= axisIn { throw error(.invalidGraph, "index \(index) is outside the axis") }
    var arguments = ek_gather()
    arguments.outer = Int64(outer)
    arguments.axis_in = Int64(axisIn)
    arguments.axis_out = Int64(indices.count)
    arguments.inner_bytes = Int64(innerBytes)
    try emit(Int(EK_GATHER), arguments, [.read(0, from), .read(1, try derived(indices)), .write(2, to)])
  }

  /// Index tables are made in memory: their size comes from the model, so it has a bound.
  func checkTable(_ entries: Int) throws(EdgeError) {
    if entries > 1 << 24 { throw error(.limitExceeded, "an index table of \(entries) entries") }
  }

  func lowerGather(_ node: Node, axis: Int, indices: [Int32]) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    let dims = shape(x)
    guard axis >= 0, axis < dims.count else { throw error(.invalidGraph, "axis \(axis) is outside the tensor", value: x) }
    let outer = Lowering.product(dims[..<axis])
    let inner = Lowering.product(dims[(axis + 1)...])
    _ = try count(x)
    // Negative indices count from the end.
    var positions: [Int32] = []
    for index in indices { positions.append(index < 0 ? index &+ (try int32(dims[axis])) : index) }
    let (rows, overflow) = outer.multipliedReportingOverflow(by: indices.count)
    let (expected, overflowInner) = rows.multipliedReportingOverflow(by: inner)
    guard !overflow, !overflowInner, try count(y) == expected else { throw error(.shapeMismatch, "has not the gathered size", value: y) }
    try emitGather(
      from: try operand(x, inTypeOf: y), to: try result(y), outer: outer, axisIn: dims[axis], indices: positions,
      innerBytes: inner &* dtype(x).byteCount)
  }

  func lowerPad(_ node: Node, _ mode: PadMode, before: [Int], after: [Int], value: Float) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    let from = shape(x)
    let to = shape(y)
    guard before.count == from.count, after.count == from.count, to.count == from.count else { throw unsupported("a padding of another rank") }
    _ = try count(y)
    for axis in from.indices {
      let (room, overflow) = to[axis].subtractingReportingOverflow(from[axis])
      guard !overflow, before[axis] >= 0, after[axis] >= 0, before[axis] <= room, after[axis] == room - before[axis] else {
        throw error(.shapeMismatch, "has not the padded size", value: y)
      }
    }
    let source = try operand(x, inTypeOf: y)
    if mode == .constant {
      let target = try result(y)
      try emitFill(y, value, target)
      if try size(x) == 0 { return }
      let dense = StridedLoops.dense(to)
      var offset = 0
      for axis in from.indices { offset = offset &+ before[axis] &* dense[axis] }
      try emitCopy(
        StridedLoops(dims: from, strides: [StridedLoops.dense(from), dense]), elementBytes: dtype(x).byteCount, from: source,
        to: target, yOffset: offset)
      return
    }
    // One pass for each padded axis.
    var passes: [Int] = []
    for axis in from.indices where from[axis] != to[axis] { passes.append(axis) }
    var dims = from
    var place = source
    for axis in passes {
      let size = dims[axis]
      try checkTable(to[axis])
      var indices: [Int32] = []
      for position in 0..<to[axis] {
        var index = position - before[axis]
        if mode == .edge {
          index = min(max(index, 0), size - 1)
        } else {
          if index < 0 { index = 0 - index }
          if index >= size { index = 2 * (size - 1) - index }
        }
        indices.append(try int32(index))
      }
      let outer = Lowering.product(dims[..<axis])
      let inner = Lowering.product(dims[(axis + 1)...]) &* dtype(x).byteCount
      dims[axis] = to[axis]
      let isLast = axis == passes[passes.count - 1]
      let target = isLast ? try result(y) : temporary(Lowering.product(dims[...]) &* dtype(x).byteCount)
      try emitGather(from: place, to: target, outer: outer, axisIn: size, indices: indices, innerBytes: inner)
      place = target
    }
  }

  /// Every element of `y` becomes a number, in its element type.
  private func emitFill(_ y: ValueID, _ value: Float, _ target: BufferPlace) throws(EdgeError) {
    var arguments = ek_fill()
    arguments.count = Int64(try count(y))
    arguments.element_bytes = try int32(dtype(y).byteCount)
    if dtype(y) == .float32 {
      withUnsafeMutableBytes(of: &arguments.value) { $0.storeBytes(of: value, as: Float.self) }
    } else if graph.values[y].quantization != nil {
      let byte = UInt8(truncatingIfNeeded: Lowering.quantize(value, try quantized(y)))
      withUnsafeMutableBytes(of: &arguments.value) { $0.storeBytes(of: byte, as: UInt8.self) }
    } else if dtype(y) == .bool {
      arguments.value.0 = value == 0 ? 0 : 1
    } else if value != 0 {
      guard !dtype(y).isFloatingPoint, let number = Int64(exactly: value) else {
        throw unsupported("does not pad \(dtype(y).name) with \(value)")
      }
      withUnsafeMutableBytes(of: &arguments.value) { $0.storeBytes(of: number.littleEndian, as: Int64.self) }
    }
    try emit(Int(EK_FILL), arguments, [.write(0, target)])
  }
}
