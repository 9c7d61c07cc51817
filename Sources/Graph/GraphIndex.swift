/// Who makes and who uses each value: built once in O(nodes), asked in O(1). It describes the graph it was made
/// from and does not follow changes. Identifiers out of range are left out, so any graph can be indexed.
public struct GraphIndex {
  /// For each value the node that makes it, or -1.
  public private(set) var producers: [Int]
  /// For each value the nodes that use it, in order; a node that uses it twice is listed twice.
  public private(set) var consumers: [[Int]]
  /// For each value whether it leaves the graph.
  public private(set) var isOutput: [Bool]

  public init(_ graph: Graph) {
    let count = graph.values.count
    producers = [Int](repeating: -1, count: count)
    consumers = [[Int]](repeating: [], count: count)
    isOutput = [Bool](repeating: false, count: count)
    for (index, node) in graph.nodes.enumerated() {
      for input in node.inputs where input >= 0 && input < count { consumers[input].append(index) }
      for output in node.outputs where output >= 0 && output < count { producers[output] = index }
    }
    for output in graph.outputs where output >= 0 && output < count { isOutput[output] = true }
  }

  /// The node that makes a value; nil for inputs, constants and unknown values.
  public func producer(of value: ValueID) -> Int? {
    value >= 0 && value < producers.count && producers[value] >= 0 ? producers[value] : nil
  }

  /// Whether one node alone uses the value, once, and it does not leave the graph.
  public func isUsedOnce(_ value: ValueID) -> Bool {
    value >= 0 && value < consumers.count && consumers[value].count == 1 && !isOutput[value]
  }
}

extension Graph {
  /// The node that makes a value; nil for inputs and constants. O(nodes): use `GraphIndex` for many questions.
  public func producer(of value: ValueID) -> Int? {
    nodes.firstIndex { $0.outputs.contains(value) }
  }

  /// The nodes that use a value, each once, in order. O(nodes): use `GraphIndex` for many questions.
  public func consumers(of value: ValueID) -> [Int] {
    nodes.indices.filter { nodes[$0].inputs.contains(value) }
  }
}
