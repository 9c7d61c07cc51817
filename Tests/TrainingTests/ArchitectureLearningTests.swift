import Graph
import Runtime
import Testing

@testable import Training

/// Three samples of noise and their classes are learnt by heart: every operator of the network has a gradient, and it leads down.
@Suite struct ArchitectureLearningTests {
  @Test(arguments: UInt8(0)...10) func noiseIsLearntByHeart(raw: UInt8) throws {
    var architecture = Architecture(Architecture.Kind(rawValue: raw)!)
    switch architecture.kind {
    case .mlp: (architecture.widths, architecture.hasNormalization) = ([6, 5, 4, 3], true)
    case .binaryMlp: architecture.widths = [16, 32, 32, 3]
    case .mobileNetV1: (architecture.resolution, architecture.width, architecture.classes) = (32, 0.25, 3)
    case .squeezeNet10, .squeezeNet11: (architecture.resolution, architecture.classes, architecture.hasBypass) = (32, 3, true)
    case .resNet8, .resNet20: (architecture.resolution, architecture.classes) = (16, 3)
    default: architecture.classes = 3
    }
    let graph = try architecture.graph()
    var options = TrainerOptions()
    (options.batch, options.optimizer, options.learningRate, options.momentum) = (3, .adam, 0.003, 0.9)
    let trainer = try Trainer.make(graph, options)
    let count = graph.values[graph.inputs[0]].shape.elementCount(batch: 3)!
    // Numbers in -1...1 without any pattern.
    var state: UInt64 = 7
    let input: [Float] = (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / 8_388_608 - 1
    }
    let targets: [Float] = [1, 0, 0, 0, 1, 0, 0, 0, 1]
    var losses: [Double] = []
    try input.withUnsafeBytes { x in
      try targets.withUnsafeBytes { y in
        try [x.baseAddress!].withUnsafeBufferPointer { inputs in
          for _ in 0..<40 { losses.append(try trainer.step(inputs, targets: y.baseAddress!).loss) }
        }
      }
    }
    #expect(losses[0] > 0.5 && losses[39] < losses[0] / 2, "\(graph.name): \(losses[0]) -> \(losses[39])")
    // What did not depend on any weight could not be learnt: all of them have moved.
    for index in trainer.parameters.indices where trainer.parameters[index].name.description.hasSuffix("/weights") {
      let name = trainer.parameters[index].name
      let start = graph.values.first { $0.name == name }!.constant!.array(of: Float.self)
      let now = trainer.parameterPointer(index)!
      #expect((0..<start.count).contains { now[$0] != start[$0] }, "\(graph.name): \(name) stays")
    }
  }
}
