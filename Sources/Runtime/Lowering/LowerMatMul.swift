import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension Lowering {
  /// a [..., M, K] x b [..., K, N]. A vector on the left is one row, on the right one column.
  func lowerMatMul(_ node: Node) throws(EdgeError) {
    let a = try required(node, 0)
    let b = try required(node, 1)
    let y = node.outputs[0]
    var aDims = shape(a)
    var bDims = shape(b)
    if aDims.count == 1 { aDims.insert(1, at: 0) }
    if bDims.count == 1 { bDims.append(1) }
    guard aDims.count >= 2, bDims.count >= 2 else { throw error(.shapeMismatch, "needs matrices", value: y) }
    let (m, k, n) = (aDims[aDims.count - 2], aDims[aDims.count - 1], bDims[bDims.count - 1])
    guard bDims[bDims.count - 2] == k else { throw error(.shapeMismatch, "the inner dimensions differ", value: b) }
    _ = (try count(a), try count(b))

    // Batch dimensions, right-aligned.
    let aBatch = [Int](aDims.dropLast(2))
    let bBatch = [Int](bDims.dropLast(2))
    let rank = max(aBatch.count, bBatch.count)
    var dims: [Int] = []
    for index in 0..<rank {
      let left = index - (rank - aBatch.count)
      let right = index - (rank - bBatch.count)
      dims.append(max(left >= 0 ? aBatch[left] : 1, right >= 0 ? bBatch[right] : 1))
    }
    let matrices = Lowering.product(dims[...])
    guard let aStrides = StridedLoops.broadcast(aBatch, to: dims), let bStrides = StridedLoops.broadcast(bBatch, to: dims),
      try count(y) == matrices &* m &* n
    else { throw error(.shapeMismatch, "the batch dimensions do not broadcast", value: y) }

    var arguments = ek_matmul()
    var aPlace = try operand(a)
    var bPlace = try operand(b)
    let loops = StridedLoops(dims: dims, strides: [aStrides, bStrides]).collapsed()
    if loops.dims.count == 1 {
      arguments.a_batch_stride = Int64(matrices == 1 ? 0 : loops.strides[0][0] &* m &* k)
      arguments.b_batch_stride = Int64(matrices == 1 ? 0 : loops.strides[1][0] &* k &* n)
    } else {
      // No single stride walks both: the repeated matrices are written out.
      aPlace = try spread(aPlace, a, dims: dims + [m, k], from: aBatch + [m, k])
      bPlace = try spread(bPlace, b, dims: dims + [k, n], from: bBatch + [k, n])
      arguments.a_batch_stride = Int64(m &* k)
      arguments.b_batch_stride = Int64(k &* n)
    }
    arguments.batch = Int64(matrices)
    (arguments.m, arguments.n, arguments.k) = (Int64(m), Int64(n), Int64(k))
    (arguments.a_row_stride, arguments.a_column_stride) = (Int64(k), 1)
    (arguments.b_row_stride, arguments.b_column_stride) = (Int64(n), 1)
    if dtype(a) != .float32, graph.values[a].quantization == nil {
      let typed = ek_typed_matmul(
        a: nil, b: nil, y: nil, batch: arguments.batch, m: arguments.m, n: arguments.n, k: arguments.k,
        a_batch_stride: arguments.a_batch_stride, b_batch_stride: arguments.b_batch_stride, type: Int32(dtype(a).rawValue), reserved: 0)
      return try emit(
        Int(EK_TYPED_MATMUL), typed, [.read(0, aPlace), .read(1, bPlace), .write(2, try result(y))],
        multiplyAdds: arguments.batch &* arguments.m &* arguments.n &* arguments.k)
    }
    // Rows of all matrices are one matrix when the right side is shared.
    if arguments.b_batch_stride == 0, arguments.a_batch_stride == arguments.m &* arguments.k || arguments.batch == 1 {
      arguments.m = arguments.m &* arguments.batch
      arguments.batch = 1
    }
    arguments.clamp_min = -.infinity
    arguments.clamp_max = .infinity
    let integer = try isQuantized([a, b, y])
    if integer {
      let (aType, bType, yType) = (try quantized(a), try quantized(b), try quantized(y))
      arguments.a_zero_point = aType.zero_point
      arguments.b_zero_point = bType.zero_point
      arguments.y_zero_point = yType.zero_point
      arguments.scale = try factor(aType.scale * bType.scale / yType.scale)
    }
    try emit(
      Int(integer ? EK_MATMUL_U8 : EK_MATMUL_F32), arguments, [.read(0, aPlace), .read(1, bPlace), .write(3, try result(y))],
      multiplyAdds: arguments.batch &* arguments.m &* arguments.n &* arguments.k)
  }

  private func spread(_ place: BufferPlace, _ value: ValueID, dims: [Int], from: [Int]) throws(EdgeError) -> BufferPlace {
    if dims == from { return place }
    guard dims.count <= Int(EK_MAX_RANK), let strides = StridedLoops.broadcast(from, to: dims),
      let elements = Shape(dims).elementCount(), elements <= Int.max / 8
    else { throw unsupported("these batch dimensions") }
    let target = temporary(elements &* dtype(value).byteCount)
    try emitCopy(
      StridedLoops(dims: dims, strides: [strides, StridedLoops.dense(dims)]), elementBytes: dtype(value).byteCount, from: place,
      to: target)
    return target
  }
}
