#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Arithmetic with broadcasting.

extension OnnxImporter {
  func importArithmetic() throws(EdgeError) {
    switch node.type {
    case "Add": try importBinary(.add, try input(0), try input(1))
    case "Sub": try importBinary(.subtract, try input(0), try input(1))
    case "Mul": try importBinary(.multiply, try input(0), try input(1))
    case "Div": try importBinary(.divide, try input(0), try input(1))
    case "Pow": try importPower()
    case "Min": try importVariadic(.minimum)
    case "Max": try importVariadic(.maximum)
    default: try importVariadic(.add)
    }
  }

  /// Appends a function of two tensors; with the channels last when an input is an image.
  func importBinary(_ function: BinaryFunction, _ a: Int, _ b: Int) throws(EdgeError) {
    try prepare(a)
    try prepare(b)
    if let doubles = try doubles(function, a, b) { return try setExactResult(try emit(.binary(function, .none), doubles, resultName())) }
    if operands[a].dtype != .float32 || operands[b].dtype != .float32 || function.rawValue > BinaryFunction.prelu.rawValue {
      return try setResult(try emit(.binary(function, .none), [try tensor(a), try tensor(b)], resultName()))
    }
    let rank = max(operands[a].shape.rank, operands[b].shape.rank)
    if isImage(a) || isImage(b), let left = try imageOperand(a, rank: rank), let right = try imageOperand(b, rank: rank) {
      let y = try emit(.binary(function, .none), [left, right], resultName(image: true))
      return try setImageResult(y, rank: rank)
    }
    try setResult(try emit(.binary(function, .none), [try tensor(a), try tensor(b)], resultName()))
  }

  /// The operands as float64, where both still are: numbers that came that way or were computed so from such.
  private func doubles(_ function: BinaryFunction, _ a: Int, _ b: Int) throws(EdgeError) -> [ValueID]? {
    guard function != .power, exactType(a) == .float64 || exactType(b) == .float64 else { return nil }
    var values: [ValueID] = []
    for id in [a, b] {
      if operands[id].border == Node.noValue, let tensor = constantTensor(id), tensor.elementType == OnnxElementType.double.rawValue {
        let data = try constantData(id, exact: true)
        operands[id].border = try addConstant(helperName(operands[id].name + ".float64"), data, .float64, operands[id].shape)
      }
      guard exactType(id) == .float64 else { return nil }
      values.append(operands[id].border)
    }
    return values
  }

  /// An operand of elementwise arithmetic with the channels last, or nil when it cannot be had that way:
  /// images as they are, small constants with their axes moved.
  private func imageOperand(_ id: Int, rank: Int) throws(EdgeError) -> ValueID? {
    guard rank == 3 || rank == 4 else { return nil }
    let shape = operands[id].shape
    if shape.rank == rank, !operands[id].isConstant { return try image(id) }
    if shape.elementCount() == 1, !shape.hasBatch { return shape.rank <= 4 ? try tensor(id) : nil }
    guard operands[id].isConstant, !shape.hasBatch else { return nil }
    // [C, 1, 1] broadcasts as [1, C, 1, 1], that is [1, 1, 1, C].
    var dims = [Int](repeating: 1, count: rank - shape.rank) + shape.dims
    if rank == 3 { dims = [dims[0], dims[1], 1, dims[2]] }
    let permutation = [0, 2, 3, 1]
    if let activation = try integerActivation(id, dims, permutation) { return activation }
    return try form(id, dims, Shape(permutation.map { dims[$0] }), suffix: ".nhwc") { (data) throws(EdgeError) in
      try OnnxConversion.permuted(data, dims: dims, permutation)
    }
  }

  /// Contents of a float constant that is in the file or known; nil when it is computed by nodes of the graph.
  func floatConstant(_ id: Int) throws(EdgeError) -> TensorData? {
    guard operands[id].dtype == .float32 else { return nil }
    if let integers = operands[id].integers { return try integers.floats(operands[id].shape) }
    if constantTensor(id) != nil { return try constantData(id) }
    guard let known = operands[id].known else { return nil }
    return known.reals == nil ? nil : try known.data()
  }

  /// A constant exponent of an integer type becomes a float, for which there are faster kernels.
  private func importPower() throws(EdgeError) {
    let x = try input(0)
    let exponent = try input(1)
    if operands[x].dtype == .float32, operands[exponent].dtype != .float32, let known = operands[exponent].known, known.reals != nil {
      let converted = OnnxKnown(.float32, known.dims, known.elements)
      let value = graph.addValue(
        Value(name: helperName(operands[exponent].name + ".float"), dtype: .float32, shape: Shape(known.dims), constant: try converted.data()))
      return try setResult(try emit(.binary(.power, .none), [try tensor(x), value], resultName()))
    }
    try importBinary(.power, x, exponent)
  }

  /// Min, Max, Sum and Mean take any number of inputs.
  private func importVariadic(_ function: BinaryFunction) throws(EdgeError) {
    let first = try input(0)
    let isMean = node.type == "Mean"
    if inputs.count == 1 { return try setAlias(first) }
    if isMean { try requireFloat(first) }
    if inputs.count == 2, !isMean { return try importBinary(function, first, try input(1)) }
    var value = try tensor(first)
    for index in inputs.indices.dropFirst() {
      let isLast = index == inputs.count - 1 && !isMean
      let name = isLast ? resultName() : helperName(nodeName + ".partial")
      value = try emit(.binary(function, .none), [value, try tensor(try input(index))], name)
    }
    if isMean {
      let factor = try table(".factor", .float32, [], [1 / Float(inputs.count)])
      value = try emit(.binary(.multiply, .none), [value, factor], resultName())
    }
    try setResult(value)
  }
}
