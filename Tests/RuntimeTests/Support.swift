import CPlatform
import Graph
import Testing

@testable import Runtime

/// A repeatable source of numbers.
struct Random {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed &* 2 &+ 1 }

  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 33
  }
  mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
  mutating func float(_ low: Float = -1, _ high: Float = 1) -> Float { low + (high - low) * Float(next() % 65536) / 65535 }
  mutating func floats(_ count: Int, _ low: Float = -1, _ high: Float = 1) -> [Float] { (0..<count).map { _ in float(low, high) } }
}

/// A session with the memory it lives in.
final class Runner {
  let plan: Plan
  let session: Session
  let memory: UnsafeMutableRawPointer

  init(_ graph: Graph, _ configure: (inout SessionOptions) -> Void = { _ in }) throws {
    var options = SessionOptions()
    configure(&options)
    plan = try Plan(graph, options)
    memory = ep_allocate(plan.memoryRequired, 64)!
    memory.initializeMemory(as: UInt8.self, repeating: 0xA5, count: plan.memoryRequired)
    do {
      session = try Session(plan, memory: memory, size: plan.memoryRequired)
    } catch {
      ep_deallocate(memory)
      throw error
    }
  }

  deinit {
    session.destroy()
    ep_deallocate(memory)
  }

  func setInput<T>(_ index: Int, _ elements: [T]) {
    precondition(elements.count * MemoryLayout<T>.stride == session.inputByteCount(index))
    elements.withUnsafeBytes { session.inputPointer(index)!.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
  }

  func output<T>(_ index: Int, _ type: T.Type) -> [T] {
    let count = session.outputByteCount(index) / MemoryLayout<T>.stride
    return (0..<count).map { session.outputPointer(index)!.load(fromByteOffset: $0 * MemoryLayout<T>.stride, as: T.self) }
  }

  /// Sets all inputs, runs, gives all outputs as bytes.
  func bytes(_ inputs: [[Float]]) throws -> [[UInt8]] {
    for (index, input) in inputs.enumerated() { setInput(index, input) }
    #expect(session.run())
    return (0..<session.outputCount).map { output($0, UInt8.self) }
  }
}

func window(_ kernel: Int, stride: Int = 1, pad: Int = 0, dilation: Int = 1) -> Window {
  var window = Window()
  (window.kernelHeight, window.kernelWidth) = (kernel, kernel)
  (window.strideHeight, window.strideWidth) = (stride, stride)
  (window.padTop, window.padLeft, window.padBottom, window.padRight) = (pad, pad, pad, pad)
  (window.dilationHeight, window.dilationWidth) = (dilation, dilation)
  return window
}

extension Graph {
  mutating func input(_ name: Text, _ dims: [Int]) -> ValueID {
    let value = addValue(Value(name: name, dtype: .float32, shape: Shape(dims)))
    inputs.append(value)
    return value
  }

  mutating func constant(_ name: Text, _ dims: [Int], _ elements: [Float]) throws -> ValueID {
    try addConstant(name, .float32, Shape(dims), elements)
  }

  /// A small classifier: convolution, pool, depthwise convolution, residual, average, reshape, dense.
  static func classifier(seed: UInt64 = 1, size: Int = 12, channels: Int = 8) throws -> Graph {
    var random = Random(seed)
    var graph = Graph(name: "classifier")
    let x = graph.input("x", [Shape.batch, size, size, 3])
    let w = try graph.constant("w", [channels, 3, 3, 3], random.floats(channels * 27))
    let b = try graph.constant("b", [channels], random.floats(channels))
    var first = Convolution(window: window(3, pad: 1))
    first.clamp = Clamp(min: 0, max: 6)
    let c = try graph.addNode(.convolution(first), name: "conv", inputs: [x, w, b], outputNames: ["c"])[0]
    let p = try graph.addNode(.pool(Pool(.max, window: window(2, stride: 2))), name: "pool", inputs: [c], outputNames: ["p"])[0]
    let dw = try graph.constant("dw", [channels, 3, 3, 1], random.floats(channels * 9))
    let d = try graph.addNode(
      .convolution(Convolution(window: window(3, pad: 1), groups: channels)), name: "depthwise", inputs: [p, dw], outputNames: ["d"])[0]
    let pw = try graph.constant("pw", [channels, 1, 1, channels], random.floats(channels * channels))
    let r = try graph.addNode(
      .convolution(Convolution(window: window(1))), name: "pointwise", inputs: [d, pw, Node.noValue, p], outputNames: ["r"])[0]
    let a = try graph.addNode(.unary(UnaryFunction(.hardSwish)), name: "act", inputs: [r], outputNames: ["a"])[0]
    let g = try graph.addNode(.pool(Pool(.average, window: window(size / 2))), name: "mean", inputs: [a], outputNames: ["g"])[0]
    let m = try graph.addNode(.reshape(Shape([Shape.batch, channels])), name: "flat", inputs: [g], outputNames: ["m"])[0]
    let f = try graph.constant("f", [10, channels], random.floats(10 * channels))
    let fb = try graph.constant("fb", [10], random.floats(10))
    let y = try graph.addNode(.dense(.none), name: "dense", inputs: [m, f, fb], outputNames: ["y"])[0]
    graph.outputs = [y]
    return graph
  }
}

/// The graph's values by the naive interpreter, in double.
func interpret(_ graph: Graph, batch: Int, _ inputs: [[Float]]) -> [ValueID: Tensor] {
  var values: [ValueID: Tensor] = [:]
  for (index, value) in graph.inputs.enumerated() {
    values[value] = Tensor(graph.values[value].shape.withBatch(batch).dims, inputs[index].map(Double.init))
  }
  for (id, value) in graph.values.enumerated() {
    guard let constant = value.constant else { continue }
    values[id] = Tensor(value.shape.dims, real(constant, value))
  }
  for node in graph.nodes {
    let operands = node.inputs.map { $0 == Node.noValue ? nil : values[$0]! }
    let dims = node.outputs.map { graph.values[$0].shape.withBatch(batch).dims }
    for (output, tensor) in zip(node.outputs, naive(node.op, operands, outputDims: dims)) {
      values[output] = snapped(tensor, graph.values[output].quantization)
    }
  }
  return values
}

/// The nearest numbers that a quantized type has.
private func snapped(_ tensor: Tensor, _ quantization: Quantization?) -> Tensor {
  guard let q = quantization else { return tensor }
  let (scale, zero) = (Double(q.scales[0]), Double(q.zeroPoints[0]))
  return Tensor(tensor.dims, tensor.data.map { (min(max(($0 / scale).rounded(.toNearestOrEven) + zero, 0), 255) - zero) * scale })
}

/// What a constant's elements stand for.
private func real(_ data: TensorData, _ value: Value) -> [Double] {
  let inner = value.shape.dims.isEmpty ? 1 : max(1, value.shape.dims.dropFirst((value.quantization?.axis ?? 0) + 1).reduce(1, *))
  func scaled(_ integers: [Int]) -> [Double] {
    guard let q = value.quantization else { return integers.map(Double.init) }
    return integers.enumerated().map { index, element in
      let channel = q.scales.count == 1 ? 0 : index / inner % q.scales.count
      return Double(element - Int(q.zeroPoints[channel])) * Double(q.scales[channel])
    }
  }
  switch value.dtype {
  case .float32: return data.array(of: Float.self).map(Double.init)
  case .int8: return scaled(data.array(of: Int8.self).map(Int.init))
  case .uint8: return scaled(data.array(of: UInt8.self).map(Int.init))
  case .int32: return scaled(data.array(of: Int32.self).map(Int.init))
  default: fatalError("not in these tests")
  }
}
