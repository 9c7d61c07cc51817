extension Graph {
  /// Evaluates nodes whose inputs are all constants.
  ///
  ///     before   weights -> Transpose -> w;  Convolution(x, w)
  ///     after    Convolution(x, weights in their new order)
  ///
  /// Covered: transpose, reshape, expand, slice, split, concat, gather and cast of every element type, unary and
  /// binary functions of float32 (those that need no mathematical library). A result larger than its inputs and
  /// than `maximumGrowth` bytes is left to run time. What nodes one after another compute alike of the same constants is one constant.
  public func foldingConstants(maximumGrowth: Int = 1 << 20) throws(EdgeError) -> Graph {
    try validate()
    var graph = self
    var removed = [Bool](repeating: false, count: nodes.count)
    var isOutput = [Bool](repeating: false, count: values.count)
    for output in outputs { isOutput[output] = true }
    // What readers of a value read in its place, and the last node that was folded, by its first operand.
    var places = Array(values.indices)
    var folded = [Int](repeating: -1, count: values.count)
    for number in nodes.indices {
      for (position, input) in nodes[number].inputs.enumerated() where input != Node.noValue && places[input] != input {
        graph.nodes[number].inputs[position] = places[input]
      }
      let node = graph.nodes[number]
      // An output must be made by a node to be copied out at run time.
      guard !node.inputs.isEmpty, node.inputs.allSatisfy({ $0 != Node.noValue && graph.values[$0].constant != nil }),
        !node.outputs.isEmpty, !node.outputs.contains(where: { isOutput[$0] })
      else { continue }
      var inputBytes = 0
      for input in node.inputs { inputBytes = addChecked(inputBytes, graph.values[input].byteCount() ?? 0) ?? Int.max }
      var resultBytes = 0
      for output in node.outputs { resultBytes = addChecked(resultBytes, values[output].byteCount() ?? Int.max) ?? Int.max }
      guard resultBytes <= max(inputBytes, maximumGrowth) else { continue }
      let known = folded[node.inputs[0]]
      if known >= 0, graph.nodes[known].inputs == node.inputs, graph.nodes[known].op == node.op {
        for (output, other) in zip(node.outputs, nodes[known].outputs) {
          places[output] = other
          graph.values[output].constant = graph.values[other].constant
        }
        removed[number] = true
        continue
      }
      let evaluator = ConstantEvaluator(
        inputs: node.inputs.map { graph.values[$0] }, results: node.outputs.map { values[$0] })
      guard let constants = try evaluator.evaluate(node.op) else { continue }
      for (output, constant) in zip(node.outputs, constants) { graph.values[output].constant = constant }
      removed[number] = true
      folded[node.inputs[0]] = number
    }
    graph.removeNodes(removed)
    return graph.compacted()
  }
}

/// A scalar evaluator of one node on constants.
private struct ConstantEvaluator {
  let inputs: [Value]
  /// The results' types.
  let results: [Value]

  /// Contents of the results; nil when the operator is not covered.
  func evaluate(_ op: Operator) throws(EdgeError) -> [TensorData]? {
    let (x, target) = (inputs[0], results[0].shape)
    let strides = x.shape.strides
    switch op {
    case .reshape: return x.constant.map { [$0] }
    case .transpose(let permutation): return try copied(target, strides: permutation.map { strides[$0] })
    case .slice(let starts, _, let steps):
      var offset = 0
      for axis in starts.indices { offset = offset &+ starts[axis] &* strides[axis] }
      // With no element there is nothing to step through, and a step may be as large as it likes.
      return try copied(target, offset: offset, strides: strides.indices.map { target[$0] > 1 ? strides[$0] &* steps[$0] : 0 })
    case .split(let axis, let sizes):
      var offset = 0
      var parts: [TensorData] = []
      for (size, result) in zip(sizes, results) {
        guard let part = try copied(result.shape, offset: offset, strides: strides) else { return nil }
        parts += part
        offset = offset &+ size &* strides[axis]
      }
      return parts
    case .expand: return try copied(target, strides: broadcastStrides(x.shape, target))
    case .gather(let axis, let indices, _): return try gathered(axis, indices)
    case .concat(let axis): return try concatenated(axis)
    case .cast(let dtype): return try cast(dtype)
    case .unary(let function):
      guard results[0].dtype == .float32, let numbers = x.floats, let map = function.simple else { return nil }
      return [try TensorData(numbers.map(map))]
    case .binary(let function, let clamp): return try binary(function, clamp)
    default: return nil
    }
  }

  private func copied(_ target: Shape, offset: Int = 0, strides: [Int]) throws(EdgeError) -> [TensorData]? {
    guard let constant = try inputs[0].gathered(target, offset: offset, strides: strides, name: "")?.constant else { return nil }
    return [constant]
  }

  /// Strides to read a tensor with as if it had the shape it broadcasts to.
  private func broadcastStrides(_ shape: Shape, _ target: Shape) -> [Int] {
    let own = shape.strides
    let extra = target.rank - shape.rank
    return target.dims.indices.map { $0 < extra || shape[$0 - extra] == 1 ? 0 : own[$0 - extra] }
  }

  private func gathered(_ axis: Int, _ indices: [Int32]) throws(EdgeError) -> [TensorData]? {
    guard let constant = inputs[0].constant, let bytes = results[0].byteCount() else { return nil }
    let inner = inputs[0].shape.strides[axis] &* inputs[0].dtype.byteCount
    let row = inner &* inputs[0].shape[axis]
    let storage = try Storage.allocate(bytes)
    guard bytes > 0, row > 0 else { return TensorData(storage, offset: 0, byteCount: bytes).map { [$0] } }
    var place = 0
    for outer in 0..<(constant.byteCount / row) {
      for index in indices {
        (storage.base + place).copyMemory(from: constant.base + (outer &* row &+ Int(index) &* inner), byteCount: inner)
        place += inner
      }
    }
    return TensorData(storage, offset: 0, byteCount: bytes).map { [$0] }
  }

  private func concatenated(_ axis: Int) throws(EdgeError) -> [TensorData]? {
    guard let bytes = results[0].byteCount() else { return nil }
    let storage = try Storage.allocate(bytes)
    let row = results[0].shape.strides[axis] &* results[0].shape[axis] &* results[0].dtype.byteCount
    guard bytes > 0, row > 0 else { return TensorData(storage, offset: 0, byteCount: bytes).map { [$0] } }
    var start = 0
    for input in inputs {
      guard let constant = input.constant else { return nil }
      let part = input.shape.strides[axis] &* input.shape[axis] &* input.dtype.byteCount
      for outer in 0..<(bytes / row) {
        (storage.base + (outer &* row &+ start)).copyMemory(from: constant.base + outer &* part, byteCount: part)
      }
      start += part
    }
    return TensorData(storage, offset: 0, byteCount: bytes).map { [$0] }
  }

  /// Between float32, int32, int64 and bool, as far as every number survives the conversion's rules.
  private func cast(_ dtype: DType) throws(EdgeError) -> [TensorData]? {
    guard let constant = inputs[0].constant else { return nil }
    if inputs[0].dtype == dtype { return [constant] }
    var numbers: [Double]
    switch inputs[0].dtype {
    case .float32: numbers = constant.array(of: Float.self).map { Double($0) }
    case .float64: numbers = constant.array(of: Double.self)
    case .int32: numbers = constant.array(of: Int32.self).map { Double($0) }
    case .int64:
      let integers = constant.array(of: Int64.self)
      // Above 2^53 a double no longer tells neighbours apart.
      guard integers.allSatisfy({ $0.magnitude <= 1 << 53 }) else { return nil }
      numbers = integers.map { Double($0) }
    case .uint8, .bool: numbers = constant.array(of: UInt8.self).map { Double($0) }
    case .int8: numbers = constant.array(of: Int8.self).map { Double($0) }
    case .int16: numbers = constant.array(of: Int16.self).map { Double($0) }
    case .float16, .bfloat16, .uint16, .uint32, .uint64: return nil
    }
    if dtype != .float32 && dtype != .float64 && dtype != .bool {
      numbers = numbers.map { $0.rounded(.towardZero) }
      guard numbers.allSatisfy({ $0.magnitude < 9e18 }) else { return nil }
    }
    func fits(_ range: ClosedRange<Double>) -> Bool { numbers.allSatisfy { range.contains($0) } }
    switch dtype {
    case .float32: return [try TensorData(numbers.map { Float($0) })]
    case .float64: return [try TensorData(numbers)]
    case .int64: return [try TensorData(numbers.map { Int64($0) })]
    case .int32: return fits(-2_147_483_648...2_147_483_647) ? [try TensorData(numbers.map { Int32($0) })] : nil
    case .int16: return fits(-32768...32767) ? [try TensorData(numbers.map { Int16($0) })] : nil
    case .int8: return fits(-128...127) ? [try TensorData(numbers.map { Int8($0) })] : nil
    case .uint8: return fits(0...255) ? [try TensorData(numbers.map { UInt8($0) })] : nil
    case .bool: return [try TensorData(numbers.map { $0 != 0 ? UInt8(1) : UInt8(0) })]
    case .float16, .bfloat16, .uint16, .uint32, .uint64: return nil
    }
  }

  private func binary(_ function: BinaryFunction, _ clamp: Clamp) throws(EdgeError) -> [TensorData]? {
    let target = results[0].shape
    guard inputs[0].floats != nil, inputs[1].floats != nil, let map = function.simple,
      let a = try inputs[0].gathered(target, offset: 0, strides: broadcastStrides(inputs[0].shape, target), name: "")?.floats,
      let b = try inputs[1].gathered(target, offset: 0, strides: broadcastStrides(inputs[1].shape, target), name: "")?.floats
    else { return nil }
    return [try TensorData(zip(a, b).map { min(max(map($0, $1), clamp.min), clamp.max) })]
  }
}

extension UnaryFunction {
  /// The function where plain arithmetic gives exactly what the kernels compute.
  fileprivate var simple: ((Float) -> Float)? {
    let (alpha, beta) = (alpha, beta)
    switch kind {
    case .clamp: return { min(max($0, alpha), beta) }
    case .leakyRelu: return { $0 < 0 ? alpha * $0 : $0 }
    case .hardSigmoid: return { max(0, min(1, alpha * $0 + beta)) }
    case .hardSwish: return { $0 * max(0, min(1, $0 / 6 + 0.5)) }
    case .softsign: return { $0 / (1 + $0.magnitude) }
    case .thresholdedRelu: return { $0 > alpha ? $0 : 0 }
    case .sqrt: return { $0.squareRoot() }
    case .reciprocal: return { 1 / $0 }
    case .abs: return { $0.magnitude }
    case .negate: return { -$0 }
    case .floor: return { $0.rounded(.down) }
    case .ceil: return { $0.rounded(.up) }
    case .round: return { $0.rounded(.toNearestOrEven) }
    case .binarize: return { $0 >= 0 ? 1 : -1 }
    case .sign: return { $0 > 0 ? 1 : $0 < 0 ? -1 : $0 }
    default: return nil
    }
  }
}

extension BinaryFunction {
  fileprivate var simple: ((Float, Float) -> Float)? {
    switch self {
    case .add: return { $0 + $1 }
    case .subtract: return { $0 - $1 }
    case .multiply: return { $0 * $1 }
    case .divide: return { $0 / $1 }
    case .minimum: return { min($0, $1) }
    case .maximum: return { max($0, $1) }
    case .prelu: return { $0 < 0 ? $0 * $1 : $0 }
    default: return nil
    }
  }
}
