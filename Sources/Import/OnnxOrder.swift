#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Names, order and borders of the graph: everything that is known before the first operator is imported.

extension OnnxImporter {
  /// Gives every tensor name one operand and checks that each is defined once and used only when defined.
  func collectOperands() throws(EdgeError) {
    for (index, tensor) in model.initializers.enumerated() {
      guard !tensor.name.isEmpty else {
        throw EdgeError(.malformedModel, "an initializer has no name", byteOffset: tensor.byteOffset)
      }
      let id = try define(tensor.name, at: tensor.byteOffset)
      operands[id].initializer = index
      operands[id].isConstant = true
    }
    for input in model.inputs {
      guard !input.name.isEmpty else {
        throw EdgeError(.malformedModel, "a graph input has no name", byteOffset: input.byteOffset)
      }
      // Old files list initializers among the inputs too.
      if let id = operandIDs[input.name], operands[id].initializer >= 0 { continue }
      _ = try define(input.name, at: input.byteOffset)
    }
    for (index, node) in model.nodes.enumerated() {
      var ids: [Int] = []
      for name in node.outputs {
        if name.isEmpty {
          ids.append(-1)
          continue
        }
        do throws(EdgeError) {
          let id = try define(name, at: node.byteOffset)
          operands[id].producer = index
          ids.append(id)
        } catch {
          var error = error
          error.node = node.name.isEmpty ? name : node.name
          error.nodeIndex = index
          throw error
        }
      }
      nodeOutputs.append(ids)
    }
    for (index, node) in model.nodes.enumerated() {
      var ids: [Int] = []
      for name in node.inputs {
        if name.isEmpty {
          ids.append(-1)
          continue
        }
        guard let id = operandIDs[name] else {
          throw EdgeError(
            .invalidGraph, "\(node.type): input '\(name)' is defined nowhere", node: node.name.isEmpty ? (node.outputs.first ?? "") : node.name,
            nodeIndex: index, tensor: name, byteOffset: node.byteOffset)
        }
        operands[id].uses += 1
        ids.append(id)
      }
      nodeInputs.append(ids)
    }
    for output in model.outputs {
      guard let id = operandIDs[output.name] else {
        throw EdgeError(.invalidGraph, "graph output '\(output.name)' is defined nowhere", tensor: output.name, byteOffset: output.byteOffset)
      }
      operands[id].isGraphOutput = true
    }
    guard !model.outputs.isEmpty else { throw EdgeError(.invalidGraph, "the graph has no outputs") }
  }

  private func define(_ name: Text, at offset: Int) throws(EdgeError) -> Int {
    guard operandIDs[name] == nil else {
      throw EdgeError(.invalidGraph, "tensor '\(name)' is defined twice", tensor: name, byteOffset: offset)
    }
    guard operands.count < limits.maximumValues else {
      throw EdgeError(.limitExceeded, "the model has more than \(limits.maximumValues) tensors", byteOffset: offset)
    }
    operandIDs.set(name, operands.count)
    operands.append(OnnxOperand(name: name))
    return operands.count - 1
  }

  /// Node indices in an order in which every node follows its inputs: the file's order wherever that is one.
  func sortedNodes() throws(EdgeError) -> [Int] {
    var missing = [Int](repeating: 0, count: model.nodes.count)
    var consumers = [[Int]](repeating: [], count: model.nodes.count)
    var isSorted = true
    for (index, inputs) in nodeInputs.enumerated() {
      for input in inputs where input >= 0 {
        let producer = operands[input].producer
        guard producer >= 0 else { continue }
        if producer >= index { isSorted = false }
        missing[index] += 1
        consumers[producer].append(index)
      }
    }
    if isSorted { return Array(model.nodes.indices) }
    // Kahn's algorithm with the file's order for nodes that become ready together.
    var order: [Int] = []
    for index in model.nodes.indices where missing[index] == 0 { order.append(index) }
    var next = 0
    while next < order.count {
      for consumer in consumers[order[next]] {
        missing[consumer] -= 1
        if missing[consumer] == 0 { order.append(consumer) }
      }
      next += 1
    }
    if order.count < model.nodes.count, let index = missing.firstIndex(where: { $0 > 0 }) {
      let node = model.nodes[index]
      throw EdgeError(
        .invalidGraph, "\(node.type): the node waits for its own result (the graph has a cycle)",
        node: node.name.isEmpty ? (node.outputs.first ?? "") : node.name, nodeIndex: index, byteOffset: node.byteOffset)
    }
    return order
  }

  /// Leaves out nodes whose results nobody asks for.
  func liveNodes(_ order: [Int]) throws(EdgeError) -> [Int] {
    var isLive = [Bool](repeating: false, count: model.nodes.count)
    for operand in operands where operand.isGraphOutput && operand.producer >= 0 { isLive[operand.producer] = true }
    for index in order.reversed() where isLive[index] {
      for input in nodeInputs[index] where input >= 0 && operands[input].producer >= 0 { isLive[operands[input].producer] = true }
    }
    return order.filter { isLive[$0] }
  }

  func addGraphOutputs() throws(EdgeError) {
    var isBorder = [Bool](repeating: false, count: graph.values.count)
    for input in graph.inputs { isBorder[input] = true }
    for output in model.outputs {
      guard let id = operandIDs[output.name] else { continue }
      do throws(EdgeError) {
        var value = try outputTensor(id)
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
}
