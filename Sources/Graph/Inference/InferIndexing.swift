// Operators that name elements by index, and running sums.

extension TypeInference {
  /// Integers, booleans or float32, without quantization: what the typed kernels compute on.
  private func checkTyped(_ position: Int) throws(EdgeError) {
    if !isPlain(position) { try checkFloat(position) }
  }

  func bitCast(_ dtype: DType) throws(EdgeError) -> TensorType {
    try arity(1)
    let x = value(0)
    // Any byte is a number, but only 0 and 1 are truths.
    guard x.quantization?.axis == nil, x.dtype.byteCount == dtype.byteCount, dtype != .bool || x.dtype == .bool else {
      throw failure(.dtypeMismatch, "\(x.dtype.text) has no bits of \(dtype.text)", inputs[0])
    }
    return try typed(dtype, try shape(0))
  }

  func scan(_ axis: Int) throws(EdgeError) -> TensorType {
    try arity(1)
    let x = try shape(0)
    try checkAxis(axis, rank: x.rank)
    try checkTyped(0)
    return try typed(value(0).dtype, x)
  }

  func topK(_ axis: Int, _ k: Int) throws(EdgeError) -> [TensorType] {
    try arity(1)
    var x = try shape(0)
    try checkAxis(axis, rank: x.rank)
    if value(0).dtype.isFloatingPoint { try checkFloat(0) } else if !isPlain(0) { try checkQuantized(0) }
    guard x[axis] >= 0, k >= 0, k <= x[axis] else {
      throw failure(.shapeMismatch, "k is \(k), axis \(axis) of \(x.text) has no so many elements", inputs[0])
    }
    x[axis] = k
    let values = try moved(0, x)
    return [values, TensorType(.int64, values.shape)]
  }

  func take(_ indexing: Indexing) throws(EdgeError) -> TensorType {
    try arity(2)
    return try moved(0, try indexedShape(indexing))
  }

  func put(_ indexing: Indexing, _ function: PutFunction) throws(EdgeError) -> TensorType {
    try arity(3)
    let updates = try shape(2)
    let needed = try indexedShape(indexing)
    guard updates == needed else { throw failure(.shapeMismatch, "updates are \(updates.text), \(needed.text) is required", inputs[2]) }
    guard value(2).dtype == value(0).dtype, value(2).quantization == value(0).quantization else {
      throw failure(.dtypeMismatch, "updates are \(value(2).dtype.text), the tensor is \(value(0).dtype.text)", inputs[2])
    }
    if function != .replace { try checkTyped(0) }
    return try moved(0, try shape(0))
  }

  /// Shape of the elements that the indices at input 1 name in the tensor at input 0.
  private func indexedShape(_ indexing: Indexing) throws(EdgeError) -> Shape {
    let x = try shape(0)
    let indices = try shape(1)
    let type = value(1)
    guard type.dtype == .int32 || type.dtype == .int64, type.quantization == nil else {
      throw failure(.dtypeMismatch, "indices are \(type.dtype.text), int32 or int64 is required", inputs[1])
    }
    let axis = indexing.axis
    let dims: [Int]
    let pointed: ArraySlice<Int>
    switch indexing.kind {
    case .slices:
      try checkAxis(axis, rank: x.rank)
      dims = Array(x.dims[..<axis]) + indices.dims + Array(x.dims[(axis + 1)...])
      pointed = x.dims[axis...axis]
    case .elements:
      try checkAxis(axis, rank: x.rank)
      guard indices.rank == x.rank else { throw failure(.shapeMismatch, "\(indices.text) and \(x.text) differ in rank", inputs[1]) }
      for other in 0..<x.rank where other != axis && (x[other] == Shape.batch ? indices[other] != x[other] : !(0...x[other] ~= indices[other])) {
        throw failure(.shapeMismatch, "indices \(indices.text) reach beyond \(x.text)", inputs[1])
      }
      dims = indices.dims
      pointed = x.dims[axis...axis]
    case .tuples:
      guard let count = indices.dims.last, count >= 0, axis >= 0, axis < indices.rank, axis <= x.rank, count <= x.rank - axis else {
        throw failure(.shapeMismatch, "\(indices.text) holds no tuples into \(x.text)", inputs[1])
      }
      for shared in 0..<axis where x[shared] != indices[shared] {
        throw failure(.shapeMismatch, "\(indices.text) and \(x.text) do not share the first \(axis) axes", inputs[1])
      }
      dims = Array(indices.dims.dropLast()) + Array(x.dims[(axis + count)...])
      pointed = x.dims[axis..<(axis + count)]
    }
    let result = try checked(Shape(dims))
    // There must be something to point to.
    for dim in pointed where dim < 0 || dim == 0 && result.elementCount() != 0 {
      throw failure(.shapeMismatch, "\(x.text) has no known elements to point to", inputs[0])
    }
    return result
  }
}
