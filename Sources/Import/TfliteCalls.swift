#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Graphs that a graph calls, written out in its place.

extension TfliteImporter {
  func importCall() throws(EdgeError) {
    let (inputs, outputs) = (inputs, outputs)
    let index = try callee(Int(try options(16).uint32(0)))
    let callee = model.graphs[index]
    try checkCall(index, inputs: inputs.count, outputs: outputs.count)
    try forget(callee)
    for (inner, outer) in zip(callee.inputs, inputs) {
      guard outer >= 0 else { throw malformed("an input is missing") }
      try checkInput(inner)
      isMade[inner] = true
      try pass(outer, to: inner)
    }
    try importNested(index)
    for (inner, outer) in zip(callee.outputs, outputs) {
      isPoisoned[outer] = isPoisoned[inner]
      if isPoisoned[inner] { continue }
      try checkResult(inner)
      try pass(inner, to: outer)
    }
  }

  /// A graph that runs once, before the first run: it stores the first contents of variables.
  func importCallOnce() throws(EdgeError) {
    let index = try callee(try options(103).int32(0))
    let callee = model.graphs[index]
    guard callee.inputs.isEmpty, !initializing else { throw reject("an initializing graph with inputs is not supported") }
    try forget(callee)
    initializing = true
    defer { initializing = false }
    try importNested(index)
  }

  /// A graph that may be called from here.
  func callee(_ index: Int) throws(EdgeError) -> Int {
    guard index > 0, index < model.graphs.count else { throw malformed("graph \(index) does not exist") }
    guard callers.count < 16 else { throw malformed("graphs call each other more than 16 deep") }
    guard !callers.contains(index) else { throw malformed("graph \(index) calls itself") }
    return index
  }

  /// What an earlier call of the graph made; its variables stay.
  func forget(_ graph: TfliteGraph) throws(EdgeError) {
    // Takes time for each tensor, and a file may call as often as it likes.
    try noteConverted(graph.tensors.count &* 8)
    for tensor in graph.tensors where !model.tensors[tensor].isVariable {
      (places[tensor], known[tensor], handles[tensor], dense[tensor]) = (Node.noValue, nil, -1, nil)
      (isMade[tensor], isPoisoned[tensor]) = (false, false)
    }
  }

  func checkCall(_ index: Int, inputs: Int, outputs: Int) throws(EdgeError) {
    let callee = model.graphs[index]
    guard callee.inputs.count == inputs, callee.outputs.count == outputs else {
      throw malformed("graph \(index) takes \(callee.inputs.count) inputs and has \(callee.outputs.count) results")
    }
  }

  func checkInput(_ tensor: Int) throws(EdgeError) {
    guard !model.tensors[tensor].isVariable else { throw malformed("an input of a graph is a variable", tensor: tensor) }
  }

  func checkResult(_ tensor: Int) throws(EdgeError) {
    guard isMade[tensor] || isConstant(tensor) || model.tensors[tensor].isVariable else { throw malformed("nothing makes a result of the graph") }
  }

  private func pass(_ from: Int, to: Int) throws(EdgeError) {
    if handles[from] >= 0 { return handles[to] = handles[from] }
    guard try innerType(from) == innerType(to) else { throw malformed("a graph is called with tensors of another type", tensor: to) }
    if let numbers = try numbers(from) { known[to] = numbers } else { places[to] = try value(from) }
  }

  func importNested(_ index: Int) throws(EdgeError) {
    let (node, nodeIndex, inputs, outputs) = (node, nodeIndex, inputs, outputs)
    callers.append(index)
    try importOperators(model.graphs[index])
    callers.removeLast()
    (self.node, self.nodeIndex, self.inputs, self.outputs) = (node, nodeIndex, inputs, outputs)
  }
}
