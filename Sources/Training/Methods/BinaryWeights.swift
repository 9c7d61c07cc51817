#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Binary and ternary weights (Rastegari et al. 2016; Li et al. 2016): layers read a sign for each weight times one scale for each
/// output channel. The exported model has just these, and with binary activations runs on the binary kernels.
public final class BinaryWeights: TrainingMethod {
  public enum Kind: UInt8, Sendable {
    /// alpha sign(w), alpha = mean |w|.
    case binary = 0
    /// The same, and what these layers read becomes signs too, in place of a ReLU there, which the exported model keeps (XNOR-Net). The
    /// model should normalize in front of each of them: the order batch normalization, sign, layer.
    case xnor
    /// 0 where |w| < 0.7 mean |w|, else a sign times the mean of the others' magnitudes.
    case ternary
  }

  public var kind = Kind.binary
  /// First and last layer stay float otherwise: little is saved there, and much lost.
  public var includesFirst = false
  public var includesLast = false

  public override var name: Text { "binary weights" }

  private var binary: [(parameter: Int, layer: TrainingGraph.Layer, scale: ValueID)] = []

  /// Layers whose weights become signs, of all that learn, in order.
  private func applies(_ index: Int, _ count: Int, isDepthwise: Bool) -> Bool {
    (includesFirst || index > 0) && (includesLast || index < count - 1) && !isDepthwise
  }

  public override func prepare(_ graph: Graph, _ options: TrainerOptions) throws(EdgeError) -> Graph {
    guard kind == .xnor else { return graph }
    var graph = graph
    var names = GraphNames(graph)
    let layers = graph.learningLayers(frozen: options.frozen)
    for (position, index) in layers.enumerated() where applies(position, layers.count, isDepthwise: graph.isDepthwise(index)) {
      let x = try graph.signSource(graph.nodes[index].inputs[0], of: index, &names)
      if let producer = graph.producer(of: x), case .unary(let function) = graph.nodes[producer].op, function.kind == .binarize { continue }
      let name = graph.nodes[index].name.extended(by: PartName.signs)
      graph.nodes[index].inputs[0] = try graph.addApart(.unary(UnaryFunction(.binarize)), name, x, &names)
    }
    return try graph.sorted()
  }

  public override func rewrite(_ step: TrainingGraph) throws(EdgeError) {
    var floats: [Int] = []
    for (position, layer) in step.layers.enumerated() where !applies(position, step.layers.count, isDepthwise: layer.isDepthwise) {
      floats.append(layer.weights)
    }
    for layer in step.weightLayers {
      // Weights that layers share are not made binary where one of the layers stays float.
      if floats.contains(layer.weights) { continue }
      let w = step.parameters[layer.weights].effective
      guard kind == .ternary || w == step.parameters[layer.weights].master else {
        throw EdgeError(.invalidArgument, "weights that another method changes have no signs of their own", node: layer.name)
      }
      let axes = step.rowAxes(layer)
      let magnitudes = try step.unary(.abs, w)
      let mean = try step.append(.reduce(.mean, axes: axes, keepDims: true), [magnitudes])
      var (scale, signs): (ValueID, ValueID)
      if kind == .ternary {
        let threshold = try step.binary(.maximum, try step.binary(.multiply, mean, try step.scalar(0.7)), try step.scalar(1e-12))
        let relative = try step.binary(.divide, w, threshold)
        let inside = try step.append(.binary(.gate, Clamp(min: -1, max: 1)), [relative, relative])
        signs = try step.unary(.sign, try step.binary(.subtract, relative, inside))
        let kept = try step.unary(.abs, signs)
        let sum = try step.append(.reduce(.sum, axes: axes, keepDims: true), [try step.binary(.multiply, kept, magnitudes)])
        let count = try step.append(.reduce(.sum, axes: axes, keepDims: true), [kept])
        scale = try step.binary(.divide, sum, try step.binary(.maximum, count, try step.scalar(1)))
      } else {
        (scale, signs) = (mean, try step.unary(.binarize, w))
      }
      step.replaceWeights(layer, with: try step.binary(.multiply, signs, scale), straightThrough: true)
      binary.append((layer.weights, layer, scale))
    }
    guard !binary.isEmpty else { throw EdgeError(.invalidArgument, "no layer between the first and the last can be binary") }
  }

  /// dC/dw = dC/dw~ (1/n + alpha [|w| < 1]) of a row with n weights.
  public override func adjustGradients(_ step: TrainingGraph) throws(EdgeError) {
    guard kind != .ternary else { return }
    for (parameter, layer, scale) in binary {
      let g = step.parameters[parameter].gradient
      let scaled = try step.binary(.multiply, g, scale)
      let inside = try step.append(.binary(.gate, Clamp(min: -1, max: 1)), [scaled, step.parameters[parameter].master])
      let share = try step.binary(.multiply, g, try step.scalar(1 / Float(max(layer.columns, 1))))
      step.parameters[parameter].gradient = try step.binary(.add, inside, share)
    }
  }

  /// Masters stay in [-1, 1], where their signs can still change.
  public override func adjustUpdates(_ step: TrainingGraph) throws(EdgeError) {
    for (parameter, _, _) in binary {
      step.parameters[parameter].update = try step.clamp(step.parameters[parameter].update, -1, 1)
    }
  }
}

extension Graph {
  /// What node `reader` takes the signs of in place of `x`: that without the ReLU that made it, since behind one all would be 1. Maxima
  /// of windows and reshaping change no order, so a ReLU in front of them goes too, where nobody else reads their result. Others go on
  /// reading what a ReLU made.
  fileprivate mutating func signSource(_ x: ValueID, of reader: Int, _ names: inout GraphNames) throws(EdgeError) -> ValueID {
    guard let producer = producer(of: x) else { return x }
    if case .unary(let function) = nodes[producer].op, function.kind == .clamp, function.alpha >= 0 { return nodes[producer].inputs[0] }
    if outputs.contains(x) { return x }
    var uses = 0
    for node in nodes { for input in node.inputs where input == x { uses += 1 } }
    let fused: Clamp, plain: Operator
    switch nodes[producer].op {
    case .convolution(var op):
      fused = op.clamp
      op.clamp = .none
      plain = .convolution(op)
    case .transposedConvolution(var op):
      fused = op.clamp
      op.clamp = .none
      plain = .transposedConvolution(op)
    case .dense(let clamp): (fused, plain) = (clamp, .dense(.none))
    case .binary(let function, let clamp) where function != .gate: (fused, plain) = (clamp, .binary(function, .none))
    case .pool(let op) where op.kind == .max && uses == 1:
      nodes[producer].inputs[0] = try signSource(nodes[producer].inputs[0], of: producer, &names)
      return x
    case .reshape where uses == 1:
      nodes[producer].inputs[0] = try signSource(nodes[producer].inputs[0], of: producer, &names)
      return x
    default: return x
    }
    guard fused.min >= 0 else { return x }
    nodes[producer].op = plain
    if uses == 1 { return x }
    let function = UnaryFunction(.clamp, alpha: fused.min, beta: fused.max)
    let clamped = try addApart(.unary(function), nodes[producer].name.extended(by: PartName.clamp), x, &names)
    for node in nodes.indices.dropLast() {
      for place in nodes[node].inputs.indices where nodes[node].inputs[place] == x && !(node == reader && place == 0) {
        nodes[node].inputs[place] = clamped
      }
    }
    return x
  }

  /// A node with the name, and a result with the name, or with one like it where that is there.
  fileprivate mutating func addApart(_ op: Operator, _ name: Text, _ x: ValueID, _ names: inout GraphNames) throws(EdgeError) -> ValueID {
    try addNode(op, name: names.nodes.insertApart(name), inputs: [x], outputNames: [names.values.insertApart(name)])[0]
  }
}
