#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The main graph, or the body of a branch or loop: which nodes and operands are its own.
struct OnnxScope {
  var nodes: Range<Int> = 0..<0
  /// With those of the bodies inside.
  var allNodes: Range<Int> = 0..<0
  /// Likewise.
  var operands: Range<Int> = 0..<0
  var inputs: [Int] = []
  var inputInfos: [OnnxValueInfo] = []
  var outputs: [Int] = []
  /// Operands from outside that are read inside.
  var captures: [Int] = []
}

// Names, order and borders of the graph: everything that is known before the first operator is imported.

extension OnnxImporter {
  /// Gives every tensor name one operand and checks that each is defined once and used only where it is defined.
  func collectOperands() throws(EdgeError) {
    _ = try collect(model)
    for id in scopes[0].outputs { operands[id].isGraphOutput = true }
    guard !model.outputs.isEmpty else { throw EdgeError(.invalidGraph, "the graph has no outputs") }
  }

  /// The main graph, or a body in the scope of the names collected so far. Returns its scope's number.
  private func collect(_ graph: OnnxGraph) throws(EdgeError) -> Int {
    let number = scopes.count
    scopes.append(OnnxScope())
    let firstOperand = operands.count
    let firstNode = nodes.count
    nodes += graph.nodes
    for _ in graph.nodes {
      nodeInputs.append([])
      nodeOutputs.append([])
      nodeCaptures.append([])
      nodeBodies.append([])
    }
    try defineNames(graph, firstNode, &scopes[number])
    for (index, node) in graph.nodes.enumerated() {
      for name in node.inputs { nodeInputs[firstNode + index].append(name.isEmpty ? -1 : try use(name, by: node, firstNode + index)) }
      for attribute in node.attributes {
        guard let body = attribute.graphs.first else { continue }
        scopeNames.append(TextMap())
        let scope = try collect(body)
        scopeNames.removeLast()
        nodeBodies[firstNode + index].append((attribute.name, scope))
        for captured in scopes[scope].captures {
          nodeCaptures[firstNode + index].append(captured)
          if captured < firstOperand { scopes[number].captures.append(captured) }
        }
      }
      for id in nodeInputs[firstNode + index] where id >= 0 && id < firstOperand { scopes[number].captures.append(id) }
    }
    for output in graph.outputs {
      guard let id = find(output.name) else {
        throw EdgeError(.invalidGraph, "graph output '\(output.name)' is defined nowhere", tensor: output.name, byteOffset: output.byteOffset)
      }
      if number > 0 { operands[id].uses += 1 }
      if id < firstOperand { scopes[number].captures.append(id) }
      scopes[number].outputs.append(id)
    }
    scopes[number].nodes = firstNode..<(firstNode + graph.nodes.count)
    scopes[number].allNodes = firstNode..<nodes.count
    scopes[number].operands = firstOperand..<operands.count
    return number
  }

  private func defineNames(_ graph: OnnxGraph, _ firstNode: Int, _ scope: inout OnnxScope) throws(EdgeError) {
    for tensor in graph.initializers {
      guard !tensor.name.isEmpty else {
        throw EdgeError(.malformedModel, "an initializer has no name", byteOffset: tensor.byteOffset)
      }
      let id = try define(tensor.name, at: tensor.byteOffset)
      operands[id].initializer = initializers.count
      operands[id].isInitializer = true
      operands[id].isConstant = true
      initializers.append(tensor)
    }
    for input in graph.inputs {
      guard !input.name.isEmpty else {
        throw EdgeError(.malformedModel, "a graph input has no name", byteOffset: input.byteOffset)
      }
      scope.inputInfos.append(input)
      // Old files list initializers among the inputs too.
      if scopeNames.isEmpty, let id = operandIDs[input.name], operands[id].initializer >= 0 { continue }
      scope.inputs.append(try define(input.name, at: input.byteOffset))
    }
    for (index, node) in graph.nodes.enumerated() {
      for name in node.outputs {
        if name.isEmpty {
          nodeOutputs[firstNode + index].append(-1)
          continue
        }
        do throws(EdgeError) {
          let id = try define(name, at: node.byteOffset)
          operands[id].producer = firstNode + index
          nodeOutputs[firstNode + index].append(id)
        } catch {
          var error = error
          error.node = node.name.isEmpty ? name : node.name
          error.nodeIndex = firstNode + index
          throw error
        }
      }
    }
  }

  /// The operand of a name, looked for from the inside out.
  private func find(_ name: Text) -> Int? {
    for names in scopeNames.reversed() {
      if let id = names[name] { return id }
    }
    return operandIDs[name]
  }

  private func use(_ name: Text, by node: OnnxNode, _ index: Int) throws(EdgeError) -> Int {
    guard let id = find(name) else {
      throw EdgeError(
        .invalidGraph, "\(node.type): input '\(name)' is defined nowhere", node: node.name.isEmpty ? (node.outputs.first ?? "") : node.name,
        nodeIndex: index, tensor: name, byteOffset: node.byteOffset)
    }
    operands[id].uses += 1
    return id
  }

  private func define(_ name: Text, at offset: Int) throws(EdgeError) -> Int {
    guard (scopeNames.last ?? operandIDs)[name] == nil else {
      throw EdgeError(.invalidGraph, "tensor '\(name)' is defined twice", tensor: name, byteOffset: offset)
    }
    guard operands.count < limits.maximumValues else {
      throw EdgeError(.limitExceeded, "the model has more than \(limits.maximumValues) tensors", byteOffset: offset)
    }
    if scopeNames.isEmpty {
      operandIDs.set(name, operands.count)
    } else {
      scopeNames[scopeNames.count - 1].set(name, operands.count)
    }
    operands.append(OnnxOperand(name: name))
    return operands.count - 1
  }

  /// Of the operands that a node and its bodies read, those made by nodes of a range.
  private func producers(of node: Int, in range: Range<Int>) -> [Int] {
    var result: [Int] = []
    for id in nodeInputs[node] where id >= 0 && range.contains(operands[id].producer) { result.append(operands[id].producer) }
    for id in nodeCaptures[node] where range.contains(operands[id].producer) { result.append(operands[id].producer) }
    return result
  }

  /// Numbers of a graph's nodes in an order in which every node follows its inputs: the file's order wherever that is one.
  func sortedNodes(_ range: Range<Int>) throws(EdgeError) -> [Int] {
    var missing = [Int](repeating: 0, count: range.count)
    var consumers = [[Int]](repeating: [], count: range.count)
    var isSorted = true
    for index in range {
      for producer in producers(of: index, in: range) {
        if producer >= index { isSorted = false }
        missing[index - range.lowerBound] += 1
        consumers[producer - range.lowerBound].append(index)
      }
    }
    if isSorted { return Array(range) }
    // Kahn's algorithm with the file's order for nodes that become ready together.
    var order: [Int] = []
    for index in range where missing[index - range.lowerBound] == 0 { order.append(index) }
    var next = 0
    while next < order.count {
      for consumer in consumers[order[next] - range.lowerBound] {
        missing[consumer - range.lowerBound] -= 1
        if missing[consumer - range.lowerBound] == 0 { order.append(consumer) }
      }
      next += 1
    }
    if order.count < range.count, let place = missing.firstIndex(where: { $0 > 0 }) {
      let node = nodes[range.lowerBound + place]
      throw EdgeError(
        .invalidGraph, "\(node.type): the node waits for its own result (the graph has a cycle)",
        node: node.name.isEmpty ? (node.outputs.first ?? "") : node.name, nodeIndex: range.lowerBound + place, byteOffset: node.byteOffset)
    }
    return order
  }

  /// Leaves out nodes whose results nobody asks for.
  func liveNodes(_ order: [Int], _ scope: Int) throws(EdgeError) -> [Int] {
    let range = scopes[scope].nodes
    var isLive = [Bool](repeating: false, count: range.count)
    for id in scopes[scope].outputs where range.contains(operands[id].producer) { isLive[operands[id].producer - range.lowerBound] = true }
    for index in order.reversed() where isLive[index - range.lowerBound] {
      for producer in producers(of: index, in: range) { isLive[producer - range.lowerBound] = true }
    }
    return order.filter { isLive[$0 - range.lowerBound] }
  }

  func addGraphOutputs() throws(EdgeError) {
    var isBorder = [Bool](repeating: false, count: graph.values.count)
    for input in graph.inputs { isBorder[input] = true }
    for output in model.outputs {
      guard let id = operandIDs[output.name] else { continue }
      do throws(EdgeError) {
        var value = try borderTensor(id, output)
        if graph.values[value].name != output.name {
          // An alias: name the tensor itself unless it has another name at a border.
          if value < isBorder.count, isBorder[value] {
            value = try emit(.reshape(graph.values[value].shape), [value], output.name)
          } else {
            graph.values[value].name = output.name
          }
        }
        graph.outputs.append(value)
        while isBorder.count <= value { isBorder.append(false) }
        isBorder[value] = true
      } catch {
        var error = error
        error.tensor = output.name
        if error.byteOffset < 0 { error.byteOffset = output.byteOffset }
        if error.status == .unsupportedOperator { error.status = .unsupportedFeature }
        throw error
      }
    }
  }

  /// The value of a graph output: of the float type that the file declares, for which float32 stands inside.
  private func borderTensor(_ id: Int, _ output: OnnxValueInfo) throws(EdgeError) -> ValueID {
    try prepare(id)
    guard let type = OnnxElementType(rawValue: output.elementType), type.imported == operands[id].dtype, type.declared != type.imported else {
      return try outputTensor(id)
    }
    let border = operands[id].border
    if border != Node.noValue, graph.values[border].dtype == type.declared { return border }
    let value = try tensor(id)
    if graph.values[value].name == output.name { graph.values[value].name = helperName(output.name + ".float32") }
    return try emit(.cast(type.declared), [value], output.name)
  }
}
