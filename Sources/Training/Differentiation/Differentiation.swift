#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension Graph {
  /// The graph with nodes behind its own that compute the gradient of a value with respect to others, by reverse accumulation.
  /// What they compute are ordinary values: the runtime plans and runs them as it does any others.
  ///
  /// Roundings (`round`, `floor`, `ceil`) count as the identity and `binarize` as a clamp to [-1, 1]: the straight-through
  /// estimator (Bengio et al. 2013), without which nothing could be learnt through them. Of a clamp's and a maximum's kinks the
  /// gradient is 0; of equal maxima of a pooling window the first one has it all.
  ///
  /// - Parameters:
  ///   - loss: a float32 value of one element.
  ///   - values: float32 values; one the loss does not depend on has a gradient of zeros.
  ///   - detached: values that count as constants, whatever they are made of.
  ///   - bifurcation: makes of the gradient of a layer's result the one that leads to what is below; that of the weights stays exact.
  /// - Returns: the graph, whose outputs are unchanged, and for each of `values` its gradient.
  /// - Throws: `invalidArgument` when the batch is symbolic or the loss is no number; `unsupportedOperator`, naming the node,
  ///   for an operator between loss and values whose gradient is not known.
  public func differentiated(
    _ loss: ValueID, of values: [ValueID], detached: [ValueID] = [], bifurcation: GradientBifurcation? = nil
  ) throws(EdgeError) -> (graph: Graph, gradients: [ValueID]) {
    for value in values {
      guard value >= 0, value < self.values.count, self.values[value].dtype == .float32 else {
        throw EdgeError(.invalidArgument, "there is no float32 value \(value)")
      }
    }
    for value in self.values where value.shape.hasBatch { throw EdgeError(.invalidArgument, "the batch must be known", tensor: value.name) }
    let differentiation = Differentiation(self, of: values, detached: detached, bifurcation)
    let gradients = try differentiation.run(from: loss, of: values)
    return (differentiation.graph, gradients)
  }
}

/// Gradients below layers that are not those of their weights (Banner et al. 2018): 8 bits, rounded stochastically, with the range of
/// the tensor. A rounding that is right on average leaves the direction of descent as it is.
public struct GradientBifurcation {
  public var seed: Int64
  /// int64 scalar: another one, other roundings.
  public var number: ValueID
  public init(seed: Int64, number: ValueID) {
    self.seed = seed
    self.number = number
  }
}

/// Walks the nodes of a graph backwards and appends those of the gradient. The rules stand in the other files of this folder.
final class Differentiation {
  var graph: Graph
  /// Nodes of the graph as it was given.
  private let nodeCount: Int
  /// For each value whether it depends on one that is asked for.
  private var isNeeded: [Bool]
  /// For each value its gradient so far.
  private var gradients: [ValueID]
  private let producers: [Int]
  /// The node whose rule is applied.
  private(set) var current = -1

  private let bifurcation: GradientBifurcation?

  /// Does not throw: Embedded Swift does not free the object of an initializer that does.
  fileprivate init(_ graph: Graph, of asked: [ValueID], detached: [ValueID], _ bifurcation: GradientBifurcation?) {
    self.graph = graph
    self.bifurcation = bifurcation
    nodeCount = graph.nodes.count
    producers = GraphIndex(graph).producers
    isNeeded = [Bool](repeating: false, count: graph.values.count)
    gradients = [ValueID](repeating: Node.noValue, count: graph.values.count)
    for value in asked { isNeeded[value] = true }
    var isDetached = [Bool](repeating: false, count: graph.values.count)
    for value in detached { isDetached[value] = true }
    for node in graph.nodes {
      var depends = false
      for input in node.inputs where input != Node.noValue && isNeeded[input] { depends = true }
      for output in node.outputs where depends && graph.values[output].dtype == .float32 && !isDetached[output] { isNeeded[output] = true }
    }
  }

  fileprivate func run(from loss: ValueID, of asked: [ValueID]) throws(EdgeError) -> [ValueID] {
    guard loss >= 0, loss < graph.values.count, graph.values[loss].dtype == .float32, graph.values[loss].shape.elementCount() == 1 else {
      throw EdgeError(.invalidArgument, "the loss must be a float32 value of one element")
    }
    gradients[loss] = try constant(1, shape(loss))
    for index in stride(from: nodeCount - 1, through: 0, by: -1) {
      current = index
      let node = graph.nodes[index]
      var isReached = false
      for output in node.outputs where isNeeded[output] && gradients[output] != Node.noValue { isReached = true }
      if isReached { try apply(node) }
    }
    current = -1
    var results: [ValueID] = []
    for value in asked { results.append(gradients[value] == Node.noValue ? try constant(0, shape(value)) : gradients[value]) }
    return results
  }

  // MARK: What rules ask

  func unsupported(_ message: Text) -> EdgeError {
    let node = graph.nodes[current]
    return EdgeError(.unsupportedOperator, "\(node.op.name): \(message)", node: node.name, nodeIndex: current)
  }

  func shape(_ value: ValueID) -> Shape { graph.values[value].shape }
  func count(_ value: ValueID) -> Int { shape(value).elementCount() ?? 0 }

  /// Whether an input is there and its gradient is wanted.
  func wants(_ node: Node, _ index: Int) -> ValueID? {
    guard let value = node.input(index), isNeeded[value] else { return nil }
    return value
  }

  /// The gradient of a node's result; zeros where none arrived.
  func gradient(_ node: Node, _ output: Int = 0) throws(EdgeError) -> ValueID {
    let value = node.outputs[output]
    if gradients[value] == Node.noValue { gradients[value] = try constant(0, shape(value)) }
    return gradients[value]
  }

  /// The node that makes a value.
  func producer(of value: ValueID) -> Node? { producers[value] >= 0 ? graph.nodes[producers[value]] : nil }

  /// Adds to a value's gradient.
  func contribute(_ gradient: ValueID, to value: ValueID) throws(EdgeError) {
    gradients[value] = gradients[value] == Node.noValue ? gradient : try add(gradients[value], gradient)
  }

  /// The gradient that goes below a layer.
  func below(_ g: ValueID) throws(EdgeError) -> ValueID {
    guard let bifurcation else { return g }
    let largest = try reduce(.max, try unary(.abs, g), Array(shape(g).dims.indices))
    // Where all are zero any step will do.
    let step = try scale(try append(.binary(.maximum, .none), [largest, try constant(1e-30, Shape([]))]), by: 1 / 127)
    let draw = try append(.random(seed: bifurcation.seed &+ Int64(graph.nodes.count)), [g, bifurcation.number])
    return try multiply(try unary(.floor, try add(try divide(g, step), draw)), step)
  }

  // MARK: Nodes

  /// Appends a node; its first result.
  func append(_ op: Operator, _ inputs: [ValueID]) throws(EdgeError) -> ValueID { try appendAll(op, inputs, 1)[0] }

  func appendAll(_ op: Operator, _ inputs: [ValueID], _ results: Int) throws(EdgeError) -> [ValueID] {
    let source = current >= 0 ? graph.nodes[current].name : Text("loss")
    let name = Text("gradient/\(source)/\(graph.nodes.count)")
    var names: [Text] = []
    for index in 0..<results { names.append(index == 0 ? name : Text("\(name):\(index)")) }
    return try graph.addNode(op, name: name, inputs: inputs, outputNames: names)
  }

  /// One number in every place of a shape.
  func constant(_ number: Float, _ shape: Shape) throws(EdgeError) -> ValueID {
    let scalar = try graph.addConstant(Text("gradient/constant/\(graph.values.count)"), .float32, Shape([]), [number])
    return shape.rank == 0 ? scalar : try append(.expand(shape), [scalar])
  }

  func add(_ a: ValueID, _ b: ValueID) throws(EdgeError) -> ValueID { try append(.binary(.add, .none), [a, b]) }
  func subtract(_ a: ValueID, _ b: ValueID) throws(EdgeError) -> ValueID { try append(.binary(.subtract, .none), [a, b]) }
  func multiply(_ a: ValueID, _ b: ValueID) throws(EdgeError) -> ValueID { try append(.binary(.multiply, .none), [a, b]) }
  func divide(_ a: ValueID, _ b: ValueID) throws(EdgeError) -> ValueID { try append(.binary(.divide, .none), [a, b]) }
  func scale(_ a: ValueID, by factor: Float) throws(EdgeError) -> ValueID { try multiply(a, constant(factor, Shape([]))) }
  func shift(_ a: ValueID, by number: Float) throws(EdgeError) -> ValueID { try add(a, constant(number, Shape([]))) }
  func unary(_ kind: UnaryFunction.Kind, _ a: ValueID) throws(EdgeError) -> ValueID { try append(.unary(UnaryFunction(kind)), [a]) }

  /// a where min < b < max, else 0.
  func gate(_ a: ValueID, by b: ValueID, _ min: Float, _ max: Float) throws(EdgeError) -> ValueID {
    try append(.binary(.gate, Clamp(min: min, max: max)), [a, b])
  }

  func reduce(_ function: ReduceFunction, _ a: ValueID, _ axes: [Int], keepDims: Bool = false) throws(EdgeError) -> ValueID {
    axes.isEmpty ? a : try append(.reduce(function, axes: axes, keepDims: keepDims), [a])
  }

  func reshape(_ a: ValueID, _ shape: Shape) throws(EdgeError) -> ValueID {
    self.shape(a) == shape ? a : try append(.reshape(shape), [a])
  }

  /// Sums over the axes along which a value of `shape` was broadcast.
  func unbroadcast(_ a: ValueID, to shape: Shape) throws(EdgeError) -> ValueID {
    let dims = self.shape(a).dims
    if dims == shape.dims { return a }
    let missing = dims.count - shape.rank
    var axes: [Int] = []
    for axis in dims.indices where axis < missing || shape[axis - missing] == 1 && dims[axis] != 1 { axes.append(axis) }
    return try reshape(try reduce(.sum, a, axes), shape)
  }

  /// The axes before the last one.
  func rows(_ value: ValueID) -> [Int] { Array(0..<max(shape(value).rank - 1, 0)) }

  // MARK: Rules

  private func apply(_ node: Node) throws(EdgeError) {
    switch node.op {
    case .convolution(let op): try differentiateConvolution(node, op)
    case .transposedConvolution(let op): try differentiateTransposedConvolution(node, op)
    case .dense(let clamp): try differentiateDense(node, clamp)
    case .matMul: try differentiateMatMul(node)
    case .batchNormalization(let epsilon): try differentiateBatchNormalization(node, epsilon)
    case .layerNormalization(let epsilon): try differentiateLayerNormalization(node, epsilon)
    case .localResponseNormalization(let size, let alpha, let beta, let bias):
      try differentiateLocalResponseNormalization(node, size, alpha, beta, bias)
    case .unary(let function): try differentiateUnary(node, function)
    case .binary(let function, let clamp): try differentiateBinary(node, function, clamp)
    case .select: try differentiateSelect(node)
    case .pool(let op): try differentiatePool(node, op)
    case .reduce(let function, let axes, _): try differentiateReduce(node, function, axes)
    case .softmax(let axis, let log): try differentiateSoftmax(node, axis, log)
    case .concat(let axis): try differentiateConcat(node, axis)
    case .split(let axis, _): try differentiateSplit(node, axis)
    case .slice(let starts, let ends, let steps): try differentiateSlice(node, starts, ends, steps)
    case .pad(let mode, let before, _, _): try differentiatePad(node, mode, before)
    case .transpose(let order): try differentiateTranspose(node, order)
    case .reshape: if let x = wants(node, 0) { try contribute(try reshape(try gradient(node), shape(x)), to: x) }
    case .expand: if let x = wants(node, 0) { try contribute(try unbroadcast(try gradient(node), to: shape(x)), to: x) }
    case .gather(let axis, let indices, let isScalar): try differentiateGather(node, axis, indices, isScalar)
    case .take(let indexing): try differentiateTake(node, indexing)
    // How statistics depend on their tensor is part of the rule of the normalization that reads them.
    case .batchStatistics: break
    default: throw unsupported("its gradient is not known")
    }
  }
}
