import CPlatform
import Graph
import Testing

@testable import Runtime

/// Layers whose weights are computed run on the kernels of those with constant ones.
@Suite struct ComputedWeightsTests {
  struct Layer: CustomTestStringConvertible, Sendable {
    var name: Text
    var op: @Sendable () -> Operator
    var x: [Int], weights: [Int]
    /// A tiled kernel on every set but the reference.
    var isTiled = true
    var testDescription: String { name.description }
  }

  private static let layers: [Layer] = [
    Layer(name: "3x3", op: { .convolution(Convolution(window: window(3, pad: 1))) }, x: [2, 7, 9, 5], weights: [19, 3, 3, 5]),
    Layer(name: "1x1", op: { .convolution(Convolution(window: window(1))) }, x: [2, 7, 9, 21], weights: [40, 1, 1, 21]),
    Layer(name: "winograd", op: { .convolution(Convolution(window: window(3, pad: 1))) }, x: [8, 16, 16, 32], weights: [40, 3, 3, 32]),
    Layer(name: "groups", op: { .convolution(Convolution(window: window(3, stride: 2, pad: 1), groups: 2)) }, x: [2, 7, 9, 6], weights: [8, 3, 3, 3]),
    Layer(name: "depthwise", op: { .convolution(Convolution(window: window(3, pad: 1), groups: 20)) }, x: [2, 7, 9, 20], weights: [20, 3, 3, 1]),
    Layer(name: "dense", op: { .dense(.none) }, x: [9, 50], weights: [70, 50]),
    Layer(name: "transposed", op: { .transposedConvolution(TransposedConvolution(window: window(3, stride: 2, pad: 1))) }, x: [2, 5, 6, 4], weights: [6, 3, 3, 4], isTiled: false),
  ]

  /// x and, unless they are constant, weights and bias are inputs.
  private func graph(_ layer: Layer, constants: (weights: [Float], bias: [Float])?) throws -> Graph {
    var graph = Graph(name: layer.name)
    let x = graph.input("x", layer.x)
    let (w, b): (ValueID, ValueID)
    if let constants {
      (w, b) = (try graph.constant("w", layer.weights, constants.weights), try graph.constant("b", [layer.weights[0]], constants.bias))
    } else {
      (w, b) = (graph.input("w", layer.weights), graph.input("b", [layer.weights[0]]))
    }
    graph.outputs = try graph.addNode(layer.op(), name: "layer", inputs: [x, w, b], outputNames: ["y"])
    return graph
  }

  @Test(arguments: layers) func haveTheBytesOfConstantOnes(_ layer: Layer) throws {
    for isa in InstructionSet.all where isa.isAvailable {
      for precision in [Precision.float32, .bfloat16] {
        let runner = try Runner(try graph(layer, constants: nil)) { ($0.isa, $0.precision, $0.threads) = (isa, precision, 2) }
        let steps = runner.plan.steps
        let kernel = steps[steps.count - 1]
        if layer.isTiled { #expect(isa == .reference || kernel.isa != .reference, "\(isa)") }
        #expect(!steps.contains { $0.notes.contains("not constant") })
        // A kernel that packs has a step that says so.
        let packed = KernelSet(isa).own(runner.plan.lowered[steps.count - 1].operation)?.kernel.packed_bytes != nil
        #expect(steps.filter { $0.notes.contains("packs weights in each run") }.count == (packed ? 1 : 0), "\(runner.plan.text)")
        var random = Random(3)
        for _ in 0..<3 {
          let (x, w, b) = (
            random.floats(layer.x.reduce(1, *)), random.floats(layer.weights.reduce(1, *)), random.floats(layer.weights[0])
          )
          let constant = try Runner(try graph(layer, constants: (w, b))) { ($0.isa, $0.precision) = (isa, precision) }
          let y = try runner.bytes([x, w, b]), expected = try constant.bytes([x])
          if constant.plan.steps.last?.kernel == kernel.kernel {
            #expect(y == expected, "\(isa) \(kernel.kernel)")
          } else {
            Issue.record("\(isa): \(kernel.kernel), with constant weights \(constant.plan.steps.last?.kernel ?? "none")")
          }
        }
      }
    }
  }

  @Test func integersToo() throws {
    let activation = ElementType(.uint8, Quantization(scale: 0.02, zeroPoint: 120))
    var random = Random(8)
    let bytes = (0..<40 * 30).map { _ in Int8(truncatingIfNeeded: random.below(255) - 127) }
    let x = random.floats(9 * 30)
    let weightType = Value(name: "w", dtype: .int8, shape: Shape([40, 30]), quantization: Quantization(scale: 0.01, zeroPoint: 0))
    func build(isConstant: Bool) throws -> Graph {
      var graph = Graph()
      let input = graph.input("x", [9, 30])
      let q = try graph.addNode(.quantize, name: "q", inputs: [input], outputNames: ["q"], results: [activation])[0]
      var weights = weightType
      if isConstant { weights.constant = try TensorData(bytes) }
      let w = graph.addValue(weights)
      if !isConstant { graph.inputs.append(w) }
      graph.outputs = try graph.addNode(.dense(.none), name: "dense", inputs: [q, w], outputNames: ["y"], results: [activation])
      return graph
    }
    for isa in InstructionSet.all where isa.isAvailable {
      let (constant, computed) = (try Runner(try build(isConstant: true)) { $0.isa = isa }, try Runner(try build(isConstant: false)) { $0.isa = isa })
      computed.setInput(1, bytes)
      computed.setInput(0, x)
      #expect(computed.session.run())
      #expect(computed.output(0, UInt8.self) == (try constant.bytes([x]))[0])
      #expect(computed.plan.steps.last?.kernel == constant.plan.steps.last?.kernel)
    }
  }

  /// A bias, computed or not, of a layer whose input has the scale 0.02 and whose weights 0.01.
  private func add(_ bias: [Int32], _ isConstant: Bool, to graph: inout Graph) throws -> ValueID {
    var value = Value(name: "b", dtype: .int32, shape: Shape([bias.count]), quantization: Quantization(scale: 0.02 * 0.01, zeroPoint: 0))
    if isConstant { value.constant = try TensorData(bias) }
    let b = graph.addValue(value)
    if !isConstant { graph.inputs.append(b) }
    return b
  }

  /// On every instruction set a computed bias gives the bytes of a constant one.
  private func expectSameBytes(_ x: [Float], _ bias: [Int32], _ build: (_ isConstant: Bool) throws -> Graph) throws {
    for isa in InstructionSet.all where isa.isAvailable {
      let (constant, computed) = (try Runner(try build(true)) { $0.isa = isa }, try Runner(try build(false)) { $0.isa = isa })
      computed.setInput(1, bias)
      computed.setInput(0, x)
      #expect(computed.session.run())
      #expect(computed.output(0, UInt8.self) == (try constant.bytes([x]))[0], "\(isa)")
    }
  }

  /// A layer whose bias alone is computed packs in each run as well, so it keeps the plain form.
  @Test func integersWithAComputedBias() throws {
    let activation = ElementType(.uint8, Quantization(scale: 0.02, zeroPoint: 120))
    var random = Random(9)
    let weights = (0..<32 * 9 * 128).map { _ in Int8(truncatingIfNeeded: random.below(255) - 127) }
    let bias = (0..<32).map { _ in Int32(random.below(2000) - 1000) }
    let x = random.floats(12 * 12 * 128)
    func build(isConstant: Bool) throws -> Graph {
      var graph = Graph()
      let input = graph.input("x", [1, 12, 12, 128])
      let q = try graph.addNode(.quantize, name: "q", inputs: [input], outputNames: ["q"], results: [activation])[0]
      let w = graph.addValue(
        Value(
          name: "w", dtype: .int8, shape: Shape([32, 3, 3, 128]), quantization: Quantization(scale: 0.01, zeroPoint: 0),
          constant: try TensorData(weights)))
      let b = try add(bias, isConstant, to: &graph)
      var window = Window()
      (window.kernelHeight, window.kernelWidth) = (3, 3)
      graph.outputs = try graph.addNode(
        .convolution(Convolution(window: window)), name: "convolution", inputs: [q, w, b], outputNames: ["y"], results: [activation])
      return graph
    }
    try expectSameBytes(x, bias, build)
  }

  /// How a kernel packs may depend on where pixels of its result are. The step that packs in each run looks at arguments of its own.
  @Test(arguments: [16, 32, 64]) func partsOfAConcatenationWithComputedBiases(channels: Int) throws {
    let activation = ElementType(.uint8, Quantization(scale: 0.02, zeroPoint: 120))
    var random = Random(11)
    let weights = (0..<2).map { _ in (0..<channels * 9).map { _ in Int8(truncatingIfNeeded: random.below(255) - 127) } }
    let bias = (0..<channels).map { _ in Int32(random.below(2000) - 1000) }
    let x = random.floats(9 * 9 * channels)
    func build(isConstant: Bool) throws -> Graph {
      var graph = Graph()
      let input = graph.input("x", [1, 9, 9, channels])
      let q = try graph.addNode(.quantize, name: "q", inputs: [input], outputNames: ["q"], results: [activation])[0]
      let b = try add(bias, isConstant, to: &graph)
      var window = Window()
      (window.kernelHeight, window.kernelWidth) = (3, 3)
      (window.padTop, window.padLeft, window.padBottom, window.padRight) = (1, 1, 1, 1)
      var parts: [ValueID] = []
      for (index, weights) in weights.enumerated() {
        let w = graph.addValue(
          Value(
            name: "w\(index)", dtype: .int8, shape: Shape([channels, 3, 3, 1]), quantization: Quantization(scale: 0.01, zeroPoint: 0),
            constant: try TensorData(weights)))
        parts += try graph.addNode(
          .convolution(Convolution(window: window, groups: channels)), name: "depthwise\(index)", inputs: [q, w, b], outputNames: ["y\(index)"],
          results: [activation])
      }
      graph.outputs = try graph.addNode(.concat(axis: 3), name: "joined", inputs: parts, outputNames: ["joined"])
      return graph
    }
    try expectSameBytes(x, bias, build)
  }

  /// The choices of packing and kernel come back together.
  @Test func aTuningComesBack() throws {
    let layer = Self.layers[2]
    let graph = try graph(layer, constants: nil)
    var random = Random(4)
    let inputs = [random.floats(layer.x.reduce(1, *)), random.floats(layer.weights.reduce(1, *)), random.floats(layer.weights[0])]
    let expected = interpret(graph, batch: 1, inputs)[graph.outputs[0]]!.data
    var options = SessionOptions()
    options.threads = 2
    let plan = try Plan.tuned(graph, options)
    for form: UInt8 in [0, 2, 4] {
      var preferred = options
      preferred.choices = .preferred(StepChoices.choice(form: form, isa: InstructionSet.best))
      var given = options
      given.choices = .given(try Plan(graph, preferred).tuning)
      let runner = try Runner(graph) { $0 = given }
      #expect(runner.plan.tuning == (try Plan(graph, preferred)).tuning)
      for (index, input) in inputs.enumerated() { runner.setInput(index, input) }
      #expect(runner.session.run())
      // Twice what any order of 288 products below 1 may give, as Winograd's form is bound elsewhere.
      let bound = 4 * 288 * 288 * 0x1p-24
      for (a, e) in zip(runner.output(0, Float.self), expected) where !(abs(Double(a) - e) <= bound) {
        Issue.record("form \(form): \(a), not \(e)")
        break
      }
    }
    options.choices = .given(plan.tuning)
    #expect(try Plan(graph, options).tuning == plan.tuning)
  }
}
