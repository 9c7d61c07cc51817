#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

/// Training with 8-bit operands (Banner et al. 2018): layers read weights and activations rounded to 8 bits of their present range, and
/// the gradient that goes below a layer has 8 bits, rounded stochastically, while that of its weights uses the exact one (gradient
/// bifurcation). Masters are float32. The arithmetic is float on these grids: this shows what 8-bit hardware would learn, it does not
/// make a step faster.
public final class EightBit: TrainingMethod {
  /// Batch normalization divides by the range instead of the deviation (Range BN).
  public var usesRange = true

  /// Parts of the batch whose ranges are averaged.
  private static var chunks: Int { 16 }

  public override var name: Text { "8-bit training" }

  public override func rewrite(_ step: TrainingGraph) throws(EdgeError) {
    if usesRange { try normalizeByRange(step) }
    for layer in step.weightLayers {
      let w = step.parameters[layer.weights].effective
      let axes = Array(step.shape(w).dims.indices)
      let size = try step.binary(.multiply, try step.largestMagnitude(w, axes), try step.scalar(1 / 127))
      step.replaceWeights(layer, with: try step.rounded(w, step: size, -127, 127), straightThrough: true)
    }
    for (x, _) in step.layerInputs({ _ in true }) {
      let axes = Array(step.shape(x).dims.indices)
      let least = step.detach(try step.append(.reduce(.min, axes: axes, keepDims: false), [x]))
      let most = step.detach(try step.append(.reduce(.max, axes: axes, keepDims: false), [x]))
      step.redirectLayers(x, to: try step.affinelyRounded(x, least, most, levels: 255))
    }
    step.bifurcation = GradientBifurcation(seed: step.options.seed, number: step.number)
  }

  /// x^ = (x - mean) / (C range), with the mean range of 16 parts and C of a normal distribution, whose largest of n is about
  /// sqrt(2 ln n): the running variance becomes (C range)^2, so that the exported model divides by the same.
  private func normalizeByRange(_ step: TrainingGraph) throws(EdgeError) {
    for index in step.graph.nodes.indices {
      guard case .batchNormalization = step.graph.nodes[index].op, let statistics = step.graph.producer(of: step.graph.nodes[index].inputs[3])
      else { continue }
      guard case .batchStatistics = step.graph.nodes[statistics].op else { continue }
      let node = step.graph.nodes[index]
      let x = node.inputs[0]
      let channels = step.shape(x).dims.last ?? 1
      let rows = (step.shape(x).elementCount() ?? 0) / max(channels, 1)
      let chunks = rows % EightBit.chunks == 0 && rows > EightBit.chunks ? EightBit.chunks : 1
      let size = rows / chunks
      guard size > 1 else { throw EdgeError(.invalidArgument, "range normalization needs more rows", node: node.name) }
      let parts = try step.append(.reshape(Shape([chunks, size, channels])), [x], "range")
      let most = try step.append(.reduce(.max, axes: [1], keepDims: false), [parts], "range")
      let least = try step.append(.reduce(.min, axes: [1], keepDims: false), [parts], "range")
      let range = try step.append(.reduce(.mean, axes: [0], keepDims: false), [try step.binary(.subtract, most, least)], "range")
      let factor = RangeNormalization.factor(size)
      let deviation = try step.binary(.multiply, range, try step.scalar(factor))
      let variance = try step.binary(.multiply, deviation, deviation)
      let mean = try step.append(.reduce(.mean, axes: [0], keepDims: false), [try step.append(.reshape(Shape([rows, channels])), [x], "range")], "range")
      guard case .batchNormalization(let epsilon) = node.op else { continue }
      let inverse = try step.unary(.reciprocal, try step.unary(.sqrt, try step.binary(.add, variance, try step.scalar(epsilon))))
      let scaled = try step.binary(.multiply, try step.binary(.subtract, x, mean), try step.binary(.multiply, node.inputs[1], inverse))
      let y = try step.binary(.add, scaled, node.inputs[2])
      // Running statistics follow the new ones; the normalization is not read any more.
      step.redirect(step.graph.nodes[statistics].outputs[0], to: mean)
      step.redirect(step.graph.nodes[statistics].outputs[1], to: variance)
      step.redirect(node.outputs[0], to: y)
    }
  }
}

/// The constant of Range BN.
public enum RangeNormalization {
  /// What a range of n normal numbers is multiplied with to be about their deviation: 0.5402 / sqrt(2 ln n).
  public static func factor(_ n: Int) -> Float {
    Float(0.5402 / (2 * max(naturalLogarithm(Double(max(n, 1))), 1e-9)).squareRoot())
  }
}
