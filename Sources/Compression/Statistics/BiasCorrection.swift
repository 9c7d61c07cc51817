#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension Graph {
  /// Adds to the bias of a layer by how much its mean result has changed with its weights, `before` and `after` [rows][columns], and
  /// with its input, as far as `parts` tell of it. A layer without bias gets one; a bias that is no constant stays as it is.
  /// `index`: of a graph with the same values. (Nagel et al. 2019, "Data-free quantization", 4.2)
  mutating func correctBias(
    _ layer: WeightLayer, _ parts: [InputStatistics], before: [Float], after: [Float], index: GraphIndex
  ) throws(EdgeError) {
    guard var bias = bias(layer) else { return }
    let rowsOfGroup = layer.rows / layer.groups
    for row in 0..<layer.rows {
      var error = 0.0
      for part in parts {
        let means = row / rowsOfGroup &* part.columns
        let (x, y) = (part.xMean.doubles + means, part.yMean.doubles + means)
        let start = row &* layer.columns &+ part.start
        before.withUnsafeBufferPointer { before in
          after.withUnsafeBufferPointer { after in
            var column = 0
            while column < part.columns {
              error += Double(before[start &+ column]) * x[column] - Double(after[start &+ column]) * y[column]
              column &+= 1
            }
          }
        }
      }
      bias[row] += Float(error)
    }
    try setBias(layer, bias, index: index)
  }

  /// The bias of a layer, zeros where it has none; nil for one that is no constant of so many float32 numbers.
  func bias(_ layer: WeightLayer) -> [Float]? {
    guard let id = nodes[layer.node].input(2) else { return [Float](repeating: 0, count: layer.rows) }
    guard let data = values[id].constant, values[id].dtype == .float32, data.byteCount == layer.rows * 4 else { return nil }
    return data.array(of: Float.self)
  }

  /// Gives a layer another bias, in place of its own; a new one where it has none, or where others read it too. `index`: of a graph with
  /// the same values.
  mutating func setBias(_ layer: WeightLayer, _ bias: [Float], index: GraphIndex) throws(EdgeError) {
    let node = nodes[layer.node]
    if let id = node.input(2), index.isUsedOnce(id) {
      values[id].constant = try TensorData(bias)
      return
    }
    var names = GraphNames(self)
    let id = try addConstant(names.values.insertApart(values[layer.weights].name.extended(by: "/bias")), .float32, Shape([layer.rows]), bias)
    var inputs = node.inputs
    while inputs.count < 3 { inputs.append(Node.noValue) }
    inputs[2] = id
    nodes[layer.node].inputs = inputs
  }
}
