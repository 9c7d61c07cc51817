#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension ModelBuilder {
  /// MobileNet of Howard et al. 2017: thirteen pairs of a depthwise 3x3 and a pointwise convolution.
  mutating func mobileNetV1(_ image: ImageClasses, _ width: Float) throws(EdgeError) -> ValueID {
    epsilon = 1e-3
    var channels = scaled(32, width)
    var x = try convolution("conv1", input(image), channels, kernel: 3, stride: 2, bias: false)
    x = try normalizedRelu("conv1", x)
    for pair in 1...13 {
      // 64, 128, 128, 256, 256, 512 six times, 1024, 1024: of two pairs with as many channels the first halves the image.
      let full = pair == 1 ? 64 : pair < 4 ? 128 : pair < 6 ? 256 : pair < 12 ? 512 : 1024
      let stride = pair == 2 || pair == 4 || pair == 6 || pair == 12 ? 2 : 1
      x = try separable(pair, x, channels, scaled(full, width), stride: stride, bias: false)
      channels = scaled(full, width)
    }
    return try classifier("fc", try globalAverage(x), image.classes)
  }

  /// The keyword spotter of MLPerf Tiny (Banbury et al. 2021, after Zhang et al. 2017): 49 steps of 10 coefficients. Its
  /// convolutions have biases, although a normalization follows.
  mutating func dsCnn(classes: Int) throws(EdgeError) -> ValueID {
    epsilon = 1e-3
    var x = try convolution("conv1", input([49, 10, 1]), 64, kernel: 10, kernelWidth: 4, stride: 2)
    x = try normalizedRelu("conv1", x)
    for pair in 1...4 { x = try separable(pair, x, 64, 64, stride: 1, bias: true) }
    return try classifier("fc", try globalAverage(x), classes)
  }

  private mutating func separable(
    _ pair: Int, _ x: ValueID, _ channels: Int, _ results: Int, stride: Int, bias: Bool
  ) throws(EdgeError) -> ValueID {
    let (depthwise, pointwise) = (Text("dw\(pair)"), Text("pw\(pair)"))
    var x = try convolution(depthwise, x, channels, kernel: 3, stride: stride, depthwise: true, bias: bias)
    x = try normalizedRelu(depthwise, x)
    return try normalizedRelu(pointwise, try convolution(pointwise, x, results, kernel: 1, bias: bias))
  }
}
