#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

/// Computes what layers read in place of parameters, between steps: the nodes of a step that lead from states and kept inputs to
/// effective values, as a graph of their own. So an exported weight has the bits that training multiplied with.
struct EffectiveWeights {
  private let graph: Graph
  /// States and kept inputs, by their place among the graph's inputs.
  private let states: [ValueID]
  private let kept: [ValueID]
  private let options: TrainerOptions

  init(_ step: TrainingGraph, _ options: TrainerOptions) throws(EdgeError) {
    self.options = options
    var graph = step.graph
    states = step.states.map { $0.input }
    kept = step.kept.map { $0.input }
    graph.inputs = states + kept
    graph.outputs = step.parameters.map { $0.effective }
    graph.states = []
    // Values that samples lead to are in no node left, or the plan says which.
    self.graph = graph.keepingWhatLeadsToOutputs().compacted()
  }

  /// One tensor for each parameter.
  func run(_ trainer: Trainer) throws(EdgeError) -> [TensorData] {
    var sessionOptions = SessionOptions()
    sessionOptions.threads = options.threads
    sessionOptions.isa = options.isa
    let owned = try OwnedSession.make(graph, sessionOptions)
    defer { withExtendedLifetime(owned) {} }
    let session = owned.session
    for (index, state) in states.enumerated() {
      guard let source = trainer.statePointer(state), let target = session.inputPointer(index) else { continue }
      target.copyMemory(from: source, byteCount: session.inputByteCount(index))
    }
    for (index, input) in kept.enumerated() {
      guard let source = trainer.keptPointer(input), let target = session.inputPointer(states.count + index) else { continue }
      target.copyMemory(from: source, byteCount: session.inputByteCount(states.count + index))
    }
    guard session.run() else { throw EdgeError(.cancelled, "the run was cancelled") }
    var results: [TensorData] = []
    for index in graph.outputs.indices {
      let bytes = session.outputByteCount(index)
      let storage = try Storage.allocate(bytes)
      if let source = session.outputPointer(index) {
        // A mask makes zeros of both signs; with one of them a coder has one symbol less, and no result changes.
        let (from, to) = (source.assumingMemoryBound(to: Float.self), storage.base.assumingMemoryBound(to: Float.self))
        var element = 0
        while element < bytes / 4 {
          to[element] = from[element] == 0 ? 0 : from[element]
          element &+= 1
        }
      }
      guard let data = TensorData(storage, offset: 0, byteCount: bytes) else { throw EdgeError(.internalError, "a size does not fit") }
      results.append(data)
    }
    return results
  }
}
