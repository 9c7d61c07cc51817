#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// How a graph is quantized.
public struct QuantizerOptions {
  /// Weights have a scale for each output channel; false: one for the layer.
  public var perChannel = true
  /// Makes it an error when an operator would stay in float without being asked to.
  public var strict = false
  /// Nodes that stay in float: names, or beginnings of names followed by `*`.
  public var floatNames: [Text] = []
  /// Operator types that stay in float, such as "softmax"; case does not matter.
  public var floatTypes: [Text] = []
  /// Keeps the first layers with weights (those fed from the inputs with none in between) in float.
  public var keepsFirstFloat = false
  /// Keeps the last layers with weights in float.
  public var keepsLastFloat = false

  public init() {}

  /// Throws `invalidArgument` for a name that no node has.
  public func validate(for graph: Graph) throws(EdgeError) {
    for pattern in floatNames where !graph.nodes.contains(where: { QuantizerOptions.matches(pattern, $0.name) }) {
      throw EdgeError(.invalidArgument, "no operator to keep in float is named \(pattern)", node: pattern)
    }
  }

  /// The user asked for float, and how; nil when not.
  func requestedFloat(_ node: Node) -> Text? {
    if floatNames.contains(where: { QuantizerOptions.matches($0, node.name) }) { return "kept in float by name" }
    if floatTypes.contains(where: { QuantizerOptions.equalIgnoringCase($0, node.op.name) }) { return "kept in float by type" }
    return nil
  }

  static func matches(_ pattern: Text, _ name: Text) -> Bool {
    let pattern = Array(pattern.utf8)
    guard pattern.last == UInt8(ascii: "*") else { return pattern == Array(name.utf8) }
    return Array(name.utf8.prefix(pattern.count - 1)) == Array(pattern.dropLast())
  }

  static func equalIgnoringCase(_ a: Text, _ b: Text) -> Bool {
    func folded(_ text: Text) -> [UInt8] { text.utf8.map { $0 >= 65 && $0 <= 90 ? $0 + 32 : $0 } }
    return folded(a) == folded(b)
  }
}
