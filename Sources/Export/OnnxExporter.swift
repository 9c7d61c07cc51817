#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The graph as an ONNX file, operator set 17 (20 where an operator needs it).
///
/// Quantized operators are float ones between DequantizeLinear and QuantizeLinear, as ONNX Runtime expects them.
/// Images are NHWC in the graph and NCHW in the file's operators: each value is written in the order in which it is
/// computed, and a Transpose stands only where a reader wants the other one. Borders keep names and shapes; other
/// tensors keep their names where those are unique.
///
/// - Throws: `unsupportedOperator`, for all operators at once that ONNX cannot express; `limitExceeded` beyond 2 GB;
///   `outOfMemory`.
public func exportOnnx(_ graph: Graph) throws(EdgeError) -> Storage {
  try graph.validate()
  return try OnnxExporter(graph).run()
}

/// The exporter's state. Each operator family adds its part in an extension.
///
/// A value has up to four tensors in the file: with the channels last, as in the graph, or first; as it is, or the
/// float32 numbers its integers stand for. Each is made when it is first asked for.
final class OnnxExporter {
  let graph: Graph
  let file = OnnxFile()
  let opset: Int
  /// Four names for each value, "" for none.
  private var forms: [Text]
  private var scales: [(scale: Text, zeroPoint: Text)]
  /// Weights of layers in the order of the file's operator, for each value, and in how many groups; those written last.
  var movedWeights: [Text]
  var movedGroups: [Int]
  /// Names that graph outputs keep, by value; and for a value whose channels-first form is one.
  private var borderNames: [Text]
  private var firstNames: [Text]
  /// The node being written.
  var node = Node(name: "", op: .quantize, inputs: [], outputs: [])

  /// Name that an input and an output share.
  private var clash = Text()

  init(_ graph: Graph) {
    self.graph = graph
    opset = OnnxExporter.opset(for: graph)
    forms = [Text](repeating: Text(), count: graph.values.count * 4)
    scales = [(scale: Text, zeroPoint: Text)](repeating: (Text(), Text()), count: graph.values.count)
    movedGroups = [Int](repeating: 0, count: graph.values.count)
    borderNames = [Text](repeating: Text(), count: graph.values.count)
    firstNames = borderNames
    movedWeights = borderNames
    for value in graph.inputs {
      let name = graph.values[value].name
      forms[value * 4] = file.uniqueTensor(name)
      file.addBorder(11, graph.values[value])
    }
    for value in graph.outputs {
      file.addBorder(12, graph.values[value])
      if graph.inputs.contains(value) { continue }
      let name = graph.values[value].name
      if file.uniqueTensor(name) != name { clash = name }
      borderNames[value] = name
    }
    // An output that is an image with its channels moved to the front: the image is computed as that.
    let index = GraphIndex(graph)
    for output in graph.outputs {
      guard let producer = index.producer(of: output), case .transpose(let order) = graph.nodes[producer].op else { continue }
      let source = graph.nodes[producer].inputs[0]
      if order == OnnxExporter.toFirst(order.count), index.producer(of: source) != nil, !index.isOutput[source], firstNames[source].isEmpty {
        firstNames[source] = graph.values[output].name
      }
    }
  }

  func run() throws(EdgeError) -> Storage {
    guard clash.isEmpty else { throw EdgeError(.unsupportedFeature, "an input and an output have the same name", tensor: clash) }
    var unsupported = Text()
    var count = 0
    var first = -1
    for (index, node) in graph.nodes.enumerated() {
      self.node = node
      do throws(EdgeError) {
        try write(node.op)
      } catch {
        guard error.status == .unsupportedOperator else { throw error }
        unsupported += Text(" \(node.op.name) ('\(node.name)'; \(error.message));")
        count += 1
        if first < 0 { first = index }
        // What reads its results must be checked too.
        for output in node.outputs { forms[output * 4] = file.uniqueTensor(graph.values[output].name) }
      }
    }
    if count > 0 {
      throw EdgeError(
        .unsupportedOperator, "ONNX has no form for \(count) operators:\(unsupported)", node: graph.nodes[first].name,
        nodeIndex: first)
    }
    for output in graph.outputs {
      let wanted = borderNames[output]
      let name = try name(output, first: false)
      if !wanted.isEmpty, name != wanted { file.addNode("Identity", wanted, [name], [wanted], []) }
    }
    return try file.finish(name: graph.name, opset: opset, metadata: graph.metadata)
  }

  func unsupported(_ reason: Text) -> EdgeError { EdgeError(.unsupportedOperator, reason) }

  // MARK: Layouts

  /// The permutation that puts the last axis behind the batch.
  static func toFirst(_ rank: Int) -> [Int] { rank < 3 ? Array(0..<rank) : [0, rank - 1] + Array(1..<(rank - 1)) }
  /// Its inverse.
  static func toLast(_ rank: Int) -> [Int] { rank < 3 ? Array(0..<rank) : [0] + Array(2..<rank) + [1] }

  func shape(_ value: ValueID) -> Shape { graph.values[value].shape }

  /// An axis of a value in one of its layouts.
  func axis(_ axis: Int, of value: ValueID, first: Bool) -> Int {
    let rank = shape(value).rank
    if !first || rank < 3 || axis == 0 { return axis }
    return axis == rank - 1 ? 1 : axis + 1
  }

  /// Numbers given for each axis, in a layout.
  func ordered(_ numbers: [Int], first: Bool) -> [Int] {
    first ? OnnxExporter.toFirst(numbers.count).map { numbers[$0] } : numbers
  }

  private func slot(_ value: ValueID, _ first: Bool, _ float: Bool) -> Int {
    value * 4 + (first && shape(value).rank >= 3 ? 1 : 0) + (float && graph.values[value].quantization != nil ? 2 : 0)
  }

  /// Whether a value is there with its channels first only.
  func isFirst(_ value: ValueID) -> Bool {
    let base = value * 4
    return forms[base].isEmpty && forms[base + 2].isEmpty && !(forms[base + 1].isEmpty && forms[base + 3].isEmpty)
  }

  func define(_ value: ValueID, first: Bool, float: Bool = false, _ name: Text) { forms[slot(value, first, float)] = name }

  /// The tensor of a value in a layout; `float`: the numbers, not the integers.
  func name(_ value: ValueID, first: Bool, float: Bool = false) throws(EdgeError) -> Text {
    let place = slot(value, first, float)
    if !forms[place].isEmpty { return forms[place] }
    let (isFloat, isMoved) = (place & 2 != 0, place & 1 != 0)
    let content = graph.values[value]
    let result: Text
    if isFloat {
      let integers = try name(value, first: first)
      result = file.uniqueTensor(content.name + ".dequantized")
      try dequantize(content, integers, value, first: isMoved, result)
    } else if content.constant != nil {
      let order = isMoved ? OnnxExporter.toFirst(content.shape.rank) : nil
      result = try constant(content, order, content.name)
    } else {
      let other = forms[place ^ 1]
      guard !other.isEmpty else { throw EdgeError(.internalError, "a value is written before it is computed", tensor: content.name) }
      let rank = content.shape.rank
      result = isMoved ? file.uniqueTensor(content.name + ".nchw") : resultName(value, first: false)
      let order = isMoved ? OnnxExporter.toFirst(rank) : OnnxExporter.toLast(rank)
      file.addNode("Transpose", result, [other], [result], [("perm", .integers(order))])
    }
    forms[place] = result
    return result
  }

  /// Name for a value in the layout in which a node computes it.
  func resultName(_ value: ValueID, first: Bool) -> Text {
    let isMoved = first && shape(value).rank >= 3
    if isMoved, !firstNames[value].isEmpty { return firstNames[value] }
    if !borderNames[value].isEmpty {
      return isMoved ? file.uniqueTensor(graph.values[value].name + ".nchw") : borderNames[value]
    }
    return file.uniqueTensor(graph.values[value].name)
  }

  func partName(_ suffix: StaticString) -> Text {
    file.uniqueTensor("\(graph.values[node.outputs[0]].name).\(suffix)")
  }

  // MARK: Constants

  /// A constant with its axes in another order.
  func constant(_ value: Value, _ order: [Int]?, _ wanted: Text) throws(EdgeError) -> Text {
    var value = value
    if let order, !order.isEmpty, let moved = try value.permuted(order, name: value.name) { value = moved }
    guard let data = value.constant else { throw EdgeError(.internalError, "a constant has no contents", tensor: value.name) }
    let name = file.uniqueTensor(wanted)
    file.addConstant(name, value.dtype, value.shape, data)
    return name
  }

  func integers(_ numbers: [Int], _ suffix: StaticString, scalar: Bool = false) throws(EdgeError) -> Text {
    let name = partName(suffix)
    file.addConstant(name, .int64, Shape(scalar ? [] : [numbers.count]), try TensorData(numbers.map { Int64($0) }))
    return name
  }

  func number(_ value: Float, _ suffix: StaticString) throws(EdgeError) -> Text {
    let name = partName(suffix)
    file.addConstant(name, .float32, Shape([]), try TensorData([value]))
    return name
  }

  // MARK: Quantization

  /// Constants with a value's scales and zero points.
  func scaleNames(_ id: ValueID) throws(EdgeError) -> [Text] {
    let value = graph.values[id]
    if scales[id].scale.isEmpty, let quantization = value.quantization {
      scales[id] = try addScales(quantization, value.dtype, value.name)
    }
    return [scales[id].scale, scales[id].zeroPoint]
  }

  private func addScales(_ quantization: Quantization, _ dtype: DType, _ name: Text) throws(EdgeError) -> (scale: Text, zeroPoint: Text) {
    let scale = file.uniqueTensor(name + ".scale")
    let zero = file.uniqueTensor(name + ".zero_point")
    let shape = Shape(quantization.axis == nil ? [] : [quantization.scales.count])
    file.addConstant(scale, .float32, shape, try TensorData(quantization.scales))
    let zeros = quantization.zeroPoints
    switch dtype {
    case .uint8, .int8: file.addConstant(zero, dtype, shape, try TensorData(zeros.map { UInt8(truncatingIfNeeded: $0) }))
    case .int16: file.addConstant(zero, dtype, shape, try TensorData(zeros.map { Int16(truncatingIfNeeded: $0) }))
    default: file.addConstant(zero, dtype, shape, try TensorData(zeros))
    }
    return (scale, zero)
  }

  private func dequantize(_ value: Value, _ integers: Text, _ id: ValueID, first: Bool, _ result: Text) throws(EdgeError) {
    guard value.dtype != .int16 else { throw unsupported("'\(value.name)' is quantized to int16") }
    var attributes: [(name: StaticString, value: OnnxValue)] = []
    if let axis = value.quantization?.axis { attributes.append(("axis", .integer(self.axis(axis, of: id, first: first)))) }
    file.addNode("DequantizeLinear", result, [integers] + (try scaleNames(id)), [result], attributes)
  }

  /// A constant whose form in the file is not one of the four, as float numbers.
  func dequantizedConstant(_ value: Value, _ wanted: Text) throws(EdgeError) -> Text {
    guard let quantization = value.quantization else { return try constant(value, nil, wanted) }
    let integers = try constant(value, nil, wanted)
    let names = try addScales(quantization, value.dtype, wanted)
    let result = file.uniqueTensor(wanted + ".dequantized")
    var attributes: [(name: StaticString, value: OnnxValue)] = []
    if let axis = quantization.axis { attributes.append(("axis", .integer(axis))) }
    file.addNode("DequantizeLinear", result, [integers, names.scale, names.zeroPoint], [result], attributes)
    return result
  }

  // MARK: Nodes

  /// Appends the current node's operator on float numbers, with what its result goes through: a residual that is
  /// added, a clamp, and the result's quantization.
  func add(
    _ type: StaticString, _ inputs: [Text], first: Bool, residual: Text? = nil, clamp: Clamp = .none,
    _ attributes: [(name: StaticString, value: OnnxValue)] = []
  ) throws(EdgeError) {
    let y = node.outputs[0]
    let isQuantized = graph.values[y].quantization != nil
    var rest = (residual == nil ? 0 : 1) + (clamp.isNone ? 0 : 1) + (isQuantized ? 1 : 0)
    func next() -> Text {
      rest -= 1
      return rest < 0 ? resultName(y, first: first) : partName("float")
    }
    var current = next()
    file.addNode(type, node.name, inputs, [current], attributes)
    if let residual {
      let sum = next()
      file.addNode("Add", sum, [current, residual], [sum], [])
      current = sum
    }
    if !clamp.isNone {
      let clipped = next()
      let (type, limits) = try clip(clamp)
      file.addNode(type, clipped, [current] + limits, [clipped], [])
      current = clipped
    }
    if isQuantized {
      let result = next()
      try quantize(current, y, result)
      current = result
    }
    define(y, first: first, current)
  }

  /// Relu, or Clip with its limits.
  func clip(_ clamp: Clamp) throws(EdgeError) -> (StaticString, [Text]) {
    if clamp.min == 0, clamp.max == .infinity { return ("Relu", []) }
    var limits = [clamp.min == -.infinity ? "" : try number(clamp.min, "min")]
    if clamp.max != .infinity { limits.append(try number(clamp.max, "max")) }
    return ("Clip", limits)
  }

  func quantize(_ x: Text, _ y: ValueID, _ result: Text) throws(EdgeError) {
    guard graph.values[y].dtype != .int16 else { throw unsupported("'\(graph.values[y].name)' is quantized to int16") }
    file.addNode("QuantizeLinear", result, [x] + (try scaleNames(y)), [result], [])
  }
}
