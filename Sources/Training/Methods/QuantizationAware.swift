#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

/// Quantization-aware training (Jacob et al. 2018; Krishnamoorthi 2018): layers read weights rounded to a symmetric grid for each
/// output channel, and activations rounded to an affine 8-bit grid; float masters learn through the straight-through estimator.
///
/// The exported model has float weights on their grids: `Graph.quantized` finds 8-bit ones again, the file's coder those of fewer bits.
/// The ranges of activations that were learnt (`Trainer.range`) go to the calibration in place of those it finds.
public final class QuantizationAware: TrainingMethod {
  /// Bits of the weights of a layer, 2 to 8; 0 leaves them.
  public var bits = LayerNumbers(8)
  /// Bits of what layers read, 2 to 8; 0 leaves it.
  public var activationBits = 8
  /// The weights' step is learnt (Esser et al. 2020) instead of following from the largest weight.
  public var learnsStep = false
  /// Activations are not rounded before this step, so that their ranges have settled; at least 1.
  public var delay = 100
  /// Weight of the past in the ranges.
  public var momentum = 0.99
  /// Layers that a batch normalization alone reads round their weights as they will be folded: gamma w / sigma. See
  /// `QuantizationAware+Folding.swift`.
  public var foldsNormalization = true
  /// From this step on the running statistics normalize instead of the batch's.
  public var freeze = Int.max

  private var isOn = Node.noValue
  private var rate = Node.noValue
  var isFrozen = Node.noValue

  public override var name: Text { "quantization-aware training" }

  public override func rewrite(_ step: TrainingGraph) throws(EdgeError) {
    try bits.check(0, 8, "bits", step)
    guard activationBits == 0 || activationBits >= 2 && activationBits <= 8, delay >= 1, momentum >= 0, momentum < 1, freeze >= 0 else {
      throw EdgeError(.invalidArgument, "the options of quantization-aware training are out of range")
    }
    // First, so that a folded layer's second product reads them too.
    if activationBits > 0 { try roundActivations(step) }
    for layer in step.weightLayers {
      let width = bits.value(for: layer.name)
      if width == 0 { continue }
      guard width >= 2, width == width.rounded() else { throw EdgeError(.invalidArgument, "bits must be 2...8", node: layer.name) }
      // Weights that layers share can have one normalization in them only.
      var readers = 0
      for other in step.layers where other.weights == layer.weights { readers += 1 }
      if foldsNormalization, !learnsStep, readers == 1, try foldNormalization(step, layer, Int(width)) { continue }
      try roundWeights(step, layer, Int(width))
    }
  }

  private func roundWeights(_ step: TrainingGraph, _ layer: TrainingGraph.Layer, _ bits: Int) throws(EdgeError) {
    let w = step.parameters[layer.weights].effective
    guard learnsStep else {
      step.replaceWeights(layer, with: try step.rowsRounded(w, step.rowAxes(layer), bits: bits), straightThrough: false)
      return
    }
    let most = Float((1 << (bits - 1)) - 1)
    // Two bits have four values; from three on the grid is as far to both sides, as integer kernels want it.
    let least = bits == 2 ? -2 : -most
    let weights = step.initialValues(layer.weights)
    guard weights.count == layer.rows * layer.columns else {
      throw EdgeError(.invalidArgument, "a step cannot be learnt for shared weights", node: layer.name)
    }
    var sizes: [Float] = []
    for row in 0..<layer.rows {
      var sum: Float = 0
      for weight in weights[row * layer.columns..<(row + 1) * layer.columns] { sum += weight.magnitude }
      sizes.append(max(2 * sum / Float(max(layer.columns, 1)) / most.squareRoot(), 1e-6))
    }
    var shape = step.shape(w)
    for axis in step.rowAxes(layer) { shape[axis] = 1 }
    let parameter = try step.addParameter(Text("\(step.parameters[layer.weights].name)/step"), shape, sizes, decays: false)
    step.parameters[parameter].rate = 1 / (Float(layer.columns) * most).squareRoot()
    let size = try step.binary(.maximum, step.parameters[parameter].master, try step.scalar(1e-8))
    step.replaceWeights(layer, with: try step.rounded(w, step: size, least, most), straightThrough: false)
  }

  private func roundActivations(_ step: TrainingGraph) throws(EdgeError) {
    isOn = try step.addKeptScalar("quantization/on", 0)
    rate = try step.addKeptScalar("quantization/rate", 1)
    let levels = Float((1 << activationBits) - 1)
    for (x, layer) in step.layerInputs({ bits.value(for: $0.name) > 0 }) {
      let axes = Array(step.shape(x).dims.indices)
      var ranges: [ValueID] = []
      for (function, what) in [(ReduceFunction.min, Text("least")), (.max, Text("most"))] {
        let state = try step.addState(Text("\(step.layers[layer].node)/\(what)"), Shape([]), nil)
        let now = step.detach(try step.append(.reduce(function, axes: axes, keepDims: false), [x]))
        let change = try step.binary(.multiply, try step.binary(.subtract, now, state), rate)
        step.setState(state, to: try step.binary(.add, state, change))
        ranges.append(state)
      }
      step.ranges.append((step.layers[layer].name, ranges[0], ranges[1]))
      // x + on (q - x): q, or x before the delay.
      let q = try step.affinelyRounded(x, ranges[0], ranges[1], levels: levels)
      let difference = try step.binary(.multiply, try step.binary(.subtract, q, x), isOn)
      step.redirectLayers(x, to: try step.binary(.add, x, difference))
    }
  }

  public override func beforeStep(_ trainer: Trainer, _ step: Int) {
    if isFrozen != Node.noValue { trainer.keptToChange(isFrozen)?.storeBytes(of: step < freeze ? 0 : 1, as: Float.self) }
    guard isOn != Node.noValue else { return }
    trainer.keptToChange(isOn)?.storeBytes(of: step < delay ? 0 : 1, as: Float.self)
    // The mean of what was seen, until that is slower than the momentum.
    trainer.keptToChange(rate)?.storeBytes(of: Float(max(1 - momentum, 1 / Double(step + 1))), as: Float.self)
  }
}
