#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Operators that find out at run time how many results they have.

extension OnnxImporter {
  func importSelection() throws(EdgeError) {
    switch node.type {
    case "NonZero": try importNonZero()
    case "Unique": try importUnique()
    default: try importNonMaxSuppression()
    }
  }

  /// How many entries an operator can make of these tensors; of an open batch, one sample's.
  private func bounded(_ op: Operator, _ values: [ValueID]) throws(EdgeError) -> Operator {
    let most = op.mostEntries(values.map { graph.values[$0].shape }, batch: 1) ?? 2
    guard most <= Int(Int32.max) else { throw reject("a result of up to \(most) entries") }
    return op.bounded(most)
  }

  private func importNonZero() throws(EdgeError) {
    let x = try input(0)
    if let known = operands[x].known, !known.dims.isEmpty, let numbers = known.reals {
      // Masks of constants: exporters index with them.
      let strides = known.strides
      let found = numbers.indices.filter { numbers[$0] != 0 }
      var elements: [OnnxNumber] = []
      for (axis, dim) in known.dims.enumerated() {
        for place in found { elements.append(.integer(place / strides[axis] % dim)) }
      }
      if elements.count <= OnnxKnown.maximumCount { return setKnown(OnnxKnown(.int64, [known.dims.count, found.count], elements)) }
    }
    var value = try whole(try tensor(x), .zero)
    if operands[x].shape.rank == 0 { value = try reshaped(value, [1]) }
    let found = try shared(try bounded(.nonZero(bound: 2), [value]), [value], results: 2)
    try setResult(found[0])
  }

  /// Flags that are not known: the places where they hold.
  func importRuntimeCompress(_ x: Int, _ condition: Int) throws(EdgeError) {
    var value = try tensor(x)
    var axis = 0
    if hasAttribute("axis") {
      axis = try axisAttribute(0, operands[x].shape)
    } else {
      guard extent(of: value) == nil, !operands[x].shape.hasBatch, let count = operands[x].shape.elementCount() else {
        throw reject("the elements of a tensor whose size is open")
      }
      value = try reshaped(value, [count])
    }
    let size = graph.values[value].shape[axis]
    var flags = try tensor(condition)
    guard graph.values[flags].shape.rank == 1, graph.values[flags].dtype == .bool, graph.values[flags].shape[0] <= size else {
      throw wrongShape("\(operands[condition].shape.text) are no flags of axis \(axis) of \(operands[x].shape.text)", operand: condition)
    }
    guard extent(of: flags)?.count == extent(of: value).flatMap({ $0.axis == axis ? $0.count : nil }) else {
      throw reject("flags of another number of entries")
    }
    flags = try whole(flags, .zero)
    try setResult(try emit(.take(Indexing(.slices, axis: axis)), [value, try places(flags)], resultName()))
  }

  private func importUnique() throws(EdgeError) {
    let x = try input(0)
    var value = try tensor(x)
    guard extent(of: value) == nil else { throw reject("the input's size depends on data") }
    var axis = 0
    if hasAttribute("axis") {
      axis = try axisAttribute(0, operands[x].shape)
    } else {
      guard !operands[x].shape.hasBatch, let count = operands[x].shape.elementCount() else { throw reject("the input's size is open") }
      value = try reshaped(value, [count])
    }
    guard graph.values[value].shape[axis] != Shape.batch else { throw reject("different samples of an open batch") }
    let op = try bounded(.unique(axis: axis, sorted: try integerAttribute("sorted", 1) != 0, bound: 2), [value])
    let names = [resultName(0), resultName(1), resultName(2), resultName(3), helperName(nodeName + ".count")]
    for (output, result) in try emit(op, [value], names).enumerated() { try setResult(result, output: output) }
  }

  private func importNonMaxSuppression() throws(EdgeError) {
    var boxes = try floatTensor(try input(0))
    var scores = try floatTensor(try input(1))
    let most = try integersInput(2, "the number of boxes of a class") ?? [0]
    let overlap = try floatsInput(3, "the overlap") ?? [0]
    let given = try floatsInput(4, "the least score")
    guard most.count == 1, overlap.count == 1, given == nil || given?.count == 1 else { throw malformed("a parameter is not one number") }
    var threshold = given?[0]
    if extent(of: scores) != nil || extent(of: boxes) != nil {
      guard let extent = extent(of: scores), extent.axis == 2, self.extent(of: boxes) == Extent(axis: 1, count: extent.count) else {
        throw reject("boxes and scores whose number depends on different data")
      }
      // Boxes that are not there have the lowest of all scores.
      boxes = try whole(boxes, .zero)
      scores = try whole(scores, .lowest)
      threshold = max(threshold ?? -Float.greatestFiniteMagnitude, -Float.greatestFiniteMagnitude)
    }
    let op = NonMaxSuppression(
      bound: 2, most: max(most[0], 0), overlap: overlap[0], threshold: threshold, isCentered: try integerAttribute("center_point_box", 0) != 0)
    let names = [resultName(), helperName(nodeName + ".count")]
    try setResult(try emit(try bounded(.nonMaxSuppression(op), [boxes, scores]), [boxes, scores], names)[0])
  }
}
