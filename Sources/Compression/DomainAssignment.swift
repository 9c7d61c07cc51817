#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Decides for every node of a float graph whether it computes in integers, so that conversions between the two
/// are few:
///
/// - Nodes with weights, and others that compute, are integer where a kernel exists and nobody asked for float.
/// - Nodes that move data go with their input; when that is float or a graph input they go with their consumers,
///   so the conversion happens once and early.
/// - What belongs to a branch or a loop stays in float.
/// - Nodes without weights that lie between float nodes only would need two conversions each: they stay in float.
final class DomainAssignment {
  enum Domain: Equatable {
    case integer
    /// No kernel, or no range.
    case float(Text)
    /// The user asked for it.
    case requested(Text)
    /// The nodes around it are float.
    case follows(Text)
  }

  private let graph: Graph
  private let support: [IntegerSupport]
  private(set) var domains: [Domain]
  private var producers: [Int]
  private var consumers: [[Int]]

  /// `ranges`: of every value, constants included.
  init(_ graph: Graph, flow: ControlFlow, ranges: [ValueRange?], options: QuantizerOptions) {
    self.graph = graph
    support = graph.nodes.indices.map {
      flow.isControlled($0) ? .float("belongs to a branch or loop") : IntegerSupport(graph.nodes[$0], in: graph)
    }
    producers = [Int](repeating: -1, count: graph.values.count)
    consumers = [[Int]](repeating: [], count: graph.values.count)
    domains = []
    for (index, node) in graph.nodes.enumerated() {
      for output in node.outputs { producers[output] = index }
      for input in node.inputs where input != Node.noValue { consumers[input].append(index) }
      domains.append(DomainAssignment.initial(node, support[index], ranges, graph, options))
    }
    if options.keepsFirstFloat { keepFirst() }
    if options.keepsLastFloat { keepLast() }
    placeMoves()
    demoteIsolated()
  }

  func isInteger(_ node: Int) -> Bool { domains[node] == .integer }

  private static func initial(
    _ node: Node, _ support: IntegerSupport, _ ranges: [ValueRange?], _ graph: Graph, _ options: QuantizerOptions
  ) -> Domain {
    if let reason = options.requestedFloat(node) { return .requested(reason) }
    switch support {
    case .float(let reason): return .float(reason)
    case .converts: return .follows("")
    default: break
    }
    for value in node.activations where graph.values[value].constant != nil && ranges[value] == nil {
      return .float(Text("the constant \(graph.values[value].name) is not all finite"))
    }
    if case .moves = support { return .integer }
    var needed = node.activations
    if QuantizationParameters.natural(node.op) == nil { needed += node.outputs }
    for value in needed where ranges[value] == nil {
      return .float(Text("calibration saw no finite value of \(graph.values[value].name)"))
    }
    return .integer
  }

  // MARK: First and last layers

  private func isHeavy(_ node: Int) -> Bool {
    if case .heavy = support[node] { return true }
    return false
  }

  private func keepFirst() {
    var isPast = [Bool](repeating: false, count: graph.values.count)
    for (index, node) in graph.nodes.enumerated() {
      var past = false
      for value in node.activations where isPast[value] { past = true }
      if isHeavy(index), !past, isInteger(index) { domains[index] = .requested("kept in float as a first layer") }
      for output in node.outputs { isPast[output] = past || isHeavy(index) }
    }
  }

  private func keepLast() {
    var isBefore = [Bool](repeating: false, count: graph.values.count)
    for (index, node) in graph.nodes.enumerated().reversed() {
      var before = false
      for value in node.outputs where isBefore[value] { before = true }
      if isHeavy(index), !before, isInteger(index) { domains[index] = .requested("kept in float as a last layer") }
      for input in node.inputs where input != Node.noValue && (before || isHeavy(index)) { isBefore[input] = true }
    }
  }

  // MARK: Data movement

  private func moves(_ node: Int) -> Bool {
    if case .moves = support[node] { return true }
    return false
  }

  private func placeMoves() {
    let reason: Text = "moves data between float operators"
    var pending: [Int] = []
    for (index, node) in graph.nodes.enumerated() where moves(index) && isInteger(index) {
      var integers = 0
      var floats = 0
      for value in node.activations where graph.values[value].constant == nil {
        if producers[value] >= 0, isInteger(producers[value]) { integers += 1 } else { floats += 1 }
      }
      if integers > 0, floats == 0 || hasIntegerConsumer(node) { continue }
      // Several float inputs: one conversion of the result is less than one for each.
      domains[index] = .follows(reason)
      if floats == 1, integers == 0 { pending.append(index) }
    }
    for index in pending.reversed() where allConsumersInteger(graph.nodes[index]) { domains[index] = .integer }
  }

  private func hasIntegerConsumer(_ node: Node) -> Bool {
    for output in node.outputs {
      for consumer in consumers[output] where isInteger(consumer) { return true }
    }
    return false
  }

  private func allConsumersInteger(_ node: Node) -> Bool {
    for output in node.outputs {
      if consumers[output].isEmpty || graph.outputs.contains(output) { return false }
      for consumer in consumers[output] where !isInteger(consumer) { return false }
    }
    return true
  }

  // MARK: Lone operators

  /// Connected groups of integer nodes without weights whose every border is a float node turn float.
  private func demoteIsolated() {
    var visited = [Bool](repeating: false, count: graph.nodes.count)
    for start in graph.nodes.indices where isInteger(start) && !isHeavy(start) && !visited[start] {
      var group = [start]
      visited[start] = true
      var worthwhile = false
      var next = 0
      while next < group.count {
        let node = graph.nodes[group[next]]
        next += 1
        var neighbours: [Int] = []
        for value in node.activations where graph.values[value].constant == nil {
          if producers[value] < 0 { worthwhile = true } else { neighbours.append(producers[value]) }
        }
        for value in node.outputs {
          if graph.outputs.contains(value) || consumers[value].isEmpty { worthwhile = true }
          neighbours += consumers[value]
        }
        for neighbour in neighbours where isInteger(neighbour) {
          if isHeavy(neighbour) { worthwhile = true }
          if !isHeavy(neighbour), !visited[neighbour] {
            visited[neighbour] = true
            group.append(neighbour)
          }
        }
      }
      if worthwhile { continue }
      for member in group { domains[member] = .follows("lies between float operators: the conversions would cost more") }
    }
  }
}
