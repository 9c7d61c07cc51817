#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Behind the loss: gradients, the optimizer, and what the step leaves to the next one.
extension TrainingGraph {
  func differentiate() throws(EdgeError) {
    graph = try graph.sorted()
    let forward = graph.nodes.count
    let (graph, gradients) = try graph.differentiated(loss, of: parameters.map { $0.leaf }, detached: detached, bifurcation: bifurcation)
    self.graph = graph
    for index in parameters.indices { parameters[index].gradient = gradients[index] }
    if options.recomputes { self.graph.recompute(from: forward) }
  }

  func addUpdates() throws(EdgeError) {
    var factor = Node.noValue
    if options.clipNorm > 0 {
      var total = try scalar(0)
      for parameter in parameters { total = try binary(.add, total, try sumOfSquares(parameter.gradient)) }
      let norm = try unary(.sqrt, total)
      factor = try binary(.divide, try scalar(options.clipNorm), try binary(.maximum, norm, try scalar(options.clipNorm)))
    }
    size = try scalar(0)
    for index in parameters.indices {
      let parameter = parameters[index]
      var op = OptimizerStep(options.optimizer)
      op.decay = parameter.decays ? 1 : 0
      op.rate = parameter.rate
      var inputs = [parameter.master, parameter.gradient, rates, factor]
      var moments: [ValueID] = []
      for moment in 0..<op.momentCount {
        moments.append(try addState(Text("\(parameter.name)/moment \(moment)"), shape(parameter.master), nil))
      }
      inputs += moments
      parameters[index].moments = moments
      // The model may have several constants of a name, the step has one state.
      let name = graph.values[parameter.master].name
      var names = [Text("\(name)/update")]
      for moment in moments.indices { names.append(Text("\(name)/update \(moment)")) }
      let results = try graph.addNode(.optimizerStep(op), name: names[0], inputs: inputs, outputNames: names)
      parameters[index].update = results[0]
      size = try binary(.add, size, try sumOfSquares(results[0]))
      for (moment, result) in zip(moments, results.dropFirst()) { setState(moment, to: result) }
    }
  }

  private func sumOfSquares(_ value: ValueID) throws(EdgeError) -> ValueID {
    let axes = Array(shape(value).dims.indices)
    return axes.isEmpty ? try binary(.multiply, value, value) : try append(.reduce(.sumSquare, axes: axes, keepDims: false), [value], "norm")
  }

  /// The step as a graph: inputs of the model, targets, kept inputs and states; outputs loss, logits, `size` and new states.
  func finished() throws(EdgeError) -> Graph {
    for parameter in parameters { setState(parameter.master, to: parameter.update) }
    graph.inputs = modelInputs + [targets] + kept.map { $0.input } + states.map { $0.input }
    graph.outputs = [loss, logits, size] + states.map { $0.output }
    graph.states = []
    for state in states {
      guard let initial = state.initial else {
        graph.states.append(Node.noValue)
        continue
      }
      var value = graph.values[state.input]
      value.name = Text("\(value.name)/initial")
      value.constant = initial
      graph.states.append(graph.addValue(value))
    }
    nameInputsApart()
    // Here remain the nodes of effective values that layers do not read.
    return try graph.keepingWhatLeadsToOutputs().sorted()
  }

  /// A graph's inputs have different names; the model's own may be called as what a step adds.
  private func nameInputsApart() {
    var names = TextMap()
    for input in graph.inputs { graph.values[input].name = names.insertApart(graph.values[input].name) }
  }
}

extension Graph {
  /// The graph with the nodes alone that its outputs come from. Identifiers stay.
  func keepingWhatLeadsToOutputs() -> Graph {
    let producers = GraphIndex(self).producers
    var isUsed = [Bool](repeating: false, count: nodes.count)
    var open = outputs
    while let value = open.popLast() {
      guard value != Node.noValue, producers[value] >= 0, !isUsed[producers[value]] else { continue }
      isUsed[producers[value]] = true
      open += nodes[producers[value]].inputs
    }
    var graph = self
    graph.removeNodes(isUsed.map { !$0 })
    return graph
  }

  /// The graph with a number in place of the symbolic batch. Identifiers stay.
  func withFixedBatch(_ batch: Int) throws(EdgeError) -> Graph {
    var graph = self
    for value in graph.values.indices { graph.values[value].shape = graph.values[value].shape.withBatch(batch) }
    for index in graph.nodes.indices {
      switch graph.nodes[index].op {
      case .reshape(let shape): graph.nodes[index].op = .reshape(shape.withBatch(batch))
      case .expand(let shape): graph.nodes[index].op = .expand(shape.withBatch(batch))
      case .slice(let starts, var ends, let steps):
        for axis in ends.indices where values[nodes[index].inputs[0]].shape[axis] == Shape.batch { ends[axis] = batch }
        graph.nodes[index].op = .slice(starts: starts, ends: ends, steps: steps)
      default: break
      }
    }
    return try graph.inferred()
  }
}
