#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What a model file holds. The graph is usable only when `unsupported` is empty.
public struct ImportedModel {
  public var graph: Graph
  /// Every operator, or combination of its attributes, that this build cannot run, in the file's order.
  public var unsupported: [UnsupportedOperator]

  /// Optimizes and validates a graph that is whole.
  init(_ imported: Graph, _ unsupported: [UnsupportedOperator]) throws(EdgeError) {
    (graph, self.unsupported) = (imported, unsupported)
    if !unsupported.isEmpty { return }
    graph = try imported.optimized()
    try graph.validate()
  }
}
