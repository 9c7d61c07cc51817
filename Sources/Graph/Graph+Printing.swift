extension Graph {
  /// The graph as text: inputs, one aligned line for each node, outputs.
  ///
  ///     input  x float32[N, 28, 28, 1]
  ///        0  Convolution  conv1  3x3 stride 1x1 clamp 0...inf  (x, conv1.weight, conv1.bias) -> y float32[N, 26, 26, 8]
  ///     output y
  public var text: Text {
    let columns = nodes.map { ($0.op.name, $0.name, $0.op.attributeText) }
    var widths = (0, 0, 0)
    for (op, name, attributes) in columns {
      widths.0 = max(widths.0, op.utf8.count)
      widths.1 = max(widths.1, min(name.utf8.count, 40))
      widths.2 = max(widths.2, min(attributes.utf8.count, 40))
    }
    let digits = Text("\(nodes.count)").utf8.count
    var text = Text("graph \(name)\n")
    let (firstInput, firstOutput) = (inputs.count - states.count, outputs.count - states.count)
    for (index, input) in inputs.enumerated() { text += Text(index < firstInput ? "input  " : "state  ") + typedText(input) + "\n" }
    for (index, node) in nodes.enumerated() {
      let (op, name, attributes) = columns[index]
      let number = Text("\(index)")
      text += Text(repeating: 32, count: max(0, digits - number.utf8.count)) + number
      text += "  " + padded(op, widths.0) + "  " + padded(name, widths.1) + "  " + padded(attributes, widths.2)
      text += "  (" + joined(node.inputs.map { $0 == Node.noValue ? "-" : nameText($0) }) + ") -> "
      text += joined(node.outputs.map { typedText($0) }) + "\n"
    }
    for (index, output) in outputs.enumerated() { text += Text(index < firstOutput ? "output " : "next   ") + nameText(output) + "\n" }
    return text
  }

  private func nameText(_ id: ValueID) -> Text {
    guard id >= 0, id < values.count else { return Text("?\(id)") }
    return values[id].name.isEmpty ? Text("%\(id)") : values[id].name
  }

  private func typedText(_ id: ValueID) -> Text {
    guard id >= 0, id < values.count else { return Text("?\(id)") }
    let value = values[id]
    var text = nameText(id) + " " + value.dtype.text + value.shape.text
    guard let quantization = value.quantization else { return text }
    if let axis = quantization.axis {
      text += Text(" \(quantization.scales.count) scales along axis \(axis)")
    } else if let scale = quantization.scales.first, let zeroPoint = quantization.zeroPoints.first {
      text += Text(" scale \(scale) zero \(zeroPoint)")
    }
    return text
  }
}

private func padded(_ text: Text, _ width: Int) -> Text {
  text + Text(repeating: 32, count: max(0, width - text.utf8.count))
}

private func joined(_ parts: [Text]) -> Text {
  var text = Text()
  for (index, part) in parts.enumerated() {
    if index > 0 { text += ", " }
    text += part
  }
  return text
}

private func list(_ numbers: [Int]) -> Text { "[" + joined(numbers.map { Text("\($0)") }) + "]" }

extension Operator {
  /// The attributes as text; empty when there are none worth showing.
  public var attributeText: Text {
    switch self {
    case .convolution(let convolution), .convolutionWeightGradient(let convolution):
      return convolution.window.text + (convolution.groups == 1 ? "" : Text(" groups \(convolution.groups)")) + convolution.clamp.text
    case .transposedConvolution(let convolution):
      let extra = convolution.outputPadHeight == 0 && convolution.outputPadWidth == 0
        ? "" : Text(" output pad \(convolution.outputPadHeight)x\(convolution.outputPadWidth)")
      return convolution.window.text + (convolution.groups == 1 ? "" : Text(" groups \(convolution.groups)")) + extra + convolution.clamp.text
    case .dense(let clamp): return clamp.text.withoutFirst
    case .matMul, .batchStatistics, .quantize, .dequantize, .requantize, .select, .when, .otherwise, .merge, .loop: return ""
    case .batchNormalization(let epsilon), .batchNormalizationGradient(let epsilon), .layerNormalization(let epsilon):
      return Text("epsilon \(epsilon)")
    case .unary(let function): return function.text
    case .binary(_, let clamp): return clamp.text.withoutFirst
    case .pool(let pool), .poolGradient(let pool):
      return pool.window.text + (pool.ceilMode ? " ceil" : "") + (pool.countIncludesPad ? " count pad" : "")
    case .reduce(_, let axes, let keepDims): return Text("axes \(list(axes))") + (keepDims ? " keep" : "")
    case .softmax(let axis, _): return Text("axis \(axis)")
    case .concat(let axis): return Text("axis \(axis)")
    case .split(let axis, let sizes): return Text("axis \(axis) sizes \(list(sizes))")
    case .slice(let starts, let ends, let steps): return Text("\(list(starts)) ..< \(list(ends)) by \(list(steps))")
    case .pad(let mode, let before, let after, let value):
      let kind = mode == .constant ? Text("\(value)") : mode == .reflect ? "reflect" : "edge"
      return Text("\(kind) before \(list(before)) after \(list(after))")
    case .resize(let resize):
      let mode: StaticString = resize.mode == .nearest ? "nearest" : resize.mode == .linear ? "linear" : "cubic"
      return Text("\(mode) to \(resize.height)x\(resize.width)")
    case .transpose(let permutation): return list(permutation)
    case .reshape(let shape), .expand(let shape): return shape.text
    case .gather(let axis, let indices, _): return Text("axis \(axis), \(indices.count) indices")
    case .localResponseNormalization(let size, _, _, _): return Text("size \(size)")
    case .cast(let dtype), .bitCast(let dtype): return dtype.text
    case .scan(_, let axis, let exclusive, let reverse):
      return Text("axis \(axis)") + (exclusive ? " exclusive" : "") + (reverse ? " reverse" : "")
    case .take(let indexing), .put(let indexing, _):
      let kind: StaticString = indexing.kind == .slices ? "slices" : indexing.kind == .elements ? "elements" : "tuples"
      return Text("\(kind) axis \(indexing.axis)")
    case .topK(let axis, let k, let largest): return Text("axis \(axis) k \(k)") + (largest ? "" : " smallest")
    case .nonZero(let bound): return Text("at most \(bound)")
    case .crop(let axis, .first(let bound)): return Text("axis \(axis) at most \(bound)")
    case .crop(let axis, .whole): return Text("axis \(axis)")
    case .unique(let axis, let sorted, let bound): return Text("axis \(axis) at most \(bound)") + (sorted ? " sorted" : "")
    case .nonMaxSuppression(let op): return Text("at most \(op.bound)")
    case .recurrent(let recurrent): return recurrent.text
    case .optimizerStep(let step):
      return step.kind.name + (step.rate == 1 ? "" : Text(" rate \(step.rate)")) + (step.decay == 1 ? "" : Text(" decay \(step.decay)"))
    case .random(let seed): return Text("seed \(seed)")
    case .next(let stacked, let length): return stacked == 0 ? "" : Text("stacks \(stacked) times \(length)")
    }
  }
}

extension Window {
  fileprivate var text: Text {
    var text = Text("\(kernelHeight)x\(kernelWidth)")
    if strideHeight != 1 || strideWidth != 1 { text += Text(" stride \(strideHeight)x\(strideWidth)") }
    if padTop != 0 || padLeft != 0 || padBottom != 0 || padRight != 0 {
      text += " pad " + list([padTop, padLeft, padBottom, padRight])
    }
    if dilationHeight != 1 || dilationWidth != 1 { text += Text(" dilation \(dilationHeight)x\(dilationWidth)") }
    return text
  }
}

extension Recurrent {
  fileprivate var text: Text {
    var text = f.function.kind.name
    if kind != .rnn { text += " " + g.function.kind.name }
    if kind == .lstm { text += " " + h.function.kind.name }
    if isReverse { text += " reverse" }
    if isBatchFirst { text += " batch first" }
    if resetsAfterProduct { text += " reset after product" }
    if couplesGates { text += " coupled gates" }
    if clip < .infinity { text += Text(" clip \(clip)") }
    if cellClip < .infinity { text += Text(" cell clip \(cellClip)") }
    return text
  }
}

extension Clamp {
  fileprivate var text: Text { isNone ? "" : Text(" clamp \(min)...\(max)") }
}

extension UnaryFunction {
  fileprivate var text: Text {
    switch kind {
    case .clamp: return Text("\(alpha)...\(beta)")
    case .leakyRelu, .elu, .celu, .thresholdedRelu: return Text("alpha \(alpha)")
    case .hardSigmoid, .selu: return Text("alpha \(alpha) beta \(beta)")
    default: return ""
    }
  }
}
