#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension ModelBuilder {
  /// MobileNet of Howard et al. 2017: thirteen pairs of a depthwise 3x3 and a pointwise convolution.
  mutating func mobileNetV1(_ image: ImageClasses, _ width: Float) {
    epsilon = 1e-3
    input(image)
    convolution("conv1", scaled(32, width), kernel: 3, stride: 2, bias: false)
    normalizedRelu()
    for pair in 1...13 {
      // 64, 128, 128, 256, 256, 512 six times, 1024, 1024: of two pairs with as many channels the first halves the image.
      let channels = pair == 1 ? 64 : pair < 4 ? 128 : pair < 6 ? 256 : pair < 12 ? 512 : 1024
      let stride = pair == 2 || pair == 4 || pair == 6 || pair == 12 ? 2 : 1
      separable(pair, scaled(channels, width), stride: stride, bias: false)
    }
    globalAverage()
    classifier("fc", image.classes)
  }

  /// The keyword spotter of MLPerf Tiny (Banbury et al. 2021, after Zhang et al. 2017): 49 steps of 10 coefficients. Its
  /// convolutions have biases, although a normalization follows.
  mutating func dsCnn(classes: Int) {
    epsilon = 1e-3
    input([49, 10, 1])
    convolution("conv1", 64, kernel: 10, kernelWidth: 4, stride: 2)
    normalizedRelu()
    for pair in 1...4 { separable(pair, 64, stride: 1, bias: true) }
    globalAverage()
    classifier("fc", classes)
  }

  /// A number of channels times a network's width, at least 8, as the authors of MobileNet do it.
  private func scaled(_ channels: Int, _ width: Float) -> Int { max(Int(Float(channels) * width), 8) }

  private mutating func separable(_ pair: Int, _ channels: Int, stride: Int, bias: Bool) {
    convolution(Text("dw\(pair)"), dims[3], kernel: 3, stride: stride, depthwise: true, bias: bias)
    normalizedRelu()
    convolution(Text("pw\(pair)"), channels, kernel: 1, bias: bias)
    normalizedRelu()
  }
}
