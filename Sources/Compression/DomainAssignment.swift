#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Decides for every node of a float graph whether it computes in integers, so that conversions between the two
/// are few:
///
/// - Nodes with weights, and others that compute, are integer where a kernel exists and nobody asked for float.
/// - Nodes that move data go with their input; when that is float or a graph input they go with their consumers,
///   so the conversion happens once and early.
/// - A layer normalization is integer where an integer node makes its input.
/// - What belongs to a branch or a loop stays in float.
/// - So do infinities, ranges beyond the scales there are, and results that no single scale of 8 bits holds, with what computes
///   with them and what is computed for it alone: normalizations that are composed of other operators, masks of attention.
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

  /// `ranges`: of every value, constants included. `ignored`: how many of its numbers were not finite.
  init(_ graph: Graph, flow: ControlFlow, ranges: [ValueRange?], ignored: [Int], options: QuantizerOptions) {
    self.graph = graph
    let index = GraphIndex(graph)
    support = graph.nodes.indices.map {
      if flow.isControlled($0) { return .float("belongs to a branch or loop") }
      let support = IntegerSupport(graph.nodes[$0], in: graph, index)
      if case .light = support, DomainAssignment.masks(graph.nodes[$0], ranges, graph) { return .spreads }
      return support
    }
    producers = [Int](repeating: -1, count: graph.values.count)
    consumers = [[Int]](repeating: [], count: graph.values.count)
    domains = []
    for (index, node) in graph.nodes.enumerated() {
      for output in node.outputs { producers[output] = index }
      for input in node.inputs where input != Node.noValue { consumers[input].append(index) }
      domains.append(DomainAssignment.initial(node, support[index], ranges, ignored, graph, options))
    }
    keepSpread()
    keepNormalizations()
    if options.keepsFirstFloat { keepFirst() }
    if options.keepsLastFloat { keepLast() }
    placeMoves()
    demoteIsolated()
  }

  func isInteger(_ node: Int) -> Bool { domains[node] == .integer }

  private static func initial(
    _ node: Node, _ support: IntegerSupport, _ ranges: [ValueRange?], _ ignored: [Int], _ graph: Graph, _ options: QuantizerOptions
  ) -> Domain {
    if let reason = options.requestedFloat(node) { return .requested(reason) }
    switch support {
    case .float(let reason): return .float(reason)
    case .converts: return .follows("")
    case .spreads: return .float(tooSpread)
    default: break
    }
    for value in node.activations where graph.values[value].constant != nil && ranges[value] == nil {
      return .float(Text("the constant \(graph.values[value].name) is not all finite"))
    }
    for value in node.activations + node.outputs where ignored[value] > 0 {
      return .float(Text("calibration saw numbers of \(graph.values[value].name) that are not finite"))
    }
    if case .moves = support { return .integer }
    var needed = node.activations
    if QuantizationParameters.natural(node.op) == nil { needed += node.outputs }
    for value in needed where ranges[value] == nil {
      return .float(Text("calibration saw no finite value of \(graph.values[value].name)"))
    }
    // A small constant that is added, as against a division by 0, may round to 0; one that multiplies may not.
    var addsConstants = false
    if case .binary(let function, _) = node.op { addsConstants = function != .multiply && function != .divide }
    // Rows of weights have scales of their own, as small as need be.
    let weights = node.op.isLayer ? node.inputs[1] : Node.noValue
    if weights != Node.noValue { needed.append(weights) }
    for value in needed where !addsConstants || graph.values[value].constant == nil {
      guard let range = ranges[value], !QuantizationParameters.hasScale(range) else { continue }
      let isNarrow = range.widthWithZero < 1
      if isNarrow, value == weights { continue }
      let what: Text = isNarrow ? "narrow" : "wide"
      return .float(Text("the range of \(graph.values[value].name) is too \(what) for a scale of 8 bits"))
    }
    // Differences of 8 are all or nothing to it, and a step would be more.
    if case .softmax = node.op, let range = ranges[node.inputs[0]], range.widthWithZero > 2048 {
      return .float("its input has too wide a range for 8 bits")
    }
    return .integer
  }

  // MARK: Numbers of different sizes

  private static var tooSpread: Text { "8 bits do not hold numbers of such different sizes" }

  /// Whether one operand of a sum is so large that the other, a result, is less than a step of 8 bits: a mask.
  private static func masks(_ node: Node, _ ranges: [ValueRange?], _ graph: Graph) -> Bool {
    guard case .binary(let function, _) = node.op, function == .add || function == .subtract, let result = ranges[node.outputs[0]]
    else { return false }
    for value in node.inputs where graph.values[value].constant == nil {
      if let width = ranges[value]?.widthWithZero, width > 0, width * 255 < result.widthWithZero { return true }
    }
    return false
  }

  /// Keeps in float what computes with results that 8 bits do not hold, and what is computed for such operators alone.
  private func keepSpread() {
    var isSpread = [Bool](repeating: false, count: graph.values.count)
    var isKept = [Bool](repeating: false, count: graph.nodes.count)
    for (index, node) in graph.nodes.enumerated() {
      let takesSpread = node.activations.contains { isSpread[$0] }
      var makesSpread = false
      switch support[index] {
      case .spreads: (isKept[index], makesSpread) = (true, true)
      case .moves: makesSpread = takesSpread
      case .light where takesSpread && isInteger(index):
        domains[index] = .float(DomainAssignment.tooSpread)
        isKept[index] = true
      default: break
      }
      for output in node.outputs { isSpread[output] = makesSpread }
    }
    for (index, node) in graph.nodes.enumerated().reversed() where isInteger(index) && !isHeavy(index) {
      let isForKept = node.outputs.allSatisfy { output in
        !consumers[output].isEmpty && !graph.outputs.contains(output) && consumers[output].allSatisfy { isKept[$0] }
      }
      if isForKept {
        domains[index] = .follows("is computed for operators that stay in float for precision")
        isKept[index] = true
      }
    }
  }

  /// Each row of a normalization has a size of its own, and 8 bits for the whole tensor would leave little of small rows. Where
  /// an integer operator makes the input that has happened already; an input in float stays so.
  private func keepNormalizations() {
    for (index, node) in graph.nodes.enumerated() where isInteger(index) {
      guard case .layerNormalization = node.op else { continue }
      var producer = producers[node.inputs[0]]
      while producer >= 0, moves(producer), let x = graph.nodes[producer].activations.first { producer = producers[x] }
      if producer < 0 || !isInteger(producer) { domains[index] = .float(DomainAssignment.tooSpread) }
    }
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
