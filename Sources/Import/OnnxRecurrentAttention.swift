#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// LinearAttention, CausalConvWithState and FlexAttention.

extension OnnxImporter {
  /// Scores without a mask. Graphs that change scores or weights are not run.
  func importFlexAttention() throws(EdgeError) {
    for name in ["score_mod", "prob_mod"] as [Text] where hasAttribute(name) { throw reject("attribute '\(name)'") }
    var values: [ValueID] = []
    for index in 0..<3 {
      values.append(try floatTensor(try input(index)))
      guard graph.values[values[index]].shape.rank == 4 else { throw wrongShape("an input has not four dimensions", operand: inputs[index]) }
    }
    let dims = graph.values[values[0]].shape.dims
    let heads = graph.values[values[1]].shape[1]
    guard heads > 0, dims[1] > 0, dims[1] % heads == 0, dims[3] > 0 else {
      throw wrongShape("\(dims[1]) heads do not share \(heads)", operand: inputs[1])
    }
    for index in 1...2 { values[index] = try repeatedHeads(values[index], dims[1] / heads) }
    let scale = try floatAttribute("scale") ?? Float(1 / Double(dims[3]).squareRoot())
    let query = try binary(.multiply, values[0], try number(Double(scale), .float32))
    let scores = try part(.matMul, [query, try transposed(values[1], [0, 1, 3, 2])])
    try setResult(try part(.matMul, [try part(.softmax(axis: 3, log: false), [scores]), values[2]]))
  }

  /// Each channel over its own past, of which the last elements are handed on.
  func importCausalConvolution() throws(EdgeError) {
    let (x, w) = (try input(0), try input(1))
    let shape = operands[x].shape
    let weights = operands[w].shape
    guard shape.rank == 3, shape[2] >= 0, weights.rank == 3, weights.dims == [shape[1], 1, weights[2]], weights[0] > 0, weights[2] > 0 else {
      throw wrongShape("weights \(weights.text) do not fit \(shape.text)", operand: w)
    }
    let (channels, taps) = (weights[0], weights[2])
    var signal = try floatTensor(x)
    if let past = try optionalInput(3) {
      if taps > 1 { signal = try part(.concat(axis: 2), [try floatTensor(past), signal]) }
    } else {
      signal = try padded(signal, axis: 2, before: taps - 1, after: 0)
    }
    let length = graph.values[signal].shape[2]
    guard length >= taps else { throw wrongShape("a signal of \(length) elements for \(taps) taps", operand: x) }
    var window = Window()
    window.kernelWidth = taps
    let image = try reshaped(try transposed(signal, [0, 2, 1]), [shape[0], 1, length, channels])
    var values = [image, try convolutionWeights(w, [channels, 1, 1, taps], [0, 2, 3, 1], Shape([channels, 1, taps, 1]))]
    if let bias = try convolutionBias(2, channels: channels) { values.append(bias) }
    var y = try part(.convolution(Convolution(window: window, groups: channels)), values)
    switch try textAttribute("activation", "none") {
    case "none": break
    case "silu", "swish": y = try unary(.silu, y)
    case let other: throw reject("attribute 'activation' is '\(other)'")
    }
    try setResult(try transposed(try reshaped(y, [shape[0], length - taps + 1, channels]), [0, 2, 1]))
    try setResult(try sliced(signal, axis: 2, from: length - taps + 1, to: length), output: 1)
  }

  /// Attention whose memory of the past is a matrix for each head, changed token by token: it fades by a gate, and learns
  /// a key's value, or what it lacks of it.
  func importLinearAttention() throws(EdgeError) {
    let rule = try textAttribute("update_rule", "gated_delta")
    let (isGated, isDelta) = (rule == "gated" || rule == "gated_delta", rule == "delta" || rule == "gated_delta")
    guard isGated || isDelta || rule == "linear" else { throw malformed("attribute 'update_rule' is '\(rule)'") }
    let query = try headed(0, "q_num_heads")
    let key = try headed(1, "kv_num_heads")
    let value = try headed(2, "kv_num_heads")
    let (queries, keys, values) = (graph.values[query].shape, graph.values[key].shape, graph.values[value].shape)
    let (batch, heads, length, width, depth) = (keys[0], keys[1], keys[2], keys[3], values[3])
    guard heads > 0, queries[1] % heads == 0, length > 0, width > 0, depth > 0, queries.dims == [batch, queries[1], length, width],
      values.dims == [batch, heads, length, depth]
    else { throw wrongShape("\(queries.text), \(keys.text) and \(values.text) do not fit", operand: inputs[0]) }
    guard length <= 256 else { throw reject("more than 256 tokens at once") }
    let group = queries[1] / heads
    /// One number, or one for each key element, of each head.
    func perHead(_ index: Int) throws(EdgeError) -> ValueID {
      let id = try input(index)
      let shape = operands[id].shape
      let known = shape.rank == 3 ? shape[2] : 0
      let count = known == 1 ? 1 : heads
      guard shape.rank == 3, known > 0, known % count == 0, shape[1] == length else {
        throw wrongShape("\(shape.text) is not one number for each token and head", operand: id)
      }
      return try transposed(try reshaped(try floatTensor(id), [shape[0], length, count, known / count]), [0, 2, 1, 3])
    }
    let gate = isGated ? try transposed(try unary(.exp, try perHead(4)), [0, 1, 3, 2]) : nil
    let rate = isDelta ? try perHead(5) : nil
    let given = try floatAttribute("scale", 0)
    let scale = given == 0 ? 1 / Double(width).squareRoot() : Double(given)
    let scaled = try binary(.multiply, query, try number(scale, .float32))
    let grouped = try reshaped(scaled, [batch, heads, group, length, width])
    let columns = try transposed(key, [0, 1, 3, 2])
    var state: ValueID
    if let past = try optionalInput(3) {
      guard operands[past].shape.dims == [batch, heads, width, depth] else {
        throw wrongShape("the state has shape \(operands[past].shape.text)", operand: past)
      }
      state = try floatTensor(past)
    } else {
      state = try part(.expand(Shape([batch, heads, width, depth])), [try number(0, .float32)])
    }
    var results: [ValueID] = []
    for index in 0..<length {
      if let gate { state = try binary(.multiply, state, try sliced(gate, axis: 3, from: index, to: index + 1)) }
      var learned = try sliced(value, axis: 2, from: index, to: index + 1)
      if let rate {
        let recalled = try part(.matMul, [try sliced(key, axis: 2, from: index, to: index + 1), state])
        learned = try binary(.multiply, try binary(.subtract, learned, recalled), try sliced(rate, axis: 2, from: index, to: index + 1))
      }
      state = try binary(.add, state, try binary(.multiply, try sliced(columns, axis: 3, from: index, to: index + 1), learned))
      let asked = try reshaped(try sliced(grouped, axis: 3, from: index, to: index + 1), [batch, heads, group, width])
      results.append(try reshaped(try part(.matMul, [asked, state]), [batch, 1, queries[1] * depth]))
    }
    try setResult(results.count == 1 ? results[0] : try part(.concat(axis: 1), results))
    try setResult(state, output: 1)
  }
}
