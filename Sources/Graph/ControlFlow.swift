/// How the nodes between control operators nest. A branch or a loop is a stretch of the one list of nodes:
///
///     When c                       Loop (iterations, c, s0) -> number, s
///       nodes that run if c          nodes that run once for each iteration
///     Otherwise (results)          Next (c, new s, elements) -> last s, stacked elements
///       nodes that run if not c
///     Merge (results) -> y
///
/// A value made inside can be used inside only, so every pass that puts a node where another one stands keeps to
/// one rule: what a node reads is made before it, in its own block or in one around it.
public struct ControlFlow {
  /// Branches and loops inside one another.
  public static let maximumDepth = 16

  public struct Construct {
    /// The `when` or `loop`.
    public var begin: Int
    /// The `otherwise`; -1 in a loop.
    public var middle = -1
    /// The `merge` or `next`.
    public var end = -1
  }

  /// In the order of their beginnings.
  public private(set) var constructs: [Construct] = []
  /// For each node the construct it begins, divides or ends, or -1.
  public private(set) var markers: [Int]
  /// For each node its block: 0 is the graph's own; each branch and each loop's body is one. A construct's
  /// markers are in the block around it.
  public private(set) var blocks: [Int]

  /// Throws `invalidGraph` where the operators do not pair, `limitExceeded` where they nest too deep.
  public init(_ graph: Graph) throws(EdgeError) {
    markers = [Int](repeating: -1, count: graph.nodes.count)
    blocks = [Int](repeating: 0, count: graph.nodes.count)
    var open: [(construct: Int, block: Int)] = []
    var blockCount = 1
    for (index, node) in graph.nodes.enumerated() {
      func failure(_ message: Text) -> EdgeError {
        EdgeError(.invalidGraph, "\(node.op.name): \(message)", node: node.name, nodeIndex: index)
      }
      blocks[index] = open.last?.block ?? 0
      switch node.op {
      case .when, .loop:
        guard open.count < ControlFlow.maximumDepth else {
          throw EdgeError(
            .limitExceeded, "branches and loops nest more than \(ControlFlow.maximumDepth) deep", node: node.name, nodeIndex: index)
        }
        markers[index] = constructs.count
        open.append((constructs.count, blockCount))
        blockCount += 1
        constructs.append(Construct(begin: index))
      case .otherwise, .merge, .next:
        guard let (construct, _) = open.popLast() else { throw failure("no branch or loop is open") }
        markers[index] = construct
        blocks[index] = open.last?.block ?? 0
        var isLoop = false
        if case .loop = graph.nodes[constructs[construct].begin].op { isLoop = true }
        if case .otherwise = node.op {
          guard !isLoop, constructs[construct].middle < 0 else { throw failure("no branch is open") }
          constructs[construct].middle = index
          open.append((construct, blockCount))
          blockCount += 1
          continue
        }
        if case .merge = node.op {
          guard constructs[construct].middle >= 0 else { throw failure("there is no second branch before it") }
        } else if !isLoop {
          throw failure("no loop is open")
        }
        constructs[construct].end = index
      default: break
      }
    }
    if let (construct, _) = open.last {
      let begin = constructs[construct].begin
      throw EdgeError(.invalidGraph, "the branch or loop has no end", node: graph.nodes[begin].name, nodeIndex: begin)
    }
  }

  /// The node lies in a branch or loop, or is one of the operators that make them.
  public func isControlled(_ node: Int) -> Bool { blocks[node] != 0 || markers[node] >= 0 }

  /// For each node others that it must follow besides the makers of its inputs, so that a construct stays in one
  /// piece. `producers` as in `GraphIndex`.
  func orderings(_ graph: Graph, producers: [Int]) -> [[Int]] {
    var result = [[Int]](repeating: [], count: graph.nodes.count)
    for construct in constructs {
      let (begin, middle, end) = (construct.begin, construct.middle, construct.end)
      for node in begin + 1...end {
        for input in graph.nodes[node].inputs where input >= 0 && input < producers.count {
          let producer = producers[input]
          if producer >= 0, producer < begin || producer > end { result[begin].append(producer) }
        }
        result[node].append(middle >= 0 && node > middle ? middle : begin)
        if node < middle { result[middle].append(node) }
        if node < end { result[end].append(node) }
      }
    }
    return result
  }
}

extension Graph {
  /// Checks what the operators of one construct say about each other. The nodes are valid one by one.
  func validateControlFlow(_ flow: ControlFlow) throws(EdgeError) {
    for construct in flow.constructs {
      let begin = nodes[construct.begin]
      let end = nodes[construct.end]
      func failure(_ status: Status, _ message: Text, _ tensor: Text = "") -> EdgeError {
        EdgeError(status, "\(end.op.name): \(message)", node: end.name, nodeIndex: construct.end, tensor: tensor)
      }
      func match(_ first: [ValueID], _ second: [ValueID], _ what: Text) throws(EdgeError) {
        guard first.count == second.count else { throw failure(.invalidGraph, "\(first.count) \(what), then \(second.count)") }
        for (a, b) in zip(first, second) {
          guard values[a].shape == values[b].shape else {
            throw failure(
              .shapeMismatch, "\(what) have shape \(values[a].shape.text), then \(values[b].shape.text)", values[b].name)
          }
          guard values[a].dtype == values[b].dtype else {
            throw failure(.dtypeMismatch, "\(what) are \(values[a].dtype.text), then \(values[b].dtype.text)", values[b].name)
          }
          guard values[a].quantization == values[b].quantization else {
            throw failure(.dtypeMismatch, "\(what) have different scales or zero points", values[b].name)
          }
        }
      }
      guard case .next(let stacked, let length) = end.op else {
        try match(nodes[construct.middle].inputs, end.inputs, "results")
        continue
      }
      try match(Array(begin.inputs.dropFirst(2)), Array(end.inputs.dropFirst().dropLast(stacked)), "states")
      guard begin.inputs[0] != Node.noValue || end.inputs[0] != Node.noValue else {
        throw failure(.invalidGraph, "nothing ends the loop")
      }
      if stacked == 0 { continue }
      guard begin.input(0).flatMap({ values[$0].int64 }) == Int64(length), begin.inputs[1] == Node.noValue, end.inputs[0] == Node.noValue
      else { throw failure(.invalidGraph, "\(length) elements are stacked, but the loop does not always have so many iterations") }
    }
  }
}

extension Value {
  /// The constant's only element, of int64.
  public var int64: Int64? {
    guard dtype == .int64, let constant, constant.byteCount == 8 else { return nil }
    return constant.array(of: Int64.self).first
  }
}
