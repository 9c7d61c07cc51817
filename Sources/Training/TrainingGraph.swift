#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The graph of a training step while it is put together: forward nodes of a model with a fixed batch, whose constants have become
/// parameters, then loss, gradients and updates.
///
/// Methods work on it. A parameter is an input that keeps its value between steps (state); `effective` is what the layers read
/// in its place. A kept input is one the trainer fills, once or before some steps, and nodes do not change.
public final class TrainingGraph {
  public struct Parameter {
    /// The constant's, in the model.
    public let name: Text
    /// The state, which the optimizer changes.
    public let master: ValueID
    /// What layers read: the master, or a function of it.
    public var effective: ValueID
    /// The value whose gradient is taken for the master's.
    public var leaf: ValueID
    public var decays: Bool
    /// Factor of the learning rate.
    public var rate: Float = 1
    /// After differentiation.
    public var gradient = Node.noValue
    /// What the optimizer keeps of it: states.
    var moments: [ValueID] = []
    /// After the optimizer.
    public var update = Node.noValue
    /// The constant in the model; `noValue` for one that a method added.
    let model: ValueID
  }

  /// A convolution, transposed convolution or dense layer that learns.
  public struct Layer {
    /// Its operator's in the model; others may have the same.
    public let name: Text
    /// Its node's in the step, which no other has.
    public let node: Text
    /// Indices into `parameters`.
    public let weights: Int
    public let bias: Int?
    /// Rows of the weights, one for each output channel, and weights of a row.
    public let rows: Int
    public let columns: Int
    public let isDepthwise: Bool
  }

  struct State {
    /// In a checkpoint, where no other state or kept input has it.
    let name: Text
    let input: ValueID
    let initial: TensorData?
    var output = Node.noValue
  }

  struct KeptInput {
    let name: Text
    let input: ValueID
    let initial: TensorData?
  }

  public var graph: Graph
  public let options: TrainerOptions
  public var parameters: [Parameter] = []
  public private(set) var layers: [Layer] = []
  /// The layers whose weights no earlier one has: the first readers of each.
  public private(set) var weightLayers: [Layer] = []
  private(set) var states: [State] = []
  private(set) var kept: [KeptInput] = []
  /// Names that a checkpoint has.
  private var savedNames = TextMap()
  /// Running statistics: states that stand for constants of the model.
  private(set) var statistics: [(model: ValueID, state: ValueID)] = []
  private var running: [(normalization: Text, mean: ValueID, variance: ValueID)] = []
  /// Layers whose first operand is dropped, by their results, with the seeds of their draws.
  private var dropped: [(layer: ValueID, seed: Int64)] = []
  /// The range that is learnt of what a layer (by its name in the model) reads: two states.
  var ranges: [(layer: Text, least: ValueID, most: ValueID)] = []
  /// Number of the step (int64), and the rates of `OptimizerStep`.
  public private(set) var number = Node.noValue
  var rates = Node.noValue
  var targets = Node.noValue
  var logits = Node.noValue
  var loss = Node.noValue
  /// Sum of the squares of all parameters as the optimizer leaves them: finite as long as they are.
  var size = Node.noValue
  /// Values whose makers are not differentiated.
  var detached: [ValueID] = []
  /// See `Graph.differentiated`.
  public var bifurcation: GradientBifurcation?
  /// Inputs of the model.
  let modelInputs: [ValueID]

  /// The forward part: `model` with `options.batch` samples. Identifiers of the model's values stay.
  static func make(_ model: Graph, _ options: TrainerOptions) throws(EdgeError) -> TrainingGraph {
    let step = TrainingGraph(try model.withFixedBatch(options.batch), options)
    try step.begin(model)
    return step
  }

  /// Does not throw: Embedded Swift does not free the object of an initializer that does.
  private init(_ graph: Graph, _ options: TrainerOptions) {
    self.graph = graph
    self.options = options
    modelInputs = graph.inputs
  }

  private func begin(_ model: Graph) throws(EdgeError) {
    guard model.states.isEmpty else { throw EdgeError(.unsupportedFeature, "models with state cannot be trained") }
    guard model.outputs.count == 1, let output = model.outputs.first, graph.values[output].dtype == .float32 else {
      throw EdgeError(.unsupportedFeature, "training needs a model with one float32 output; this one has \(model.outputs.count) outputs")
    }
    for input in model.inputs where model.values[input].shape.hasBatch != model.values[output].shape.hasBatch {
      throw EdgeError(
        .unsupportedFeature, "training needs the batch in all inputs and the output, or in none", tensor: model.values[input].name)
    }
    let names = graph.nodes.map { $0.name }
    let isFrozen = names.map { options.frozen.contains($0) }
    let learning = graph.learningLayers(frozen: options.frozen)
    nameNodesApart()
    graph.outputs = []
    number = try addKept("number", .int64, Shape([]), nil)
    rates = try addKept("rates", .float32, Shape([8]), nil)
    // Neither is in a checkpoint: others may have their names there.
    savedNames = TextMap()
    try findParameters(names, learning, isFrozen)
    try normalizeByBatch(isFrozen)
    logits = output
    // The loss takes the logarithm of probabilities itself.
    if options.loss == .crossEntropy, let producer = graph.producer(of: output), case .softmax(let axis, false) = graph.nodes[producer].op,
      axis == graph.values[output].shape.rank - 1
    {
      logits = graph.nodes[producer].inputs[0]
    }
    if options.dropout > 0 {
      for (index, node) in graph.nodes.enumerated() {
        guard case .dense = node.op, let x = node.input(0), !graph.inputs.contains(x) else { continue }
        dropped.append((layer: node.outputs[0], seed: options.seed &+ Int64(index) &+ 1))
      }
    }
  }

  /// Layers are found by their nodes' names.
  private func nameNodesApart() {
    var names = TextMap()
    // All have their names first, so that a second one's new name is no later node's.
    let repeated = graph.nodes.indices.filter { !names.insert(graph.nodes[$0].name) }
    for index in repeated { graph.nodes[index].name = names.insertApart(graph.nodes[index].name) }
  }

  // MARK: What methods ask

  public func shape(_ value: ValueID) -> Shape { graph.values[value].shape }

  @discardableResult
  public func append(_ op: Operator, _ inputs: [ValueID], _ name: Text = "training") throws(EdgeError) -> ValueID {
    let name = Text("\(name)/\(graph.nodes.count)")
    return try graph.addNode(op, name: name, inputs: inputs, outputNames: [name])[0]
  }

  public func binary(_ function: BinaryFunction, _ a: ValueID, _ b: ValueID) throws(EdgeError) -> ValueID {
    try append(.binary(function, .none), [a, b])
  }
  public func unary(_ kind: UnaryFunction.Kind, _ a: ValueID) throws(EdgeError) -> ValueID {
    try append(.unary(UnaryFunction(kind)), [a])
  }
  public func clamp(_ a: ValueID, _ low: Float, _ high: Float) throws(EdgeError) -> ValueID {
    try append(.unary(UnaryFunction(.clamp, alpha: low, beta: high)), [a])
  }
  public func scalar(_ number: Float) throws(EdgeError) -> ValueID {
    try graph.addConstant(Text("training/constant/\(graph.values.count)"), .float32, Shape([]), [number])
  }

  /// The layer's effective weights become another value.
  public func replaceWeights(_ layer: Layer, with value: ValueID, straightThrough: Bool) {
    replace(parameter: layer.weights, with: value, straightThrough: straightThrough)
  }

  /// What reads a parameter reads another value, made from its effective one, from now on. `straightThrough`: the new value's
  /// gradient is the parameter's, whatever the function between them.
  public func replace(parameter index: Int, with value: ValueID, straightThrough: Bool) {
    let old = parameters[index].effective
    redirect(old, to: value)
    parameters[index].effective = value
    if straightThrough { parameters[index].leaf = value }
  }

  /// Nodes that read a value read another one, apart from those that make the other one of it.
  public func redirect(_ old: ValueID, to new: ValueID) {
    let makers = ancestors(of: new)
    for node in graph.nodes.indices where !makers[node] {
      for input in graph.nodes[node].inputs.indices where graph.nodes[node].inputs[input] == old { graph.nodes[node].inputs[input] = new }
    }
    if logits == old { logits = new }
  }

  /// Layers that learn read another value as their first operand.
  public func redirectLayers(_ old: ValueID, to new: ValueID) {
    for layer in layers {
      for index in graph.nodes.indices where graph.nodes[index].name == layer.node && graph.nodes[index].inputs[0] == old {
        graph.nodes[index].inputs[0] = new
      }
    }
  }

  private func ancestors(of value: ValueID) -> [Bool] {
    let producers = GraphIndex(graph).producers
    var marks = [Bool](repeating: false, count: graph.nodes.count)
    var open = [value]
    while let value = open.popLast() {
      let node = producers[value]
      if node < 0 || marks[node] { continue }
      marks[node] = true
      for input in graph.nodes[node].inputs where input != Node.noValue { open.append(input) }
    }
    return marks
  }

  /// A value that the optimizer changes, beside the model's parameters.
  public func addParameter(_ name: Text, _ shape: Shape, _ initial: [Float], decays: Bool) throws(EdgeError) -> Int {
    try addParameter(name, shape, try TensorData(initial), decays: decays, model: Node.noValue)
  }

  /// An input that the trainer keeps; zeros without `initial`.
  public func addKept(_ name: Text, _ dtype: DType, _ shape: Shape, _ initial: TensorData?) throws(EdgeError) -> ValueID {
    let name = savedName(name)
    let value = graph.addValue(Value(name: name, dtype: dtype, shape: shape))
    kept.append(KeptInput(name: name, input: value, initial: initial))
    return value
  }

  /// A float32 value that one step leaves to the next; `setState` says what it becomes.
  public func addState(_ name: Text, _ shape: Shape, _ initial: TensorData?) throws(EdgeError) -> ValueID {
    let name = savedName(name)
    let value = graph.addValue(Value(name: name, dtype: .float32, shape: shape))
    states.append(State(name: name, input: value, initial: initial))
    return value
  }

  /// The name, or one like it where another state or kept input has it, or no file may have it.
  private func savedName(_ name: Text) -> Text { savedNames.insertApart(name.isEmpty ? "state" : name.extended(by: "")) }

  public func setState(_ input: ValueID, to output: ValueID) {
    for index in states.indices where states[index].input == input { states[index].output = output }
  }

  /// The optimizer changes another value in a parameter's place, of which `function` makes what is read.
  public func become(
    parameter index: Int, _ name: Text, _ shape: Shape, _ initial: [Float], _ function: (ValueID) throws(EdgeError) -> ValueID
  ) throws(EdgeError) {
    let old = parameters[index]
    guard old.effective == old.master else {
      throw EdgeError(.invalidArgument, "another method reads '\(old.name)' already; this one must come before it", tensor: old.name)
    }
    let master = try addState(name, shape, try TensorData(initial))
    let value = try function(master)
    redirect(old.effective, to: value)
    states.removeAll { $0.input == old.master }
    parameters[index] = Parameter(
      name: name, master: master, effective: value, leaf: master, decays: old.decays, rate: old.rate, model: old.model)
  }

  /// The value, as a constant to the gradient.
  public func detach(_ value: ValueID) -> ValueID {
    detached.append(value)
    return value
  }

  /// The running mean and variance that belong to a batch normalization of the model; nil for one that is frozen.
  func runningStatistics(_ normalization: Node) -> (mean: ValueID, variance: ValueID)? {
    for entry in running where entry.normalization == normalization.name { return (entry.mean, entry.variance) }
    return nil
  }

  /// A float32 scalar that the trainer keeps.
  public func addKeptScalar(_ name: Text, _ initial: Float) throws(EdgeError) -> ValueID {
    try addKept(name, .float32, Shape([]), try TensorData([initial]))
  }

  /// Initial contents of a parameter.
  public func initialValues(_ parameter: Int) -> [Float] {
    for state in states where state.input == parameters[parameter].master { return state.initial?.array(of: Float.self) ?? [] }
    return []
  }

  // MARK: Parameters

  private func addParameter(
    _ name: Text, _ shape: Shape, _ initial: TensorData, decays: Bool, model: ValueID
  ) throws(EdgeError) -> Int {
    let master = try addState(name, shape, initial)
    parameters.append(Parameter(name: name, master: master, effective: master, leaf: master, decays: decays, model: model))
    return parameters.count - 1
  }

  /// The parameter that a value is, and the first node that learns it.
  private typealias Place = (parameter: Int, learner: Int)

  /// The parameter that an operand is, or becomes; nil for what is no float32 constant.
  private func parameter(_ places: inout [Place?], _ node: Int, _ position: Int, decays: Bool) throws(EdgeError) -> Int? {
    guard let value = graph.nodes[node].input(position), let constant = graph.values[value].constant, graph.values[value].dtype == .float32
    else { return nil }
    if let place = places[value] { return place.parameter }
    let made = try addParameter(graph.values[value].name, shape(value), constant, decays: decays, model: value)
    places[value] = (made, node)
    return made
  }

  /// `names`: of the model's operators, which the nodes still are, in order. `learning`: the layers among them that learn.
  private func findParameters(_ names: [Text], _ learning: [Int], _ isFrozen: [Bool]) throws(EdgeError) {
    var places = [Place?](repeating: nil, count: graph.values.count)
    for (index, node) in graph.nodes.enumerated() where !isFrozen[index] {
      switch node.op {
      case .batchNormalization, .layerNormalization:
        _ = try parameter(&places, index, 1, decays: false)
        _ = try parameter(&places, index, 2, decays: false)
        continue
      case .matMul:
        _ = try parameter(&places, index, 0, decays: true)
        _ = try parameter(&places, index, 1, decays: true)
        continue
      case .binary(.prelu, _):
        _ = try parameter(&places, index, 1, decays: false)
        continue
      case .quantize, .dequantize, .requantize:
        throw EdgeError(.unsupportedFeature, "quantized models cannot be trained", node: node.name, nodeIndex: index)
      default: break
      }
      guard learning.contains(index), let weights = try parameter(&places, index, 1, decays: true) else { continue }
      let bias = try parameter(&places, index, 2, decays: false)
      let dims = shape(parameters[weights].master).dims
      let rows = max(dims[0], 1)
      let layer = Layer(
        name: names[index], node: node.name, weights: weights, bias: bias, rows: rows,
        columns: (shape(parameters[weights].master).elementCount() ?? 0) / rows, isDepthwise: graph.isDepthwise(index))
      if !layers.contains(where: { $0.weights == weights }) { weightLayers.append(layer) }
      layers.append(layer)
    }
    for index in graph.nodes.indices where isFrozen[index] {
      for value in graph.nodes[index].inputs where value != Node.noValue {
        guard let place = places[value] else { continue }
        let (name, tensor) = (names[index], graph.values[value].name)
        throw EdgeError(
          .invalidArgument, "'\(name)' is frozen and reads '\(tensor)', which '\(names[place.learner])' learns: freeze both or neither",
          node: name, nodeIndex: index, tensor: tensor)
      }
    }
    guard !parameters.isEmpty else { throw EdgeError(.invalidArgument, "the model has no parameters to train") }
    for node in graph.nodes.indices {
      for input in graph.nodes[node].inputs.indices {
        let value = graph.nodes[node].inputs[input]
        if value != Node.noValue, value < places.count, let place = places[value] {
          graph.nodes[node].inputs[input] = parameters[place.parameter].master
        }
      }
    }
  }

  /// Batch normalizations take the statistics of their batch and leave running ones for the exported model (Ioffe and Szegedy 2015).
  private func normalizeByBatch(_ isFrozen: [Bool]) throws(EdgeError) {
    for index in isFrozen.indices where !isFrozen[index] {
      guard case .batchNormalization = graph.nodes[index].op else { continue }
      let node = graph.nodes[index]
      let (mean, variance) = (node.inputs[3], node.inputs[4])
      guard let means = graph.values[mean].constant, let variances = graph.values[variance].constant else {
        throw EdgeError(.unsupportedFeature, "the running statistics are not constant", node: node.name, nodeIndex: index)
      }
      let x = shape(node.inputs[0])
      let count = (x.elementCount() ?? 0) / max(x.dims.last ?? 1, 1)
      let names = [Text("\(node.name)/batch mean"), Text("\(node.name)/batch variance")]
      let batch = try graph.addNode(.batchStatistics, name: Text("\(node.name)/statistics"), inputs: [node.inputs[0]], outputNames: names)
      graph.nodes[index].inputs[3] = batch[0]
      graph.nodes[index].inputs[4] = batch[1]
      // What runs is the variance of the population that the batch is a sample of.
      let unbiased = count > 1 ? Float(count) / Float(count - 1) : 1
      for (model, initial, new, factor) in [(mean, means, batch[0], 1), (variance, variances, batch[1], unbiased)] {
        let state = try addState(graph.values[model].name, shape(model), initial)
        let past = try binary(.multiply, state, try scalar(options.normalizationMomentum))
        let present = try binary(.multiply, new, try scalar((1 - options.normalizationMomentum) * factor))
        setState(state, to: try binary(.add, past, present))
        statistics.append((model: model, state: state))
      }
      running.append((node.name, statistics[statistics.count - 2].state, statistics[statistics.count - 1].state))
    }
    graph = try graph.sorted()
  }

  /// After methods have rewritten the step: what they round in front of a layer is what the layer of the exported model reads, before
  /// something of it is dropped.
  func dropOut() throws(EdgeError) {
    let keep = 1 - options.dropout
    for (layer, seed) in dropped {
      guard let index = graph.producer(of: layer), let x = graph.nodes[index].input(0) else { continue }
      let draw = try append(.random(seed: seed), [x, number], "dropout")
      let scaled = try binary(.multiply, x, try scalar(1 / keep))
      graph.nodes[index].inputs[0] = try append(.binary(.gate, Clamp(min: -.infinity, max: keep)), [scaled, draw], "dropout")
    }
  }
}
