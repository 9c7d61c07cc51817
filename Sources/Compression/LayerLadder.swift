#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Graphs that are equal but for the weights and biases of some layers: level 0 is the original, each later level is
/// compressed harder. A search takes each layer from the level that suits it, so it needs to know nothing of the method.
struct LayerLadder {
  let levels: [Graph]
  let layers: [WeightLayer]

  /// Throws `internalError` when a method changed more than weights and biases.
  init(_ levels: [Graph]) throws(EdgeError) {
    layers = levels[0].weightLayers
    self.levels = levels
    for level in levels {
      for layer in layers {
        guard level.nodes.count == levels[0].nodes.count, level.nodes[layer.node].name == layer.name else {
          throw EdgeError(.internalError, "a level of compression has other nodes than the model", node: layer.name)
        }
      }
    }
  }

  /// The weights of a layer at a level.
  func weights(_ layer: WeightLayer, _ level: Int) -> Value {
    let graph = levels[level]
    return graph.values[graph.nodes[layer.node].input(1) ?? layer.weights]
  }

  /// The model with each layer from the level of its choice.
  func graph(_ choice: [Int]) -> Graph {
    var result = levels[0]
    for (layer, level) in zip(layers, choice) where level > 0 { take(layer, from: level, into: &result) }
    return result.compacted()
  }

  /// The model with one layer from another level.
  func graph(layer: Int, level: Int) -> Graph {
    var result = levels[0]
    take(layers[layer], from: level, into: &result)
    return result.compacted()
  }

  func hasSameWeights(_ layer: WeightLayer, _ first: Int, _ second: Int) -> Bool {
    guard let a = weights(layer, first).constant, let b = weights(layer, second).constant else { return false }
    var offset = 0
    while offset < layer.count &* 4 {
      if a.base.loadUnaligned(fromByteOffset: offset, as: UInt32.self) != b.base.loadUnaligned(fromByteOffset: offset, as: UInt32.self) { return false }
      offset &+= 4
    }
    return true
  }

  /// A bias of its own for the layer: methods add one where there was none, and other layers may read the old one.
  private func take(_ layer: WeightLayer, from level: Int, into result: inout Graph) {
    result.values[layer.weights].constant = weights(layer, level).constant
    guard let bias = levels[level].nodes[layer.node].input(2) else { return }
    let own = result.addValue(levels[level].values[bias])
    if result.nodes[layer.node].inputs.count > 2 { result.nodes[layer.node].inputs[2] = own } else { result.nodes[layer.node].inputs.append(own) }
  }

  /// For each layer the level that costs least when noise costs so much: noise is a part of the outputs' power, and noises
  /// of layers add up, as independent errors do.
  ///
  /// `noise`, `cost`: of each layer at each level.
  static func choice(noise: [[Double]], cost: [[Double]], price: Double) -> [Int] {
    var choice: [Int] = []
    for layer in noise.indices {
      var best = 0
      for level in noise[layer].indices
      where cost[layer][level] + price * noise[layer][level] < cost[layer][best] + price * noise[layer][best] {
        best = level
      }
      choice.append(best)
    }
    return choice
  }
}
