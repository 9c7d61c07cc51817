#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Fake quantization: rounding to a grid in float, with the straight-through gradient (Jacob et al. 2018).
extension TrainingGraph {
  /// The axes of a layer's weights inside a row.
  func rowAxes(_ layer: Layer) -> [Int] { Array(1..<max(shape(parameters[layer.weights].master).rank, 1)) }

  /// round(clamp(x / step, low, high)) step. The gradient passes inside the range; that of the step is the learned step size's
  /// (Esser et al. 2020).
  func rounded(_ x: ValueID, step: ValueID, _ low: Float, _ high: Float) throws(EdgeError) -> ValueID {
    let levels = try unary(.round, try clamp(try binary(.divide, x, step), low, high))
    return try binary(.multiply, levels, step)
  }

  /// Each row on a symmetric grid as wide as its largest magnitude.
  func rowsRounded(_ x: ValueID, _ axes: [Int], bits: Int) throws(EdgeError) -> ValueID {
    let most = Float((1 << (bits - 1)) - 1)
    let size = detach(try binary(.multiply, try largestMagnitude(x, axes), try scalar(1 / most)))
    return try binary(.multiply, try unary(.round, try binary(.divide, x, size)), size)
  }

  /// Largest magnitude over axes, never 0.
  func largestMagnitude(_ x: ValueID, _ axes: [Int]) throws(EdgeError) -> ValueID {
    let largest = try append(.reduce(.max, axes: axes, keepDims: true), [try unary(.abs, x)])
    return try binary(.maximum, largest, try scalar(1e-12))
  }

  /// An affine grid of `levels` steps over [low, high], moved so that 0 is on it (Krishnamoorthi 2018). low and high are scalars.
  func affinelyRounded(_ x: ValueID, _ low: ValueID, _ high: ValueID, levels: Float) throws(EdgeError) -> ValueID {
    let zero = try scalar(0)
    let (least, most) = (try binary(.minimum, low, zero), try binary(.maximum, high, zero))
    let width = try binary(.maximum, try binary(.subtract, most, least), try scalar(1e-12))
    let step = detach(try binary(.multiply, width, try scalar(1 / levels)))
    let zeroPoint = detach(try unary(.round, try binary(.divide, try unary(.negate, least), step)))
    let moved = try clamp(try binary(.add, try binary(.divide, x, step), zeroPoint), 0, levels)
    return try binary(.multiply, try binary(.subtract, try unary(.round, moved), zeroPoint), step)
  }

  /// What layers read as their first operand, each once, with the number of the first layer that does.
  func layerInputs(_ applies: (Layer) -> Bool) -> [(value: ValueID, layer: Int)] {
    var found: [(value: ValueID, layer: Int)] = []
    for (index, layer) in layers.enumerated() where applies(layer) {
      guard let node = graph.nodes.firstIndex(where: { $0.name == layer.node }) else { continue }
      let value = graph.nodes[node].inputs[0]
      if graph.values[value].dtype == .float32, !found.contains(where: { $0.value == value }) { found.append((value, index)) }
    }
    return found
  }
}
