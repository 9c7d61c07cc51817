#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

/// Training for the file's coder: the gradient of lambda log2(1 + |w| / width), summed over the weights, is added to the loss's. An adaptive coder spends
/// about as many bits on the multiple of a step that a weight is rounded to, so the penalty is bits, up to a constant; near zero it
/// is a strong |w|, for large weights it fades.
public final class EntropyPenalty: TrainingMethod {
  /// Loss for each bit.
  public var lambda = LayerNumbers(1e-6)
  /// Where the cost begins to fade, as a share of the root mean square of the layer's first weights.
  public var width = 0.5

  public override var name: Text { "entropy penalty" }

  public override func adjustGradients(_ step: TrainingGraph) throws(EdgeError) {
    try lambda.check(0, 1, "lambda", step)
    guard width > 0, width.isFinite else { throw EdgeError(.invalidArgument, "the width must be positive and finite") }
    for layer in step.weightLayers {
      let price = lambda.value(for: layer.name)
      if price == 0 { continue }
      let index = layer.weights
      var squares = 0.0
      let weights = step.initialValues(index)
      for weight in weights { squares += Double(weight) * Double(weight) }
      let spread = Float(width * (squares / Double(max(weights.count, 1))).squareRoot())
      guard spread > 0, spread.isFinite else { continue }
      // d/dw = lambda / ln 2 * sign(w) / (|w| + width)
      let w = step.parameters[index].effective
      let distance = try step.binary(.add, try step.unary(.abs, w), try step.scalar(spread))
      let pull = try step.binary(.divide, try step.binary(.multiply, try step.unary(.sign, w), try step.scalar(Float(price * 1.4426950408889634))), distance)
      step.parameters[index].gradient = try step.binary(.add, step.parameters[index].gradient, pull)
    }
  }
}
