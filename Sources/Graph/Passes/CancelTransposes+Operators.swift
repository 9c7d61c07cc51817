extension TransposeSinking {
  /// Emits a node of the source, on stored orders where its operator allows that.
  func visit(_ node: Node, _ number: Int) throws(EdgeError) {
    switch node.op {
    case .transpose(let permutation):
      let x = lookUp(node.inputs[0])
      guard x.columns == nil else { return try keep(node) }
      store(node.outputs[0], x.base, order: x.order.followed(by: permutation))
    case .unary, .quantize, .requantize, .dequantize, .cast: try elementwise(node)
    case .binary: try binary(node)
    case .batchNormalization, .localResponseNormalization, .layerNormalization:
      let x = lookUp(node.inputs[0])
      guard let last = x.order.last, x.columns == nil, last == x.order.count - 1 else { return try keep(node) }
      var inputs = [x.base]
      for input in node.inputs.dropFirst() { inputs.append(try plain(input)) }
      try emit(node.op, node, inputs: inputs, order: x.order)
    case .dense(let clamp): try dense(node, clamp)
    case .reduce(let function, let axes, let keepDims): try reduce(node, function, axes, keepDims)
    case .softmax(let axis, let log):
      try onStored(node) { order in .softmax(axis: order[axis], log: log) }
    case .split(let axis, let sizes):
      try onStored(node) { order in .split(axis: order[axis], sizes: sizes) }
    case .slice(let starts, let ends, let steps):
      try onStored(node) { order in
        .slice(starts: starts.stored(order), ends: ends.stored(order), steps: steps.stored(order))
      }
    case .pad(let mode, let before, let after, let value):
      try onStored(node) { order in .pad(mode, before: before.stored(order), after: after.stored(order), value: value) }
    case .gather(let axis, let indices, let scalar) where !scalar:
      try onStored(node) { order in .gather(axis: order[axis], indices: indices, scalarIndex: false) }
    case .concat(let axis):
      let order = commonOrder(node.inputs)
      var inputs: [ValueID] = []
      for input in node.inputs { inputs.append(try stored(input, as: order)) }
      try emit(.concat(axis: order[axis]), node, inputs: inputs, order: order)
    case .expand(let target): try expand(node, target)
    case .reshape(let target): try reshape(node, target)
    case .when, .otherwise, .merge, .loop, .next: try control(node, number)
    default: try keep(node)
    }
  }

  /// The node as it is, on plain inputs.
  func keep(_ node: Node) throws(EdgeError) {
    for input in node.inputs where input != Node.noValue { rewriter.set(input, to: try plain(input)) }
    rewriter.copy(node)
  }

  /// An operator with one input that works in any order of axes once its attributes are permuted.
  private func onStored(_ node: Node, _ op: ([Int]) -> Operator) throws(EdgeError) {
    let x = lookUp(node.inputs[0])
    guard x.columns == nil else { return try keep(node) }
    try emit(op(x.order), node, inputs: [x.base], order: x.order)
  }

  private func elementwise(_ node: Node) throws(EdgeError) {
    let x = lookUp(node.inputs[0])
    let result = try rewriter.add(
      node.op, name: node.name, inputs: [x.base], outputNames: [source.values[node.outputs[0]].name],
      declared: source.declaredTypes(of: node))[0]
    store(node.outputs[0], StoredValue(base: result, order: x.order, columns: x.columns))
  }

  private func binary(_ node: Node) throws(EdgeError) {
    let rank = source.values[node.outputs[0]].shape.rank
    let full = node.inputs.filter { source.values[$0].shape.rank == rank }
    let moving = full.filter { source.values[$0].constant == nil }
    guard !full.isEmpty else { return try keep(node) }
    let order = commonOrder(moving.isEmpty ? full : moving)
    guard !order.isIdentity else { return try keep(node) }
    var inputs: [ValueID] = []
    for input in node.inputs {
      let shape = source.values[input].shape
      if source.values[input].constant != nil && shape.dims.allSatisfy({ $0 == 1 }) {
        inputs.append(try plain(input))  // one number fits every order
      } else if shape.rank == rank {
        inputs.append(try stored(input, as: order))
      } else {
        let ones = [Int](repeating: 1, count: rank - shape.rank)
        inputs.append(try transposed(try reshaped(try plain(input), to: Shape(ones + shape.dims)), by: order.inverse))
      }
    }
    try emit(node.op, node, inputs: inputs, order: order)
  }

  private func reduce(_ node: Node, _ function: ReduceFunction, _ axes: [Int], _ keepDims: Bool) throws(EdgeError) {
    let x = lookUp(node.inputs[0])
    guard x.columns == nil else { return try keep(node) }
    let storedAxes = ascending(axes.map { x.order[$0] })
    var order = x.order
    if !keepDims {
      // The axes that are left, renumbered.
      order = order.indices.filter { !axes.contains($0) }.map { axis in
        x.order[axis] - storedAxes.filter { $0 < x.order[axis] }.count
      }
    }
    try emit(.reduce(function, axes: storedAxes, keepDims: keepDims), node, inputs: [x.base], order: order)
  }

  private func expand(_ node: Node, _ target: Shape) throws(EdgeError) {
    let x = lookUp(node.inputs[0])
    guard x.columns == nil else { return try keep(node) }
    let extra = target.rank - x.order.count
    let order = Array(0..<extra) + x.order.map { $0 + extra }
    try emit(.expand(Shape(target.dims.stored(order))), node, inputs: [x.base], order: order)
  }

  private func dense(_ node: Node, _ clamp: Clamp) throws(EdgeError) {
    let x = lookUp(node.inputs[0])
    guard let columns = x.columns else {
      guard !x.order.isIdentity, x.order.last == x.order.count - 1, node.input(3) == nil else { return try keep(node) }
      var inputs = [x.base]
      for input in node.inputs.dropFirst() { inputs.append(try plain(input)) }
      return try emit(node.op, node, inputs: inputs, order: x.order)
    }
    let weights = source.values[node.inputs[1]]
    let logical = columns.permutation.map { columns.dims[$0] }
    var wide = weights
    wide.shape = Shape([weights.shape[0]] + logical)
    let order = [0] + columns.permutation.inverse.map { $0 + 1 }
    guard var permuted = try wide.permuted(order, name: weights.name.extended(by: "_permuted")) else { return try keep(node) }
    permuted.shape = weights.shape
    var inputs = [x.base, rewriter.add(permuted)]
    for input in node.inputs.dropFirst(2) { inputs.append(try plain(input)) }
    try emit(node.op, node, inputs: inputs, order: Array(0..<x.order.count))
  }
}

extension [Int] {
  /// Numbers given for each axis of a value, for the axes of its base: transpose(base, order) is the value.
  fileprivate func stored(_ order: [Int]) -> [Int] { order.inverse.map { self[$0] } }
}
