import Graph
import Testing

@testable import Compression

/// A small network with what convolutional ones are made of: residual sums, branches, depthwise layers, squeeze
/// and excitation.
private func network(seed: UInt64) throws -> Graph {
  var net = NetBuilder(seed: seed)
  let x = net.input("image", [Shape.batch, 16, 16, 3])
  var y = try net.convolution("stem", x, 16, stride: 2, clamp: relu6)
  let branch = try net.convolution("depthwise", y, 16, groups: 16, clamp: relu6)
  let gate = try net.add(.reduce(.mean, axes: [1, 2], keepDims: true), "squeeze", [branch])
  let excite = try net.add(.unary(UnaryFunction(.sigmoid)), "sigmoid", [try net.convolution("excite", gate, 16, kernel: 1)])
  let gated = try net.add(.binary(.multiply, .none), "gate", [branch, excite])
  y = try net.convolution("project", gated, 16, kernel: 1, clamp: relu, residual: y)
  let left = try net.convolution("left", y, 8, kernel: 1, clamp: relu)
  let right = try net.convolution("right", y, 24, clamp: relu)
  y = try net.add(.concat(axis: 3), "joined", [left, right])
  var window = Window()
  (window.kernelHeight, window.kernelWidth, window.strideHeight, window.strideWidth) = (2, 2, 2, 2)
  y = try net.add(.pool(Pool(.max, window: window)), "pool", [y])
  y = try net.add(.unary(UnaryFunction(.hardSwish)), "swish", [try net.convolution("conv", y, 32)])
  y = try net.add(.reduce(.mean, axes: [1, 2], keepDims: false), "mean", [y])
  return try net.finish(try net.dense("logits", y, 10))
}

@Test(arguments: [UInt64(1), 2, 3, 4]) func networksKeepTheirSignal(_ seed: UInt64) throws {
  let graph = try network(seed: seed)
  let samples = Samples(graph, count: 16, seed: seed + 100)
  let calibration = try calibrate(graph, samples)
  let result = try graph.quantized(calibration)
  #expect(result.reasons.allSatisfy { $0.isEmpty })
  #expect(result.graph.count { $0 == .quantize } == 1 && result.graph.count { $0 == .dequantize } == 1)
  // On data that calibration did not see.
  let report = try compare(graph, result.graph, Samples(graph, count: 16, seed: seed + 200), reasons: result.reasons)
  #expect(report.samples == 16)
  #expect(report.outputs[0].error.sqnr > 25)
  #expect(report.outputs[0].error.cosine > 0.998)
  for layer in report.layers {
    let error = try #require(layer.error)
    #expect(error.count > 0 && error.sqnr > 20 && layer.dtype == .uint8)
  }
  #expect(report.integerLayerCount == graph.nodes.count && report.floatLayerCount == 0)
  // Four bytes of a weight become one; biases and nothing else stay.
  let biases = graph.values.filter { $0.name.description.hasSuffix(".b") }.reduce(0) { $0 + $1.byteCount()! }
  #expect(report.constantBytesAfter == (report.constantBytesBefore - biases) / 4 + biases)
  let order = report.worstFirst().map { report.layers[$0].error!.sqnr }
  #expect(order == order.sorted() && order.count == report.layers.count)
}

@Test(arguments: CalibratorKind.all) func quantizationIsRepeatable(_ kind: CalibratorKind) throws {
  let graph = try network(seed: 5)
  let samples = Samples(graph, count: 6, seed: 6)
  let first = try graph.quantized(try calibrate(graph, samples, kind))
  let second = try graph.quantized(try calibrate(graph, samples, kind))
  #expect(bytes(of: first.graph) == bytes(of: second.graph))
  #expect(try compare(graph, first.graph, samples).json == (try compare(graph, second.graph, samples).json))
  // Samples fed one by one, and by two threads.
  var options = CalibrationOptions()
  options.calibrator = kind
  options.threads = 2
  let calibration = try Calibration.make(graph, options)
  let size = samples.inputs[0].count / samples.count * 4
  try samples.withPointers { pointers in
    for sample in 0..<samples.count { try calibration.feed(inputs: pointers.map { $0 + sample * size }, samples: 1) }
  }
  #expect(calibration.sampleCount == 6)
  #expect(bytes(of: try graph.quantized(try calibration.finish()).graph) == bytes(of: first.graph))
}

@Test func comparingAGraphWithItselfFindsNothing() throws {
  let graph = try network(seed: 8)
  let report = try compare(graph, graph, Samples(graph, count: 3, seed: 1))
  for layer in report.layers { #expect(layer.error?.sqnr == .infinity && layer.error?.maximumError == 0) }
  #expect(report.outputs[0].sameTop1 == 3)
  #expect(report.conversions == 0 && report.constantBytesBefore == report.constantBytesAfter)
}

@Test func calibrationRefusesBadCalls() throws {
  let graph = try network(seed: 9)
  let calibration = try Calibration.make(graph)
  #expect(throws: EdgeError.self) { try calibration.finish() }
  var samples = Samples(graph, count: 2, seed: 2)
  samples.inputs[0][800] = .nan
  let error = #expect(throws: EdgeError.self) { try samples.withPointers { try calibration.feed(inputs: $0, samples: 2) } }
  #expect(error?.status == .invalidArgument && error?.tensor == "image")
  #expect(error?.message == "element 32 of sample 1 is not finite")
  #expect(calibration.sampleCount == 1)
  #expect(throws: EdgeError.self) { try calibration.feed(inputs: [], samples: 1) }
  _ = try calibration.finish()
  #expect(throws: EdgeError.self) { try calibration.finish() }
  #expect(throws: EdgeError.self) { try samples.withPointers { try calibration.feed(inputs: $0, samples: 1) } }
  var options = CalibrationOptions()
  options.progress = { _, done, _ in done < 1 }
  let stopped = try Calibration.make(graph, options)
  let good = Samples(graph, count: 3, seed: 2)
  let cancelled = #expect(throws: EdgeError.self) { try good.withPointers { try stopped.feed(inputs: $0, samples: 3) } }
  #expect(cancelled?.status == .cancelled && stopped.sampleCount == 1)
  #expect(throws: EdgeError.self) { try Calibration.make(try graph.quantized(unitRanges(graph)).graph) }
}

@Test func comparisonRefusesModelsThatDoNotMatch() throws {
  let graph = try network(seed: 9)
  var net = NetBuilder(seed: 1)
  let x = net.input("image", [Shape.batch, 16, 16, 4])
  let other = try net.finish(try net.convolution("y", x, 2))
  let error = #expect(throws: EdgeError.self) { try Comparison.make(graph, other) }
  #expect(error?.status == .shapeMismatch)
}

@Test func activationsThatOverflowAreCountedAndReported() throws {
  var net = NetBuilder(seed: 3)
  let x = net.input("x", [Shape.batch, 4])
  let y = try net.add(.unary(UnaryFunction(.log)), "log", [x])
  let graph = try net.finish(try net.add(.unary(UnaryFunction(.abs)), "abs", [y]))
  var samples = Samples(graph, count: 1, seed: 1, low: 1, high: 2)
  samples.inputs[0][0] = 0
  let result = try graph.quantized(try calibrate(graph, samples))
  #expect(result.warnings.count == 2)
  #expect(result.warnings.first == "1 values of log were not finite and did not count in calibration")
}

@Test func jsonIsEscapedAndComplete() throws {
  var net = NetBuilder(seed: 3)
  let x = net.input("x", [Shape.batch, 4])
  let graph = try net.finish(try net.dense("a \"b\"\\\n\u{1}é", x, 2))
  let report = CompressionReport(graph, graph)
  #expect(
    report.json == """
      {"samples":0,"layer_count":1,"integer_layer_count":0,"float_layer_count":0,"conversions":0,"constant_bytes_before":40,\
      "constant_bytes_after":40,"file_bytes_before":null,"file_bytes_after":null,"outputs":[],"layers":[{"name":"a \\"b\\"\\\\\\u000a\\u0001é",\
      "op":"Dense","tensor":"a \\"b\\"\\\\\\u000a\\u0001é","dtype":"float32","shape":[-1,2],"bytes_before":40,"bytes_after":40,"weights":8,"kept":8,"reason":"",\
      "compared":0,"not_finite":0,"sqnr_db":null,"cosine":null,"max_error":null,"mean_error":null,"mean":null}],"worst_first":[],"stages":[],"warnings":[]}
      """)
}

@Test func metersMeasureKnownErrors() {
  var meter = ErrorMeter()
  for (x, y) in [(3.0, 3.0), (4, 4.5), (.nan, .nan), (-.infinity, -.infinity)] { meter.add(x, y) }
  // 10 log10(25 / 0.25) = 20 dB.
  #expect(abs(meter.sqnr - 20) < 1e-12)
  #expect(abs(meter.cosine - 27 / (5 * (9 + 20.25).squareRoot())) < 1e-12)
  #expect(meter.maximumError == 0.5 && meter.meanError == 0.25 && meter.referenceMean == 3.5 && meter.count == 2 && meter.ignored == 2)
  for (x, y) in [(.nan, 1.0), (1, -.infinity), (.infinity, -.infinity), (.nan, .infinity)] {
    var worse = meter
    worse.add(x, y)
    #expect(worse.sqnr == -.infinity && worse.cosine == 0 && worse.maximumError == .infinity && worse.count == 3 && worse.ignored == 3)
    #expect(worse.referenceMean == (7 + x) / 3 || x.isNaN)
    worse = ErrorMeter()
    worse.add(x, y)
    #expect(worse.sqnr == -.infinity && worse.cosine == 0 && worse.count == 1)
  }
}
