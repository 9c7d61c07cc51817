import Graph
import Testing

@testable import Runtime

/// Steps that write where a concatenation or a transpose would have moved their results. Values that are observed keep memory
/// of their own, so a session that observes them computes the same by copies.
@Suite struct WriteElsewhereTests {
  /// Bytes of all outputs, and the operators of the plan's steps.
  private func run(_ graph: Graph, _ input: [Float], observed: [ValueID] = []) throws -> (bytes: [[UInt8]], steps: [Text]) {
    let runner = try Runner(graph) { options in
      options.observed = observed
      options.batch = 2
    }
    return (try runner.bytes([input]), runner.plan.steps.map(\.operatorName))
  }

  private func expectSame(_ graph: Graph, _ parts: [ValueID], count: Int, concatenations: Int) throws {
    var random = Random(7)
    let input = random.floats(2 * count)
    let moved = try run(graph, input)
    let copied = try run(graph, input, observed: parts)
    #expect(moved.bytes == copied.bytes)
    #expect(moved.steps.filter { $0 == "Concat" }.count == concatenations)
    #expect(copied.steps.filter { $0 == "Concat" }.count >= parts.count)
  }

  /// A fire module of a 1x1 and a 3x3 convolution, a depthwise one and a pool of the same picture.
  private func fire(_ graph: inout Graph, _ x: ValueID, _ type: ElementType?) throws -> [ValueID] {
    var random = Random(3)
    let channels = graph.values[x].shape[3]
    func convolved(_ name: Text, _ outputs: Int, _ kernel: Int, groups: Int = 1) throws -> ValueID {
      let dims = [outputs, kernel, kernel, channels / groups]
      let count = dims.reduce(1, *)
      let w: ValueID
      if type == nil {
        w = try graph.constant("\(name).w", dims, random.floats(count))
      } else {
        w = try graph.addConstant(
          "\(name).w", .int8, Shape(dims), (0..<count).map { _ in Int8(random.below(255) - 127) }, quantization: Quantization(scale: 0.01, zeroPoint: 0))
      }
      return try graph.addNode(
        .convolution(Convolution(window: window(kernel, pad: kernel / 2), groups: groups)), name: name, inputs: [x, w],
        outputNames: [name], results: type.map { [$0] } ?? [])[0]
    }
    return [
      try convolved("one", 5, 1), try convolved("three", 40, 3), try convolved("depthwise", channels, 3, groups: channels),
      try graph.addNode(.pool(Pool(.max, window: window(3, pad: 1))), name: "pool", inputs: [x], outputNames: ["pool"])[0],
    ]
  }

  @Test(arguments: [false, true]) func partsOfAConcatenation(_ quantized: Bool) throws {
    var graph = Graph()
    var x = graph.input("x", [Shape.batch, 6, 5, 8])
    let type = ElementType(.uint8, Quantization(scale: 0.02, zeroPoint: 120))
    if quantized { x = try graph.addNode(.quantize, name: "q", inputs: [x], outputNames: ["q"], results: [type])[0] }
    let parts = try fire(&graph, x, quantized ? type : nil)
    let joined = try graph.addNode(.concat(axis: 3), name: "joined", inputs: parts, outputNames: ["joined"])[0]
    let pooled = try graph.addNode(
      .pool(Pool(.max, window: window(2, stride: 2))), name: "after", inputs: [joined], outputNames: ["after"])[0]
    graph.outputs = [pooled]
    try expectSame(graph, parts, count: 240, concatenations: 0)
    // Into the output itself.
    graph.outputs = [joined]
    try expectSame(graph, parts, count: 240, concatenations: 0)
    // What others read, and the caller too, stays where it is.
    graph.outputs = [joined, parts[1], pooled]
    try expectSame(graph, parts, count: 240, concatenations: 1)
  }

  @Test func whatCannotBeWrittenInPartsIsCopied() throws {
    var graph = Graph()
    let x = graph.input("x", [Shape.batch, 6, 5, 8])
    let parts = try fire(&graph, x, nil)
    // Along lines, twice the same, and the picture itself.
    let tall = try graph.addNode(.concat(axis: 1), name: "tall", inputs: [parts[2], parts[3]], outputNames: ["tall"])[0]
    let twice = try graph.addNode(.concat(axis: 3), name: "twice", inputs: [parts[0], parts[0], x], outputNames: ["twice"])[0]
    let single = try graph.addNode(.concat(axis: 3), name: "single", inputs: [parts[1], x], outputNames: ["single"])[0]
    graph.outputs = [tall, twice, single]
    try expectSame(graph, parts, count: 240, concatenations: 6)
  }

  @Test(arguments: [3, 4]) func quantizedPictures(_ channels: Int) throws {
    var graph = Graph()
    let x = graph.input("x", [Shape.batch, channels, 7, 9])
    let type = ElementType(.uint8, Quantization(scale: 0.02, zeroPoint: 120))
    let q = try graph.addNode(.quantize, name: "q", inputs: [x], outputNames: ["q"], results: [type])[0]
    let t = try graph.addNode(.transpose([0, 2, 3, 1]), name: "t", inputs: [q], outputNames: ["t"])[0]
    let p = try graph.addNode(.pool(Pool(.max, window: window(2))), name: "p", inputs: [t], outputNames: ["p"])[0]
    graph.outputs = [p]
    var random = Random(9)
    let input = random.floats(2 * channels * 63)
    let moved = try run(graph, input), copied = try run(graph, input, observed: [q])
    #expect(moved.bytes == copied.bytes)
    #expect(moved.steps.contains("Transpose") == (channels != 3))
    #expect(copied.steps.contains("Transpose"))
  }
}
