extension Graph {
  /// Makes every user of a value, outputs included, use another one.
  public mutating func replace(_ old: ValueID, with new: ValueID) {
    for node in nodes.indices {
      for input in nodes[node].inputs.indices where nodes[node].inputs[input] == old { nodes[node].inputs[input] = new }
    }
    for output in outputs.indices where outputs[output] == old { outputs[output] = new }
  }

  /// Removes the nodes whose flag is set; their values stay until `compacted`.
  public mutating func removeNodes(_ removed: [Bool]) {
    var kept: [Node] = []
    kept.reserveCapacity(nodes.count)
    for (index, node) in nodes.enumerated() where !(index < removed.count && removed[index]) { kept.append(node) }
    nodes = kept
  }

  /// The graph without values that nothing refers to. Identifiers change; graph inputs stay.
  public func compacted() -> Graph {
    var used = [Bool](repeating: false, count: values.count)
    func mark(_ ids: [ValueID]) {
      for id in ids where id >= 0 && id < values.count { used[id] = true }
    }
    mark(inputs)
    mark(outputs)
    mark(states)
    for node in nodes {
      mark(node.inputs)
      mark(node.outputs)
    }
    var places = [ValueID](repeating: Node.noValue, count: values.count)
    var result = self
    result.values = []
    for id in values.indices where used[id] {
      places[id] = result.values.count
      result.values.append(values[id])
    }
    func moved(_ ids: [ValueID]) -> [ValueID] { ids.map { $0 >= 0 && $0 < places.count ? places[$0] : Node.noValue } }
    result.inputs = moved(inputs)
    result.outputs = moved(outputs)
    result.states = moved(states)
    for index in result.nodes.indices {
      result.nodes[index].inputs = moved(nodes[index].inputs)
      result.nodes[index].outputs = moved(nodes[index].outputs)
    }
    return result
  }

  /// The graph with its nodes in an order in which each follows the makers of its inputs; otherwise the order
  /// stays as it is, and branches and loops stay in one piece. Throws `invalidGraph` when the nodes form a cycle.
  public func sorted() throws(EdgeError) -> Graph {
    let index = GraphIndex(self)
    let orderings = try ControlFlow(self).orderings(self, producers: index.producers)
    var state = [UInt8](repeating: 0, count: nodes.count)  // 0 unseen, 1 waiting for its inputs, 2 placed
    var order: [Node] = []
    order.reserveCapacity(nodes.count)
    // Position in the orderings of the node, then in its inputs.
    var stack: [(node: Int, position: Int)] = []
    for start in nodes.indices where state[start] == 0 {
      stack.append((start, 0))
      state[start] = 1
      while let (node, position) = stack.last {
        let input = position - orderings[node].count
        if input == nodes[node].inputs.count {
          state[node] = 2
          order.append(nodes[node])
          stack.removeLast()
          continue
        }
        stack[stack.count - 1].position += 1
        let first = input < 0 ? orderings[node][position] : index.producer(of: nodes[node].inputs[input])
        guard let producer = first, state[producer] != 2 else { continue }
        if state[producer] == 1 {
          throw EdgeError(.invalidGraph, "the nodes form a cycle", node: nodes[producer].name, nodeIndex: producer)
        }
        state[producer] = 1
        stack.append((producer, 0))
      }
    }
    var result = self
    result.nodes = order
    return result
  }
}
