#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension Lowering {
  /// A result with elements that come from an operand without any: the neutral element of a reduction, the sum of no
  /// products. False when the operator needs no such care, or is then refused for its empty operand.
  func lowerFromNothing(_ node: Node) throws(EdgeError) -> Bool {
    let value: Float
    switch node.op {
    case .reduce(let function, _, _):
      switch function {
      case .sum, .l1, .l2, .sumSquare: value = 0
      case .product: value = 1
      case .max: value = -Float.infinity
      case .min: value = Float.infinity
      case .mean: value = Float.nan
      }
    case .matMul: value = 0
    default: return false
    }
    let y = node.outputs[0]
    guard dtype(y) == .float32, graph.values[y].quantization == nil else { return false }
    note = "of no elements"
    try emitCopy(
      StridedLoops(dims: [try count(y)], strides: [[0], [1]]), elementBytes: dtype(y).byteCount, from: try derived([value]),
      to: try result(y))
    return true
  }
}
