// Rearranging the contents of constants, whatever their element type.

extension Value {
  /// The constant with its axes in another order; nil when this is no constant or it does not fit.
  public func permuted(_ permutation: [Int], name: Text) throws(EdgeError) -> Value? {
    guard shape.rank == permutation.count else { return nil }
    let strides = shape.strides
    let target = Shape(permutation.map { shape[$0] })
    guard var result = try gathered(target, offset: 0, strides: permutation.map { strides[$0] }, name: name) else { return nil }
    if let axis = result.quantization?.axis { result.quantization?.axis = permutation.firstIndex(of: axis) }
    return result
  }

  /// A constant of another shape whose element at an index is this one's at offset + sum of index * stride.
  /// Every position must lie inside; nil when this is no constant.
  func gathered(_ target: Shape, offset: Int, strides: [Int], name: Text) throws(EdgeError) -> Value? {
    guard let constant, !target.hasBatch, let count = target.elementCount(), let bytes = multiplyChecked(count, dtype.byteCount) else {
      return nil
    }
    let storage = try Storage.allocate(bytes)
    let size = dtype.byteCount
    var index = [Int](repeating: 0, count: target.rank)
    var position = offset
    var element = 0
    while element < count {
      (storage.base + element &* size).copyMemory(from: constant.base + position &* size, byteCount: size)
      var axis = target.rank - 1
      while axis >= 0 {
        index[axis] &+= 1
        position &+= strides[axis]
        if index[axis] < target[axis] { break }
        position &-= strides[axis] &* index[axis]
        index[axis] = 0
        axis -= 1
      }
      element &+= 1
    }
    guard let data = TensorData(storage, offset: 0, byteCount: bytes) else { return nil }
    return Value(name: name, dtype: dtype, shape: target, quantization: quantization, constant: data)
  }

  /// The elements of an unquantized float32 constant.
  var floats: [Float]? {
    guard let constant, dtype == .float32, quantization == nil else { return nil }
    return constant.array(of: Float.self)
  }

  /// The number in an unquantized float32 constant of one element.
  public var scalar: Float? {
    guard let constant, dtype == .float32, quantization == nil, constant.byteCount == 4 else { return nil }
    return constant.base.loadUnaligned(as: Float.self)
  }
}
