#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A way to train a network so that it can be made small: what it changes in the graph of a step, and between steps.
///
/// Methods are applied in their order and can be combined: each finds the weights as the one before left them. What a class does
/// not override does nothing. Host functions are called by the thread that runs the step.
open class TrainingMethod {
  public init() {}

  /// Name for messages and checkpoints.
  open var name: Text { "method" }

  /// Changes the model itself, before it becomes a step and for good: the exported model has this too.
  open func prepare(_ graph: Graph, _ options: TrainerOptions) throws(EdgeError) -> Graph { graph }

  /// Before differentiation: puts functions of the parameters, and of activations, in their place.
  open func rewrite(_ step: TrainingGraph) throws(EdgeError) {}

  /// After differentiation: changes gradients.
  open func adjustGradients(_ step: TrainingGraph) throws(EdgeError) {}

  /// After the optimizer: changes the new values of parameters.
  open func adjustUpdates(_ step: TrainingGraph) throws(EdgeError) {}

  /// Before a step, counted from 0: may change the inputs that the trainer keeps (`keptToChange`), and allocates nothing.
  open func beforeStep(_ trainer: Trainer, _ step: Int) throws(EdgeError) {}
}
