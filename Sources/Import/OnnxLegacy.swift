#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Operator sets 5 and 6, as exporters of old wrote them.

extension OnnxImporter {
  /// Brings the current node into the form of operator set 7: the second operand of arithmetic that is aligned at an axis
  /// gets ones after it, a slope for each channel likewise. Refuses what training leaves behind.
  func modernize() throws(EdgeError) {
    switch node.type {
    case "Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less":
      let (isAligned, axis) = (try integerAttribute("broadcast", 0) != 0, try integerAttribute("axis"))
      guard isAligned, let axis, inputs.count == 2 else { return }
      let a = operands[try input(0)].shape
      let b = operands[try input(1)].shape
      let place = axis < 0 ? axis + a.rank : axis
      guard axis >= -a.rank, axis <= a.rank, place + b.rank <= a.rank else {
        throw malformed("\(b.text) cannot stand at axis \(axis) of \(a.text)")
      }
      try appendOnes(a.rank - b.rank - place, toInput: 1)
    case "Gemm": hasAttribute("broadcast")
    case "PRelu":
      guard inputs.count == 2 else { return }
      let rank = operands[try input(0)].shape.rank
      if operands[try input(1)].shape.rank == 1, rank > 2 { try appendOnes(rank - 2, toInput: 1) }
    case "BatchNormalization", "Dropout":
      if try integerAttribute("is_test", 0) == 0 { throw reject("training mode (attribute 'is_test' is 0)") }
    default: break
    }
  }

  private func appendOnes(_ count: Int, toInput index: Int) throws(EdgeError) {
    if count == 0 { return }
    let id = try input(index)
    let shape = Shape(operands[id].shape.dims + [Int](repeating: 1, count: count))
    let wide = OnnxOperand(name: helperName(operands[id].name + ".wide"))
    wide.isConstant = operands[id].isConstant
    if var known = operands[id].known {
      known.dims = shape.dims
      wide.known = known
      wide.dtype = known.dtype
      wide.shape = shape
      wide.isDefined = true
    } else {
      let value = try emit(.reshape(shape), [try tensor(id)], wide.name)
      wide.define(value: value, dtype: operands[id].dtype, shape: shape)
    }
    operands.append(wide)
    inputs[index] = operands.count - 1
  }
}
