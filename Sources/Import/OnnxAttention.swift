#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Attention (operator sets 23 and later) and RotaryEmbedding, as matrix products and a softmax.

extension OnnxImporter {
  /// Two factors of [N, heads, length, size], from that or from [N, length, heads * size].
  func headed(_ index: Int, _ attribute: Text) throws(EdgeError) -> ValueID {
    let id = try input(index)
    let shape = operands[id].shape
    let value = try floatTensor(id)
    if shape.rank == 4, operands[inputs[0]].shape.rank == 4 { return value }
    guard shape.rank == 3, operands[inputs[0]].shape.rank == 3, let heads = try integerAttribute(attribute), heads > 0, shape[2] > 0, shape[2] % heads == 0 else {
      throw wrongShape("\(shape.text) cannot be dealt out to heads", operand: id)
    }
    return try transposed(try reshaped(value, [shape[0], shape[1], heads, shape[2] / heads]), [0, 2, 1, 3])
  }

  func importAttentionFamily() throws(EdgeError) {
    switch node.type {
    case "Attention": try importAttention()
    case "RotaryEmbedding": try importRotaryEmbedding()
    case "LinearAttention": try importLinearAttention()
    case "CausalConvWithState": try importCausalConvolution()
    default: try importFlexAttention()
    }
  }

  private func importAttention() throws(EdgeError) {
    let rank = operands[try input(0)].shape.rank
    var query = try headed(0, "q_num_heads")
    var key = try headed(1, "kv_num_heads")
    var value = try headed(2, "kv_num_heads")
    var past = 0
    let (pastKey, pastValue) = (try optionalInput(4), try optionalInput(5))
    guard (pastKey == nil) == (pastValue == nil) else { throw malformed("only one of past_key and past_value is given") }
    if let pastKey, let pastValue {
      past = operands[pastKey].shape.rank == 4 ? operands[pastKey].shape[2] : -1
      key = try part(.concat(axis: 2), [try floatTensor(pastKey), key])
      value = try part(.concat(axis: 2), [try floatTensor(pastValue), value])
    }
    try setResult(key, output: 1)
    try setResult(value, output: 2)
    let dims = graph.values[query].shape.dims
    let keyDims = graph.values[key].shape.dims
    let valueShape = graph.values[value].shape
    guard past >= 0, dims[0] == keyDims[0], dims[0] == valueShape[0], keyDims[1] == valueShape[1], dims[1] > 0, keyDims[1] > 0, dims[2] > 0,
      dims[3] > 0, keyDims[2] > 0, dims[1] % keyDims[1] == 0
    else { throw wrongShape("\(Shape(dims).text) does not attend to \(Shape(keyDims).text)", operand: inputs[1]) }
    key = try repeatedHeads(key, dims[1] / keyDims[1])
    value = try repeatedHeads(value, dims[1] / keyDims[1])
    let scale = try floatAttribute("scale") ?? Float(1 / Double(dims[3]).squareRoot())
    query = try binary(.multiply, query, try number(Double(scale), .float32))
    var scores = try part(.matMul, [query, try transposed(key, [0, 1, 3, 2])])
    var stages = [scores]
    let cap = try floatAttribute("softcap", 0)
    if cap > 0 {
      let limit = try number(Double(cap), .float32)
      scores = try binary(.multiply, try unary(.tanh, try binary(.divide, scores, limit)), limit)
    }
    stages.append(scores)
    let bias = try attentionBias(queries: dims[2], keys: keyDims[2], past: past)
    if let bias { scores = try binary(.add, scores, bias) }
    stages.append(scores)
    let weights = try part(.softmax(axis: 3, log: false), [scores])
    stages.append(weights)
    var y = try part(.matMul, [weights, value])
    let mode = try integerAttribute("qk_matmul_output_mode", 0)
    guard mode >= 0, mode < stages.count else { throw malformed("attribute 'qk_matmul_output_mode' is \(mode)") }
    if let bias {
      // A query that may attend to nothing gives zeros. Said of the results, which are fewer than the weights.
      let axis = graph.values[bias].shape.rank - 1
      let isMasked = try binary(.equal, try reduce(.max, bias, [axis]), try number(-.infinity, .float32))
      y = try part(.select, [isMasked, try number(0, .float32), y])
      if mode == 3 { stages[3] = try part(.select, [isMasked, try number(0, .float32), weights]) }
    }
    if rank == 3 {
      let size = graph.values[y].shape[3]
      let (width, overflow) = dims[1].multipliedReportingOverflow(by: size)
      guard !overflow else { throw malformed("the result overflows") }
      y = try reshaped(try transposed(y, [0, 2, 1, 3]), [dims[0], dims[2], width])
    }
    try setResult(y)
    try setResult(stages[mode], output: 3)
  }

  /// Each head of keys or values serves several heads of queries.
  func repeatedHeads(_ x: ValueID, _ times: Int) throws(EdgeError) -> ValueID {
    if times == 1 { return x }
    let dims = graph.values[x].shape.dims
    let wide = try part(.expand(Shape([dims[0], dims[1], times, dims[2], dims[3]])), [try reshaped(x, [dims[0], dims[1], 1, dims[2], dims[3]])])
    return try reshaped(wide, [dims[0], dims[1] * times, dims[2], dims[3]])
  }

  /// What is added to the scores: the mask's numbers, minus infinity where a query must not look; nil for nothing.
  private func attentionBias(queries: Int, keys: Int, past: Int) throws(EdgeError) -> ValueID? {
    let lowest = try number(-.infinity, .float32)
    var bias: ValueID?
    if let id = try optionalInput(3) {
      var mask = try tensor(id)
      let shape = operands[id].shape
      guard shape.rank <= 4 else { throw wrongShape("the mask has shape \(shape.text)", operand: id) }
      if operands[id].dtype == .bool { mask = try part(.select, [mask, try number(0, .float32), lowest]) }
      // A mask for the first keys only shuts out the others. One of a single entry is for every key: it broadcasts.
      if let last = shape.dims.last, last > 1, last < keys {
        var after = [Int](repeating: 0, count: shape.rank)
        after[shape.rank - 1] = keys - last
        mask = try part(.pad(.constant, before: [Int](repeating: 0, count: shape.rank), after: after, value: -.infinity), [mask])
      }
      bias = mask
    }
    let column = try range(keys, axis: 1, rank: 2)
    var row = try range(queries, axis: 0, rank: 2, first: past)
    var conditions: [ValueID] = []
    if let id = try optionalInput(6) {
      // An external cache holds so many keys of each sample; the queries are its last ones.
      guard operands[id].shape.rank == 1 else { throw wrongShape("the numbers of keys have shape \(operands[id].shape.text)", operand: id) }
      let count = try reshaped(try part(.cast(.int64), [try tensor(id)]), [operands[id].shape[0], 1, 1, 1])
      row = try binary(.add, row, try binary(.subtract, count, try number(Double(queries), .int64)))
      conditions.append(try binary(.less, column, count))
    }
    if try integerAttribute("is_causal", 0) != 0 { conditions.append(try binary(.lessOrEqual, column, row)) }
    var (left, right) = (-1, -1)
    if opset >= 25 { (left, right) = (try integerAttribute("left_window_size", -1), try integerAttribute("right_window_size", -1)) }
    guard min(left, right) >= -1 else { throw malformed("a window of \(left) keys before and \(right) after a query") }
    if left >= 0 { conditions.append(try binary(.lessOrEqual, try binary(.subtract, row, try number(Double(left), .int64)), column)) }
    if right >= 0 { conditions.append(try binary(.lessOrEqual, column, try binary(.add, row, try number(Double(right), .int64)))) }
    guard var allowed = conditions.first else { return bias }
    for condition in conditions.dropFirst() { allowed = try binary(.and, allowed, condition) }
    let zero = try number(0, .float32)
    return try part(.select, [allowed, bias ?? zero, lowest])
  }

  /// Pairs of numbers turned by an angle that depends on the position.
  private func importRotaryEmbedding() throws(EdgeError) {
    let id = try input(0)
    let shape = operands[id].shape
    var x = try floatTensor(id)
    if shape.rank == 4 {
      x = try transposed(x, [0, 2, 1, 3])
    } else {
      guard shape.rank == 3, let heads = try integerAttribute("num_heads"), heads > 0, shape[2] > 0, shape[2] % heads == 0 else {
        throw wrongShape("\(shape.text) cannot be dealt out to heads", operand: id)
      }
      x = try reshaped(x, [shape[0], shape[1], heads, shape[2] / heads])
    }
    let dims = graph.values[x].shape.dims
    let given = try integerAttribute("rotary_embedding_dim", 0)
    let turned = given == 0 ? dims[3] : given
    guard turned > 0, turned % 2 == 0, turned <= dims[3] else { throw malformed("\(turned) of \(dims[3]) numbers cannot be turned") }
    let half = turned / 2
    func angles(_ index: Int) throws(EdgeError) -> ValueID {
      var cache = try floatTensor(try input(index))
      if let positions = try optionalInput(3) {
        cache = try part(.take(Indexing(.slices, axis: 0)), [cache, try part(.cast(.int64), [try tensor(positions)])])
      }
      let found = graph.values[cache].shape.dims
      guard found.count == 3, found[2] == half else { throw wrongShape("a cache has shape \(Shape(found).text)", operand: inputs[index]) }
      return try reshaped(cache, [found[0], found[1], 1, half])
    }
    let (cosine, sine) = (try angles(1), try angles(2))
    func cut(_ value: ValueID, _ start: Int, _ end: Int, step: Int) throws(EdgeError) -> ValueID {
      try part(.slice(starts: [0, 0, 0, start], ends: dims.dropLast() + [end], steps: [1, 1, 1, step]), [value])
    }
    let isInterleaved = try integerAttribute("interleaved", 0) != 0
    let first = isInterleaved ? try cut(x, 0, turned, step: 2) : try cut(x, 0, half, step: 1)
    let second = isInterleaved ? try cut(x, 1, turned, step: 2) : try cut(x, half, turned, step: 1)
    let real = try binary(.subtract, try binary(.multiply, cosine, first), try binary(.multiply, sine, second))
    let imaginary = try binary(.add, try binary(.multiply, sine, first), try binary(.multiply, cosine, second))
    var y: ValueID
    if isInterleaved {
      let pair = dims.dropLast() + [half, 1]
      y = try part(.concat(axis: 4), [try reshaped(real, Array(pair)), try reshaped(imaginary, Array(pair))])
      y = try reshaped(y, dims.dropLast() + [turned])
    } else {
      y = try part(.concat(axis: 3), [real, imaginary])
    }
    if turned < dims[3] { y = try part(.concat(axis: 3), [y, try cut(x, turned, dims[3], step: 1)]) }
    try setResult(shape.rank == 4 ? try transposed(y, [0, 2, 1, 3]) : try reshaped(y, shape.dims))
  }
}
