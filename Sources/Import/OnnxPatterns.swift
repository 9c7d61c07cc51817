#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Tensors that follow from positions: triangles, identities, ranges, windows, repetitions.

extension OnnxImporter {
  func importPattern() throws(EdgeError) {
    switch node.type {
    case "Trilu": try importTrilu()
    case "EyeLike": try importEyeLike()
    case "Range": try importRange()
    case "Tile": try importTile()
    case "Hardmax": try importHardmax()
    default: try importWindow()
    }
  }

  /// Whether column - row is at least (most) k, as [rows, columns].
  private func triangle(_ shape: Shape, upper: Bool, k: Int) throws(EdgeError) -> ValueID {
    let (rows, columns) = (shape[shape.rank - 2], shape[shape.rank - 1])
    guard rows >= 0, columns >= 0 else { throw reject("the sizes of the last two axes must be known") }
    let limit = max(rows, columns, 1)
    let row = try range(rows, axis: 0, rank: 2, first: min(max(k, -limit), limit))
    let column = try range(columns, axis: 1, rank: 2)
    return upper ? try binary(.lessOrEqual, row, column) : try binary(.lessOrEqual, column, row)
  }

  private func importTrilu() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    guard shape.rank >= 2 else { throw wrongShape("\(shape.text) is no matrix", operand: x) }
    let k = try integersInput(1, "k")?.first ?? 0
    let keeps = try triangle(shape, upper: try integerAttribute("upper", 1) != 0, k: k)
    try setResult(try emit(.select, [keeps, try tensor(x), try number(0, operands[x].dtype)], resultName()))
  }

  private func importEyeLike() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    guard shape.rank == 2, shape[0] >= 0, shape[1] >= 0 else { throw reject("the sizes of \(shape.text) must be known") }
    var dtype = operands[x].dtype
    if let number = try integerAttribute("dtype") {
      guard let type = OnnxElementType(computed: number) else { throw reject("the result \(OnnxElementType.problem(number))") }
      dtype = type.imported
    }
    let limit = max(shape[0], shape[1], 1)
    let row = try range(shape[0], axis: 0, rank: 2, first: min(max(try integerAttribute("k", 0), -limit), limit))
    let isOne = try binary(.equal, row, try range(shape[1], axis: 1, rank: 2))
    try setResult(try emit(.cast(dtype), [isOne], resultName()))
  }

  /// start, start + delta ... below (above) limit, all of them known floats; integers are folded before.
  private func importRange() throws(EdgeError) {
    let ids = [try input(0), try input(1), try input(2)]
    var numbers: [Double] = []
    for id in ids {
      guard let number = operands[id].known?.elements.first?.real, number.isFinite else { throw reject("'\(operands[id].name)' must be constant") }
      numbers.append(number)
    }
    guard numbers[2] != 0 else { throw malformed("the step is 0") }
    let length = max(((numbers[1] - numbers[0]) / numbers[2]).rounded(.up), 0)
    guard length <= Double(OnnxKnown.maximumCount) else { throw reject("a range of more than \(OnnxKnown.maximumCount) numbers") }
    try requireFloat(ids[0])
    var elements: [OnnxNumber] = []
    for index in 0..<Int(length) { elements.append(.real(numbers[0] + Double(index) * numbers[2])) }
    setKnown(OnnxKnown(.float32, [elements.count], elements))
  }

  /// Repeats along each axis: a new axis before it, expanded and joined with it.
  private func importTile() throws(EdgeError) {
    let x = try input(0)
    var dims = operands[x].shape.dims
    guard let repeats = try integersInput(1, "repeats"), repeats.count == dims.count else {
      throw malformed("repeats do not fit \(operands[x].shape.text)")
    }
    var value = try tensor(x)
    for (axis, count) in repeats.enumerated() where count != 1 {
      guard count >= 0, dims[axis] >= 0 else { throw reject("\(count) repetitions of axis \(axis) of \(Shape(dims).text)") }
      let (size, overflow) = dims[axis].multipliedReportingOverflow(by: count)
      guard !overflow, dims.count < Shape.maximumRank else { throw reject("so many repetitions or axes") }
      var wide = dims
      wide.insert(1, at: axis)
      value = try reshaped(value, wide)
      wide[axis] = count
      value = try part(.expand(Shape(wide)), [value])
      dims[axis] = size
      value = try reshaped(value, dims)
    }
    if value == operands[x].value { return try setAlias(x) }
    try setResult(value)
  }

  /// 1 at the first of the largest elements along an axis (up to operator set 12: along all from it on), else 0.
  private func importHardmax() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    var axis = try axisAttribute(opset < 13 ? 1 : -1, shape)
    var value = try floatTensor(x)
    if opset < 13 {
      guard let length = Shape(Array(shape.dims[axis...])).elementCount(), !shape.dims[axis...].contains(Shape.batch) else {
        throw reject("a maximum over the batch")
      }
      value = try reshaped(value, Array(shape.dims[..<axis]) + [length])
    }
    axis = min(axis, graph.values[value].shape.rank - 1)
    let length = graph.values[value].shape[axis]
    guard length > 0 else { throw reject("the size along axis \(axis) must be known") }
    let best = try reduce(.argMax, value, [axis])
    let isBest = try binary(.equal, best, try range(length, axis: axis, rank: graph.values[value].shape.rank))
    try setResult(try reshaped(try part(.cast(.float32), [isBest]), shape.dims))
  }

  /// Hann, Hamming and Blackman windows: a - b cos(2 pi n / N) + c cos(4 pi n / N), with N or N - 1.
  private func importWindow() throws(EdgeError) {
    guard let sizes = try integersInput(0, "the size"), sizes.count == 1, sizes[0] >= 0, sizes[0] <= 1 << 22 else {
      throw malformed("the size is not one number")
    }
    let type = try integerAttribute("output_datatype", 1)
    guard let element = OnnxElementType(computed: type) else { throw reject("the result \(OnnxElementType.problem(type))") }
    let span = try integerAttribute("periodic", 1) != 0 ? sizes[0] : sizes[0] - 1
    let steps = try part(.cast(.float32), [try range(sizes[0], axis: 0, rank: 1)])
    let angle = try binary(.multiply, steps, try number(6.283185307179586 / Double(max(span, 1)), .float32))
    let terms: [Double] =
      node.type == "HannWindow" ? [0.5, -0.5] : node.type == "HammingWindow" ? [25.0 / 46, -21.0 / 46] : [0.42, -0.5, 0.08]
    var sum = try number(terms[0], .float32)
    for (index, factor) in terms.enumerated() where index > 0 {
      let cosine = try unary(.cos, try binary(.multiply, angle, try number(Double(index), .float32)))
      sum = try binary(.add, sum, try binary(.multiply, cosine, try number(factor, .float32)))
    }
    if element.imported != .float32 { sum = try part(.cast(element.imported), [sum]) }
    try setResult(sum)
  }
}
