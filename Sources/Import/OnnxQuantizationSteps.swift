#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// QuantizeLinear and DequantizeLinear that no value of the graph can express: integers of 16 and 4 bits, scales along an
// axis of an activation, in blocks, or computed. They are made of operators on plain integers.

extension OnnxImporter {
  /// clamp(roundHalfEven(x / scale) + zero point)
  func importQuantizeSteps(_ x: Int, _ type: OnnxElementType) throws(EdgeError) {
    guard let range = type.range, let scale = try spread(1, over: x) else { throw malformed("the scale is missing", operand: x) }
    let numbers = try part(.cast(.float32), [try plainTensor(x)])
    var y = try unary(.round, try binary(.divide, numbers, scale))
    if let zero = try spread(2, over: x) { y = try binary(.add, y, try part(.cast(.float32), [zero])) }
    y = try part(.unary(UnaryFunction(.clamp, alpha: Float(range.lowerBound), beta: Float(range.upperBound))), [y])
    try setResult(try emit(.cast(type.imported), [y], resultName()))
  }

  /// (q - zero point) * scale
  func importDequantizeSteps(_ x: Int) throws(EdgeError) {
    guard let scale = try spread(1, over: x) else { throw malformed("the scale is missing", operand: x) }
    var y = try part(.cast(.int32), [try plainTensor(x)])
    if let zero = try spread(2, over: x) { y = try binary(.subtract, y, try part(.cast(.int32), [zero])) }
    try setResult(try emit(.binary(.multiply, .none), [try part(.cast(.float32), [y]), scale], resultName()))
  }

  /// Scales or zero points of the current node, so that they broadcast to a tensor; nil when the input is absent.
  private func spread(_ index: Int, over x: Int) throws(EdgeError) -> ValueID? {
    guard let id = try optionalInput(index) else { return nil }
    let value = try plainTensor(id)
    let shape = operands[x].shape
    var dims = operands[id].shape.dims
    if dims.isEmpty || dims == [1] { return try reshaped(value, []) }
    let axis = try normalized(try integerAttribute("axis", 1), rank: shape.rank)
    let block = try integerAttribute("block_size", 0)
    guard block > 0 else {
      guard dims.count == 1, dims[0] == shape[axis] else {
        throw wrongShape("scales or zero points of shape \(Shape(dims).text) do not fit axis \(axis) of \(shape.text)", operand: id)
      }
      return try reshaped(value, shape.dims.indices.map { $0 == axis ? dims[0] : 1 })
    }
    let length = min(block, max(shape[axis], 1))
    guard dims.count == shape.rank, !shape.hasBatch, dims[axis] == (shape[axis] &+ length &- 1) / length else {
      throw wrongShape("scales or zero points of shape \(Shape(dims).text) do not fit blocks of \(block) in \(shape.text)", operand: id)
    }
    // Each repeated `length` times, and what reaches over the end cut off.
    dims.insert(1, at: axis + 1)
    var repeated = dims
    repeated[axis + 1] = length
    let wide = try part(.expand(Shape(repeated)), [try reshaped(value, dims)])
    repeated[axis] = repeated[axis] &* length
    repeated.remove(at: axis + 1)
    let joined = try reshaped(wide, repeated)
    if repeated[axis] == shape[axis] { return joined }
    var ends = repeated
    ends[axis] = shape[axis]
    return try part(.slice(starts: repeated.map { _ in 0 }, ends: ends, steps: repeated.map { _ in 1 }), [joined])
  }
}
