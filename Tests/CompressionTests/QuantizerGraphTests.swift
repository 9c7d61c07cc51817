import Graph
import Testing

@testable import Compression

private func quantize(_ graph: Graph, _ change: (inout QuantizerOptions) -> Void = { _ in }) throws -> QuantizationResult {
  var options = QuantizerOptions()
  change(&options)
  return try graph.quantized(unitRanges(graph), options)
}

/// conv1 -> maxpool -> conv2 -> dense, all inside integers.
private func chain() throws -> Graph {
  var net = NetBuilder(seed: 1)
  let x = net.input("x", [Shape.batch, 8, 8, 3])
  var y = try net.convolution("conv1", x, 8, clamp: relu6)
  var window = Window()
  (window.kernelHeight, window.kernelWidth, window.strideHeight, window.strideWidth) = (2, 2, 2, 2)
  y = try net.add(.pool(Pool(.max, window: window)), "pool", [y])
  y = try net.convolution("conv2", y, 8, clamp: relu)
  y = try net.add(.reshape(Shape([Shape.batch, 128])), "flat", [y])
  return try net.finish(try net.dense("logits", y, 10))
}

@Test func aChainHasOneConversionAtEachEnd() throws {
  let graph = try chain()
  let result = try quantize(graph)
  try result.graph.validate()
  #expect(result.graph.conversionCount == 2)
  #expect(result.graph.nodes.first?.op == .quantize && result.graph.nodes.last?.op == .dequantize)
  #expect(result.reasons == ["", "", "", "", ""])
  // The interface stays.
  #expect(result.graph.inputs.map { result.graph.values[$0].name } == ["x"])
  #expect(result.graph.outputs.map { result.graph.values[$0].name } == ["logits"])
  #expect(result.graph.values[result.graph.outputs[0]].dtype == .float32)
  // Data movement keeps the scheme; the fused ReLU cuts the negative half of [-1, 1].
  #expect(result.graph.value("conv1")?.quantization == Quantization(scale: 1 / 255, zeroPoint: 0))
  #expect(result.graph.value("pool")?.quantization == result.graph.value("conv1")?.quantization)
  #expect(result.graph.value("flat")?.quantization == result.graph.value("conv2")?.quantization)
  #expect(result.graph.value("conv1.w_quantized")?.quantization?.axis == 0)
  #expect(result.graph.value("conv1.w_quantized")?.dtype == .int8)
  let bias = try #require(result.graph.value("conv1.b_quantized")?.quantization)
  let weights = try #require(result.graph.value("conv1.w_quantized")?.quantization)
  let input = try #require(result.graph.value("x_quantized")?.quantization)
  #expect(bias.scales == weights.scales.map { $0 * input.scales[0] })
}

@Test func perTensorWeightsHaveOneScale() throws {
  let result = try quantize(try chain()) { $0.perChannel = false }
  #expect(result.graph.value("conv1.w_quantized")?.quantization?.scales.count == 1)
  #expect(result.graph.value("conv1.b_quantized")?.quantization?.axis == nil)
}

@Test func namesAndTypesStayInFloat() throws {
  let graph = try chain()
  var result = try quantize(graph) { $0.floatNames = ["conv2"] }
  #expect(result.graph.value("conv2")?.dtype == .float32)
  #expect(result.reasons[2] == "kept in float by name" && result.reasons[0].isEmpty)
  // Out before conv2, in again behind it; reshape goes with the dense layer.
  #expect(result.graph.conversionCount == 4)
  result = try quantize(graph) { $0.floatNames = ["conv*"] }
  #expect(result.graph.value("conv1")?.dtype == .float32 && result.graph.value("conv2")?.dtype == .float32)
  #expect(result.graph.value("pool")?.dtype == .float32)
  result = try quantize(graph) { $0.floatTypes = ["convolution", "dense"] }
  #expect(result.graph.conversionCount == 0)
  #expect(result.reasons[4] == "kept in float by type")
  result = try quantize(graph) { $0.floatTypes = ["softmax"] }
  #expect(result.warnings.count == 1)
  let error = #expect(throws: EdgeError.self) { try quantize(graph) { $0.floatNames = ["conv3"] } }
  #expect(error?.status == .invalidArgument && error?.node == "conv3")
}

@Test func firstAndLastLayersStayInFloat() throws {
  let graph = try chain()
  let result = try quantize(graph) {
    $0.keepsFirstFloat = true
    $0.keepsLastFloat = true
    $0.strict = true
  }
  #expect(result.reasons.map { $0.isEmpty } == [false, true, true, true, false])
}

@Test func strictNamesTheNodeAndTheReason() throws {
  var net = NetBuilder(seed: 2)
  let x = net.input("x", [Shape.batch, 6, 6, 4])
  var y = try net.convolution("conv", x, 4)
  y = try net.add(.localResponseNormalization(size: 3, alpha: 1e-4, beta: 0.75, bias: 1), "lrn", [y])
  let graph = try net.finish(try net.convolution("conv2", y, 4))
  let result = try quantize(graph)
  #expect(result.reasons == ["", "local response normalization has no integer kernel", ""])
  #expect(result.graph.conversionCount == 4)
  let error = #expect(throws: EdgeError.self) { try quantize(graph) { $0.strict = true } }
  #expect(error?.status == .unsupportedOperator && error?.node == "lrn" && error?.nodeIndex == 1)
  _ = try quantize(graph) {
    $0.strict = true
    $0.floatNames = ["lrn"]
  }
}

@Test func loneOperatorsBetweenFloatOnesAreNotConverted() throws {
  var net = NetBuilder(seed: 3)
  let x = net.input("x", [Shape.batch, 6, 6, 4])
  let lrn = Operator.localResponseNormalization(size: 3, alpha: 1e-4, beta: 0.75, bias: 1)
  var y = try net.add(lrn, "lrn1", [x])
  y = try net.add(.unary(UnaryFunction(.tanh)), "tanh", [y])
  y = try net.add(lrn, "lrn2", [y])
  let result = try quantize(try net.finish(y))
  #expect(result.graph.conversionCount == 0)
  #expect(result.reasons[1] == "lies between float operators: the conversions would cost more")
}

@Test func dataMovesOnTheCheaperSide() throws {
  var net = NetBuilder(seed: 4)
  let x = net.input("x", [Shape.batch, 4, 6, 6])
  let t = try net.add(.transpose([0, 2, 3, 1]), "transpose", [x])
  let y = try net.convolution("conv", t, 4)
  let graph = try net.finish(try net.add(.transpose([0, 3, 1, 2]), "back", [y]))
  let result = try quantize(graph)
  // The input is converted first and the output last: the transposes move bytes.
  #expect(result.graph.conversionCount == 2)
  #expect(result.graph.value("transpose")?.dtype == .uint8)
  #expect(result.graph.nodes.first?.op == .quantize && result.graph.nodes.last?.op == .dequantize)
}

private func twoBranches(_ low: Float, _ high: Float, readAlone: Bool) throws -> (Graph, CalibrationResult) {
  var net = NetBuilder(seed: 5)
  let x = net.input("x", [Shape.batch, 6, 6, 4])
  let a = try net.convolution("a", x, 4)
  let b = try net.convolution("b", x, 4)
  let joined = try net.add(.concat(axis: 3), "joined", [a, b])
  let y = try net.convolution("y", joined, 4)
  let z = readAlone ? try net.convolution("z", a, 4) : a
  let graph = readAlone ? try net.finish(y, z) : try net.finish(y)
  var calibration = unitRanges(graph)
  calibration.ranges[a] = ValueRange(min: 0, max: 1)
  calibration.ranges[b] = ValueRange(min: low, max: high)
  return (graph, calibration)
}

@Test func concatenationHasOneScheme() throws {
  // Branches that end here take the common range.
  var (graph, calibration) = try twoBranches(-1, 9, readAlone: false)
  var result = try graph.quantized(calibration)
  let common = QuantizationParameters.activation(ValueRange(min: -1, max: 9))
  for name: Text in ["a", "b", "joined"] { #expect(result.graph.value(name)?.quantization == common) }
  #expect(result.graph.conversionCount == 2)
  // One that is read elsewhere too keeps its own, ten times finer, and is requantized here.
  (graph, calibration) = try twoBranches(-1, 9, readAlone: true)
  result = try graph.quantized(calibration)
  #expect(result.graph.value("a")?.quantization == QuantizationParameters.activation(ValueRange(min: 0, max: 1)))
  #expect(result.graph.value("joined")?.quantization == common)
  #expect(result.graph.count { $0 == .requantize } == 1)
  // Unless the common range is at most twice as wide.
  (graph, calibration) = try twoBranches(-0.5, 1.5, readAlone: true)
  result = try graph.quantized(calibration)
  #expect(result.graph.count { $0 == .requantize } == 0)
  try result.graph.validate()
}

@Test func knownRangesAreUsedAsTheyAre() throws {
  let known = ValueRange(min: -0.25, max: 0.5)
  let scheme = QuantizationParameters.activation(known)
  // What is moved before it is read takes the reader's range, and so does a result whose range its operator would fix.
  var net = NetBuilder(seed: 8)
  var pool = Pool(.max, window: Window())
  (pool.window.kernelHeight, pool.window.kernelWidth) = (2, 2)
  let a = try net.convolution("a", net.input("x", [Shape.batch, 6, 6, 4]), 4)
  let p = try net.add(.pool(pool), "p", [a])
  let t = try net.add(.unary(UnaryFunction(.tanh)), "t", [try net.convolution("b", p, 4)])
  var graph = try net.finish(try net.convolution("y", t, 4))
  var calibration = unitRanges(graph)
  for value in [p, t] { (calibration.ranges[value], calibration.isKnown[value]) = (known, true) }
  var result = try graph.quantized(calibration)
  for name: Text in ["a", "p", "t"] { #expect(result.graph.value(name)?.quantization == scheme, "\(name)") }
  // Not where somebody else reads what it is moved from, or a part of it.
  for move: Operator in [.pool(pool), .slice(starts: [0, 0, 0, 0], ends: [Shape.batch, 6, 6, 2], steps: [1, 1, 1, 1])] {
    net = NetBuilder(seed: 9)
    let h = try net.convolution("h", net.input("x", [Shape.batch, 6, 6, 4]), 4)
    let moved = try net.add(move, "m", [h])
    graph = try net.finish(try net.convolution("y", moved, 4), try net.convolution("z", h, 4))
    calibration = unitRanges(graph)
    calibration.ranges[h] = ValueRange(min: -1, max: 1)
    (calibration.ranges[moved], calibration.isKnown[moved]) = (known, true)
    result = try graph.quantized(calibration)
    for name: Text in ["h", "m"] {
      #expect(result.graph.value(name)?.quantization == QuantizationParameters.activation(ValueRange(min: -1, max: 1)), "\(name)")
    }
    // Of two that are given, that of the source.
    (calibration.ranges[h], calibration.isKnown[h]) = (ValueRange(min: 0, max: 2), true)
    result = try graph.quantized(calibration)
    #expect(result.graph.value("m")?.quantization == QuantizationParameters.activation(ValueRange(min: 0, max: 2)))
  }
  // Nor where a convolution of it leads back into what is joined.
  net = NetBuilder(seed: 10)
  let x = net.input("x", [Shape.batch, 6, 6, 4])
  let h = try net.convolution("h", x, 4)
  let g = try net.convolution("g", h, 4)
  let pair = try net.add(.concat(axis: 3), "pair", [h, g])
  let part = try net.add(.slice(starts: [0, 0, 0, 4], ends: [Shape.batch, 6, 6, 8], steps: [1, 1, 1, 1]), "part", [pair])
  let last = try net.add(.concat(axis: 3), "last", [part, try net.convolution("k", x, 4)])
  graph = try net.finish(try net.convolution("y", last, 4))
  calibration = unitRanges(graph)
  calibration.ranges[h] = ValueRange(min: -4, max: 4)
  (calibration.ranges[last], calibration.isKnown[last]) = (known, true)
  result = try graph.quantized(calibration)
  let wide = try #require(result.graph.value("h")?.quantization)
  #expect(wide.scales[0] >= QuantizationParameters.activation(ValueRange(min: -4, max: 4)).scales[0])
  // Of a concatenation: its operands follow where nobody else reads them.
  (graph, calibration) = try twoBranches(-1, 9, readAlone: true)
  let joined = try #require(graph.nodes.first { $0.name == "joined" })
  (calibration.ranges[joined.outputs[0]], calibration.isKnown[joined.outputs[0]]) = (known, true)
  result = try graph.quantized(calibration)
  for name: Text in ["b", "joined"] { #expect(result.graph.value(name)?.quantization == scheme, "\(name)") }
  #expect(result.graph.value("a")?.quantization == QuantizationParameters.activation(ValueRange(min: 0, max: 1)))
  // Of an operand: it keeps its own.
  (graph, calibration) = try twoBranches(-1, 9, readAlone: false)
  (calibration.ranges[joined.inputs[0]], calibration.isKnown[joined.inputs[0]]) = (known, true)
  result = try graph.quantized(calibration)
  #expect(result.graph.value("a")?.quantization == scheme)
  #expect(result.graph.value("joined")?.quantization == QuantizationParameters.activation(ValueRange(min: -1, max: 9)))
  try result.graph.validate()
}

@Test func knownRangesBelongToComputedTensors() throws {
  let graph = try chain()
  let tensor = graph.values[graph.nodes[2].inputs[0]].name
  let weights = graph.values[graph.nodes[2].inputs[1]].name
  for (name, low, high): (Text, Float, Float) in [
    ("no such tensor", 0, 1), ("", 0, 1), (weights, 0, 1), (tensor, 1, 0), (tensor, .nan, 1), (tensor, 0, .infinity),
  ] {
    var options = CalibrationOptions()
    options.known = [(name, ValueRange(min: low, max: high))]
    #expect(throws: EdgeError.self) { try Calibration.make(graph, options) }
  }
  // Of several of one name it would be nobody knows whose.
  var named = graph
  named.values[graph.nodes[1].inputs[0]].name = tensor
  var ambiguous = CalibrationOptions()
  ambiguous.known = [(tensor, ValueRange(min: 0, max: 1))]
  #expect(throws: EdgeError.self) { try Calibration.make(named, ambiguous) }
  // The last of a tensor counts, and 0 is in it.
  var options = CalibrationOptions()
  options.known = [(tensor, ValueRange(min: -3, max: 3)), (tensor, ValueRange(min: 1, max: 2))]
  let calibration = try Calibration.make(graph, options)
  let samples = Samples(graph, count: 2, seed: 1)
  try samples.withPointers { try calibration.feed(inputs: $0, samples: 2) }
  let result = try calibration.finish()
  #expect(result.ranges[graph.nodes[2].inputs[0]] == ValueRange(min: 0, max: 2))
  #expect(result.isKnown.filter { $0 }.count == 1)
}

@Test func naturalRangesAreFixed() throws {
  var net = NetBuilder(seed: 6)
  let x = net.input("x", [Shape.batch, 10])
  let logits = try net.dense("dense", x, 10)
  let s = try net.add(.softmax(axis: 1, log: false), "softmax", [logits])
  let t = try net.add(.unary(UnaryFunction(.tanh)), "tanh", [logits])
  let result = try quantize(try net.finish(s, t))
  #expect(result.graph.value("softmax_quantized")?.quantization == Quantization(scale: 1 / 256, zeroPoint: 0))
  #expect(result.graph.value("tanh_quantized")?.quantization == Quantization(scale: 1 / 128, zeroPoint: 128))
}

@Test func unusualGraphsAreRefusedOrLeftAlone() throws {
  let graph = try chain()
  let quantized = try quantize(graph).graph
  #expect(throws: EdgeError.self) { try quantize(quantized) }
  #expect(throws: EdgeError.self) { try graph.quantized(CalibrationResult(ranges: [], ignored: [], samples: 1)) }
  // A tensor nothing finite was seen of.
  var calibration = unitRanges(graph)
  calibration.ranges[graph.nodes[2].outputs[0]] = nil
  let result = try graph.quantized(calibration)
  #expect(result.reasons[2] == "calibration saw no finite value of conv2")
  // Weights that are not finite, and not constant.
  var net = NetBuilder(seed: 7)
  let x = net.input("x", [Shape.batch, 2])
  let w = try net.constant("w", [2, 2], [1, .nan, 0, 1])
  let v = net.input("v", [2, 2])
  let y = try net.add(.dense(.none), "nan", [x, w])
  let z = try net.add(.dense(.none), "dynamic", [x, v])
  let odd = try quantize(try net.finish(y, z))
  #expect(odd.reasons == ["its weights are not all finite", "its weights are not constant"])
  // An input that is an output.
  var empty = Graph(name: "empty")
  let id = empty.addValue(Value(name: "x", dtype: .float32, shape: Shape([Shape.batch, 3])))
  (empty.inputs, empty.outputs) = ([id], [id])
  #expect(try quantize(empty).graph.nodes.isEmpty)
}
