#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Gemm and MatMul. A constant second factor makes a dense layer with weights [O, K].

extension OnnxImporter {
  func importMatrix() throws(EdgeError) {
    switch node.type {
    case "Gemm": try importGemm()
    case "Einsum": try importEinsum()
    case "Det": try importDeterminant()
    default: try importMatMul()
    }
  }

  /// alpha A' B' + beta C, where ' is an optional transpose.
  private func importGemm() throws(EdgeError) {
    let a = try input(0)
    let b = try input(1)
    let c = try optionalInput(2)
    let alpha = try floatAttribute("alpha", 1)
    let beta = try floatAttribute("beta", 1)
    guard alpha.isFinite, beta.isFinite else { throw malformed("alpha or beta is not a number") }
    guard operands[a].shape.rank == 2, operands[b].shape.rank == 2 else {
      throw wrongShape("\(operands[a].shape.text) times \(operands[b].shape.text) is not a product of matrices", operand: a)
    }
    let name = resultName()
    let transposesA = try integerAttribute("transA", 0) != 0
    if operands[a].dtype != .float32 { return try importIntegerGemm(a, b, c, alpha, beta) }
    var left = try floatTensor(a)
    if transposesA { left = try emit(.transpose([1, 0]), [left], helperName(operands[a].name + ".transposed")) }
    let transposesB = try integerAttribute("transB", 0) != 0
    let columns = operands[b].shape[transposesB ? 0 : 1]

    if let inner = try dense(transposesA ? nil : a, left, b, isTransposed: transposesB, factor: alpha) {
      var values = inner
      var rest: ValueID?
      if let c {
        if let bias = try denseBias(c, columns: columns, factor: beta) { values.append(bias) } else { rest = try scaled(c, beta) }
      }
      let y = try emit(.dense(.none), values, rest == nil ? name : helperName(name + ".product"))
      guard let rest else { return try setResult(y) }
      return try setResult(try emit(.binary(.add, .none), [y, rest], name))
    }

    var right = try floatTensor(b)
    if transposesB { right = try emit(.transpose([1, 0]), [right], helperName(operands[b].name + ".transposed")) }
    let isPlain = c == nil && alpha == 1
    var y = try emit(.matMul, [left, right], isPlain ? name : helperName(name + ".product"))
    if alpha != 1 {
      let factor = try graph.addConstant(helperName(name + ".alpha"), .float32, Shape([]), [alpha])
      y = try emit(.binary(.multiply, .none), [y, factor], c == nil ? name : helperName(name + ".scaled"))
    }
    if let c { y = try emit(.binary(.add, .none), [y, try scaled(c, beta)], name) }
    try setResult(y)
  }

  private func importIntegerGemm(_ a: Int, _ b: Int, _ c: Int?, _ alpha: Float, _ beta: Float) throws(EdgeError) {
    guard alpha == 1, beta == 1 || c == nil else { throw reject("a product of integers with factors") }
    let left = try transposed(try tensor(a), try integerAttribute("transA", 0) != 0 ? [1, 0] : [0, 1])
    let right = try transposed(try tensor(b), try integerAttribute("transB", 0) != 0 ? [1, 0] : [0, 1])
    var y = try part(.matMul, [left, right])
    if let c { y = try binary(.add, y, try tensor(c)) }
    try setResult(y)
  }

  private func scaled(_ id: Int, _ factor: Float) throws(EdgeError) -> ValueID {
    let value = try floatTensor(id)
    if factor == 1 { return value }
    let constant = try graph.addConstant(helperName(operands[id].name + ".beta"), .float32, Shape([]), [factor])
    return try emit(.binary(.multiply, .none), [value, constant], helperName(operands[id].name + ".scaled"))
  }

  /// Input and weights [O, K] of a dense layer, or nil when the second factor is no constant of the file.
  /// `x` is the operand that `left` stands for, if it does.
  private func dense(_ x: Int?, _ left: ValueID, _ id: Int, isTransposed: Bool, factor: Float) throws(EdgeError) -> [ValueID]? {
    try requireFloat(id)
    let shape = operands[id].shape
    let result = isTransposed ? shape : Shape([shape[1], shape[0]])
    let order = isTransposed ? [0, 1] : [1, 0]
    if let weights = try integerWeights(id, shape.dims, order, result, outputAxis: order[0], factor: factor) { return [left, weights] }
    guard operands[id].isConstant else { return nil }
    // Weights over flattened pixels are in the order of the channels-last image.
    let image = flattenedImage(x, columns: result[1])
    let pixels = image >= 0 ? Array(operands[image].shape.dims[1...]) : []
    let weights = try form(id, [order[0], Int(truncatingIfNeeded: factor.bitPattern)] + pixels, result) { (data) throws(EdgeError) -> TensorData in
      let contents = try OnnxConversion.scaled(try OnnxConversion.permuted(data, dims: shape.dims, order), by: factor)
      return image < 0 ? contents : try OnnxConversion.permuted(contents, dims: [result[0]] + pixels, [0, 2, 3, 1])
    }
    guard let weights else { return nil }
    guard let x, image >= 0 else { return [left, weights] }
    return [try emit(.reshape(operands[x].shape), [operands[image].channelsLast], helperName(operands[x].name + ".nhwc")), weights]
  }

  /// A constant that adds the same number to every element of a column, as a bias [O]; nil when it is not that.
  private func denseBias(_ id: Int, columns: Int, factor: Float) throws(EdgeError) -> ValueID? {
    try requireFloat(id)
    let dims = operands[id].shape.dims
    guard operands[id].isConstant, dims.last == columns, dims.dropLast().allSatisfy({ $0 == 1 }) else { return nil }
    return try form(id, [Int(truncatingIfNeeded: factor.bitPattern)], Shape([columns])) { (data) throws(EdgeError) -> TensorData in
      try OnnxConversion.scaled(data, by: factor)
    }
  }

  /// numpy's matmul.
  private func importMatMul() throws(EdgeError) {
    let a = try input(0)
    let b = try input(1)
    let left = operands[a].shape
    let right = operands[b].shape
    guard left.rank >= 1, right.rank >= 1 else { throw wrongShape("a factor is a single number", operand: left.rank < 1 ? a : b) }
    let name = resultName()
    if operands[b].dtype == .float32, right.rank == 2, left.rank >= 2, let inner = try dense(a, try floatTensor(a), b, isTransposed: false, factor: 1) {
      return try setResult(try emit(.dense(.none), inner, name))
    }
    try setResult(try product(try tensor(a), try tensor(b), name))
  }

  /// Vectors become matrices, and the added axis is taken out of the result.
  func product(_ a: ValueID, _ b: ValueID, _ name: Text) throws(EdgeError) -> ValueID {
    let (left, right) = (graph.values[a].shape, graph.values[b].shape)
    var (x, y) = (a, b)
    if left.rank == 1 { x = try emit(.reshape(Shape([1] + left.dims)), [x], helperName(name + ".row")) }
    if right.rank == 1 { y = try emit(.reshape(Shape(right.dims + [1])), [y], helperName(name + ".column")) }
    let isMatrix = left.rank > 1 && right.rank > 1
    var product = try emit(.matMul, [x, y], isMatrix ? name : helperName(name + ".matrix"))
    if !isMatrix {
      var dims = graph.values[product].shape.dims
      if right.rank == 1 { dims.removeLast() }
      if left.rank == 1, !dims.isEmpty { dims.remove(at: right.rank == 1 ? dims.count - 1 : dims.count - 2) }
      product = try emit(.reshape(Shape(dims)), [product], name)
    }
    return product
  }

  /// Determinants of small matrices, by cofactors of the first row.
  private func importDeterminant() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    guard shape.rank >= 2, shape[shape.rank - 2] == shape[shape.rank - 1] else { throw wrongShape("\(shape.text) is not square", operand: x) }
    let size = shape[shape.rank - 1]
    guard 1...4 ~= size else { throw reject("a matrix of \(size) rows; 1 to 4 are supported") }
    let outer = Array(shape.dims.dropLast(2))
    let cells = try reshaped(try floatTensor(x), outer + [size * size])
    func minor(_ row: Int, _ columns: [Int]) throws(EdgeError) -> ValueID {
      var sum: ValueID?
      for (place, column) in columns.enumerated() {
        let cell = row * size + column
        var term = try reshaped(try sliced(cells, axis: outer.count, from: cell, to: cell + 1), outer)
        if columns.count > 1 { term = try binary(.multiply, term, try minor(row + 1, columns.filter { $0 != column })) }
        sum = try joined(sum, term, place % 2 == 0 ? .add : .subtract)
      }
      return sum ?? cells
    }
    try setResult(try minor(0, Array(0..<size)))
  }
}
