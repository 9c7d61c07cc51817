#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Tensors of the file as values of the graph: types, borders, results.

/// TensorType of the schema, as far as it is read.
enum TfliteType: Int {
  case float32 = 0, float16, int32, uint8, int64
  case bool = 6, int16
  case int8 = 9, float64
  case uint64 = 12
  case uint32 = 15, uint16

  /// Bytes of one element in the file.
  var byteCount: Int {
    switch self {
    case .uint8, .int8, .bool: return 1
    case .int16, .uint16, .float16: return 2
    case .float32, .int32, .uint32: return 4
    case .int64, .uint64, .float64: return 8
    }
  }

  /// Element type of a value that holds the same elements; float16 is computed in float32.
  var imported: DType {
    switch self {
    case .float32, .float16: return .float32
    case .int32: return .int32
    case .uint8: return .uint8
    case .int64: return .int64
    case .bool: return .bool
    case .int16: return .int16
    case .int8: return .int8
    case .float64: return .float64
    case .uint64: return .uint64
    case .uint32: return .uint32
    case .uint16: return .uint16
    }
  }
}

extension TfliteImporter {
  func fileType(_ tensor: Int) throws(EdgeError) -> TfliteType {
    guard let type = TfliteType(rawValue: model.tensors[tensor].type) else {
      throw reject("'\(model.tensors[tensor].name)' has element type \(model.tensors[tensor].type), which is not supported")
    }
    return type
  }

  /// The file's shape, with the symbolic batch in front where that is free.
  func fileShape(_ tensor: Int) -> Shape {
    let source = model.tensors[tensor]
    var dims = source.dims
    if freeBatch, source.isFirstFree, dims.first == 1 { dims[0] = Shape.batch }
    return Shape(dims)
  }

  /// Scales and zero points as the file gives them; nil when the tensor is not quantized.
  func fileQuantization(_ tensor: Int) throws(EdgeError) -> Quantization? {
    let source = model.tensors[tensor]
    guard let table = source.quantization else { return nil }
    func failure(_ message: Text) -> EdgeError {
      EdgeError(.malformedModel, message, tensor: source.name, byteOffset: table.position)
    }
    let scales = try table.vector(2, size: 4)
    guard scales.count > 0 else { return nil }
    guard try table.byte(4) == 0 else { throw reject("'\(source.name)' has a quantization of its own kind") }
    let zeroPoints = try table.vector(3, size: 8)
    guard zeroPoints.count <= 1 || zeroPoints.count == scales.count else {
      throw failure("\(scales.count) scales, but \(zeroPoints.count) zero points")
    }
    let axis = try table.int32(6)
    guard scales.count == 1 || axis >= 0 && axis < source.dims.count && source.dims[axis] == scales.count else {
      throw failure("\(scales.count) scales do not fit axis \(axis) of \(Shape(source.dims).text)")
    }
    try noteConverted(scales.count &* 8)
    var result = Quantization(scales: [], zeroPoints: [], axis: scales.count == 1 ? nil : axis)
    var index = 0
    while index < scales.count {
      let scale = try scales.float(index)
      guard scale.isFinite, scale > 0 else { throw failure("scale \(index) is not finite and positive") }
      let zeroPoint = zeroPoints.count == 0 ? 0 : try zeroPoints.int64(zeroPoints.count == 1 ? 0 : index)
      guard let zeroPoint = Int32(exactly: zeroPoint) else { throw failure("zero point \(index) is out of range") }
      result.scales.append(scale)
      result.zeroPoints.append(zeroPoint)
      index &+= 1
    }
    return result
  }

  /// The type a tensor has in the file, at the graph's borders.
  func borderType(_ tensor: Int) throws(EdgeError) -> ElementType {
    let type = try fileType(tensor)
    guard type == .int8 || type == .uint8 || type == .int16 else { return ElementType(type.imported) }
    guard let quantization = try fileQuantization(tensor) else { return ElementType(type.imported) }
    guard quantization.axis == nil else {
      throw reject("'\(model.tensors[tensor].name)' has scales along an axis, which only weights may")
    }
    let range: ClosedRange<Int32> = type == .int8 ? -128...127 : type == .uint8 ? 0...255 : 0...0
    guard range.contains(quantization.zeroPoints[0]) else {
      throw EdgeError(
        .malformedModel, "zero point \(quantization.zeroPoints[0]) is out of range", tensor: model.tensors[tensor].name,
        byteOffset: model.tensors[tensor].byteOffset)
    }
    return ElementType(type.imported, quantization)
  }

  /// The type a tensor has inside: int8 activations are uint8 there, with the zero point moved along.
  func innerType(_ tensor: Int) throws(EdgeError) -> ElementType {
    var type = try borderType(tensor)
    if type.dtype == .int8, let quantization = type.quantization {
      type = ElementType(.uint8, Quantization(scale: quantization.scales[0], zeroPoint: quantization.zeroPoints[0] &+ 128))
    }
    return type
  }

  // Borders.

  /// The file's name, or a new one where that is empty or another border's.
  private func borderName(_ name: Text, _ standard: Text, _ names: inout TextMap) -> Text {
    let free = name.isEmpty || names[name] != nil ? helperName(standard) : name
    names.set(free, 0)
    return free
  }

  func addGraphInputs() throws(EdgeError) {
    var names = TextMap()
    for (index, tensor) in model.graphs[0].inputs.enumerated() {
      let source = model.tensors[tensor]
      nodeIndex = -1
      guard !isMade[tensor] else { throw EdgeError(.invalidGraph, "the input is listed twice", tensor: source.name, byteOffset: source.byteOffset) }
      guard source.contents.isEmpty else {
        throw EdgeError(.invalidGraph, "the input is a constant", tensor: source.name, byteOffset: source.byteOffset)
      }
      isMade[tensor] = true
      let name = borderName(source.name, "input_\(index)", &names)
      let border: ElementType
      do throws(EdgeError) {
        border = try borderType(tensor)
      } catch {
        // An input that no operator could take: those that read it are the ones to report.
        guard error.status == .unsupportedOperator else { throw error }
        unsupported.append(UnsupportedOperator(node: source.name, nodeIndex: -1, type: "INPUT", reason: error.message))
        isPoisoned[tensor] = true
        continue
      }
      try checkCounts(name)
      let value = graph.addValue(
        Value(name: name, dtype: border.dtype, shape: fileShape(tensor), quantization: border.quantization))
      try checkSize(value)
      graph.inputs.append(value)
      let inner = try innerType(tensor)
      places[tensor] = inner == border ? value : try graph.addNode(
        .requantize, name: name, inputs: [value], outputNames: [helperName(name + "_uint8")], results: [inner])[0]
    }
  }

  func addGraphOutputs() throws(EdgeError) {
    var names = TextMap()
    var isListed: [Bool] = []
    for (index, tensor) in model.graphs[0].outputs.enumerated() {
      let source = model.tensors[tensor]
      guard isMade[tensor] || !source.contents.isEmpty || source.isVariable else {
        throw EdgeError(.invalidGraph, "nothing makes the output", tensor: source.name, byteOffset: source.byteOffset)
      }
      let name = borderName(source.name, "output_\(index)", &names)
      var inner = try value(tensor)
      let border = try borderType(tensor)
      // Results of the nodes made here are listed once; `value` may have added a constant.
      while isListed.count < graph.values.count { isListed.append(false) }
      if ElementType(graph.values[inner].dtype, graph.values[inner].quantization) != border {
        try checkCounts(name)
        inner = try graph.addNode(.requantize, name: name, inputs: [inner], outputNames: [name], results: [border])[0]
      } else if graph.values[inner].name != name || isListed[inner] {
        try checkCounts(name)
        inner = try graph.addNode(.reshape(shapeOf(inner)), name: name, inputs: [inner], outputNames: [name])[0]
      } else {
        isListed[inner] = true
      }
      graph.outputs.append(inner)
    }
  }

  // Results.

  func checkSize(_ value: ValueID) throws(EdgeError) {
    let shape = shapeOf(value)
    guard let bytes = graph.values[value].byteCount(), bytes <= limits.maximumTensorBytes else {
      throw EdgeError(
        .limitExceeded, "shape \(shape.text) takes more than \(limits.maximumTensorBytes) bytes", node: nodeName, nodeIndex: nodeIndex,
        tensor: graph.values[value].name, byteOffset: node.byteOffset)
    }
    if shape.dims.contains(0) {
      throw EdgeError(
        .shapeMismatch, "shape \(shape.text) has no elements", node: nodeName, nodeIndex: nodeIndex, tensor: graph.values[value].name,
        byteOffset: node.byteOffset)
    }
  }

  /// Room for one more node.
  func checkCounts(_ name: Text) throws(EdgeError) {
    guard graph.nodes.count < limits.maximumNodes, graph.values.count < limits.maximumValues else {
      throw EdgeError(.limitExceeded, "the graph grows beyond \(limits.maximumNodes) nodes or \(limits.maximumValues) values", node: name)
    }
  }

  /// Appends a node; quantized results of operators that compute are of type `declared`.
  func emit(_ op: Operator, _ inputs: [ValueID], _ names: [Text], declared: ElementType? = nil) throws(EdgeError) -> [ValueID] {
    try checkCounts(nodeName)
    let types = declared.map { $0.quantization == nil ? [] : [$0] } ?? []
    let results = try graph.addNode(op, name: nodeName, inputs: inputs, outputNames: names, results: types)
    for result in results { try checkSize(result) }
    return results
  }

  /// A node with one result that only the next nodes read.
  func helper(_ op: Operator, _ inputs: [ValueID], declared: ElementType? = nil) throws(EdgeError) -> ValueID {
    try emit(op, inputs, [helperName(nodeName)], declared: declared)[0]
  }

  /// A name no tensor of the file and no other helper has. Of a long name only the beginning: many helpers may be called after one.
  func helperName(_ whole: Text) -> Text {
    let base = whole.shortened(to: 64)
    var count = helperNames[base] ?? 0
    var name = base
    while helperNames[name] != nil {
      name = "\(base)_\(count)"
      count += 1
    }
    helperNames.set(base, count)
    helperNames.set(name, 1)
    return name
  }

  /// Name of the inner value of a result: the file's, unless the border's value will have that.
  func resultName(_ tensor: Int) throws(EdgeError) -> Text {
    let name = model.tensors[tensor].name
    guard isOutput[tensor], try innerType(tensor) != borderType(tensor) else { return name }
    return helperName(name + "_uint8")
  }

  /// The current node computes a result, followed by a clamp where the operator has none of its own.
  func compute(_ op: Operator, _ inputs: [ValueID], output index: Int = 0, then clamp: Clamp = .none) throws(EdgeError) {
    let tensor = try output(index)
    let type = try innerType(tensor)
    if isWide, type.quantization != nil { return try setResult(try helper(op, inputs), output: index, then: clamp) }
    let name = try resultName(tensor)
    if clamp.isNone {
      places[tensor] = try emit(op, inputs, [name], declared: type)[0]
    } else {
      let whole = try helper(op, inputs, declared: type)
      places[tensor] = try emit(.unary(UnaryFunction(.clamp, alpha: clamp.min, beta: clamp.max)), [whole], [name], declared: type)[0]
    }
  }

  /// The current node moves the data of a value; the result's scale may differ all the same.
  func move(_ op: Operator, _ inputs: [ValueID], output index: Int = 0, then clamp: Clamp = .none) throws(EdgeError) {
    let tensor = try output(index)
    guard graph.values[inputs[0]].quantization != (try innerType(tensor)).quantization || !clamp.isNone else {
      places[tensor] = try emit(op, inputs, [try resultName(tensor)])[0]
      return
    }
    try setResult(try helper(op, inputs), output: index, then: clamp)
  }

  /// Between 16-bit integers, or them and bytes, the way is by real numbers.
  private func isWideChange(_ value: ValueID, _ type: ElementType) -> Bool { type.dtype == .int16 || graph.values[value].dtype == .int16 }

  /// The current node's result is a value, in the result's type.
  func setResult(_ value: ValueID, output index: Int = 0, then clamp: Clamp = .none) throws(EdgeError) {
    let tensor = try output(index)
    let type = try innerType(tensor)
    if let quantization = type.quantization, graph.values[value].dtype == .float32 || isWideChange(value, type) {
      if graph.values[value].quantization == quantization { return places[tensor] = value }
      var real = hasScale(value) ? try helper(.dequantize, [value]) : value
      if !clamp.isNone { real = try helper(.unary(UnaryFunction(.clamp, alpha: clamp.min, beta: clamp.max)), [real]) }
      places[tensor] = try emit(.quantize, [real], [try resultName(tensor)], declared: type)[0]
    } else if !clamp.isNone {
      places[tensor] = try emit(
        .unary(UnaryFunction(.clamp, alpha: clamp.min, beta: clamp.max)), [value], [try resultName(tensor)], declared: type)[0]
    } else if graph.values[value].quantization != type.quantization {
      places[tensor] = try emit(.requantize, [value], [try resultName(tensor)], declared: type)[0]
    } else {
      places[tensor] = value
    }
  }
}
