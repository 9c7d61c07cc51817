import Graph

@testable import Compression

/// Repeatable random numbers (SplitMix64).
struct Randomness: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func uniform(_ low: Float, _ high: Float) -> Float {
    low + (high - low) * Float(next() >> 40) / Float(1 << 24)
  }

  mutating func uniforms(_ count: Int, _ low: Float = -1, _ high: Float = 1) -> [Float] {
    (0..<count).map { _ in uniform(low, high) }
  }

  /// Near normal with deviation 1: the sum of twelve uniform numbers.
  mutating func normals(_ count: Int) -> [Float] {
    (0..<count).map { _ in (0..<12).reduce(Float(-6)) { sum, _ in sum + uniform(0, 1) } }
  }
}

/// Builds float graphs with random weights in few words.
struct NetBuilder {
  var graph = Graph(name: "test")
  var random: Randomness

  init(seed: UInt64) { random = Randomness(seed) }

  mutating func input(_ name: Text, _ dims: [Int]) -> ValueID {
    let id = graph.addValue(Value(name: name, dtype: .float32, shape: Shape(dims)))
    graph.inputs.append(id)
    return id
  }

  mutating func constant(_ name: Text, _ dims: [Int], _ elements: [Float]) throws -> ValueID {
    try graph.addConstant(name, .float32, Shape(dims), elements)
  }

  /// A node with one result, which is called like the node.
  mutating func add(_ op: Operator, _ name: Text, _ inputs: [ValueID]) throws -> ValueID {
    try graph.addNode(op, name: name, inputs: inputs, outputNames: [name])[0]
  }

  mutating func convolution(
    _ name: Text, _ x: ValueID, _ channels: Int, kernel: Int = 3, stride: Int = 1, groups: Int = 1, clamp: Clamp = .none,
    residual: ValueID? = nil
  ) throws -> ValueID {
    let depth = graph.values[x].shape.dims[3] / groups
    var window = Window()
    (window.kernelHeight, window.kernelWidth) = (kernel, kernel)
    (window.strideHeight, window.strideWidth) = (stride, stride)
    let pad = kernel / 2
    (window.padTop, window.padLeft, window.padBottom, window.padRight) = (pad, pad, pad, pad)
    var convolution = Convolution(window: window, groups: groups)
    convolution.clamp = clamp
    let spread = 1.7 / Float(kernel * kernel * depth).squareRoot()
    let weights = try constant(
      name + ".w", [channels, kernel, kernel, depth], random.uniforms(channels * kernel * kernel * depth, -spread, spread))
    let bias = try constant(name + ".b", [channels], random.uniforms(channels, -0.2, 0.2))
    return try add(.convolution(convolution), name, [x, weights, bias] + (residual.map { [$0] } ?? []))
  }

  mutating func dense(_ name: Text, _ x: ValueID, _ channels: Int, clamp: Clamp = .none) throws -> ValueID {
    let depth = graph.values[x].shape.dims.last!
    let spread = 1.7 / Float(depth).squareRoot()
    let weights = try constant(name + ".w", [channels, depth], random.uniforms(channels * depth, -spread, spread))
    let bias = try constant(name + ".b", [channels], random.uniforms(channels, -0.2, 0.2))
    return try add(.dense(clamp), name, [x, weights, bias])
  }

  mutating func finish(_ outputs: ValueID...) throws -> Graph {
    graph.outputs = outputs
    try graph.validate()
    return graph
  }
}

let relu = Clamp(min: 0, max: .infinity)
let relu6 = Clamp(min: 0, max: 6)

/// Samples for every input of a graph.
struct Samples {
  var inputs: [[Float]]
  var count: Int

  init(_ graph: Graph, count: Int, seed: UInt64, low: Float = -1, high: Float = 1) {
    var random = Randomness(seed)
    self.count = count
    inputs = graph.inputs.map { random.uniforms(graph.values[$0].shape.elementCount()! * count, low, high) }
  }

  /// Calls with a pointer for each input.
  func withPointers<R>(_ body: ([UnsafeRawPointer]) throws -> R) rethrows -> R {
    let buffers = inputs.map { input in
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: max(input.count, 1))
      _ = buffer.initialize(from: input)
      return buffer
    }
    defer { for buffer in buffers { buffer.deallocate() } }
    return try body(buffers.map { UnsafeRawPointer($0.baseAddress!) })
  }
}

func calibrate(_ graph: Graph, _ samples: Samples, _ kind: CalibratorKind = .minMax) throws -> CalibrationResult {
  var options = CalibrationOptions()
  options.calibrator = kind
  let calibration = try Calibration.make(graph, options)
  try samples.withPointers { try calibration.feed(inputs: $0, samples: samples.count) }
  return try calibration.finish()
}

func compare(_ a: Graph, _ b: Graph, _ samples: Samples, reasons: [Text] = []) throws -> CompressionReport {
  let comparison = try Comparison.make(a, b, reasons: reasons)
  try samples.withPointers { try comparison.feed(inputs: $0, samples: samples.count) }
  return comparison.report()
}

/// Ranges as if calibration had seen [-1, 1] everywhere, for tests of the graph alone.
func unitRanges(_ graph: Graph) -> CalibrationResult {
  CalibrationResult(
    ranges: graph.values.map { $0.constant == nil && $0.dtype == .float32 ? ValueRange(min: -1, max: 1) : nil },
    ignored: [Int](repeating: 0, count: graph.values.count), samples: 1)
}

/// What a graph consists of, for comparing two.
func bytes(of graph: Graph) -> [UInt8] {
  var bytes: [UInt8] = []
  func add(_ number: Int) { for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: number >> shift)) } }
  for value in graph.values {
    bytes += Array(value.name.utf8)
    bytes.append(value.dtype.rawValue)
    for dim in value.shape.dims { add(dim) }
    for scale in value.quantization?.scales ?? [] { add(Int(scale.bitPattern)) }
    for zero in value.quantization?.zeroPoints ?? [] { add(Int(zero)) }
    bytes += value.constant?.array(of: UInt8.self) ?? []
  }
  for node in graph.nodes {
    bytes += Array(node.name.utf8)
    for id in node.inputs + node.outputs { add(id) }
  }
  return bytes
}

extension Graph {
  func value(_ name: Text) -> Value? { values.first { $0.name == name } }
  func node(_ name: Text) -> Node? { nodes.first { $0.name == name } }
  func count(_ matches: (Operator) -> Bool) -> Int { nodes.filter { matches($0.op) }.count }
  var conversionCount: Int { count { $0.isConversion } }
}
