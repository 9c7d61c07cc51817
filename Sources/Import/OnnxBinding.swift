#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What the caller says about a graph input that the file leaves open.
public struct InputBinding {
  /// Empty for the next input, in the file's order, that is neither given by name nor a constant.
  public var name: Text
  /// The shape, or the value's. `Shape.batch` leaves the first dimension to the session.
  public var dims: [Int]
  /// Of the value.
  public var dtype: DType
  /// Contents that make the input a constant of the network: as many elements as the shape has.
  public var data: TensorData?

  public init(name: Text, dims: [Int], dtype: DType = .float32, data: TensorData? = nil) {
    self.name = name
    self.dims = dims
    self.dtype = dtype
    self.data = data
  }
}

/// A symbolic dimension of the file that has a size.
struct OnnxSymbol {
  var size: Int
  /// The input that gave it.
  var input: Text
}

// Binding specialises the file before anything is imported: shapes take the place of those in the file, wherever the
// same symbol stands, and values become initializers.

extension OnnxImporter {
  func bindInputs() throws(EdgeError) {
    if bindings.isEmpty { return }
    var places = TextMap()
    var isOpen = [Bool](repeating: true, count: model.inputs.count)
    for (index, input) in model.inputs.enumerated() { places.set(input.name, index) }
    // Those given by name first: the others are then counted off among what is left.
    for binding in bindings where !binding.name.isEmpty {
      guard let place = places[binding.name], isOpen[place] else {
        let isTwice = places[binding.name] != nil
        throw EdgeError(
          .invalidArgument, isTwice ? "input '\(binding.name)' is given twice" : "the model has no input '\(binding.name)'; it has \(inputNames)",
          tensor: binding.name)
      }
      isOpen[place] = false
      try bind(model.inputs[place], binding)
    }
    guard bindings.contains(where: { $0.name.isEmpty }) else { return }
    for tensor in model.initializers {
      if let place = places[tensor.name] { isOpen[place] = false }
    }
    var next = 0
    for binding in bindings where binding.name.isEmpty {
      while next < model.inputs.count, !isOpen[next] { next += 1 }
      guard next < model.inputs.count else {
        throw EdgeError(.invalidArgument, "more inputs are given than the model has; it has \(inputNames)")
      }
      try bind(model.inputs[next], binding)
      next += 1
    }
  }

  private func bind(_ input: OnnxValueInfo, _ binding: InputBinding) throws(EdgeError) {
    try bindShape(input, binding)
    if let data = binding.data {
      try bindValue(input, binding, data)
    } else if model.initializers.contains(where: { $0.name == input.name }) {
      throw bindingError(.invalidArgument, input, "is a constant of the file; only a value can take its place")
    }
  }

  /// "'a', 'b'", as many as a message has room for.
  private var inputNames: Text {
    var text: Text = model.inputs.isEmpty ? "none" : ""
    for (index, input) in model.inputs.enumerated() {
      if index == 8 {
        text += ", ..."
        break
      }
      text += index == 0 ? "'\(input.name)'" : ", '\(input.name)'"
    }
    return text
  }

  private func bindingError(_ status: Status, _ input: OnnxValueInfo, _ message: Text) -> EdgeError {
    EdgeError(status, "input '\(input.name)' \(message)", tensor: input.name, byteOffset: input.byteOffset)
  }

  private func bindShape(_ input: OnnxValueInfo, _ binding: InputBinding) throws(EdgeError) {
    guard binding.dims.count <= Shape.maximumRank else {
      throw bindingError(.invalidArgument, input, "is given \(binding.dims.count) dimensions; at most \(Shape.maximumRank) are possible")
    }
    if let dims = input.dims, dims.count != binding.dims.count {
      throw bindingError(.shapeMismatch, input, "has \(dims.count) dimensions; \(Shape(binding.dims).text) was given")
    }
    var result: [OnnxValueInfo.Dimension] = []
    for (axis, size) in binding.dims.enumerated() {
      let isBatch = size == Shape.batch && axis == 0 && binding.data == nil
      guard isBatch || size >= 0 else {
        throw bindingError(.invalidArgument, input, "is given the dimension \(size) at axis \(axis)")
      }
      guard size <= Int(Int32.max) else { throw bindingError(.limitExceeded, input, "is given the dimension \(size) at axis \(axis)") }
      if let dims = input.dims {
        switch dims[axis] {
        case .known(let fixed):
          guard fixed == size else {
            throw bindingError(
              .shapeMismatch, input, "has dimension \(fixed) at axis \(axis); \(Shape(binding.dims).text) was given")
          }
        case .symbolic(let name):
          if isBatch {
            result.append(dims[axis])
            continue
          }
          if !name.isEmpty { try bindSymbol(name, size, input) }
        }
      }
      result.append(isBatch ? .symbolic("") : .known(size))
    }
    input.dims = result
  }

  private func bindSymbol(_ name: Text, _ size: Int, _ input: OnnxValueInfo) throws(EdgeError) {
    if let place = symbolPlaces[name] {
      let other = symbols[place]
      if other.size == size { return }
      throw bindingError(
        .shapeMismatch, input, "makes dimension '\(name)' \(size); input '\(other.input)' makes it \(other.size)")
    }
    symbolPlaces.set(name, symbols.count)
    symbols.append(OnnxSymbol(size: size, input: input.name))
  }

  private func bindValue(_ input: OnnxValueInfo, _ binding: InputBinding, _ data: TensorData) throws(EdgeError) {
    guard let type = OnnxElementType(computed: input.elementType) else {
      throw bindingError(.unsupportedFeature, input, "\(OnnxElementType.problem(input.elementType))")
    }
    guard type.declared == binding.dtype else {
      throw bindingError(.dtypeMismatch, input, "is \(type.declared.name); the value given is \(binding.dtype.name)")
    }
    guard let count = Shape(binding.dims).elementCount(), count <= limits.maximumTensorBytes / type.byteCount else {
      throw bindingError(.limitExceeded, input, "takes more than \(limits.maximumTensorBytes) bytes")
    }
    guard data.byteCount == count * type.byteCount else {
      throw bindingError(
        .shapeMismatch, input, "needs \(count * type.byteCount) bytes for \(Shape(binding.dims).text); \(data.byteCount) were given")
    }
    let tensor = OnnxTensor()
    tensor.name = input.name
    tensor.dims = binding.dims
    tensor.elementType = input.elementType
    tensor.contents = data
    tensor.byteOffset = input.byteOffset
    // An input with a default is an initializer already.
    if let place = model.initializers.firstIndex(where: { $0.name == input.name }) {
      model.initializers[place] = tensor
    } else {
      model.initializers.append(tensor)
    }
  }

  /// Adds the inputs that are not constants to the graph. Reports every free dimension at once.
  func addGraphInputs() throws(EdgeError) {
    var free = Text()
    var freeCount = 0
    var firstFree = Text()
    for input in model.inputs {
      guard let id = operandIDs[input.name], operands[id].initializer < 0, operands[id].producer < 0, !operands[id].isDefined else { continue }
      guard let type = OnnxElementType(computed: input.elementType) else {
        throw EdgeError(
          input.elementType == 0 ? .malformedModel : .unsupportedFeature,
          "graph input '\(input.name)' \(OnnxElementType.problem(input.elementType))", tensor: input.name, byteOffset: input.byteOffset)
      }
      guard let shape = try inputShape(input, &free, &freeCount) else {
        if firstFree.isEmpty { firstFree = input.name }
        continue
      }
      let value = graph.addValue(Value(name: input.name, dtype: type.declared, shape: shape))
      try checkSize(value)
      graph.inputs.append(value)
      operands[id].defineExact(value, type.declared, shape: shape)
    }
    guard freeCount == 0 else {
      throw EdgeError(
        .freeShape, "the shapes of inputs are open: \(free). Give a shape for each, or export the model with fixed ones", tensor: firstFree)
    }
  }

  /// The shape of an input, or nil when it has free dimensions, which are then added to the text.
  private func inputShape(_ input: OnnxValueInfo, _ free: inout Text, _ freeCount: inout Int) throws(EdgeError) -> Shape? {
    func failure(_ status: Status, _ message: Text) -> EdgeError {
      EdgeError(status, "graph input '\(input.name)' \(message)", tensor: input.name, byteOffset: input.byteOffset)
    }
    var result: [Int] = []
    let found = freeCount
    func note(_ what: Text) {
      freeCount += 1
      if freeCount > 16 { return }
      free += freeCount == 16 ? ", ..." : freeCount == 1 ? what : ", \(what)"
    }
    guard let dims = input.dims else {
      note("'\(input.name)' has no shape at all")
      return nil
    }
    for (axis, dim) in dims.enumerated() {
      switch dim {
      case .known(let size):
        guard size >= 0 else { throw failure(.shapeMismatch, "has dimension \(size) at axis \(axis)") }
        guard size <= Int(Int32.max) else { throw failure(.limitExceeded, "has dimension \(size) at axis \(axis)") }
        result.append(size)
      case .symbolic(let name):
        if !name.isEmpty, let place = symbolPlaces[name] {
          result.append(symbols[place].size)
        } else if axis == 0 {
          result.append(Shape.batch)
        } else {
          note(name.isEmpty ? "axis \(axis) of '\(input.name)'" : "'\(name)' at axis \(axis) of '\(input.name)'")
        }
      }
    }
    return freeCount == found ? Shape(result) : nil
  }
}
