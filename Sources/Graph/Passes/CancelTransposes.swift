extension Graph {
  /// Removes the transposes an importer of NCHW models puts around spatial operators.
  ///
  ///     before   x -> T(NHWC) -> Convolution -> T(NCHW) -> Relu -> T(NHWC) -> MaxPool -> T(NCHW) -> Reshape [N, 400] -> Dense
  ///     after    x -> T(NHWC) -> Convolution -> Relu -> MaxPool -> Reshape [N, 400] -> Dense with its columns permuted
  ///
  /// One walk in topological order. A transpose is not emitted where it stands: its result is remembered as a
  /// stored value and a permutation to read it by. Elementwise operators, concat, split, slice, pad, reduce,
  /// softmax and the like work on the stored order, with axes, attributes and constants permuted; consecutive
  /// transposes compose, inverse pairs vanish. Reshapes follow as long as each group of axes they join or divide
  /// stays together. Only an operator that needs the plain order makes the transpose real, as a reshape when
  /// just dimensions of 1 move, once for each value and order. A flattened image that only dense layers read is
  /// never transposed: the columns of their constant weights are.
  ///
  /// Results never change. The walk always ends, and its result is taken only if fewer elements are
  /// transposed at run time than before (or as many, by fewer nodes); otherwise the graph stays as it is.
  public func cancellingTransposes() throws(EdgeError) -> Graph {
    try validate()
    guard let before = transposedElements else { return self }
    let walk = try TransposeSinking(self)
    for (number, node) in nodes.enumerated() { try walk.visit(node, number) }
    let result = try walk.finish().removingDeadNodes()
    guard let after = result.transposedElements else { return self }
    return after < before || (after == before && result.nodes.count < nodes.count) ? result : self
  }

  /// Elements that transposes move in one run of batch 1; nil on overflow.
  var transposedElements: Int? {
    var total = 0
    for node in nodes {
      guard case .transpose = node.op, let output = node.outputs.first, values[node.inputs[0]].constant == nil else { continue }
      guard let count = values[output].shape.elementCount(), let sum = addChecked(total, count) else { return nil }
      total = sum
    }
    return total
  }
}

/// How a value of the source is found in the new graph.
struct StoredValue {
  var base: ValueID
  /// The value is transpose(base, order).
  var order: [Int]
  /// When the last axis is stored as another order of several axes: their stored sizes, and the permutation that
  /// gives the value's own. `order` is then the identity.
  var columns: (dims: [Int], permutation: [Int])?

  var isPlain: Bool { order.isIdentity && columns == nil }
}

/// The walk of `cancellingTransposes`.
final class TransposeSinking {
  let rewriter: GraphRewriter
  let index: GraphIndex
  private var stored: [StoredValue?]
  /// Transposes made so far, for each base value.
  private var made: [[(order: [Int], value: ValueID)]] = []
  /// Bases of those made inside branches and loops that are open, and how many there were when each of these began.
  private var madeInside: [ValueID] = []
  private var openings: [Int] = []
  private let flow: ControlFlow

  init(_ graph: Graph) throws(EdgeError) {
    flow = try ControlFlow(graph)
    rewriter = GraphRewriter(graph)
    index = GraphIndex(graph)
    stored = [StoredValue?](repeating: nil, count: graph.values.count)
  }

  var source: Graph { rewriter.source }

  func finish() throws(EdgeError) -> Graph {
    for output in source.outputs { rewriter.set(output, to: try plain(output)) }
    return try rewriter.finish()
  }

  // MARK: Values

  func lookUp(_ old: ValueID) -> StoredValue {
    if let value = stored[old] { return value }
    let value = StoredValue(base: rewriter.place(of: old), order: Array(0..<source.values[old].shape.rank))
    stored[old] = value
    return value
  }

  func store(_ old: ValueID, _ value: StoredValue) {
    stored[old] = value
    if value.isPlain { rewriter.set(old, to: value.base) }
  }

  func store(_ old: ValueID, _ base: ValueID, order: [Int]) {
    store(old, StoredValue(base: base, order: order))
  }

  /// The value in its own order.
  func plain(_ old: ValueID) throws(EdgeError) -> ValueID {
    guard old != Node.noValue else { return Node.noValue }
    let value = lookUp(old)
    guard let columns = value.columns else { return try transposed(value.base, by: value.order) }
    let shape = source.values[old].shape
    let prefix = Array(shape.dims.dropLast())
    let wide = try reshaped(value.base, to: Shape(prefix + columns.dims))
    let order = Array(prefix.indices) + columns.permutation.map { $0 + prefix.count }
    return try reshaped(try transposed(wide, by: order), to: shape)
  }

  /// The value stored so that transpose(result, order) gives it.
  func stored(_ old: ValueID, as order: [Int]) throws(EdgeError) -> ValueID {
    let value = lookUp(old)
    if value.columns == nil, value.order == order { return value.base }
    guard value.columns == nil else { return try transposed(try plain(old), by: order.inverse) }
    return try transposed(value.base, by: value.order.followed(by: order.inverse))
  }

  /// A control operator, on plain inputs. A transpose made inside a branch or loop is not there after it, and none
  /// moves from before a loop into it.
  func control(_ node: Node, _ number: Int) throws(EdgeError) {
    try keep(node)
    let construct = flow.constructs[flow.markers[number]]
    if number != construct.begin, let opening = openings.popLast() {
      for base in madeInside[opening...] { made[base].removeLast() }
      madeInside.removeLast(madeInside.count - opening)
    }
    if number == construct.begin, construct.middle < 0 {
      for inner in number + 1..<construct.end {
        for input in source.nodes[inner].inputs where input != Node.noValue {
          if let value = stored[input], !value.isPlain { store(input, try plain(input), order: Array(0..<source.values[input].shape.rank)) }
        }
      }
    }
    if number != construct.end { openings.append(madeInside.count) }
  }

  /// transpose(base, order), made at most once; constants are rearranged now.
  func transposed(_ base: ValueID, by order: [Int]) throws(EdgeError) -> ValueID {
    if order.isIdentity { return base }
    while made.count <= base { made.append([]) }
    if let known = made[base].first(where: { $0.order == order }) { return known.value }
    let value = rewriter.value(base)
    let shape = value.shape
    let name = value.name.extended(by: "_transposed")
    let result: ValueID
    if let constant = try value.permuted(order, name: name) {
      result = rewriter.add(constant)
    } else if order.filter({ shape[$0] != 1 }).isAscending && value.quantization?.axis == nil {
      result = try reshaped(base, to: Shape(order.map { shape[$0] }))
    } else {
      result = try rewriter.add(.transpose(order), name: name, inputs: [base], outputNames: [name])[0]
    }
    made[base].append((order, result))
    if !openings.isEmpty { madeInside.append(base) }
    return result
  }

  /// The base in another shape; the node, when there is one, gives its names.
  func reshaped(_ base: ValueID, to shape: Shape, for node: Node? = nil) throws(EdgeError) -> ValueID {
    var value = rewriter.value(base)
    if value.shape == shape { return base }
    let name = node.map { source.values[$0.outputs[0]].name } ?? value.name.extended(by: "_reshaped")
    if value.constant != nil && value.quantization?.axis == nil {
      value.name = name
      value.shape = shape
      return rewriter.add(value)
    }
    return try rewriter.add(.reshape(shape), name: node?.name ?? name, inputs: [base], outputNames: [name])[0]
  }

  /// Emits an operator whose results are typed by inference, and remembers all of them under one order.
  func emit(_ op: Operator, _ node: Node, inputs: [ValueID], order: [Int]) throws(EdgeError) {
    let results = try rewriter.add(
      op, name: node.name, inputs: inputs, outputNames: node.outputs.map { source.values[$0].name },
      declared: source.declaredTypes(of: node))
    for (old, new) in zip(node.outputs, results) { store(old, new, order: order) }
  }

  /// Elements a value costs to bring into an order.
  private func cost(_ old: ValueID, as order: [Int]) -> Int {
    let shape = source.values[old].shape
    guard source.values[old].constant == nil else { return 0 }
    let current = stored[old]?.order ?? Array(0..<shape.rank)
    guard current != order else { return 0 }
    let base = current.inverse.map { shape[$0] }
    return current.followed(by: order.inverse).filter({ base[$0] != 1 }).isAscending ? 0 : shape.elementCount() ?? Int.max
  }

  /// The order, among those the values have, in which they are cheapest to bring together.
  func commonOrder(_ olds: [ValueID]) -> [Int] {
    var best: [Int] = Array(0..<source.values[olds[0]].shape.rank)
    var bestCost = Int.max
    var tried: [[Int]] = []
    for candidate in olds {
      let order = lookUp(candidate).order
      // Networks have one or two; the bound keeps odd graphs from taking quadratic time.
      if tried.count == 8 || tried.contains(order) { continue }
      tried.append(order)
      var total = 0
      for old in olds {
        let (sum, overflow) = total.addingReportingOverflow(cost(old, as: order))
        total = overflow ? Int.max : sum
      }
      // Among equals a stored order that is not the plain one wins: a spatial operator made it.
      if total < bestCost || (total == bestCost && best.isIdentity) { (best, bestCost) = (order, total) }
    }
    return best
  }
}

extension [Int] {
  var isIdentity: Bool {
    for (index, element) in enumerated() where index != element { return false }
    return true
  }

  var isAscending: Bool {
    for index in indices.dropFirst() where self[index - 1] >= self[index] { return false }
    return true
  }

  /// The inverse of a permutation.
  var inverse: [Int] {
    var result = self
    for (index, element) in enumerated() { result[element] = index }
    return result
  }

  /// The one permutation that does what this one and then another one do.
  func followed(by next: [Int]) -> [Int] { next.map { self[$0] } }
}
