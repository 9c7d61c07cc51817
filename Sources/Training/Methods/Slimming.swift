#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Network slimming (Liu et al. 2017): a penalty lambda |gamma| on the factors of batch normalization, whose gradient is lambda
/// sign(gamma), drives those of channels that matter little to zero. Then `Graph.channelsPruned` by `scale`, of the model exported with
/// `isTrainable`, makes the narrow network, which another trainer tunes.
public final class Slimming: TrainingMethod {
  public var lambda = 1e-4

  public override var name: Text { "slimming" }

  public override func adjustGradients(_ step: TrainingGraph) throws(EdgeError) {
    guard lambda >= 0, Float(lambda).isFinite else { throw EdgeError(.invalidArgument, "lambda must be finite in float32 and not negative") }
    var found = false
    for node in step.graph.nodes {
      guard case .batchNormalization = node.op else { continue }
      for index in step.parameters.indices where step.parameters[index].effective == node.inputs[1] {
        found = true
        let pull = try step.binary(.multiply, try step.unary(.sign, step.parameters[index].effective), try step.scalar(Float(lambda)))
        step.parameters[index].gradient = try step.binary(.add, step.parameters[index].gradient, pull)
      }
    }
    guard found else { throw EdgeError(.invalidArgument, "slimming needs batch normalizations that learn") }
  }
}
