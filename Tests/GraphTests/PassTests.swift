import Graph
import Testing

private func names(_ graph: Graph) -> [String] { graph.nodes.map { $0.op.name.description } }

private func image() -> (NchwBuilder, ValueID) {
  var b = NchwBuilder(seed: 3)
  let x = b.input([Shape.batch, 4, 6, 5])
  return (b, x)
}

private func checkEqual(_ before: Graph, _ after: Graph, _ location: SourceLocation = #_sourceLocation) throws {
  try after.validate()
  let inputs = randomInputs(before, seed: 5, batch: 3)
  let distance = difference(interpret(before, inputs: inputs, batch: 3), interpret(after, inputs: inputs, batch: 3))
  #expect(distance <= 1e-5, "\(after.text)", sourceLocation: location)
}

@Suite struct CancelTransposesTests {
  /// What an importer makes of a usual network keeps one transpose, at the image.
  @Test func usualNetworkKeepsTheInputsTranspose() throws {
    var (b, x) = image()
    x = try b.clamp(try b.normalization(try b.convolution(x, 8, kernel: 3)))
    let branch = try b.clamp(try b.convolution(try b.pool(.max, x), 8))
    x = try b.binary(.add, try b.squeezeExcite(branch), try b.pool(.average, x))
    x = try b.add(.concat(axis: 1), [x, try b.binary(.multiply, x, try b.constant([8, 1, 1]))])
    x = try b.add(.pad(.reflect, before: [0, 0, 1, 1], after: [0, 0, 1, 1], value: 0), x)
    x = try b.dense(try b.clamp(try b.flattened(x)), 10)
    b.output(try b.add(.softmax(axis: 1, log: false), x))
    let after = try b.graph.foldingConstants().cancellingTransposes()
    #expect(names(after).filter { $0 == "Transpose" }.count == 1)
    #expect(names(after)[0] == "Transpose" && after.nodes[0].inputs == after.inputs)
    try checkEqual(b.graph, after)
  }

  @Test func flattenPermutesTheDenseWeights() throws {
    var (b, x) = image()
    b.output(try b.dense(try b.flattened(try b.convolution(x, 3, kernel: 3)), 7))
    let after = try b.graph.optimized()
    #expect(names(after) == ["Transpose", "Convolution", "Reshape", "Dense"])
    try checkEqual(b.graph, after)
  }

  /// Whoever else reads the flattened image needs its own order.
  @Test func flattenWithAnotherReaderStays() throws {
    var (b, x) = image()
    let flat = try b.flattened(try b.convolution(x, 3, kernel: 3))
    b.output(try b.dense(flat, 7))
    b.output(try b.add(.unary(UnaryFunction(.tanh)), flat))
    let after = try b.graph.optimized()
    #expect(names(after).filter { $0 == "Transpose" }.count == 2)
    try checkEqual(b.graph, after)
  }

  @Test func globalPoolAndFlattenAreAReshape() throws {
    var (b, x) = image()
    x = try b.add(.reduce(.mean, axes: [2, 3], keepDims: true), try b.convolution(x, 3))
    b.output(try b.dense(try b.flattened(x), 7))
    let after = try b.graph.optimized()
    #expect(names(after) == ["Transpose", "Convolution", "ReduceMean", "Reshape", "Dense"])
    #expect(after.nodes[2].op == .reduce(.mean, axes: [1, 2], keepDims: true))
    try checkEqual(b.graph, after)
  }

  @Test func channelShuffleStaysInNHWC() throws {
    var (b, x) = image()
    x = try b.convolution(try b.shuffle(try b.convolution(x, 6), groups: 3), 2)
    b.output(try b.add(.reduce(.mean, axes: [2, 3], keepDims: false), x))
    let after = try b.graph.optimized()
    #expect(names(after) == ["Transpose", "Convolution", "Reshape", "Transpose", "Reshape", "Convolution", "ReduceMean"])
    #expect(after.nodes[3].op == .transpose([0, 1, 2, 4, 3]))
    try checkEqual(b.graph, after)
  }

  @Test func transposesComposeAndVanish() throws {
    var (b, x) = image()
    x = try b.add(.transpose([1, 2, 3, 0]), try b.add(.transpose([3, 0, 1, 2]), x))
    b.output(try b.clamp(x))
    #expect(names(try b.graph.cancellingTransposes()) == ["Clamp"])
    var (c, y) = image()
    y = try c.add(.transpose([0, 2, 1, 3]), try c.add(.transpose([0, 1, 3, 2]), y))
    c.output(y)
    let after = try c.graph.cancellingTransposes()
    #expect(after.nodes.map { $0.op } == [.transpose([0, 3, 1, 2])])
    try checkEqual(c.graph, after)
  }

  @Test func movingOnesIsAReshape() throws {
    var b = NchwBuilder(seed: 1)
    let x = b.input([Shape.batch, 7, 1, 1])
    b.output(try b.convolution(x, 2))
    let after = try b.graph.optimized()
    #expect(names(after) == ["Reshape", "Convolution", "Reshape"])
    try checkEqual(b.graph, after)
  }

  /// A transpose that cannot be avoided is left as it was.
  @Test func nothingToGainLeavesTheGraph() throws {
    var (b, x) = image()
    let t = try b.add(.transpose([0, 3, 2, 1]), x)
    for _ in 0..<3 { b.output(try b.add(.unary(UnaryFunction(.tanh)), t)) }
    #expect(try b.graph.cancellingTransposes().text == b.graph.text)
    x = t
  }

  @Test func quantizedGraphsKeepTheirTypes() throws {
    let q = Quantization(scale: 0.5, zeroPoint: 7)
    var (b, x) = image()
    let t = try b.add(.transpose([0, 2, 3, 1]), x)
    let quantized = try b.graph.addNode(.quantize, name: "q", inputs: [t], outputNames: ["q"], results: [ElementType(.uint8, q)])[0]
    let back = try b.add(.transpose([0, 3, 1, 2]), try b.add(.dequantize, quantized))
    b.output(back)
    let after = try b.graph.cancellingTransposes()
    try after.validate()
    #expect(names(after) == ["Quantize", "Dequantize"])
    #expect(after.values[after.nodes[0].outputs[0]].quantization == q)
  }
}

@Suite struct FoldingTests {
  @Test func normalizationGoesIntoTheLayerBefore() throws {
    var (b, x) = image()
    x = try b.normalization(try b.convolution(x, 4, kernel: 3, groups: 2, bias: false))
    x = try b.normalization(try b.transposedConvolution(x, 3))
    b.output(try b.binary(.multiply, try b.binary(.subtract, x, try b.number(2)), try b.constant([1, 3, 1, 1])))
    let after = try b.graph.optimized()
    #expect(names(after) == ["Transpose", "Convolution", "TransposedConvolution", "Transpose"])
    try checkEqual(b.graph, after)
  }

  @Test func normalizationOfDenseAndAlone() throws {
    var b = NchwBuilder(seed: 2)
    var x = b.input([Shape.batch, 5])
    func normalization(_ x: ValueID, _ c: Int) throws -> ValueID {
      try b.add(
        .batchNormalization(epsilon: 0.01), x, try b.constant([c]), try b.constant([c]), try b.constant([c]), try b.constant([c], 0.5...1))
    }
    x = try normalization(try b.dense(try normalization(x, 5), 3), 3)
    b.output(x)
    let after = try b.graph.foldingBatchNormalization()
    #expect(names(after) == ["Multiply", "Add", "Dense"])
    try checkEqual(b.graph, after)
  }

  /// Another reader of the layer's result, or a clamp between, forbids folding.
  @Test func sharedResultsAreNotFolded() throws {
    var (b, x) = image()
    x = try b.convolution(x, 4)
    b.output(x)
    b.output(try b.binary(.multiply, x, try b.number(2)))
    b.output(try b.binary(.multiply, try b.clamp(try b.convolution(x, 4)), try b.number(2)))
    let after = try b.graph.optimized()
    #expect(names(after).filter { $0 == "Multiply" }.count == 2)
    try checkEqual(b.graph, after)
  }

  @Test func sharedWeightsAreCopied() throws {
    var b = NchwBuilder(seed: 4)
    let x = b.input([Shape.batch, 5])
    let (w, bias) = (try b.constant([3, 5]), try b.constant([3]))
    let first = try b.add(.dense(.none), x, w, bias)
    b.output(try b.binary(.multiply, first, try b.constant([3])))
    b.output(try b.add(.dense(.none), x, w, bias))
    let after = try b.graph.foldingBatchNormalization()
    #expect(names(after) == ["Dense", "Dense"])
    try checkEqual(b.graph, after)
  }

  /// Layers into which the same is folded go on sharing, also where it comes in two steps; others have copies.
  @Test func whatIsFoldedAlikeIsShared() throws {
    var b = NchwBuilder(seed: 5)
    var x = b.input([Shape.batch, 5])
    let (w, bias, scale, offset) = (try b.constant([5, 5]), try b.constant([5]), try b.constant([5]), try b.constant([5]))
    for other in [scale, scale, try b.constant([5])] {
      x = try b.binary(.add, try b.binary(.multiply, try b.add(.dense(.none), x, w, bias), other), offset)
    }
    x = try b.binary(.add, try b.binary(.multiply, try b.add(.dense(.none), x, w, bias), scale), try b.constant([5]))
    b.output(x)
    let after = try b.graph.foldingBatchNormalization()
    #expect(names(after) == ["Dense", "Dense", "Dense", "Dense"])
    let (weights, biases) = (after.nodes.map { $0.inputs[1] }, after.nodes.map { $0.inputs[2] })
    #expect(weights[0] == weights[1] && weights[0] == weights[3] && weights[0] != weights[2])
    #expect(biases[0] == biases[1] && Set(biases).count == 3)
    #expect(after.values.filter { $0.constant != nil }.count == 5)
    try checkEqual(b.graph, after)
  }

  /// What is computed twice of the same constants is there once.
  @Test func equalConstantsOfEqualNodesAreOne() throws {
    var b = NchwBuilder(seed: 8)
    var x = b.input([Shape.batch, 4])
    let w = try b.constant([4, 4])
    for order in [[1, 0], [1, 0], [0, 1]] {
      let turned = try b.add(.reshape(Shape([4, 4])), try b.add(.transpose(order), w))
      x = try b.add(.dense(.none), x, turned)
    }
    b.output(x)
    let after = try b.graph.foldingConstants()
    #expect(names(after) == ["Dense", "Dense", "Dense"])
    #expect(after.nodes[0].inputs[1] == after.nodes[1].inputs[1] && after.nodes[0].inputs[1] != after.nodes[2].inputs[1])
    try checkEqual(b.graph, after)
  }

  @Test func constantsAreEvaluated() throws {
    var b = NchwBuilder(seed: 6)
    let x = b.input([1, 6])
    var c = try b.constant([3, 4, 2])
    c = try b.add(.transpose([2, 0, 1]), c)
    c = try b.add(.slice(starts: [1, 2, 0], ends: [2, -1, 4], steps: [1, -1, 2]), c)
    c = try b.add(.reshape(Shape([3, 2])), c)
    c = try b.add(.gather(axis: 0, indices: [2, 0], scalarIndex: false), c)
    c = try b.add(.concat(axis: 1), [c, try b.add(.expand(Shape([2, 1])), try b.constant([1]))])
    c = try b.binary(.multiply, try b.add(.unary(UnaryFunction(.leakyRelu, alpha: 0.1)), c), try b.constant([2, 1]))
    let parts = try b.graph.addNode(.split(axis: 1, sizes: [1, 2]), name: "s", inputs: [c], outputNames: ["s0", "s1"])
    c = try b.add(.reshape(Shape([6])), try b.add(.concat(axis: 1), [parts[1], parts[0]]))
    b.output(try b.binary(.add, x, try b.add(.cast(.float32), try b.add(.cast(.float64), c))))
    let after = try b.graph.foldingConstants()
    #expect(names(after) == ["Add"])
    try checkEqual(b.graph, after)
  }

  @Test func largeResultsAreLeftToRunTime() throws {
    var b = NchwBuilder(seed: 7)
    let x = b.input([1000, 10])
    let wide = try b.add(.expand(Shape([1000, 10])), try b.constant([10]))
    b.output(try b.binary(.add, x, wide))
    #expect(names(try b.graph.foldingConstants(maximumGrowth: 39_999)) == ["Expand", "Add"])
    #expect(names(try b.graph.foldingConstants(maximumGrowth: 40_000)) == ["Add"])
  }
}

@Suite struct LayerNormalizationTests {
  private struct Form {
    var division = true, power = true, hasBias = true, swapped = false, twice = false
    var columns = 6, scaleDims = [6]
    var axis = 2
  }

  private func build(_ form: Form) throws -> Graph {
    var b = NchwBuilder(seed: 8)
    let x = b.input([Shape.batch, 5, form.columns])
    let mean = try b.add(.reduce(.mean, axes: [form.axis], keepDims: true), x)
    let centred = try b.binary(.subtract, x, mean)
    let again = form.twice ? try b.binary(.subtract, x, mean) : centred
    let square = form.power ? try b.binary(.power, again, try b.number(2)) : try b.binary(.multiply, again, again)
    let variance = try b.add(.reduce(.mean, axes: [form.axis], keepDims: true), square)
    let epsilon = try b.number(0.01)
    let deviation = try b.add(.unary(UnaryFunction(.sqrt)), try b.binary(.add, form.swapped ? epsilon : variance, form.swapped ? variance : epsilon))
    var y: ValueID
    if form.division {
      y = try b.binary(.divide, centred, deviation)
    } else {
      let inverse = try b.add(.unary(UnaryFunction(.reciprocal)), deviation)
      y = form.swapped ? try b.binary(.multiply, inverse, centred) : try b.binary(.multiply, centred, inverse)
    }
    let scale = try b.constant(form.scaleDims)
    y = form.swapped ? try b.binary(.multiply, scale, y) : try b.binary(.multiply, y, scale)
    if form.hasBias { y = try b.binary(.add, y, try b.constant([form.columns])) }
    b.output(y)
    return b.graph
  }

  @Test func formsOfExporters() throws {
    for form in [
      Form(), Form(division: false, power: false), Form(hasBias: false), Form(division: false, swapped: true), Form(twice: true),
      Form(scaleDims: [1, 1, 6]), Form(columns: 1, scaleDims: [1]),
    ] {
      let graph = try build(form)
      let after = try graph.optimized()
      #expect(names(after) == ["LayerNormalization"], "\(form)")
      #expect(after.nodes[0].inputs.count == (form.hasBias ? 3 : 2))
      try checkEqual(graph, after)
    }
  }

  /// Another axis, and a scale that is one number.
  @Test func otherNormalizationsStay() throws {
    for form in [Form(axis: 1), Form(scaleDims: []), Form(scaleDims: [5, 1])] {
      let graph = try build(form)
      let after = try graph.optimized()
      #expect(!names(after).contains("LayerNormalization"), "\(form)")
      try checkEqual(graph, after)
    }
  }

  /// Over the channels of an image in NCHW, which are last inside.
  @Test func channelsOfAnImage() throws {
    var (b, x) = image()
    x = try b.convolution(x, 8)
    let centred = try b.binary(.subtract, x, try b.add(.reduce(.mean, axes: [1], keepDims: true), x))
    let variance = try b.add(.reduce(.mean, axes: [1], keepDims: true), try b.binary(.multiply, centred, centred))
    let deviation = try b.add(.unary(UnaryFunction(.sqrt)), try b.binary(.add, variance, try b.number(0.01)))
    x = try b.binary(.multiply, try b.binary(.divide, centred, deviation), try b.constant([8, 1, 1]))
    b.output(try b.convolution(try b.binary(.add, x, try b.constant([8, 1, 1])), 2))
    let after = try b.graph.optimized()
    #expect(names(after) == ["Transpose", "Convolution", "LayerNormalization", "Convolution", "Transpose"])
    try checkEqual(b.graph, after)
  }
}

@Suite struct FusionTests {
  @Test func clampsGoIntoWhatMakesThem() throws {
    var (b, x) = image()
    x = try b.clamp(try b.clamp(try b.convolution(x, 4), 0, 9), 2, 6)
    x = try b.clamp(try b.binary(.subtract, try b.transposedConvolution(x, 3), try b.constant([1, 3, 12, 10])), -1, 1)
    b.output(try b.clamp(try b.dense(try b.flattened(x), 3)))
    let after = try b.graph.optimized()
    #expect(names(after) == ["Transpose", "Convolution", "TransposedConvolution", "Subtract", "Reshape", "Dense"])
    guard case .convolution(let convolution) = after.nodes[1].op else { return #expect(Bool(false)) }
    #expect(convolution.clamp == Clamp(min: 2, max: 6))
    try checkEqual(b.graph, after)
  }

  /// The clamp of a gate says what passes, not what the result is.
  @Test func clampsStayBehindGates() throws {
    var (b, x) = image()
    b.output(try b.clamp(try b.add(.binary(.gate, Clamp(min: 0.125, max: 0.75)), x, x), -1, 0.5))
    let after = try b.graph.optimized()
    #expect(names(after) == ["Gate", "Clamp"])
    try checkEqual(b.graph, after)
  }

  /// The residual is made after the convolution that takes it: nodes change places.
  @Test func additionBecomesAResidual() throws {
    var (b, x) = image()
    x = try b.convolution(x, 4)
    let main = try b.convolution(x, 4, kernel: 3)
    let side = try b.add(.unary(UnaryFunction(.tanh)), x)
    b.output(try b.clamp(try b.binary(.add, main, side)))
    let after = try b.graph.optimized()
    #expect(names(after) == ["Transpose", "Convolution", "Tanh", "Convolution", "Transpose"])
    #expect(after.nodes[3].inputs.last == after.nodes[2].outputs[0])
    try checkEqual(b.graph, after)
  }

  /// Broadcasting, a clamp before the addition, and x + x are no residuals.
  @Test func otherAdditionsStay() throws {
    var (b, x) = image()
    let c = try b.convolution(x, 4)
    b.output(try b.binary(.add, try b.clamp(try b.convolution(x, 4)), x))
    b.output(try b.binary(.add, c, c))
    b.output(try b.binary(.add, try b.convolution(x, 4), try b.add(.reduce(.mean, axes: [2, 3], keepDims: true), x)))
    let after = try b.graph.optimized()
    #expect(names(after).filter { $0 == "Add" }.count == 3)
    try checkEqual(b.graph, after)
    x = c
  }

  @Test func spelledActivationsAreRecognized() throws {
    var found = Set<String>()
    for seed in UInt64(1)...40 {
      var b = NchwBuilder(seed: seed)
      let x = b.input([Shape.batch, 5])
      b.output(try b.spelledActivation(x))
      let after = try b.graph.fusingActivations()
      #expect(after.nodes.count == 1, "\(after.text)")
      found.formUnion(names(after))
      try checkEqual(b.graph, after)
    }
    #expect(found == ["Silu", "HardSwish", "HardSigmoid", "Gelu"])
  }

  @Test func similarFormulasAreNotActivations() throws {
    var b = NchwBuilder(seed: 1)
    let x = b.input([Shape.batch, 5])
    let y = b.input([Shape.batch, 5])
    b.output(try b.binary(.multiply, y, try b.add(.unary(UnaryFunction(.sigmoid)), x)))
    b.output(try b.binary(.multiply, x, try b.add(.unary(UnaryFunction(.hardSigmoid, alpha: 0.2, beta: 0.5)), x)))
    b.output(try b.binary(.divide, try b.clamp(try b.binary(.add, x, try b.number(2)), 0, 6), try b.number(6)))
    let after = try b.graph.fusingActivations()
    #expect(names(after) == ["Sigmoid", "Multiply", "HardSigmoid", "Multiply", "Add", "Divide"])
    try checkEqual(b.graph, after)
  }
}

@Suite struct PaddingTests {
  /// Between two convolutions, the second with a window of 5, stride 2 and a padding of its own of 2 on every side.
  private func padded(_ before: [Int], _ after: [Int], value: Float = 0, mode: PadMode = .constant) throws -> Graph {
    var (b, x) = image()
    x = try b.add(.pad(mode, before: before, after: after, value: value), try b.convolution(x, 4))
    b.output(try b.convolution(x, 3, kernel: 5, stride: 2))
    return b.graph
  }

  @Test func marginsGoIntoTheConvolution() throws {
    let before = try padded([0, 0, 1, 0], [0, 0, 2, 1])
    let after = try before.optimized()
    #expect(names(after) == ["Transpose", "Convolution", "Convolution", "Transpose"])
    guard case .convolution(let convolution) = after.nodes[2].op else { return #expect(Bool(false)) }
    let window = convolution.window
    #expect([window.padTop, window.padLeft, window.padBottom, window.padRight] == [3, 2, 4, 3])
    try checkEqual(before, after)
  }

  @Test func otherReadersKeepTheirCopy() throws {
    var (b, x) = image()
    x = try b.add(.pad(.constant, before: [0, 0, 1, 1], after: [0, 0, 1, 1], value: 0), try b.convolution(x, 4))
    b.output(try b.convolution(x, 3, kernel: 3))
    b.output(try b.clamp(x))
    let after = try b.graph.optimized()
    #expect(names(after).filter { $0 == "Pad" }.count == 1)
    try checkEqual(b.graph, after)
  }

  @Test(arguments: [0, 1, 2, 3]) func othersStay(_ kind: Int) throws {
    let before = switch kind {
    case 0: try padded([0, 0, 3, 0], [0, 0, 0, 0])  // more than a window reaches
    case 1: try padded([0, 0, 1, 1], [0, 0, 1, 1], value: 1)
    case 2: try padded([0, 0, 1, 1], [0, 0, 1, 1], mode: .edge)
    default: try padded([0, 1, 0, 0], [0, 0, 0, 0])  // channels
    }
    let after = try before.optimized()
    #expect(names(after) == ["Transpose", "Convolution", "Pad", "Convolution", "Transpose"])
    try checkEqual(before, after)
  }
}

@Suite struct RemoveDeadNodesTests {
  @Test func identitiesVanish() throws {
    var (b, x) = image()
    let shape = b.graph.values[x].shape
    var y = try b.add(.unary(UnaryFunction(.tanh)), x)
    _ = try b.add(.unary(UnaryFunction(.exp)), y)
    let zeros = [0, 0, 0, 0]
    for op: Operator in [
      .reshape(shape), .expand(shape), .transpose([0, 1, 2, 3]), .concat(axis: 2), .cast(.float32), .split(axis: 1, sizes: [4]),
      .pad(.edge, before: zeros, after: zeros, value: 0),
      .slice(starts: zeros, ends: [Shape.batch, 4, 6, 5], steps: [1, 1, 1, 1]),
      .unary(UnaryFunction(.clamp, alpha: -.infinity, beta: .infinity)), .reshape(Shape([Shape.batch, 120])), .reshape(shape),
    ] { y = try b.add(op, y) }
    b.output(y)
    let name = b.graph.values[y].name
    let after = try b.graph.removingDeadNodes()
    #expect(names(after) == ["Tanh"])
    #expect(after.values[after.outputs[0]].name == name)
    #expect(after.values.count == 2)
    try checkEqual(b.graph, after)
  }

  /// An output must be made by a node of its own.
  @Test func copiesToOutputsStay() throws {
    var (b, x) = image()
    let shape = b.graph.values[x].shape
    b.output(try b.add(.reshape(shape), x))
    let y = try b.add(.unary(UnaryFunction(.tanh)), x)
    b.output(y)
    b.output(try b.add(.reshape(shape), y))
    for after in [try b.graph.removingDeadNodes(), try b.graph.optimized()] {
      #expect(names(after) == ["Reshape", "Tanh", "Reshape"])
      try checkEqual(b.graph, after)
    }
  }

  @Test func quantizeOfDequantizeVanishes() throws {
    let q = Quantization(scale: 0.5, zeroPoint: 7)
    var graph = Graph()
    let x = graph.addValue(Value(name: "x", dtype: .uint8, shape: Shape([4]), quantization: q))
    graph.inputs = [x]
    let pooled = try graph.addNode(.unary(UnaryFunction(.clamp, alpha: 0, beta: 1)), name: "c", inputs: [x], outputNames: ["c"])[0]
    let real = try graph.addNode(.dequantize, name: "d", inputs: [pooled], outputNames: ["d"])[0]
    graph.outputs = try graph.addNode(.quantize, name: "q", inputs: [real], outputNames: ["y"], results: [ElementType(.uint8, q)])
    let other = try graph.addNode(
      .quantize, name: "p", inputs: [real], outputNames: ["z"], results: [ElementType(.uint8, Quantization(scale: 1, zeroPoint: 7))])
    graph.outputs += other
    let after = try graph.removingDeadNodes()
    try after.validate()
    #expect(names(after) == ["Clamp", "Dequantize", "Quantize"])
    #expect(after.outputs.map { after.values[$0].name } == ["y", "z"])
  }
}

@Suite struct EditingTests {
  @Test func sortedFindsCyclesAndKeepsOrder() throws {
    var (b, x) = image()
    let first = try b.clamp(x)
    let second = try b.clamp(first)
    x = try b.clamp(second)
    b.output(x)
    var graph = b.graph
    #expect(try graph.sorted().text == graph.text)
    graph.nodes.reverse()
    #expect(try graph.sorted().text == b.graph.text)
    graph.nodes[2].inputs = [x]
    #expect(throws: EdgeError.self) { _ = try graph.sorted() }
  }

  @Test func indexAndReplace() throws {
    var (b, x) = image()
    let y = try b.clamp(x)
    let z = try b.binary(.add, y, y)
    b.output(z)
    let index = GraphIndex(b.graph)
    #expect(index.producer(of: y) == 0 && index.producer(of: x) == nil && index.producer(of: 99) == nil)
    #expect(index.consumers[y] == [1, 1] && !index.isUsedOnce(y) && index.isUsedOnce(x) && !index.isUsedOnce(z))
    #expect(b.graph.producer(of: z) == 1 && b.graph.consumers(of: y) == [1])
    b.graph.replace(y, with: x)
    b.graph.removeNodes([true])
    let graph = b.graph.compacted()
    try graph.validate()
    #expect(names(graph) == ["Add"] && graph.values.count == 2)
  }

  @Test func textNamesEverything() throws {
    var (b, x) = image()
    b.output(try b.convolution(x, 3, kernel: 3))
    let text = try b.graph.optimized().text
    #expect(text.contains("Convolution") && text.contains("3x3 pad [1, 1, 1, 1]") && text.contains("float32[N, 6, 5, 3]"))
    #expect(text.contains("input  input0 float32[N, 4, 6, 5]\n"))
    x = 0
  }
}
