import Graph
import Testing

@testable import Import

/// What several layers read is one constant, as long as they read it in the same way.
@Suite struct SharedWeightsTests {
  /// The weights and biases that layers read, in order.
  private func operands(_ graph: Graph, _ position: Int = 1) -> [ValueID] {
    graph.nodes.filter { $0.op.isLayer }.map { $0.input(position) ?? Node.noValue }
  }

  private func count(_ ids: [ValueID]) -> Int { Set(ids).count }

  private func gemms(_ attributes: [[(String, Attribute)]], limits: Limits = Limits()) throws(EdgeError) -> Graph {
    var file = OnnxFile()
    file.input("x0", ["N", 4])
    file.floats("w", [4, 4])
    file.floats("b", [4])
    for (index, list) in attributes.enumerated() { file.node("Gemm", ["x\(index)", "w", "b"], ["x\(index + 1)"], list) }
    file.output("x\(attributes.count)")
    return try file.load(limits: limits).graph
  }

  @Test func denseLayersShareWhatTheyReadAlike() throws {
    let turned: (String, Attribute) = ("transB", .int(1))
    let graph = try gemms([[], [turned], [], [turned], [("alpha", .float(2))], [("alpha", .float(2)), ("beta", .float(3))]])
    let (weights, biases) = (operands(graph), operands(graph, 2))
    #expect(weights[0] == weights[2] && weights[1] == weights[3] && weights[4] == weights[5])
    #expect(count(weights) == 3)
    #expect(biases[..<5].allSatisfy { $0 == biases[0] } && biases[5] != biases[0])
    func floats(_ id: ValueID) -> [Float] { graph.values[id].constant?.array(of: Float.self) ?? [] }
    let plain = (0..<16).map { Float($0) }
    let moved = (0..<16).map { Float($0 % 4 * 4 + $0 / 4) }
    #expect(floats(weights[0]) == moved && floats(weights[1]) == plain && floats(weights[4]) == moved.map { 2 * $0 })
    #expect(floats(biases[5]) == [0, 3, 6, 9])
  }

  @Test func onlyOtherReadingsCount() throws {
    var limits = Limits()
    // Two forms of the weights and one of the bias.
    limits.maximumTensorBytes = 64 + 64 + 16
    _ = try gemms([[], [("transB", .int(1))], [], [], [("transB", .int(1))]], limits: limits)
    let error = #expect(throws: EdgeError.self) { try gemms([[], [("transB", .int(1))], [("alpha", .float(2))]], limits: limits) }
    #expect(error?.status == .limitExceeded)
  }

  @Test func convolutionsShareAcrossNames() throws {
    var file = OnnxFile()
    file.input("x", ["N", 3, 5, 5])
    file.floats("w", [3, 3, 1, 1])
    file.node("Identity", ["w"], ["v"])
    file.node("Conv", ["x", "w"], ["a"])
    file.node("Conv", ["a", "v"], ["b"])
    file.node("ConvTranspose", ["b", "v"], ["c"])
    file.node("ConvTranspose", ["c", "w"], ["y"])
    file.output("y")
    let weights = operands(try file.load().graph)
    #expect(weights[0] == weights[1] && weights[2] == weights[3] && weights[0] != weights[2])
  }

  @Test func eachReaderHasItsDequantizeLinear() throws {
    var file = OnnxFile()
    file.input("x0", ["N", 2])
    file.initializer(Proto().ints(1, [2, 2]).int(2, 3).text(8, "w").raw(9, [1, 2, 3, 4]))
    file.initializer(floatTensor("s", [], [0.5]))
    file.initializer(floatTensor("other", [], [0.25]))
    for (index, scale) in ["s", "s", "other"].enumerated() {
      file.node("DequantizeLinear", ["w", scale], ["w\(index)"])
      file.node("MatMul", ["x\(index)", "w\(index)"], ["x\(index + 1)"])
    }
    file.output("x3")
    let weights = operands(try file.load().graph)
    #expect(weights[0] == weights[1] && weights[0] != weights[2])
  }
}
