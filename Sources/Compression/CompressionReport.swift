#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What a compression did to every layer, or how far two models are apart.
public struct CompressionReport {
  /// A node of the original graph, and what became of it: its counterpart with the parts that methods made of it.
  public struct Layer {
    public var name: Text
    public var op: Text
    /// The result that was measured.
    public var tensor: Text
    /// What the counterpart computes in: the element type of its result.
    public var dtype: DType
    public var shape: Shape
    /// Bytes of the constants that the node reads, before, and that it and its parts read, after.
    public var bytesBefore: Int
    public var bytesAfter: Int
    /// Why it stayed in float, or "".
    public var reason: Text
    /// nil when it was not measured.
    public var error: ErrorMeter?
    /// Weights of a convolution or dense layer, and those of what became of it that are not zero (-0 is zero); 0 for other nodes.
    public var weights = 0
    public var kept = 0
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
    for (index, node) in reference.nodes.enumerated() {
      let result = node.outputs.first.map { reference.values[$0] }
      layers.append(
        Layer(
          name: node.name, op: node.op.name, tensor: result?.name ?? "", dtype: result?.dtype ?? .float32,
          shape: result?.shape ?? Shape([]), bytesBefore: CompressionReport.constantBytes(node, reference), bytesAfter: 0,
          reason: index < reasons.count ? reasons[index] : "", error: nil, weights: CompressionReport.weights(node, reference, isKept: false)))
    }
    for (node, origin) in zip(candidate.nodes, candidate.origins(in: reference)) {
      if node.op.isConversion { conversions += 1 }
      if origin < 0 { continue }
      layers[origin].bytesAfter += CompressionReport.constantBytes(node, candidate)
      layers[origin].kept += CompressionReport.weights(node, candidate, isKept: true)
      if node.name == layers[origin].name, let result = node.outputs.first { layers[origin].dtype = candidate.values[result].dtype }
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

  /// Weights of a convolution or dense layer, all or those that are not zero; 0 for other nodes and other types.
  private static func weights(_ node: Node, _ graph: Graph, isKept: Bool) -> Int {
    guard node.op.isLayer, let id = node.input(1), let data = graph.values[id].constant else { return 0 }
    let value = graph.values[id]
    guard value.dtype == .float32 || value.dtype == .int8 else { return 0 }
    let count = data.byteCount / value.dtype.byteCount
    if !isKept { return count }
    if value.dtype == .float32 { return nonZeroCount(data.array(of: Float.self)) }
    // Zero is where the zero point of the row is.
    let zeros = value.quantization?.zeroPoints ?? []
    let depth = max(count / max(value.shape.dims.first ?? 1, 1), 1)
    var kept = 0
    var index = 0
    while index < count {
      let zero = zeros.isEmpty ? 0 : zeros[zeros.count == 1 ? 0 : min(index / depth, zeros.count &- 1)]
      if Int32(data.base.load(fromByteOffset: index, as: Int8.self)) != zero { kept &+= 1 }
      index &+= 1
    }
    return kept
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
