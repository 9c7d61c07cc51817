extension Graph {
  /// Checks everything the rest of the library relies on: identifiers, order, single makers, names, operators
  /// with their attributes, element types and shapes, constants and quantization. Any graph may be given;
  /// nothing here traps.
  ///
  /// - Throws: `invalidGraph`, `shapeMismatch` or `dtypeMismatch`, naming node and tensor where there is one.
  public func validate() throws(EdgeError) {
    for value in values { try validate(value) }
    let flow = try ControlFlow(self)
    var made = [Bool](repeating: false, count: values.count)
    for (id, value) in values.enumerated() where value.constant != nil { made[id] = true }
    try validateInputs(&made)
    // What a branch or a loop makes is gone after it, for those who read.
    var hidden = [Bool](repeating: false, count: values.count)
    var inside: [[ValueID]] = []
    for (index, node) in nodes.enumerated() {
      if flow.markers[index] < 0 {
        try validate(node, index, &made, hidden)
        if !inside.isEmpty { inside[inside.count - 1] += node.outputs }
        continue
      }
      // What a marker reads is inside, what it makes is inside a loop that begins or outside what ends.
      let construct = flow.constructs[flow.markers[index]]
      try validate(node, index, &made, hidden)
      if index != construct.begin {
        for value in inside.removeLast() { hidden[value] = true }
      }
      if index == construct.end {
        if !inside.isEmpty { inside[inside.count - 1] += node.outputs }
      } else {
        inside.append(node.outputs)
      }
    }
    try validateControlFlow(flow)
    let extents = try extents()
    var names = TextMap()
    for output in outputs {
      guard output >= 0, output < values.count else { throw EdgeError(.invalidGraph, "output \(output) is not a value of the graph") }
      let value = values[output]
      guard made[output] else { throw EdgeError(.invalidGraph, "nothing makes the output", tensor: value.name) }
      guard !hidden[output] else {
        throw EdgeError(.invalidGraph, "the output is made in a branch or loop that has ended", tensor: value.name)
      }
      guard !value.name.isEmpty else { throw EdgeError(.invalidGraph, "output \(output) has no name") }
      guard names.insert(value.name) else {
        throw EdgeError(.invalidGraph, "two outputs have the same name", tensor: value.name)
      }
    }
    try validateStates(extents)
  }

  /// What a run leaves must be what the next one takes.
  private func validateStates(_ extents: [Extent?]) throws(EdgeError) {
    guard states.count <= min(inputs.count, outputs.count) else {
      throw EdgeError(.invalidGraph, "\(states.count) states, but \(inputs.count) inputs and \(outputs.count) outputs")
    }
    for (index, state) in states.enumerated() {
      let (before, after) = (values[inputs[inputs.count - states.count + index]], values[outputs[outputs.count - states.count + index]])
      func isLike(_ other: Value) -> Bool {
        before.dtype == other.dtype && before.shape == other.shape && before.quantization == other.quantization
      }
      guard isLike(after) else { throw EdgeError(.invalidGraph, "a run leaves the state in another type or shape", tensor: before.name) }
      guard extents[outputs[outputs.count - states.count + index]] == nil else {
        throw EdgeError(.invalidGraph, "the state's size depends on data", tensor: before.name)
      }
      if state == Node.noValue { continue }
      guard state >= 0, state < values.count, values[state].constant != nil, isLike(values[state]) else {
        throw EdgeError(.invalidGraph, "the state's first contents are no constant of its type and shape", tensor: before.name)
      }
    }
  }

  private func validateInputs(_ made: inout [Bool]) throws(EdgeError) {
    var names = TextMap()
    for input in inputs {
      guard input >= 0, input < values.count else { throw EdgeError(.invalidGraph, "input \(input) is not a value of the graph") }
      let value = values[input]
      guard !made[input] else { throw EdgeError(.invalidGraph, "the input is a constant or listed twice", tensor: value.name) }
      guard !value.name.isEmpty else { throw EdgeError(.invalidGraph, "input \(input) has no name") }
      guard names.insert(value.name) else {
        throw EdgeError(.invalidGraph, "two inputs have the same name", tensor: value.name)
      }
      made[input] = true
    }
  }

  private func validate(_ node: Node, _ index: Int, _ made: inout [Bool], _ hidden: [Bool]) throws(EdgeError) {
    func failure(_ status: Status, _ message: Text, _ tensor: Text = "") -> EdgeError {
      EdgeError(status, message, node: node.name, nodeIndex: index, tensor: tensor)
    }
    for input in node.inputs where input != Node.noValue {
      guard input >= 0, input < values.count else { throw failure(.invalidGraph, "input \(input) is not a value of the graph") }
      guard made[input] else { throw failure(.invalidGraph, "an input is used before it is made", values[input].name) }
      guard !hidden[input] else { throw failure(.invalidGraph, "an input is made in a branch or loop that has ended", values[input].name) }
    }
    for output in node.outputs {
      guard output >= 0, output < values.count else { throw failure(.invalidGraph, "result \(output) is not a value of the graph") }
      guard !made[output] else { throw failure(.invalidGraph, "the result is already made elsewhere", values[output].name) }
      made[output] = true
    }
    // A larger batch may need more; that is for the plan.
    if let bound = node.op.bound {
      let most = node.op.mostEntries(node.inputs.map { $0 == Node.noValue ? Shape([]) : values[$0].shape }, batch: 1) ?? 0
      guard bound <= most else { throw failure(.invalidGraph, "\(node.op.name): a bound of \(bound), there are at most \(most) entries") }
    }
    let types = try resultTypes(of: node.op, name: node.name, index: index, inputs: node.inputs, declared: declaredTypes(of: node))
    guard types.count == node.outputs.count else {
      throw failure(.invalidGraph, "\(node.op.name) has \(types.count) results, not \(node.outputs.count)")
    }
    for (output, type) in zip(node.outputs, types) {
      let value = values[output]
      guard value.shape == type.shape else {
        throw failure(.shapeMismatch, "the result has shape \(type.shape.text), not \(value.shape.text)", value.name)
      }
      guard value.dtype == type.dtype else {
        throw failure(.dtypeMismatch, "the result is \(type.dtype.text), not \(value.dtype.text)", value.name)
      }
      guard value.quantization == type.quantization else {
        throw failure(.dtypeMismatch, "the result has another quantization", value.name)
      }
    }
  }

  private func validate(_ value: Value) throws(EdgeError) {
    let shape = value.shape
    guard shape.rank <= Shape.maximumRank else {
      throw EdgeError(.invalidGraph, "rank \(shape.rank) is above \(Shape.maximumRank)", tensor: value.name)
    }
    for dim in shape.dims where dim < 0 && dim != Shape.batch {
      throw EdgeError(.invalidGraph, "dimension \(dim) is negative", tensor: value.name)
    }
    guard let count = shape.elementCount(), let bytes = multiplyChecked(count, value.dtype.byteCount) else {
      throw EdgeError(.invalidGraph, "the size of \(shape.text) overflows", tensor: value.name)
    }
    if let constant = value.constant {
      guard !shape.hasBatch else { throw EdgeError(.invalidGraph, "a constant has an unknown dimension", tensor: value.name) }
      guard constant.byteCount == bytes else {
        throw EdgeError(.invalidGraph, "a constant of \(bytes) bytes has \(constant.byteCount)", tensor: value.name)
      }
    }
    if let quantization = value.quantization { try validate(quantization, value) }
  }

  private func validate(_ quantization: Quantization, _ value: Value) throws(EdgeError) {
    func failure(_ message: Text) -> EdgeError { EdgeError(.invalidGraph, message, tensor: value.name) }
    let range: ClosedRange<Int32>
    switch value.dtype {
    case .uint8: range = 0...255
    case .int8: range = -128...127
    case .int16: range = -32768...32767
    case .int32: range = 0...0
    default: throw failure("\(value.dtype.text) cannot be quantized")
    }
    guard quantization.scales.count == quantization.zeroPoints.count else {
      throw failure("\(quantization.scales.count) scales, but \(quantization.zeroPoints.count) zero points")
    }
    if let axis = quantization.axis {
      guard axis >= 0, axis < value.shape.rank, value.shape[axis] == quantization.scales.count else {
        throw failure("\(quantization.scales.count) scales do not fit axis \(axis) of \(value.shape.text)")
      }
    } else if quantization.scales.count != 1 {
      throw failure("\(quantization.scales.count) scales without an axis")
    }
    // What is positive and finite has the bits of 1 up to those below infinity.
    let fine = quantization.scales.withUnsafeBytes { firstOutside($0, 1, Float.greatestFiniteMagnitude.bitPattern &- 1) }
    guard fine == quantization.scales.count else { throw failure("a scale is not finite and positive") }
    let wrong = quantization.zeroPoints.withUnsafeBytes {
      firstOutside($0, UInt32(bitPattern: range.lowerBound), UInt32(bitPattern: range.upperBound &- range.lowerBound))
    }
    guard wrong == quantization.zeroPoints.count else {
      throw failure("zero point \(quantization.zeroPoints[wrong]) is out of range of \(value.dtype.text)")
    }
  }
}

/// The first of the words that is neither `least` nor up to `span` above it; their number where there is none. A network has tens of
/// thousands of them.
private func firstOutside(_ words: UnsafeRawBufferPointer, _ least: UInt32, _ span: UInt32) -> Int {
  guard let begin = words.baseAddress else { return 0 }
  let end = begin + words.count
  var word = begin
  while word < end, word.load(as: UInt32.self) &- least <= span { word += 4 }
  return (word - begin) / 4
}
