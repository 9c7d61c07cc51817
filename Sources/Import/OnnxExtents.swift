#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Dimensions whose size depends on data: what the importer knows of them, and the nodes that begin and end them.

extension OnnxImporter {
  // What is known of them.

  func extent(of value: ValueID) -> Extent? { value >= 0 && value < extents.count ? extents[value] : nil }

  /// The extent of an operand, in the file's layout.
  func extent(_ id: Int) throws(EdgeError) -> Extent? {
    guard hasExtents, operands[id].isDefined, operands[id].known == nil, operands[id].initializer < 0 else { return nil }
    return extent(of: try tensor(id))
  }

  /// Called for each node that was added: its results' extents.
  func noteExtents(_ op: Operator) throws(EdgeError) {
    if op.bound != nil { hasExtents = true }
    guard hasExtents, let node = graph.nodes.last else { return }
    let found = try graph.resultExtents(of: node, index: nodeIndex, extents)
    while extents.count < graph.values.count { extents.append(nil) }
    for (output, extent) in zip(node.outputs, found) { extents[output] = extent }
  }

  // Building blocks.

  /// A node, or one made before that does the same: what the same data select has one extent.
  func shared(_ op: Operator, _ inputs: [ValueID], results: Int = 1) throws(EdgeError) -> [ValueID] {
    for index in sharedNodes.suffix(256) where graph.nodes[index].inputs == inputs && graph.nodes[index].op == op {
      return graph.nodes[index].outputs
    }
    var names: [Text] = []
    for _ in 0..<results { names.append(helperName(nodeName + ".part")) }
    let made = try emit(op, inputs, names)
    sharedNodes.append(graph.nodes.count - 1)
    return made
  }

  func shared(_ function: BinaryFunction, _ a: ValueID, _ b: ValueID) throws(EdgeError) -> ValueID {
    try shared(.binary(function, .none), [a, b])[0]
  }

  /// An int64 scalar.
  func integer(_ value: Int) throws(EdgeError) -> ValueID {
    let key: Text = "integer \(value)"
    if let known = made[key] { return known }
    let id = try number(Double(value), .int64)
    made.set(key, id)
    return id
  }

  /// The smaller of a number of entries and another one.
  func least(_ count: ValueID, _ other: ValueID) throws(EdgeError) -> ValueID {
    count == other ? count : try shared(.minimum, count, other)
  }

  /// All of the bound of a value's extent, with something else in the place of entries that are not there.
  func whole(_ value: ValueID, _ fill: Crop.Fill) throws(EdgeError) -> ValueID {
    guard let extent = extent(of: value) else { return value }
    return try shared(.crop(axis: extent.axis, .whole(fill)), [value])[0]
  }

  /// The first entries along an axis: `count` of them, which are `most` at most.
  func first(_ value: ValueID, axis: Int, most: Int, count: ValueID, _ name: Text? = nil) throws(EdgeError) -> ValueID {
    let op = Operator.crop(axis: axis, .first(bound: max(min(most, graph.values[value].shape[axis]), 2)))
    return try emit(op, [value, count], name ?? helperName(nodeName + ".part"))
  }

  /// Places where flags [size] hold, as [bound] indices with an extent.
  func places(_ flags: ValueID) throws(EdgeError) -> ValueID {
    let size = graph.values[flags].shape[0]
    let op = Operator.nonZero(bound: 2)
    let most = op.mostEntries([Shape([size])], batch: 1) ?? 2
    let found = try shared(op.bounded(most), [flags], results: 2)
    return try shared(.reshape(Shape([most])), [found[0]])[0]
  }

  /// Flags of the entries along an axis that are there: [size]. Made from the value, so that they follow its bound.
  func flags(_ value: ValueID, axis: Int) throws(EdgeError) -> ValueID {
    let size = graph.values[value].shape[axis]
    guard let extent = extent(of: value), extent.axis == axis else { return try shared(.expand(Shape([size])), [try truth()])[0] }
    let key: Text = "flags \(extent.count) \(size)"
    if let known = made[key] { return known }
    var line = value
    for other in graph.values[value].shape.dims.indices.reversed() where other != axis {
      line = try part(.gather(axis: other, indices: [0], scalarIndex: true), [line])
    }
    // Any integer equals itself.
    line = try part(.cast(.int64), [line])
    let flags = try whole(try binary(.equal, line, line), .zero)
    made.set(key, flags)
    return flags
  }

  private func truth() throws(EdgeError) -> ValueID {
    let key: Text = "truth"
    if let known = made[key] { return known }
    let truth = try number(1, .bool)
    made.set(key, truth)
    return truth
  }

  /// Indices into an axis of so many entries, negative ones counted from its end.
  func fromStart(_ indices: ValueID, _ count: ValueID) throws(EdgeError) -> ValueID {
    var wide = indices
    if graph.values[indices].dtype != .int64 { wide = try part(.cast(.int64), [indices]) }
    return try part(.select, [try binary(.less, wide, try integer(0)), try binary(.add, wide, count), wide])
  }

  /// A run-time integer as an int64 scalar, between 0 and a number; negative ones are counted from there first.
  func position(_ id: Int, in count: ValueID) throws(EdgeError) -> ValueID {
    guard operands[id].shape.elementCount() == 1 else { throw reject("'\(operands[id].name)' is not one number") }
    let scalar = try reshaped(try tensor(id), [])
    return try binary(.maximum, try binary(.minimum, try fromStart(scalar, count), count), try integer(0))
  }

  // Numbers of entries among the numbers the importer knows.

  /// Arithmetic on a number that a run finds; nil where the result is none.
  func combine(_ operation: OnnxNumber.Operation, _ a: OnnxNumber, _ b: OnnxNumber) throws(EdgeError) -> OnnxNumber? {
    func parts(_ number: OnnxNumber) throws(EdgeError) -> (value: ValueID, most: Int)? {
      if case .counted(let value, let most) = number { return (value, most) }
      guard let known = number.integer, known >= 0 else { return nil }
      return (try integer(known), known)
    }
    guard let left = try parts(a), let right = try parts(b) else { return nil }
    switch operation {
    case .minimum: return .counted(try least(left.value, right.value), upTo: min(left.most, right.most))
    case .maximum: return .counted(try shared(.maximum, left.value, right.value), upTo: max(left.most, right.most))
    case .add:
      let (sum, overflow) = left.most.addingReportingOverflow(right.most)
      return overflow ? nil : .counted(try shared(.add, left.value, right.value), upTo: sum)
    case .multiply:
      let (product, overflow) = left.most.multipliedReportingOverflow(by: right.most)
      return overflow ? nil : .counted(try shared(.multiply, left.value, right.value), upTo: product)
    default: return nil
    }
  }

  /// Numbers some of which a run finds, as a tensor.
  func assembled(_ known: OnnxKnown) throws(EdgeError) -> ValueID {
    guard known.elements.count <= 64 else { throw reject("so many numbers that depend on data") }
    var parts: [ValueID] = []
    for element in known.elements {
      let value: ValueID
      if case .counted(let count, _) = element {
        value = count
      } else {
        value = graph.addValue(
          Value(name: helperName(nodeName + ".number"), dtype: .int64, shape: Shape([]), constant: try OnnxKnown(.int64, [], [element]).data()))
      }
      parts.append(try reshaped(value, [1]))
    }
    let joined = try reshaped(try part(.concat(axis: 0), parts), known.dims)
    return known.dtype == .int64 ? joined : try part(.cast(known.dtype), [joined])
  }
}
