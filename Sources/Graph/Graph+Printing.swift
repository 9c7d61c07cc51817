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
    let digits = "\(nodes.count)".utf8.count
    var text = "graph \(name)\n"
    for input in inputs { text += "input  \(typedText(input))\n" }
    for (index, node) in nodes.enumerated() {
      let (op, name, attributes) = columns[index]
      let number = "\(index)"
      text += String(repeating: " ", count: max(0, digits - number.utf8.count)) + number
      text += "  " + padded(op, widths.0) + "  " + padded(name, widths.1) + "  " + padded(attributes, widths.2)
      text += "  (" + joined(node.inputs.map { $0 == Node.noValue ? "-" : nameText($0) }) + ") -> "
      text += joined(node.outputs.map { typedText($0) }) + "\n"
    }
    for output in outputs { text += "output \(nameText(output))\n" }
    return text
  }

  private func nameText(_ id: ValueID) -> String {
    guard id >= 0, id < values.count else { return "?\(id)" }
    return values[id].name.isEmpty ? "%\(id)" : values[id].name
  }

  private func typedText(_ id: ValueID) -> String {
    guard id >= 0, id < values.count else { return "?\(id)" }
    let value = values[id]
    var text = nameText(id) + " " + value.dtype.text + value.shape.text
    guard let quantization = value.quantization else { return text }
    if let axis = quantization.axis {
      text += " \(quantization.scales.count) scales along axis \(axis)"
    } else if let scale = quantization.scales.first, let zeroPoint = quantization.zeroPoints.first {
      text += " scale \(scale) zero \(zeroPoint)"
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

private func list(_ numbers: [Int]) -> String { "[" + joined(numbers.map { "\($0)" }) + "]" }

extension Operator {
  /// The attributes as text; empty when there are none worth showing.
  public var attributeText: String {
    switch self {
    case .convolution(let convolution):
      return convolution.window.text + (convolution.groups == 1 ? "" : " groups \(convolution.groups)") + convolution.clamp.text
    case .transposedConvolution(let convolution):
      let extra = convolution.outputPadHeight == 0 && convolution.outputPadWidth == 0
        ? "" : " output pad \(convolution.outputPadHeight)x\(convolution.outputPadWidth)"
      return convolution.window.text + (convolution.groups == 1 ? "" : " groups \(convolution.groups)") + extra + convolution.clamp.text
    case .dense(let clamp): return String(clamp.text.dropFirst())
    case .matMul, .quantize, .dequantize, .requantize: return ""
    case .batchNormalization(let epsilon): return "epsilon \(epsilon)"
    case .unary(let function): return function.text
    case .binary(_, let clamp): return String(clamp.text.dropFirst())
    case .pool(let pool):
      return pool.window.text + (pool.ceilMode ? " ceil" : "") + (pool.countIncludesPad ? " count pad" : "")
    case .reduce(_, let axes, let keepDims): return "axes \(list(axes))" + (keepDims ? " keep" : "")
    case .softmax(let axis, _): return "axis \(axis)"
    case .concat(let axis): return "axis \(axis)"
    case .split(let axis, let sizes): return "axis \(axis) sizes \(list(sizes))"
    case .slice(let starts, let ends, let steps): return "\(list(starts)) ..< \(list(ends)) by \(list(steps))"
    case .pad(let mode, let before, let after, let value):
      let kind = mode == .constant ? "\(value)" : mode == .reflect ? "reflect" : "edge"
      return "\(kind) before \(list(before)) after \(list(after))"
    case .resize(let resize):
      let mode = resize.mode == .nearest ? "nearest" : resize.mode == .linear ? "linear" : "cubic"
      return "\(mode) to \(resize.height)x\(resize.width)"
    case .transpose(let permutation): return list(permutation)
    case .reshape(let shape), .expand(let shape): return shape.text
    case .gather(let axis, let indices, _): return "axis \(axis), \(indices.count) indices"
    case .localResponseNormalization(let size, _, _, _): return "size \(size)"
    case .cast(let dtype): return dtype.text
    }
  }
}

extension Window {
  fileprivate var text: String {
    var text = "\(kernelHeight)x\(kernelWidth)"
    if strideHeight != 1 || strideWidth != 1 { text += " stride \(strideHeight)x\(strideWidth)" }
    if padTop != 0 || padLeft != 0 || padBottom != 0 || padRight != 0 {
      text += " pad " + list([padTop, padLeft, padBottom, padRight])
    }
    if dilationHeight != 1 || dilationWidth != 1 { text += " dilation \(dilationHeight)x\(dilationWidth)" }
    return text
  }
}

extension Clamp {
  fileprivate var text: String { isNone ? "" : " clamp \(min)...\(max)" }
}

extension UnaryFunction {
  fileprivate var text: String {
    switch kind {
    case .clamp: return "\(alpha)...\(beta)"
    case .leakyRelu, .elu, .celu, .thresholdedRelu: return "alpha \(alpha)"
    case .hardSigmoid, .selu: return "alpha \(alpha) beta \(beta)"
    default: return ""
    }
  }
}
