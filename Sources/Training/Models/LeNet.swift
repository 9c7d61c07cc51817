#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension ModelBuilder {
  /// Dense layers with ReLU between them. LeNet-300-100 (LeCun et al. 1998) is 784-300-100-10. `normalized`: batch normalization
  /// before each ReLU, whose layers then have no bias (Liu et al. 2017: 784-500-300-10).
  mutating func perceptron(_ widths: [Int], prefix: Text, normalized: Bool) throws(EdgeError) -> ValueID {
    var x = input([widths[0]])
    for layer in 1..<widths.count - 1 {
      let name = prefix + "\(layer)"
      x = try dense(name, x, widths[layer], bias: !normalized)
      x = try normalized ? normalizedRelu(name, x) : relu(name, x)
    }
    return try classifier(prefix + "\(widths.count - 1)", x, widths[widths.count - 1])
  }

  /// LeNet-5 as it came with Caffe: 20 and 50 channels of 5x5, each pooled, then 500 units. There is no activation between the
  /// convolutions.
  mutating func lenet5(_ image: ImageClasses) throws(EdgeError) -> ValueID {
    var x = try convolution("conv1", input(image), 20, kernel: 5, padding: .valid, scale: .glorot)
    x = try maxPool("pool1", x, size: 2, stride: 2)
    x = try convolution("conv2", x, 50, kernel: 5, padding: .valid, scale: .glorot)
    x = try maxPool("pool2", x, size: 2, stride: 2)
    x = try relu("ip1", try dense("ip1", try flatten("flatten", x), 500))
    return try classifier("ip2", x, image.classes)
  }
}
