#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Networks whose layers, all but the first and the last one, take signs and are meant for binary weights, in the order of
// XNOR-Net (Rastegari et al. 2016): batch normalization, sign, layer, pooling. These layers have no bias. Their weights are
// ordinary numbers here; training or `binarize` makes them binary.

extension ModelBuilder {
  /// As BinaryNet (Courbariaux et al. 2016), with a float layer on both ends.
  mutating func binaryPerceptron(_ widths: [Int]) {
    input([widths[0]])
    dense("fc1", widths[1], bias: false, scale: .glorot)
    for layer in 2..<widths.count - 1 {
      let name = Text("fc\(layer)")
      normalization(of: name)
      signs(name)
      dense(name, widths[layer], bias: false, scale: .glorot)
    }
    floatEnd(Text("fc\(widths.count - 1)"), widths[widths.count - 1])
  }

  /// LeNet-5 with binary `conv2` and `ip1`.
  mutating func binaryLenet5(_ image: ImageClasses, _ widths: [Int]) {
    input(image)
    convolution("conv1", widths[0], kernel: 5, padding: .valid, bias: false, scale: .glorot)
    maxPool("pool1", size: 2, stride: 2)
    normalization(of: "conv2")
    signs("conv2")
    convolution("conv2", widths[1], kernel: 5, padding: .valid, bias: false, scale: .glorot)
    maxPool("pool2", size: 2, stride: 2)
    normalization(of: "ip1")
    flatten()
    // Signs stand beside the layer that multiplies them, so that they need not be floats in between.
    signs("ip1")
    dense("ip1", widths[2], bias: false, scale: .glorot)
    floatEnd("ip2", image.classes)
  }

  private mutating func floatEnd(_ name: Text, _ classes: Int) {
    normalization(of: name)
    relu(name)
    classifier(name, classes)
  }
}
