#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

/// Trained weight sharing (Han et al. 2016): weights of a layer that are equal stay equal, and learn as one: the gradient of a shared
/// value is the sum over its weights. Zeros stay zero. The model comes from `Graph.shared`, which forms the clusters, or from any
/// other method that leaves few values.
public final class SharedWeights: TrainingMethod {
  /// Layers with more different weights than this learn each weight for itself.
  public var most = 256

  public override var name: Text { "shared weights" }

  public override func rewrite(_ step: TrainingGraph) throws(EdgeError) {
    guard most >= 1, most <= 65536 else { throw EdgeError(.invalidArgument, "the number of shared values must be 1...65536") }
    for layer in step.weightLayers {
      let parameter = step.parameters[layer.weights]
      let weights = step.initialValues(layer.weights)
      var values = SharedWeights.different(weights, most: most)
      guard !values.isEmpty else { continue }
      if values.count == 1 {
        let another: Float = values[0] == 0 ? 1 : 0
        values.insert(another, at: SharedWeights.place(of: another, in: values))
      }
      var codes = [Int32](repeating: 0, count: weights.count)
      for (index, weight) in weights.enumerated() { codes[index] = Int32(SharedWeights.place(of: weight, in: values)) }
      let shared = try step.graph.addConstant(Text("\(parameter.name)/codes"), .int32, step.shape(parameter.master), codes)
      let isFree = try step.graph.addConstant(
        Text("\(parameter.name)/zero"), .float32, Shape([values.count]), values.map { $0 == 0 ? Float(0) : 1 })
      try step.become(parameter: layer.weights, Text("\(parameter.name)/values"), Shape([values.count]), values) { (master) throws(EdgeError) in
        let free = try step.binary(.multiply, master, isFree)
        return try step.append(.take(Indexing(.slices, axis: 0)), [free, shared], "shared")
      }
    }
  }

  /// The different numbers, ascending; empty when there are too many, or one is NaN.
  private static func different(_ weights: [Float], most: Int) -> [Float] {
    var values: [Float] = []
    for weight in weights {
      if weight != weight { return [] }
      let place = self.place(of: weight, in: values)
      if place < values.count, values[place] == weight { continue }
      if values.count == most { return [] }
      values.insert(weight, at: place)
    }
    return values
  }

  /// Of the first that is not less.
  private static func place(of weight: Float, in values: [Float]) -> Int {
    var (low, high) = (0, values.count)
    while low < high {
      let middle = (low + high) / 2
      if values[middle] < weight { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
