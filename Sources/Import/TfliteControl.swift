#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// IF and WHILE: the graphs they name are written out between markers. Such a graph sees its inputs only, so nothing that is
// made inside is read outside but its results.

extension TfliteImporter {
  /// Inputs: one boolean, then what both graphs take.
  func importIf() throws(EdgeError) {
    let (inputs, outputs) = (inputs, outputs)
    let options = try options(92)
    let branches = [try callee(try options.int32(0)), try callee(try options.int32(1))]
    let condition = try inputValue(0)
    let arguments = Array(inputs.dropFirst())
    for branch in branches { try checkCall(branch, inputs: arguments.count, outputs: outputs.count) }
    _ = try emit(.when, [condition], [])
    var results: [[ValueID]] = []
    for branch in branches {
      if let values = try block(branch, try arguments.map(argument)) { results.append(values) }
      if results.count == 1 { _ = try emit(.otherwise, results[0], []) }
    }
    guard results.count == 2 else { return poisonOutputs() }
    try checkSame(results[0], results[1], "the branches give")
    try setResults(try emit(.merge, results[1], try outputs.map(resultName)))
  }

  /// Inputs are the first states, results the last ones. The condition's graph is evaluated before the loop and at the end of
  /// each iteration.
  func importWhile() throws(EdgeError) {
    let (inputs, outputs) = (inputs, outputs)
    let options = try options(93)
    let (condition, body) = (try callee(try options.int32(0)), try callee(try options.int32(1)))
    try checkCall(condition, inputs: inputs.count, outputs: 1)
    try checkCall(body, inputs: inputs.count, outputs: inputs.count)
    guard outputs.count == inputs.count else { throw malformed("\(inputs.count) inputs, but \(outputs.count) results") }
    let initial = try inputs.map(argument)
    guard let first = try call(condition, initial) else { return poisonOutputs() }
    let names = [helperName(nodeName + "_iteration")] + inputs.map { _ in helperName(nodeName + "_state") }
    let begun = try emit(.loop, [Node.noValue, first[0]] + initial, names)
    blockDepth += 1
    defer { blockDepth -= 1 }
    guard let states = try call(body, Array(begun.dropFirst())), let again = try call(condition, states) else { return poisonOutputs() }
    try checkSame(initial, states, "a state is, before and after an iteration,")
    try setResults(try emit(.next(stacked: 0, length: 0), again + states, try outputs.map(resultName)))
  }

  /// A graph's results inside a branch.
  private func block(_ index: Int, _ arguments: [ValueID]) throws(EdgeError) -> [ValueID]? {
    blockDepth += 1
    defer { blockDepth -= 1 }
    return try call(index, arguments)
  }

  private func argument(_ tensor: Int) throws(EdgeError) -> ValueID {
    guard tensor >= 0 else { throw malformed("an input is missing") }
    guard handles[tensor] < 0 else { throw reject("a variable's handle as an input is not supported") }
    return try value(tensor)
  }

  /// A graph's results; nil when one of them is not there because of an unsupported operator.
  private func call(_ index: Int, _ arguments: [ValueID]) throws(EdgeError) -> [ValueID]? {
    let callee = model.graphs[index]
    try forget(callee)
    for (tensor, value) in zip(callee.inputs, arguments) {
      try checkInput(tensor)
      let (type, given) = (try innerType(tensor), graph.values[value])
      guard type.dtype == given.dtype, type.quantization == given.quantization else {
        throw malformed("a graph is called with tensors of another type", tensor: tensor)
      }
      isMade[tensor] = true
      places[tensor] = value
    }
    try importNested(index)
    var results: [ValueID] = []
    for tensor in callee.outputs {
      if isPoisoned[tensor] { return nil }
      try checkResult(tensor)
      results.append(try argument(tensor))
    }
    return results
  }

  /// What is known in one branch or iteration only must be the same in the other.
  private func checkSame(_ first: [ValueID], _ second: [ValueID], _ what: Text) throws(EdgeError) {
    for (a, b) in zip(first, second) {
      let (a, b) = (graph.values[a], graph.values[b])
      guard a.shape == b.shape, a.dtype == b.dtype, a.quantization == b.quantization else {
        throw reject("\(what) \(a.dtype.name)\(a.shape.text) and \(b.dtype.name)\(b.shape.text)")
      }
    }
  }

  private func setResults(_ values: [ValueID]) throws(EdgeError) {
    for (index, value) in values.enumerated() {
      guard graph.values[value].dtype == (try innerType(outputs[index])).dtype else {
        throw malformed("a graph's result is of another type", tensor: outputs[index])
      }
      try setResult(value, output: index)
    }
  }

  private func poisonOutputs() {
    for output in outputs { isPoisoned[output] = true }
  }
}
