#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Sequences through LSTM and RNN layers, in one direction or both. Their states are variables of the file: a run
// begins with what the run before left. Hybrid weights become float32.

extension TfliteImporter {
  func importRecurrent(_ code: TfliteCode) throws(EdgeError) {
    let x = try inputValue(0)
    try requireFloat(x)
    guard shapeOf(x).rank == 3 else { throw malformed("\(shapeOf(x).text) are not sequences of vectors", tensor: inputs[0]) }
    let isLstm = code == .unidirectionalSequenceLstm || code == .bidirectionalSequenceLstm
    let isBidirectional = code == .bidirectionalSequenceLstm || code == .bidirectionalSequenceRnn
    var layer = Recurrent(isLstm ? .lstm : .rnn)
    let merges: Bool
    if isLstm {
      let options = try options(isBidirectional ? 69 : 71)
      layer.isBatchFirst = try options.byte(isBidirectional ? 4 : 3, isBidirectional ? 1 : 0) == 0
      layer.g = Recurrent.Activation(try recurrentActivation(try options.byte(0)))
      layer.h = layer.g
      let clip = try options.float(1)
      if clip > 0 { layer.cellClip = clip }
      merges = isBidirectional ? try options.bool(3) : false
      if !isBidirectional, try options.bool(5) { throw reject("diagonal recurrent weights are not supported") }
    } else {
      let options = try options(isBidirectional ? 70 : 31)
      layer.isBatchFirst = try !options.bool(0)
      layer.f = Recurrent.Activation(try recurrentActivation(try options.byte(1)))
      merges = isBidirectional ? try options.bool(2) : false
    }
    let known = isLstm ? isBidirectional ? 39 : 20 : isBidirectional ? 9 : 5
    if inputs.dropFirst(known).contains(where: { $0 >= 0 }) {
      throw reject(isBidirectional ? "an auxiliary input is not supported" : "layer normalization is not supported")
    }
    let forward = isLstm ? try lstm(x, 1, states: isBidirectional ? 35 : 18, layer) : try rnn(x, 1, layer)
    guard isBidirectional else { return try setStates(forward) }
    layer.isReverse = true
    let backward = isLstm ? try lstm(x, 18, states: 37, layer) : try rnn(x, 5, layer)
    if merges { return try compute(.concat(axis: 2), [forward, backward]) }
    try setStates(forward)
    try setStates(backward, output: 1)
  }

  private func setStates(_ value: ValueID, output index: Int = 0) throws(EdgeError) {
    graph.values[value].name = model.tensors[try output(index)].name
    try setResult(value, output: index)
  }

  private func recurrentActivation(_ activation: UInt8) throws(EdgeError) -> UnaryFunction {
    if activation == 4 { return UnaryFunction(.tanh) }
    let limits = try clamp(activation)
    return UnaryFunction(.clamp, alpha: limits.min, beta: limits.max)
  }

  /// All states of a simple layer whose weights begin at input `first`.
  private func rnn(_ x: ValueID, _ first: Int, _ layer: Recurrent) throws(EdgeError) -> ValueID {
    let parts = [try floatValue(try input(first)), try floatValue(try input(first + 1)), try floatValue(try input(first + 2))]
    return try states(x, layer, parts[0], parts[1], parts[2], initial: [first + 3], peepholes: Node.noValue)
  }

  /// All states of an LSTM layer whose weights begin at input `first`: of the input, of the state, peepholes and biases.
  private func lstm(_ x: ValueID, _ first: Int, states index: Int, _ layer: Recurrent) throws(EdgeError) -> ValueID {
    guard optionalInput(first + 15) == nil, optionalInput(first + 16) == nil else { throw reject("a projection is not supported") }
    // The file's order is input, forget, cell, output.
    let order = [0, 3, 1, 2]
    let peepholes = optionalInput(first + 9) == nil ? Node.noValue : try joined(first + 8, [0, 2, 1])
    return try states(
      x, layer, try joined(first, order), try joined(first + 4, order), try joined(first + 11, order),
      initial: [index, index + 1], peepholes: peepholes)
  }

  /// Tensors of the gates as one. Where the input gate is 1 - f its own are absent: those of f with the other sign give it.
  private func joined(_ first: Int, _ order: [Int]) throws(EdgeError) -> ValueID {
    var parts: [ValueID] = []
    for index in order {
      if index == 0, optionalInput(first) == nil {
        parts.append(try helper(.unary(UnaryFunction(.negate)), [try floatValue(try input(first + 1))]))
      } else {
        parts.append(try floatValue(try input(first + index)))
      }
    }
    return try helper(.concat(axis: 0), parts)
  }

  /// What a state is before the first step.
  private func state(_ index: Int) throws(EdgeError) -> ValueID {
    guard let tensor = optionalInput(index) else { return Node.noValue }
    return try floatValue(tensor)
  }

  private func states(
    _ x: ValueID, _ layer: Recurrent, _ weights: ValueID, _ recurrentWeights: ValueID, _ bias: ValueID, initial: [Int],
    peepholes: ValueID
  ) throws(EdgeError) -> ValueID {
    let gates = try helper(.dense(.none), [x, weights, bias])
    var inputs = [gates, recurrentWeights, Node.noValue]
    for index in initial { inputs.append(try state(index)) }
    inputs.append(peepholes)
    while inputs.last == Node.noValue { inputs.removeLast() }
    let names = (layer.kind == .lstm ? 0..<3 : 0..<2).map { _ in helperName(nodeName) }
    let results = try emit(.recurrent(layer), inputs, names)
    for (place, index) in initial.enumerated() {
      guard let tensor = optionalInput(index), model.tensors[tensor].isVariable else { continue }
      try setState(tensor, results[1 + place])
    }
    return results[0]
  }
}
