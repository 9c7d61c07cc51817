#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Start, end and step of a slice for every axis; end exclusive, all inside the tensor.
struct OnnxSliceBounds {
  var starts: [Int]
  var ends: [Int]
  var steps: [Int]

  func count(_ axis: Int) -> Int {
    let distance = steps[axis] > 0 ? ends[axis] - starts[axis] : starts[axis] - ends[axis]
    return distance <= 0 ? 0 : (distance - 1) / abs(steps[axis]) + 1
  }

  /// Negative positions count from the end; then both ends are cut to the axis. The step is not 0.
  static func clip(start: Int, end: Int, step: Int, size: Int) -> (start: Int, end: Int, step: Int) {
    let from = start < 0 ? start + size : start
    let to = end < 0 ? max(end, -size - 1) + size : end
    let (low, high) = step > 0 ? (0, size) : (-1, size - 1)
    // A step longer than the axis takes one element, whatever its length.
    return (min(max(from, low), high), min(max(to, low), high), min(max(step, -size - 1), size + 1))
  }
}

// Parameters of the operators that change shapes, for folded and for imported tensors alike.

extension OnnxImporter {
  /// Shape after Reshape, Flatten, Squeeze or Unsqueeze.
  func targetShape(_ shape: Shape) throws(EdgeError) -> Shape {
    switch node.type {
    case "Reshape": return try reshapeTarget(shape)
    case "Flatten":
      let axis = try integerAttribute("axis", 1)
      guard axis >= -shape.rank, axis <= shape.rank else { throw malformed("axis \(axis) does not exist in \(shape.rank) dimensions") }
      let split = axis < 0 ? axis + shape.rank : axis
      return Shape([try product(shape.dims[..<split], shape), try product(shape.dims[split...], shape)])
    case "Squeeze":
      let axes = try axes(inputSince: 13)
      let chosen = try normalized(axes ?? shape.dims.indices.filter { shape[$0] == 1 }, rank: shape.rank)
      for axis in chosen where shape[axis] != 1 { throw malformed("axis \(axis) of \(shape.text) is not 1") }
      return Shape(shape.dims.indices.filter { !chosen.contains($0) }.map { shape[$0] })
    default:
      guard let axes = try axes(inputSince: 13) else { throw malformed("axes are missing") }
      guard axes.count <= Shape.maximumRank, shape.rank + axes.count <= Shape.maximumRank else {
        throw reject("a result of more than \(Shape.maximumRank) dimensions")
      }
      let chosen = try normalized(axes, rank: shape.rank + axes.count)
      var rest = shape.dims[...]
      var dims: [Int] = []
      for axis in 0..<shape.rank + axes.count {
        if chosen.contains(axis) { dims.append(1) } else if let dim = rest.popFirst() { dims.append(dim) }
      }
      return Shape(dims)
    }
  }

  /// Product of dimensions that may be one dimension of a result.
  private func product(_ dims: ArraySlice<Int>, _ shape: Shape) throws(EdgeError) -> Int {
    guard dims.contains(Shape.batch) else {
      guard let product = Shape(Array(dims)).elementCount() else { throw malformed("a dimension overflows") }
      return product
    }
    // N times 1 is N; N times more would be a multiple of the batch, which is no dimension.
    for dim in dims.dropFirst(0) where dim != Shape.batch && dim != 1 { throw mixesBatch(shape) }
    guard dims.filter({ $0 == Shape.batch }).count == 1 else { throw mixesBatch(shape) }
    return Shape.batch
  }

  /// The node needs the batch to be a number. With the inputs' shapes given, it is one.
  func mixesBatch(_ shape: Shape) -> EdgeError {
    EdgeError(
      .freeShape,
      "\(node.type): the open batch of \(shape.text) would be mixed with other dimensions. Give the inputs' shapes, or export the model with fixed ones",
      node: nodeName, nodeIndex: nodeIndex, byteOffset: node.byteOffset)
  }

  private func reshapeTarget(_ shape: Shape) throws(EdgeError) -> Shape {
    let id = try input(1)
    guard let known = operands[id].known else { throw reject("the new shape ('\(operands[id].name)') must be constant") }
    guard known.dims.count == 1, known.dtype != .float32 else { throw malformed("the new shape must be a vector of integers", operand: id) }
    guard known.elements.count <= Shape.maximumRank else { throw reject("a result of more than \(Shape.maximumRank) dimensions") }
    let allowsZero = try integerAttribute("allowzero", 0) != 0
    var dims: [Int] = []
    var open: Int?
    for (axis, element) in known.elements.enumerated() {
      switch element {
      case .batch(1): dims.append(Shape.batch)
      case .batch: throw mixesBatch(shape)
      case .counted(let count, _):
        guard let extent = try extent(inputs[0]), extent.count == count else { throw reject("a dimension whose size depends on other data") }
        dims.append(shape[extent.axis])
      default:
        guard let size = element.integer else { throw malformed("the new shape must be integers", operand: id) }
        switch size {
        case 0 where !allowsZero:
          guard axis < shape.rank else { throw malformed("dimension \(axis) of \(shape.text) is to be copied but does not exist") }
          dims.append(shape[axis])
        case -1:
          guard open == nil else { throw malformed("the new shape leaves two dimensions open", operand: id) }
          open = axis
          dims.append(1)
        case 0...: dims.append(size)
        default: throw malformed("the new shape has the dimension \(size)", operand: id)
        }
      }
    }
    guard let from = counted(shape.dims), let to = counted(dims) else { throw malformed("the new shape overflows", operand: id) }
    if let open {
      guard to.known != 0, from.known % to.known == 0 else {
        throw wrongShape("\(shape.text) cannot be reshaped to \(Shape(dims).text) with dimension \(open) open", operand: inputs[0])
      }
      let quotient = from.known / to.known
      switch from.batches - to.batches {
      case 0: dims[open] = quotient
      case 1:
        guard quotient == 1 else { throw mixesBatch(shape) }
        dims[open] = Shape.batch
      default: throw mixesBatch(shape)
      }
      return Shape(dims)
    }
    if from.batches == 1, to.batches == 0, to.known == from.known {
      // Exported with a batch of one, but the input says the batch is open.
      guard dims.first == 1 else { throw mixesBatch(shape) }
      dims[0] = Shape.batch
      return Shape(dims)
    }
    guard from == to else {
      if from.batches != to.batches { throw mixesBatch(shape) }
      throw wrongShape("\(shape.text) cannot be reshaped to \(Shape(dims).text)", operand: inputs[0])
    }
    return Shape(dims)
  }

  /// Number of elements as known * batch^batches; nil on overflow.
  private func counted(_ dims: [Int]) -> (known: Int, batches: Int)? {
    let fixed = dims.filter { $0 != Shape.batch }
    guard let known = Shape(fixed).elementCount() else { return nil }
    return (known: known, batches: dims.count - fixed.count)
  }

  func transposePermutation(rank: Int) throws(EdgeError) -> [Int] {
    guard let permutation = try integersAttribute("perm") else { return Array((0..<rank).reversed()) }
    guard permutation.count == rank, try normalized(permutation, rank: rank).count == rank else {
      throw malformed("'perm' is not a permutation of \(rank) axes")
    }
    return permutation.map { $0 < 0 ? $0 + rank : $0 }
  }

  /// Bounds of Slice for every axis of a shape.
  func sliceBounds(_ shape: Shape) throws(EdgeError) -> OnnxSliceBounds {
    let fromInputs = opset >= 10
    guard let starts = fromInputs ? try integersInput(1, "starts") : try integersAttribute("starts"),
      let (ends, endsWithBatch) = fromInputs ? try sliceEnds() : try integersAttribute("ends").map({ ($0, [Bool](repeating: false, count: $0.count)) })
    else { throw malformed("starts or ends are missing") }
    let axes = fromInputs ? try integersInput(3, "axes") : try integersAttribute("axes")
    let steps = fromInputs ? try integersInput(4, "steps") : nil
    guard ends.count == starts.count, axes == nil || axes?.count == starts.count, steps == nil || steps?.count == starts.count,
      starts.count <= shape.rank
    else { throw malformed("starts, ends, axes and steps differ in length") }
    var bounds = OnnxSliceBounds(
      starts: [Int](repeating: 0, count: shape.rank), ends: shape.dims, steps: [Int](repeating: 1, count: shape.rank))
    var isSet = [Bool](repeating: false, count: shape.rank)
    for index in starts.indices {
      let axis = try normalized(axes?[index] ?? index, rank: shape.rank)
      if isSet[axis] { throw malformed("axis \(axis) is listed twice") }
      isSet[axis] = true
      let step = steps?[index] ?? 1
      guard step != 0 else { throw malformed("a step is 0") }
      let dim = shape[axis]
      if dim == Shape.batch {
        guard starts[index] == 0, step == 1, endsWithBatch[index] || ends[index] >= Int(Int32.max) else {
          throw reject("only the whole batch can be taken; axis \(axis) of \(shape.text) is the batch")
        }
        continue
      }
      if endsWithBatch[index] { throw reject("an end of axis \(axis) of \(shape.text) is the batch size") }
      (bounds.starts[axis], bounds.ends[axis], bounds.steps[axis]) =
        OnnxSliceBounds.clip(start: starts[index], end: ends[index], step: step, size: dim)
    }
    return bounds
  }

  /// The ends of a slice, and which of them are the batch size.
  private func sliceEnds() throws(EdgeError) -> ([Int], [Bool])? {
    guard let id = try optionalInput(2) else { return nil }
    guard let known = operands[id].known else { throw reject("ends ('\(operands[id].name)') must be constant") }
    guard known.dims.count <= 1, known.dtype != .float32 else { throw malformed("ends must be a vector of integers", operand: id) }
    var ends: [Int] = []
    for element in known.elements {
      guard let value = element == .batch(1) ? 0 : element.integer else {
        throw reject("ends ('\(operands[id].name)') depends on the batch size")
      }
      ends.append(value)
    }
    return (ends, known.elements.map { $0 == .batch(1) })
  }
}
