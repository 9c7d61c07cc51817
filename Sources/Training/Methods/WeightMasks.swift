#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

/// Masks of weights: kept inputs of ones and zeros that parameters are multiplied with.
struct WeightMasks {
  struct Mask {
    /// Indices into the trainer's layers and parameters, and the kept input.
    let layer: Int
    let parameter: Int
    let mask: ValueID
    let isBias: Bool
  }

  private(set) var masks: [Mask] = []
  /// What `SmallestScores` counts with, so that a step allocates nothing.
  private var counters: Storage?

  /// Masks the weights of every layer for which `applies` says so, and with `biases` their biases.
  /// `straightThrough`: what is masked learns too.
  mutating func install(
    _ step: TrainingGraph, biases: Bool, straightThrough: Bool, _ applies: (TrainingGraph.Layer) -> Bool
  ) throws(EdgeError) {
    counters = try Storage.allocate(SmallestScores.counterCount &* MemoryLayout<Int>.size)
    for (index, layer) in step.layers.enumerated() where applies(layer) {
      try add(step, index, layer.weights, isBias: false, straightThrough)
      if biases, let bias = layer.bias { try add(step, index, bias, isBias: true, straightThrough) }
    }
  }

  private mutating func add(
    _ step: TrainingGraph, _ layer: Int, _ parameter: Int, isBias: Bool, _ straightThrough: Bool
  ) throws(EdgeError) {
    if masks.contains(where: { $0.parameter == parameter }) { return }
    let shape = step.shape(step.parameters[parameter].master)
    guard step.shape(step.parameters[parameter].effective) == shape else {
      throw EdgeError(
        .invalidArgument, "shared weights cannot be masked", node: step.layers[layer].name, tensor: step.parameters[parameter].name)
    }
    let ones = try TensorData([Float](repeating: 1, count: shape.elementCount() ?? 0))
    let mask = try step.addKept(Text("\(step.parameters[parameter].name)/mask"), .float32, shape, ones)
    let masked = try step.binary(.multiply, step.parameters[parameter].effective, mask)
    step.replace(parameter: parameter, with: masked, straightThrough: straightThrough)
    masks.append(Mask(layer: layer, parameter: parameter, mask: mask, isBias: isBias))
  }

  /// Values and mask of an entry between steps; `changes`: the mask is to be written to.
  static func pointers(
    _ trainer: Trainer, _ mask: Mask, changes: Bool = false
  ) -> (weights: UnsafeMutablePointer<Float>, mask: UnsafeMutablePointer<Float>, count: Int)? {
    guard let weights = trainer.parameterPointer(mask.parameter),
      let kept = changes ? trainer.keptToChange(mask.mask) : trainer.keptPointer(mask.mask)
    else { return nil }
    return (weights, kept.assumingMemoryBound(to: Float.self), trainer.elementCount(mask.mask))
  }

  /// The `count` smallest weights of some masks together. `staysMasked`: those that are masked count as the smallest.
  func smallest(_ trainer: Trainer, _ range: Range<Int>, count: Int, staysMasked: Bool) -> SmallestScores? {
    guard let counters else { return nil }
    return SmallestScores(count: count, counters.base.assumingMemoryBound(to: Int.self)) { take in
      for index in range {
        if let (weights, kept, count) = WeightMasks.pointers(trainer, masks[index]) { take(weights, staysMasked ? kept : nil, count) }
      }
    }
  }
}
