import Graph
import Runtime
import Testing

@testable import Training

@Suite struct MethodTests {
  @Test func learns() throws {
    for kind in [OptimizerStep.Kind.sgd, .nesterov, .adam, .adamW, .rmsprop] {
      var problem = Problem()
      let trainer = try Trainer.make(try network(), options {
        $0.optimizer = kind
        $0.learningRate = kind == .sgd || kind == .nesterov ? 0.05 : 0.01
        $0.weightDecay = 1e-4
        $0.clipNorm = 5
        $0.labelSmoothing = 0.05
      })
      let before = try trainer.accuracy()
      try trainer.train(200, &problem)
      let after = try trainer.accuracy()
      #expect(before < 0.6 && after > 0.9, "\(kind): \(before) to \(after)")
    }
  }

  /// Statistics of the batch while it learns, running ones in the exported model, which folds them.
  @Test func normalizes() throws {
    var problem = Problem()
    let trainer = try Trainer.make(try network(normalizes: true), options())
    try trainer.train(200, &problem)
    #expect(try trainer.accuracy() > 0.9)
    let graph = try trainer.exported()
    #expect(!graph.nodes.contains { if case .batchNormalization = $0.op { true } else { false } })
  }

  @Test func sameBitsForAnyThreadsAndAfterACheckpoint() throws {
    func make(_ threads: Int) throws -> Trainer {
      try Trainer.make(try network(normalizes: true), options { $0.threads = threads; $0.dropout = 0.2; $0.seed = 4 }, methods: [NetworkSurgery()])
    }
    var problem = Problem()
    let one = try make(1)
    try one.train(30, &problem)
    let checkpoint = try one.checkpoint()
    let saved = problem.random
    try one.train(30, &problem)

    problem.random = saved
    let other = try make(2)
    try other.restore(UnsafeRawBufferPointer(start: checkpoint.base, count: checkpoint.count))
    #expect(other.step == 30)
    try other.train(30, &problem)
    for name: Text in ["ip1/weights", "ip3/bias", "ip2/bn/variance"] { #expect(try one.weights(name) == other.weights(name)) }

    let stranger = try Trainer.make(try network(), options())
    #expect(throws: EdgeError.self) { try stranger.restore(UnsafeRawBufferPointer(start: checkpoint.base, count: checkpoint.count)) }
    #expect(throws: EdgeError.self) { try stranger.restore(UnsafeRawBufferPointer(start: checkpoint.base, count: checkpoint.count / 2)) }
  }

  @Test func lossThatIsNoNumber() throws {
    var problem = Problem()
    let trainer = try Trainer.make(try network(), options())
    try trainer.train(3, &problem)
    let before = try trainer.weights("ip1/weights")
    var samples = problem.batch()
    samples.x[5] = .nan
    do {
      _ = try trainer.step(samples)
      Issue.record("a loss of NaN is an error")
    } catch let error as EdgeError {
      #expect(error.status == .invalidArgument)
      #expect(error.message.contains("step 3"))
    }
    #expect(trainer.step == 3)
    #expect(try trainer.weights("ip1/weights") == before)
  }

  @Test func surgeryKeepsExactShareAndSplices() throws {
    var problem = Problem()
    let surgery = NetworkSurgery()
    surgery.kept = LayerNumbers(0.25)
    surgery.every = 5
    (surgery.power, surgery.stop) = (0, 200)
    let trainer = try Trainer.make(try network(), options(), methods: [surgery])
    var wasZero = [Bool](repeating: false, count: 24 * 12), cameBack = false
    for _ in 0..<40 {
      try trainer.train(10, &problem)
      for (index, weight) in try trainer.weights("ip1/weights").enumerated() {
        if weight == 0 { wasZero[index] = true } else if wasZero[index] { cameBack = true }
      }
    }
    #expect(cameBack)
    #expect(try trainer.weights("ip1/weights").filter { $0 != 0 }.count == 24 * 12 / 4)
    #expect(try trainer.weights("ip2/weights").filter { $0 != 0 }.count == 16 * 24 / 4)
    #expect(try trainer.accuracy() > 0.9)
  }

  @Test func magnitudePruningStays() throws {
    for isGlobal in [false, true] {
      var problem = Problem()
      let pruning = MagnitudePruning()
      (pruning.sparsity, pruning.isGlobal) = (LayerNumbers(0.75), isGlobal)
      (pruning.first, pruning.last, pruning.every) = (20, 100, 20)
      let trainer = try Trainer.make(try network(), options(), methods: [pruning])
      try trainer.train(101, &problem)
      let zeros = try trainer.weights("ip1/weights").map { $0 == 0 }
      try trainer.train(50, &problem)
      #expect(try trainer.weights("ip1/weights").map { $0 == 0 } == zeros)
      let all = try ["ip1/weights", "ip2/weights", "ip3/weights"].flatMap { try trainer.weights($0) }
      #expect(all.filter { $0 == 0 }.count == (isGlobal ? all.count * 3 / 4 : 24 * 9 + 16 * 18 + 4 * 12))
    }
  }

  @Test func sharedWeightsStayEqual() throws {
    var problem = Problem()
    var graph = try network()
    let id = try #require(graph.values.firstIndex { $0.name == "ip1/weights" })
    let original = try #require(graph.values[id].constant).array(of: Float.self)
    let shared = original.map { ($0 * 3).rounded() / 3 }
    graph.values[id].constant = try TensorData(shared)
    let trainer = try Trainer.make(graph, options(), methods: [SharedWeights()])
    try trainer.train(50, &problem)
    let learnt = try trainer.weights("ip1/weights")
    #expect(learnt != shared)
    var values: [Float: Float] = [:]
    for (before, after) in zip(shared, learnt) {
      #expect(values[before] == nil || values[before] == after)
      values[before] = after
    }
    #expect(values[0] == 0)
    #expect(try trainer.accuracy() > 0.8)
  }

  @Test func slimmingShrinksFactors() throws {
    func sum(_ lambda: Double) throws -> Float {
      var problem = Problem()
      let slimming = Slimming()
      slimming.lambda = lambda
      let trainer = try Trainer.make(try network(normalizes: true), options { $0.optimizer = .sgd; $0.learningRate = 0.05 }, methods: [slimming])
      try trainer.train(200, &problem)
      return try trainer.weights("ip1/bn/gamma").map(\.magnitude).reduce(0, +)
    }
    #expect(try sum(0.02) < 0.7 * sum(0))
    #expect(throws: EdgeError.self) { try Trainer.make(try network(), options(), methods: [Slimming()]) }
  }

  @Test func quantizationAwareWeightsLieOnGrids() throws {
    for (bits, learns) in [(8, false), (4, false), (4, true), (2, true)] {
      var problem = Problem()
      let method = QuantizationAware()
      (method.bits, method.learnsStep, method.delay) = (LayerNumbers(Double(bits)), learns, 20)
      let trainer = try Trainer.make(try network(), options(), methods: [method])
      try trainer.train(200, &problem)
      let weights = try trainer.weights("ip2/weights")
      for row in 0..<16 {
        let levels = Set(weights[row * 24..<(row + 1) * 24])
        #expect(levels.count <= 1 << bits)
        let step = levels.map(\.magnitude).filter { $0 > 0 }.min() ?? 1
        // The smallest level that occurs may be twice the step or more; all are multiples of the largest common one, within rounding.
        let most = Float(bits == 2 ? 2 : (1 << (bits - 1)) - 1)
        #expect((levels.map(\.magnitude).max() ?? 0) <= step * most * 1.0001 || levels.count < 3)
      }
      #expect(try trainer.accuracy() > 0.85, "\(bits) bits")
    }
  }

  @Test func foldedNormalizationHasRoundedWeights() throws {
    var problem = Problem()
    let method = QuantizationAware()
    (method.bits, method.delay, method.freeze) = (LayerNumbers(8, []), 20, 150)
    let trainer = try Trainer.make(try convolutions(), options { $0.learningRate = 0.02 }, methods: [method])
    try trainer.train(300, &problem)
    let graph = try trainer.exported()
    let layer = try #require(graph.nodes.first { $0.name == "conv2" })
    let weights = try #require(graph.values[layer.inputs[1]].constant).array(of: Float.self)
    for row in 0..<8 {
      let own = weights[row * 54..<(row + 1) * 54]
      let step = own.map(\.magnitude).max()! / 127
      for weight in own { #expect((weight / step - (weight / step).rounded()).magnitude < 2e-3) }
    }
    #expect(try trainer.accuracy() > 0.8)
  }

  @Test func binaryWeightsAreSigns() throws {
    for kind in [BinaryWeights.Kind.binary, .xnor, .ternary] {
      var problem = Problem()
      let method = BinaryWeights()
      method.kind = kind
      let trainer = try Trainer.make(try network(normalizes: true), options(), methods: [method])
      try trainer.train(300, &problem)
      let weights = try trainer.weights("ip2/weights")
      for row in 0..<16 {
        let magnitudes = Set(weights[row * 24..<(row + 1) * 24].map(\.magnitude)).subtracting(kind == .ternary ? [0] : [])
        #expect(magnitudes.count == 1 && !magnitudes.contains(0))
      }
      let signs = try trainer.exported(isTrainable: true).nodes.filter { if case .unary(let f) = $0.op { f.kind == .binarize } else { false } }
      #expect(signs.count == (kind == .xnor ? 1 : 0))
      #expect(try trainer.accuracy() > 0.85, "\(kind)")
    }
  }

  /// Behind a ReLU all signs are 1, so it goes: also one inside a layer, and one with maxima or a reshape between.
  @Test func signsTakeTheReLUsPlace() throws {
    for isFused in [false, true] {
      var random = Random(8)
      var graph = Graph()
      var x = graph.input("input", [-1, 4, 4, 2])
      for index in 1...2 {
        var op = Convolution(window: window(3, pad: 1))
        if isFused { op.clamp = Clamp(min: 0, max: 6) }
        let weights = try graph.constant(Text("conv\(index)/weights"), [2, 3, 3, 2], random.floats(36))
        x = try graph.add(.convolution(op), Text("conv\(index)"), [x, weights])
        if !isFused { x = try graph.add(.unary(UnaryFunction(.clamp, alpha: 0, beta: 6)), Text("relu\(index)"), [x]) }
        x = try graph.add(.pool(Pool(.max, window: window(2, stride: 2))), Text("pool\(index)"), [x])
      }
      x = try graph.add(.reshape(Shape([-1, 2])), "flat", [x])
      let weights = try graph.constant("fc/weights", [3, 2], random.floats(6))
      graph.outputs = [try graph.add(.dense(.none), "fc", [x, weights])]
      let method = BinaryWeights()
      (method.kind, method.includesLast) = (.xnor, true)
      let trainer = try Trainer.make(graph, options(), methods: [method])
      let trained = try trainer.exported(isTrainable: true)
      var signs = 0
      for node in trained.nodes {
        switch node.op {
        case .unary(let function):
          if function.kind == .binarize { signs += 1 } else { Issue.record("\(node.name) is still there") }
        case .convolution(let op): #expect(op.clamp.isNone)
        default: break
        }
      }
      #expect(signs == 2)
    }
  }

  /// Others go on reading what a ReLU inside a layer made: the sum of a residual block.
  @Test func residualsStayClampedBesideSigns() throws {
    var random = Random(4)
    var graph = Graph()
    let input = graph.input("input", [-1, Problem.inputs])
    func dense(_ name: Text, _ x: [ValueID], _ clamp: Clamp) throws -> ValueID {
      let weights = try graph.constant(name + "/weights", [Problem.inputs, Problem.inputs], random.floats(Problem.inputs * Problem.inputs))
      let bias = try graph.constant(name + "/bias", [Problem.inputs], random.floats(Problem.inputs))
      return try graph.add(.dense(clamp), name, [x[0], weights, bias] + x.dropFirst())
    }
    let first = try dense("first", [input], Clamp(min: 0, max: 6))
    let block = try dense("block", [first, first], .none)
    graph.outputs = [try dense("last", [block], .none)]
    let method = BinaryWeights()
    method.kind = .xnor
    let prepared = try method.prepare(graph, options())
    try prepared.validate()
    let x = random.floats(Problem.inputs)
    // Layer by layer as the model says, and with its signs.
    func value(_ name: Text, of graph: Graph) throws -> [Float] {
      var graph = try graph.withFixedBatch(1)
      graph.outputs = [try #require(graph.nodes.first { $0.name == name }).outputs[0]]
      return try Runner(graph, isa: .reference).run([x])[0]
    }
    let plain = try value("first", of: prepared)
    #expect(plain.contains { $0 < 0 })
    #expect(try value("first", of: graph) == plain.map { min(max($0, 0), 6) })
    #expect(try value("first/clamp", of: prepared) == plain.map { min(max($0, 0), 6) })
    #expect(try value("block/signs", of: prepared) == plain.map { $0 >= 0 ? 1 : -1 })
    let node = try #require(prepared.nodes.first { $0.name == "block" })
    #expect(node.inputs[3] == prepared.nodes.first { $0.name == "first/clamp" }?.outputs[0])
  }

  /// One set of weights in two layers has one gradient, which the method changes once.
  @Test func sharedWeightsAreBinaryOnce() throws {
    for kind in [BinaryWeights.Kind.binary, .ternary] {
      var graph = try network(hidden: [12, 12, 12])
      let layers = graph.nodes.indices.filter { if case .dense = graph.nodes[$0].op { true } else { false } }
      graph.nodes[layers[2]].inputs[1] = graph.nodes[layers[1]].inputs[1]
      var problem = Problem()
      let method = BinaryWeights()
      method.kind = kind
      let trainer = try Trainer.make(graph, options(), methods: [method])
      try trainer.train(200, &problem)
      #expect(try trainer.accuracy() > 0.85, "\(kind)")
    }
  }

  @Test func frozenLayersDoNotCount() throws {
    // With the first layer frozen the second is the first that learns, and stays float.
    let method = BinaryWeights()
    method.kind = .xnor
    let trainer = try Trainer.make(try network(hidden: [12, 12, 12]), options { $0.frozen = ["ip1"] }, methods: [method])
    let signs = try trainer.exported(isTrainable: true).nodes.filter { if case .unary(let f) = $0.op { f.kind == .binarize } else { false } }
    #expect(signs.map { $0.name } == ["ip3/signs"])
  }

  @Test func inputsMayHaveAnyName() throws {
    for name: Text in ["targets", "number", "rates", "ip1/weights"] {
      var graph = try network()
      graph.values[graph.inputs[0]].name = name
      var problem = Problem()
      let trainer = try Trainer.make(graph, options())
      try trainer.train(5, &problem)
      #expect(try trainer.exported().values[trainer.exported().inputs[0]].name == name)
    }
  }

  /// Gradients may be infinite where the loss is finite: the step is refused, and its place named.
  @Test func divergenceIsFoundInItsStep() throws {
    var problem = Problem()
    let trainer = try Trainer.make(try network(), options { ($0.optimizer, $0.learningRate) = (.sgd, .greatestFiniteMagnitude) })
    let before = try trainer.weights("ip1/weights")
    do {
      _ = try trainer.step(problem.batch())
      Issue.record("the step is far too long")
    } catch let error as EdgeError {
      #expect(error.status == .invalidArgument)
      #expect(error.message.contains("after step 0 parameter 'ip"))
    }
    #expect(try trainer.weights("ip1/weights") == before)
    #expect(trainer.step == 0)
  }

  @Test func eightBitLearns() throws {
    for usesRange in [false, true] {
      var problem = Problem()
      let method = EightBit()
      method.usesRange = usesRange
      let trainer = try Trainer.make(try network(normalizes: true), options(), methods: [method])
      try trainer.train(200, &problem)
      #expect(try trainer.accuracy() > 0.9)
    }
  }

  @Test func entropyPenaltyShrinksWeights() throws {
    func small(_ price: Double) throws -> Int {
      var problem = Problem()
      let method = EntropyPenalty()
      method.lambda = LayerNumbers(price)
      let trainer = try Trainer.make(try network(), options(), methods: [method])
      try trainer.train(300, &problem)
      return try trainer.weights("ip2/weights").filter { $0.magnitude < 0.02 }.count
    }
    #expect(try small(1e-3) > small(0) + 100)
  }

  @Test func distillationFollowsTheTeacher() throws {
    var problem = Problem()
    let teacher = try Trainer.make(try network(), options())
    try teacher.train(300, &problem)
    let known = try teacher.exported()
    // Labels that say nothing: what is learnt is the teacher's.
    let student = try Trainer.make(try network(hidden: [12]), options { $0.teacher = known; $0.teacherShare = 1; $0.temperature = 2 })
    for _ in 0..<300 {
      let samples = problem.batch()
      _ = try student.step((samples.x, [Float](repeating: 0.25, count: samples.y.count)))
    }
    #expect(try student.accuracy() > 0.9)
  }

  /// Two methods at once: pruned and quantized.
  @Test func methodsCompose() throws {
    var problem = Problem()
    let pruning = MagnitudePruning()
    (pruning.sparsity, pruning.last, pruning.every) = (LayerNumbers(0.5), 100, 20)
    let trainer = try Trainer.make(try network(), options(), methods: [pruning, QuantizationAware()])
    try trainer.train(200, &problem)
    #expect(try trainer.weights("ip1/weights").filter { $0 == 0 }.count >= 24 * 6)
    #expect(try trainer.accuracy() > 0.9)
  }

  /// The deviation that Range BN divides by, of normal numbers: between 0.85 and 0.97 of the real one (Banner et al. 2018).
  @Test func rangeIsNearlyTheDeviation() {
    var random = Random(7)
    func normal() -> Float { (0..<12).reduce(Float(-6)) { sum, _ in sum + random.float(0, 1) } }
    for size in [64, 256, 1024, 4096] {
      var total: Float = 0
      for _ in 0..<200 {
        let chunk = (0..<size).map { _ in normal() }
        total += (chunk.max()! - chunk.min()!) * RangeNormalization.factor(size)
      }
      #expect((0.85...0.97).contains(total / 200), "\(size): \(total / 200)")
    }
  }

  /// Quantized gradients keep the direction: cos >= 2^M / (2^M + sqrt(ln N) / sqrt 6), with M bits (Banner et al. 2018).
  @Test func bifurcatedGradientKeepsDirection() throws {
    let count = 4096
    var graph = Graph()
    let x = graph.input("x", [count, 1])
    let number = try graph.addConstant("number", .int64, Shape([]), [Int64(3)])
    let w = try graph.constant("w", [1, 1], [1])
    let y = try graph.add(.dense(.none), "y", [x, w])
    var random = Random(8)
    let r = random.floats(count).map { $0 * $0 * $0 }
    let loss = try graph.add(
      .reduce(.sum, axes: [0, 1], keepDims: false), "loss", [try graph.add(.binary(.multiply, .none), "product", [y, try graph.constant("r", [count, 1], r)])])
    var (both, gradients) = try graph.differentiated(loss, of: [x, w], bifurcation: GradientBifurcation(seed: 1, number: number))
    both.outputs = gradients
    let results = try Runner(both).run([random.floats(count)])
    var (dot, own, exact): (Double, Double, Double) = (0, 0, 0)
    for (q, g) in zip(results[0], r) {
      dot += Double(q * g)
      own += Double(q * q)
      exact += Double(g * g)
    }
    let bound = 128 / (128 + Double(8.3178).squareRoot() / Double(6).squareRoot())
    #expect(dot / (own * exact).squareRoot() >= bound)
    #expect(Set(results[0]).count <= 255)
    gradients = []
  }
}
