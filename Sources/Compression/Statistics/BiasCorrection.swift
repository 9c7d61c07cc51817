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
    let node = nodes[layer.node]
    var bias = [Float](repeating: 0, count: layer.rows)
    if let id = node.input(2) {
      guard let data = values[id].constant, values[id].dtype == .float32, data.byteCount == layer.rows * 4 else { return }
      bias = data.array(of: Float.self)
    }
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
