#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension ModelBuilder {
  /// Dense layers with ReLU between them. LeNet-300-100 (LeCun et al. 1998) is 784-300-100-10. `normalized`: batch normalization
  /// before each ReLU, whose layers then have no bias (Liu et al. 2017: 784-500-300-10).
  mutating func perceptron(_ widths: [Int], prefix: Text, normalized: Bool) {
    input([widths[0]])
    for layer in 1..<widths.count - 1 {
      dense(prefix + "\(layer)", widths[layer], bias: !normalized)
      if normalized { normalization() }
      relu()
    }
    classifier(prefix + "\(widths.count - 1)", widths[widths.count - 1])
  }

  /// LeNet-5 as it came with Caffe: two convolutions of 5x5, each pooled, then a dense layer. There is no activation between the
  /// convolutions.
  mutating func lenet5(_ image: ImageClasses, _ widths: [Int]) {
    input(image)
    convolution("conv1", widths[0], kernel: 5, padding: .valid, scale: .glorot)
    maxPool("pool1", size: 2, stride: 2)
    convolution("conv2", widths[1], kernel: 5, padding: .valid, scale: .glorot)
    maxPool("pool2", size: 2, stride: 2)
    flatten()
    dense("ip1", widths[2])
    relu()
    classifier("ip2", image.classes)
  }
}
