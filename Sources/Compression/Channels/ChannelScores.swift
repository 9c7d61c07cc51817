#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// How much each class of channels matters, by the root of the class; 0 where nothing makes the channels.
struct ChannelScores {
  private(set) var scores: [Double]
  private var counts: [Int]

  /// Throws `invalidArgument` when the criterion needs activations and there are none, `invalidGraph` for a score that is not finite.
  init(_ dependencies: ChannelDependencies, _ criterion: ChannelOptions.Criterion, _ activations: ChannelActivations?) throws(EdgeError) {
    scores = [Double](repeating: 0, count: dependencies.classes.count)
    counts = [Int](repeating: 0, count: dependencies.classes.count)
    if criterion == .scale {
      for node in dependencies.graph.nodes {
        if let factors = ChannelScores.factors(node, dependencies) { try add(factors, dependencies, node.outputs[0]) }
      }
    }
    let hasFactor = counts.map { $0 > 0 }
    for number in dependencies.layers {
      let node = dependencies.graph.nodes[number]
      let result = node.outputs[0]
      guard let axis = dependencies.axes[result] else { continue }
      if criterion == .activation {
        guard let activations else { throw EdgeError(.invalidArgument, "the criterion activation needs data to measure on") }
        try add(activations.means(result), dependencies, result)
      } else if !axis.labels.allSatisfy({ hasFactor[dependencies.classes.root($0)] }) {
        let norms = ChannelScores.norms(dependencies.graph.values[node.inputs[1]], rows: axis.labels.count, squares: criterion == .l2)
        try add(norms, dependencies, result, except: hasFactor)
      }
    }
    for index in scores.indices where counts[index] > 0 { scores[index] /= Double(counts[index]) }
  }

  /// Adds a number for each channel of a value, relative to their mean.
  private mutating func add(
    _ numbers: [Double], _ dependencies: ChannelDependencies, _ value: ValueID, except: [Bool] = []
  ) throws(EdgeError) {
    guard let axis = dependencies.axes[value], axis.labels.count == numbers.count else { return }
    var sum = 0.0
    for number in numbers { sum += number }
    guard sum.isFinite else {
      throw EdgeError(.invalidGraph, "what its channels are scored by is not finite", tensor: dependencies.graph.values[value].name)
    }
    let mean = sum > 0 ? sum / Double(numbers.count) : 1
    for (label, number) in zip(axis.labels, numbers) {
      let root = dependencies.classes.root(label)
      if !except.isEmpty, except[root] { continue }
      scores[root] += number / mean
      counts[root] += 1
    }
  }

  /// Magnitudes of the factors a node multiplies its channels by.
  private static func factors(_ node: Node, _ dependencies: ChannelDependencies) -> [Double]? {
    let values = dependencies.graph.values
    guard let axis = dependencies.axes[node.outputs[0]] else { return nil }
    func magnitudes(_ id: ValueID) -> [Double]? {
      guard let constant = values[id].constant, values[id].dtype == .float32, values[id].shape.elementCount() == axis.labels.count else {
        return nil
      }
      return constant.array(of: Float.self).map { Double($0.magnitude) }
    }
    switch node.op {
    case .batchNormalization: return magnitudes(node.inputs[1])
    case .binary(.multiply, _) where axis.labels.count > 1: return magnitudes(node.inputs[1]) ?? magnitudes(node.inputs[0])
    default: return nil
    }
  }

  /// Of each row of weights the sum of magnitudes, or the root of the sum of squares.
  private static func norms(_ weights: Value, rows: Int, squares: Bool) -> [Double] {
    var norms = [Double](repeating: 0, count: rows)
    guard let constant = weights.constant, let count = weights.shape.elementCount(), rows > 0 else { return norms }
    let columns = count / rows
    var place = constant.base
    for row in 0..<rows {
      var sum = 0.0
      let end = place + columns &* 4
      while place < end {
        let weight = Double(place.loadUnaligned(as: Float.self))
        sum += squares ? weight * weight : weight.magnitude
        place += 4
      }
      norms[row] = squares ? sum.squareRoot() : sum
    }
    return norms
  }
}
