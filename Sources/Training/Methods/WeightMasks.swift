#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

/// Masks of weights: kept inputs of ones and zeros that parameters are multiplied with.
struct WeightMasks {
  struct Mask {
    let layer: Text
    /// Index into the trainer's parameters, and the kept input.
    let parameter: Int
    let mask: ValueID
    let isBias: Bool
  }

  private(set) var masks: [Mask] = []

  /// Masks the weights of every layer for which `applies` says so, and with `biases` their biases.
  /// `straightThrough`: what is masked learns too.
  mutating func install(
    _ step: TrainingGraph, biases: Bool, straightThrough: Bool, _ applies: (TrainingGraph.Layer) -> Bool
  ) throws(EdgeError) {
    for layer in step.layers where applies(layer) {
      try add(step, layer.name, layer.weights, isBias: false, straightThrough)
      if biases, let bias = layer.bias { try add(step, layer.name, bias, isBias: true, straightThrough) }
    }
  }

  private mutating func add(
    _ step: TrainingGraph, _ layer: Text, _ parameter: Int, isBias: Bool, _ straightThrough: Bool
  ) throws(EdgeError) {
    if masks.contains(where: { $0.parameter == parameter }) { return }
    let shape = step.shape(step.parameters[parameter].master)
    guard step.shape(step.parameters[parameter].effective) == shape else {
      throw EdgeError(.invalidArgument, "shared weights cannot be masked", node: layer, tensor: step.parameters[parameter].name)
    }
    let ones = try TensorData([Float](repeating: 1, count: shape.elementCount() ?? 0))
    let mask = try step.addKept(Text("\(step.parameters[parameter].name)/mask"), .float32, shape, ones)
    let masked = try step.binary(.multiply, step.parameters[parameter].effective, mask)
    step.replace(parameter: parameter, with: masked, straightThrough: straightThrough)
    masks.append(Mask(layer: layer, parameter: parameter, mask: mask, isBias: isBias))
  }

  /// Values and mask of an entry between steps.
  static func pointers(
    _ trainer: Trainer, _ mask: Mask
  ) -> (weights: UnsafeMutablePointer<Float>, mask: UnsafeMutablePointer<Float>, count: Int)? {
    guard let weights = trainer.parameterPointer(mask.parameter), let kept = trainer.keptPointer(mask.mask) else { return nil }
    return (weights, kept.assumingMemoryBound(to: Float.self), trainer.elementCount(mask.mask))
  }

  static func magnitudes(_ weights: UnsafePointer<Float>, _ count: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) { result, written in
      var index = 0
      while index < count {
        // NaN sorts as the largest: it is not what pruning should hide.
        let magnitude = weights[index].magnitude
        result[index] = magnitude == magnitude ? magnitude : .infinity
        index &+= 1
      }
      written = count
    }
  }
}
