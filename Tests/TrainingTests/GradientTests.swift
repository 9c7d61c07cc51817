import Graph
import Runtime
import Testing

@testable import Training

/// Gradients against differences of the loss, along random directions.
@Suite struct GradientTests {
  /// The loss sum(r y) of what `build` makes of inputs of these shapes, r random; each input moved along a random direction.
  private func check(
    _ name: String, _ shapes: [[Int]], low: Float = -1, high: Float = 1, step: Float = 1e-2, tolerance: Float = 1e-2,
    _ build: (inout Graph, [ValueID]) throws -> ValueID
  ) throws {
    var random = Random(UInt64(name.utf8.count) &* 77 &+ 5)
    var graph = Graph()
    var inputs: [ValueID] = []
    for (index, shape) in shapes.enumerated() { inputs.append(graph.input(Text("x\(index)"), shape)) }
    let y = try build(&graph, inputs)
    let count = try #require(graph.values[y].shape.elementCount())
    let r = try graph.constant("r", graph.values[y].shape.dims, random.floats(count))
    let product = try graph.add(.binary(.multiply, .none), "product", [y, r])
    let axes = Array(graph.values[y].shape.dims.indices)
    let loss = axes.isEmpty ? product : try graph.add(.reduce(.sum, axes: axes, keepDims: false), "loss", [product])
    graph.outputs = [loss]
    let (differentiated, gradients) = try graph.differentiated(loss, of: inputs)
    var both = differentiated
    both.outputs = [loss] + gradients
    try both.validate()

    var point = shapes.map { random.floats($0.reduce(1, *), low, high) }
    let results = try Runner(both, isa: .reference).run(point)
    let forward = try Runner(graph, isa: .reference)
    for index in inputs.indices {
      let direction = random.floats(point[index].count)
      var expected: Float = 0, size: Float = 0
      for (g, d) in zip(results[index + 1], direction) {
        expected += g * d
        size += (g * d).magnitude
      }
      let saved = point[index]
      func moved(_ amount: Float) -> Float {
        point[index] = zip(saved, direction).map { $0 + amount * $1 }
        return forward.run(point)[0][0]
      }
      let difference = (moved(step) - moved(-step)) / (2 * step)
      point[index] = saved
      #expect((difference - expected).magnitude <= tolerance * max(size, 0.1), "\(name), input \(index): \(difference), not \(expected)")
    }
  }

  @Test func layers() throws {
    for (kernel, stride, pad, dilation, groups) in [(3, 1, 1, 1, 1), (3, 2, 1, 1, 1), (1, 1, 0, 1, 1), (1, 2, 0, 1, 1), (3, 1, 2, 2, 1), (3, 2, 0, 1, 2), (3, 1, 1, 1, 4), (5, 3, 2, 1, 4)] {
      let op = Convolution(window: window(kernel, stride: stride, pad: pad, dilation: dilation), groups: groups)
      try check("convolution \(kernel) \(stride) \(pad) \(dilation) \(groups)", [[2, 7, 8, 4], [4, kernel, kernel, 4 / groups], [4]]) { graph, x in
        try graph.add(.convolution(op), "y", x)
      }
    }
    for stride in 1...2 {
      var op = TransposedConvolution(window: window(3, stride: stride, pad: 1))
      op.outputPadHeight = stride - 1
      try check("transposed \(stride)", [[2, 4, 5, 3], [2, 3, 3, 3], [2]]) { graph, x in
        try graph.add(.transposedConvolution(op), "y", x)
      }
    }
    try check("dense", [[3, 5], [4, 5], [4]]) { graph, x in try graph.add(.dense(.none), "y", x) }
    try check("dense of a sequence", [[2, 3, 5], [4, 5]]) { graph, x in try graph.add(.dense(.none), "y", x) }
    try check("residual and clamp", [[3, 5], [4, 5], [4], [3, 4]], step: 1e-3, tolerance: 3e-2) { graph, x in
      try graph.add(.dense(Clamp(min: -0.5, max: 0.5)), "y", x)
    }
    try check("matMul", [[2, 3, 4], [4, 5]]) { graph, x in try graph.add(.matMul, "y", x) }
    try check("matMul broadcast", [[1, 3, 4], [2, 4, 5]]) { graph, x in try graph.add(.matMul, "y", x) }
  }

  @Test func normalizations() throws {
    try check("batch normalization", [[6, 3, 4, 5], [5], [5]], step: 1e-2, tolerance: 2e-2) { graph, x in
      let s = try graph.addNode(.batchStatistics, name: "s", inputs: [x[0]], outputNames: ["mean", "variance"])
      return try graph.add(.batchNormalization(epsilon: 1e-3), "y", [x[0], x[1], x[2], s[0], s[1]])
    }
    try check("frozen batch normalization", [[4, 5], [5], [5]]) { graph, x in
      let mean = try graph.constant("mean", [5], [0.1, 0.2, 0, -0.1, 1])
      let variance = try graph.constant("variance", [5], [1, 2, 0.5, 0.25, 1])
      return try graph.add(.batchNormalization(epsilon: 1e-3), "y", [x[0], x[1], x[2], mean, variance])
    }
    try check("layer normalization", [[4, 6], [6], [6]], tolerance: 2e-2) { graph, x in
      try graph.add(.layerNormalization(epsilon: 1e-3), "y", x)
    }
    try check("local response", [[1, 2, 2, 7]], low: 0.2, high: 2) { graph, x in
      try graph.add(.localResponseNormalization(size: 5, alpha: 0.5, beta: 0.75, bias: 1), "y", x)
    }
    for log in [false, true] { try check("softmax \(log)", [[3, 5]]) { graph, x in try graph.add(.softmax(axis: 1, log: log), "y", x) } }
  }

  @Test func functions() throws {
    let kinds: [(UnaryFunction.Kind, Float, Float)] = [
      (.leakyRelu, 0.1, 0), (.sigmoid, 0, 0), (.tanh, 0, 0), (.hardSigmoid, 0.2, 0.5), (.hardSwish, 0, 0), (.silu, 0, 0), (.gelu, 0, 0),
      (.geluTanh, 0, 0), (.elu, 0.7, 0), (.selu, 1.67326, 1.0507), (.celu, 0.8, 0), (.softplus, 0, 0), (.softsign, 0, 0), (.mish, 0, 0),
      (.erf, 0, 0), (.exp, 0, 0), (.abs, 0, 0), (.negate, 0, 0), (.sin, 0, 0), (.cos, 0, 0), (.clamp, -0.5, 0.5), (.thresholdedRelu, 0.3, 0),
    ]
    for (kind, alpha, beta) in kinds {
      // A step near a kink gives something between both slopes: small steps, so that few do.
      try check("unary \(kind)", [[40]], step: 1e-3, tolerance: 6e-2) { graph, x in
        let y = try graph.add(.unary(UnaryFunction(kind, alpha: alpha, beta: beta)), "y", x)
        return kind == .thresholdedRelu ? try graph.add(.binary(.subtract, .none), "z", [y, x[0]]) : y
      }
    }
    for kind in [UnaryFunction.Kind.log, .sqrt, .reciprocal] {
      try check("unary \(kind)", [[40]], low: 0.5, high: 2) { graph, x in try graph.add(.unary(UnaryFunction(kind)), "y", x) }
    }
    for function in [BinaryFunction.add, .subtract, .multiply, .divide, .minimum, .maximum, .power] {
      try check("binary \(function)", [[4, 1, 3], [2, 3]], low: 0.5, high: 2, step: 1e-3, tolerance: 5e-2) { graph, x in
        try graph.add(.binary(function, .none), "y", x)
      }
    }
    try check("prelu", [[4, 3], [3]], step: 1e-3, tolerance: 5e-2) { graph, x in try graph.add(.binary(.prelu, .none), "y", x) }
    for function in [ReduceFunction.mean, .sum, .sumSquare, .l1, .l2, .max, .min] {
      for keep in [false, true] {
        try check("reduce \(function) \(keep)", [[3, 4, 5]], step: 1e-3, tolerance: 5e-2) { graph, x in
          try graph.add(.reduce(function, axes: [0, 2], keepDims: keep), "y", x)
        }
      }
    }
  }

  /// Where the slope jumps, one of both sides counts.
  @Test func kinks() throws {
    func slope(_ op: Operator, _ points: [Float]) throws -> [Float] {
      var graph = Graph()
      let inputs = points.indices.map { graph.input(Text("x\($0)"), [1]) }
      let sum = try graph.add(.reduce(.sum, axes: [0], keepDims: false), "sum", [try graph.add(op, "y", inputs)])
      var (both, gradients) = try graph.differentiated(sum, of: inputs)
      both.outputs = gradients
      gradients = []
      return try Runner(both, isa: .reference).run(points.map { [$0] }).map { $0[0] }
    }
    #expect(try slope(.unary(UnaryFunction(.leakyRelu, alpha: 0.25, beta: 0)), [0]) == [0.25])
    #expect(try slope(.unary(UnaryFunction(.elu, alpha: 0.5, beta: 0)), [0]) == [0.5])
    #expect(try slope(.unary(UnaryFunction(.celu, alpha: 0.5, beta: 0)), [0]) == [1])
    #expect(try slope(.unary(UnaryFunction(.hardSwish)), [3]) == [1])
    #expect(try slope(.unary(UnaryFunction(.clamp, alpha: 0, beta: .infinity)), [0]) == [0])
    #expect(try slope(.binary(.maximum, .none), [2, 2]) == [1, 0])
    #expect(try slope(.binary(.minimum, .none), [2, 2]) == [1, 0])
  }

  @Test func pools() throws {
    for kind in [Pool.Kind.max, .average] {
      for (kernel, stride, pad) in [(2, 2, 0), (3, 2, 1), (3, 1, 1)] {
        for counts in [false, true] {
          var pool = Pool(kind, window: window(kernel, stride: stride, pad: pad))
          pool.countIncludesPad = counts
          try check("pool \(kind) \(kernel) \(counts)", [[2, 6, 7, 3]], step: 1e-3, tolerance: 5e-2) { graph, x in
            try graph.add(.pool(pool), "y", x)
          }
        }
      }
    }
  }

  @Test func movements() throws {
    try check("concat and split", [[2, 3], [2, 4]]) { graph, x in
      let joined = try graph.add(.concat(axis: 1), "joined", x)
      let parts = try graph.addNode(.split(axis: 1, sizes: [2, 5]), name: "split", inputs: [joined], outputNames: ["a", "b"])
      return parts[1]
    }
    try check("slice", [[4, 5]]) { graph, x in try graph.add(.slice(starts: [1, 0], ends: [3, 4], steps: [1, 1]), "y", x) }
    try check("pad", [[2, 3]]) { graph, x in try graph.add(.pad(.constant, before: [1, 0], after: [0, 2], value: 3), "y", x) }
    try check("transpose", [[2, 3, 4]]) { graph, x in try graph.add(.transpose([2, 0, 1]), "y", x) }
    try check("reshape and expand", [[2, 3]]) { graph, x in
      try graph.add(.expand(Shape([4, 6, 1])), "y", [try graph.add(.reshape(Shape([6, 1])), "z", x)])
    }
    try check("gather", [[4, 3]]) { graph, x in try graph.add(.gather(axis: 0, indices: [2, 0, 2], scalarIndex: false), "y", x) }
    try check("take", [[4, 3]]) { graph, x in
      let places = try graph.addConstant("places", .int32, Shape([2, 2]), [Int32(1), 3, 3, 0])
      return try graph.add(.take(Indexing(.slices, axis: 0)), "y", [x[0], places])
    }
    try check("select", [[4], [4]]) { graph, x in
      let c = try graph.addConstant("c", .bool, Shape([4]), [UInt8(1), 0, 0, 1])
      return try graph.add(.select, "y", [c, x[0], x[1]])
    }
  }

  /// A value used twice has the sum of both gradients.
  @Test func sums() throws {
    try check("shared", [[3, 3]]) { graph, x in
      let a = try graph.add(.unary(UnaryFunction(.tanh)), "a", x)
      return try graph.add(.binary(.multiply, .none), "y", [a, try graph.add(.matMul, "b", [a, x[0]])])
    }
  }

  @Test func straightThrough() throws {
    var graph = Graph()
    let x = graph.input("x", [4])
    let rounded = try graph.add(.unary(UnaryFunction(.round)), "rounded", [x])
    let signs = try graph.add(.unary(UnaryFunction(.binarize)), "signs", [x])
    let sum = try graph.add(.reduce(.sum, axes: [0], keepDims: false), "sum", [try graph.add(.binary(.add, .none), "both", [rounded, signs])])
    var (both, gradients) = try graph.differentiated(sum, of: [x])
    both.outputs = gradients
    // The identity, and a gate of [-1, 1].
    #expect(try Runner(both, isa: .reference).run([[0.4, -0.9, 1.5, -2]]) == [[2, 2, 1, 1]])
    gradients = []
  }

  @Test func refusals() throws {
    var graph = Graph()
    let x = graph.input("x", [4])
    let y = try graph.add(.scan(.sum, axis: 0, exclusive: false, reverse: false), "running", [x])
    let loss = try graph.add(.reduce(.sum, axes: [0], keepDims: false), "loss", [y])
    do {
      _ = try graph.differentiated(loss, of: [x])
      Issue.record("the gradient of a scan is not known")
    } catch {
      #expect(error.status == .unsupportedOperator)
      #expect(error.node == "running")
    }
    #expect(throws: EdgeError.self) { try graph.differentiated(y, of: [x]) }
    #expect(throws: EdgeError.self) { try graph.differentiated(loss, of: [99]) }
  }
}
