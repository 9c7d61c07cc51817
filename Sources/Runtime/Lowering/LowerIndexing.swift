import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Operators that name elements by index, and running sums, on reference kernels.
extension Lowering {
  /// [outer, axis, inner] of a shape.
  func split(_ dims: [Int], at axis: Int, of x: ValueID) throws(EdgeError) -> (outer: Int64, axis: Int64, inner: Int64) {
    guard axis >= 0, axis < dims.count else { throw error(.invalidGraph, "axis \(axis) is outside the tensor", value: x) }
    return (Int64(Lowering.product(dims[..<axis])), Int64(dims[axis]), Int64(Lowering.product(dims[(axis + 1)...])))
  }

  func lowerScan(_ node: Node, _ function: ScanFunction, axis: Int, exclusive: Bool, reverse: Bool) throws(EdgeError) {
    let x = try required(node, 0)
    var arguments = ek_typed_reduce()
    (arguments.outer, arguments.axis, arguments.inner) = try split(shape(x), at: axis, of: x)
    arguments.function = Int32(function == .sum ? EK_REDUCE_SUM : EK_REDUCE_PROD)
    arguments.x_type = Int32(dtype(x).rawValue)
    arguments.y_type = arguments.x_type
    arguments.exclusive = exclusive ? 1 : 0
    arguments.reverse = reverse ? 1 : 0
    try emit(Int(EK_TYPED_SCAN), arguments, [.read(0, try operand(x)), .write(1, try result(node.outputs[0]))])
  }

  func lowerTopK(_ node: Node, axis: Int, k: Int, largest: Bool) throws(EdgeError) {
    let x = try required(node, 0)
    var arguments = ek_top_k()
    (arguments.outer, arguments.axis, arguments.inner) = try split(shape(x), at: axis, of: x)
    arguments.k = Int64(k)
    arguments.type = Int32(dtype(x).rawValue)
    arguments.largest = largest ? 1 : 0
    try emit(
      Int(EK_TOP_K), arguments,
      [.read(0, try operand(x)), .write(1, try result(node.outputs[0])), .write(2, try result(node.outputs[1]))])
  }

  func lowerTake(_ node: Node, _ indexing: Indexing) throws(EdgeError) {
    let x = try required(node, 0)
    let arguments = try indexArguments(x, try required(node, 1), indexing)
    try emit(
      Int(EK_TAKE), arguments,
      [.read(0, try operand(x)), .read(1, try operand(node.inputs[1])), .write(2, try result(node.outputs[0]))])
  }

  /// A copy of the tensor, then the updates.
  func lowerPut(_ node: Node, _ indexing: Indexing, _ function: PutFunction) throws(EdgeError) {
    let x = try required(node, 0)
    let updates = try required(node, 2)
    let y = try result(node.outputs[0])
    try emitCopy(count: try count(x), elementBytes: dtype(x).byteCount, from: try operand(x), to: y)
    if try size(updates) == 0 { return }
    var arguments = try indexArguments(x, try required(node, 1), indexing)
    switch function {
    case .replace: arguments.function = -1
    case .add: arguments.function = Int32(EK_BINARY_ADD)
    case .multiply: arguments.function = Int32(EK_BINARY_MULTIPLY)
    case .minimum: arguments.function = Int32(EK_BINARY_MINIMUM)
    case .maximum: arguments.function = Int32(EK_BINARY_MAXIMUM)
    }
    // On booleans sums are "or" and products "and", which minimum and maximum are too.
    try emit(Int(EK_PUT), arguments, [.read(0, try operand(updates)), .read(1, try operand(node.inputs[1])), .write(2, y)])
  }

  private func indexArguments(_ x: ValueID, _ indices: ValueID, _ indexing: Indexing) throws(EdgeError) -> ek_index {
    let dims = shape(x)
    let dense = StridedLoops.dense(dims)
    let places = shape(indices)
    let own = StridedLoops.dense(places)
    let axis = indexing.axis
    var arguments = ek_index()
    arguments.index_type = Int32(dtype(indices).rawValue)
    arguments.type = Int32(dtype(x).rawValue)
    arguments.tuple = 1
    var positions: [Int]
    var strides: [Int]
    var indexStrides: [Int]
    switch indexing.kind {
    case .slices:
      positions = [Lowering.product(dims[..<axis]), Lowering.product(places[...])]
      strides = [dense[axis] &* dims[axis], 0]
      indexStrides = [0, 1]
      arguments.row_elements = Int64(dense[axis])
    case .elements:
      positions = places
      strides = dense
      strides[axis] = 0
      indexStrides = own
      arguments.row_elements = 1
    case .tuples:
      let count = places[places.count - 1]
      positions = [Lowering.product(places[..<axis]), Lowering.product(places[axis..<(places.count - 1)])]
      strides = [Lowering.product(dims[axis...]), 0]
      indexStrides = [positions[1] &* count, count]
      arguments.row_elements = Int64(Lowering.product(dims[(axis + count)...]))
      arguments.tuple = try int32(count)
    }
    arguments.index_step = 1
    arguments.rank = try int32(positions.count)
    fillField(&arguments.dims, positions)
    fillField(&arguments.stride, strides)
    fillField(&arguments.index_stride, indexStrides)
    fillField(&arguments.extent, Array(dims[axis..<(axis + Int(arguments.tuple))]))
    fillField(&arguments.extent_stride, Array(dense[axis..<(axis + Int(arguments.tuple))]))
    return arguments
  }
}
