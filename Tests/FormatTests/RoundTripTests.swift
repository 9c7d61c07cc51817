@testable import Format
import Graph
import Testing

/// A small graph that touches every part of the format.
func sampleGraph() throws -> Graph {
  var graph = Graph(name: "sample")
  graph.metadata = [("producer", "tests"), ("labels", "cat\ndog – été")]
  let x = graph.addValue(Value(name: "image", dtype: .float32, shape: Shape([Shape.batch, 4, 4, 1])))
  graph.inputs = [x]
  let q = graph.addValue(
    Value(name: "image_q", dtype: .uint8, shape: Shape([Shape.batch, 4, 4, 1]), quantization: Quantization(scale: 0.02, zeroPoint: 3)))
  graph.nodes.append(Node(name: "border", op: .quantize, inputs: [x], outputs: [q]))
  let weights = try graph.addConstant(
    "w", .int8, Shape([2, 3, 3, 1]), (0..<18).map { Int8($0 - 9) },
    quantization: Quantization(scales: [0.5, 0.25], zeroPoints: [0, 0], axis: 0))
  let bias = try graph.addConstant(
    "b", .int32, Shape([2]), [Int32(7), -7], quantization: Quantization(scales: [0.01, 0.005], zeroPoints: [0, 0], axis: 0))
  var window = Window()
  window.kernelHeight = 3
  window.kernelWidth = 3
  var convolution = Convolution(window: window)
  convolution.clamp = Clamp(min: 0, max: 6)
  let y = graph.addValue(
    Value(name: "y_q", dtype: .uint8, shape: Shape([Shape.batch, 2, 2, 2]), quantization: Quantization(scale: 0.1, zeroPoint: 0)))
  graph.nodes.append(Node(name: "conv", op: .convolution(convolution), inputs: [q, weights, bias], outputs: [y]))
  let out = graph.addValue(Value(name: "y", dtype: .float32, shape: Shape([Shape.batch, 2, 2, 2])))
  graph.nodes.append(Node(name: "back", op: .dequantize, inputs: [y], outputs: [out]))
  graph.outputs = [out]
  return graph
}

func encoded(_ graph: Graph) throws -> [UInt8] {
  let storage = try encodeModel(graph)
  return Array(UnsafeRawBufferPointer(start: storage.base, count: storage.count))
}

func decoded(_ bytes: [UInt8], limits: Limits = Limits()) throws(EdgeError) -> Graph {
  let copy = try TensorData(bytes)
  return try decodeModel(copy.bytes, owner: copy.storage, limits: limits)
}

@Test func saveLoadSaveGivesIdenticalBytes() throws {
  let first = try encoded(sampleGraph())
  let graph = try decoded(first)
  #expect(try encoded(graph) == first)
  #expect(graph.name == "sample")
  #expect(graph.metadata.map(\.key) == ["producer", "labels"])
  #expect(graph.metadata.map(\.value) == ["tests", "cat\ndog – été"])
  #expect(graph.nodes.map(\.op) == (try sampleGraph()).nodes.map(\.op))
  #expect(graph.values.map(\.quantization) == (try sampleGraph()).values.map(\.quantization))
}

@Test func constantsAreUsedInPlaceWhenTheImageIsAligned() throws {
  let bytes = try encoded(sampleGraph())
  let image = try TensorData(bytes)  // 64-byte aligned
  let graph = try decodeModel(image.bytes, owner: image.storage, limits: Limits())
  let weights = try #require(graph.values.first { $0.name == "w" }?.constant)
  #expect(weights.base >= image.base && weights.base < image.base + image.byteCount)
  #expect(UInt(bitPattern: weights.base) % 64 == 0)
  #expect(weights.array(of: Int8.self) == (0..<18).map { Int8($0 - 9) })
}

@Test func constantsAreCopiedWhenTheImageIsMisaligned() throws {
  let bytes = try encoded(sampleGraph())
  let image = try TensorData([UInt8](repeating: 0, count: 1) + bytes)
  let shifted = UnsafeRawBufferPointer(rebasing: image.bytes[1...])
  let graph = try decodeModel(shifted, owner: image.storage, limits: Limits())
  let weights = try #require(graph.values.first { $0.name == "w" }?.constant)
  #expect(weights.base < image.base || weights.base >= image.base + image.byteCount)
  #expect(weights.array(of: Int8.self) == (0..<18).map { Int8($0 - 9) })
}

/// Every operator case keeps its attributes. `validate` is not involved: only the coding is.
@Test func everyOperatorKeepsItsAttributes() throws {
  var window = Window()
  window.kernelHeight = 1
  window.kernelWidth = 2
  window.strideHeight = 3
  window.strideWidth = 4
  window.padTop = 5
  window.padLeft = 6
  window.padBottom = 7
  window.padRight = 8
  window.dilationHeight = 9
  window.dilationWidth = 10
  var convolution = Convolution(window: window, groups: 11)
  convolution.clamp = Clamp(min: -1, max: 2)
  var transposed = TransposedConvolution(window: window, groups: 12)
  transposed.outputPadHeight = 1
  transposed.outputPadWidth = 2
  transposed.clamp = Clamp(min: 0, max: .infinity)
  var pool = Pool(.average, window: window)
  pool.ceilMode = true
  pool.countIncludesPad = true
  var resize = Resize(mode: .cubic, coordinates: .alignCorners, height: 20, width: 30, scaleHeight: 2, scaleWidth: 3)
  resize.nearest = .ceil
  resize.excludeOutside = true
  resize.cubicCoefficient = -0.5
  var recurrent = Recurrent(.lstm)
  recurrent.isReverse = true
  recurrent.couplesGates = true
  recurrent.clip = 3
  recurrent.f = Recurrent.Activation(UnaryFunction(.hardSigmoid, alpha: 0.25, beta: 0.5))
  recurrent.g.inputScale = 2
  recurrent.h.inputOffset = -1
  recurrent.h.outputScale = 4
  var gru = Recurrent(.gru)
  gru.isBatchFirst = true
  gru.resetsAfterProduct = true
  gru.cellClip = 5
  var step = OptimizerStep(.rmsprop)
  (step.rate, step.decay) = (0.5, 0)
  let operators: [Operator] = [
    .convolution(convolution), .transposedConvolution(transposed), .dense(Clamp(min: 0, max: 6)), .matMul,
    .batchNormalization(epsilon: 1e-5), .unary(UnaryFunction(.hardSigmoid, alpha: 0.2, beta: 0.5)),
    .binary(.maximum, Clamp(min: -3, max: 3)), .pool(pool), .reduce(.l2, axes: [1, 2], keepDims: true),
    .softmax(axis: 3, log: true), .concat(axis: 2), .split(axis: 1, sizes: [3, 4]),
    .slice(starts: [0, -1], ends: [5, -9], steps: [1, -2]), .pad(.reflect, before: [0, 1], after: [2, 3], value: 0.5),
    .resize(resize), .transpose([0, 3, 1, 2]), .reshape(Shape([Shape.batch, 10])), .expand(Shape([2, 3])),
    .gather(axis: 1, indices: [2, 0, 1], scalarIndex: false),
    .localResponseNormalization(size: 5, alpha: 1e-4, beta: 0.75, bias: 2), .layerNormalization(epsilon: 1e-6), .quantize, .dequantize, .requantize, .cast(.int64),
    .cast(.bfloat16), .bitCast(.uint32), .unary(UnaryFunction(.isInfinite, alpha: 1, beta: 0)), .binary(.shiftRight, .none), .select,
    .reduce(.argMinLast, axes: [2], keepDims: false), .scan(.product, axis: 1, exclusive: true, reverse: false),
    .take(Indexing(.tuples, axis: 2)), .put(Indexing(.elements, axis: 1), .maximum), .topK(axis: 1, k: 5, largest: true), .when,
    .otherwise, .merge, .loop, .next(stacked: 2, length: 7), .recurrent(recurrent), .recurrent(gru), .recurrent(Recurrent(.rnn)),
    .nonZero(bound: 7), .crop(axis: 1, .first(bound: 9)), .crop(axis: 2, .whole(.highest)), .unique(axis: 1, sorted: true, bound: 4),
    .nonMaxSuppression(NonMaxSuppression(bound: 9, most: 3, overlap: 0.5, threshold: nil, isCentered: true)),
    .nonMaxSuppression(NonMaxSuppression(bound: 9, most: 3, overlap: 0.5, threshold: 0.25, isCentered: false)),
    .convolutionWeightGradient(convolution), .poolGradient(pool), .batchStatistics, .batchNormalizationGradient(epsilon: 1e-3),
    .optimizerStep(step), .random(seed: -1), .random(seed: .min), .random(seed: 0x1234_5678_9ABC_DEF0), .binary(.gate, Clamp(min: 0, max: 6)),
  ]
  for op in operators {
    var writer = FormatByteWriter()
    let code = writer.attributes(of: op)
    let bytes = try TensorData(writer.bytes)
    var reader = FormatByteReader(bytes.bytes, origin: 0)
    #expect(try reader.operation(code.rawValue) == op)
    #expect(reader.remaining == 0)
  }
}
