#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// BatchNormalization and LRN.

extension OnnxImporter {
  func importNormalization() throws(EdgeError) {
    if node.type == "LRN" { try importLocalResponse() } else { try importBatchNormalization() }
  }

  private func importBatchNormalization() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    if try integerAttribute("training_mode", 0) != 0 { throw reject("training mode") }
    if try integerAttribute("spatial", 1) == 0 { throw reject("attribute 'spatial' is 0") }
    for output in outputs.indices.dropFirst() where isUsed(output: output) {
      throw reject("result '\(operands[outputs[output]].name)' exists in training only")
    }
    let epsilon = try floatAttribute("epsilon", 1e-5)
    guard epsilon.isFinite, epsilon >= 0 else { throw malformed("attribute 'epsilon' is \(epsilon)") }
    guard shape.rank >= 2 else { throw wrongShape("\(shape.text) has no channels", operand: x) }
    var parameters: [ValueID] = []
    for index in 1...4 {
      let id = try input(index)
      guard operands[id].shape.dims == [shape[1]] else {
        throw wrongShape("a parameter has shape \(operands[id].shape.text); the input has \(shape[1]) channels", operand: id)
      }
      guard operands[id].isConstant else { throw reject("parameter '\(operands[id].name)' must be constant") }
      parameters.append(try floatTensor(id))
    }
    if shape.rank == 2 {
      return try setResult(try emit(.batchNormalization(epsilon: epsilon), [try floatTensor(x)] + parameters, resultName()))
    }
    let y = try emit(.batchNormalization(epsilon: epsilon), [try image(x)] + parameters, resultName(image: true))
    try setImageResult(y, rank: shape.rank)
  }

  private func importLocalResponse() throws(EdgeError) {
    let x = try input(0)
    guard let size = try integerAttribute("size"), size > 0, size <= 1 << 24 else { throw malformed("attribute 'size' is missing or not positive") }
    let y = try emit(
      .localResponseNormalization(
        size: size, alpha: try floatAttribute("alpha", 1e-4), beta: try floatAttribute("beta", 0.75), bias: try floatAttribute("bias", 1)),
      [try image(x)], resultName(image: true))
    try setImageResult(y, rank: operands[x].shape.rank)
  }
}
