#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// What outlives a run: variable tensors, and variables with a handle (VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE). In the
// graph each is an input and an output (`Graph.states`); while importing it is the value that was stored last.

/// A variable with a handle.
final class TfliteVariable {
  /// What an initializing graph stored; zeros without one.
  var initial = Node.noValue
  /// The value at this point of the run.
  var current = Node.noValue
  /// Index into `TfliteImporter.states`; -1 while no operator has read what a run before left.
  var state = -1
}

/// A state of the graph.
struct TfliteStateSlot {
  var name: Text
  var input: ValueID
  var initial: ValueID
  /// What a run leaves.
  var next: ValueID
}

extension TfliteImporter {
  func importVariable(_ code: TfliteCode) throws(EdgeError) {
    switch code {
    case .varHandle:
      let options = try options(111)
      var name: Text = try options.string(0, maximumBytes: limits.maximumNameBytes) ?? ""
      name += "/"
      name += try options.string(1, maximumBytes: limits.maximumNameBytes) ?? ""
      try noteConverted(name.utf8.count)
      let index = variableNames[name] ?? variables.count
      if index == variables.count {
        variables.append(TfliteVariable())
        variableNames.set(name, index)
      }
      handles[try output()] = index
    case .readVariable: try importRead(try variable())
    default: try importAssign(try variable())
    }
  }

  private func variable() throws(EdgeError) -> TfliteVariable {
    let handle = handles[try input(0)]
    guard handle >= 0 else { throw malformed("input 0 is no handle of a variable") }
    return variables[handle]
  }

  private func importRead(_ variable: TfliteVariable) throws(EdgeError) {
    if variable.current == Node.noValue {
      let tensor = try output()
      var type = try innerType(tensor)
      var shape = fileShape(tensor)
      if variable.initial != Node.noValue {
        let first = graph.values[variable.initial]
        (type, shape) = (ElementType(first.dtype, first.quantization), first.shape)
      }
      variable.state = try addState(model.tensors[tensor].name, type, shape, initial: variable.initial)
      variable.current = states[variable.state].input
    }
    try setResult(variable.current)
  }

  private func importAssign(_ variable: TfliteVariable) throws(EdgeError) {
    let value = try inputValue(1)
    guard initializing else {
      try checkStored()
      variable.current = value
      return
    }
    // A graph that initializes runs before the first run: what it stores must be known now.
    if graph.values[value].constant != nil {
      variable.initial = value
    } else if !isZero(value) {
      throw reject("the first contents of a variable must be constant")
    }
  }

  /// Whether a value is a number 0, expanded to a shape.
  private func isZero(_ value: ValueID) -> Bool {
    guard let maker = graph.producer(of: value), case .expand = graph.nodes[maker].op,
      let constant = graph.values[graph.nodes[maker].inputs[0]].constant
    else { return false }
    return constant.bytes.allSatisfy { $0 == 0 }
  }

  /// What a variable tensor holds at this point of the run; operators with such a tensor start from here and call `setState`.
  func stateValue(_ tensor: Int, _ type: ElementType) throws(EdgeError) -> ValueID {
    if places[tensor] != Node.noValue { return places[tensor] }
    let source = model.tensors[tensor]
    guard source.contents.isEmpty else { throw reject("'\(source.name)' is a variable with contents, which is not supported") }
    let state = try addState(source.name, type, Shape(source.dims), initial: Node.noValue)
    variableTensors.append((tensor, state))
    places[tensor] = states[state].input
    return places[tensor]
  }

  /// What a variable tensor holds from here on.
  func setState(_ tensor: Int, _ value: ValueID) throws(EdgeError) {
    try checkStored()
    places[tensor] = value
  }

  private func checkStored() throws(EdgeError) {
    guard blockDepth == 0 else { throw reject("storing a variable inside a branch or loop is not supported") }
  }

  private func addState(_ name: Text, _ type: ElementType, _ shape: Shape, initial: ValueID) throws(EdgeError) -> Int {
    try checkCounts(nodeName)
    let input = graph.addValue(
      Value(name: helperName(name + "_state"), dtype: type.dtype, shape: shape, quantization: type.quantization))
    try checkSize(input)
    graph.inputs.append(input)
    states.append(TfliteStateSlot(name: name, input: input, initial: initial, next: input))
    return states.count - 1
  }

  /// States are the last inputs and outputs of the graph.
  func addStateOutputs() throws(EdgeError) {
    for variable in variables where variable.state >= 0 { states[variable.state].next = variable.current }
    for (tensor, state) in variableTensors { states[state].next = places[tensor] }
    for state in states {
      var next = state.next
      let type = graph.values[state.input]
      try checkCounts(state.name)
      let isSame = graph.values[next].dtype == type.dtype && graph.values[next].quantization == type.quantization
      let name = helperName(state.name + "_next")
      next = try graph.addNode(
        isSame ? .reshape(shapeOf(next)) : .requantize, name: name, inputs: [next], outputNames: [name],
        results: isSame ? [] : [ElementType(type.dtype, type.quantization)])[0]
      graph.outputs.append(next)
      graph.states.append(state.initial)
    }
  }
}
