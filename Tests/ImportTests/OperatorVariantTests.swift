import Graph
import Testing

@testable import Import

/// A model with one node over input x.
private func model(
  _ opset: Int, _ shape: [Any], _ type: String, extra: [String] = [], _ attributes: [(String, Attribute)] = [], outputs: [String] = ["y"],
  prepare: (inout OnnxFile) -> Void = { _ in }
) throws -> Graph {
  var file = OnnxFile(opset: opset)
  file.input("x", shape)
  prepare(&file)
  file.node(type, ["x"] + extra, outputs, attributes)
  for output in outputs { file.output(output) }
  let result = try file.load()
  #expect(result.unsupported.isEmpty, "\(result.unsupported)")
  return result.graph
}

private func shape(_ graph: Graph, _ output: Int = 0) -> [Int] { graph.values[graph.outputs[output]].shape.dims }

/// Parameters that moved from attributes to inputs give the same graph either way.
@Suite struct OperatorVariantTests {
  @Test func clip() throws {
    let old = try model(7, ["N", 4], "Clip", [("min", .float(0)), ("max", .float(6))])
    let new = try model(11, ["N", 4], "Clip", extra: ["low", "high"]) {
      $0.initializer(floatTensor("low", [], [0]))
      $0.initializer(floatTensor("high", [], [6]))
    }
    let onlyMax = try model(13, ["N", 4], "Clip", extra: ["", "high"]) { $0.initializer(floatTensor("high", [], [6])) }
    #expect(old.nodes[0].op == .unary(UnaryFunction(.clamp, alpha: 0, beta: 6)))
    #expect(new.nodes[0].op == old.nodes[0].op)
    #expect(onlyMax.nodes[0].op == .unary(UnaryFunction(.clamp, alpha: -.infinity, beta: 6)))
  }

  @Test func slice() throws {
    let expected = Operator.slice(starts: [0, 1], ends: [2, 4], steps: [1, 1])
    let old = try model(9, [2, 5], "Slice", [("starts", .ints([1])), ("ends", .ints([-1])), ("axes", .ints([1]))])
    let new = try model(10, [2, 5], "Slice", extra: ["s", "e", "a"]) {
      $0.ints("s", [1])
      $0.ints("e", [-1])
      $0.ints("a", [-1])
    }
    #expect(old.nodes.map(\.op) == [expected])
    #expect(new.nodes.map(\.op) == [expected])
    let reversed = try model(13, [2, 5], "Slice", extra: ["s", "e", "a", "t"]) {
      $0.ints("s", [-1])
      $0.ints("e", [Int.min])
      $0.ints("a", [1])
      $0.ints("t", [-2])
    }
    #expect(shape(reversed) == [2, 3])
  }

  @Test func pad() throws {
    let old = try model(7, [1, 2], "Pad", [("pads", .ints([0, 1, 0, 2])), ("value", .float(3))])
    let new = try model(11, [1, 2], "Pad", extra: ["p", "v"]) {
      $0.ints("p", [0, 1, 0, 2])
      $0.initializer(floatTensor("v", [], [3]))
    }
    let axes = try model(18, [1, 2], "Pad", extra: ["p", "v", "a"]) {
      $0.ints("p", [1, 2])
      $0.initializer(floatTensor("v", [], [3]))
      $0.ints("a", [-1])
    }
    let cut = try model(13, [1, 5], "Pad", extra: ["p"]) { $0.ints("p", [0, -1, 0, -2]) }
    let expected = Operator.pad(.constant, before: [0, 1], after: [0, 2], value: 3)
    #expect([old, new, axes].map { $0.nodes[0].op } == [expected, expected, expected])
    #expect(cut.nodes[0].op == .slice(starts: [0, 1], ends: [1, 3], steps: [1, 1]))
  }

  @Test func squeezeAndUnsqueeze() throws {
    #expect(shape(try model(11, ["N", 1, 3, 1], "Squeeze", [("axes", .ints([1]))])) == [-1, 3, 1])
    #expect(shape(try model(13, ["N", 1, 3, 1], "Squeeze", extra: ["a"]) { $0.ints("a", [-1]) }) == [-1, 1, 3])
    #expect(shape(try model(13, ["N", 1, 3, 1], "Squeeze")) == [-1, 3])
    #expect(shape(try model(11, ["N", 3], "Unsqueeze", [("axes", .ints([1, 3]))])) == [-1, 1, 3, 1])
    #expect(shape(try model(13, ["N", 3], "Unsqueeze", extra: ["a"]) { $0.ints("a", [-1]) }) == [-1, 3, 1])
  }

  @Test func reductions() throws {
    let expected = Operator.reduce(.sum, axes: [1], keepDims: false)
    #expect(try model(11, ["N", 4, 2], "ReduceSum", [("axes", .ints([1])), ("keepdims", .int(0))]).nodes[0].op == expected)
    #expect(try model(13, ["N", 4, 2], "ReduceSum", extra: ["a"], [("keepdims", .int(0))]) { $0.ints("a", [-2]) }.nodes[0].op == expected)
    let mean = Operator.reduce(.mean, axes: [1], keepDims: true)
    #expect(try model(17, ["N", 4, 2], "ReduceMean", [("axes", .ints([1]))]).nodes[0].op == mean)
    #expect(try model(18, ["N", 4, 2], "ReduceMean", extra: ["a"]) { $0.ints("a", [1]) }.nodes[0].op == mean)
    #expect(try model(18, [3, 4], "ReduceMax").nodes[0].op == .reduce(.max, axes: [0, 1], keepDims: true))
  }

  @Test func softmax() throws {
    // Up to operator set 12 the axes from 1 on are flattened, since 13 only the last counts.
    let old = try model(11, ["N", 4, 2], "Softmax")
    #expect(old.nodes.map(\.op) == [.reshape(Shape([-1, 8])), .softmax(axis: 1, log: false), .reshape(Shape([-1, 4, 2]))])
    #expect(try model(13, ["N", 4, 2], "Softmax").nodes.map(\.op) == [.softmax(axis: 2, log: false)])
    #expect(try model(11, ["N", 4, 1], "LogSoftmax").nodes.map(\.op) == [.softmax(axis: 1, log: true)])
  }

  @Test func split() throws {
    let expected = Operator.split(axis: 1, sizes: [2, 3])
    #expect(try model(11, [1, 5], "Split", [("axis", .int(1)), ("split", .ints([2, 3]))], outputs: ["y", "z"]).nodes[0].op == expected)
    #expect(try model(13, [1, 5], "Split", extra: ["s"], [("axis", .int(1))], outputs: ["y", "z"]) { $0.ints("s", [2, 3]) }.nodes[0].op == expected)
    let uneven = try model(18, [1, 5], "Split", [("axis", .int(1)), ("num_outputs", .int(2))], outputs: ["y", "z"])
    #expect(uneven.nodes[0].op == .split(axis: 1, sizes: [3, 2]))
  }

  @Test func dropoutIsNothing() throws {
    #expect(try model(7, ["N", 4], "Dropout", [("ratio", .float(0.5))]).nodes.count <= 1)
    let graph = try model(13, ["N", 4], "Dropout", extra: ["r"]) { $0.initializer(floatTensor("r", [], [0.5])) }
    #expect(shape(graph) == [-1, 4])
  }

  private func resize(_ graph: Graph) -> Resize? {
    for node in graph.nodes { if case .resize(let resize) = node.op { return resize } }
    return nil
  }

  @Test func upsampleAndResize() throws {
    func scales(_ file: inout OnnxFile) { file.initializer(floatTensor("s", [4], [1, 1, 2, 3])) }
    let nine = try #require(resize(try model(9, ["N", 2, 4, 4], "Upsample", extra: ["s"], prepare: scales)))
    let ten = try #require(resize(try model(10, ["N", 2, 4, 4], "Resize", extra: ["s"], [("mode", .text("linear"))], prepare: scales)))
    let eleven = try #require(resize(try model(11, ["N", 2, 4, 4], "Resize", extra: ["", "s"], prepare: scales)))
    #expect(nine.height == 8 && nine.width == 12 && nine.coordinates == .asymmetric && nine.nearest == .floor)
    #expect(ten.mode == .linear && ten.coordinates == .asymmetric)
    #expect(eleven.coordinates == .halfPixel && eleven.nearest == .roundPreferFloor)
    let sizes = try #require(
      resize(try model(18, ["N", 2, 4, 4], "Resize", extra: ["", "", "z"], [("axes", .ints([3, 2])), ("mode", .text("cubic"))]) { $0.ints("z", [7, 5]) }))
    #expect(sizes.height == 5 && sizes.width == 7 && sizes.mode == .cubic && sizes.scaleWidth == 1.75)
  }

  @Test(arguments: [("SAME_UPPER", 0, 1), ("SAME_LOWER", 1, 0), ("VALID", 0, 0)])
  func automaticPadding(_ mode: String, _ before: Int, _ after: Int) throws {
    let graph = try model(11, ["N", 1, 6, 6], "Conv", extra: ["w"], [("auto_pad", .text(mode)), ("strides", .ints([2, 2]))]) {
      $0.floats("w", [2, 1, 3, 3])
    }
    guard case .convolution(let convolution)? = graph.nodes.map(\.op).first(where: { $0.name == "Convolution" }) else {
      Issue.record("no convolution")
      return
    }
    #expect(convolution.window.padTop == before && convolution.window.padBottom == after)
    #expect(shape(graph) == (mode == "VALID" ? [-1, 2, 2, 2] : [-1, 2, 3, 3]))
  }

  @Test func convolutionWeightsAreOHWI() throws {
    let graph = try model(11, ["N", 2, 5, 5], "Conv", extra: ["w"]) { $0.floats("w", [3, 2, 2, 2]) }
    let node = try #require(graph.nodes.first { $0.op.name == "Convolution" })
    let weights = graph.values[node.inputs[1]]
    #expect(weights.shape.dims == [3, 2, 2, 2])
    // Output channel 1, row 0, column 1, input channel 1 stands at ((1 * 2 + 1) * 2 + 0) * 2 + 1 in the file.
    #expect(weights.constant?.array(of: Float.self)[((1 * 2 + 0) * 2 + 1) * 2 + 1] == 13)
  }

  @Test func transposedConvolution() throws {
    let graph = try model(
      11, ["N", 2, 4, 4], "ConvTranspose", extra: ["w"],
      [("strides", .ints([2, 2])), ("output_shape", .ints([9, 8])), ("auto_pad", .text("SAME_UPPER")), ("group", .int(2))]
    ) { $0.floats("w", [2, 3, 3, 3]) }
    #expect(shape(graph) == [-1, 6, 9, 8])
  }

  @Test func signalsAreImagesOfHeightOne() throws {
    let graph = try model(11, ["N", 2, 10], "Conv", extra: ["w"], [("pads", .ints([1, 1])), ("dilations", .ints([2]))]) {
      $0.floats("w", [4, 2, 3])
    }
    #expect(shape(graph) == [-1, 4, 8])
    #expect(shape(try model(11, ["N", 2, 9], "MaxPool", [("kernel_shape", .ints([2])), ("strides", .ints([2])), ("ceil_mode", .int(1))])) == [-1, 2, 5])
  }

  @Test func gemmWeightsAreOutputFirst() throws {
    let plain = try model(11, ["N", 2], "Gemm", extra: ["w", "c"], [("alpha", .float(2)), ("beta", .float(3))]) {
      $0.floats("w", [2, 3])
      $0.floats("c", [1, 3])
    }
    #expect(plain.nodes.map(\.op) == [.dense(.none)])
    #expect(plain.values[plain.nodes[0].inputs[1]].constant?.array(of: Float.self) == [0, 6, 2, 8, 4, 10])
    #expect(plain.values[plain.nodes[0].inputs[2]].constant?.array(of: Float.self) == [0, 3, 6])
    let transposed = try model(11, ["N", 2], "Gemm", extra: ["w"], [("transB", .int(1))]) { $0.floats("w", [3, 2]) }
    #expect(transposed.values[transposed.nodes[0].inputs[1]].constant?.array(of: Float.self) == [0, 1, 2, 3, 4, 5])
  }
}
