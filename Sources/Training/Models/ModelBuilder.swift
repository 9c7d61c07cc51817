#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The layers of the usual networks, appended to a graph one after another, with weights to begin training with.
///
/// Images are NHWC with a symbolic batch. Nothing is folded or fused: normalizations and activations are nodes of their own, as
/// training needs them; `Graph.optimized` makes the network fast afterwards. A node has the name it is given and so has its
/// result; its constants are called after it: `conv1/weights`, `conv1/bias`, `conv1/bn/gamma`, `beta`, `mean`, `variance`.
struct ModelBuilder {
  enum Padding {
    case valid
    /// ceil(size / stride) results; of an odd number of padded pixels one more lies at the end.
    case same
  }

  private(set) var graph: Graph
  /// Added to variances.
  var epsilon: Float = 1e-5
  /// What the scales of normalizations begin with.
  var gamma: Float = 1
  private var initializer: WeightInitializer
  /// Of all constants so far.
  private var bytes = 0

  init(name: Text, seed: UInt64) {
    graph = Graph(name: name)
    initializer = WeightInitializer(seed: seed)
  }

  /// The network's input, of these sizes behind the batch.
  mutating func input(_ dims: [Int]) -> ValueID {
    let id = graph.addValue(Value(name: "input", dtype: .float32, shape: Shape([Shape.batch] + dims)))
    graph.inputs.append(id)
    return id
  }

  /// The network, of which a value is the result: scores of classes before any softmax.
  mutating func finish(_ logits: ValueID) throws(EdgeError) -> Graph {
    graph.values[logits].name = "logits"
    graph.outputs = [logits]
    try graph.validate()
    return graph
  }

  // MARK: Layers with weights

  /// A kernel of `kernel` rows and `kernelWidth`, or as many, columns. `depthwise`: one for each channel of x, which are then as
  /// many as `channels`.
  mutating func convolution(
    _ name: Text, _ x: ValueID, _ channels: Int, kernel: Int, kernelWidth: Int? = nil, stride: Int = 1, padding: Padding = .same,
    depthwise: Bool = false, bias: Bool = true, scale: WeightInitializer.Scale = .he
  ) throws(EdgeError) -> ValueID {
    let shape = graph.values[x].shape
    let width = kernelWidth ?? kernel
    var window = Window()
    (window.kernelHeight, window.kernelWidth) = (kernel, width)
    (window.strideHeight, window.strideWidth) = (stride, stride)
    if padding == .same {
      (window.padTop, window.padBottom) = pads(shape[1], kernel, stride)
      (window.padLeft, window.padRight) = pads(shape[2], width, stride)
    }
    let depth = depthwise ? 1 : shape[3]
    let weights = try self.weights(
      name, [channels, kernel, width, depth], scale, fanIn: depth * kernel * width, fanOut: (depthwise ? 1 : channels) * kernel * width)
    let convolution = Convolution(window: window, groups: depthwise ? channels : 1)
    return try add(.convolution(convolution), name, try withBias(name, [x, weights], bias ? channels : 0))
  }

  mutating func dense(
    _ name: Text, _ x: ValueID, _ units: Int, bias: Bool = true, scale: WeightInitializer.Scale = .he
  ) throws(EdgeError) -> ValueID {
    let depth = graph.values[x].shape[1]
    let weights = try self.weights(name, [units, depth], scale, fanIn: depth, fanOut: units)
    return try add(.dense(.none), name, try withBias(name, [x, weights], bias ? units : 0))
  }

  /// Of the layer `name`, whose normalization is called `name/bn`.
  mutating func normalization(_ name: Text, _ x: ValueID) throws(EdgeError) -> ValueID {
    let name = name + "/bn"
    let channels = graph.values[x].shape.dims[graph.values[x].shape.rank - 1]
    let inputs = [
      x, try constant(name + "/gamma", channels, gamma), try constant(name + "/beta", channels, 0),
      try constant(name + "/mean", channels, 0), try constant(name + "/variance", channels, 1),
    ]
    return try add(.batchNormalization(epsilon: epsilon), name, inputs)
  }

  // MARK: The others

  mutating func relu(_ name: Text, _ x: ValueID) throws(EdgeError) -> ValueID {
    try add(.unary(UnaryFunction(.clamp, alpha: 0, beta: .infinity)), name + "/relu", [x])
  }

  /// Normalized, then without what is negative.
  mutating func normalizedRelu(_ name: Text, _ x: ValueID) throws(EdgeError) -> ValueID {
    try relu(name, try normalization(name, x))
  }

  /// -1 or +1: what a binary layer multiplies (Rastegari et al. 2016).
  mutating func signs(_ name: Text, _ x: ValueID) throws(EdgeError) -> ValueID {
    try add(.unary(UnaryFunction(.binarize)), name + "/binarize", [x])
  }

  /// Unpadded squares. `ceil`: what is left at the end is a window, too.
  mutating func maxPool(_ name: Text, _ x: ValueID, size: Int, stride: Int, ceil: Bool = false) throws(EdgeError) -> ValueID {
    var window = Window()
    (window.kernelHeight, window.kernelWidth) = (size, size)
    (window.strideHeight, window.strideWidth) = (stride, stride)
    var pool = Pool(.max, window: window)
    pool.ceilMode = ceil
    return try add(.pool(pool), name, [x])
  }

  /// [N, H, W, C] -> [N, C]
  mutating func globalAverage(_ x: ValueID) throws(EdgeError) -> ValueID {
    var window = Window()
    (window.kernelHeight, window.kernelWidth) = (graph.values[x].shape[1], graph.values[x].shape[2])
    return try flatten("flatten", try add(.pool(Pool(.average, window: window)), "pool", [x]))
  }

  /// [N, ...] -> [N, K]
  mutating func flatten(_ name: Text, _ x: ValueID) throws(EdgeError) -> ValueID {
    let count = graph.values[x].shape.elementCount() ?? 0
    return try add(.reshape(Shape([Shape.batch, count])), name, [x])
  }

  mutating func sum(_ name: Text, _ a: ValueID, _ b: ValueID) throws(EdgeError) -> ValueID {
    try add(.binary(.add, .none), name, [a, b])
  }

  /// Channels of both.
  mutating func concat(_ name: Text, _ a: ValueID, _ b: ValueID) throws(EdgeError) -> ValueID {
    try add(.concat(axis: 3), name, [a, b])
  }

  /// More channels, of zeros, behind those of x.
  mutating func padChannels(_ name: Text, _ x: ValueID, _ more: Int) throws(EdgeError) -> ValueID {
    try add(.pad(.constant, before: [0, 0, 0, 0], after: [0, 0, 0, more], value: 0), name, [x])
  }

  // MARK: Nodes and constants

  private mutating func add(_ op: Operator, _ name: Text, _ inputs: [ValueID]) throws(EdgeError) -> ValueID {
    try graph.addNode(op, name: name, inputs: inputs, outputNames: [name])[0]
  }

  private func pads(_ size: Int, _ kernel: Int, _ stride: Int) -> (Int, Int) {
    let last = (size - 1) / stride * stride
    let total = max(last + kernel - size, 0)
    return (total / 2, total - total / 2)
  }

  /// With a bias of so many zeros, or none.
  private mutating func withBias(_ name: Text, _ inputs: [ValueID], _ count: Int) throws(EdgeError) -> [ValueID] {
    count == 0 ? inputs : inputs + [try constant(name + "/bias", count, 0)]
  }

  private mutating func weights(
    _ name: Text, _ dims: [Int], _ scale: WeightInitializer.Scale, fanIn: Int, fanOut: Int
  ) throws(EdgeError) -> ValueID {
    let name = name + "/weights"
    let count = try admit(name, Shape(dims))
    let data = try initializer.next(count, scale, fanIn: fanIn, fanOut: fanOut)
    return graph.addValue(Value(name: name, dtype: .float32, shape: Shape(dims), constant: data))
  }

  private mutating func constant(_ name: Text, _ count: Int, _ value: Float) throws(EdgeError) -> ValueID {
    try graph.addConstant(name, .float32, Shape([count]), [Float](repeating: value, count: try admit(name, Shape([count]))))
  }

  /// Elements of a new constant. A model that could not be read back from a file is not made.
  private mutating func admit(_ name: Text, _ shape: Shape) throws(EdgeError) -> Int {
    let most = Limits().maximumTensorBytes
    guard let count = shape.elementCount(), count <= (most - bytes) / 4 else {
      throw EdgeError(.limitExceeded, "the weights have more than \(most) bytes together", tensor: name)
    }
    bytes += count * 4
    return count
  }
}
