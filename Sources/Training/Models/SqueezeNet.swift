#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension ModelBuilder {
  /// SqueezeNet (Iandola et al. 2016), version 1.0 or 1.1. `bypass`: additions around the fire modules that have as many input
  /// as output channels, the paper's "simple bypass".
  mutating func squeezeNet(_ image: ImageClasses, isFirst: Bool, bypass: Bool) {
    input(image)
    convolution("conv1", isFirst ? 96 : 64, kernel: isFirst ? 7 : 3, stride: 2, padding: .valid)
    relu()
    maxPool("pool1", size: 3, stride: 2, ceil: true)
    for module in 2...9 {
      let name = Text("fire\(module)")
      let before = x
      fire(name, module / 2 * 16)
      if bypass && module % 2 == 1 { addition(name + "/bypass", of: before, x) }
      if isFirst ? module == 4 || module == 8 : module == 3 || module == 5 {
        maxPool(Text("pool\(module)"), size: 3, stride: 2, ceil: true)
      }
    }
    convolution("conv10", image.classes, kernel: 1)
    relu()
    globalAverage()
  }

  /// Few channels, then eight times as many, of which one half sees 3x3 pixels.
  private mutating func fire(_ name: Text, _ channels: Int) {
    convolution(name + "/squeeze1x1", channels, kernel: 1)
    relu()
    let squeezed = x
    convolution(name + "/expand1x1", 4 * channels, kernel: 1)
    relu()
    let small = x
    x = squeezed
    convolution(name + "/expand3x3", 4 * channels, kernel: 3)
    relu()
    concatenation(name + "/concat", of: small, x)
  }
}
