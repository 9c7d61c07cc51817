/// Loops over several tensors at once: a size and one stride (in elements) for each tensor, per dimension.
struct StridedLoops {
  var dims: [Int]
  /// strides[tensor][dimension]
  var strides: [[Int]]

  /// Strides of a dense tensor.
  static func dense(_ dims: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: dims.count)
    var stride = 1
    for index in (0..<dims.count).reversed() {
      strides[index] = stride
      stride = stride &* dims[index]
    }
    return strides
  }

  /// Strides of a dense tensor of shape `dims` read as `target` by broadcasting; nil when the shapes do not agree.
  static func broadcast(_ dims: [Int], to target: [Int]) -> [Int]? {
    guard dims.count <= target.count else { return nil }
    let own = dense(dims)
    let missing = target.count - dims.count
    var strides = [Int](repeating: 0, count: target.count)
    for index in dims.indices {
      if dims[index] == target[missing + index] {
        strides[missing + index] = dims[index] == 1 ? 0 : own[index]
      } else if dims[index] != 1 {
        return nil
      }
    }
    return strides
  }

  /// The same loops in as few dimensions as possible; at least one.
  func collapsed() -> StridedLoops {
    var result = StridedLoops(dims: [], strides: [[Int]](repeating: [], count: strides.count))
    for index in dims.indices where dims[index] != 1 {
      var merges = !result.dims.isEmpty
      for tensor in strides.indices where merges {
        let outer = result.strides[tensor][result.dims.count - 1]
        if outer != strides[tensor][index] &* dims[index] { merges = false }
      }
      if merges {
        result.dims[result.dims.count - 1] = result.dims[result.dims.count - 1] &* dims[index]
        for tensor in strides.indices { result.strides[tensor][result.dims.count - 1] = strides[tensor][index] }
      } else {
        result.dims.append(dims[index])
        for tensor in strides.indices { result.strides[tensor].append(strides[tensor][index]) }
      }
    }
    if result.dims.isEmpty {
      result.dims = [1]
      for tensor in strides.indices { result.strides[tensor] = [1] }
    }
    return result
  }

}

/// Writes the elements of an array into a C array field.
func fillField<Field: BitwiseCopyable>(_ field: inout Field, _ values: [Int]) {
  withUnsafeMutableBytes(of: &field) { bytes in
    for (index, value) in values.enumerated() where (index &+ 1) &* 8 <= bytes.count {
      bytes.storeBytes(of: Int64(value), toByteOffset: index &* 8, as: Int64.self)
    }
  }
}
