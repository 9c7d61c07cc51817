#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Operators that go along a dimension whose size depends on data see all of its bound, with entries in the place of those
// that are not there that leave the result as it is. All others follow the graph's rules (see `Extent`), or are refused.

extension OnnxImporter {
  /// Imports the current node if it needs more than the graph's rules because sizes depend on data.
  func importAlongExtents() throws(EdgeError) -> Bool {
    var isDynamic = false
    for index in inputs.indices {
      guard let id = try optionalInput(index) else { continue }
      if let known = operands[id].known {
        isDynamic = isDynamic || known.isCounted
      } else if try extent(id) != nil {
        isDynamic = true
      }
    }
    guard isDynamic else { return false }
    switch node.type {
    case "Shape", "Size": try importShapeOfExtent()
    case "Concat": return try importConcatOfExtents()
    case "Slice": return try importSliceOfExtent()
    case "Gather", "GatherElements", "GatherND": return try importTakeFromExtent()
    case "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum",
      "ReduceLogSumExp", "ArgMax", "ArgMin":
      return try importReductionOfExtent()
    case "Softmax", "LogSoftmax": return try importSoftmaxOfExtent()
    case "TopK": return false  // looks for extents itself
    case "Expand", "ConstantOfShape": return try importExpandToExtent()
    case "Range": try importRangeToExtent()
    case "NonZero", "Compress", "NonMaxSuppression": return false
    case "Dropout" where isUsed(output: 1): throw reject("the mask of a tensor whose size depends on data")
    default:
      guard OnnxImporter.followsExtents(node.type) else { throw reject("its input's size depends on data") }
      return false
    }
    return true
  }

  /// Operators that are made of nodes whose rules say what becomes of an extent.
  private static func followsExtents(_ type: OnnxName) -> Bool {
    switch OnnxFamily(of: type, domain: "") {
    case .activation, .arithmetic, .elementwise, .convolution, .pooling, .resize: return true
    default:
      return type.isOne(
        of: """
          Reshape Flatten Squeeze Unsqueeze Transpose Split Pad Cast CastLike BitCast Identity Dropout Gemm MatMul MatMulInteger Einsum \
          BatchNormalization LRN CumSum CumProd OneHot Trilu Tile LayerNormalization RMSNormalization InstanceNormalization \
          GroupNormalization MeanVarianceNormalization LpNormalization
          """)
    }
  }

  private func importShapeOfExtent() throws(EdgeError) {
    let x = try input(0)
    guard let extent = try extent(x) else { throw reject("the shape of numbers that depend on data") }
    let shape = operands[x].shape
    var known = OnnxKnown(shape: shape, range: 0..<shape.rank)
    known.elements[extent.axis] = .counted(extent.count, upTo: shape[extent.axis])
    if node.type == "Shape" {
      let range = try shapeRange(rank: shape.rank)
      return setKnown(OnnxKnown(.int64, [range.count], Array(known.elements[range])))
    }
    var size = OnnxNumber.integer(1)
    for element in known.elements {
      guard let product = try element.isCounted || size.isCounted ? combine(.multiply, size, element)
        : OnnxNumber.combine(.multiply, size, element, isReal: false)
      else { throw reject("the size depends on data and on the batch") }
      size = product
    }
    setKnown(OnnxKnown(.int64, [], [size]))
  }

  /// Along an axis with an extent: all parts with their gaps, of which the places that are there are taken.
  private func importConcatOfExtents() throws(EdgeError) -> Bool {
    guard let attribute = try integerAttribute("axis") else { return false }
    var parts: [Int] = []
    var isAlong = false
    for index in inputs.indices {
      let part = try input(index)
      let shape = operands[part].shape
      if shape.dims.contains(0) { continue }
      parts.append(part)
      if let extent = try extent(part), try normalized(attribute, rank: shape.rank) == extent.axis { isAlong = true }
    }
    guard isAlong, let start = parts.first, parts.count > 1 else { return false }
    let axis = try normalized(attribute, rank: operands[start].shape.rank)
    var (values, marks): ([ValueID], [ValueID]) = ([], [])
    for part in parts {
      let value = try tensor(part)
      guard axis < graph.values[value].shape.rank, graph.values[value].shape[axis] >= 0 else { throw reject("a part is open along axis \(axis)") }
      if let extent = extent(of: value), extent.axis != axis { throw reject("parts depend on data along other axes") }
      values.append(try whole(value, .zero))
      marks.append(try flags(value, axis: axis))
    }
    let all = try part(.concat(axis: axis), values)
    let found = try places(try shared(.concat(axis: 0), marks)[0])
    try setResult(try emit(.take(Indexing(.slices, axis: axis)), [all, found], resultName()))
    return true
  }

  private func importTakeFromExtent() throws(EdgeError) -> Bool {
    let x = try input(0)
    guard let extent = try extent(x) else { return false }
    let indexing: Indexing
    switch node.type {
    case "GatherElements": indexing = Indexing(.elements, axis: try axisAttribute(0, operands[x].shape))
    case "GatherND": indexing = Indexing(.tuples, axis: try integerAttribute("batch_dims", 0))
    default: indexing = Indexing(.slices, axis: try axisAttribute(0, operands[x].shape))
    }
    // Tuples with more than one number would need the number of entries for one of them alone.
    if indexing.kind == .tuples, operands[try input(1)].shape.dims.last != 1 {
      if extent.axis >= indexing.axis { throw reject("tuples into a dimension whose size depends on data") }
      return false
    }
    guard extent.axis == indexing.axis else { return false }
    let indices = try fromStart(try self.indices(try input(1)), extent.count)
    try setResult(try emit(.take(indexing), [try tensor(x), indices], resultName()))
    return true
  }

  private func importReductionOfExtent() throws(EdgeError) -> Bool {
    let x = try input(0)
    guard let extent = try extent(x) else { return false }
    let rank = operands[x].shape.rank
    let isIndex = node.type == "ArgMax" || node.type == "ArgMin"
    let listed = isIndex ? [try axisAttribute(0, operands[x].shape)] : try self.axes(inputSince: node.type == "ReduceSum" ? 13 : 18) ?? []
    if listed.isEmpty, try integerAttribute("noop_with_empty_axes", 0) != 0 { return false }
    let axes = listed.isEmpty ? Array(0..<rank) : try normalized(listed, rank: rank)
    guard axes.contains(extent.axis) else { return false }
    let keepDims = try integerAttribute("keepdims", 1) != 0
    var fill = Crop.Fill.zero
    let function: ReduceFunction
    switch node.type {
    case "ReduceMax": (function, fill) = (.max, .lowest)
    case "ReduceMin": (function, fill) = (.min, .highest)
    case "ReduceProd": (function, fill) = (.product, .one)
    case "ReduceL1": function = .l1
    case "ReduceL2": function = .l2
    case "ReduceSumSquare": function = .sumSquare
    case "ReduceLogSum": function = .logSum
    case "ReduceLogSumExp": (function, fill) = (.logSumExp, .lowest)
    case "ArgMax", "ArgMin":
      guard try integerAttribute("select_last_index", 0) == 0 else { throw reject("the last of equal elements where their number depends on data") }
      (function, fill) = node.type == "ArgMax" ? (.argMax, .lowest) : (.argMin, .highest)
    default: function = .sum
    }
    var value = try whole(try tensor(x), fill)
    value = try emit(.reduce(function, axes: axes, keepDims: keepDims), [value], node.type == "ReduceMean" ? helperName(nodeName + ".part") : resultName())
    if node.type == "ReduceMean" {
      var others = 1
      for axis in axes where axis != extent.axis {
        guard let product = multiplyChecked(others, operands[x].shape[axis]), product >= 0 else { throw reject("a mean over the open batch") }
        others = product
      }
      let count = try shared(.multiply, extent.count, try integer(others))
      value = try emit(.binary(.divide, .none), [value, try part(.cast(operands[x].dtype), [count])], resultName())
    }
    try setResult(value)
    return true
  }

  private func importSoftmaxOfExtent() throws(EdgeError) -> Bool {
    let x = try input(0)
    guard let extent = try extent(x) else { return false }
    let shape = operands[x].shape
    let axis = try normalized(try integerAttribute("axis", opset < 13 ? 1 : -1), rank: shape.rank)
    guard axis == extent.axis, opset >= 13 || shape.dims[(axis + 1)...].allSatisfy({ $0 == 1 }) else { return false }
    let y = try part(.softmax(axis: axis, log: node.type == "LogSoftmax"), [try whole(try floatTensor(x), .lowest)])
    try setResult(try first(y, axis: axis, most: shape[axis], count: extent.count, resultName()))
    return true
  }

  /// Sizes of which one is a number of entries: the bound, and the first so many of it.
  private func importExpandToExtent() throws(EdgeError) -> Bool {
    let id = try input(node.type == "Expand" ? 1 : 0)
    guard var target = operands[id].known, target.isCounted else { return false }
    let places = target.elements.indices.filter { target.elements[$0].isCounted }
    guard places.count == 1, target.dims.count == 1, case .counted(let count, let most) = target.elements[places[0]] else {
      throw reject("two dimensions whose size depends on data")
    }
    target.elements[places[0]] = .integer(max(most, 2))
    let given = operands[id].known
    operands[id].known = target
    defer { operands[id].known = given }
    if node.type == "ConstantOfShape" { try importConstantOfShape() } else { try importExpand() }
    guard let output = outputs.first, output >= 0 else { return true }
    var value = try tensor(output)
    let axis = graph.values[value].shape.rank - target.elements.count + places[0]
    if extent(of: value) == nil { value = try first(value, axis: axis, most: most, count: count) }
    guard extent(of: value) == Extent(axis: axis, count: count) else { throw reject("a dimension whose size depends on other data") }
    operands[output].known = nil
    try setResult(value)
    return true
  }

  private func importRangeToExtent() throws(EdgeError) {
    let limit = try input(1)
    guard operands[try input(0)].known?.elements.first?.integer == 0, operands[try input(2)].known?.elements.first?.integer == 1,
      case .counted(let count, let most)? = operands[limit].known?.elements.first, operands[limit].dtype == .int64
    else { throw reject("a range other than from 0 to a number of entries") }
    try setResult(try first(try range(max(most, 2), axis: 0, rank: 1), axis: 0, most: most, count: count, resultName()))
  }

  /// The k best, where k or the number of elements depends on data.
  func importTopK() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    let axis = try axisAttribute(-1, shape)
    if shape[axis] == Shape.batch { throw mixesBatch(shape) }
    let isLargest = try integerAttribute("largest", 1) != 0
    var own = try extent(x)
    if own?.axis != axis { own = nil }
    var most = shape[axis]
    var count: ValueID?
    if let id = opset < 10 ? nil : try optionalInput(1), operands[id].known?.integers == nil {
      if case .counted(let k, let upTo)? = operands[id].known?.elements.first, operands[id].known?.elements.count == 1 {
        if let own { count = try least(own.count, k) } else { count = upTo <= most ? k : try least(k, try integer(most)) }
        most = min(most, upTo)
      } else {
        var limit = own?.count ?? Node.noValue
        if own == nil { limit = try integer(most) }
        count = try position(id, in: limit)
      }
    } else {
      guard let k = opset < 10 ? try integerAttribute("k").map({ [$0] }) : try integersInput(1, "k"), k.count == 1 else {
        throw malformed("k is not one number")
      }
      guard let own else {
        let results = try emit(.topK(axis: axis, k: k[0], largest: isLargest), [try tensor(x)], [resultName(0), resultName(1)])
        for (output, result) in results.enumerated() { try setResult(result, output: output) }
        return
      }
      guard k[0] >= 0 else { throw malformed("k is \(k[0])") }
      count = try least(own.count, try integer(k[0]))
      most = min(most, k[0])
    }
    guard let count, most >= 0 else { throw reject("an open number of elements") }
    let value = own == nil ? try tensor(x) : try whole(try tensor(x), isLargest ? .lowest : .highest)
    let best = try emit(.topK(axis: axis, k: most, largest: isLargest), [value], [helperName(nodeName + ".part"), helperName(nodeName + ".part")])
    for (output, result) in best.enumerated() {
      let op = Operator.crop(axis: axis, .first(bound: max(most, 2)))
      try setResult(try emit(op, [result, count], resultName(output)), output: output)
    }
  }

  /// A slice of an axis with an extent, or to an end that a run finds: other axes first, then the first entries of what is
  /// left after the start.
  private func importSliceOfExtent() throws(EdgeError) -> Bool {
    let x = try input(0)
    let shape = operands[x].shape
    let own = try extent(x)
    guard opset >= 10 else {
      let count = try integersAttribute("starts")?.count ?? 0
      let axes = try normalized(try integersAttribute("axes") ?? Array(0..<count), rank: shape.rank)
      if let own, axes.contains(own.axis) { throw reject("a slice of a dimension whose size depends on data") }
      return false
    }
    guard let starts = try integersInput(1, "starts") else { throw malformed("starts are missing") }
    let end = try input(2)
    let axes = try normalized(try integersInput(3, "axes") ?? Array(starts.indices), rank: shape.rank)
    var steps = [Int](repeating: 1, count: starts.count)
    if let given = try integersInput(4, "steps") { steps = given }
    guard axes.count == starts.count, steps.count == starts.count, operands[end].shape.dims == [starts.count] else {
      throw malformed("starts, ends, axes and steps differ in length")
    }
    let ends = operands[end].known?.elements
    let isOpen = operands[end].known?.isCounted ?? true
    guard isOpen || own.map({ axes.contains($0.axis) }) ?? false else { return false }
    var value = try tensor(x)
    for (index, axis) in axes.enumerated() {
      let size = graph.values[value].shape[axis]
      guard size >= 0 else { throw reject("a slice of the open batch") }
      var count = own?.count ?? Node.noValue
      if own?.axis != axis { count = try integer(size) }
      let (start, step) = (starts[index], steps[index])
      let known = ends?[index].integer
      if let known, own?.axis != axis {
        let part = OnnxSliceBounds.clip(start: start, end: known, step: step, size: size)
        var bounds = OnnxSliceBounds(
          starts: [Int](repeating: 0, count: shape.rank), ends: graph.values[value].shape.dims, steps: [Int](repeating: 1, count: shape.rank))
        (bounds.starts[axis], bounds.ends[axis], bounds.steps[axis]) = part
        value = try self.part(.slice(starts: bounds.starts, ends: bounds.ends, steps: bounds.steps), [value])
        continue
      }
      guard start >= 0, step == 1 else { throw reject("a start from the end, or a step, along a dimension whose size depends on data") }
      var (last, most) = (count, size)
      if case .counted(let number, let upTo)? = ends?[index] {
        last = own?.axis != axis && upTo <= size ? number : try least(count, number)
        most = min(most, upTo)
      } else if let known, known >= 0 {
        if known < size { (last, most) = (try least(count, try integer(known)), known) }
      } else if let known {
        last = try shared(.maximum, try shared(.subtract, count, try integer(known == Int.min ? Int.max : -known)), try integer(0))
      } else {
        guard ends == nil, axes.count == 1 else { throw reject("an end that depends on the batch, or one of several that depend on data") }
        last = try position(end, in: count)
      }
      if start > 0 {
        last = try shared(.maximum, try shared(.subtract, last, try integer(start)), try integer(0))
        most = max(most - start, 0)
        var first = [Int](repeating: 0, count: shape.rank)
        first[axis] = min(start, size)
        let steps = [Int](repeating: 1, count: shape.rank)
        value = try part(.slice(starts: first, ends: graph.values[value].shape.dims, steps: steps), [try whole(value, .zero)])
      }
      if extent(of: value) == Extent(axis: axis, count: last), most >= size { continue }
      if let other = extent(of: value), other.axis != axis { throw reject("two dimensions whose size depends on data") }
      value = try first(value, axis: axis, most: most, count: last)
    }
    try setResult(value)
    return true
  }
}
