import CPlatform
import Graph
import Testing

@testable import Runtime

@Suite struct PlanTests {
  private func error(_ body: () throws -> Void) -> EdgeError? {
    do {
      try body()
      return nil
    } catch { return error as? EdgeError }
  }

  @Test func stepsAreDescribed() throws {
    let graph = try Graph.classifier()
    var options = SessionOptions()
    options.isa = .reference
    options.batch = 3
    let plan = try Plan(graph, options)
    #expect(plan.steps.map(\.node) == ["conv", "pool", "depthwise", "pointwise", "act", "mean", "dense"])
    let conv = plan.steps[0]
    #expect(conv.operatorName == "Convolution")
    #expect(conv.kernel == "conv_f32_reference")
    #expect(conv.isa == .reference && conv.dtype == .float32)
    #expect(conv.inputShape == Shape([3, 12, 12, 3]) && conv.outputShape == Shape([3, 12, 12, 8]))
    #expect(conv.multiplyAdds == 3 * 12 * 12 * 8 * 27)
    #expect(conv.byteCount == 4 * (3 * 144 * 3 + 8 * 27 + 8 + 3 * 144 * 8))
    #expect(conv.notes.isEmpty)
    for step in plan.steps { #expect(plan.text.contains(step.kernel.description) && plan.text.contains(step.node.description)) }
    #expect(plan.text.contains("memory \(plan.memoryRequired) bytes"))
  }

  @Test func plansAreDeterministic() throws {
    let graph = try Graph.classifier()
    #expect(try Plan(graph).text == Plan(graph).text)
  }

  @Test func elementwiseStepsRunInPlace() throws {
    var graph = Graph()
    let x = graph.input("x", [Shape.batch, 1000])
    var y = x
    for index in 0..<5 { y = try graph.addNode(.unary(UnaryFunction(.abs)), name: "n\(index)", inputs: [y], outputNames: ["y\(index)"])[0] }
    graph.outputs = [y]
    // The first result is written once and then overwritten in place; the last goes to the output.
    #expect(try Plan(graph).arenaBytes == 4032)
    var options = SessionOptions()
    options.observed = [graph.nodes[1].outputs[0]]
    #expect(try Plan(graph, options).arenaBytes == 2 * 4032)
  }

  /// Neighbours in the arena: the bytes of two tensors of `count` floats that are there at once.
  private func bytesOfTwo(_ count: Int) throws -> Int {
    var graph = Graph()
    var y = graph.input("x", [1, count])
    for index in 0..<3 { y = try graph.addNode(.unary(UnaryFunction(.abs)), name: "n\(index)", inputs: [y], outputNames: ["y\(index)"])[0] }
    graph.outputs = [y]
    var options = SessionOptions()
    options.observed = [graph.nodes[0].outputs[0]]
    return try Plan(graph, options).arenaBytes
  }

  @Test func largeTensorsOfWholePagesLieApart() throws {
    #expect(try bytesOfTwo(14 * 14 * 512) == 2 * (14 * 14 * 512 * 4 + 512))
    #expect(try bytesOfTwo(14 * 14 * 528) == 2 * 14 * 14 * 528 * 4)
    #expect(try bytesOfTwo(16 << 10) == 2 * ((64 << 10) + 512))
    #expect(try bytesOfTwo(15 << 10) == 2 * (60 << 10))
  }

  /// y = |x| * |x|[first row]: the second operand is a broadcast view of the first, which must survive the step.
  @Test func aBroadcastViewIsNotOverwritten() throws {
    var graph = Graph()
    let x = graph.input("x", [3, 40])
    let a = try graph.addNode(.unary(UnaryFunction(.abs)), name: "abs", inputs: [x], outputNames: ["a"])[0]
    let row = try graph.addNode(.slice(starts: [0, 0], ends: [1, 40], steps: [1, 1]), name: "row", inputs: [a], outputNames: ["row"])[0]
    let m = try graph.addNode(.binary(.multiply, .none), name: "mul", inputs: [a, row], outputNames: ["m"])[0]
    let s = try graph.addNode(.binary(.add, .none), name: "add", inputs: [m, m], outputNames: ["s"])[0]
    graph.outputs = [try graph.addNode(.unary(UnaryFunction(.negate)), name: "neg", inputs: [s], outputNames: ["y"])[0]]
    var random = Random(9)
    let input = random.floats(120)
    let runner = try Runner(graph)
    // |x| and the product live together; the sum replaces the product.
    #expect(runner.plan.arenaBytes == 2 * 512)
    runner.setInput(0, input)
    #expect(runner.session.run())
    for (a, e) in zip(runner.output(0, Float.self), interpret(graph, batch: 1, [input])[graph.outputs[0]]!.data) {
      #expect(abs(Double(a) - e) < 1e-5)
    }
  }

  @Test func optionsOutOfRangeAreRefused() throws {
    let graph = try Graph.classifier()
    for configure: (inout SessionOptions) -> Void in [
      { $0.batch = 0 }, { $0.batch = -1 }, { $0.threads = 0 }, { $0.threads = 257 }, { $0.spinMicroseconds = -1 }, { $0.observed = [-1] },
    ] {
      var options = SessionOptions()
      configure(&options)
      #expect(error { _ = try Plan(graph, options) }?.status == .invalidArgument)
    }
    var options = SessionOptions()
    options.batch = Int.max / 8
    #expect(error { _ = try Plan(graph, options) }?.status == .limitExceeded)
    for isa in InstructionSet.all where !isa.isAvailable {
      options = SessionOptions()
      options.isa = isa
      #expect(error { _ = try Plan(graph, options) }?.status == .unsupportedFeature)
    }
  }

  @Test func whatNoKernelRunsIsNamed() throws {
    var graph = Graph()
    let x = graph.input("x", [Shape.batch, 4])
    let type = ElementType(.uint8, Quantization(scale: 0.1, zeroPoint: 3))
    let q = try graph.addNode(.quantize, name: "q", inputs: [x], outputNames: ["q"], results: [type])[0]
    let y = try graph.addNode(.reduce(.l2, axes: [1], keepDims: false), name: "norm", inputs: [q], outputNames: ["y"], results: [type])[0]
    graph.outputs = [y]
    let failure = error { _ = try Plan(graph) }
    #expect(failure?.status == .unsupportedOperator)
    #expect(failure?.node == "norm" && failure?.nodeIndex == 1)
  }

  /// Nothing is computed where nothing has elements; a sum over an empty axis is a step.
  @Test func tensorsWithoutElementsTakeNoSteps() throws {
    var graph = Graph()
    let x = graph.input("x", [Shape.batch, 0])
    graph.outputs = [
      try graph.addNode(.unary(UnaryFunction(.abs)), name: "n", inputs: [x], outputNames: ["y"])[0],
      try graph.addNode(.reduce(.sum, axes: [1], keepDims: false), name: "s", inputs: [x], outputNames: ["z"])[0],
    ]
    let plan = try Plan(graph)
    #expect(plan.steps.map(\.node) == ["s"])
  }

  @Test func scalesThatOverflowAreRefused() throws {
    var graph = Graph()
    let x = graph.input("x", [Shape.batch, 4])
    let wide = ElementType(.uint8, Quantization(scale: 1e20, zeroPoint: 0))
    let narrow = ElementType(.uint8, Quantization(scale: 1e-20, zeroPoint: 0))
    let q = try graph.addNode(.quantize, name: "q", inputs: [x], outputNames: ["q"], results: [wide])[0]
    graph.outputs = [
      try graph.addNode(.reduce(.sum, axes: [1], keepDims: false), name: "sum", inputs: [q], outputNames: ["y"], results: [narrow])[0]
    ]
    let failure = error { _ = try Plan(graph) }
    #expect(failure?.status == .invalidGraph && failure?.node == "sum")
  }

  @Test func strictRefusesFloatInAQuantizedGraph() throws {
    var graph = Graph()
    let x = graph.input("x", [Shape.batch, 4])
    let type = ElementType(.uint8, Quantization(scale: 0.1, zeroPoint: 3))
    let q = try graph.addNode(.quantize, name: "q", inputs: [x], outputNames: ["q"], results: [type])[0]
    let d = try graph.addNode(.dequantize, name: "d", inputs: [q], outputNames: ["d"])[0]
    var options = SessionOptions()
    options.isa = .reference
    options.strict = true
    graph.outputs = [d]
    _ = try Plan(graph, options)
    graph.outputs = [try graph.addNode(.unary(UnaryFunction(.abs)), name: "float one", inputs: [d], outputNames: ["y"])[0]]
    #expect(error { _ = try Plan(graph, options) }?.node == "float one")
    options.strict = false
    #expect(try Plan(graph, options).steps.last?.notes == "float: kept by quantizer")
  }

  @Test func strictRefusesReferenceKernelsWhenAFasterSetIsActive() throws {
    let graph = try Graph.classifier()
    var options = SessionOptions()
    options.isa = .best
    let plan = try Plan(graph, options)
    let fallback = plan.steps.first { $0.isa == .reference }
    options.strict = true
    if options.isa == .reference || fallback == nil {
      _ = try Plan(graph, options)
    } else {
      #expect(fallback?.notes.contains("reference kernel: \(options.isa!.name) has none") == true)
      #expect(error { _ = try Plan(graph, options) }?.node == fallback?.node)
    }
  }

  @Test func weightsComputedAtRunTime() throws {
    var graph = Graph()
    let x = graph.input("x", [Shape.batch, 6])
    let w = graph.input("w", [5, 6])
    graph.outputs = [try graph.addNode(.dense(.none), name: "dense", inputs: [x, w], outputNames: ["y"])[0]]
    var random = Random(4)
    let inputs = [random.floats(12), random.floats(30)]
    let runner = try Runner(graph) { $0.batch = 2 }
    for (index, input) in inputs.enumerated() { runner.setInput(index, input) }
    #expect(runner.session.run())
    for (a, e) in zip(runner.output(0, Float.self), interpret(graph, batch: 2, inputs)[graph.outputs[0]]!.data) {
      #expect(abs(Double(a) - e) < 1e-5)
    }
  }

  @Test func convolutionWeightsOfOtherTypesAreRefused() throws {
    for (groups, quantized) in [(1, false), (1, true), (9, false), (9, true)] {
      var graph = Graph()
      var x = graph.input("x", [Shape.batch, 5, 5, 9])
      let type = Quantization(scale: 0.01, zeroPoint: 128)
      if quantized {
        x = try graph.addNode(.quantize, name: "q", inputs: [x], outputNames: ["q"], results: [ElementType(.uint8, type)])[0]
      }
      let count = 9 * 3 * 3 * 9 / groups
      let shape = Shape([9, 3, 3, 9 / groups])
      let fitting =
        quantized
        ? try graph.addConstant("w", .int8, shape, [Int8](repeating: 1, count: count))
        : try graph.addConstant("w", .float32, shape, [Float](repeating: 1, count: count))
      if quantized { graph.values[fitting].quantization = Quantization(scale: 0.01, zeroPoint: 0) }
      graph.outputs = try graph.addNode(
        .convolution(Convolution(window: window(3, pad: 1), groups: groups)), name: "conv", inputs: [x, fitting], outputNames: ["y"],
        results: quantized ? [ElementType(.uint8, type)] : [])
      _ = try Plan(graph, SessionOptions())
      let bytes = try graph.addConstant("w", .uint8, shape, [UInt8](repeating: 1, count: count))
      graph.values[bytes].quantization = Quantization(scale: 0.01, zeroPoint: 0)
      graph.values[fitting] = graph.values[bytes]
      let refusal = error { _ = try Plan(graph, SessionOptions()) }
      // Validation already knows that float activations do not go with quantized weights.
      #expect(refusal?.status == (quantized ? .unsupportedOperator : .dtypeMismatch))
      #expect(refusal?.tensor == "w" && refusal?.node == "conv")
    }
  }
}
