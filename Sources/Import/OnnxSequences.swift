#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Sequences of tensors: while a file is imported they are lists of operands, and the network knows nothing of them.

extension OnnxImporter {
  /// A sequence stands where a tensor must.
  func isSequence(_ id: Int) -> EdgeError {
    reject("'\(operands[id].name)' is a sequence, which only sequence operators take; no input, output, branch or loop of the network has one")
  }

  func importSequence() throws(EdgeError) {
    switch node.type {
    case "SequenceConstruct", "SequenceEmpty":
      for index in inputs.indices { _ = try element(index) }
      try setSequence(inputs)
    case "SplitToSequence": try importSplitToSequence()
    default:
      let id = try input(0)
      guard var list = operands[id].sequence else { throw malformed("'\(operands[id].name)' is not a sequence", operand: id) }
      switch node.type {
      case "SequenceInsert":
        let new = try element(1)
        list.insert(new, at: try position(2, count: list.count + 1, standard: list.count))
        try setSequence(list)
      case "SequenceErase":
        list.remove(at: try position(1, count: list.count, standard: list.count - 1))
        try setSequence(list)
      case "SequenceAt": try setAlias(list[try position(1, count: list.count, standard: -1)])
      case "SequenceLength": setKnown(OnnxKnown(.int64, [], [.integer(list.count)]))
      default: try importConcatFromSequence(list)
      }
    }
  }

  private func setSequence(_ list: [Int]) throws(EdgeError) {
    try countMade(list.count, of: MemoryLayout<Int>.stride)
    guard let id = outputs.first, id >= 0 else { return }
    operands[id].sequence = list
    operands[id].isDefined = true
  }

  /// An input that is a tensor.
  private func element(_ index: Int) throws(EdgeError) -> Int {
    let id = try input(index)
    if operands[id].sequence != nil { throw isSequence(id) }
    return id
  }

  /// A position among so many, counted from the end when it is negative; the standard one when the input is absent.
  /// One more than there are elements is the end.
  private func position(_ index: Int, count: Int, standard: Int) throws(EdgeError) -> Int {
    var position = standard
    if let id = try optionalInput(index) {
      guard let number = try knownNumber(id) else { throw reject("the position ('\(operands[id].name)') must be constant") }
      // At the end there is no element from which an insertion would count.
      let end = node.type == "SequenceInsert" ? count - 1 : count
      position = number < 0 && number >= -end ? number + end : number
    }
    guard position >= 0, position < count else { throw malformed("position \(position) in a sequence, which has \(count) places") }
    return position
  }

  /// The same elements in another shape, as an operand of its own.
  private func reshapedElement(_ id: Int, _ dims: [Int]) throws(EdgeError) -> Int {
    let new = temporary(id)
    if let known = operands[id].known {
      operands[new].define(OnnxKnown(known.dtype, dims, known.elements))
    } else {
      operands[new].define(value: try reshaped(try tensor(id), dims), dtype: operands[id].dtype, shape: Shape(dims))
    }
    return new
  }

  private func importConcatFromSequence(_ list: [Int]) throws(EdgeError) {
    guard let first = list.first else { throw malformed("the sequence is empty") }
    let whole = (node, inputs, outputs)
    defer { (node, inputs, outputs) = whole }
    var parts = list
    if try integerAttribute("new_axis", 0) != 0 {
      let axis = try normalized(try integerAttribute("axis", 0), rank: operands[first].shape.rank + 1)
      for index in parts.indices {
        var dims = operands[parts[index]].shape.dims
        guard dims == operands[first].shape.dims else { throw wrongShape("elements of different shapes", operand: parts[index]) }
        dims.insert(1, at: axis)
        parts[index] = try reshapedElement(parts[index], dims)
      }
    }
    try importPart("Concat", parts, outputs.first ?? -1, node.attributes)
  }

  private func importSplitToSequence() throws(EdgeError) {
    let x = try element(0)
    let shape = operands[x].shape
    let axis = try normalized(try integerAttribute("axis", 0), rank: shape.rank)
    let length = shape[axis]
    guard length != Shape.batch else { throw mixesBatch(shape) }
    var sizes: [Int] = []
    let keepsAxis = try integerAttribute("keepdims", 1) != 0 || inputs.count > 1 && inputs[1] >= 0
    if let given = try integersInput(1, "the split"), operands[inputs[1]].shape.rank == 1 {
      sizes = given
    } else {
      let size = try integersInput(1, "the split")?.first ?? 1
      guard size > 0 else { throw malformed("parts of \(size)") }
      guard (length - 1) / size < OnnxKnown.maximumCount else { throw reject("\(length) elements in parts of \(size)") }
      var rest = length
      while rest > 0 {
        sizes.append(min(size, rest))
        rest -= size
      }
    }
    guard !sizes.contains(where: { $0 < 0 || $0 > length }), sizes.reduce(0, +) == length else {
      throw malformed("the parts do not make up an axis of \(length)")
    }
    // Each part is an operand with a name.
    try countMade(sizes.count, of: 512 + operands[x].name.utf8.count)
    let result = outputs
    defer { outputs = result }
    var parts = sizes.map { _ in temporary(x) }
    outputs = parts
    if !parts.isEmpty { try split(x, axis: axis, sizes) }
    if !keepsAxis {
      var dims = shape.dims
      dims.remove(at: axis)
      for index in parts.indices { parts[index] = try reshapedElement(parts[index], dims) }
    }
    outputs = result
    try setSequence(parts)
  }
}
