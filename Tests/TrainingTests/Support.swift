import CPlatform
import Graph
import Runtime

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

/// A session of a graph of float32 inputs and outputs, with the memory it lives in.
final class Runner {
  let plan: Plan
  let session: Session
  private let memory: Storage

  init(_ graph: Graph, isa: InstructionSet? = nil) throws {
    var options = SessionOptions()
    options.isa = isa
    plan = try Plan(graph, options)
    memory = try Storage.allocate(plan.memoryRequired)
    session = try Session(plan, memory: memory.base, size: plan.memoryRequired)
  }

  deinit { session.destroy() }

  func run(_ inputs: [[Float]]) -> [[Float]] {
    for (index, input) in inputs.enumerated() {
      precondition(input.count * 4 == session.inputByteCount(index))
      input.withUnsafeBytes { session.inputPointer(index)!.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    }
    precondition(session.run())
    return (0..<session.outputCount).map { index in
      let count = session.outputByteCount(index) / 4
      return (0..<count).map { session.outputPointer(index)!.load(fromByteOffset: $0 * 4, as: Float.self) }
    }
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

  mutating func add(_ op: Operator, _ name: Text, _ inputs: [ValueID]) throws -> ValueID {
    try addNode(op, name: name, inputs: inputs, outputNames: [name])[0]
  }
}
