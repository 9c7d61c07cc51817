import Graph
import Testing

/// x -> Relu -> Dense(w, b) -> y, valid.
private func sound() throws -> Graph {
  var graph = Graph(name: "sound")
  let x = graph.addValue(Value(name: "x", dtype: .float32, shape: Shape([Shape.batch, 3])))
  graph.inputs = [x]
  let w = try graph.addConstant("w", .float32, Shape([2, 3]), [Float](repeating: 1, count: 6))
  let b = try graph.addConstant("b", .float32, Shape([2]), [Float](repeating: 1, count: 2))
  let r = try graph.addNode(.unary(UnaryFunction(.clamp, alpha: 0, beta: 6)), name: "relu", inputs: [x], outputNames: ["r"])[0]
  graph.outputs = try graph.addNode(.dense(.none), name: "dense", inputs: [r, w, b], outputNames: ["y"])
  return graph
}

private let hostile: [(String, @Sendable (inout Graph) -> Void)] = [
  ("input out of range", { $0.inputs = [99] }),
  ("negative input", { $0.inputs = [-1] }),
  ("input listed twice", { $0.inputs = [0, 0] }),
  ("input is a constant", { $0.inputs = [0, 1] }),
  ("input is a result", { $0.inputs = [0, 3] }),
  ("input without name", { $0.values[0].name = "" }),
  ("missing input", { $0.inputs = [] }),
  ("output out of range", { $0.outputs = [99] }),
  ("negative output", { $0.outputs = [Int.min] }),
  ("output nobody makes", { $0.outputs = [$0.addValue(Value(name: "z", dtype: .float32, shape: Shape([1])))] }),
  ("outputs of one name", { $0.outputs = [4, 4] }),
  ("output without name", { $0.values[4].name = "" }),
  ("node input out of range", { $0.nodes[0].inputs = [Int.max] }),
  ("node input below noValue", { $0.nodes[0].inputs = [-2] }),
  ("required input missing", { $0.nodes[0].inputs = [Node.noValue] }),
  ("no inputs", { $0.nodes[0].inputs = [] }),
  ("too many inputs", { $0.nodes[0].inputs = [0, 0] }),
  ("no results", { $0.nodes[0].outputs = [] }),
  ("too many results", { $0.nodes[1].outputs = [4, $0.addValue($0.values[4])] }),
  ("result out of range", { $0.nodes[0].outputs = [17] }),
  ("result is missing", { $0.nodes[0].outputs = [Node.noValue] }),
  ("result is an input", { $0.nodes[0].outputs = [0] }),
  ("result is a constant", { $0.nodes[0].outputs = [1] }),
  ("two makers", { $0.nodes[1].outputs = [3] }),
  ("wrong order", { $0.nodes.swapAt(0, 1) }),
  ("reads its own result", { $0.nodes[0].inputs = [3] }),
  ("cycle", { $0.nodes[0].inputs = [4] }),
  ("shape disagrees", { $0.values[3].shape = Shape([Shape.batch, 4]) }),
  ("rank disagrees", { $0.values[4].shape = Shape([]) }),
  ("dtype disagrees", { $0.values[3].dtype = .int8 }),
  ("quantization out of place", { $0.values[3].quantization = Quantization(scale: 1, zeroPoint: 0) }),
  ("negative dimension", { $0.values[0].shape = Shape([-5, 3]) }),
  ("rank above the limit", { $0.values[0].shape = Shape([Int](repeating: 1, count: 9)) }),
  ("size overflows", { $0.values[0].shape = Shape([Int.max, Int.max]) }),
  ("size overflows beside a zero", { $0.values[0].shape = Shape([0, Int.max, Int.max]) }),
  ("bytes overflow", { $0.values[0].shape = Shape([Int.max / 2, 1]) }),
  ("constant too short", { $0.values[1].shape = Shape([2, 4]) }),
  ("constant too long", { $0.values[2].shape = Shape([1]) }),
  ("constant with batch", { $0.values[1].shape = Shape([Shape.batch, 3]) }),
  ("constant of other dtype", { $0.values[1].dtype = .float64 }),
  ("scales without axis", { $0.values[2].quantization = Quantization(scales: [1, 1], zeroPoints: [0, 0]) }),
  ("op swapped", { $0.nodes[0].op = .convolution(Convolution(window: Window())) }),
  ("attribute out of range", { $0.nodes[0].op = .softmax(axis: Int.min, log: false) }),
]

private let hostileQuantization: [(String, Quantization, DType, Shape)] = [
  ("float", Quantization(scale: 1, zeroPoint: 0), .float32, Shape([2])),
  ("zero scale", Quantization(scale: 0, zeroPoint: 0), .uint8, Shape([2])),
  ("negative scale", Quantization(scale: -1, zeroPoint: 0), .uint8, Shape([2])),
  ("NaN scale", Quantization(scale: .nan, zeroPoint: 0), .uint8, Shape([2])),
  ("infinite scale", Quantization(scale: .infinity, zeroPoint: 0), .uint8, Shape([2])),
  ("zero point above", Quantization(scale: 1, zeroPoint: 256), .uint8, Shape([2])),
  ("zero point below", Quantization(scale: 1, zeroPoint: -129), .int8, Shape([2])),
  ("bias zero point", Quantization(scale: 1, zeroPoint: 1), .int32, Shape([2])),
  ("no scales", Quantization(scales: [], zeroPoints: []), .uint8, Shape([2])),
  ("too few zero points", Quantization(scales: [1, 1], zeroPoints: [0], axis: 0), .int8, Shape([2])),
  ("axis out of range", Quantization(scales: [1, 1], zeroPoints: [0, 0], axis: 1), .int8, Shape([2])),
  ("negative axis", Quantization(scales: [1, 1], zeroPoints: [0, 0], axis: -1), .int8, Shape([2])),
  ("wrong count", Quantization(scales: [1, 1], zeroPoints: [0, 0], axis: 0), .int8, Shape([3])),
]

@Suite struct ValidationTests {
  @Test func aSoundGraphIsAccepted() throws { try sound().validate() }

  @Test func anEmptyGraphIsAccepted() throws { try Graph().validate() }

  @Test func hostileGraphsAreRefused() throws {
    for (what, change) in hostile {
      var graph = try sound()
      change(&graph)
      #expect(throws: EdgeError.self, "\(what)") { try graph.validate() }
      // Nothing may trap on such a graph, whatever it answers.
      _ = graph.text
      _ = graph.compacted()
      _ = GraphIndex(graph)
      _ = try? graph.sorted()
      _ = try? graph.inferred()
      #expect(throws: EdgeError.self, "\(what)") { _ = try graph.optimized() }
    }
  }

  @Test func hostileQuantizationIsRefused() throws {
    for (what, quantization, dtype, shape) in hostileQuantization {
      var graph = Graph()
      graph.inputs = [graph.addValue(Value(name: "x", dtype: dtype, shape: shape, quantization: quantization))]
      let error = #expect(throws: EdgeError.self, "\(what)") { try graph.validate() }
      #expect(error?.tensor == "x")
    }
  }

  @Test func errorsNameThePlace() throws {
    var graph = try sound()
    graph.values[3].shape = Shape([Shape.batch, 4])
    let error = #expect(throws: EdgeError.self) { try graph.validate() }
    #expect(error?.status == .shapeMismatch)
    #expect(error?.node == "relu" && error?.nodeIndex == 0 && error?.tensor == "r")
  }

  /// Random damage to random networks: an answer of either kind, never a trap.
  @Test func damagedGraphsNeverTrap() throws {
    var random = Random(seed: 7)
    let odd = [Int.min, -2, -1, 0, 1, 7, 1 << 33, Int.max]
    for seed in UInt64(1)...40 {
      let base = try randomGraph(seed: seed)
      for _ in 0..<20 {
        var graph = base
        let node = Int.random(in: 0..<graph.nodes.count, using: &random)
        let value = Int.random(in: 0..<graph.values.count, using: &random)
        let number = odd.randomElement(using: &random)!
        switch Int.random(in: 0..<6, using: &random) {
        case 0: graph.nodes[node].inputs[0] = random.chance(50) ? number : value
        case 1: graph.nodes[node].outputs[0] = random.chance(50) ? number : value
        case 2: graph.values[value].shape.dims.append(number)
        case 3: if graph.values[value].shape.rank > 0 { graph.values[value].shape[0] = number }
        case 4: graph.nodes[node].op = graph.nodes.randomElement(using: &random)!.op
        default: graph.nodes.swapAt(node, Int.random(in: 0..<graph.nodes.count, using: &random))
        }
        let accepted = (try? graph.validate()) != nil
        let optimized = try? graph.optimized()
        #expect(accepted == (optimized != nil))
        try optimized?.validate()
        _ = graph.text
      }
    }
  }
}

@Test func elementCountsAndStrides() {
  #expect(Shape([]).elementCount() == 1 && Shape([Shape.batch, 3]).elementCount(batch: 5) == 15)
  #expect(Shape([0, 1 << 40]).elementCount() == 0 && Shape([4, 0]).elementCount() == 0)
  #expect(Shape([Shape.batch, 3]).elementCount(batch: 0) == 0)
  for dims in [[0, 1 << 40, 1 << 40], [1 << 40, 0, 1 << 40], [1 << 40, 1 << 40, 0]] { #expect(Shape(dims).elementCount() == nil) }
  #expect(Shape([2, 3, 4]).strides == [12, 4, 1])
  _ = Shape([0, 1 << 40, 1 << 40]).strides
}
