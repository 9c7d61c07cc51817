#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A tensor of the file while it is imported. It may exist as numbers the importer knows, as a constant of
/// the file, as a value of the graph in the file's layout, and as one with the channels last; each form is
/// made when it is first asked for.
final class OnnxOperand {
  var name: Text
  /// Index among the initializers, or -1.
  var initializer = -1
  /// An initializer itself, not another name of one.
  var isInitializer = false
  /// Constant inside a node's attribute.
  var attributeTensor: [OnnxTensor] = []
  /// Node of the file that computes it, or -1.
  var producer = -1
  /// How many node inputs read it.
  var uses = 0
  var isGraphOutput = false

  /// Elements, for small tensors of known numbers and of multiples of the batch size.
  var known: OnnxKnown?
  /// The value in the file's layout, or -1.
  var value = Node.noValue
  /// The value as [N, H, W, C] (images) or [N, 1, L, C] (signals), or -1.
  var channelsLast = Node.noValue
  /// The value as float16, bfloat16 or float64, when it is one at a border of the network; `value` is then cast from it.
  var border = Node.noValue
  var dtype = DType.float32
  var origin: OnnxOrigin?
  /// Integer contents, of a constant on either side of DequantizeLinear.
  var integers: OnnxIntegers?
  /// The graph's value is uint8 with a scale. `dtype` is the file's type: int8 stands in the graph as q + 128.
  var isQuantized = false
  /// An operator has taken the graph input as plain integers.
  var isRead = false
  /// In the file's layout.
  var shape = Shape([])
  var isDefined = false
  /// The elements, when this is a sequence of tensors rather than one.
  var sequence: [Int]?
  /// Depends on constants alone.
  var isConstant = false
  /// Result of an operator that is not supported.
  var isPoisoned = false

  init(name: Text) { self.name = name }

  /// What tells the tensor from others, whatever names it has; -1 until somebody asks. See `key`.
  var number = -1

  /// Is the other tensor from now on, under its own name.
  func take(_ other: OnnxOperand) {
    number = other.number
    initializer = other.initializer
    attributeTensor = other.attributeTensor
    known = other.known
    integers = other.integers
    sequence = other.sequence
    isQuantized = other.isQuantized
    value = other.value
    channelsLast = other.channelsLast
    border = other.border
    origin = other.origin
    dtype = other.dtype
    shape = other.shape
    isConstant = other.isConstant
    isDefined = other.isDefined
    isPoisoned = other.isPoisoned
  }

  func define(value: ValueID, dtype: DType, shape: Shape) {
    self.value = value
    self.dtype = dtype
    self.shape = shape
    isDefined = true
  }

  func define(_ known: OnnxKnown) {
    self.known = known
    dtype = known.dtype
    shape = Shape(known.dims)
    isConstant = !known.isCounted
    isDefined = true
  }

  /// A value of the file's own element type.
  func defineExact(_ value: ValueID, _ dtype: DType, shape: Shape) {
    define(value: dtype == dtype.computed ? value : Node.noValue, dtype: dtype.computed, shape: shape)
    if dtype != dtype.computed { border = value }
  }
}

extension OnnxImporter {
  // Inputs of the current node.

  /// The operand at an input, or nil when it is absent. Reads what is needed to know its type.
  func optionalInput(_ index: Int) throws(EdgeError) -> Int? {
    guard index < inputs.count, inputs[index] >= 0 else { return nil }
    try prepare(inputs[index])
    return inputs[index]
  }

  func input(_ index: Int) throws(EdgeError) -> Int {
    guard let id = try optionalInput(index) else { throw malformed("input \(index) is missing") }
    return id
  }

  /// Type and shape of an operand that may be an initializer not looked at so far.
  func prepare(_ id: Int) throws(EdgeError) {
    guard !operands[id].isDefined else { return }
    guard operands[id].initializer >= 0 else { throw malformed("input '\(operands[id].name)' has no contents", operand: id) }
    try prepareConstant(id, initializers[operands[id].initializer])
  }

  // Forms of an operand.

  /// The value in the file's layout.
  func tensor(_ id: Int) throws(EdgeError) -> ValueID {
    try prepare(id)
    if operands[id].value != Node.noValue { return operands[id].value }
    let operand = operands[id]
    if operand.sequence != nil { throw isSequence(id) }
    var value: ValueID
    if operand.channelsLast != Node.noValue {
      // Graph outputs carry the file's name, otherwise the image does.
      let name = operand.isGraphOutput ? operand.name : helperName(operand.name + ".nchw")
      if operand.shape.rank == 4 {
        value = try emit(.transpose([0, 3, 1, 2]), [operand.channelsLast], name)
      } else {
        let dims = operand.shape.dims
        let flat = try emit(.reshape(Shape([dims[0], dims[2], dims[1]])), [operand.channelsLast], helperName(operand.name + ".nlc"))
        value = try emit(.transpose([0, 2, 1]), [flat], name)
      }
    } else if let activation = try integerActivation(id, operand.shape.dims, Array(operand.shape.dims.indices)) {
      value = activation
    } else if let integers = operand.integers, integers.quantization == nil {
      value = try addConstant(constantName(id), integers.data, integers.dtype, operand.shape)
    } else if operand.integers != nil, let data = try floatConstant(id) {
      value = try addConstant(constantName(id), data, .float32, operand.shape)
    } else if let known = operand.known, known.isCounted {
      value = try assembled(known)
    } else if let known = operand.known {
      value = try addConstant(constantName(id), try known.data(), known.dtype, Shape(known.dims))
    } else if operand.border != Node.noValue, constantTensor(id) == nil {
      value = try emit(.cast(operand.dtype), [operand.border], helperName(operand.name + ".float32"))
    } else {
      value = try addConstant(constantName(id), try constantData(id), operand.dtype, operand.shape)
    }
    operands[id].value = value
    noteForm(id, isImage: false)
    return value
  }

  /// The element type of `exactTensor`.
  func exactType(_ x: Int) -> DType {
    operands[x].border == Node.noValue ? operands[x].dtype : graph.values[operands[x].border].dtype
  }

  /// The value in the file's own element type where the network has it so, else as it is computed on.
  func exactTensor(_ id: Int) throws(EdgeError) -> ValueID {
    operands[id].border == Node.noValue ? try tensor(id) : operands[id].border
  }

  /// By what a constant that is made of an operand is found again: `reading` tells how nodes read it. Those that read a tensor
  /// alike share what is made of it.
  func key(_ id: Int, _ reading: [Int]) -> Text { Shape([number(id)] + reading).text }

  private func number(_ id: Int) -> Int {
    if operands[id].number < 0 {
      operands[id].number = numberCount
      numberCount += 1
    }
    return operands[id].number
  }

  /// What stands inside a branch or a loop may be imported again, and is not shared.
  func keep(_ key: Text, _ result: Int) {
    if blockDepth == 0 { made.set(key, result) }
  }

  /// A float constant of another form than the file's; nil when it is computed by nodes of the graph.
  func form(
    _ id: Int, _ reading: [Int], _ shape: Shape, suffix: StaticString = "", _ change: (TensorData) throws(EdgeError) -> TensorData
  ) throws(EdgeError) -> ValueID? {
    let key = key(id, reading)
    if let known = made[key] { return known }
    guard let data = try floatConstant(id) else { return nil }
    let contents = try change(data)
    // A small file must not ask for one form after another.
    if operands[id].uses > 1 { try countFolded(contents.byteCount) }
    let name = suffix.utf8CodeUnitCount == 0 ? constantName(id) : helperName(operands[id].name + Text(suffix))
    let value = graph.addValue(Value(name: name, dtype: .float32, shape: shape, constant: contents))
    keep(key, value)
    return value
  }

  func addConstant(_ name: Text, _ data: TensorData, _ dtype: DType, _ shape: Shape) throws(EdgeError) -> ValueID {
    let value = graph.addValue(Value(name: name, dtype: dtype, shape: shape, constant: data))
    try checkSize(value)
    // Bodies are imported more than once.
    if nodeIndex >= model.nodes.count { try countFolded(data.byteCount) }
    return value
  }

  /// The value in the file's layout, of float32 elements: what every operator that computes needs.
  func floatTensor(_ id: Int) throws(EdgeError) -> ValueID {
    try requireFloat(id)
    return try tensor(id)
  }

  func requireFloat(_ id: Int) throws(EdgeError) {
    try prepare(id)
    if operands[id].dtype != .float32 {
      throw reject("input '\(operands[id].name)' has element type \(operands[id].dtype.name); only floating point is computed")
    }
  }

  /// The value as an image [N, H, W, C]; a tensor [N, C, L] becomes [N, 1, L, C].
  /// Quantized integers may be one too, for the operators that move data.
  func image(_ id: Int) throws(EdgeError) -> ValueID {
    try prepare(id)
    if !operands[id].isQuantized { try requireFloat(id) }
    if operands[id].channelsLast != Node.noValue { return operands[id].channelsLast }
    let shape = operands[id].shape
    let value = try tensor(id)
    let name = operands[id].name
    let image: ValueID
    switch shape.rank {
    case 4: image = try emit(.transpose([0, 2, 3, 1]), [value], helperName(name + ".nhwc"))
    case 3:
      let swapped = try emit(.transpose([0, 2, 1]), [value], helperName(name + ".nlc"))
      image = try emit(.reshape(Shape([shape[0], 1, shape[2], shape[1]])), [swapped], helperName(name + ".nhwc"))
    default: throw reject("input '\(name)' has \(shape.rank) dimensions; images with two and signals with one spatial dimension are supported")
    }
    operands[id].channelsLast = image
    noteForm(id, isImage: true)
    return image
  }

  /// Whether an operand exists with the channels last.
  func isImage(_ id: Int) -> Bool { operands[id].channelsLast != Node.noValue }

  /// Axis of an image for an axis of the file's tensor of rank 3 or 4.
  func imageAxis(_ axis: Int, rank: Int) -> Int {
    switch (rank, axis) {
    case (_, 0): return 0
    case (_, 1): return 3
    case (3, _): return 2
    default: return axis - 1
    }
  }

  // Results.

  /// Appends a node with one result.
  func emit(_ op: Operator, _ inputs: [ValueID], _ name: Text, as type: ElementType? = nil) throws(EdgeError) -> ValueID {
    let results = try emit(op, inputs, [name], as: type)
    guard let result = results.first else { throw EdgeError(.internalError, "a node without a result", node: nodeName) }
    return result
  }

  func emit(_ op: Operator, _ inputs: [ValueID], _ names: [Text], as type: ElementType? = nil) throws(EdgeError) -> [ValueID] {
    guard graph.nodes.count < limits.maximumNodes, graph.values.count < limits.maximumValues else {
      throw EdgeError(.limitExceeded, "the graph grows beyond \(limits.maximumNodes) nodes or \(limits.maximumValues) values", node: nodeName)
    }
    if case .gather(_, let indices, _) = op { try countMade(indices.count, of: 4) }
    let declared: [ElementType] = if let type { [type] } else { [] }
    let results = try graph.addNode(op, name: nodeName, inputs: inputs, outputNames: names, results: declared)
    for result in results { try checkSize(result) }
    try noteExtents(op)
    return results
  }

  func checkSize(_ value: ValueID) throws(EdgeError) {
    let shape = graph.values[value].shape
    guard let bytes = graph.values[value].byteCount(), bytes <= limits.maximumTensorBytes else {
      throw EdgeError(
        .limitExceeded, "shape \(shape.text) takes more than \(limits.maximumTensorBytes) bytes", node: nodeName, nodeIndex: nodeIndex,
        tensor: graph.values[value].name, byteOffset: node.byteOffset)
    }
    // A dimension of zero must not hide others that no arithmetic on positions is made for.
    for dim in shape.dims where dim > Int(Int32.max) {
      throw EdgeError(
        .limitExceeded, "shape \(shape.text) has a dimension of \(dim)", node: nodeName, nodeIndex: nodeIndex,
        tensor: graph.values[value].name, byteOffset: node.byteOffset)
    }
  }

  /// Name for a constant made from an operand: the operand's own the first time.
  func constantName(_ id: Int) -> Text {
    let name = operands[id].name
    guard helperNames[name] == nil else { return helperName(name) }
    helperNames.set(name, 1)
    return name
  }

  /// A name no other helper value has.
  func helperName(_ whole: Text) -> Text {
    let base = whole.extended(by: "")
    let count = helperNames[base] ?? 0
    helperNames.set(base, count + 1)
    let name = count == 0 ? base : "\(base).\(count)"
    return operandIDs[name] == nil ? name : name + "'"
  }

  /// Name for the value that a result is first made as.
  func resultName(_ output: Int = 0, image: Bool = false) -> Text {
    guard output < outputs.count, outputs[output] >= 0 else { return helperName(nodeName + ".unused") }
    let operand = operands[outputs[output]]
    return image && operand.isGraphOutput ? helperName(operand.name + ".nhwc") : operand.name
  }

  /// Whether the current node has a result at an index that somebody reads.
  func isUsed(output: Int) -> Bool {
    guard output < outputs.count, outputs[output] >= 0 else { return false }
    return operands[outputs[output]].uses > 0 || operands[outputs[output]].isGraphOutput
  }

  /// Whether the current node's first result leaves the network.
  var isGraphOutput: Bool {
    guard let id = outputs.first, id >= 0 else { return false }
    return operands[id].isGraphOutput
  }

  private func noteConstancy(_ id: Int, _ value: ValueID) throws(EdgeError) {
    guard dependsOnConstantsAlone else { return }
    operands[id].isConstant = true
    try countFolded(graph.values[value].byteCount() ?? 0)
  }

  func countFolded(_ bytes: Int) throws(EdgeError) {
    foldedBytes += bytes
    if foldedBytes > limits.maximumTensorBytes {
      throw EdgeError(.limitExceeded, "computed constants take more than \(limits.maximumTensorBytes) bytes", node: nodeName)
    }
  }

  /// The current node's result, in the file's layout.
  func setResult(_ value: ValueID, output: Int = 0) throws(EdgeError) {
    guard output < outputs.count, outputs[output] >= 0 else { return }
    let id = outputs[output]
    operands[id].define(value: value, dtype: graph.values[value].dtype, shape: graph.values[value].shape)
    operands[id].isQuantized = graph.values[value].quantization != nil
    try noteConstancy(id, value)
  }

  /// The current node's result in the file's own element type.
  func setExactResult(_ value: ValueID) throws(EdgeError) {
    guard let id = outputs.first, id >= 0 else { return }
    operands[id].defineExact(value, graph.values[value].dtype, shape: graph.values[value].shape)
    try noteConstancy(id, value)
  }

  /// The current node's result as an image [N, H, W, C] that stands for a tensor of rank 4 or 3.
  func setImageResult(_ value: ValueID, rank: Int, output: Int = 0) throws(EdgeError) {
    guard output < outputs.count, outputs[output] >= 0 else { return }
    let id = outputs[output]
    let dims = graph.values[value].shape.dims
    guard dims.count == 4 else { throw EdgeError(.internalError, "an image has \(dims.count) dimensions", node: nodeName) }
    let shape = rank == 4 ? Shape([dims[0], dims[3], dims[1], dims[2]]) : Shape([dims[0], dims[3], dims[2]])
    operands[id].define(value: Node.noValue, dtype: graph.values[value].dtype, shape: shape)
    operands[id].channelsLast = value
    operands[id].isQuantized = graph.values[value].quantization != nil
    try noteConstancy(id, value)
  }

  /// The current node's result is another tensor under a new name.
  func setAlias(_ source: Int, output: Int = 0) throws(EdgeError) {
    guard output < outputs.count, outputs[output] >= 0 else { return }
    try prepare(source)
    _ = number(source)
    operands[outputs[output]].take(operands[source])
  }

  /// The current node's result is known element by element.
  func setKnown(_ known: OnnxKnown, output: Int = 0) {
    guard output < outputs.count, outputs[output] >= 0 else { return }
    operands[outputs[output]].define(known)
  }
}
