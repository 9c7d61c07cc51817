import Graph
import Testing

@testable import Compression

@Test func zeroIsExactAndRangesAreCovered() {
  var random = Randomness(3)
  for _ in 0..<1000 {
    let a = random.uniform(-10, 10)
    let b = random.uniform(-10, 10)
    let range = ValueRange(min: min(a, b), max: max(a, b))
    let q = QuantizationParameters.activation(range)
    let (scale, zero) = (q.scales[0], q.zeroPoints[0])
    #expect(QuantizationParameters.quantized(0, 1 / scale, zero) == UInt8(zero))
    // The ends are at most half a step outside what the codes reach.
    #expect(Float(255 - zero) * scale >= range.max - 0.501 * scale)
    #expect(Float(-zero) * scale <= range.min + 0.501 * scale)
  }
}

@Test func knownParameters() {
  #expect(QuantizationParameters.activation(ValueRange(min: 0, max: 255)) == Quantization(scale: 1, zeroPoint: 0))
  #expect(QuantizationParameters.activation(ValueRange(min: -128, max: 127)) == Quantization(scale: 1, zeroPoint: 128))
  #expect(QuantizationParameters.activation(ValueRange(min: 51, max: 510)) == Quantization(scale: 2, zeroPoint: 0))
  #expect(QuantizationParameters.activation(ValueRange(min: -510, max: -51)) == Quantization(scale: 2, zeroPoint: 255))
  #expect(QuantizationParameters.activation(ValueRange(min: 0, max: 0)) == Quantization(scale: 1, zeroPoint: 0))
  #expect(QuantizationParameters.activation(ValueRange(min: 4, max: 4)) == Quantization(scale: 4 / 128, zeroPoint: 0))
  #expect(QuantizationParameters.activation(ValueRange(min: -4, max: -4)) == Quantization(scale: 4 / 128, zeroPoint: 255))
}

@Test func roundingIsHalfToEven() {
  for (x, expected) in [(0.5, 0.0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2), (2.4999, 2), (1e9 + 0.5, 1e9)] {
    #expect(QuantizationParameters.roundHalfEven(x) == expected)
  }
}

private func quantize(_ weights: [Float], _ channels: Int, bias: [Float]?, x: Float, perChannel: Bool = true) throws -> QuantizedWeights? {
  try QuantizedWeights(
    try TensorData(weights), channels: channels, depth: weights.count / channels, bias: bias, inputScale: x, perChannel: perChannel)
}

@Test func weightsAreSymmetricPerChannel() throws {
  let q = try #require(try quantize([1.27, -0.635, 0.01, 12.7, 0, -12.7], 2, bias: [1, 1], x: 0.5))
  #expect(q.weights.array(of: Int8.self) == [127, -64, 1, 127, 0, -127])
  #expect(q.scales == [Float(Double(Float(1.27)) / 127), Float(Double(Float(12.7)) / 127)])
  // 1 / (0.5 * 0.01) and 1 / (0.5 * 0.1).
  #expect(q.bias == [200, 20])
  let shared = try #require(try quantize([1.27, -0.635, 0.01, 12.7, 0, -12.7], 2, bias: nil, x: 0.5, perChannel: false))
  #expect(shared.weights.array(of: Int8.self) == [13, -6, 0, 127, 0, -127])
  #expect(shared.scales.count == 1 && shared.bias == nil)
}

@Test func deadChannelsKeepTheirBias() throws {
  let q = try #require(try quantize([0, 0, 1, -1, 0, 0], 3, bias: [0.75, 0.5, 0], x: 0.01))
  #expect(q.weights.array(of: Int8.self) == [0, 0, 127, -127, 0, 0])
  #expect(q.bias?[0] == 4_194_304)
  #expect(abs(Double(q.bias![0]) * 0.01 * Double(q.scales[0]) - 0.75) < 1e-6)
  #expect(q.scales[2] == 1 && q.bias?[2] == 0)
  #expect(q.widened == 0)
  let dead = try #require(try quantize([0, 0], 1, bias: nil, x: 0.01, perChannel: false))
  #expect(dead.scales == [1])
}

@Test(arguments: [true, false]) func aBiasThatDoesNotFitWidensItsChannel(_ perChannel: Bool) throws {
  // 100 / (1e-6 * 1e-9 / 127) is far above 2^30.
  let q = try #require(try quantize([1e-9, -1e-9, 1, 1], 2, bias: [100, 0.25], x: 1e-6, perChannel: perChannel))
  #expect(q.widened == 1)
  let steps = try #require(q.bias)
  #expect(steps[0] <= 1 << 30 && steps[0] > 1 << 29 || !perChannel)
  for (channel, expected) in [100.0, 0.25].enumerated() {
    let scale = Double(q.scales[perChannel ? channel : 0])
    #expect(abs(Double(steps[channel]) * 1e-6 * scale - expected) < expected * 1e-4)
  }
}

@Test func sumsThatCouldOverflowAreRefused() throws {
  // 40,000 * 127 * 255 > 2^30.
  #expect(try quantize([Float](repeating: 1, count: 40_000), 1, bias: nil, x: 1) == nil)
}

/// x between two layers, with what normalizes it.
private func normalized(_ addTail: (inout NetBuilder, ValueID) throws -> ValueID) throws -> (graph: Graph, result: QuantizationResult) {
  var net = NetBuilder(seed: 12)
  let x = try net.dense("first", net.input("x", [Shape.batch, 8]), 8)
  let graph = try net.finish(try net.dense("last", try addTail(&net, x), 4))
  return (graph, try graph.quantized(unitRanges(graph)))
}

private func floats(_ graph: Graph, _ result: QuantizationResult) -> [Text] {
  zip(graph.nodes, result.reasons).filter { !$1.isEmpty }.map { $0.0.name }
}

@Test func whatLeadsToANormStaysInFloatWithIt() throws {
  let (graph, result) = try normalized { net, x in
    let mean = try net.add(.reduce(.mean, axes: [1], keepDims: true), "mean", [x])
    let centred = try net.add(.binary(.subtract, .none), "centred", [x, mean])
    let square = try net.add(.binary(.multiply, .none), "square", [centred, centred])
    let variance = try net.add(.reduce(.mean, axes: [1], keepDims: true), "variance", [square])
    let deviation = try net.add(.unary(UnaryFunction(.sqrt)), "deviation", [variance])
    let column = try net.add(.reshape(Shape([Shape.batch, 1])), "column", [try net.add(.unary(UnaryFunction(.reciprocal)), "inverse", [deviation])])
    let y = try net.add(.binary(.multiply, .none), "product", [centred, column])
    return try net.add(.binary(.add, .none), "shifted", [y, x])
  }
  let names: [Text] = ["mean", "centred", "square", "variance", "deviation", "inverse", "column", "product"]
  #expect(floats(graph, result) == names)
  #expect(result.reasons[3] == "8 bits do not hold numbers of such different sizes")
}

@Test func aGateOrASoftmaxStaysInIntegers() throws {
  let (graph, result) = try normalized { net, x in
    let gate = try net.add(.unary(UnaryFunction(.sigmoid)), "gate", [x])
    let scaled = try net.add(.binary(.divide, .none), "scaled", [x, try net.constant("six", [], [6])])
    return try net.add(.softmax(axis: 1, log: false), "softmax", [try net.add(.binary(.multiply, .none), "gated", [gate, scaled])])
  }
  #expect(floats(graph, result) == [])
}

@Test func masksAndInfinitiesStayInFloat() throws {
  var net = NetBuilder(seed: 12)
  let x = try net.dense("first", net.input("x", [Shape.batch, 8]), 8)
  let mask = try net.constant("mask", [8], [0, 0, 0, 0, -1e9, -1e9, -1e9, -1e9])
  let masked = try net.add(.binary(.add, .none), "masked", [x, mask])
  let softmax = try net.add(.softmax(axis: 1, log: false), "softmax", [masked])
  let graph = try net.finish(try net.dense("last", softmax, 4))
  var calibration = unitRanges(graph)
  #expect(floats(graph, try graph.quantized(calibration)) == [])
  calibration.ranges[masked] = ValueRange(min: -1e9, max: 1)
  #expect(floats(graph, try graph.quantized(calibration)) == ["masked", "softmax"])
  calibration = unitRanges(graph)
  calibration.ignored[masked] = 1
  let result = try graph.quantized(calibration)
  #expect(floats(graph, result) == ["masked", "softmax"])
  #expect(result.reasons[1] == "calibration saw numbers of masked that are not finite" && result.reasons[2] == result.reasons[1])
}
