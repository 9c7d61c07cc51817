#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Loop and Scan. A loop stays a loop: its body is imported once. Only if that fails, because a shape in it depends on the
// number of the iteration, and the number of iterations is known and small, the iterations follow each other instead.

extension OnnxImporter {
  /// The start of a loop: the number of the iteration and the states. What follows is its body.
  private func beginLoop(_ iterations: ValueID, _ condition: ValueID, _ states: [ValueID]) throws(EdgeError) -> [ValueID] {
    var names = [helperName(nodeName + ".iteration")]
    for _ in states { names.append(helperName(nodeName + ".state")) }
    return try emit(.loop, [iterations, condition] + states, names)
  }

  /// The end of a loop: its last states, which must have kept their types, and stacked elements.
  private func endLoop(
    _ condition: ValueID, from old: [ValueID], to states: [ValueID], elements: [ValueID], length: Int, names: [Text]
  ) throws(EdgeError) -> [ValueID] {
    for (a, b) in zip(old, states) {
      let (first, second) = (graph.values[a], graph.values[b])
      guard first.shape == second.shape, first.dtype == second.dtype else {
        throw reject(
          "'\(second.name)' changes from \(first.dtype.name)\(first.shape.text) to \(second.dtype.name)\(second.shape.text) in one iteration")
      }
    }
    return try emit(
      .next(stacked: elements.count, length: elements.isEmpty ? 0 : length), [condition] + states + elements, names)
  }

  // Loop.

  /// What the current Loop node consists of.
  private struct LoopParts {
    var scope: Int
    var stateCount: Int
    var iterationsID: Int?
    var conditionID: Int?
    /// Known, and never negative.
    var iterations: Int?
    /// Nothing but the count ends it, as far as can be seen from outside.
    var isCounted: Bool
  }

  func importLoop() throws(EdgeError) {
    let scope = try body("body")
    let stateCount = inputs.count - 2
    guard stateCount >= 0, scopes[scope].inputs.count == inputs.count, outputs.count >= stateCount,
      scopes[scope].outputs.count > outputs.count
    else {
      throw malformed(
        "\(inputs.count) inputs and \(outputs.count) results, but a body of \(scopes[scope].inputs.count) inputs and \(scopes[scope].outputs.count) results")
    }
    var parts = LoopParts(
      scope: scope, stateCount: stateCount, iterationsID: try optionalInput(0), conditionID: try optionalInput(1), iterations: nil,
      isCounted: false)
    if let id = parts.iterationsID { try checkOne(id, .int64, "the number of iterations") }
    if let id = parts.conditionID { try checkOne(id, .bool, "the condition") }
    let known = try knownNumber(parts.conditionID)
    parts.iterations = known == 0 ? 0 : try knownNumber(parts.iterationsID).map { max($0, 0) }
    parts.isCounted = parts.conditionID == nil || known != nil
    for index in inputs.indices.dropFirst(2) { _ = try input(index) }

    let bodySize = scopes[scope].allNodes.count + 1
    guard let count = parts.iterations, parts.isCounted, count > 0, count <= repetitionsLeft / bodySize else {
      return try importRolled(parts)
    }
    let old = progress
    // Forms are noted from here on, so that they can be taken back.
    _ = enterBlock()
    var isDone = false
    do throws(EdgeError) {
      try importRolled(parts)
      isDone = unsupported.count == old.unsupported
    } catch {
      switch error.status {
      case .unsupportedOperator, .unsupportedFeature, .shapeMismatch, .invalidGraph: break
      default: throw error
      }
    }
    if isDone {
      blockDepth = old.depth
      if blockDepth == 0 { forms = [] }
      return
    }
    restore(old)
    repetitionsLeft -= count * bodySize
    try importUnrolled(parts, count)
  }

  private func importRolled(_ parts: LoopParts) throws(EdgeError) {
    let scope = scopes[parts.scope]
    var initial: [ValueID] = []
    for index in 0..<parts.stateCount { initial.append(try plainTensor(try input(2 + index))) }
    var iterations = Node.noValue
    if let count = parts.iterations {
      iterations = graph.addValue(
        Value(name: helperName(nodeName + ".iterations"), dtype: .int64, shape: Shape([]), constant: try TensorData([Int64(count)])))
    } else if let id = parts.iterationsID {
      iterations = try tensor(id)
    }
    let condition = parts.isCounted ? Node.noValue : try tensor(try input(1))
    let begun = try beginLoop(iterations, condition, initial)
    let start = enterBlock()
    resetBody(parts.scope)
    // The number may be declared as a vector of one.
    let number = scope.inputInfos[0].dims?.count == 1 ? try part(.reshape(Shape([1])), [begun[0]]) : begun[0]
    define(input: scope.inputs[0], number)
    defineTrue(scope.inputs[1], scope.inputInfos[1])
    for index in 0..<parts.stateCount { define(input: scope.inputs[2 + index], begun[1 + index]) }
    try importBody(parts.scope)

    // It counts even where no condition comes from outside: the specification would ignore it there, ONNX Runtime does not.
    var again = Node.noValue
    if !operands[scope.outputs[0]].isPoisoned {
      let id = scope.outputs[0]
      if try knownNumber(id) != 1 {
        try prepare(id)
        try checkOne(id, .bool, "the condition that the body gives")
        again = try tensor(id)
      }
    }
    let stacked = (parts.stateCount..<max(parts.stateCount, outputs.count)).filter { isUsed(output: $0) }
    if !stacked.isEmpty, parts.iterations == nil || condition != Node.noValue || again != Node.noValue {
      throw reject("it stacks results of a number of iterations that is known at run time only")
    }
    guard iterations != Node.noValue || again != Node.noValue else { throw reject("nothing ends the loop") }
    let states = try values((0..<parts.stateCount).map { scope.outputs[1 + $0] })
    let elements = try values(stacked.map { scope.outputs[1 + $0] })
    leaveBlock(start)
    guard let states, let elements else { return }
    let kept = Array(0..<parts.stateCount) + stacked
    let results = try endLoop(
      again, from: initial, to: states, elements: elements, length: parts.iterations ?? 0, names: kept.map { resultName($0) })
    for (output, value) in zip(kept, results) { try setResult(value, output: output) }
  }

  /// One iteration after the other; in each its number is known.
  private func importUnrolled(_ parts: LoopParts, _ count: Int) throws(EdgeError) {
    let scope = scopes[parts.scope]
    var carried: [OnnxOperand] = []
    for index in 0..<parts.stateCount { carried.append(operands[try input(2 + index)]) }
    let stacked = (parts.stateCount..<max(parts.stateCount, outputs.count)).filter { isUsed(output: $0) }
    var rows = [[ValueID]](repeating: [], count: stacked.count)
    for iteration in 0..<count {
      // What leaves the last iteration must not be forgotten with it.
      let states = carried.map { old in
        let copy = OnnxOperand(name: old.name)
        copy.take(old)
        return copy
      }
      resetBody(parts.scope)
      operands[scope.inputs[0]].define(OnnxKnown(.int64, scope.inputInfos[0].dims?.count == 1 ? [1] : [], [.integer(iteration)]))
      defineTrue(scope.inputs[1], scope.inputInfos[1])
      for (index, state) in states.enumerated() { operands[scope.inputs[2 + index]].take(state) }
      let before = unsupported.count
      try importBody(parts.scope)
      if unsupported.count > before { return poisonOutputs() }
      for id in scope.outputs.dropFirst().prefix(parts.stateCount) {
        try prepare(id)
        // Its elements are gone when the body is imported again.
        if operands[id].sequence != nil { throw isSequence(id) }
      }
      carried = scope.outputs.dropFirst().prefix(parts.stateCount).map { operands[$0] }
      for (place, output) in stacked.enumerated() {
        let value = try plainTensor(scope.outputs[1 + output])
        rows[place].append(try part(.reshape(Shape([1] + graph.values[value].shape.dims)), [value]))
      }
      guard let again = try knownNumber(scope.outputs[0]) else {
        throw reject("shapes depend on the number of the iteration, and whether there is another one is known at run time only")
      }
      if again == 0 { break }
    }
    for (index, state) in carried.enumerated() where outputs[index] >= 0 { operands[outputs[index]].take(state) }
    for (place, output) in stacked.enumerated() { try setResult(try emit(.concat(axis: 0), rows[place], resultName(output)), output: output) }
  }

  // Scan.

  /// A tensor whose slices along an axis a scan reads, one each iteration.
  private struct ScanSource {
    var value: ValueID
    var axis: Int
    var isReversed: Bool
  }

  /// The last states and the stacked results; nil when an operator in the body is not supported.
  private func scan(_ scope: Int, _ initial: [ValueID], _ sources: [ScanSource], _ names: [Text]) throws(EdgeError) -> [ValueID]? {
    let body = scopes[scope]
    guard body.inputs.count == initial.count + sources.count, body.outputs.count >= initial.count, names.count == body.outputs.count else {
      throw malformed("a body of \(body.inputs.count) inputs and \(body.outputs.count) results does not fit")
    }
    var length = -1
    for source in sources {
      let size = graph.values[source.value].shape[source.axis]
      guard size != Shape.batch else { throw reject("it scans over the batch") }
      guard length < 0 || size == length else { throw malformed("it scans over \(length) and \(size) slices at once") }
      length = size
    }
    guard length > 0 else { throw reject(length == 0 ? "it scans over no slices" : "it scans over nothing") }
    let begun = try beginLoop(try number(Double(length), .int64), Node.noValue, initial)
    let start = enterBlock()
    for index in initial.indices { define(input: body.inputs[index], begun[1 + index]) }
    for (index, source) in sources.enumerated() {
      let place = source.isReversed ? try binary(.subtract, try number(Double(length - 1), .int64), begun[0]) : begun[0]
      let slice = try part(.take(Indexing(.slices, axis: source.axis)), [source.value, place])
      define(input: body.inputs[initial.count + index], slice)
    }
    try importBody(scope)
    let results = try values(body.outputs)
    leaveBlock(start)
    guard let results else { return nil }
    return try endLoop(
      Node.noValue, from: initial, to: Array(results.prefix(initial.count)), elements: Array(results.dropFirst(initial.count)),
      length: length, names: names)
  }

  /// Numbers of an attribute, one for each of `count` tensors, or 0 each.
  private func numbers(_ name: Text, _ count: Int) throws(EdgeError) -> [Int] {
    let numbers = try integersAttribute(name) ?? [Int](repeating: 0, count: count)
    guard numbers.count == count else { throw malformed("attribute '\(name)' has \(numbers.count) numbers, not \(count)") }
    return numbers
  }

  private func scanInputs(_ first: Int) throws(EdgeError) -> (states: [ValueID], sources: [ValueID]) {
    let count = try integerAttribute("num_scan_inputs", 0)
    guard count > 0, count <= inputs.count - first else { throw malformed("attribute 'num_scan_inputs' is \(count)") }
    var values: [ValueID] = []
    for index in first..<inputs.count { values.append(try plainTensor(try input(index))) }
    return (Array(values.dropLast(count)), Array(values.suffix(count)))
  }

  func importScan() throws(EdgeError) {
    let scope = try body("body")
    let (states, tensors) = try scanInputs(0)
    let axes = try numbers("scan_input_axes", tensors.count)
    let directions = try numbers("scan_input_directions", tensors.count)
    var sources: [ScanSource] = []
    for (index, value) in tensors.enumerated() {
      let axis = try normalized(axes[index], rank: graph.values[value].shape.rank)
      sources.append(ScanSource(value: value, axis: axis, isReversed: directions[index] != 0))
    }
    guard outputs.count <= scopes[scope].outputs.count, outputs.count >= states.count else {
      throw malformed("\(outputs.count) results, but the body has \(scopes[scope].outputs.count)")
    }
    let stackedCount = outputs.count - states.count
    let outputAxes = try numbers("scan_output_axes", stackedCount)
    let outputDirections = try numbers("scan_output_directions", stackedCount)
    var names: [Text] = []
    for output in scopes[scope].outputs.indices { names.append(output < states.count ? resultName(output) : helperName(nodeName + ".stacked")) }
    guard let results = try scan(scope, states, sources, names) else { return }
    for (output, value) in results.enumerated() where output < outputs.count {
      guard output >= states.count else {
        try setResult(value, output: output)
        continue
      }
      var value = value
      let dims = graph.values[value].shape.dims
      if outputDirections[output - states.count] != 0 {
        var (starts, ends, steps) = (dims.map { _ in 0 }, dims, dims.map { _ in 1 })
        (starts[0], ends[0], steps[0]) = (dims[0] - 1, -1, -1)
        value = try part(.slice(starts: starts, ends: ends, steps: steps), [value])
      }
      let axis = try normalized(outputAxes[output - states.count], rank: dims.count)
      var order = Array(1..<dims.count)
      order.insert(0, at: axis)
      try setResult(try transposed(value, order), output: output)
    }
  }

  /// Before operator set 9 the first axis is the batch, of which each sample is scanned for itself, over the second.
  func importBatchedScan() throws(EdgeError) {
    let scope = try body("body")
    if try optionalInput(0) != nil { throw reject("sequences of several lengths are not supported") }
    let (states, tensors) = try scanInputs(1)
    let directions = try numbers("directions", tensors.count)
    guard outputs.count <= scopes[scope].outputs.count else {
      throw malformed("\(outputs.count) results, but the body has \(scopes[scope].outputs.count)")
    }
    var batch = -1
    for (index, value) in (states + tensors).enumerated() {
      let shape = graph.values[value].shape
      guard shape.rank > (index < states.count ? 0 : 1), shape[0] > 0, batch < 0 || batch == shape[0] else {
        throw reject("the first axis of all inputs must be the same known batch")
      }
      batch = shape[0]
    }
    let begun = try beginLoop(try number(Double(batch), .int64), Node.noValue, [])
    let start = enterBlock()
    func sample(_ value: ValueID) throws(EdgeError) -> ValueID { try part(.take(Indexing(.slices, axis: 0)), [value, begun[0]]) }
    var initial: [ValueID] = []
    for value in states { initial.append(try sample(value)) }
    var sources: [ScanSource] = []
    for (index, value) in tensors.enumerated() {
      sources.append(ScanSource(value: try sample(value), axis: 0, isReversed: directions[index] != 0))
    }
    var names: [Text] = []
    for _ in scopes[scope].outputs { names.append(helperName(nodeName + ".sample")) }
    let results = try scan(scope, initial, sources, names)
    leaveBlock(start)
    guard let results else { return }
    let all = try endLoop(
      Node.noValue, from: [], to: [], elements: results, length: batch, names: results.indices.map { resultName($0) })
    for (output, value) in all.enumerated() where output < outputs.count { try setResult(value, output: output) }
  }
}
