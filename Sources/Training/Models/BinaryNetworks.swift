#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Networks whose layers, all but the first and the last one, take signs and are meant for binary weights, in the order of
// XNOR-Net (Rastegari et al. 2016): batch normalization, sign, layer, pooling. These layers have no bias. Their weights are
// ordinary numbers here; training or `binarize` makes them binary.

extension ModelBuilder {
  /// As BinaryNet (Courbariaux et al. 2016), with a float layer on both ends.
  mutating func binaryPerceptron(_ widths: [Int]) throws(EdgeError) -> ValueID {
    var x = try dense("fc1", input([widths[0]]), widths[1], bias: false, scale: .glorot)
    for layer in 2..<widths.count - 1 {
      let name = Text("fc\(layer)")
      x = try dense(name, try signs(name, try normalization(name, x)), widths[layer], bias: false, scale: .glorot)
    }
    let name = Text("fc\(widths.count - 1)")
    return try classifier(name, try normalizedRelu(name, x), widths[widths.count - 1])
  }

  /// LeNet-5 with binary `conv2` and `ip1`.
  mutating func binaryLenet5(_ image: ImageClasses, _ width: Float) throws(EdgeError) -> ValueID {
    var x = try convolution("conv1", input(image), scaled(20, width), kernel: 5, padding: .valid, bias: false, scale: .glorot)
    x = try normalization("conv2", try maxPool("pool1", x, size: 2, stride: 2))
    x = try signs("conv2", x)
    x = try convolution("conv2", x, scaled(50, width), kernel: 5, padding: .valid, bias: false, scale: .glorot)
    x = try normalization("ip1", try maxPool("pool2", x, size: 2, stride: 2))
    // Signs stand beside the layer that multiplies them, so that they need not be floats in between.
    x = try signs("ip1", try flatten("flatten", x))
    x = try dense("ip1", x, scaled(500, width), bias: false, scale: .glorot)
    return try classifier("ip2", try normalizedRelu("ip2", x), image.classes)
  }

  /// A number of channels times a network's width, at least 8, as the authors of MobileNet do it.
  func scaled(_ channels: Int, _ width: Float) -> Int { max(Int(Float(channels) * width), 8) }
}
