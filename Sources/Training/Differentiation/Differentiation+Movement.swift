#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Operators that move elements: their gradients move them back.
extension Differentiation {
  func differentiateConcat(_ node: Node, _ axis: Int) throws(EdgeError) {
    let sizes = node.inputs.map { shape($0)[axis] }
    let parts = try appendAll(.split(axis: axis, sizes: sizes), [try gradient(node)], sizes.count)
    for (index, part) in parts.enumerated() {
      if let x = wants(node, index) { try contribute(part, to: x) }
    }
  }

  func differentiateSplit(_ node: Node, _ axis: Int) throws(EdgeError) {
    guard let x = wants(node, 0) else { return }
    var parts: [ValueID] = []
    for output in node.outputs.indices { parts.append(try gradient(node, output)) }
    try contribute(try append(.concat(axis: axis), parts), to: x)
  }

  func differentiateSlice(_ node: Node, _ starts: [Int], _ ends: [Int], _ steps: [Int]) throws(EdgeError) {
    guard let x = wants(node, 0) else { return }
    for step in steps where step != 1 { throw unsupported("the gradient is known for steps of 1") }
    let dims = shape(x).dims
    var after: [Int] = []
    for axis in dims.indices { after.append(dims[axis] - starts[axis] - shape(node.outputs[0])[axis]) }
    try contribute(try append(.pad(.constant, before: starts, after: after, value: 0), [try gradient(node)]), to: x)
  }

  func differentiatePad(_ node: Node, _ mode: PadMode, _ before: [Int]) throws(EdgeError) {
    guard let x = wants(node, 0) else { return }
    guard mode == .constant else { throw unsupported("the gradient is known for padding with a constant") }
    let dims = shape(x).dims
    var ends: [Int] = []
    for axis in dims.indices { ends.append(before[axis] + dims[axis]) }
    let steps = [Int](repeating: 1, count: dims.count)
    try contribute(try append(.slice(starts: before, ends: ends, steps: steps), [try gradient(node)]), to: x)
  }

  func differentiateTranspose(_ node: Node, _ order: [Int]) throws(EdgeError) {
    guard let x = wants(node, 0) else { return }
    var inverse = order
    for (position, axis) in order.enumerated() { inverse[axis] = position }
    try contribute(try append(.transpose(inverse), [try gradient(node)]), to: x)
  }

  func differentiateGather(_ node: Node, _ axis: Int, _ indices: [Int32], _ isScalar: Bool) throws(EdgeError) {
    guard let x = wants(node, 0) else { return }
    let places = try graph.addConstant(
      Text("gradient/indices/\(graph.values.count)"), .int32, Shape(isScalar ? [] : [indices.count]), indices)
    try putBack(Indexing(.slices, axis: axis), places, try gradient(node), to: x)
  }

  func differentiateTake(_ node: Node, _ indexing: Indexing) throws(EdgeError) {
    guard let x = wants(node, 0) else { return }
    try putBack(indexing, node.inputs[1], try gradient(node), to: x)
  }

  private func putBack(_ indexing: Indexing, _ indices: ValueID, _ g: ValueID, to x: ValueID) throws(EdgeError) {
    try contribute(try append(.put(indexing, .add), [try constant(0, shape(x)), indices, g]), to: x)
  }
}
