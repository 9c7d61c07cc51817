#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Residual networks of small images (He et al. 2016): stages of 16, 32 and 64 channels, of which the second and the third one
// begin with a stride of 2.

extension ModelBuilder {
  /// The image classifier of MLPerf Tiny (Banbury et al. 2021): one block in each stage. Its convolutions have biases, although a
  /// normalization follows, and those of the shortcuts have no normalization.
  mutating func resNet8(_ image: ImageClasses) throws(EdgeError) -> ValueID {
    epsilon = 1e-3
    return try resNet(image, blocks: 1, isTiny: true)
  }

  /// The network of the paper: three blocks in each stage, shortcuts without weights.
  mutating func resNet20(_ image: ImageClasses) throws(EdgeError) -> ValueID {
    try resNet(image, blocks: 3, isTiny: false)
  }

  private mutating func resNet(_ image: ImageClasses, blocks: Int, isTiny: Bool) throws(EdgeError) -> ValueID {
    var x = try convolution("conv1", input(image), 16, kernel: 3, bias: isTiny)
    x = try normalizedRelu("conv1", x)
    for stage in 1...3 {
      for block in 1...blocks {
        let name = Text("stage\(stage)/block\(block)")
        x = try residual(name, x, 8 << stage, isFirst: stage > 1 && block == 1, isTiny: isTiny)
      }
    }
    return try classifier("fc", try globalAverage(x), image.classes)
  }

  /// `isFirst`: twice the channels, half the height and width.
  private mutating func residual(
    _ name: Text, _ x: ValueID, _ channels: Int, isFirst: Bool, isTiny: Bool
  ) throws(EdgeError) -> ValueID {
    let (first, second, shortcut) = (name + "/conv1", name + "/conv2", name + "/shortcut")
    var y = try convolution(first, x, channels, kernel: 3, stride: isFirst ? 2 : 1, bias: isTiny)
    y = try normalizedRelu(first, y)
    y = try normalization(second, try convolution(second, y, channels, kernel: 3, bias: isTiny))
    var straight = x
    if isFirst && isTiny {
      straight = try convolution(shortcut, x, channels, kernel: 1, stride: 2, scale: .glorot)
    } else if isFirst {
      // A pool of single pixels leaves every second one.
      straight = try maxPool(shortcut + "/pool", x, size: 1, stride: 2)
      straight = try padChannels(shortcut, straight, channels / 2)
    }
    return try relu(name, try sum(name + "/sum", straight, y))
  }
}
