#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

/// A small graph of float32 matrix products, to be run again and again on the session's own memory: the large products of
/// compression are done by the kernels that run networks.
final class MatrixSession {
  private let owned: OwnedSession
  private var session: Session { owned.session }

  private init(_ owned: OwnedSession) { self.owned = owned }

  private static func make(_ graph: Graph, threads: Int) throws(EdgeError) -> MatrixSession {
    var options = SessionOptions()
    options.threads = threads
    return MatrixSession(try OwnedSession.make(graph, options))
  }

  /// Inputs x and y [groups, rows, columns]; results y^T y and x^T y, [groups, columns, columns].
  static func grams(groups: Int, rows: Int, columns: Int, threads: Int) throws(EdgeError) -> MatrixSession {
    var graph = Graph(name: "grams")
    let shape = Shape([groups, rows, columns])
    let x = graph.addValue(Value(name: "x", dtype: .float32, shape: shape))
    let y = graph.addValue(Value(name: "y", dtype: .float32, shape: shape))
    graph.inputs = [x, y]
    for (name, left) in [(Text("yy"), y), (Text("xy"), x)] {
      let transposed = try graph.addNode(.transpose([0, 2, 1]), name: name, inputs: [left], outputNames: [name + "t"])[0]
      graph.outputs += try graph.addNode(.matMul, name: name, inputs: [transposed, y], outputNames: [name])
    }
    return try make(graph, threads: threads)
  }

  /// Inputs a [groups, rows, inner] and b [groups, inner, columns]; result a b.
  static func product(groups: Int, rows: Int, inner: Int, columns: Int, threads: Int) throws(EdgeError) -> MatrixSession {
    var graph = Graph(name: "product")
    let a = graph.addValue(Value(name: "a", dtype: .float32, shape: Shape([groups, rows, inner])))
    let b = graph.addValue(Value(name: "b", dtype: .float32, shape: Shape([groups, inner, columns])))
    graph.inputs = [a, b]
    graph.outputs = try graph.addNode(.matMul, name: "ab", inputs: [a, b], outputNames: ["ab"])
    return try make(graph, threads: threads)
  }

  /// Memory of an input, which stays as it is between runs.
  func input(_ index: Int) throws(EdgeError) -> UnsafeMutablePointer<Float> {
    guard let pointer = session.inputPointer(index) else { throw EdgeError(.internalError, "a product has no input") }
    return pointer.assumingMemoryBound(to: Float.self)
  }

  /// A result of the last run.
  func output(_ index: Int) throws(EdgeError) -> UnsafePointer<Float> {
    guard let pointer = session.outputPointer(index) else { throw EdgeError(.internalError, "a product has no result") }
    return UnsafePointer(pointer.assumingMemoryBound(to: Float.self))
  }

  func run() throws(EdgeError) {
    guard session.run() else { throw EdgeError(.cancelled, "the run was cancelled") }
  }
}
