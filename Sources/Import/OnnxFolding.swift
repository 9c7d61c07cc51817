#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Arithmetic on shapes. Exporters write `x.view(x.size(0), -1)`, channel shuffles, padding and resizing as
// chains of small integer operators; they are computed here and never reach the graph.

extension OnnxImporter {
  /// Computes the current node if all its inputs are known numbers.
  func foldKnown() throws(EdgeError) -> Bool {
    guard !inputs.isEmpty, outputs.count == 1, OnnxImporter.isFoldable(node.type) else { return false }
    var known: [OnnxKnown] = []
    for index in inputs.indices {
      guard let id = try optionalInput(index), let operand = operands[id].known else { return false }
      known.append(operand)
    }
    guard let first = known.first else { return false }
    if let result = try folded(known), result.isInRange {
      setKnown(result)
      return true
    }
    // Numbers that are not folded here become part of the graph.
    if first.dtype == .float32 || !known.contains(where: { $0.elements.contains { $0.integer == nil && !$0.isCounted } }) { return false }
    throw reject("\(node.type) of these constants or of the batch size cannot be computed")
  }

  private static func isFoldable(_ type: OnnxName) -> Bool {
    type.isOne(
      of: """
        Gather Slice Unsqueeze Squeeze Concat Cast Reshape Flatten Transpose Expand Add Sub Mul Div Mod Min Max Equal Greater \
        GreaterOrEqual Less LessOrEqual And Or Not Where Range Floor Ceil Neg Abs Relu Sqrt ReduceProd ReduceSum ReduceMax ReduceMin
        """)
  }

  private func folded(_ known: [OnnxKnown]) throws(EdgeError) -> OnnxKnown? {
    let x = known[0]
    switch node.type {
    case "Add": return try combined(known, .add)
    case "Sub": return try combined(known, .subtract)
    case "Mul": return try combined(known, .multiply)
    case "Div": return try combined(known, .divide)
    case "Mod": return try combined(known, try integerAttribute("fmod", 0) == 0 ? .remainder : .truncatedRemainder)
    case "Min": return try combined(known, .minimum)
    case "Max": return try combined(known, .maximum)
    case "And": return try combined(known, .and, dtype: .bool)
    case "Or": return try combined(known, .or, dtype: .bool)
    case "Equal": return try combined(known, .equal, dtype: .bool)
    case "Less": return try combined(known, .less, dtype: .bool)
    case "Greater": return try combined(known.reversed(), .less, dtype: .bool)
    case "GreaterOrEqual", "LessOrEqual":
      // What is not less is greater or equal, but for NaN.
      for operand in known where operand.elements.contains(where: { $0.real?.isNaN == true }) { return nil }
      return try combined(node.type == "GreaterOrEqual" ? known : known.reversed(), .less, dtype: .bool).map { inverted($0) }
    case "Not": return x.elements.contains { $0.integer == nil } ? nil : inverted(x)
    case "Where": return try chosen(known)
    case "Range": return range(known)
    case "Floor", "Ceil", "Neg", "Abs", "Relu", "Sqrt": return mapped(x)
    case "Cast": return try cast(x)
    case "Concat": return try concatenated(known)
    case "Gather": return try gathered(known)
    case "Slice":
      let bounds = try sliceBounds(Shape(x.dims))
      let strides = x.strides
      var offset = 0
      var dims: [Int] = []
      for axis in x.dims.indices {
        offset = offset &+ bounds.starts[axis] &* strides[axis]
        dims.append(bounds.count(axis))
      }
      return x.gathered(dims, steps: x.dims.indices.map { strides[$0] &* bounds.steps[$0] }, offset: dims.contains(0) ? 0 : offset)
    case "Transpose":
      let permutation = try transposePermutation(rank: x.dims.count)
      let strides = x.strides
      return x.gathered(permutation.map { x.dims[$0] }, steps: permutation.map { strides[$0] })
    case "Unsqueeze", "Squeeze", "Reshape", "Flatten":
      let shape = try targetShape(Shape(x.dims))
      return shape.hasBatch ? nil : OnnxKnown(x.dtype, shape.dims, x.elements)
    case "Expand":
      guard known.count == 2, let target = known[1].integers, !target.contains(where: { $0 < 0 }),
        let dims = OnnxKnown.commonDims(x.dims, target)
      else { return nil }
      return x.broadcast(to: dims)
    case "ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin": return try reduced(x)
    default: return nil
    }
  }

  private func combined(_ known: [OnnxKnown], _ operation: OnnxNumber.Operation, dtype: DType? = nil) throws(EdgeError) -> OnnxKnown? {
    var result = known[0]
    if known.count == 1 { return dtype == nil ? result : nil }
    for other in known.dropFirst() {
      guard other.dtype == result.dtype else {
        throw EdgeError(.dtypeMismatch, "\(node.type): inputs of types \(result.dtype.name) and \(other.dtype.name)")
      }
      guard let dims = OnnxKnown.commonDims(result.dims, other.dims), let left = result.broadcast(to: dims),
        let right = other.broadcast(to: dims)
      else { return nil }
      var elements: [OnnxNumber] = []
      for (a, b) in zip(left.elements, right.elements) {
        guard let number = try combined(operation, a, b, result.dtype) else { return nil }
        elements.append(number)
      }
      result = OnnxKnown(dtype ?? result.dtype, dims, elements)
    }
    return result
  }

  private func combined(_ operation: OnnxNumber.Operation, _ a: OnnxNumber, _ b: OnnxNumber, _ dtype: DType) throws(EdgeError) -> OnnxNumber? {
    if a.isCounted || b.isCounted { return dtype == .int64 ? try combine(operation, a, b) : nil }
    return OnnxNumber.combine(operation, a, b, isReal: dtype == .float32)
  }

  private func inverted(_ x: OnnxKnown) -> OnnxKnown {
    OnnxKnown(.bool, x.dims, x.elements.map { .integer($0.integer == 0 ? 1 : 0) })
  }

  private func chosen(_ known: [OnnxKnown]) throws(EdgeError) -> OnnxKnown? {
    guard known.count == 3, let inner = OnnxKnown.commonDims(known[1].dims, known[2].dims),
      let dims = OnnxKnown.commonDims(known[0].dims, inner), let condition = known[0].broadcast(to: dims)?.integers,
      let yes = known[1].broadcast(to: dims), let no = known[2].broadcast(to: dims), yes.dtype == no.dtype
    else { return nil }
    var elements: [OnnxNumber] = []
    for (index, flag) in condition.enumerated() { elements.append(flag != 0 ? yes.elements[index] : no.elements[index]) }
    return OnnxKnown(yes.dtype, dims, elements)
  }

  private func range(_ known: [OnnxKnown]) -> OnnxKnown? {
    guard known.count == 3, known[0].dtype != .float32, let start = known[0].integers?.first, let limit = known[1].integers?.first,
      let step = known[2].integers?.first, step != 0
    else { return nil }
    var elements: [OnnxNumber] = []
    var value = start
    while step > 0 ? value < limit : value > limit {
      if elements.count == OnnxKnown.maximumCount { return nil }
      elements.append(.integer(value))
      let next = value.addingReportingOverflow(step)
      if next.overflow { break }
      value = next.partialValue
    }
    return OnnxKnown(known[0].dtype, [elements.count], elements)
  }

  private func mapped(_ x: OnnxKnown) -> OnnxKnown? {
    var elements: [OnnxNumber] = []
    for element in x.elements {
      switch (node.type, element) {
      case ("Floor", .real(let value)): elements.append(.real(value.rounded(.down)))
      case ("Ceil", .real(let value)): elements.append(.real(value.rounded(.up)))
      case ("Floor", .batch), ("Ceil", .batch): elements.append(element)
      case ("Neg", .real(let value)): elements.append(.real(-value))
      case ("Neg", .integer(let value)): elements.append(.integer(0 &- value))
      case ("Abs", .real(let value)): elements.append(.real(abs(value)))
      case ("Abs", .integer(let value)): elements.append(.integer(value < 0 ? 0 &- value : value))
      case ("Relu", .real(let value)): elements.append(.real(value < 0 ? 0 : value))
      case ("Relu", .integer(let value)): elements.append(.integer(max(value, 0)))
      case ("Sqrt", .real(let value)): elements.append(.real(Double(Float(value.squareRoot()))))
      default: return nil
      }
    }
    return OnnxKnown(x.dtype, x.dims, elements)
  }

  private func cast(_ x: OnnxKnown) throws(EdgeError) -> OnnxKnown? {
    guard let type = OnnxElementType(computed: try integerAttribute("to", 0)) else { return nil }
    let dtype = type.imported
    // An integer that leaves the network as another float type must not become float32 on the way.
    if dtype != type.declared, x.dtype != .float32, isGraphOutput { return nil }
    var elements: [OnnxNumber] = []
    for element in x.elements {
      guard let number = element.converted(toInteger: dtype != .float32, toBool: dtype == .bool) else { return nil }
      elements.append(number)
    }
    return OnnxKnown(dtype, x.dims, elements)
  }

  private func concatenated(_ known: [OnnxKnown]) throws(EdgeError) -> OnnxKnown? {
    let rank = known[0].dims.count
    guard try normalized(try integerAttribute("axis", 0), rank: rank) == 0 else { return nil }
    var elements: [OnnxNumber] = []
    var length = 0
    for part in known {
      guard part.dims.count == rank, part.dtype == known[0].dtype, part.dims.dropFirst() == known[0].dims.dropFirst() else {
        throw malformed("inputs of different shapes or element types")
      }
      elements += part.elements
      length += part.dims[0]
    }
    guard elements.count <= OnnxKnown.maximumCount else { return nil }
    return OnnxKnown(known[0].dtype, [length] + known[0].dims.dropFirst(), elements)
  }

  private func gathered(_ known: [OnnxKnown]) throws(EdgeError) -> OnnxKnown? {
    let x = known[0]
    guard known.count == 2, let indices = known[1].integers else { return nil }
    let axis = try normalized(try integerAttribute("axis", 0), rank: x.dims.count)
    // The product of all three is checked first: it fits only when that of each part does, zeros or not.
    let parts = Array(x.dims[..<axis]) + [indices.count] + Array(x.dims[(axis + 1)...])
    guard let count = Shape(parts).elementCount(), count <= OnnxKnown.maximumCount,
      let outer = Shape(Array(x.dims[..<axis])).elementCount(), let inner = Shape(Array(x.dims[(axis + 1)...])).elementCount()
    else { return nil }
    guard count > 0 else { return OnnxKnown(x.dtype, Array(x.dims[..<axis]) + known[1].dims + Array(x.dims[(axis + 1)...]), []) }
    var elements: [OnnxNumber] = []
    for block in 0..<outer {
      for index in indices {
        guard index >= -x.dims[axis], index < x.dims[axis] else {
          throw malformed("index \(index) is out of range for axis \(axis) of \(x.dims[axis])")
        }
        let row = (block * x.dims[axis] + (index < 0 ? index + x.dims[axis] : index)) * inner
        elements += x.elements[row..<row + inner]
      }
    }
    return OnnxKnown(x.dtype, Array(x.dims[..<axis]) + known[1].dims + Array(x.dims[(axis + 1)...]), elements)
  }

  /// Reduction of a vector to one number.
  private func reduced(_ x: OnnxKnown) throws(EdgeError) -> OnnxKnown? {
    let axes = try axes(inputSince: node.type == "ReduceSum" ? 13 : 18)
    let keepDims = try integerAttribute("keepdims", 1) != 0
    if axes == nil, try integerAttribute("noop_with_empty_axes", 0) != 0 { return x }
    guard x.dims.count == 1, axes == nil || axes?.count == 1, var result = x.elements.first else { return nil }
    let operation: OnnxNumber.Operation =
      node.type == "ReduceProd" ? .multiply : node.type == "ReduceSum" ? .add : node.type == "ReduceMax" ? .maximum : .minimum
    for element in x.elements.dropFirst() {
      guard let next = try combined(operation, result, element, x.dtype) else { return nil }
      result = next
    }
    return OnnxKnown(x.dtype, keepDims ? [1] : [], [result])
  }
}
