extension Graph {
  /// The graph as text: inputs, one aligned line for each node, outputs.
  ///
  ///     input  x float32[N, 28, 28, 1]
  ///        0  Convolution  conv1  3x3 stride 1x1 clamp 0...inf  (x, conv1.weight, conv1.bias) -> y float32[N, 26, 26, 8]
  ///     output y
  public var text: String {
    let columns = nodes.map { ($0.op.name, $0.name, $0.op.attributeText) }
    var widths = (0, 0, 0)
    for (op, name, attributes) in columns {
      widths.0 = max(widths.0, op.utf8.count)
      widths.1 = max(widths.1, min(name.utf8.count, 40))
      widths.2 = max(widths.2, min(attributes.utf8.count, 40))
    }
    let digits = Message("\(nodes.count)").text.utf8.count
    var text = Message("graph \(name)\n").text
    for input in inputs { text += Message("input  \(typedText(input))\n").text }
    for (index, node) in nodes.enumerated() {
      let (op, name, attributes) = columns[index]
      let number = Message("\(index)").text
      text += String(repeating: " ", count: max(0, digits - number.utf8.count)) + number
      text += "  " + padded(op, widths.0) + "  " + padded(name, widths.1) + "  " + padded(attributes, widths.2)
      text += "  (" + joined(node.inputs.map { $0 == Node.noValue ? "-" : nameText($0) }) + ") -> "
      text += joined(node.outputs.map { typedText($0) }) + "\n"
    }
    for output in outputs { text += Message("output \(nameText(output))\n").text }
    return text
  }

  private func nameText(_ id: ValueID) -> String {
    guard id >= 0, id < values.count else { return Message("?\(id)").text }
    return values[id].name.isEmpty ? Message("%\(id)").text : values[id].name
  }

  private func typedText(_ id: ValueID) -> String {
    guard id >= 0, id < values.count else { return Message("?\(id)").text }
    let value = values[id]
    var text = nameText(id) + " " + value.dtype.text + value.shape.text
    guard let quantization = value.quantization else { return text }
    if let axis = quantization.axis {
      text += Message(" \(quantization.scales.count) scales along axis \(axis)").text
    } else if let scale = quantization.scales.first, let zeroPoint = quantization.zeroPoints.first {
      text += Message(" scale \(scale) zero \(zeroPoint)").text
    }
    return text
  }
}

private func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.utf8.count))
}

private func joined(_ parts: [String]) -> String {
  var text = ""
  for (index, part) in parts.enumerated() {
    if index > 0 { text += ", " }
    text += part
  }
  return text
}

private func list(_ numbers: [Int]) -> String { "[" + joined(numbers.map { Message("\($0)").text }) + "]" }

extension Operator {
  /// The attributes as text; empty when there are none worth showing.
  public var attributeText: String {
    switch self {
    case .convolution(let convolution):
      return convolution.window.text + (convolution.groups == 1 ? "" : Message(" groups \(convolution.groups)").text) + convolution.clamp.text
    case .transposedConvolution(let convolution):
      let extra = convolution.outputPadHeight == 0 && convolution.outputPadWidth == 0
        ? "" : Message(" output pad \(convolution.outputPadHeight)x\(convolution.outputPadWidth)").text
      return convolution.window.text + (convolution.groups == 1 ? "" : Message(" groups \(convolution.groups)").text) + extra + convolution.clamp.text
    case .dense(let clamp): return String(clamp.text.dropFirst())
    case .matMul, .quantize, .dequantize, .requantize: return ""
    case .batchNormalization(let epsilon): return Message("epsilon \(epsilon)").text
    case .unary(let function): return function.text
    case .binary(_, let clamp): return String(clamp.text.dropFirst())
    case .pool(let pool):
      return pool.window.text + (pool.ceilMode ? " ceil" : "") + (pool.countIncludesPad ? " count pad" : "")
    case .reduce(_, let axes, let keepDims): return Message("axes \(list(axes))").text + (keepDims ? " keep" : "")
    case .softmax(let axis, _): return Message("axis \(axis)").text
    case .concat(let axis): return Message("axis \(axis)").text
    case .split(let axis, let sizes): return Message("axis \(axis) sizes \(list(sizes))").text
    case .slice(let starts, let ends, let steps): return Message("\(list(starts)) ..< \(list(ends)) by \(list(steps))").text
    case .pad(let mode, let before, let after, let value):
      let kind = mode == .constant ? Message("\(value)").text : mode == .reflect ? "reflect" : "edge"
      return Message("\(kind) before \(list(before)) after \(list(after))").text
    case .resize(let resize):
      let mode = resize.mode == .nearest ? "nearest" : resize.mode == .linear ? "linear" : "cubic"
      return Message("\(mode) to \(resize.height)x\(resize.width)").text
    case .transpose(let permutation): return list(permutation)
    case .reshape(let shape), .expand(let shape): return shape.text
    case .gather(let axis, let indices, _): return Message("axis \(axis), \(indices.count) indices").text
    case .localResponseNormalization(let size, _, _, _): return Message("size \(size)").text
    case .cast(let dtype): return dtype.text
    }
  }
}

extension Window {
  fileprivate var text: String {
    var text = Message("\(kernelHeight)x\(kernelWidth)").text
    if strideHeight != 1 || strideWidth != 1 { text += Message(" stride \(strideHeight)x\(strideWidth)").text }
    if padTop != 0 || padLeft != 0 || padBottom != 0 || padRight != 0 {
      text += " pad " + list([padTop, padLeft, padBottom, padRight])
    }
    if dilationHeight != 1 || dilationWidth != 1 { text += Message(" dilation \(dilationHeight)x\(dilationWidth)").text }
    return text
  }
}

extension Clamp {
  fileprivate var text: String { isNone ? "" : Message(" clamp \(min)...\(max)").text }
}

extension UnaryFunction {
  fileprivate var text: String {
    switch kind {
    case .clamp: return Message("\(alpha)...\(beta)").text
    case .leakyRelu, .elu, .celu, .thresholdedRelu: return Message("alpha \(alpha)").text
    case .hardSigmoid, .selu: return Message("alpha \(alpha) beta \(beta)").text
    default: return ""
    }
  }
}
