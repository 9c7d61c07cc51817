#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Which published network to make, and in which size. Numbers of 0 stand for those of the publication.
public struct Architecture {
  /// Raw values are the C header's.
  public enum Kind: UInt8 {
    case lenet300 = 0, lenet5, mlp, mobileNetV1, squeezeNet10, squeezeNet11, resNet8, resNet20, dsCnn, binaryMlp, binaryLenet5
  }

  public var kind: Kind
  public var seed: UInt64 = 0
  /// Factor of the numbers of channels of MobileNet.
  public var width: Float = 1
  /// What the scales of batch normalizations begin with.
  public var gamma: Float = 1
  /// Height and width of the images.
  public var resolution = 0
  /// Channels of the images.
  public var channels = 0
  public var classes = 0
  /// Of a multilayer perceptron: inputs, hidden layers, classes. Of LeNet-5: `conv1`, `conv2`, `ip1`.
  public var widths: [Int] = []
  public var hasNormalization = false
  public var hasBypass = false

  /// At most so many.
  public static var mostWidths: Int { 256 }

  public init(_ kind: Kind) { self.kind = kind }

  /// The network with new weights, which depend on the seed and on nothing else.
  ///
  /// - Throws: `invalidArgument` for an option that is out of range or that this network does not have, `shapeMismatch` for
  ///   images that are too small, `limitExceeded` for too many weights, `outOfMemory`.
  public func graph() throws(EdgeError) -> Graph {
    try validate()
    var builder = ModelBuilder(name: name, seed: seed, gamma: gamma)
    switch kind {
    case .lenet300: builder.perceptron([784, 300, 100, classes > 0 ? classes : 10], prefix: "ip", normalized: false)
    case .lenet5: builder.lenet5(image(28, 1, classes: 10), lenetWidths)
    case .mlp: builder.perceptron(widths, prefix: "fc", normalized: hasNormalization)
    case .mobileNetV1: builder.mobileNetV1(image(224, 3, classes: 1000), width)
    case .squeezeNet10, .squeezeNet11:
      builder.squeezeNet(image(224, 3, classes: 1000), isFirst: kind == .squeezeNet10, bypass: hasBypass)
    case .resNet8: builder.resNet8(image(32, 3, classes: 10))
    case .resNet20: builder.resNet20(image(32, 3, classes: 10))
    case .dsCnn: builder.dsCnn(classes: classes > 0 ? classes : 12)
    case .binaryMlp: builder.binaryPerceptron(widths)
    case .binaryLenet5: builder.binaryLenet5(image(28, 1, classes: 10), lenetWidths)
    }
    return try builder.finish()
  }

  private var name: Text {
    switch kind {
    case .lenet300: return "lenet-300-100"
    case .lenet5: return "lenet-5"
    case .mlp: return "mlp"
    case .mobileNetV1: return "mobilenet-v1"
    case .squeezeNet10: return "squeezenet-1.0"
    case .squeezeNet11: return "squeezenet-1.1"
    case .resNet8: return "resnet-8"
    case .resNet20: return "resnet-20"
    case .dsCnn: return "ds-cnn"
    case .binaryMlp: return "binary-mlp"
    case .binaryLenet5: return "binary-lenet-5"
    }
  }

  private var lenetWidths: [Int] { widths.isEmpty ? [20, 50, 500] : widths }

  private func image(_ resolution: Int, _ channels: Int, classes: Int) -> ImageClasses {
    ImageClasses(
      resolution: self.resolution > 0 ? self.resolution : resolution, channels: self.channels > 0 ? self.channels : channels,
      classes: self.classes > 0 ? self.classes : classes)
  }

  // MARK: Checks

  private var isPerceptron: Bool { kind == .mlp || kind == .binaryMlp }
  private var isLenet5: Bool { kind == .lenet5 || kind == .binaryLenet5 }
  private var isSqueezeNet: Bool { kind == .squeezeNet10 || kind == .squeezeNet11 }
  private var hasFixedInput: Bool { kind == .lenet300 || kind == .dsCnn || isPerceptron }
  private var isNormalized: Bool { !(kind == .lenet300 || kind == .lenet5 || isSqueezeNet) && (kind != .mlp || hasNormalization) }

  private func validate() throws(EdgeError) {
    // Sums of sizes cannot overflow then, on 32-bit processors either; products are checked where they are made.
    try check(resolution, most: 8192, isTaken: !hasFixedInput, "resolution")
    try check(channels, most: 8192, isTaken: !hasFixedInput, "channels")
    try check(classes, most: 1 << 20, isTaken: !isPerceptron, "classes")
    guard width > 0, width <= 16 else { throw EdgeError(.invalidArgument, "width is \(width); it must be above 0 and at most 16") }
    guard gamma.isFinite, gamma > 0 else { throw EdgeError(.invalidArgument, "gamma is \(gamma); it must be above 0 and finite") }
    try refuse(width != 1 && kind != .mobileNetV1, "width")
    try refuse(gamma != 1 && !isNormalized, "gamma")
    try refuse(hasNormalization && kind != .mlp, "batch_norm")
    try refuse(hasBypass && !isSqueezeNet, "bypass")
    try refuse(!widths.isEmpty && !isPerceptron && !isLenet5, "widths")
    if widths.isEmpty && !isPerceptron { return }
    // The first and the last layer of a binary network are not binary.
    let least = isLenet5 ? 3 : kind == .mlp ? 2 : 4
    let most = isLenet5 ? 3 : Architecture.mostWidths
    guard widths.count >= least, widths.count <= most else {
      throw EdgeError(.invalidArgument, "\(widths.count) widths; \(name) takes \(least) to \(most)")
    }
    for size in widths where size < 1 || size > 1 << 20 {
      throw EdgeError(.invalidArgument, "a width is \(size); it must be 1 to \(1 << 20)")
    }
  }

  private func check(_ number: Int, most: Int, isTaken: Bool, _ option: StaticString) throws(EdgeError) {
    try refuse(number != 0 && !isTaken, option)
    guard number >= 0, number <= most else {
      throw EdgeError(.invalidArgument, "\(option) is \(number); it must be 1 to \(most), or 0 for the publication's")
    }
  }

  private func refuse(_ isSet: Bool, _ option: StaticString) throws(EdgeError) {
    if isSet { throw EdgeError(.invalidArgument, "\(name) has no option \(option)") }
  }
}

/// What a network of square images is told of its task.
struct ImageClasses {
  let resolution: Int
  let channels: Int
  let classes: Int
}

extension ModelBuilder {
  mutating func input(_ image: ImageClasses) { input([image.resolution, image.resolution, image.channels]) }

  /// The last layer.
  mutating func classifier(_ name: Text, _ classes: Int) { dense(name, classes, scale: .glorot) }
}
