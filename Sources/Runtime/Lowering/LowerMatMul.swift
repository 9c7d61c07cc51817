import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A matrix product's tensor, which may be read or written in another order than its own: strides in elements.
private struct Matrices {
  var place: BufferPlace
  /// Of the dimensions before the last two, and of those.
  var batch: [Int], strides: [Int]
  var rows: Int, columns: Int, rowStride: Int, columnStride: Int
}

extension Lowering {
  /// a [..., M, K] x b [..., K, N]. A vector on the left is one row, on the right one column.
  func lowerMatMul(_ node: Node) throws(EdgeError) {
    let y = node.outputs[0]
    var a = try matrices(try required(node, 0), vectorIsRow: true)
    var b = try matrices(try required(node, 1), vectorIsRow: false)
    let (m, k, n) = (a.rows, a.columns, b.columns)
    guard b.rows == k else { throw error(.shapeMismatch, "the inner dimensions differ", value: node.inputs[1]) }

    // Batch dimensions, right-aligned.
    let rank = max(a.batch.count, b.batch.count)
    var dims: [Int] = []
    for index in 0..<rank {
      let left = index - (rank - a.batch.count)
      let right = index - (rank - b.batch.count)
      dims.append(max(left >= 0 ? a.batch[left] : 1, right >= 0 ? b.batch[right] : 1))
    }
    let count = Lowering.product(dims[...])
    guard let aStrides = Lowering.broadcast(a, to: dims), let bStrides = Lowering.broadcast(b, to: dims), try self.count(y) == count &* m &* n
    else { throw error(.shapeMismatch, "the batch dimensions do not broadcast", value: y) }
    let isTyped = dtype(node.inputs[0]) != .float32 && graph.values[node.inputs[0]].quantization == nil
    let (yPlace, yStrides) = try target(of: node, dims + [m, n])
    var loops = StridedLoops(dims: dims, strides: [aStrides, bStrides, Array(yStrides.prefix(rank))]).collapsed()
    if loops.dims.count > (isTyped ? 1 : 2) {
      // No two strides walk all: the matrices are written out.
      try writeOut(&a, node.inputs[0], aStrides, dims)
      try writeOut(&b, node.inputs[1], bStrides, dims)
      let dense = { (size: Int) in StridedLoops.dense(dims + [size]).dropLast() }
      loops = StridedLoops(dims: dims, strides: [Array(dense(m &* k)), Array(dense(k &* n)), Array(yStrides.prefix(rank))]).collapsed()
      guard loops.dims.count <= 2 else { throw unsupported("these batch dimensions") }
    }
    let inner = loops.dims[loops.dims.count - 1]
    func strides(_ tensor: Int) -> (group: Int64, batch: Int64) {
      if count == 1 { return (0, 0) }
      let own = loops.strides[tensor]
      return (Int64(own.count == 2 ? own[0] : 0), Int64(own[own.count - 1]))
    }
    if isTyped {
      let typed = ek_typed_matmul(
        a: nil, b: nil, y: nil, batch: Int64(count), m: Int64(m), n: Int64(n), k: Int64(k), a_batch_stride: strides(0).batch,
        b_batch_stride: strides(1).batch, type: Int32(dtype(node.inputs[0]).rawValue), reserved: 0)
      return try emit(
        Int(EK_TYPED_MATMUL), typed, [.read(0, a.place), .read(1, b.place), .write(2, yPlace)],
        multiplyAdds: typed.batch &* typed.m &* typed.n &* typed.k)
    }
    var arguments = ek_matmul()
    (arguments.batch, arguments.inner_batch) = (Int64(count), Int64(inner))
    (arguments.m, arguments.n, arguments.k) = (Int64(m), Int64(n), Int64(k))
    (arguments.a_group_stride, arguments.a_batch_stride) = strides(0)
    (arguments.b_group_stride, arguments.b_batch_stride) = strides(1)
    (arguments.y_group_stride, arguments.y_batch_stride) = strides(2)
    (arguments.a_row_stride, arguments.a_column_stride) = (Int64(a.rowStride), Int64(a.columnStride))
    (arguments.b_row_stride, arguments.b_column_stride) = (Int64(b.rowStride), Int64(b.columnStride))
    arguments.y_row_stride = Int64(yStrides[rank])
    // Rows of all matrices are one matrix when the right side is shared.
    if loops.dims.count == 1, arguments.b_batch_stride == 0, arguments.a_batch_stride == arguments.m &* arguments.a_row_stride,
      arguments.y_batch_stride == arguments.m &* arguments.y_row_stride
    {
      arguments.m = arguments.m &* arguments.batch
      (arguments.batch, arguments.inner_batch) = (1, 1)
    }
    arguments.clamp_min = -.infinity
    arguments.clamp_max = .infinity
    let integer = try isQuantized([node.inputs[0], node.inputs[1], y])
    if integer {
      let (aType, bType, yType) = (try quantized(node.inputs[0]), try quantized(node.inputs[1]), try quantized(y))
      arguments.a_zero_point = aType.zero_point
      arguments.b_zero_point = bType.zero_point
      arguments.y_zero_point = yType.zero_point
      arguments.scale = try factor(aType.scale * bType.scale / yType.scale)
    }
    try emit(
      Int(integer ? EK_MATMUL_U8 : EK_MATMUL_F32), arguments, [.read(0, a.place), .read(1, b.place), .write(3, yPlace)],
      multiplyAdds: arguments.batch &* arguments.m &* arguments.n &* arguments.k)
  }

  private func matrices(_ value: ValueID, vectorIsRow: Bool) throws(EdgeError) -> Matrices {
    var dims = shape(value)
    _ = try count(value)
    var strides = StridedLoops.dense(dims)
    let place: BufferPlace
    if let view = views[value] {
      (place, strides) = (view.place, view.strides)
    } else {
      place = try operand(value)
    }
    if dims.count == 1 {
      dims.insert(1, at: vectorIsRow ? 0 : 1)
      strides.insert(vectorIsRow ? dims[1] : 1, at: vectorIsRow ? 0 : 1)
    }
    let rank = dims.count
    guard rank >= 2 else { throw error(.shapeMismatch, "needs matrices", value: value) }
    return Matrices(
      place: place, batch: Array(dims.dropLast(2)), strides: Array(strides.dropLast(2)), rows: dims[rank - 2], columns: dims[rank - 1],
      rowStride: strides[rank - 2], columnStride: strides[rank - 1])
  }

  /// Strides of the batch dimensions read as `dims`; nil when the shapes do not agree.
  private static func broadcast(_ tensor: Matrices, to dims: [Int]) -> [Int]? {
    guard var strides = StridedLoops.broadcast(tensor.batch, to: dims) else { return nil }
    let missing = dims.count - tensor.batch.count
    for index in tensor.batch.indices where strides[missing + index] != 0 { strides[missing + index] = tensor.strides[index] }
    return strides
  }

  /// Copies the matrices of all batches one after the other.
  private func writeOut(_ tensor: inout Matrices, _ value: ValueID, _ strides: [Int], _ batch: [Int]) throws(EdgeError) {
    let dims = batch + [tensor.rows, tensor.columns]
    let own = strides + [tensor.rowStride, tensor.columnStride], dense = StridedLoops.dense(dims)
    if own != dense {
      guard dims.count <= Int(EK_MAX_RANK), let elements = Shape(dims).elementCount(), elements <= Int.max / 8
      else { throw unsupported("these batch dimensions") }
      let target = temporary(elements &* dtype(value).byteCount)
      try emitCopy(StridedLoops(dims: dims, strides: [own, dense]), elementBytes: dtype(value).byteCount, from: tensor.place, to: target)
      tensor.place = target
    }
    (tensor.rowStride, tensor.columnStride) = (tensor.columns, 1)
  }

  // MARK: Transposes around products

  /// Notes how a transpose's result lies in its operand where matrix products alone read it: they walk strides anyway.
  /// False where it has to be made.
  func viewTranspose(_ node: Node, _ order: [Int]) throws(EdgeError) -> Bool {
    let (x, y) = (try required(node, 0), node.outputs[0])
    if absorbed[y] { return true }
    guard !isPinned[y], movesMatrices(x, y), !index.consumers[y].isEmpty else { return false }
    for reader in index.consumers[y] {
      guard case .matMul = graph.nodes[reader].op, flow.blocks[reader] == flow.blocks[current] else { return false }
      // The left side's rows are multiplied where they lie.
      if graph.nodes[reader].inputs[0] == y, order.last != order.count - 1 { return false }
    }
    let dense = StridedLoops.dense(shape(x))
    views[y] = (try operand(x), order.map { dense[$0] })
    return true
  }

  /// Where a product's result goes and how: into that of a transpose that alone reads it, if there is one that leaves
  /// the columns in place.
  private func target(of node: Node, _ dims: [Int]) throws(EdgeError) -> (BufferPlace, [Int]) {
    let y = node.outputs[0]
    let plain = StridedLoops.dense(dims)
    guard !isPinned[y], index.consumers[y].count == 1, case .transpose(let order) = graph.nodes[index.consumers[y][0]].op,
      order.count == dims.count, order.last == order.count - 1, flow.blocks[index.consumers[y][0]] == flow.blocks[current]
    else { return (try result(y), plain) }
    let transpose = graph.nodes[index.consumers[y][0]]
    let moved = transpose.outputs[0]
    guard movesMatrices(y, moved), aliasSource(transpose) == nil else { return (try result(y), plain) }
    let dense = StridedLoops.dense(shape(moved))
    var strides = plain
    for (position, axis) in order.enumerated() { strides[axis] = dense[position] }
    // A kernel has two strides between matrices, for the operands and the result together.
    let loops = StridedLoops(
      dims: [Int](dims.dropLast(2)), strides: [[Int](plain.dropLast(2)), [Int](strides.dropLast(2))])
    if loops.collapsed().dims.count > 2 { return (try result(y), plain) }
    absorbed[moved] = true
    return (try result(moved), strides)
  }

  /// Both are of the same type, which strided products have.
  private func movesMatrices(_ x: ValueID, _ y: ValueID) -> Bool {
    dtype(x) == dtype(y) && graph.values[x].quantization == graph.values[y].quantization
      && (dtype(x) == .float32 || graph.values[x].quantization != nil)
  }
}
