import Graph

/// A repeatable source of random numbers (xorshift64*, Vigna 2016).
struct Random: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }

  mutating func numbers(_ count: Int, _ range: ClosedRange<Float> = -1...1) -> [Float] {
    (0..<count).map { _ in Float.random(in: range, using: &self) }
  }

  mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}

/// Builds graphs as an importer of NCHW models does: every spatial operator stands between two transposes.
struct NchwBuilder {
  var graph = Graph(name: "random")
  var random: Random
  private var count = 0

  init(seed: UInt64) { random = Random(seed: seed) }

  func shape(_ id: ValueID) -> [Int] { graph.values[id].shape.dims }

  mutating func input(_ dims: [Int]) -> ValueID {
    let id = graph.addValue(Value(name: "input\(graph.inputs.count)", dtype: .float32, shape: Shape(dims)))
    graph.inputs.append(id)
    return id
  }

  mutating func output(_ id: ValueID) {
    graph.outputs.append(id)
  }

  mutating func constant(_ dims: [Int], _ range: ClosedRange<Float> = -1...1) throws -> ValueID {
    count += 1
    return try graph.addConstant("c\(count)", .float32, Shape(dims), random.numbers(dims.reduce(1, *), range))
  }

  mutating func number(_ value: Float) throws -> ValueID {
    count += 1
    return try graph.addConstant("c\(count)", .float32, Shape([]), [value])
  }

  mutating func add(_ op: Operator, _ inputs: ValueID...) throws -> ValueID { try add(op, inputs) }

  mutating func add(_ op: Operator, _ inputs: [ValueID]) throws -> ValueID {
    count += 1
    return try graph.addNode(op, name: "n\(count)", inputs: inputs, outputNames: ["v\(count)"])[0]
  }

  mutating func spatial(_ op: Operator, _ x: ValueID, _ others: [ValueID] = []) throws -> ValueID {
    let nhwc = try add(.transpose([0, 2, 3, 1]), x)
    return try add(.transpose([0, 3, 1, 2]), try add(op, [nhwc] + others))
  }

  /// Weights are given as OIHW and transposed, as they are in the file.
  mutating func convolution(
    _ x: ValueID, _ channels: Int, kernel: Int = 1, stride: Int = 1, groups: Int = 1, bias: Bool = true
  ) throws -> ValueID {
    var window = Window()
    (window.kernelHeight, window.kernelWidth) = (kernel, kernel)
    (window.strideHeight, window.strideWidth) = (stride, stride)
    (window.padTop, window.padLeft, window.padBottom, window.padRight) = (kernel / 2, kernel / 2, kernel / 2, kernel / 2)
    let depth = shape(x)[1] / groups
    let limit = 1 / Float(depth * kernel * kernel).squareRoot()
    let weights = try add(.transpose([0, 2, 3, 1]), try constant([channels, depth, kernel, kernel], -limit...limit))
    return try spatial(.convolution(Convolution(window: window, groups: groups)), x, [weights] + (bias ? [try constant([channels])] : []))
  }

  mutating func transposedConvolution(_ x: ValueID, _ channels: Int) throws -> ValueID {
    var window = Window()
    (window.kernelHeight, window.kernelWidth, window.strideHeight, window.strideWidth) = (2, 2, 2, 2)
    return try spatial(
      .transposedConvolution(TransposedConvolution(window: window)), x,
      [try constant([channels, 2, 2, shape(x)[1]], -0.5...0.5), try constant([channels])])
  }

  mutating func normalization(_ x: ValueID) throws -> ValueID {
    let c = shape(x)[1]
    return try spatial(
      .batchNormalization(epsilon: 1e-5), x,
      [try constant([c], 0.5...1.5), try constant([c]), try constant([c], -0.3...0.3), try constant([c], 0.5...2)])
  }

  mutating func clamp(_ x: ValueID, _ min: Float = 0, _ max: Float = .infinity) throws -> ValueID {
    try add(.unary(UnaryFunction(.clamp, alpha: min, beta: max)), x)
  }

  mutating func binary(_ function: BinaryFunction, _ a: ValueID, _ b: ValueID) throws -> ValueID { try add(.binary(function, .none), a, b) }

  mutating func pool(_ kind: Pool.Kind, _ x: ValueID, ceil: Bool = false) throws -> ValueID {
    var window = Window()
    (window.kernelHeight, window.kernelWidth, window.strideHeight, window.strideWidth) = (3, 3, 2, 2)
    (window.padTop, window.padLeft, window.padBottom, window.padRight) = (1, 1, 1, 1)
    var pool = Pool(kind, window: window)
    pool.ceilMode = ceil
    return try spatial(.pool(pool), x)
  }

  mutating func dense(_ x: ValueID, _ outputs: Int) throws -> ValueID {
    let depth = shape(x).last!
    let limit = 1 / Float(depth).squareRoot()
    return try add(.dense(.none), x, try constant([outputs, depth], -limit...limit), try constant([outputs]))
  }

  mutating func shuffle(_ x: ValueID, groups: Int) throws -> ValueID {
    let dims = shape(x)
    let wide = try add(.reshape(Shape([dims[0], groups, dims[1] / groups, dims[2], dims[3]])), x)
    return try add(.reshape(Shape(dims)), try add(.transpose([0, 2, 1, 3, 4]), wide))
  }

  mutating func squeezeExcite(_ x: ValueID) throws -> ValueID {
    let c = shape(x)[1]
    let mean = try add(.reduce(.mean, axes: [2, 3], keepDims: true), x)
    let narrow = try clamp(try convolution(mean, max(1, c / 2)))
    let gate = try add(.unary(UnaryFunction(.sigmoid)), try convolution(narrow, c))
    return try binary(.multiply, x, gate)
  }

  mutating func flattened(_ x: ValueID) throws -> ValueID {
    let dims = shape(x)
    return try add(.reshape(Shape([dims[0], dims[1] * dims[2] * dims[3]])), x)
  }

  /// x * sigmoid(x), hard swish in three spellings, gelu.
  mutating func spelledActivation(_ x: ValueID) throws -> ValueID {
    switch Int.random(in: 0..<6, using: &random) {
    case 0: return try binary(.multiply, x, try add(.unary(UnaryFunction(.sigmoid)), x))
    case 1: return try binary(.multiply, try add(.unary(UnaryFunction(.hardSigmoid, alpha: 1 / 6, beta: 0.5)), x), x)
    case 2: return try binary(.multiply, x, try binary(.divide, try clamp(try binary(.add, x, try number(3)), 0, 6), try number(6)))
    case 3: return try binary(.divide, try binary(.multiply, x, try clamp(try binary(.add, x, try number(3)), 0, 6)), try number(6))
    case 4: return try binary(.divide, try clamp(try binary(.add, x, try number(3)), 0, 6), try number(6))
    default:
      let half = try binary(.multiply, x, try number(0.5))
      let erf = try add(.unary(UnaryFunction(.erf)), try binary(.divide, x, try number(Float(2).squareRoot())))
      return try binary(.multiply, half, try binary(.add, erf, try number(1)))
    }
  }
}

/// A random vision-like network; every operator family an importer emits turns up over a few seeds.
func randomGraph(seed: UInt64) throws -> Graph {
  var b = NchwBuilder(seed: seed)
  let side = Int.random(in: 5...9, using: &b.random)
  var x = b.input([Shape.batch, 3, side, side + b.random.next().trailingZeroBitCount % 3])
  if b.random.chance(30) { x = try b.binary(.subtract, x, try b.constant([1, 3, 1, 1])) }
  x = try b.convolution(x, 8, kernel: 3)
  var earlier = [x]
  for _ in 0..<Int.random(in: 3...9, using: &b.random) {
    let dims = b.shape(x)
    let (c, h, w) = (dims[1], dims[2], dims[3])
    switch Int.random(in: 0..<20, using: &b.random) {
    case 0: x = try b.clamp(try b.normalization(try b.convolution(x, 8, kernel: 3, bias: b.random.chance(50))))
    case 1: x = try b.clamp(try b.normalization(try b.convolution(x, c, kernel: 3, groups: c)), 0, 6)
    case 2: x = try b.clamp(try b.normalization(x))
    case 3 where h > 3 && w > 3: x = try b.pool(b.random.chance(50) ? .max : .average, x, ceil: b.random.chance(50))
    case 4:
      let main = try b.convolution(try b.clamp(try b.convolution(x, 6)), c, kernel: 3)
      x = try b.clamp(b.random.chance(50) ? try b.binary(.add, main, x) : try b.binary(.add, x, main))
    case 5:
      let main = try b.normalization(try b.convolution(x, 8))
      x = try b.clamp(try b.binary(.add, main, try b.convolution(x, 8, kernel: 3)))
    case 6: x = try b.add(.concat(axis: 1), [x, try b.clamp(try b.convolution(x, 4))])
    case 7 where c % 2 == 0: x = try b.shuffle(x, groups: 2)
    case 8: x = try b.squeezeExcite(x)
    case 9: x = try b.spelledActivation(b.random.chance(50) ? x : try b.convolution(x, 8))
    case 10: x = try b.binary(.multiply, try b.convolution(x, 8), try b.constant([8, 1, 1]))
    case 11: x = try b.binary(.prelu, x, try b.constant([c, 1, 1]))
    case 12: x = try b.add(.pad(.constant, before: [0, 0, 1, 0], after: [0, 1, 0, 2], value: 0.5), x)
    case 13 where h > 3:
      x = try b.add(.slice(starts: [0, 0, 1, 0], ends: [Shape.batch, c, h, w], steps: [1, 1, 2, 1]), x)
    case 14 where h < 8: x = try b.transposedConvolution(x, 4)
    case 15: x = try b.add(.softmax(axis: 1, log: b.random.chance(30)), x)
    case 16 where c % 2 == 0:
      let parts = try b.graph.addNode(
        .split(axis: 1, sizes: [c / 2, c / 2]), name: "split", inputs: [x], outputNames: ["left\(earlier.count)", "right\(earlier.count)"])
      x = try b.shuffle(try b.add(.concat(axis: 1), [parts[0], try b.clamp(try b.convolution(parts[1], c / 2))]), groups: 2)
    case 17:
      if let same = earlier.last(where: { b.shape($0) == dims && $0 != x }) { x = try b.binary(.add, x, same) }
    case 18: x = try b.add(.gather(axis: 1, indices: [Int32(c - 1), 0, 0], scalarIndex: false), x)
    default:
      let flat = try b.add(.reshape(Shape([dims[0], c, h * w])), x)
      x = try b.add(.reshape(Shape(dims)), try b.add(.unary(UnaryFunction(.tanh)), flat))
    }
    earlier.append(x)
  }
  if b.random.chance(20) { b.output(earlier[earlier.count / 2]) }
  switch Int.random(in: 0..<5, using: &b.random) {
  case 0: break
  case 1: x = try b.dense(try b.flattened(try b.add(.reduce(.mean, axes: [2, 3], keepDims: true), x)), 5)
  case 2: x = try b.add(.softmax(axis: 1, log: false), try b.dense(try b.add(.reduce(.mean, axes: [2, 3], keepDims: false), x), 5))
  case 3: x = try b.dense(try b.clamp(try b.dense(try b.flattened(x), 7)), 5)
  default:
    let flat = try b.flattened(try b.clamp(x))
    if b.random.chance(30) { b.output(flat) }
    x = try b.dense(flat, 4)
  }
  if !b.graph.outputs.contains(x) { b.output(x) }
  return b.graph
}

/// Random tensors for a graph's inputs.
func randomInputs(_ graph: Graph, seed: UInt64, batch: Int) -> [Tensor] {
  var random = Random(seed: seed &+ 1000)
  return graph.inputs.map { id in
    let dims = graph.values[id].shape.withBatch(batch).dims
    return Tensor(dims, random.numbers(dims.reduce(1, *)).map { Double($0) })
  }
}
