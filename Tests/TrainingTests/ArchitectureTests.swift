import Graph
import Runtime
import Testing

@testable import Training

/// Every network, in a size that takes little time.
private func smallArchitectures() -> [Architecture] {
  (UInt8(0)...10).map { raw in
    var architecture = Architecture(Architecture.Kind(rawValue: raw)!)
    switch architecture.kind {
    case .mlp: (architecture.widths, architecture.hasNormalization) = ([6, 5, 4, 3], true)
    case .binaryMlp: architecture.widths = [6, 5, 4, 3]
    case .mobileNetV1: (architecture.resolution, architecture.width) = (41, 0.25)
    case .squeezeNet10, .squeezeNet11: (architecture.resolution, architecture.classes) = (43, 7)
    default: break
    }
    return architecture
  }
}

@Suite struct ArchitectureTests {
  @Test func noKindIsLeftOut() {
    #expect(Architecture.Kind(rawValue: 11) == nil)
  }

  /// Names of layers tell apart, and constants are called after the nodes that read them.
  @Test func namesAreThoseOfTheNodes() throws {
    for architecture in smallArchitectures() {
      let graph = try architecture.graph()
      #expect(Set(graph.nodes.map { $0.name.description }).count == graph.nodes.count)
      for node in graph.nodes {
        for input in node.inputs where graph.values[input].constant != nil {
          #expect(graph.values[input].name.description.hasPrefix(node.name.description + "/"))
        }
      }
      #expect(graph.inputs.map { graph.values[$0].name } == ["input"])
      #expect(graph.outputs.map { graph.values[$0].name } == ["logits"])
    }
  }

  /// Nothing stands between a layer, its normalization and its activation, so that all of them become the layer.
  @Test func inferenceFoldsNormalizationsAndActivations() throws {
    for architecture in smallArchitectures() {
      let graph = try architecture.graph().optimized()
      for node in graph.nodes {
        switch node.op {
        case .batchNormalization: Issue.record("\(graph.name): \(node.name) is left")
        case .unary(let function): #expect(function.kind == .binarize, "\(graph.name): \(node.name) is left")
        default: break
        }
      }
    }
  }

  /// Paddings put ceil(size / stride) results where a network of the paper has them, at every size.
  @Test(arguments: 1...40) func stridesHalveImagesUpwards(resolution: Int) throws {
    var architecture = Architecture(.mobileNetV1)
    (architecture.resolution, architecture.width, architecture.classes) = (resolution, 0.01, 1)
    let graph = try architecture.graph()
    var expected = resolution
    for node in graph.nodes {
      guard case .convolution(let convolution) = node.op else { continue }
      let window = convolution.window
      if window.strideHeight == 2 { expected = (expected + 1) / 2 }
      let shape = graph.values[node.outputs[0]].shape
      #expect(shape[1] == expected && shape[2] == expected)
      let padding = window.padTop + window.padBottom
      #expect(window.padBottom - window.padTop == padding % 2 && padding < window.kernelHeight)
    }
    #expect(expected == (resolution + 31) / 32)
  }

  /// A shortcut without weights is the pixel itself, with zeros for the new channels.
  @Test func shortcutsOfResNetKeepEverySecondPixel() throws {
    var architecture = Architecture(.resNet20)
    (architecture.resolution, architecture.channels) = (8, 1)
    var graph = try architecture.graph()
    let shortcut = try #require(graph.nodes.first { $0.name == "stage2/block1/shortcut" })
    let pool = try #require(graph.nodes.first { $0.name == "stage2/block1/shortcut/pool" })
    graph.outputs = [pool.inputs[0], shortcut.outputs[0]]
    let plan = try Plan(graph, SessionOptions())
    let memory = UnsafeMutableRawPointer.allocate(byteCount: plan.memoryRequired, alignment: 64)
    defer { memory.deallocate() }
    let session = try Session(plan, memory: memory, size: plan.memoryRequired)
    defer { session.destroy() }
    let input = session.inputPointer(0)!.assumingMemoryBound(to: Float.self)
    for pixel in 0..<64 { input[pixel] = Float(pixel * pixel % 23) - 11 }
    #expect(session.run())
    let before = session.outputPointer(0)!.assumingMemoryBound(to: Float.self)
    let after = session.outputPointer(1)!.assumingMemoryBound(to: Float.self)
    var isZero = true
    for y in 0..<4 {
      for x in 0..<4 {
        for channel in 0..<16 {
          #expect(after[(y * 4 + x) * 32 + channel] == before[(y * 2 * 8 + x * 2) * 16 + channel])
          isZero = isZero && after[(y * 4 + x) * 32 + channel] == 0
          #expect(after[(y * 4 + x) * 32 + 16 + channel] == 0)
        }
      }
    }
    #expect(!isZero)
  }

  /// Depends on the place and the number of the tensor; an odd multiple of the step, so never 0.
  @Test func weightsAreFunctionsOfSeedTensorAndPlace() throws {
    func tensors(_ seed: UInt64, _ counts: [Int]) throws -> [[Float]] {
      var initializer = WeightInitializer(seed: seed)
      return try counts.map { try initializer.next($0, .he, fanIn: 24, fanOut: 5)!.array(of: Float.self) }
    }
    let long = try tensors(9, [40, 40])
    let short = try tensors(9, [7, 40])
    #expect(Array(long[0][..<7]) == short[0])
    #expect(long[1] == short[1])
    #expect(long[0] != long[1])
    #expect(try tensors(10, [40])[0] != long[0])
    // The bound of 24 inputs is one half: numbers are odd multiples of 2^-25.
    for weight in long[0] + long[1] {
      let steps = weight * 33_554_432
      #expect(abs(weight) < 0.5 && steps == steps.rounded() && Int(steps) % 2 != 0)
    }
  }

  @Test func optionsOfOtherNetworksAreRefused() {
    let changes: [(String, (inout Architecture) -> Void)] = [
      ("resolution", { $0.resolution = 64 }), ("channels", { $0.channels = 2 }), ("classes", { $0.classes = 3 }), ("width", { $0.width = 0.5 }),
      ("gamma", { $0.gamma = 0.5 }), ("batch_norm", { $0.hasNormalization = true }), ("bypass", { $0.hasBypass = true }),
      ("widths", { $0.widths = $0.kind == .lenet5 || $0.kind == .binaryLenet5 ? [6, 5, 4] : [6, 5, 4, 3] }),
    ]
    let taken: [Architecture.Kind: Set<String>] = [
      .lenet300: ["classes"], .lenet5: ["resolution", "channels", "classes", "widths"], .mlp: ["batch_norm", "widths"],
      .mobileNetV1: ["resolution", "channels", "classes", "width", "gamma"], .squeezeNet10: ["resolution", "channels", "classes", "bypass"],
      .squeezeNet11: ["resolution", "channels", "classes", "bypass"], .resNet8: ["resolution", "channels", "classes", "gamma"],
      .resNet20: ["resolution", "channels", "classes", "gamma"], .dsCnn: ["classes", "gamma"], .binaryMlp: ["widths", "gamma"],
      .binaryLenet5: ["resolution", "channels", "classes", "widths", "gamma"],
    ]
    for var base in smallArchitectures() {
      base.hasNormalization = false
      for (name, change) in changes {
        var architecture = base
        change(&architecture)
        do throws(EdgeError) {
          _ = try architecture.graph()
          #expect(taken[base.kind]!.contains(name), "\(base.kind) takes \(name)")
        } catch {
          #expect(error.status == .invalidArgument && error.message.contains(name))
          #expect(!taken[base.kind]!.contains(name), "\(base.kind) refuses \(name): \(error.message)")
        }
      }
    }
  }
}
