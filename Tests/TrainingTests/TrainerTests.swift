import Graph
import Runtime
import Testing

@testable import Compression
@testable import Training

/// What a trainer promises besides learning: who learns, what a failing step leaves, what it hands over.
@Suite struct TrainerTests {
  private func bytes(_ trainer: Trainer) throws -> [UInt8] {
    let image = try trainer.checkpoint()
    return [UInt8](UnsafeRawBufferPointer(start: image.base, count: image.count))
  }

  private func message(_ body: () throws -> Void) -> Text {
    do { try body() } catch let error as EdgeError { return error.message } catch {}
    Issue.record("there is no error")
    return ""
  }

  // MARK: Names

  /// The first two layers have one name: what is said of it is said of both.
  private func namesakes() throws -> Graph {
    var graph = try network(hidden: [12, 12, 12])
    let second = try #require(graph.nodes.firstIndex { $0.name == "ip2" })
    graph.nodes[second].name = "ip1"
    return graph
  }

  @Test func layersOfOneNameAreFrozenTogether() throws {
    var problem = Problem()
    let graph = try namesakes()
    let trainer = try Trainer.make(graph, options { $0.frozen = ["ip1"] })
    #expect(trainer.layers.map { $0.name } == ["ip3", "ip4"])
    try trainer.train(10, &problem)
    for (name, moves): (Text, Bool) in [("ip1/weights", false), ("ip2/weights", false), ("ip2/bias", false), ("ip3/weights", true)] {
      let before = try #require(graph.values.first { $0.name == name }?.constant).array(of: Float.self)
      #expect(try (trainer.weights(name) != before) == moves)
    }
    // What stands before a layer that becomes binary, of those that learn neither the first nor the last.
    let method = BinaryWeights()
    (method.kind, method.includesFirst) = (.xnor, true)
    let prepared = try method.prepare(graph, options { $0.frozen = ["ip1"] })
    let signs = prepared.nodes.filter { if case .unary(let f) = $0.op { f.kind == .binarize } else { false } }
    #expect(signs.map { $0.name } == ["ip3/signs"])
  }

  @Test func aNumberBehindANameIsAnothersOwnName() throws {
    var problem = Problem()
    var graph = try namesakes()
    let third = try #require(graph.nodes.firstIndex { $0.name == "ip3" })
    graph.nodes[third].name = "ip1/2"
    let trainer = try Trainer.make(graph, options { $0.frozen = ["ip1/2"] })
    #expect(trainer.layers.map { $0.name } == ["ip1", "ip1", "ip4"])
    try trainer.train(3, &problem)
    for (name, moves): (Text, Bool) in [("ip2/weights", true), ("ip3/weights", false)] {
      let before = try #require(graph.values.first { $0.name == name }?.constant).array(of: Float.self)
      #expect(try (trainer.weights(name) != before) == moves)
    }
  }

  @Test func numbersOfANameAreForAllItsLayers() throws {
    var problem = Problem()
    let pruning = MagnitudePruning()
    (pruning.sparsity, pruning.last) = (LayerNumbers(0, [LayerValue(name: "ip1", value: 0.5)]), 0)
    let trainer = try Trainer.make(try namesakes(), options(), methods: [pruning])
    #expect(trainer.layers.map { $0.name } == ["ip1", "ip1", "ip3", "ip4"])
    #expect(Set(trainer.layers.map { $0.node }).count == 4)
    try trainer.train(1, &problem)
    for (name, zeros): (Text, Int) in [("ip1/weights", 72), ("ip2/weights", 72), ("ip3/weights", 0)] {
      #expect(try trainer.weights(name).filter { $0 == 0 }.count == zeros)
    }
  }

  /// Made different, a name must not become that of another node.
  @Test func madeNamesAreNobodysElse() throws {
    var graph = try network(hidden: [12, 12, 12])
    let places = graph.nodes.indices.filter { if case .dense = graph.nodes[$0].op { true } else { false } }
    graph.nodes[places[0]].name = Text("a/\(places[2])")
    graph.nodes[places[1]].name = "a"
    graph.nodes[places[2]].name = "a"
    let trainer = try Trainer.make(graph, options())
    #expect(Set(trainer.layers.map { $0.node }).count == 4)
  }

  // MARK: Shared constants

  @Test func frozenLayersShareNothingThatLearns() throws {
    var graph = try network(hidden: [12, 12, 12])
    let layers = graph.nodes.indices.filter { if case .dense = graph.nodes[$0].op { true } else { false } }
    graph.nodes[layers[2]].inputs[1] = graph.nodes[layers[1]].inputs[1]
    for (frozen, other): (Text, Text) in [("ip2", "ip3"), ("ip3", "ip2")] {
      let text = message { _ = try Trainer.make(graph, options { $0.frozen = [frozen] }) }
      #expect(text == Text("'\(frozen)' is frozen and reads 'ip2/weights', which '\(other)' learns: freeze both or neither"))
    }
    // The one that is named learns; another reader does not.
    var other = try network(hidden: [12, 12, 12])
    other.nodes[layers[2]].inputs[2] = other.nodes[layers[1]].inputs[2]
    let bias = other.nodes[layers[1]].inputs[2]
    let copy = other.addValue(Value(name: "copy", dtype: .float32, shape: other.values[bias].shape))
    other.nodes.insert(Node(name: "reader", op: .unary(UnaryFunction(.abs)), inputs: [bias], outputs: [copy]), at: 0)
    let text = message { _ = try Trainer.make(other, options { $0.frozen = ["ip3"] }) }
    #expect(text == "'ip3' is frozen and reads 'ip2/bias', which 'ip2' learns: freeze both or neither")
    var problem = Problem()
    let both = try Trainer.make(graph, options { $0.frozen = ["ip2", "ip3"] })
    try both.train(3, &problem)
    #expect(try both.weights("ip2/weights") == (try #require(graph.values.first { $0.name == "ip2/weights" }?.constant).array(of: Float.self)))
  }

  /// Exporters store equal constants once: the statistics of two normalizations that begin alike do not end alike.
  @Test func statisticsAreEachNormalizationsOwn() throws {
    let graph = try network(normalizes: true, hidden: [16, 16])
    var sharing = graph
    let nodes = graph.nodes.indices.filter { if case .batchNormalization = graph.nodes[$0].op { true } else { false } }
    for place in 3...4 { sharing.nodes[nodes[1]].inputs[place] = sharing.nodes[nodes[0]].inputs[place] }
    func statistics(_ graph: Graph, _ frozen: [Text]) throws -> [[Float]] {
      var problem = Problem()
      let trainer = try Trainer.make(graph, options { $0.frozen = frozen })
      try trainer.train(20, &problem)
      let trained = try trainer.exported(isTrainable: true)
      return try trained.nodes.flatMap { node -> [[Float]] in
        guard case .batchNormalization = node.op else { return [] }
        return try node.inputs[3...4].map { try #require(trained.values[$0].constant).array(of: Float.self) }
      }
    }
    #expect(try statistics(sharing, []) == statistics(graph, []))
    #expect(try statistics(sharing, ["ip1/bn"]) == statistics(graph, ["ip1/bn"]))
  }

  // MARK: Failing steps

  /// Gradients whose squares are infinite would stop a parameter for good, with a finite loss.
  @Test func overflowingMomentsAreRefused() throws {
    for kind in [OptimizerStep.Kind.adam, .adamW, .rmsprop] {
      var graph = try network(hidden: [])
      let weights = try #require(graph.values.firstIndex { $0.name == "ip1/weights" })
      graph.values[weights].constant = try TensorData([Float](repeating: 0, count: Problem.inputs * Problem.classes))
      var problem = Problem()
      let trainer = try Trainer.make(graph, options { $0.optimizer = kind })
      let before = try bytes(trainer)
      var samples = problem.batch()
      for index in samples.x.indices { samples.x[index] = index % Problem.inputs == 7 ? 1e25 : 0 }
      let text = message { _ = try trainer.step(samples) }
      #expect(text == "after step 0 parameter 'ip1/weights' is not finite at element 7, whose moment has overflowed", "\(kind)")
      #expect(try bytes(trainer) == before)
      #expect(trainer.step == 0)
      // As if that step had not been tried.
      let other = try Trainer.make(graph, options { $0.optimizer = kind })
      samples = problem.batch()
      #expect(try trainer.step(samples) == other.step(samples))
      #expect(try bytes(trainer) == bytes(other))
    }
  }

  /// A normalization by an infinite variance gives zeros, and a finite loss.
  @Test func overflowingStatisticsAreRefused() throws {
    var problem = Problem()
    let trainer = try Trainer.make(try network(normalizes: true), options { $0.frozen = ["ip1"] })
    let before = try bytes(trainer)
    var samples = problem.batch()
    for index in samples.x.indices { samples.x[index] *= 1e25 }
    #expect(message { _ = try trainer.step(samples) } == "after step 0 'ip1/bn/variance' is not finite at element 0")
    #expect(try bytes(trainer) == before)
    _ = try trainer.step(problem.batch())
  }

  /// Also what a method changed before the step.
  @Test func failingStepsTakeMasksBack() throws {
    func surgery() -> NetworkSurgery {
      let method = NetworkSurgery()
      (method.kept, method.power, method.stop) = (LayerNumbers(0.3), 0, 20)
      return method
    }
    var problem = Problem()
    let trainer = try Trainer.make(try network(), options(), methods: [surgery(), QuantizationAware()])
    try trainer.train(5, &problem)
    let before = try bytes(trainer)
    var samples = problem.batch()
    let good = samples
    samples.x[3] = .nan
    _ = message { _ = try trainer.step(samples) }
    #expect(try bytes(trainer) == before)
    trainer.cancel()
    _ = message { _ = try trainer.step(good) }
    #expect(try bytes(trainer) == before)
    _ = try trainer.step(good)
    let masks = try bytes(trainer)
    let twin = try Trainer.make(try network(), options(), methods: [surgery(), QuantizationAware()])
    try before.withUnsafeBytes { try twin.restore($0) }
    _ = try twin.step(good)
    #expect(try bytes(twin) == masks)
  }

  @Test func surgeryNeedsLayers() throws {
    var graph = Graph()
    let parts: [(Text, Float)] = [("gamma", 1), ("beta", 0), ("mean", 0), ("variance", 1)]
    let constants = try parts.map { try graph.constant($0.0, [Problem.classes], [Float](repeating: $0.1, count: Problem.classes)) }
    graph.outputs = [try graph.add(.batchNormalization(epsilon: 1e-3), "bn", [graph.input("input", [-1, Problem.classes])] + constants)]
    _ = try Trainer.make(graph, options(), methods: [MagnitudePruning()])
    let text = message { _ = try Trainer.make(graph, options(), methods: [NetworkSurgery()]) }
    #expect(text == "the model has no layers whose weights could be masked")
  }

  @Test func outputsThatAreOneNumber() throws {
    var graph = try network()
    graph.outputs = [try graph.add(.reduce(.sum, axes: [0, 1], keepDims: false), "sum", [graph.outputs[0]])]
    #expect(throws: EdgeError.self) { try Trainer.make(graph, options { $0.loss = .meanSquaredError }) }
    graph = try graph.withFixedBatch(1)
    for loss in [Loss.crossEntropy, .meanSquaredError] {
      do {
        let trainer = try Trainer.make(graph, options { $0.loss = loss })
        _ = try trainer.step(([Float](repeating: 0.1, count: Problem.inputs), [1]))
        #expect(loss == .meanSquaredError)
      } catch let error as EdgeError {
        #expect(loss == .crossEntropy && error.status == .unsupportedFeature)
      }
    }
  }

  // MARK: Ranges

  /// Two convolutions with normalization and a pool between them.
  private func pictures() throws -> Graph {
    var random = Random(6)
    var graph = Graph(name: "pictures")
    let last = try convolutionLayers(&graph, &random, pooled: true)
    let x = try graph.add(.reshape(Shape([-1, 2 * 3 * 8])), "flat", [last])
    let weights = try graph.constant("fc/weights", [Problem.classes, 48], random.floats(Problem.classes * 48, -0.3, 0.3))
    let bias = try graph.constant("fc/bias", [Problem.classes], random.floats(Problem.classes))
    graph.outputs = [try graph.add(.dense(.none), "fc", [x, weights, bias])]
    return graph
  }

  /// What the trainer's own step computes of samples: the network with its roundings.
  private func simulated(_ trainer: Trainer, _ x: [Float]) throws -> [Float] {
    var graph = trainer.graph
    graph.outputs = [graph.outputs[1]]
    graph.states = []
    let runner = try Runner(graph.keepingWhatLeadsToOutputs())
    for (index, input) in graph.inputs.enumerated() {
      guard let target = runner.session.inputPointer(index) else { continue }
      let source = trainer.statePointer(input).map { UnsafeRawPointer($0) } ?? trainer.keptPointer(input).map { UnsafeRawPointer($0) }
      if let source { target.copyMemory(from: source, byteCount: runner.session.inputByteCount(index)) }
    }
    x.withUnsafeBytes { runner.session.inputPointer(0)!.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    #expect(runner.session.run())
    return (0..<Problem.batch * Problem.classes).map { runner.session.outputPointer(0)!.load(fromByteOffset: $0 * 4, as: Float.self) }
  }

  /// The int8 network of the exported model, on a batch; and the grid of its outputs.
  private func quantized(_ trainer: Trainer, knows: Bool, _ x: [Float]) throws -> (graph: Graph, grid: Quantization, outputs: [Float]) {
    var options = CalibrationOptions()
    if knows { options.known = (0..<trainer.rangeCount).map { trainer.range($0) } }
    let model = try trainer.exported()
    let calibration = try Calibration.make(model, options)
    try x.withUnsafeBytes { try calibration.feed(inputs: [$0.baseAddress!], samples: Problem.batch) }
    let graph = try model.quantized(try calibration.finish()).graph
    let last = try #require(graph.nodes.last)
    let grid = try #require(graph.values[last.inputs[0]].quantization)
    return (graph, grid, try Runner(graph.withFixedBatch(Problem.batch)).run([x])[0])
  }

  @Test func learntRangesGiveTheIntegersOfTraining() throws {
    var problem = Problem()
    let method = QuantizationAware()
    (method.delay, method.freeze) = (20, 150)
    let trainer = try Trainer.make(try pictures(), options { $0.learningRate = 0.02 }, methods: [method])
    #expect(trainer.rangeCount == 0)
    try trainer.train(300, &problem)
    let tensors = (0..<trainer.rangeCount).map { trainer.range($0).tensor }
    #expect(tensors == ["image", "pool", "flat"])
    let x = problem.batch().x
    let wanted = try simulated(trainer, x)
    func differences(_ knows: Bool) throws -> [Int] {
      let (graph, grid, outputs) = try quantized(trainer, knows: knows, x)
      if knows {
        for index in 0..<trainer.rangeCount {
          let (tensor, range) = trainer.range(index)
          let value = graph.values.first { $0.dtype == .uint8 && ($0.name == tensor || $0.name == tensor + "_quantized") }
          #expect(value?.quantization == QuantizationParameters.activation(ValueRange(min: min(range.min, 0), max: max(range.max, 0))))
        }
      }
      let inverse = 1 / grid.scales[0]
      return zip(outputs, wanted).map { output, exact in
        Int(QuantizationParameters.quantized(output, inverse, grid.zeroPoints[0])) - Int(QuantizationParameters.quantized(exact, inverse, grid.zeroPoints[0]))
      }
    }
    let (own, calibrated) = (try differences(true), try differences(false))
    // Ties, and biases that are integers too, may round another way.
    #expect(own.allSatisfy { $0.magnitude <= 1 } && own.filter { $0 != 0 }.count <= own.count / 50, "\(own)")
    #expect(calibrated.contains { $0.magnitude > 1 } || calibrated.filter { $0 != 0 }.count > own.count / 10, "\(calibrated)")
  }

  @Test func rangesThatAreNone() throws {
    var problem = Problem()
    let method = QuantizationAware()
    method.activationBits = 0
    for methods: [TrainingMethod] in [[], [method]] {
      let trainer = try Trainer.make(try network(), options(), methods: methods)
      try trainer.train(2, &problem)
      #expect(trainer.rangeCount == 0)
    }
    // Of layers with one name nothing says which is which.
    let trainer = try Trainer.make(try namesakes(), options(), methods: [QuantizationAware()])
    try trainer.train(2, &problem)
    #expect((0..<trainer.rangeCount).map { trainer.range($0).tensor } == ["ip2/relu", "ip3/relu"])
    // Nor of tensors with one name; and an operator that has the name of a layer which is gone from the exported model is none.
    var graph = try network(hidden: [12, 12])
    for value in graph.values.indices where ["ip1/relu", "ip2/relu"].contains(graph.values[value].name) { graph.values[value].name = "same" }
    let alike = try Trainer.make(graph, options(), methods: [QuantizationAware()])
    try alike.train(2, &problem)
    #expect((0..<alike.rangeCount).map { alike.range($0).tensor } == ["input"])
    graph = try network(hidden: [12])
    let unread = try graph.constant("tanh/weights", [3, 12], [Float](repeating: 0.1, count: 36))
    _ = try graph.add(.dense(.none), "tanh", [graph.nodes[0].outputs[0], unread])
    graph.outputs = [try graph.add(.unary(UnaryFunction(.tanh)), "tanh", [graph.outputs[0]])]
    let gone = try Trainer.make(graph, options(), methods: [QuantizationAware()])
    try gone.train(2, &problem)
    #expect((0..<gone.rangeCount).map { gone.range($0).tensor } == ["input", "ip1/relu"])
  }
}
