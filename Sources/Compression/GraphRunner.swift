#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

/// Runs a graph one sample at a time and gives access to chosen values.
final class GraphRunner {
  private let graph: Graph
  private let owned: OwnedSession
  private var session: Session { owned.session }
  private let inputBytes: [Int]
  private let pointers: [UnsafeRawPointer?]

  private init(_ graph: Graph, _ owned: OwnedSession, observed: [ValueID]) {
    self.graph = graph
    self.owned = owned
    var bytes: [Int] = []
    for input in graph.callerInputs { bytes.append(graph.values[input].byteCount() ?? 0) }
    inputBytes = bytes
    var pointers = [UnsafeRawPointer?](repeating: nil, count: graph.values.count)
    for value in observed { pointers[value] = owned.session.pointer(of: value) }
    self.pointers = pointers
  }

  /// Throws what `Plan` throws, `outOfMemory`.
  static func make(_ graph: Graph, observed: [ValueID], threads: Int, isa: InstructionSet?) throws(EdgeError) -> GraphRunner {
    var options = SessionOptions()
    options.batch = 1
    options.threads = threads
    options.isa = isa
    options.observed = observed
    // No value is smaller than its shape in the graph says.
    options.maximumExtent = Int.max
    return GraphRunner(graph, try OwnedSession.make(graph, options), observed: observed)
  }

  /// Graph inputs and the results of nodes that every run computes once, in that order, each once.
  static func computedValues(_ graph: Graph) throws(EdgeError) -> [ValueID] {
    let flow = try ControlFlow(graph)
    var values = graph.inputs
    for (index, node) in graph.nodes.enumerated() where flow.blocks[index] == 0 {
      if case .loop = node.op { continue }
      values += node.outputs
    }
    return values
  }

  /// Runs sample number `sample` of buffers that hold samples one after another.
  func run(_ inputs: [UnsafeRawPointer], sample: Int, requiresFinite: Bool) throws(EdgeError) {
    guard inputs.count == inputBytes.count else {
      throw EdgeError(.shapeMismatch, "the model has \(inputBytes.count) inputs, \(inputs.count) are given")
    }
    for (index, input) in inputs.enumerated() {
      let value = graph.values[graph.inputs[index]]
      let (offset, overflow) = sample.multipliedReportingOverflow(by: inputBytes[index])
      guard !overflow, let target = session.inputPointer(index) else {
        throw EdgeError(.invalidArgument, "the samples are too large", tensor: value.name)
      }
      target.copyMemory(from: input + offset, byteCount: inputBytes[index])
      guard requiresFinite, value.dtype.isFloatingPoint else { continue }
      var place = 0
      while place < inputBytes[index] {
        guard value.dtype.real(target + place).isFinite else {
          let element = place / value.dtype.byteCount
          throw EdgeError(.invalidArgument, "element \(element) of sample \(sample) is not finite", tensor: value.name)
        }
        place &+= value.dtype.byteCount
      }
    }
    if session.run() { return }
    guard let step = session.exceededStep else { throw EdgeError(.cancelled, "the run was cancelled") }
    throw EdgeError(
      .limitExceeded, session.overflow(step) == nil ? "a loop has too many iterations" : "a dimension has more entries than its bound",
      node: owned.plan.steps[step].node, nodeIndex: owned.plan.steps[step].nodeIndex)
  }

  /// Contents of an observed value after a run.
  func pointer(of value: ValueID) -> UnsafeRawPointer? { pointers[value] }

  /// Contents of a graph output after a run.
  func outputPointer(_ index: Int) -> UnsafeRawPointer? { session.outputPointer(index).map { UnsafeRawPointer($0) } }
}
