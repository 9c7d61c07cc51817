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
      parameters.append(try floatTensor(id))
    }
    if !parameters.allSatisfy({ graph.values[$0].constant != nil }) {
      // (x - mean) / sqrt(variance + epsilon) * scale + bias
      for index in parameters.indices {
        parameters[index] = try reshaped(parameters[index], [shape[1]] + [Int](repeating: 1, count: shape.rank - 2))
      }
      let deviation = try unary(.sqrt, try binary(.add, parameters[3], try number(Double(epsilon), .float32)))
      let centred = try binary(.subtract, try floatTensor(x), parameters[2])
      let scaled = try binary(.multiply, try binary(.divide, centred, deviation), parameters[0])
      return try setResult(try binary(.add, scaled, parameters[1]))
    }
    if shape.rank == 2 {
      return try setResult(try emit(.batchNormalization(epsilon: epsilon), [try floatTensor(x)] + parameters, resultName()))
    }
    if shape.rank > 4 {
      let last = [0] + Array(2..<shape.rank) + [1]
      let y = try part(.batchNormalization(epsilon: epsilon), [try transposed(try floatTensor(x), last)] + parameters)
      return try setResult(try transposed(y, [0, shape.rank - 1] + Array(1..<shape.rank - 1)))
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
