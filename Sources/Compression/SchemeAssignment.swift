#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Chooses the parameters of every value that exists in integers.
///
/// Values connected by operators that move data form a class with one scheme: that of the value the data comes
/// from. A concatenation wants one scheme for all inputs and its result (the union of their ranges): a class that
/// goes nowhere else, or whose range would at most double, takes part in it; another one keeps its own scheme and
/// is requantized at the concatenation's input.
///
/// A range that was given is not changed by any of this. It is the class's where what is moved goes to that value and nowhere else: what
/// lies outside saturates before it is moved as it would afterwards. Where others read the class too, it may be too narrow for them: the
/// class keeps its own, as it does where that was given too.
final class SchemeAssignment {
  /// A range at most this much wider costs one bit: less than a requantization's extra rounding and step.
  private static let toleratedGrowth = 2.0

  private enum Scheme {
    case natural(Quantization)
    case range(ValueRange)
  }

  private let graph: Graph
  private var parents: [Int]
  private var schemes: [Scheme?]
  /// Of the classes' roots, as `schemes`.
  private var isKnown: [Bool]
  private var members: [[ValueID]]
  /// Of each node, whether it moves integers.
  private var moves: [Bool]

  /// `isInteger`: of each node, by `DomainAssignment`.
  init(_ graph: Graph, ranges: [ValueRange?], isKnown: [Bool], isInteger: (Int) -> Bool) {
    self.graph = graph
    self.isKnown = isKnown
    parents = Array(graph.values.indices)
    schemes = []
    members = []
    moves = [Bool](repeating: false, count: graph.nodes.count)
    for (value, range) in ranges.enumerated() {
      schemes.append(range.map { .range($0) })
      members.append([value])
    }
    var consumers = [[Int]](repeating: [], count: graph.values.count)
    for (index, node) in graph.nodes.enumerated() {
      for input in node.inputs where input != Node.noValue { consumers[input].append(index) }
    }
    let all = GraphIndex(graph)
    for (index, node) in graph.nodes.enumerated() where isInteger(index) {
      switch IntegerSupport(node, in: graph, all) {
      case .moves:
        moves[index] = true
        if case .concat = node.op {
          concatenate(index, node, consumers)
        } else if let input = node.input(0) {
          if case .pad(.constant, _, _, let value) = node.op { extend(input, to: value) }
          for output in node.outputs {
            if isKnown[root(output)] { saturate(root(input), as: root(output), movedBy: index, consumers) }
            join(output, into: input)
          }
        }
      default:
        for output in node.outputs where !isKnown[output] {
          if let natural = QuantizationParameters.natural(node.op) {
            schemes[output] = .natural(natural)
          } else if let range = ranges[output] {
            schemes[output] = .range(SchemeAssignment.clipped(range, node.op))
          }
        }
      }
    }
  }

  /// Parameters of a value; nil when calibration saw none of its values.
  func quantization(_ value: ValueID) -> Quantization? {
    switch schemes[root(value)] {
    case .natural(let quantization): return quantization
    case .range(let range): return QuantizationParameters.activation(range)
    case nil: return nil
    }
  }

  private static func clipped(_ range: ValueRange, _ op: Operator) -> ValueRange {
    switch op {
    case .convolution(let convolution): return range.clipped(min: convolution.clamp.min, max: convolution.clamp.max)
    case .transposedConvolution(let convolution): return range.clipped(min: convolution.clamp.min, max: convolution.clamp.max)
    case .binary(.gate, _): return range
    case .dense(let clamp), .binary(_, let clamp): return range.clipped(min: clamp.min, max: clamp.max)
    case .unary(let function) where function.kind == .clamp: return range.clipped(min: function.alpha, max: function.beta)
    default: return range
    }
  }

  // MARK: Classes

  private func root(_ value: ValueID) -> ValueID {
    var value = value
    while parents[value] != value { value = parents[value] }
    return value
  }

  private func join(_ value: ValueID, into other: ValueID) {
    let from = root(value)
    let to = root(other)
    guard from != to else { return }
    schemes[to] = schemes[to] ?? schemes[from]
    parents[from] = to
    members[to] += members[from]
    members[from] = []
  }

  /// Gives the class that a node moves data from the range that is known of the result.
  private func saturate(_ class_: ValueID, as result: ValueID, movedBy node: Int, _ consumers: [[Int]]) {
    guard class_ != result, !isKnown[class_], let known = schemes[result], graph.nodes[node].outputs.count == 1,
      goesOnly(to: node, class_, consumers, asItIs: true)
    else { return }
    (schemes[class_], isKnown[class_]) = (known, true)
  }

  private func range(_ scheme: Scheme) -> ValueRange {
    switch scheme {
    case .range(let range): return range
    case .natural(let quantization):
      let (scale, zero) = (quantization.scales[0], quantization.zeroPoints[0])
      return ValueRange(min: Float(0 &- zero) * scale, max: Float(255 &- zero) * scale)
    }
  }

  /// Makes room for a padding value that is near the range; one far away saturates instead of spoiling it.
  private func extend(_ value: ValueID, to element: Float) {
    let class_ = root(value)
    guard case .range(let old) = schemes[class_], !isKnown[class_] else { return }
    let extended = old.union(ValueRange(min: element, max: element))
    if element != 0, extended.widthWithZero <= old.widthWithZero * SchemeAssignment.toleratedGrowth { schemes[class_] = .range(extended) }
  }

  private func concatenate(_ index: Int, _ node: Node, _ consumers: [[Int]]) {
    let result = root(node.outputs[0])
    var union: ValueRange?
    var first: Quantization?
    var isUniform = true
    for input in node.activations {
      let class_ = root(input)
      guard let scheme = schemes[class_] else { continue }
      union = union.map { $0.union(range(scheme)) } ?? range(scheme)
      let own = quantization(class_)
      if let first, first != own { isUniform = false }
      first = first ?? own
    }
    guard let union, let source = node.input(0) else { return }
    if isKnown[result], quantization(result) != first { isUniform = false }
    if isUniform, let scheme = schemes[root(source)] {
      // Joining keeps later concatenations from taking them apart.
      schemes[result] = scheme
      for input in node.activations where graph.values[input].constant == nil {
        if isKnown[root(input)] { isKnown[result] = true }
        join(input, into: result)
      }
      return
    }
    if !isKnown[result] { schemes[result] = .range(union) }
    for input in node.activations {
      let class_ = root(input)
      guard class_ != root(result), graph.values[input].constant == nil, !isKnown[class_], case .range(let own) = schemes[class_] else { continue }
      let isNear = !isKnown[result] && union.widthWithZero <= own.widthWithZero * SchemeAssignment.toleratedGrowth
      if isNear || goesOnly(to: index, class_, consumers, asItIs: isKnown[result]) { join(class_, into: result) }
    }
  }

  /// All of a class's values end in one node. `asItIs`: nothing is computed with them on the way, which leads back into the class.
  private func goesOnly(to node: Int, _ class_: ValueID, _ consumers: [[Int]], asItIs: Bool = false) -> Bool {
    for member in members[class_] {
      if graph.outputs.contains(member) { return false }
      for consumer in consumers[member] where consumer != node {
        guard let output = graph.nodes[consumer].outputs.first, root(output) == class_, moves[consumer] || !asItIs else { return false }
      }
    }
    return true
  }
}
