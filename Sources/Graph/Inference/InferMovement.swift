// Operators that only move data.

extension TypeInference {
  func concat(_ axis: Int) throws(EdgeError) -> TensorType {
    guard !inputs.isEmpty else { throw failure(.invalidGraph, "has no inputs") }
    for (position, input) in inputs.enumerated() where input == Node.noValue {
      throw failure(.invalidGraph, "input \(position) is missing")
    }
    var result = try shape(0)
    try checkAxis(axis, rank: result.rank)
    let type = value(0)
    var total = 0
    for position in 0..<inputs.count {
      let part = try shape(position, rank: result.rank)
      guard part[axis] >= 0, let sum = addChecked(total, part[axis]) else {
        throw failure(.shapeMismatch, "the size along axis \(axis) must be known", inputs[position])
      }
      total = sum
      for other in 0..<result.rank where other != axis && part[other] != result[other] {
        throw failure(.shapeMismatch, "\(part.text) does not fit \(result.text) along axis \(axis)", inputs[position])
      }
      guard value(position).dtype == type.dtype, value(position).quantization == type.quantization else {
        throw failure(.dtypeMismatch, "all inputs must have one element type and quantization", inputs[position])
      }
    }
    result[axis] = total
    return try moved(0, result)
  }

  func split(_ axis: Int, _ sizes: [Int]) throws(EdgeError) -> [TensorType] {
    try arity(1)
    let x = try shape(0)
    try checkAxis(axis, rank: x.rank)
    guard x[axis] >= 0 else { throw failure(.shapeMismatch, "the size along axis \(axis) must be known", inputs[0]) }
    guard !sizes.isEmpty else { throw failure(.invalidGraph, "has no parts") }
    var total = 0
    var results: [TensorType] = []
    for size in sizes {
      guard size >= 0, let sum = addChecked(total, size) else { throw failure(.invalidGraph, "part size \(size) is out of range") }
      total = sum
      var part = x
      part[axis] = size
      results.append(try moved(0, part))
    }
    guard total == x[axis] else { throw failure(.shapeMismatch, "parts add up to \(total), axis \(axis) has \(x[axis])", inputs[0]) }
    return results
  }

  /// The batch dimension can only be taken whole: start 0, step 1, end `Shape.batch` or `Int.max`.
  func slice(_ starts: [Int], _ ends: [Int], _ steps: [Int]) throws(EdgeError) -> TensorType {
    try arity(1)
    var x = try shape(0)
    guard starts.count == x.rank, ends.count == x.rank, steps.count == x.rank else {
      throw failure(.invalidGraph, "starts, ends and steps must have one number for each of \(x.rank) axes", inputs[0])
    }
    for axis in 0..<x.rank {
      let (dim, start, end, step) = (x[axis], starts[axis], ends[axis], steps[axis])
      if dim == Shape.batch {
        guard start == 0, step == 1, end == Shape.batch || end == Int.max else {
          throw failure(.shapeMismatch, "the batch dimension can only be taken whole", inputs[0])
        }
        continue
      }
      let fits = step > 0 ? start >= 0 && start <= dim && end >= 0 && end <= dim : start >= -1 && start < dim && end >= -1 && end < dim
      guard step != 0, step != Int.min, fits else {
        throw failure(.invalidGraph, "range \(start) ..< \(end) by \(step) does not lie in axis \(axis) of \(dim)", inputs[0])
      }
      let distance = step > 0 ? end - start : start - end
      let stride = step > 0 ? step : -step
      x[axis] = distance <= 0 ? 0 : (distance - 1) / stride + 1
    }
    return try moved(0, x)
  }

  func pad(_ mode: PadMode, _ before: [Int], _ after: [Int], _ value: Float) throws(EdgeError) -> TensorType {
    try arity(1)
    var x = try shape(0)
    guard before.count == x.rank, after.count == x.rank else {
      throw failure(.invalidGraph, "amounts must have one number for each of \(x.rank) axes", inputs[0])
    }
    for axis in 0..<x.rank {
      let (dim, first, last) = (x[axis], before[axis], after[axis])
      guard first >= 0, last >= 0 else { throw failure(.invalidGraph, "amounts must not be negative", inputs[0]) }
      if first == 0 && last == 0 { continue }
      guard dim >= 0 else { throw failure(.shapeMismatch, "the batch dimension cannot be padded", inputs[0]) }
      guard mode != .reflect || (first < dim && last < dim) else {
        throw failure(.shapeMismatch, "axis \(axis) of \(dim) is too short to reflect \(max(first, last))", inputs[0])
      }
      guard mode != .edge || dim > 0 else { throw failure(.shapeMismatch, "axis \(axis) is empty", inputs[0]) }
      guard let sum = addChecked(dim, first), let padded = addChecked(sum, last) else {
        throw failure(.shapeMismatch, "the padded size overflows", inputs[0])
      }
      x[axis] = padded
    }
    return try moved(0, x)
  }

  /// Scales along an axis follow it.
  func transpose(_ permutation: [Int]) throws(EdgeError) -> TensorType {
    try arity(1)
    let x = try shape(0)
    guard permutation.count == x.rank else {
      throw failure(.invalidGraph, "permutation has \(permutation.count) axes, the input \(x.rank)", inputs[0])
    }
    var seen = [Bool](repeating: false, count: x.rank)
    var dims: [Int] = []
    for axis in permutation {
      guard axis >= 0, axis < x.rank, !seen[axis] else { throw failure(.invalidGraph, "axes are not a permutation", inputs[0]) }
      seen[axis] = true
      dims.append(x[axis])
    }
    var quantization = value(0).quantization
    if let axis = quantization?.axis {
      guard let place = permutation.firstIndex(of: axis) else { throw failure(.invalidGraph, "scales run along no axis", inputs[0]) }
      quantization?.axis = place
    }
    return TensorType(value(0).dtype, try checked(Shape(dims)), quantization)
  }

  func reshape(_ target: Shape) throws(EdgeError) -> TensorType {
    try arity(1)
    let x = try shape(0)
    for dim in target.dims where dim < 0 && dim != Shape.batch {
      throw failure(.invalidGraph, "dimension \(dim) of the result is negative", inputs[0])
    }
    guard let from = SymbolicCount(x), let to = SymbolicCount(target) else {
      throw failure(.shapeMismatch, "the number of elements overflows", inputs[0])
    }
    guard from == to else { throw failure(.shapeMismatch, "\(x.text) cannot be reshaped to \(target.text)", inputs[0]) }
    return try moved(0, target)
  }

  func expand(_ target: Shape) throws(EdgeError) -> TensorType {
    try arity(1)
    let x = try shape(0)
    for dim in target.dims where dim < 0 && dim != Shape.batch {
      throw failure(.invalidGraph, "dimension \(dim) of the result is negative", inputs[0])
    }
    guard broadcastShape(x, target) == target else {
      throw failure(.shapeMismatch, "\(x.text) does not broadcast to \(target.text)", inputs[0])
    }
    return try moved(0, target)
  }

  func gather(_ axis: Int, _ indices: [Int32], _ scalar: Bool) throws(EdgeError) -> TensorType {
    try arity(1)
    let x = try shape(0)
    try checkAxis(axis, rank: x.rank)
    guard x[axis] >= 0 else { throw failure(.shapeMismatch, "the size along axis \(axis) must be known", inputs[0]) }
    guard !scalar || indices.count == 1 else { throw failure(.invalidGraph, "a scalar index is one index", inputs[0]) }
    for index in indices where index < 0 || Int(index) >= x[axis] {
      throw failure(.invalidGraph, "index \(index) is out of range for axis \(axis) of \(x[axis])", inputs[0])
    }
    var dims = x.dims
    if scalar { dims.remove(at: axis) } else { dims[axis] = indices.count }
    return try moved(0, Shape(dims))
  }
}

/// A number of elements that may contain the batch as a factor: known * batch^power. Zero has no power.
public struct SymbolicCount: Equatable {
  public private(set) var known = 1
  public private(set) var power = 0

  /// Nil on overflow.
  public init?<S: Sequence>(dims: S) where S.Element == Int {
    for dim in dims {
      if dim == Shape.batch {
        power += 1
      } else {
        guard let product = multiplyChecked(known, dim) else { return nil }
        known = product
      }
    }
    if known == 0 { power = 0 }
  }

  public init?(_ shape: Shape) { self.init(dims: shape.dims) }
}
