#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A convolution, transposed convolution or dense layer whose float32 weights are a constant: what pruning, sharing,
/// binarizing and factorizing work on.
public struct WeightLayer {
  /// Index of the node in its graph.
  public let node: Int
  public let name: Text
  public let weights: ValueID
  /// The weights are a matrix, row-major: a row for each output channel, a column for each weight of a channel (kernel
  /// height, kernel width, input channels of the group).
  public let rows: Int
  public let columns: Int
  /// Input channels are the innermost part of a row.
  public let channels: Int
  public let groups: Int

  public var count: Int { rows * columns }
  /// A kernel of one input channel for each output channel: few weights, on which much depends.
  public var isDepthwise: Bool { groups > 1 && channels == 1 }
}

extension Graph {
  /// In the order of the nodes; weights that several nodes read are listed with the first one.
  public var weightLayers: [WeightLayer] {
    var layers: [WeightLayer] = []
    var seen = [Bool](repeating: false, count: values.count)
    for (index, node) in nodes.enumerated() {
      var groups = 1
      switch node.op {
      case .convolution(let convolution): groups = convolution.groups
      case .transposedConvolution(let convolution): groups = convolution.groups
      case .dense: break
      default: continue
      }
      guard let weights = node.input(1), !seen[weights] else { continue }
      let value = values[weights]
      guard value.dtype == .float32, value.quantization == nil, value.constant != nil, let rows = value.shape.dims.first, rows > 0,
        let channels = value.shape.dims.last, let count = value.shape.elementCount(), count > 0
      else { continue }
      seen[weights] = true
      layers.append(
        WeightLayer(
          node: index, name: node.name, weights: weights, rows: rows, columns: count / rows, channels: channels, groups: groups))
    }
    return layers
  }

  /// Replaces the contents of float32 constant weights; as many elements as there are.
  mutating func setWeights(_ layer: WeightLayer, _ elements: [Float]) throws(EdgeError) {
    values[layer.weights].constant = try TensorData(elements)
  }

  /// The weights of a layer, row after row.
  func weights(_ layer: WeightLayer) -> [Float] { values[layer.weights].constant?.array(of: Float.self) ?? [] }
}
