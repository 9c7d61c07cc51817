// Operators whose results have a size that depends on data. Shapes are those of the bound.

extension Operator {
  /// The most entries that a dimension made by this operator can have for inputs of these shapes, at least 2: a
  /// dimension that depends on data is never mistaken for one that broadcasts. Nil for operators that make none.
  public func mostEntries(_ shapes: [Shape], batch: Int) -> Int? {
    func size(_ position: Int, _ axis: Int) -> Int {
      guard position < shapes.count, axis >= 0, axis < shapes[position].rank else { return 0 }
      let dim = shapes[position][axis]
      return dim == Shape.batch ? batch : dim
    }
    let most: Int
    switch self {
    case .nonZero: most = shapes.first?.elementCount(batch: batch) ?? Int.max
    case .crop(let axis, .first), .unique(let axis, _, _): most = size(0, axis)
    case .nonMaxSuppression(let op):
      let dims = [size(1, 0), size(1, 1), min(max(op.most, 0), size(1, 2))]
      most = Shape(dims).elementCount() ?? Int.max
    default: return nil
    }
    return max(most, 2)
  }

  /// The bound of the dimension that this operator makes; nil for operators that make none.
  public var bound: Int? {
    switch self {
    case .nonZero(let bound), .crop(_, .first(let bound)), .unique(_, _, let bound): return bound
    case .nonMaxSuppression(let op): return op.bound
    default: return nil
    }
  }

  /// The same operator with another bound.
  public func bounded(_ bound: Int) -> Operator {
    switch self {
    case .nonZero: return .nonZero(bound: bound)
    case .crop(let axis, .first): return .crop(axis: axis, .first(bound: bound))
    case .unique(let axis, let sorted, _): return .unique(axis: axis, sorted: sorted, bound: bound)
    case .nonMaxSuppression(var op):
      op.bound = bound
      return .nonMaxSuppression(op)
    default: return self
    }
  }
}

extension TypeInference {
  private func checkBound(_ bound: Int) throws(EdgeError) {
    guard bound >= 2 else { throw failure(.invalidGraph, "a bound of \(bound), at least 2 is required", inputs.first) }
  }

  private func number() throws(EdgeError) -> TensorType { TensorType(.int64, Shape([])) }

  func nonZero(_ bound: Int) throws(EdgeError) -> [TensorType] {
    try arity(1)
    let x = try shape(0)
    if !isPlain(0) { try checkFloat(0) }
    guard x.rank > 0 else { throw failure(.shapeMismatch, "a single number has no axes", inputs[0]) }
    try checkBound(bound)
    return [try typed(.int64, Shape([x.rank, bound])), try number()]
  }

  func crop(_ axis: Int, _ crop: Crop) throws(EdgeError) -> TensorType {
    switch crop {
    case .whole(let fill):
      try arity(1)
      let x = try shape(0)
      try checkAxis(axis, rank: x.rank)
      guard fill == .zero || isPlain(0) || value(0).dtype == .float32 && value(0).quantization == nil else {
        throw failure(.dtypeMismatch, "fills \(value(0).dtype.text) with zeros only", inputs[0])
      }
      return try moved(0, x)
    case .first(let bound):
      try arity(2)
      var x = try shape(0)
      try checkAxis(axis, rank: x.rank)
      guard value(1).dtype == .int64, value(1).quantization == nil, value(1).shape.rank == 0 else {
        throw failure(.shapeMismatch, "the number of entries must be an int64 scalar", inputs[1])
      }
      try checkBound(bound)
      x[axis] = bound
      return try moved(0, x)
    }
  }

  func unique(_ axis: Int, _ bound: Int) throws(EdgeError) -> [TensorType] {
    try arity(1)
    var x = try shape(0)
    try checkAxis(axis, rank: x.rank)
    if !isPlain(0) { try checkFloat(0) }
    guard x[axis] >= 0, x[axis] <= Int(Int32.max) else { throw failure(.shapeMismatch, "the size along axis \(axis) must be known", inputs[0]) }
    try checkBound(bound)
    let inverse = TensorType(.int64, Shape([x[axis]]))
    x[axis] = bound
    let list = TensorType(.int64, Shape([bound]))
    return [try typed(value(0).dtype, x), list, inverse, list, try number()]
  }

  func nonMaxSuppression(_ op: NonMaxSuppression) throws(EdgeError) -> [TensorType] {
    try arity(2)
    let (boxes, scores) = (try shape(0, rank: 3), try shape(1, rank: 3))
    try checkFloat(0)
    try checkFloat(1)
    guard boxes[2] == 4, boxes[0] == scores[0], boxes[1] == scores[2], boxes[1] >= 0, boxes[1] <= Int(Int32.max) else {
      throw failure(.shapeMismatch, "boxes \(boxes.text) and scores \(scores.text) do not belong together", inputs[1])
    }
    guard op.most >= 0, !op.overlap.isNaN, !(op.threshold ?? 0).isNaN else { throw failure(.invalidGraph, "parameters must be numbers") }
    try checkBound(op.bound)
    return [TensorType(.int64, try checked(Shape([op.bound, 3]))), try number()]
  }
}
