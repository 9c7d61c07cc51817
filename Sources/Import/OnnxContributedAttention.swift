#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Attention and MultiHeadAttention of the domain com.microsoft.

extension OnnxImporter {
  func importContributedAttention() throws(EdgeError) {
    guard let heads = try integerAttribute("num_heads"), heads > 0 else { throw malformed("attribute 'num_heads' is missing or not positive") }
    /// [N, length, heads * size] as [N, heads, length, size].
    func headed(_ x: ValueID) throws(EdgeError) -> ValueID {
      let dims = graph.values[x].shape.dims
      guard dims.count == 3, dims[2] > 0, dims[2] % heads == 0 else { throw reject("an input of shape \(Shape(dims).text) for \(heads) heads") }
      return try transposed(try reshaped(x, [dims[0], dims[1], heads, dims[2] / heads]), [0, 2, 1, 3])
    }
    var parts: [ValueID] = []
    var past = 0
    let isPlain = node.type == "Attention"
    if isPlain {
      // One product makes queries, keys and values.
      if try optionalInput(4) != nil { throw reject("keys and values of the past") }
      if try integerAttribute("do_rotary", 0) != 0 { throw reject("attribute 'do_rotary'") }
      var all = try part(.matMul, [try floatTensor(try input(0)), try floatTensor(try input(1))])
      if let bias = try optionalInput(2) { all = try binary(.add, all, try floatTensor(bias)) }
      let width = graph.values[all].shape.dims.last ?? 0
      let sizes = try integersAttribute("qkv_hidden_sizes") ?? [width / 3, width / 3, width / 3]
      guard sizes.count == 3, sizes.allSatisfy({ $0 >= 0 && $0 <= width }) else { throw malformed("attribute 'qkv_hidden_sizes' has other sizes") }
      let names = sizes.map { _ in helperName(nodeName + ".part") }
      for each in try emit(.split(axis: graph.values[all].shape.rank - 1, sizes: sizes), [all], names) { parts.append(try headed(each)) }
    } else {
      var start = 0
      for index in 0..<3 {
        let id = try input(index)
        var x = try floatTensor(id)
        let width = operands[id].shape.dims.last ?? 0
        if let bias = try optionalInput(3), width >= 0, operands[id].shape.rank == 3 {
          x = try binary(.add, x, try sliced(try floatTensor(bias), axis: 0, from: start, to: start + width))
          start += width
        }
        // Keys and values of another text may be dealt out to heads already.
        parts.append(index > 0 && operands[id].shape.rank == 4 ? x : try headed(x))
      }
      if let keys = try optionalInput(6), let values = try optionalInput(7) {
        past = operands[keys].shape.rank == 4 ? operands[keys].shape[2] : -1
        parts[1] = try part(.concat(axis: 2), [try floatTensor(keys), parts[1]])
        parts[2] = try part(.concat(axis: 2), [try floatTensor(values), parts[2]])
      }
      try setResult(parts[1], output: 1)
      try setResult(parts[2], output: 2)
    }
    let dims = graph.values[parts[0]].shape.dims
    let keys = graph.values[parts[1]].shape[2]
    guard past >= 0, dims[2] > 0, keys > 0 else { throw reject("texts of unknown length") }
    let given = try floatAttribute("scale", 0)
    let scale = given == 0 ? 1 / Double(dims[3]).squareRoot() : Double(given)
    let query = try binary(.multiply, parts[0], try number(scale, .float32))
    var scores = try part(.matMul, [query, try transposed(parts[1], [0, 1, 3, 2])])
    if let bias = try optionalInput(5) { scores = try binary(.add, scores, try floatTensor(bias)) }
    let column = try range(keys, axis: 3, rank: 4)
    var allowed: ValueID?
    if let id = try optionalInput(isPlain ? 3 : 4) {
      let mask = try part(.cast(.int64), [try tensor(id)])
      let shape = operands[id].shape
      switch shape.rank {
      case 1 where shape[0] == dims[0]: allowed = try binary(.less, column, try reshaped(mask, [shape[0], 1, 1, 1]))
      case 2: allowed = try binary(.less, try number(0, .int64), try reshaped(mask, [shape[0], 1, 1, shape[1]]))
      case 3: allowed = try binary(.less, try number(0, .int64), try reshaped(mask, [shape[0], 1, shape[1], shape[2]]))
      default: throw reject("a mask of shape \(shape.text)")
      }
    }
    // A key that the mask shuts out keeps some of its weight where all are; one that comes later has none.
    var masks: ValueID?
    let zero = try number(0, .float32)
    if let allowed {
      masks = try part(.select, [allowed, zero, try number(Double(try floatAttribute("mask_filter_value", -10000)), .float32)])
    }
    if try integerAttribute("unidirectional", 0) != 0 {
      let isPast = try binary(.lessOrEqual, column, try range(dims[2], axis: 2, rank: 4, first: past))
      masks = try part(.select, [isPast, masks ?? zero, try number(-Double(Float.greatestFiniteMagnitude), .float32)])
    }
    if let masks { scores = try binary(.add, scores, masks) }
    let y = try transposed(try part(.matMul, [try part(.softmax(axis: 3, log: false), [scores]), parts[2]]), [0, 2, 1, 3])
    let out = graph.values[y].shape
    guard let width = multiplyChecked(out[2], out[3]) else { throw malformed("the size overflows") }
    try setResult(try reshaped(y, [out[0], out[1], width]))
  }
}
