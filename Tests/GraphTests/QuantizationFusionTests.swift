import Testing

@testable import Graph

/// `fusingQuantization`: what becomes an integer operator, and what does not.
struct QuantizationFusionTests {
  private let type = Quantization(scale: 0.1, zeroPoint: 128)

  /// x -> quantize -> dequantize -> convolution of int8 weights -> quantize -> dequantize.
  private func graph(zeroPoints: [Int32] = [0, 0], bias: [Float] = [1, -2], wide: Bool = false) throws -> Graph {
    var graph = Graph(name: "test")
    let x = graph.addValue(Value(name: "x", dtype: .float32, shape: Shape([Shape.batch, 3, 3, 1])))
    graph.inputs = [x]
    let element = ElementType(.uint8, type)
    let q = try graph.addNode(.quantize, name: "q", inputs: [x], outputNames: ["q"], results: [element])[0]
    let d = try graph.addNode(.dequantize, name: "d", inputs: [q], outputNames: ["d"])[0]
    let weights = Quantization(scales: [0.5, wide ? 1e-12 : 0.25], zeroPoints: zeroPoints, axis: 0)
    let w = try graph.addConstant("w", .int8, Shape([2, 1, 1, 1]), [Int8(3), -128], quantization: weights)
    let wf = try graph.addNode(.dequantize, name: "wf", inputs: [w], outputNames: ["wf"])[0]
    let b = try graph.addConstant("b", .float32, Shape([2]), bias)
    let c = try graph.addNode(.convolution(Convolution(window: Window())), name: "conv", inputs: [d, wf, b], outputNames: ["c"])[0]
    let r = try graph.addNode(.unary(UnaryFunction(.clamp, alpha: 0, beta: .infinity)), name: "relu", inputs: [c], outputNames: ["r"])[0]
    let yq = try graph.addNode(.quantize, name: "yq", inputs: [r], outputNames: ["yq"], results: [element])[0]
    graph.outputs = [try graph.addNode(.dequantize, name: "y", inputs: [yq], outputNames: ["y"])[0]]
    return graph
  }

  private func operators(_ graph: Graph) -> [String] { graph.nodes.map { $0.op.name.description } }

  @Test func layerBecomesInteger() throws {
    let fused = try graph().fusingQuantization().removingDeadNodes()
    try fused.validate()
    #expect(operators(fused) == ["Quantize", "Convolution", "Dequantize"])
    let bias = try #require(fused.values[fused.nodes[1].inputs[2]].constant)
    #expect(bias.array(of: Int32.self) == [20, -80])
    #expect(fused.values[fused.outputs[0]].name.description == "y")
  }

  @Test func weightsWithOneZeroPointBecomeInteger() throws {
    let fused = try graph(zeroPoints: [5, 5]).fusingQuantization().removingDeadNodes()
    try fused.validate()
    #expect(operators(fused) == ["Quantize", "Convolution", "Dequantize"])
    #expect(fused.values[fused.nodes[1].inputs[1]].quantization?.zeroPoints == [5, 5])
  }

  @Test func weightsWithSeveralZeroPointsStayFloat() throws {
    let fused = try graph(zeroPoints: [5, 4]).fusingQuantization().removingDeadNodes()
    try fused.validate()
    #expect(operators(fused) == ["Quantize", "Dequantize", "Convolution", "Quantize", "Dequantize"])
    let weights = try #require(fused.values[fused.nodes[2].inputs[1]].floats)
    #expect(weights == [-1, -33])
  }

  @Test func biasThatWouldOverflowWidensItsChannel() throws {
    let fused = try graph(wide: true).fusingQuantization().removingDeadNodes()
    try fused.validate()
    #expect(operators(fused) == ["Quantize", "Convolution", "Dequantize"])
    let weights = fused.values[fused.nodes[1].inputs[1]]
    let scale = try #require(weights.quantization?.scales[1])
    let bias = try #require(fused.values[fused.nodes[1].inputs[2]].constant).array(of: Int32.self)
    #expect(bias[1].magnitude <= 1 << 30)
    #expect(abs(Float(bias[1]) * scale * 0.1 + 2) < 1e-5)
    #expect(weights.constant?.array(of: Int8.self)[0] == 3)
  }

  @Test func biasThatIsNoNumberStaysFloat() throws {
    let fused = try graph(bias: [.nan, .infinity]).fusingQuantization()
    try fused.validate()
    #expect(operators(fused).filter { $0 == "Quantize" }.count == 2)
    #expect(fused.nodes.contains { $0.op.name.description == "Convolution" && fused.values[$0.outputs[0]].dtype == .float32 })
  }

  @Test func floatGraphIsLeftAlone() throws {
    var plain = Graph(name: "plain")
    let x = plain.addValue(Value(name: "x", dtype: .float32, shape: Shape([2])))
    plain.inputs = [x]
    plain.outputs = try plain.addNode(.unary(UnaryFunction(.exp)), name: "e", inputs: [x], outputNames: ["y"])
    #expect(try operators(plain.fusingQuantization()) == ["Exp"])
  }
}
