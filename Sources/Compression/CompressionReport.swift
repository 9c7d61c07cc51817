#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What a compression did to every layer, or how far two models are apart.
public struct CompressionReport {
  /// A node of the original graph and its counterpart.
  public struct Layer {
    public var name: Text
    public var op: Text
    /// The result that was measured.
    public var tensor: Text
    /// What the counterpart computes in: the element type of its result.
    public var dtype: DType
    public var shape: Shape
    /// Bytes of the constants the node reads, before and after.
    public var bytesBefore: Int
    public var bytesAfter: Int
    /// Why it stayed in float, or "".
    public var reason: Text
    /// nil when it was not measured.
    public var error: ErrorMeter?
  }

  public struct Output {
    public var name: Text
    public var error: ErrorMeter
    /// Samples for which both models rank the same element first; nil for outputs that are no vector.
    public var sameTop1: Int?
  }

  /// In the order of the original graph.
  public var layers: [Layer] = []
  public var outputs: [Output] = []
  /// Samples measured on.
  public var samples = 0
  /// Bytes of all constants.
  public var constantBytesBefore: Int
  public var constantBytesAfter: Int
  /// Bytes of the saved files; nil until somebody saved them.
  public var fileBytesBefore: Int?
  public var fileBytesAfter: Int?
  /// Nodes of the new graph that convert between element types or scales.
  public var conversions = 0
  public var warnings: [Text] = []
  /// The original and what became of it, where the report follows stages; and the nodes that their layers are.
  public var stages: [Stage] = []
  public var weightLayers: [Int] = []

  /// A report without measurements. `reasons` as in `QuantizationResult`; may be empty.
  public init(_ reference: Graph, _ candidate: Graph, reasons: [Text] = []) {
    constantBytesBefore = CompressionReport.constantBytes(reference)
    constantBytesAfter = CompressionReport.constantBytes(candidate)
    // Nodes of one name correspond in their order: the first that is left of a name, and after each node the next.
    var first = TextMap()
    var next = [Int](repeating: -1, count: candidate.nodes.count)
    for (index, node) in candidate.nodes.enumerated().reversed() {
      if node.op.isConversion {
        conversions += 1
      } else {
        next[index] = first[node.name] ?? -1
        first.set(node.name, index)
      }
    }
    for (index, node) in reference.nodes.enumerated() {
      var other: Node?
      if let counterpart = first[node.name], counterpart >= 0 {
        other = candidate.nodes[counterpart]
        first.set(node.name, next[counterpart])
      }
      let result = node.outputs.first.map { reference.values[$0] }
      let otherResult = other?.outputs.first.map { candidate.values[$0] }
      layers.append(
        Layer(
          name: node.name, op: node.op.name, tensor: result?.name ?? "", dtype: otherResult?.dtype ?? result?.dtype ?? .float32,
          shape: result?.shape ?? Shape([]), bytesBefore: CompressionReport.constantBytes(node, reference),
          bytesAfter: other.map { CompressionReport.constantBytes($0, candidate) } ?? 0,
          reason: index < reasons.count ? reasons[index] : "", error: nil))
    }
  }

  /// Layers that compute in integers.
  public var integerLayerCount: Int {
    var count = 0
    for layer in layers where layer.dtype == .uint8 || layer.dtype == .int8 { count += 1 }
    return count
  }

  /// Layers with a reason for staying in float.
  public var floatLayerCount: Int {
    var count = 0
    for layer in layers where !layer.reason.isEmpty { count += 1 }
    return count
  }

  /// Indices of the measured layers, the lowest SQNR first.
  public func worstFirst() -> [Int] {
    var order: [(sqnr: Double, index: Int)] = []
    for (index, layer) in layers.enumerated() {
      if let error = layer.error, error.count > 0 { order.append((error.sqnr, index)) }
    }
    return sortedIndices(order.count) { order[$0].sqnr < order[$1].sqnr }.map { order[$0].index }
  }

  private static func constantBytes(_ node: Node, _ graph: Graph) -> Int {
    var bytes = 0
    for input in node.inputs where input != Node.noValue { bytes += graph.values[input].constant?.byteCount ?? 0 }
    return bytes
  }

  /// Constants that some node reads or that are outputs, each once.
  private static func constantBytes(_ graph: Graph) -> Int {
    var isUsed = [Bool](repeating: false, count: graph.values.count)
    for node in graph.nodes {
      for input in node.inputs where input != Node.noValue { isUsed[input] = true }
    }
    for output in graph.outputs { isUsed[output] = true }
    var bytes = 0
    for (value, used) in zip(graph.values, isUsed) where used { bytes += value.constant?.byteCount ?? 0 }
    return bytes
  }
}

extension Operator {
  /// Only changes how numbers are represented.
  var isConversion: Bool {
    switch self {
    case .quantize, .dequantize, .requantize: return true
    default: return false
    }
  }
}
