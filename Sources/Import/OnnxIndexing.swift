#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Gathering, scattering, sorting and running sums.

extension OnnxImporter {
  func importIndexing() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    switch node.type {
    case "GatherElements": try importTake(x, Indexing(.elements, axis: try axisAttribute(0, shape)))
    case "GatherND": try importTake(x, Indexing(.tuples, axis: try integerAttribute("batch_dims", 0)))
    case "Scatter", "ScatterElements": try importPut(x, Indexing(.elements, axis: try axisAttribute(0, shape)))
    case "ScatterND": try importPut(x, Indexing(.tuples, axis: 0))
    case "TensorScatter": try importTensorScatter(x)
    case "ReverseSequence": try importReverseSequence(x)
    case "Compress": try importCompress(x)
    case "CumSum", "CumProd":
      guard let axes = try integersInput(1, "the axis"), axes.count == 1 else { throw malformed("the axis is not one number") }
      let op = Operator.scan(
        node.type == "CumSum" ? .sum : .product, axis: try normalized(axes[0], rank: shape.rank),
        exclusive: try integerAttribute("exclusive", 0) != 0, reverse: try integerAttribute("reverse", 0) != 0)
      try setResult(try emit(op, [try tensor(x)], resultName()))
    case "TopK": try importTopK()
    default: try importOneHot(x)
    }
  }

  /// The attribute 'axis', counted from the front.
  func axisAttribute(_ standard: Int, _ shape: Shape) throws(EdgeError) -> Int {
    try normalized(try integerAttribute("axis", standard), rank: shape.rank)
  }

  /// Indices as int32 or int64.
  func indices(_ id: Int) throws(EdgeError) -> ValueID {
    let value = try tensor(id)
    if operands[id].dtype == .int32 || operands[id].dtype == .int64 { return value }
    return try part(.cast(.int64), [value])
  }

  func importTake(_ x: Int, _ indexing: Indexing) throws(EdgeError) {
    try setIndexed(.take(indexing), [try tensor(x), try indices(try input(1))])
  }

  /// The current node's result by run-time indices; they do not go along an open batch.
  private func setIndexed(_ op: Operator, _ values: [ValueID]) throws(EdgeError) {
    do throws(EdgeError) {
      try setResult(try emit(op, values, resultName()))
    } catch {
      guard error.status == .shapeMismatch, let open = values.first(where: { graph.values[$0].shape.hasBatch }) else { throw error }
      throw mixesBatch(graph.values[open].shape)
    }
  }

  private func importPut(_ x: Int, _ indexing: Indexing) throws(EdgeError) {
    let function: PutFunction
    switch try textAttribute("reduction", "none") {
    case "none": function = .replace
    case "add": function = .add
    case "mul": function = .multiply
    case "min": function = .minimum
    case "max": function = .maximum
    case let other: throw reject("attribute 'reduction' is '\(other)'")
    }
    try setIndexed(.put(indexing, function), [try tensor(x), try indices(try input(1)), try tensor(try input(2))])
  }

  /// Rows of a cache along an axis, from a position of each sample on.
  private func importTensorScatter(_ x: Int) throws(EdgeError) {
    let shape = operands[x].shape
    let update = try input(1)
    let axis = try axisAttribute(-2, shape)
    let dims = operands[update].shape.dims
    guard dims.count == shape.rank, axis > 0, dims[axis] >= 0, shape[axis] > 0 else {
      throw wrongShape("\(Shape(dims).text) does not update \(shape.text)", operand: update)
    }
    var rows = try range(dims[axis], axis: axis, rank: shape.rank)
    if let id = try optionalInput(2) {
      var first = [Int](repeating: 1, count: shape.rank)
      first[0] = dims[0]
      rows = try binary(.add, rows, try part(.reshape(Shape(first)), [try part(.cast(.int64), [try tensor(id)])]))
    }
    if try textAttribute("mode", "linear") == "circular" { rows = try binary(.modulo, rows, try number(Double(shape[axis]), .int64)) }
    let places = try part(.expand(Shape(dims)), [rows])
    try setResult(
      try emit(.put(Indexing(.elements, axis: axis), .replace), [try tensor(x), places, try tensor(update)], resultName()))
  }

  /// The first elements of each sample in reverse: element i is len - 1 - i while i < len.
  private func importReverseSequence(_ x: Int) throws(EdgeError) {
    let shape = operands[x].shape
    let time = try normalized(try integerAttribute("time_axis", 0), rank: shape.rank)
    let batch = try normalized(try integerAttribute("batch_axis", 1), rank: shape.rank)
    guard time != batch, shape[time] >= 0 else { throw malformed("the time axis is the batch axis, or open") }
    var dims = [Int](repeating: 1, count: shape.rank)
    dims[batch] = shape[batch]
    let lengths = try part(.reshape(Shape(dims)), [try part(.cast(.int64), [try tensor(try input(1))])])
    let index = try range(shape[time], axis: time, rank: shape.rank)
    let mirrored = try binary(.subtract, try binary(.subtract, lengths, try number(1, .int64)), index)
    let chosen = try part(.select, [try binary(.less, index, lengths), mirrored, index])
    let places = try part(.expand(shape), [chosen])
    try setResult(try emit(.take(Indexing(.elements, axis: time)), [try tensor(x), places], resultName()))
  }

  /// The slices, or elements, whose condition holds.
  private func importCompress(_ x: Int) throws(EdgeError) {
    let flags = try input(1)
    guard try extent(x) == nil, let condition = operands[flags].known?.integers else { return try importRuntimeCompress(x, flags) }
    var value = try tensor(x)
    var axis = 0
    if hasAttribute("axis") {
      axis = try axisAttribute(0, operands[x].shape)
    } else {
      guard let count = operands[x].shape.elementCount(), !operands[x].shape.hasBatch else { throw reject("the input's size is open") }
      value = try part(.reshape(Shape([count])), [value])
    }
    var rows: [Int32] = []
    for (index, holds) in condition.enumerated() where holds != 0 { rows.append(Int32(clamping: index)) }
    try setResult(try emit(.gather(axis: axis, indices: rows, scalarIndex: false), [value], resultName()))
  }

  /// 'on' where a class number equals the position along a new axis; negative numbers count from the end.
  private func importOneHot(_ x: Int) throws(EdgeError) {
    let shape = operands[x].shape
    let id = try input(1)
    guard let depths = operands[id].known?.integers else { throw reject("the depth ('\(operands[id].name)') must be constant") }
    guard depths.count == 1, depths[0] > 0, depths[0] <= 1 << 22 else { throw malformed("the depth is not one positive number") }
    let axis = try normalized(try integerAttribute("axis", -1), rank: shape.rank + 1)
    var dims = shape.dims
    dims.insert(1, at: axis)
    let depth = try number(Double(depths[0]), .int64)
    var index = try part(.reshape(Shape(dims)), [try part(.cast(.int64), [try tensor(x)])])
    index = try part(.select, [try binary(.less, index, try number(0, .int64)), try binary(.add, index, depth), index])
    let isOn = try binary(.equal, index, try range(depths[0], axis: axis, rank: dims.count))
    let values = try input(2)
    guard operands[values].shape.dims == [2] else { throw wrongShape("the two values have shape \(operands[values].shape.text)", operand: values) }
    let both = try emit(.split(axis: 0, sizes: [1, 1]), [try tensor(values)], [helperName(nodeName + ".off"), helperName(nodeName + ".on")])
    try setResult(try emit(.select, [isOn, both[1], both[0]], resultName()))
  }
}
