import CPlatform
import Graph
import Testing

@testable import Runtime

/// Layers of signs on bits. A session that observes the values between layers has them in float, and computes the same.
@Suite struct BinaryLayerTests {
  private let sets = InstructionSet.all.filter(\.isAvailable)

  /// Rows of -a, +a and, where ternary, 0.
  private func signs(_ random: inout Random, _ dims: [Int], ternary: Bool = false) -> [Float] {
    var weights: [Float] = []
    let row = dims.dropFirst().reduce(1, *)
    for _ in 0..<dims[0] {
      let scale = random.float(0.01, 2)
      for _ in 0..<row { weights.append(ternary && random.below(3) == 0 ? 0 : random.below(2) == 0 ? scale : -scale) }
    }
    return weights
  }

  private func binarize(_ graph: inout Graph, _ x: ValueID, _ name: Text) throws -> ValueID {
    try graph.addNode(.unary(UnaryFunction(.binarize)), name: name, inputs: [x], outputNames: [name])[0]
  }

  private func convolution(
    _ graph: inout Graph, _ x: ValueID, _ name: Text, _ outputs: Int, _ random: inout Random, ternary: Bool = false, kernel: Int = 3,
    clamp: Clamp = .none, bias: Bool = true
  ) throws -> ValueID {
    let dims = [outputs, kernel, kernel, graph.values[x].shape[3]]
    var inputs = [x, try graph.constant("\(name).w", dims, signs(&random, dims, ternary: ternary))]
    if bias { inputs.append(try graph.constant("\(name).b", [outputs], random.floats(outputs, -3, 3))) }
    var convolution = Convolution(window: window(kernel, pad: kernel / 2))
    convolution.clamp = clamp
    return try graph.addNode(.convolution(convolution), name: name, inputs: inputs, outputNames: [name])[0]
  }

  /// Two binary layers, one ternary, one behind a pool, and a dense one.
  private func network() throws -> Graph {
    var random = Random(5)
    var graph = Graph()
    let x = graph.input("x", [Shape.batch, 9, 8, 40])
    let first = try convolution(&graph, try binarize(&graph, x, "s0"), "c0", 70, &random)
    let second = try convolution(&graph, try binarize(&graph, first, "s1"), "c1", 33, &random, ternary: true, clamp: Clamp(min: -2, max: 5))
    let s2 = try binarize(&graph, second, "s2")
    let pooled = try graph.addNode(.pool(Pool(.max, window: window(3, stride: 2, pad: 1))), name: "p", inputs: [s2], outputNames: ["p"])[0]
    let third = try convolution(&graph, pooled, "c2", 16, &random, kernel: 1, bias: false)
    let s3 = try binarize(&graph, third, "s3")
    let size = 5 * 4 * 16
    let flat = try graph.addNode(.reshape(Shape([Shape.batch, size])), name: "r", inputs: [s3], outputNames: ["r"])[0]
    let w = try graph.constant("d.w", [10, size], signs(&random, [10, size]))
    graph.outputs = [try graph.addNode(.dense(.none), name: "d", inputs: [flat, w], outputNames: ["d"])[0]]
    return graph
  }

  private func steps(_ plan: Plan, _ name: String) -> Int { plan.steps.filter { $0.kernel.hasPrefix(name) }.count }

  @Test func equalOnAllSetsAndThreads() throws {
    let graph = try network()
    var random = Random(8)
    let input = random.floats(2 * 9 * 8 * 40)
    var expected: [[UInt8]]?
    for set in sets where set != .sse2 {
      for threads in [1, 3] {
        let runner = try Runner(graph) { options in
          (options.isa, options.threads, options.batch) = (set, threads, 2)
        }
        #expect(steps(runner.plan, "conv_binary") == 4, "\(set.name)")
        // The second layer reads what the first one writes; the pool and the reshape move floats.
        #expect(steps(runner.plan, "binarize") == 3, "\(set.name)")
        let bytes = try runner.bytes([input])
        if let expected { #expect(bytes == expected, "\(set.name) \(threads)") } else { expected = bytes }
      }
    }
  }

  /// Signs of sums of products of floats are those that bits give, and the results differ by rounding.
  @Test func equalsFloat() throws {
    let graph = try network()
    var random = Random(9)
    let input = random.floats(9 * 8 * 40)
    let observed = graph.values.indices.filter { graph.values[$0].constant == nil && !graph.inputs.contains($0) }
    let bits = try Runner(graph)
    let seen = try Runner(graph) { $0.observed = observed }
    #expect(steps(bits.plan, "unary") < steps(seen.plan, "unary"))
    #expect(try bits.bytes([input]) == (try seen.bytes([input])))
    // A choice written out hides that its results are signs: float kernels.
    var plain = graph
    for (index, node) in plain.nodes.enumerated() {
      if case .unary(let function) = node.op, function.kind == .binarize {
        plain.nodes[index].op = .select
        let cond = try plain.addNode(.binary(.lessOrEqual, .none), name: "c\(index)", inputs: [try plain.constant("z\(index)", [], [0]), node.inputs[0]], outputNames: ["c\(index)"])[0]
        plain.nodes[index].inputs = [cond, try plain.constant("o\(index)", [], [1]), try plain.constant("m\(index)", [], [-1])]
      }
    }
    plain = try plain.sorted()
    let float = try Runner(plain)
    #expect(steps(float.plan, "conv_binary") == 0)
    let (a, b) = (try bits.bytes([input])[0], try float.bytes([input])[0])
    let (found, expected): ([Float], [Float]) = (floats(a), floats(b))
    // As many roundings as products, of sums not above that many times the largest scale.
    let bound = 320 * (Float.ulpOfOne / 2) * (320 * 2)
    for (x, y) in zip(found, expected) { #expect((x - y).magnitude <= bound) }
  }

  private func floats(_ bytes: [UInt8]) -> [Float] {
    bytes.withUnsafeBytes { raw in (0..<bytes.count / 4).map { raw.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) } }
  }

  /// The plan says why a layer of signs runs in float.
  @Test func saysWhyItIsFloat() throws {
    var random = Random(4)
    var graph = Graph()
    let x = graph.input("x", [1, 4, 4, 8])
    let s = try binarize(&graph, x, "s")
    let binary = try convolution(&graph, s, "binary", 8, &random)
    let w = try graph.constant("w", [8, 3, 3, 8], random.floats(576))
    let other = try graph.addNode(.convolution(Convolution(window: window(3, pad: 1))), name: "other", inputs: [s, w], outputNames: ["o"])[0]
    let dims = [8, 3, 3, 4]
    let halves = try graph.constant("h", dims, signs(&random, dims))
    let grouped = try graph.addNode(
      .convolution(Convolution(window: window(3, pad: 1), groups: 2)), name: "grouped", inputs: [s, halves], outputNames: ["g"])[0]
    graph.outputs = [binary, other, grouped]
    let plan = try Plan(graph, SessionOptions())
    func note(_ node: Text) -> Text { plan.steps.first { $0.node == node && $0.kernel.hasPrefix("conv") }?.notes ?? "" }
    #expect(note("other").hasPrefix("signs in float: the weights"))
    #expect(note("grouped").hasPrefix("signs in float: more than one group"))
    if plan.options.isa != .sse2 { #expect(note("binary").hasPrefix("binary weights")) }
    #if arch(x86_64)
    var options = SessionOptions()
    options.isa = .sse2
    let old = try Plan(graph, options)
    #expect(old.steps.contains { $0.node == "binary" && $0.notes.hasPrefix("signs in float: no binary kernel") && $0.kernel.hasPrefix("conv_f32") })
    #endif
  }

  /// Thresholds take bias and clamp as they are: numbers that are none, limits on either side of 0.
  @Test func thresholdsOfAnyBias() throws {
    for clamp in [Clamp.none, Clamp(min: 0, max: 6), Clamp(min: -4, max: -1), Clamp(min: 1, max: 2)] {
      var random = Random(12)
      var graph = Graph()
      let x = graph.input("x", [1, 3, 3, 5])
      let dims = [6, 3, 3, 5]
      let w = try graph.constant("w", dims, signs(&random, dims))
      let b = try graph.constant("b", [6], [0, -0.0, .infinity, -.infinity, .nan, 1.5])
      var op = Convolution(window: window(3, pad: 1))
      op.clamp = clamp
      let y = try graph.addNode(.convolution(op), name: "c", inputs: [try binarize(&graph, x, "s"), w, b], outputNames: ["y"])[0]
      let t = try binarize(&graph, y, "t")
      graph.outputs = [try convolution(&graph, t, "last", 4, &random)]
      let input = random.floats(45)
      let bits = try Runner(graph)
      let seen = try Runner(graph) { $0.observed = [y, t] }
      #expect(try bits.bytes([input]) == (try seen.bytes([input])))
    }
  }
}

extension Text {
  fileprivate func hasPrefix(_ prefix: String) -> Bool { String(decoding: utf8, as: UTF8.self).hasPrefix(prefix) }
}
