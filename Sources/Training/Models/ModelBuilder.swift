#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The layers of the usual networks, appended to a graph one after another, with weights to begin training with.
///
/// Images are NHWC with a symbolic batch. Nothing is folded or fused: normalizations and activations are nodes of their own, as
/// training needs them; `Graph.optimized` makes the network fast afterwards. A node has the name it is given and so has its
/// result; constants are called after their layer: `conv1/weights`, `conv1/bias`, `conv1/bn/gamma`, `beta`, `mean`, `variance`.
///
/// A node reads `x`, the last one's result unless that is changed, and an error is kept for `finish`: code that mostly names
/// layers would otherwise be mostly passing of values and errors.
struct ModelBuilder {
  enum Padding {
    case valid
    /// ceil(size / stride) results; of an odd number of padded pixels one more lies at the end.
    case same
  }

  private var graph: Graph
  /// What the next node reads.
  var x: ValueID = 0
  /// Added to variances.
  var epsilon: Float = 1e-5
  /// What the scales of normalizations begin with.
  private let gamma: Float
  /// The last layer with weights, after which normalizations and activations are called.
  private var layer = Text()
  private var initializer: WeightInitializer
  /// Of all constants so far.
  private var bytes = 0
  /// Nothing is appended behind the first error.
  private var failure: EdgeError?

  init(name: Text, seed: UInt64, gamma: Float) {
    graph = Graph(name: name)
    initializer = WeightInitializer(seed: seed)
    self.gamma = gamma
  }

  /// The network's input, of these sizes behind the batch.
  mutating func input(_ dims: [Int]) {
    x = graph.addValue(Value(name: "input", dtype: .float32, shape: Shape([Shape.batch] + dims)))
    graph.inputs.append(x)
  }

  /// The network, whose result is `x`: scores of classes before any softmax. Throws the first error of a layer, naming it.
  mutating func finish() throws(EdgeError) -> Graph {
    if let failure { throw failure }
    graph.values[x].name = "logits"
    graph.outputs = [x]
    try graph.validate()
    return graph
  }

  /// Sizes of `x`.
  var dims: [Int] { graph.values[x].shape.dims }

  // MARK: Layers with weights

  /// A kernel of `kernel` rows and `kernelWidth`, or as many, columns. `depthwise`: one for each channel of x, which are then as
  /// many as `channels`.
  mutating func convolution(
    _ name: Text, _ channels: Int, kernel: Int, kernelWidth: Int? = nil, stride: Int = 1, padding: Padding = .same,
    depthwise: Bool = false, bias: Bool = true, scale: WeightInitializer.Scale = .he
  ) {
    guard failure == nil else { return }
    let dims = self.dims
    let width = kernelWidth ?? kernel
    var window = Window()
    (window.kernelHeight, window.kernelWidth) = (kernel, width)
    (window.strideHeight, window.strideWidth) = (stride, stride)
    if padding == .same {
      (window.padTop, window.padBottom) = pads(dims[1], kernel, stride)
      (window.padLeft, window.padRight) = pads(dims[2], width, stride)
    }
    let convolution = Convolution(window: window, groups: depthwise ? channels : 1)
    let shape = [channels, kernel, width, depthwise ? 1 : dims[3]]
    addLayer(.convolution(convolution), name, shape, bias, scale, fanOut: (depthwise ? 1 : channels) * kernel * width)
  }

  mutating func dense(_ name: Text, _ units: Int, bias: Bool = true, scale: WeightInitializer.Scale = .he) {
    guard failure == nil else { return }
    addLayer(.dense(.none), name, [units, dims[1]], bias, scale, fanOut: units)
  }

  /// Of the last layer, or of `name`'s result.
  mutating func normalization(of name: Text? = nil) {
    guard failure == nil else { return }
    let channels = dims[dims.count - 1]
    let name = (name ?? layer) + "/bn"
    var inputs = [x]
    addConstant(&inputs, name + "/gamma", channels, gamma)
    addConstant(&inputs, name + "/beta", channels, 0)
    addConstant(&inputs, name + "/mean", channels, 0)
    addConstant(&inputs, name + "/variance", channels, 1)
    add(.batchNormalization(epsilon: epsilon), name, inputs)
  }

  // MARK: The others

  /// Behind the last layer, or called after `name`.
  mutating func relu(_ name: Text? = nil) {
    add(.unary(UnaryFunction(.clamp, alpha: 0, beta: .infinity)), (name ?? layer) + "/relu", [x])
  }

  /// Normalized, then without what is negative.
  mutating func normalizedRelu() {
    normalization()
    relu()
  }

  /// -1 or +1: what the binary layer `name` multiplies (Rastegari et al. 2016).
  mutating func signs(_ name: Text) { add(.unary(UnaryFunction(.binarize)), name + "/binarize", [x]) }

  /// Unpadded squares. `ceil`: what is left at the end is a window, too.
  mutating func maxPool(_ name: Text, size: Int, stride: Int, ceil: Bool = false) {
    var pool = Pool(.max, window: ModelBuilder.window(size, size))
    (pool.window.strideHeight, pool.window.strideWidth) = (stride, stride)
    pool.ceilMode = ceil
    add(.pool(pool), name, [x])
  }

  /// [N, H, W, C] -> [N, C]
  mutating func globalAverage() {
    add(.pool(Pool(.average, window: ModelBuilder.window(dims[1], dims[2]))), "pool", [x])
    flatten()
  }

  /// [N, ...] -> [N, K]
  mutating func flatten() {
    add(.reshape(Shape([Shape.batch, graph.values[x].shape.elementCount() ?? 0])), "flatten", [x])
  }

  mutating func addition(_ name: Text, of a: ValueID, _ b: ValueID) { add(.binary(.add, .none), name, [a, b]) }

  /// Channels of both.
  mutating func concatenation(_ name: Text, of a: ValueID, _ b: ValueID) { add(.concat(axis: 3), name, [a, b]) }

  /// More channels, of zeros, behind those of x.
  mutating func padChannels(_ name: Text, _ more: Int) {
    add(.pad(.constant, before: [0, 0, 0, 0], after: [0, 0, 0, more], value: 0), name, [x])
  }

  // MARK: Nodes and constants

  private mutating func add(_ op: Operator, _ name: Text, _ inputs: [ValueID]) {
    guard failure == nil else { return }
    do throws(EdgeError) {
      x = try graph.addNode(op, name: name, inputs: inputs, outputNames: [name])[0]
    } catch {
      failure = error
    }
  }

  private mutating func addLayer(
    _ op: Operator, _ name: Text, _ shape: [Int], _ hasBias: Bool, _ scale: WeightInitializer.Scale, fanOut: Int
  ) {
    layer = name
    var inputs = [x]
    addConstant(&inputs, name + "/weights", Shape(shape)) { (builder, count) throws(EdgeError) in
      try builder.initializer.next(count, scale, fanIn: count / shape[0], fanOut: fanOut)
    }
    if hasBias { addConstant(&inputs, name + "/bias", shape[0], 0) }
    add(op, name, inputs)
  }

  /// As many times one number.
  private mutating func addConstant(_ inputs: inout [ValueID], _ name: Text, _ count: Int, _ value: Float) {
    addConstant(&inputs, name, Shape([count])) { (_, count) throws(EdgeError) in
      try TensorData([Float](repeating: value, count: count))
    }
  }

  /// A model that could not be read back from a file is not made.
  private mutating func addConstant(
    _ inputs: inout [ValueID], _ name: Text, _ shape: Shape, _ contents: (inout ModelBuilder, Int) throws(EdgeError) -> TensorData?
  ) {
    guard failure == nil else { return }
    let most = Limits().maximumTensorBytes
    do throws(EdgeError) {
      guard let count = shape.elementCount(), count <= (most - bytes) / 4 else {
        throw EdgeError(.limitExceeded, "the weights have more than \(most) bytes together", tensor: name)
      }
      bytes += count * 4
      inputs.append(graph.addValue(Value(name: name, dtype: .float32, shape: shape, constant: try contents(&self, count))))
    } catch {
      failure = error
    }
  }

  private static func window(_ height: Int, _ width: Int) -> Window {
    var window = Window()
    (window.kernelHeight, window.kernelWidth) = (height, width)
    return window
  }

  private func pads(_ size: Int, _ kernel: Int, _ stride: Int) -> (Int, Int) {
    let last = (size - 1) / stride * stride
    let total = max(last + kernel - size, 0)
    return (total / 2, total - total / 2)
  }
}
