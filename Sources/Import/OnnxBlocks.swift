#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// What branches and loops have in common: bodies of their own names, and values that are there only inside.

extension OnnxImporter {
  func importControl() throws(EdgeError) {
    // What a branch or loop gives is not folded.
    dependsOnConstantsAlone = false
    switch node.type {
    case "If": try importIf()
    case "Loop": try importLoop()
    default: if opset < 9 { try importBatchedScan() } else { try importScan() }
    }
  }

  /// The body that an attribute of the current node gives.
  func body(_ attribute: Text) throws(EdgeError) -> Int {
    guard try graphAttribute(attribute) != nil, let found = nodeBodies[nodeIndex].first(where: { $0.attribute == attribute }) else {
      throw malformed("attribute '\(attribute)' is missing")
    }
    for input in scopes[found.scope].inputInfos where input.elementType == -1 {
      throw reject("'\(input.name)' \(OnnxElementType.problem(-1))")
    }
    return found.scope
  }

  // Blocks.

  /// What follows is inside a branch or a loop.
  func enterBlock() -> Int {
    blockDepth += 1
    return forms.count
  }

  /// Forms of outer operands that were made inside are not there outside; constants are.
  func leaveBlock(_ start: Int) {
    blockDepth -= 1
    var kept = start
    for index in start..<forms.count {
      let (operand, isImage) = forms[index]
      let value = isImage ? operands[operand].channelsLast : operands[operand].value
      if value == Node.noValue { continue }
      if graph.values[value].constant != nil {
        forms[kept] = forms[index]
        kept += 1
      } else {
        forget(operand, isImage: isImage)
      }
    }
    forms.removeLast(forms.count - kept)
  }

  func noteForm(_ operand: Int, isImage: Bool) {
    if blockDepth > 0 { forms.append((operand, isImage)) }
  }

  private func forget(_ operand: Int, isImage: Bool) {
    if isImage { operands[operand].channelsLast = Node.noValue } else { operands[operand].value = Node.noValue }
  }

  /// How far the import is: the graph, the list of unsupported operators and that of forms only grow.
  struct Progress {
    var values: Int
    var nodes: Int
    var unsupported: Int
    var forms: Int
    var depth: Int
  }

  var progress: Progress {
    Progress(values: graph.values.count, nodes: graph.nodes.count, unsupported: unsupported.count, forms: forms.count, depth: blockDepth)
  }

  /// Takes back all that was imported since then.
  func restore(_ old: Progress) {
    graph.values.removeLast(graph.values.count - old.values)
    graph.nodes.removeLast(graph.nodes.count - old.nodes)
    unsupported.removeLast(unsupported.count - old.unsupported)
    for (operand, isImage) in forms[old.forms...] { forget(operand, isImage: isImage) }
    forms.removeLast(forms.count - old.forms)
    while extents.count > old.values { extents.removeLast() }
    (sharedNodes, made) = ([], TextMap())
    blockDepth = old.depth
    failedNode = -1
    for output in outputs where output >= 0 { operands[output].isPoisoned = false }
  }

  /// Forgets what was imported of a body, so that it can be imported once more.
  func resetBody(_ scope: Int) {
    for id in scopes[scope].operands where !operands[id].isInitializer {
      let fresh = OnnxOperand(name: operands[id].name)
      fresh.producer = operands[id].producer
      fresh.uses = operands[id].uses
      operands[id] = fresh
    }
  }

  // Operands of a body.

  /// An input of a body is a value of the graph.
  func define(input id: Int, _ value: ValueID) {
    operands[id].define(value: value, dtype: graph.values[value].dtype, shape: graph.values[value].shape)
  }

  /// The condition of an iteration that runs: true.
  func defineTrue(_ id: Int, _ info: OnnxValueInfo) {
    operands[id].define(OnnxKnown(.bool, info.dims?.count == 1 ? [1] : [], [.integer(1)]))
  }

  /// Results of a body as values of the graph; nil when one of them is not there because of an unsupported operator,
  /// which makes the results of the current node unsupported too.
  func values(_ ids: [Int]) throws(EdgeError) -> [ValueID]? {
    var values: [ValueID] = []
    for id in ids {
      if operands[id].isPoisoned {
        poisonOutputs()
        return nil
      }
      values.append(try plainTensor(id))
    }
    return values
  }

  func poisonOutputs() {
    for output in outputs where output >= 0 { operands[output].isPoisoned = true }
  }

  /// The number at a condition or trip count, if it is known.
  func knownNumber(_ id: Int?) throws(EdgeError) -> Int? {
    guard let id else { return nil }
    try prepare(id)
    guard let known = operands[id].known, known.elements.count == 1 else { return nil }
    return known.elements[0].integer
  }

  func checkOne(_ id: Int, _ dtype: DType, _ what: Text) throws(EdgeError) {
    guard operands[id].shape.elementCount() == 1, !operands[id].shape.hasBatch, operands[id].dtype == dtype else {
      throw wrongShape("\(what) is \(operands[id].dtype.name)\(operands[id].shape.text), not one \(dtype.name)", operand: id)
    }
  }

  // If.

  private func importIf() throws(EdgeError) {
    let condition = try input(0)
    let branches = [try body("then_branch"), try body("else_branch")]
    for branch in branches where scopes[branch].outputs.count < outputs.count || !scopes[branch].inputs.isEmpty {
      throw malformed("a branch has \(scopes[branch].inputs.count) inputs and \(scopes[branch].outputs.count) results")
    }
    try checkOne(condition, .bool, "the condition")
    if let holds = try knownNumber(condition) {
      let branch = branches[holds != 0 ? 0 : 1]
      try importBody(branch)
      for output in outputs.indices where operands[scopes[branch].outputs[output]].isPoisoned { return poisonOutputs() }
      for output in outputs.indices { try setAlias(scopes[branch].outputs[output], output: output) }
      return
    }
    let used = outputs.indices.filter { isUsed(output: $0) }
    var results: [[ValueID]] = []
    _ = try emit(.when, [try tensor(condition)], [])
    for branch in branches {
      let start = enterBlock()
      try importBody(branch)
      if let values = try values(used.map { scopes[branch].outputs[$0] }) { results.append(values) }
      leaveBlock(start)
      if results.count == 1 { _ = try emit(.otherwise, results[0], []) }
    }
    guard results.count == 2 else { return }
    for (a, b) in zip(results[0], results[1]) {
      let (first, second) = (graph.values[a], graph.values[b])
      guard first.shape == second.shape, first.dtype == second.dtype else {
        throw reject(
          "the branches give \(first.dtype.name)\(first.shape.text) and \(second.dtype.name)\(second.shape.text), and which one is known at run time only")
      }
    }
    let merged = try emit(.merge, results[1], used.map { resultName($0) })
    for (output, value) in zip(used, merged) { try setResult(value, output: output) }
  }
}
