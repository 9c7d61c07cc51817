import Graph
import Testing

@testable import Compression

/// A small graph around one operator, and the least SQNR its int8 form must reach with min-max calibration.
struct OperatorCase: CustomTestStringConvertible, @unchecked Sendable {
  var name: Text
  /// dB. A tensor uniform over its range has 6.02 * 8 = 48 dB after rounding to 8 bits, a near normal one about 40; each
  /// further rounded operand costs up to 3. 30 leaves room for both; lower bounds say why.
  var bound: Double
  var low: Float = -1
  var high: Float = 1
  /// Nodes that stay in float.
  var floatNodes: [Text] = []
  var build: (inout NetBuilder) throws -> Graph
  var testDescription: String { name.description }
}

private let imageDims = [Shape.batch, 8, 8, 6]

private func window(_ kernel: Int, _ stride: Int, pad: Int = 0) -> Window {
  var window = Window()
  (window.kernelHeight, window.kernelWidth, window.strideHeight, window.strideWidth) = (kernel, kernel, stride, stride)
  (window.padTop, window.padLeft, window.padBottom, window.padRight) = (pad, pad, pad, pad)
  return window
}

/// One operator on an image.
private func one(_ name: Text, _ op: Operator, bound: Double = 30, low: Float = -1, high: Float = 1, float: Bool = false) -> OperatorCase {
  OperatorCase(name: name, bound: bound, low: low, high: high, floatNodes: float ? ["op"] : []) { net in
    let x = net.input("x", imageDims)
    return try net.finish(try net.add(op, "op", [x]))
  }
}

private func unary(
  _ kind: UnaryFunction.Kind, _ alpha: Float = 0, _ beta: Float = 0, bound: Double = 30, low: Float = -4, high: Float = 4,
  float: Bool = false
) -> OperatorCase {
  one(Text("\(kind)" as String), .unary(UnaryFunction(kind, alpha: alpha, beta: beta)), bound: bound, low: low, high: high, float: float)
}

private func binary(
  _ function: BinaryFunction, bound: Double = 30, low: Float = -1, high: Float = 1, clamp: Clamp = .none, float: Bool = false
) -> OperatorCase {
  OperatorCase(name: Text("binary \(function)" as String), bound: bound, low: low, high: high, floatNodes: float ? ["op"] : []) { net in
    let a = net.input("a", imageDims)
    let b = net.input("b", [Shape.batch, 1, 1, 6])
    return try net.finish(try net.add(.binary(function, clamp), "op", [a, b]))
  }
}

private func resize(_ mode: Resize.Mode) -> OperatorCase {
  one(
    Text("resize \(mode)" as String),
    .resize(Resize(mode: mode, coordinates: .halfPixel, height: 12, width: 4, scaleHeight: 1.5, scaleWidth: 0.5)))
}

nonisolated(unsafe) let operatorCases: [OperatorCase] = [
  OperatorCase(name: "convolution", bound: 30) { net in
    let x = net.input("x", imageDims)
    return try net.finish(try net.convolution("op", x, 8, clamp: relu))
  },
  OperatorCase(name: "strided grouped convolution", bound: 30) { net in
    let x = net.input("x", imageDims)
    return try net.finish(try net.convolution("op", x, 9, stride: 2, groups: 3))
  },
  OperatorCase(name: "depthwise convolution", bound: 30) { net in
    let x = net.input("x", imageDims)
    return try net.finish(try net.convolution("op", x, 6, groups: 6, clamp: relu6))
  },
  OperatorCase(name: "convolution with residual", bound: 30) { net in
    let x = net.input("x", imageDims)
    return try net.finish(try net.convolution("op", x, 6, clamp: relu, residual: x))
  },
  OperatorCase(name: "transposed convolution", bound: 30) { net in
    let x = net.input("x", imageDims)
    let w = try net.constant("w", [5, 2, 2, 6], net.random.uniforms(120, -0.5, 0.5))
    return try net.finish(try net.add(.transposedConvolution(TransposedConvolution(window: window(2, 2))), "op", [x, w]))
  },
  OperatorCase(name: "dense", bound: 30) { net in
    let x = net.input("x", [Shape.batch, 32])
    return try net.finish(try net.dense("op", x, 16))
  },
  OperatorCase(name: "matMul", bound: 30) { net in
    let a = net.input("a", [Shape.batch, 4, 16])
    let b = net.input("b", [Shape.batch, 16, 5])
    return try net.finish(try net.add(.matMul, "op", [a, b]))
  },
  OperatorCase(name: "matMul with a constant", bound: 30) { net in
    let a = net.input("a", [Shape.batch, 4, 16])
    let b = try net.constant("b", [16, 5], net.random.uniforms(80))
    return try net.finish(try net.add(.matMul, "op", [a, b]))
  },
  OperatorCase(name: "batch normalization", bound: 30, floatNodes: ["op"]) { net in
    let x = net.input("x", imageDims)
    let parameters = [
      try net.constant("scale", [6], net.random.uniforms(6, 0.5, 2)), try net.constant("bias", [6], net.random.uniforms(6)),
      try net.constant("mean", [6], net.random.uniforms(6)), try net.constant("variance", [6], net.random.uniforms(6, 0.5, 2)),
    ]
    return try net.finish(try net.add(.batchNormalization(epsilon: 1e-5), "op", [x] + parameters))
  },
  OperatorCase(name: "layer normalization", bound: 30) { net in
    let x = net.input("x", [Shape.batch, 5, 24])
    let parameters = [try net.constant("scale", [24], net.random.uniforms(24, 0.5, 2)), try net.constant("bias", [24], net.random.uniforms(24))]
    return try net.finish(try net.add(.layerNormalization(epsilon: 1e-5), "op", [try net.dense("layer", x, 24)] + parameters))
  },
  OperatorCase(name: "layer normalization of an input", bound: 30, floatNodes: ["op"]) { net in
    let x = net.input("x", [Shape.batch, 5, 24])
    return try net.finish(try net.add(.layerNormalization(epsilon: 1e-5), "op", [x, try net.constant("scale", [24], net.random.uniforms(24, 0.5, 2))]))
  },
  OperatorCase(name: "layer normalization with a computed scale", bound: 30, floatNodes: ["op"]) { net in
    let x = net.input("x", [Shape.batch, 5, 24])
    return try net.finish(try net.add(.layerNormalization(epsilon: 1e-5), "op", [x, net.input("scale", [24])]))
  },
  one("local response normalization", .localResponseNormalization(size: 3, alpha: 0.1, beta: 0.75, bias: 1), float: true),
  unary(.clamp, -1, 2), unary(.leakyRelu, 0.1), unary(.sigmoid), unary(.tanh), unary(.hardSigmoid, 0.2, 0.5), unary(.hardSwish),
  unary(.silu), unary(.gelu), unary(.geluTanh), unary(.elu, 1), unary(.selu, 1.6732632, 1.050701), unary(.celu, 1.5), unary(.softplus),
  unary(.softsign), unary(.mish), unary(.erf), unary(.abs), unary(.negate), unary(.exp, float: true),
  unary(.log, low: 0.5, float: true), unary(.sqrt, low: 0.1, float: true), unary(.reciprocal, low: 1, float: true),
  // Functions with jumps: values near a jump move by a whole unit, those within half a step (1/64) of one.
  unary(.thresholdedRelu, 1, bound: 20), unary(.floor, bound: 12), unary(.ceil, bound: 12), unary(.round, bound: 12),
  unary(.sign, bound: 12),
  binary(.add), binary(.subtract, clamp: relu), binary(.multiply), binary(.minimum), binary(.maximum), binary(.prelu),
  binary(.divide, low: 0.5, high: 2, float: true), binary(.power, low: 0.5, high: 2, float: true),
  OperatorCase(name: "binary with a constant", bound: 30) { net in
    let x = net.input("x", imageDims)
    let c = try net.constant("c", [6], net.random.uniforms(6))
    return try net.finish(try net.add(.binary(.multiply, .none), "op", [x, c]))
  },
  one("max pool", .pool(Pool(.max, window: window(3, 2, pad: 1)))), one("average pool", .pool(Pool(.average, window: window(2, 2)))),
  // Means of 64 values near zero: the input's rounding is large against them.
  one("reduce mean", .reduce(.mean, axes: [1, 2], keepDims: false), bound: 25),
  one("reduce sum", .reduce(.sum, axes: [3], keepDims: true)), one("reduce max", .reduce(.max, axes: [1, 2], keepDims: true)),
  one("reduce min", .reduce(.min, axes: [3], keepDims: false)), one("reduce l2", .reduce(.l2, axes: [3], keepDims: false), float: true),
  one("reduce product", .reduce(.product, axes: [3], keepDims: false), float: true),
  // Steps of 1/256 against probabilities around 1/6.
  one("softmax", .softmax(axis: 3, log: false), low: -4, high: 4), one("log softmax", .softmax(axis: 3, log: true), low: -4, high: 4),
  one("slice", .slice(starts: [0, 1, 0, 0], ends: [Int.max, 7, 8, 6], steps: [1, 2, 1, 1])),
  one("pad", .pad(.constant, before: [0, 1, 1, 0], after: [0, 1, 1, 0], value: 0.5)),
  one("pad reflect", .pad(.reflect, before: [0, 2, 2, 0], after: [0, 1, 1, 0], value: 0)),
  one("pad edge", .pad(.edge, before: [0, 2, 2, 0], after: [0, 1, 1, 0], value: 0)), one("transpose", .transpose([0, 3, 1, 2])),
  one("reshape", .reshape(Shape([Shape.batch, 384]))), one("gather", .gather(axis: 3, indices: [5, 0, 0], scalarIndex: false)),
  resize(.nearest), resize(.linear), resize(.cubic),
  OperatorCase(name: "expand", bound: 30) { net in
    let x = net.input("x", [Shape.batch, 1, 6])
    return try net.finish(try net.add(.expand(Shape([Shape.batch, 4, 6])), "op", [x]))
  },
  OperatorCase(name: "split and concat", bound: 30) { net in
    let x = try net.convolution("conv", net.input("x", imageDims), 6)
    let parts = try net.graph.addNode(.split(axis: 3, sizes: [2, 4]), name: "op", inputs: [x], outputNames: ["p", "q"])
    let y = try net.add(.unary(UnaryFunction(.tanh)), "tanh", [parts[0]])
    return try net.finish(try net.add(.concat(axis: 3), "concat", [parts[1], y]))
  },
]

/// Operators that only move data stay in float when nothing around them computes; here a layer does.
private func movesOnly(_ graph: Graph) -> Bool {
  graph.nodes.allSatisfy { node in
    if case .moves = IntegerSupport(node, in: graph, GraphIndex(graph)) { return true }
    return false
  }
}

@Test(arguments: operatorCases) func everyOperatorWorksWithEveryCalibrator(_ entry: OperatorCase) throws {
  var net = NetBuilder(seed: 42)
  let graph = try entry.build(&net)
  let samples = Samples(graph, count: 6, seed: 9, low: entry.low, high: entry.high)
  for kind in CalibratorKind.all {
    let result = try graph.quantized(try calibrate(graph, samples, kind))
    let expected = movesOnly(graph) ? graph.nodes.map { $0.name } : entry.floatNodes
    for (node, reason) in zip(graph.nodes, result.reasons) { #expect(reason.isEmpty == !expected.contains(node.name)) }
    let report = try compare(graph, result.graph, samples, reasons: result.reasons)
    for output in report.outputs {
      #expect(output.error.ignored == 0)
      // The others give up range on purpose, most of all on uniform data, but never everything.
      #expect(output.error.sqnr > (kind == .minMax ? entry.bound : 5), "\(kind)")
    }
  }
}

/// The same behind a layer, so that data movement happens in integers.
@Test(arguments: operatorCases.filter { ["max pool", "pad", "pad edge", "transpose", "gather", "resize nearest", "slice"].contains($0.name) })
func dataMovesInIntegersBehindALayer(_ entry: OperatorCase) throws {
  var net = NetBuilder(seed: 43)
  var single = NetBuilder(seed: 1)
  let op = try entry.build(&single).nodes[0].op
  let x = net.input("x", imageDims)
  let graph = try net.finish(try net.add(op, "op", [try net.convolution("conv", x, 6)]))
  let samples = Samples(graph, count: 4, seed: 10)
  let result = try graph.quantized(try calibrate(graph, samples))
  #expect(result.graph.value("op_quantized")?.dtype == .uint8)
  #expect(result.graph.conversionCount == 2)
  #expect(try compare(graph, result.graph, samples).outputs[0].error.sqnr > 30)
}
