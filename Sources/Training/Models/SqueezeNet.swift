#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension ModelBuilder {
  /// SqueezeNet (Iandola et al. 2016), version 1.0 or 1.1. `bypass`: additions around the fire modules that have as many input
  /// as output channels, the paper's "simple bypass".
  mutating func squeezeNet(_ image: ImageClasses, isFirst: Bool, bypass: Bool) throws(EdgeError) -> ValueID {
    var x = input(image)
    x = try convolution("conv1", x, isFirst ? 96 : 64, kernel: isFirst ? 7 : 3, stride: 2, padding: .valid)
    x = try maxPool("pool1", try relu("conv1", x), size: 3, stride: 2, ceil: true)
    for module in 2...9 {
      let name = Text("fire\(module)")
      let squeeze = module / 2 * 16
      var y = try fire(name, x, squeeze, 4 * squeeze)
      if bypass && module % 2 == 1 { y = try sum(name + "/bypass", x, y) }
      x = y
      if isFirst ? module == 4 || module == 8 : module == 3 || module == 5 {
        x = try maxPool("pool\(module)", x, size: 3, stride: 2, ceil: true)
      }
    }
    x = try relu("conv10", try convolution("conv10", x, image.classes, kernel: 1))
    return try globalAverage(x)
  }

  /// Few channels, then many, of which one half sees 3x3 pixels.
  private mutating func fire(_ name: Text, _ x: ValueID, _ squeeze: Int, _ expand: Int) throws(EdgeError) -> ValueID {
    let (narrow, small, large) = (name + "/squeeze1x1", name + "/expand1x1", name + "/expand3x3")
    let x = try relu(narrow, try convolution(narrow, x, squeeze, kernel: 1))
    let first = try relu(small, try convolution(small, x, expand, kernel: 1))
    let second = try relu(large, try convolution(large, x, expand, kernel: 3))
    return try concat(name + "/concat", first, second)
  }
}
