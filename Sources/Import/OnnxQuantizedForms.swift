#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// An operator on integers with its scales among the inputs, as the float operator between DequantizeLinear and
/// QuantizeLinear that it stands for.
struct OnnxQuantizedForm {
  /// The float operator.
  var type: StaticString
  /// Inputs where tensor, scale and zero point begin.
  var operands: [Int]
  /// Input of the int32 bias, or -1.
  var bias = -1
  /// Input of the result's scale; its zero point follows.
  var result: Int

  private init(_ type: StaticString, _ operands: [Int], bias: Int = -1, result: Int) {
    self.type = type
    self.operands = operands
    self.bias = bias
    self.result = result
  }

  /// `isContributed`: of the domain com.microsoft.
  init?(of type: OnnxName, isContributed: Bool) {
    switch type {
    case "QLinearConv" where !isContributed: self.init("Conv", [0, 3], bias: 8, result: 6)
    case "QLinearMatMul" where !isContributed: self.init("MatMul", [0, 3], result: 6)
    case "QGemm" where isContributed: self.init("Gemm", [0, 3], bias: 6, result: 7)
    case "QLinearAdd" where isContributed: self.init("Add", [0, 3], result: 6)
    case "QLinearMul" where isContributed: self.init("Mul", [0, 3], result: 6)
    case "QLinearSigmoid" where isContributed: self.init("Sigmoid", [0], result: 3)
    case "QLinearLeakyRelu" where isContributed: self.init("LeakyRelu", [0], result: 3)
    case "QLinearSoftmax" where isContributed: self.init("Softmax", [0], result: 3)
    case "QLinearAveragePool" where isContributed: self.init("AveragePool", [0], result: 3)
    case "QLinearGlobalAveragePool" where isContributed: self.init("GlobalAveragePool", [0], result: 3)
    // Its tensors are counted when it is imported.
    case "QLinearConcat" where isContributed: self.init("Concat", [], result: 0)
    default: return nil
    }
  }
}

extension OnnxImporter {
  func importQuantizedForm() throws(EdgeError) {
    guard var form = OnnxQuantizedForm(of: node.type, isContributed: !node.domain.isEmpty) else { throw reject("the operator is not supported") }
    if try integerAttribute("channels_last", 0) != 0 { throw reject("attribute 'channels_last' is set") }
    if node.type == "QLinearConcat" {
      var position = 2
      while position < inputs.count {
        form.operands.append(position)
        position += 3
      }
    }
    let whole = (node: node, inputs: inputs, outputs: outputs, opset: opset)
    defer { (node, inputs, outputs, opset) = whole }
    var attributes = node.attributes
    var arguments: [Int] = []
    for (index, position) in form.operands.enumerated() {
      arguments.append(try dequantized(whole.inputs, position, axis: index == 0 ? 0 : try weightsAxis(form)))
    }
    if form.bias >= 0, form.bias < whole.inputs.count, whole.inputs[form.bias] >= 0 {
      arguments.append(try dequantizedBias(whole.inputs, form, &attributes))
    }
    if node.type == "QLinearSoftmax" { opset = try integerAttribute("opset", opset) }
    let hasScale = form.result < whole.inputs.count && whole.inputs[form.result] >= 0
    let result = hasScale ? temporary(whole.outputs.first ?? -1) : whole.outputs.first ?? -1
    try importPart("\(form.type)", arguments, result, attributes)
    guard hasScale else { return }
    let zero = form.result + 1 < whole.inputs.count ? whole.inputs[form.result + 1] : -1
    opset = whole.opset
    try importPart("QuantizeLinear", [result, whole.inputs[form.result], zero], whole.outputs.first ?? -1, [])
  }

  /// An operand that the parts of a node pass on.
  func temporary(_ source: Int) -> Int {
    let operand = OnnxOperand(name: helperName((source >= 0 ? operands[source].name : nodeName) + ".float"))
    operand.uses = 1
    operands.append(operand)
    return operands.count - 1
  }

  /// Imports one operator of those that a node stands for. The caller puts `node`, `inputs`, `outputs` back.
  func importPart(_ type: Text, _ arguments: [Int], _ result: Int, _ attributes: [OnnxAttribute]) throws(EdgeError) {
    let part = OnnxNode()
    part.name = nodeName
    part.type = OnnxName(text: type)
    part.byteOffset = node.byteOffset
    part.attributes = attributes
    guard let family = OnnxFamily(of: part.type, domain: "") else { throw reject("the operator is not supported") }
    node = part
    inputs = arguments
    outputs = [result]
    dependsOnConstantsAlone = arguments.allSatisfy { $0 < 0 || operands[$0].isConstant }
    try importNode(family)
  }

  private func integer(_ name: Text, _ value: Int) -> OnnxAttribute {
    let attribute = OnnxAttribute()
    attribute.name = name
    attribute.kind = OnnxAttribute.Kind.integer.rawValue
    attribute.integer = value
    return attribute
  }

  private func dequantized(_ all: [Int], _ position: Int, axis: Int) throws(EdgeError) -> Int {
    guard position + 1 < all.count, all[position] >= 0, all[position + 1] >= 0 else { throw malformed("input \(position) or its scale is missing") }
    let result = temporary(all[position])
    let whole = node
    try importPart(
      "DequantizeLinear", [all[position], all[position + 1], position + 2 < all.count ? all[position + 2] : -1], result, [integer("axis", axis)])
    node = whole
    return result
  }

  /// The axis of the weights that their scales run along.
  private func weightsAxis(_ form: OnnxQuantizedForm) throws(EdgeError) -> Int {
    switch node.type {
    case "QLinearConv": return 0
    case "QGemm": return try integerAttribute("transB", 0) != 0 ? 0 : 1
    default: return -1
    }
  }

  /// The bias' scale is the product of the two others; in QGemm its factor is alpha too.
  private func dequantizedBias(_ all: [Int], _ form: OnnxQuantizedForm, _ attributes: inout [OnnxAttribute]) throws(EdgeError) -> Int {
    let (whole, outer) = (node, form.operands[1])
    if whole.type == "QGemm" {
      let beta = OnnxAttribute()
      beta.name = "beta"
      beta.kind = OnnxAttribute.Kind.float.rawValue
      beta.float = try floatAttribute("alpha", 1)
      attributes.append(beta)
    }
    let scale = temporary(all[form.bias])
    try importPart("Mul", [all[1], all[outer + 1]], scale, [])
    let result = temporary(all[form.bias])
    try importPart("DequantizeLinear", [all[form.bias], scale], result, [integer("axis", 0)])
    node = whole
    return result
  }
}
