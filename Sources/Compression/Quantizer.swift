#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A quantized graph and what became of the nodes of the float one.
public struct QuantizationResult {
  public var graph: Graph
  /// For each node of the float graph: why it stayed in float, or "".
  public var reasons: [Text]
  /// What the user should know besides.
  public var warnings: [Text]
}

extension Graph {
  /// The graph with uint8 activations, int8 weights and int32 biases wherever integer kernels exist (Jacob et al.
  /// 2018; Krishnamoorthi 2018). Inputs and outputs stay as they are: `quantize` and `dequantize` nodes stand there and
  /// where float and integer nodes meet. Values keep their names; a converted copy's name ends in "_quantized" or
  /// "_dequantized" (of an integer result that is also a graph output, the float copy has the plain name).
  ///
  /// - Parameters:
  ///   - calibration: of this very graph, which has been optimized: batch normalizations folded, activations fused.
  /// - Throws: `unsupportedFeature` for a graph that is quantized already, `invalidArgument` for a name in the
  ///   options that no node has, `unsupportedOperator` with `strict`, `outOfMemory`.
  public func quantized(_ calibration: CalibrationResult, _ options: QuantizerOptions = QuantizerOptions()) throws(EdgeError)
    -> QuantizationResult
  {
    try options.validate(for: self)
    for value in values where value.quantization != nil {
      throw EdgeError(.unsupportedFeature, "the model is quantized already", tensor: value.name)
    }
    guard calibration.ranges.count == values.count, calibration.ignored.count == values.count, calibration.isKnown.count == values.count else {
      throw EdgeError(.invalidArgument, "the calibration belongs to another graph")
    }
    let quantizer = GraphQuantizer(self, try ControlFlow(self), calibration, options)
    return try quantizer.run()
  }
}

/// Rewrites a float graph node by node. Every value of it has up to two counterparts in the result, one float and
/// one integer; a missing one is made by a conversion when a node asks for it.
private final class GraphQuantizer {
  private let source: Graph
  private let flow: ControlFlow
  private let options: QuantizerOptions
  private let domains: DomainAssignment
  private let schemes: SchemeAssignment
  private var result: Graph
  private var reasons: [Text]
  private var warnings: [Text] = []
  private var floats: [ValueID]
  private var integers: [ValueID]
  private var requantized: [(source: ValueID, id: ValueID)] = []
  private var names: GraphNames

  init(_ source: Graph, _ flow: ControlFlow, _ calibration: CalibrationResult, _ options: QuantizerOptions) {
    self.source = source
    self.flow = flow
    self.options = options
    var ranges = calibration.ranges
    for (id, value) in source.values.enumerated() where value.constant != nil { ranges[id] = ValueRange.ofConstant(value) }
    let domains = DomainAssignment(source, flow: flow, ranges: ranges, ignored: calibration.ignored, options: options)
    self.domains = domains
    schemes = SchemeAssignment(source, ranges: ranges, isKnown: calibration.isKnown, isInteger: { domains.isInteger($0) })
    names = GraphNames(source)
    result = Graph(name: source.name)
    result.metadata = source.metadata
    reasons = [Text](repeating: "", count: source.nodes.count)
    floats = [ValueID](repeating: Node.noValue, count: source.values.count)
    integers = floats
    for (value, ignored) in calibration.ignored.enumerated() where ignored > 0 {
      warnings.append(Text("\(ignored) values of \(source.values[value].name) were not finite and did not count in calibration"))
    }
    for type in options.floatTypes where !source.nodes.contains(where: { QuantizerOptions.equalIgnoringCase(type, $0.op.name) }) {
      warnings.append(Text("no operator is of the type \(type) that was to stay in float"))
    }
  }

  func run() throws(EdgeError) -> QuantizationResult {
    for input in source.inputs {
      floats[input] = result.addValue(source.values[input])
      result.inputs.append(floats[input])
    }
    for (index, node) in source.nodes.enumerated() {
      try prepareControl(index)
      switch domains.domains[index] {
      case .integer:
        let failure = try addInteger(node)
        if let failure {
          try refuse(index, failure)
          try addFloat(node)
        }
      case .float(let reason):
        try refuse(index, reason)
        try addFloat(node)
      case .requested(let reason), .follows(let reason):
        reasons[index] = reason
        try addFloat(node)
      }
    }
    for output in source.outputs { result.outputs.append(try float(output)) }
    for state in source.states { result.states.append(state == Node.noValue ? state : try float(state)) }
    try result.validate()
    return QuantizationResult(graph: result, reasons: reasons, warnings: warnings)
  }

  /// Before a branch or loop begins, what it reads from outside becomes float: a conversion inside would not be
  /// there for others, and a loop would repeat it.
  private func prepareControl(_ index: Int) throws(EdgeError) {
    guard flow.markers[index] >= 0, flow.constructs[flow.markers[index]].begin == index else { return }
    for inner in index + 1...flow.constructs[flow.markers[index]].end {
      for input in source.nodes[inner].inputs where input != Node.noValue && integers[input] != Node.noValue { _ = try float(input) }
    }
  }

  private func refuse(_ index: Int, _ reason: Text) throws(EdgeError) {
    if options.strict {
      let node = source.nodes[index]
      throw EdgeError(.unsupportedOperator, "\(node.op.name) would stay in float: \(reason)", node: node.name, nodeIndex: index)
    }
    reasons[index] = reason
  }

  // MARK: Values

  private func apart(_ value: Text, _ ending: Text) -> Text { names.values.insertApart(value.extended(by: ending)) }

  private func addNode(_ op: Operator, _ name: Text, _ inputs: [ValueID], _ outputs: [ValueID]) {
    result.nodes.append(Node(name: name, op: op, inputs: inputs, outputs: outputs))
  }

  /// Adds a node that makes one value of another, named by its result.
  private func convert(_ op: Operator, _ ending: Text, _ input: ValueID, _ output: ValueID) {
    addNode(op, names.nodes.insertApart(result.values[output].name.extended(by: ending)), [input], [output])
  }

  /// The float counterpart of a value.
  private func float(_ value: ValueID) throws(EdgeError) -> ValueID {
    if floats[value] != Node.noValue { return floats[value] }
    let original = source.values[value]
    if original.constant != nil {
      floats[value] = result.addValue(original)
      return floats[value]
    }
    guard integers[value] != Node.noValue else {
      throw EdgeError(.invalidGraph, "a value is used before it is computed", tensor: original.name)
    }
    // A graph output keeps its name; its integer form was named differently.
    let name = source.outputs.contains(value) ? original.name : apart(original.name, "_dequantized")
    floats[value] = result.addValue(Value(name: name, dtype: .float32, shape: original.shape))
    convert(.dequantize, "_dequantize", integers[value], floats[value])
    return floats[value]
  }

  private func scheme(_ value: ValueID) throws(EdgeError) -> Quantization {
    guard let scheme = schemes.quantization(value) else {
      throw EdgeError(.internalError, "no range is known", tensor: source.values[value].name)
    }
    return scheme
  }

  /// The integer counterpart of a value, with the given parameters.
  private func integer(_ value: ValueID, as wanted: Quantization) throws(EdgeError) -> ValueID {
    let original = source.values[value]
    if let constant = original.constant { return try quantizedConstant(value, original, constant, wanted) }
    if integers[value] == Node.noValue {
      let input = try float(value)
      let name = apart(original.name, "_quantized")
      integers[value] = result.addValue(Value(name: name, dtype: .uint8, shape: original.shape, quantization: try scheme(value)))
      convert(.quantize, "_quantize", input, integers[value])
    }
    if result.values[integers[value]].quantization == wanted { return integers[value] }
    if let done = converted(value, wanted) { return done }
    let name = apart(original.name, "_requantized")
    let id = result.addValue(Value(name: name, dtype: .uint8, shape: original.shape, quantization: wanted))
    convert(.requantize, "_requantize", integers[value], id)
    requantized.append((value, id))
    return id
  }

  /// An earlier copy of a value with other parameters than its own.
  private func converted(_ value: ValueID, _ wanted: Quantization, _ dtype: DType = .uint8) -> ValueID? {
    for entry in requantized where entry.source == value {
      let made = result.values[entry.id]
      if made.dtype == dtype, made.quantization == wanted { return entry.id }
    }
    return nil
  }

  private func quantizedConstant(
    _ value: ValueID, _ original: Value, _ constant: TensorData, _ wanted: Quantization
  ) throws(EdgeError) -> ValueID {
    if let done = converted(value, wanted) { return done }
    let count = constant.byteCount / 4
    let storage = try Storage.allocate(count)
    let inverse = 1 / wanted.scales[0]
    for index in 0..<count {
      let element = constant.base.loadUnaligned(fromByteOffset: index &* 4, as: Float.self)
      storage.base.storeBytes(
        of: QuantizationParameters.quantized(element, inverse, wanted.zeroPoints[0]), toByteOffset: index, as: UInt8.self)
    }
    let name = apart(original.name, "_quantized")
    let data = TensorData(storage, offset: 0, byteCount: count)
    let id = result.addValue(Value(name: name, dtype: .uint8, shape: original.shape, quantization: wanted, constant: data))
    requantized.append((value, id))
    return id
  }

  // MARK: Nodes

  private func addFloat(_ node: Node) throws(EdgeError) {
    var inputs: [ValueID] = []
    for input in node.inputs { inputs.append(input == Node.noValue ? input : try float(input)) }
    for output in node.outputs { floats[output] = result.addValue(source.values[output]) }
    addNode(node.op, node.name, inputs, node.outputs.map { floats[$0] })
  }

  /// Adds a node in integers; the reason when that turns out to be impossible, with nothing added.
  private func addInteger(_ node: Node) throws(EdgeError) -> Text? {
    var inputs = node.inputs
    switch node.op {
    case .convolution, .transposedConvolution, .dense:
      guard let x = node.input(0) else { throw EdgeError(.invalidGraph, "an input is missing", node: node.name) }
      guard let weights = try quantizedWeights(node, inputScale: try scheme(x).scales[0]) else {
        return "its sums of products could overflow 32 bits"
      }
      inputs[0] = try integer(x, as: try scheme(x))
      try addWeights(weights, node, &inputs)
      if let residual = node.input(3) { inputs[3] = try integer(residual, as: try scheme(residual)) }
    case .layerNormalization:
      inputs[0] = try integer(inputs[0], as: try scheme(inputs[0]))
      for position in 1..<inputs.count where inputs[position] != Node.noValue { inputs[position] = try float(inputs[position]) }
    case .concat:
      let wanted = try scheme(node.outputs[0])
      for (position, input) in node.inputs.enumerated() { inputs[position] = try integer(input, as: wanted) }
    default:
      for (position, input) in node.inputs.enumerated() where input != Node.noValue {
        inputs[position] = try integer(input, as: try scheme(input))
      }
    }
    for output in node.outputs {
      var value = source.values[output]
      value.dtype = .uint8
      value.quantization = try scheme(output)
      if source.outputs.contains(output) { value.name = apart(value.name, "_quantized") }
      integers[output] = result.addValue(value)
    }
    addNode(node.op, node.name, inputs, node.outputs.map { integers[$0] })
    return nil
  }

  private func quantizedWeights(_ node: Node, inputScale: Float) throws(EdgeError) -> QuantizedWeights? {
    guard let id = node.input(1), let data = source.values[id].constant, let channels = source.values[id].shape.dims.first,
      channels > 0, let count = source.values[id].shape.elementCount(), data.byteCount / 4 >= count
    else { throw EdgeError(.invalidGraph, "weights are missing", node: node.name) }
    var bias: [Float]?
    if let id = node.input(2), let data = source.values[id].constant {
      let elements = data.array(of: Float.self)
      guard elements.count >= channels else { throw EdgeError(.invalidGraph, "the bias is too short", node: node.name) }
      bias = elements
    }
    return try QuantizedWeights(
      data, channels: channels, depth: count / channels, bias: bias, inputScale: inputScale, perChannel: options.perChannel)
  }

  private func addWeights(_ weights: QuantizedWeights, _ node: Node, _ inputs: inout [ValueID]) throws(EdgeError) {
    let id = node.inputs[1]
    let zeros = [Int32](repeating: 0, count: weights.scales.count)
    let wanted = Quantization(scales: weights.scales, zeroPoints: zeros, axis: options.perChannel ? 0 : nil)
    // Scales follow from the weights, but where a bias needs other ones: layers that share weights share these.
    if let known = converted(id, wanted, .int8) {
      inputs[1] = known
    } else {
      let original = source.values[id]
      inputs[1] = result.addValue(
        Value(name: apart(original.name, "_quantized"), dtype: .int8, shape: original.shape, quantization: wanted, constant: weights.weights))
      requantized.append((id, inputs[1]))
    }
    guard let bias = weights.bias, let biasID = node.input(2) else { return }
    let inputScale = result.values[inputs[0]].quantization?.scales[0] ?? 1
    let biasName = apart(source.values[biasID].name, "_quantized")
    inputs[2] = try result.addConstant(
      biasName, .int32, source.values[biasID].shape, bias,
      quantization: Quantization(
        scales: weights.scales.map { $0 * inputScale }, zeroPoints: zeros, axis: options.perChannel ? 0 : nil))
    if weights.widened > 0 {
      warnings.append(
        Text("\(node.name): the bias of \(weights.widened) channels did not fit 32 bits; their weights have a coarser scale instead"))
    }
  }
}
