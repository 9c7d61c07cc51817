#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What integer kernels can do with a node of a float graph.
enum IntegerSupport {
  /// Multiplies weights: the reason to quantize at all.
  case heavy
  /// Computes a result with parameters of its own.
  case light
  /// Moves data; the result has the parameters of the input.
  case moves
  /// Has an integer kernel, but 8 bits at one scale hold neither its results well nor what they are made of: what is
  /// near 0 matters. Norms, variances and exponentials are computed so.
  case spreads
  /// Only changes the width of floats.
  case converts
  /// No integer kernel, and why.
  case float(Text)

  /// `index`: the graph's.
  init(_ node: Node, in graph: Graph, _ index: GraphIndex) {
    if graph.changesFloatWidth(node) {
      self = .converts
      return
    }
    for value in node.inputs + node.outputs where value != Node.noValue && graph.values[value].dtype != .float32 {
      self = .float(Text("works on \(graph.values[value].dtype.name)"))
      return
    }
    switch node.op {
    case .convolution, .transposedConvolution, .dense:
      self = IntegerSupport.countsBits(node, in: graph, index)
        ? .float("its activations and weights are signs, which stay bits") : IntegerSupport.weighted(node, in: graph)
    case .unary(let function) where function.kind == .binarize:
      self = .float("its result is signs")
    case .matMul:
      self = .heavy
    case .binary(let function, _) where function.rawValue > BinaryFunction.prelu.rawValue:
      self = .float("has no integer kernel")
    case .unary, .binary, .softmax:
      self = IntegerSupport.spreads(node, in: graph) ? .spreads : .light
    case .pool(let pool):
      self = pool.kind == .max ? .moves : .light
    case .resize(let resize):
      self = resize.mode == .nearest ? .moves : .light
    case .reduce(let function, _, _):
      switch function {
      case .mean, .sum, .max, .min: self = .light
      default: self = .float("this reduction has no integer kernel")
      }
    case .pad(let mode, _, _, let value):
      self = mode == .constant && !value.isFinite ? .float("pads with a value that is not finite") : .moves
    case .concat, .split, .slice, .transpose, .reshape, .expand, .gather:
      self = .moves
    case .batchNormalization:
      self = .float("a batch normalization that no layer before it took in has no integer kernel")
    case .layerNormalization where graph.values[node.inputs[0]].shape.dims.last ?? 0 > Graph.longestIntegerRow:
      self = .float("its last axis is too long for sums of bytes")
    case .layerNormalization:
      self = node.inputs.dropFirst().allSatisfy { $0 == Node.noValue || graph.values[$0].constant.map(IntegerSupport.isFinite) == true }
        ? .light : .float("its scale or bias is not constant, or not all finite")
    case .localResponseNormalization:
      self = .float("local response normalization has no integer kernel")
    case .quantize, .dequantize, .requantize:
      self = .float("already a conversion")
    case .convolutionWeightGradient, .poolGradient, .batchStatistics, .batchNormalizationGradient, .optimizerStep, .random:
      self = .float("belongs to training")
    case .cast, .bitCast, .select, .scan, .take, .put, .topK, .recurrent, .nonZero, .crop, .unique, .nonMaxSuppression, .when,
      .otherwise, .merge, .loop, .next:
      self = .float("has no integer kernel")
    }
  }

  /// A layer that the planner runs on bits (`Runtime/Lowering/LowerBinary.swift`), which is faster than on bytes.
  private static func countsBits(_ node: Node, in graph: Graph, _ index: GraphIndex) -> Bool {
    switch node.op {
    case .convolution(let convolution) where convolution.groups == 1: break
    case .dense: break
    default: return false
    }
    return graph.holdsSigns(node.inputs[0], index) && node.input(1).map { graph.signRows($0) != nil } ?? false
  }

  private static func spreads(_ node: Node, in graph: Graph) -> Bool {
    switch node.op {
    case .unary(let function): return [.exp, .log, .sqrt, .reciprocal].contains(function.kind)
    case .binary(.power, _): return true
    case .binary(.multiply, _): return node.inputs[0] == node.inputs[1]
    case .binary(.divide, _): return graph.values[node.inputs[1]].constant == nil
    default: return false
    }
  }

  private static func weighted(_ node: Node, in graph: Graph) -> IntegerSupport {
    guard let weights = node.input(1), let data = graph.values[weights].constant else {
      return .float("its weights are not constant")
    }
    guard isFinite(data) else { return .float("its weights are not all finite") }
    if let bias = node.input(2) {
      guard let data = graph.values[bias].constant else { return .float("its bias is not constant") }
      guard isFinite(data) else { return .float("its bias is not all finite") }
    }
    return .heavy
  }

  private static func isFinite(_ data: TensorData) -> Bool {
    for index in 0..<data.byteCount / 4 where !data.base.loadUnaligned(fromByteOffset: index &* 4, as: Float.self).isFinite {
      return false
    }
    return true
  }
}

extension Node {
  /// Positions of the inputs that are activations, not weights or biases.
  var activationPositions: [Int] {
    switch op {
    case .convolution, .transposedConvolution, .dense: return input(3) == nil ? [0] : [0, 3]
    case .layerNormalization: return [0]
    default: return Array(inputs.indices)
    }
  }

  /// Those inputs, leaving out absent ones.
  var activations: [ValueID] { activationPositions.compactMap { input($0) } }
}
