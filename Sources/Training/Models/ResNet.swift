#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Residual networks of small images (He et al. 2016): stages of 16, 32 and 64 channels, of which the second and the third one
// begin with a stride of 2.

extension ModelBuilder {
  /// The image classifier of MLPerf Tiny (Banbury et al. 2021): one block in each stage. Its convolutions have biases, although a
  /// normalization follows, and those of the shortcuts have no normalization.
  mutating func resNet8(_ image: ImageClasses) {
    epsilon = 1e-3
    resNet(image, blocks: 1, isTiny: true)
  }

  /// The network of the paper: three blocks in each stage, shortcuts without weights.
  mutating func resNet20(_ image: ImageClasses) { resNet(image, blocks: 3, isTiny: false) }

  private mutating func resNet(_ image: ImageClasses, blocks: Int, isTiny: Bool) {
    input(image)
    convolution("conv1", 16, kernel: 3, bias: isTiny)
    normalizedRelu()
    for stage in 1...3 {
      for block in 1...blocks {
        residual(Text("stage\(stage)/block\(block)"), 8 << stage, isFirst: stage > 1 && block == 1, isTiny: isTiny)
      }
    }
    globalAverage()
    classifier("fc", image.classes)
  }

  /// `isFirst`: twice the channels, half the height and width.
  private mutating func residual(_ name: Text, _ channels: Int, isFirst: Bool, isTiny: Bool) {
    let start = x
    convolution(name + "/conv1", channels, kernel: 3, stride: isFirst ? 2 : 1, bias: isTiny)
    normalizedRelu()
    convolution(name + "/conv2", channels, kernel: 3, bias: isTiny)
    normalization()
    let residual = x
    x = start
    if isFirst { shortcut(name + "/shortcut", channels, isTiny: isTiny) }
    addition(name + "/sum", of: x, residual)
    relu(name)
  }

  private mutating func shortcut(_ name: Text, _ channels: Int, isTiny: Bool) {
    if isTiny {
      convolution(name, channels, kernel: 1, stride: 2, scale: .glorot)
    } else {
      // A pool of single pixels leaves every second one.
      maxPool(name + "/pool", size: 1, stride: 2)
      padChannels(name, channels / 2)
    }
  }
}
