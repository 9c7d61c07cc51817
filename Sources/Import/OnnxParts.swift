#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Building blocks of operators that are made of others. Their values bear the node's name.

extension OnnxImporter {
  /// A node in the middle of a decomposition.
  func part(_ op: Operator, _ inputs: [ValueID]) throws(EdgeError) -> ValueID {
    try emit(op, inputs, helperName(nodeName + ".part"))
  }

  /// An operand that is another one converted.
  func asFloat(_ id: Int) throws(EdgeError) -> Int {
    let value = try part(.cast(.float32), [try tensor(id)])
    let result = temporary(id)
    operands[result].define(value: value, dtype: .float32, shape: operands[id].shape)
    return result
  }

  func binary(_ function: BinaryFunction, _ a: ValueID, _ b: ValueID) throws(EdgeError) -> ValueID {
    try part(.binary(function, .none), [a, b])
  }

  func unary(_ kind: UnaryFunction.Kind, _ x: ValueID) throws(EdgeError) -> ValueID {
    try part(.unary(UnaryFunction(kind)), [x])
  }

  func reduce(_ function: ReduceFunction, _ x: ValueID, _ axes: [Int], keepDims: Bool = true) throws(EdgeError) -> ValueID {
    try part(.reduce(function, axes: axes, keepDims: keepDims), [x])
  }

  func reshaped(_ x: ValueID, _ dims: [Int]) throws(EdgeError) -> ValueID {
    graph.values[x].shape.dims == dims ? x : try part(.reshape(Shape(dims)), [x])
  }

  func transposed(_ x: ValueID, _ permutation: [Int]) throws(EdgeError) -> ValueID {
    permutation == Array(permutation.indices) ? x : try part(.transpose(permutation), [x])
  }

  /// Every step-th element along one axis.
  func sliced(_ x: ValueID, axis: Int, from start: Int, to end: Int, step: Int = 1) throws(EdgeError) -> ValueID {
    var ends = graph.values[x].shape.dims
    var starts = [Int](repeating: 0, count: ends.count)
    var steps = [Int](repeating: 1, count: ends.count)
    (starts[axis], ends[axis], steps[axis]) = (start, end, step)
    return try part(.slice(starts: starts, ends: ends, steps: steps), [x])
  }

  /// More elements along one axis.
  func padded(_ x: ValueID, axis: Int, before: Int, after: Int, value: Float = 0) throws(EdgeError) -> ValueID {
    if before == 0, after == 0 { return x }
    var first = [Int](repeating: 0, count: graph.values[x].shape.rank)
    var last = first
    (first[axis], last[axis]) = (before, after)
    return try part(.pad(.constant, before: first, after: last, value: value), [x])
  }

  /// A term of a sum or of another fold, whose first term it may be.
  func joined(_ others: ValueID?, _ value: ValueID, _ function: BinaryFunction = .add) throws(EdgeError) -> ValueID {
    if let others { return try binary(function, others, value) }
    return value
  }

  /// A constant of one number. Integers take it without its fraction, cut to their range.
  func number(_ value: Double, _ dtype: DType) throws(EdgeError) -> ValueID {
    let integer = Int(exactly: value.rounded(.towardZero)) ?? (value < 0 ? Int.min : Int.max)
    let known = OnnxKnown(dtype, [], [dtype == .float32 ? .real(value) : .integer(integer)])
    return graph.addValue(Value(name: helperName(nodeName + ".number"), dtype: dtype, shape: Shape([]), constant: try known.data()))
  }

  /// Counts a table that the importer makes, so that a small file cannot ask for endless memory.
  func countMade(_ count: Int, of size: Int) throws(EdgeError) {
    madeBytes += count * size
    if madeBytes > limits.maximumTensorBytes / 4 {
      throw EdgeError(.limitExceeded, "\(node.type): the tables of this node and those before it take \(madeBytes) bytes", node: nodeName)
    }
  }

  /// A constant that follows from the node's attributes and shapes.
  func table<T: BitwiseCopyable>(_ suffix: Text, _ dtype: DType, _ dims: [Int], _ elements: [T]) throws(EdgeError) -> ValueID {
    try countMade(elements.count, of: MemoryLayout<T>.stride)
    return try graph.addConstant(helperName(nodeName + suffix), dtype, Shape(dims), elements)
  }

  /// The numbers first, first + 1 ... as int64 along one axis of a shape that is 1 elsewhere.
  func range(_ count: Int, axis: Int, rank: Int, first: Int = 0) throws(EdgeError) -> ValueID {
    guard count >= 0, count <= 1 << 22, first.magnitude <= 1 << 40 else {
      throw EdgeError(.limitExceeded, "\(node.type): an index table of \(count) entries", node: nodeName)
    }
    var dims = [Int](repeating: 1, count: rank)
    dims[axis] = count
    try countMade(count, of: 8)
    let storage = try Storage.allocate(count * 8)
    var index = 0
    while index < count {
      storage.base.storeBytes(of: Int64(first &+ index), toByteOffset: index &* 8, as: Int64.self)
      index &+= 1
    }
    return graph.addValue(
      Value(
        name: helperName(nodeName + ".range"), dtype: .int64, shape: Shape(dims),
        constant: TensorData(storage, offset: 0, byteCount: count * 8)))
  }
}
