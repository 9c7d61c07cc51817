/// A dimension whose size depends on data. The value's shape has its bound, the most entries there can be; how many
/// there are in a run stands in an int64 scalar of the graph, and entries past that number mean nothing.
public struct Extent: Equatable, Sendable {
  public var axis: Int
  /// The value that says how many entries there are.
  public var count: ValueID
  public init(axis: Int, count: ValueID) {
    self.axis = axis
    self.count = count
  }
}

extension Graph {
  /// The extent of each value; nil where no dimension depends on data. Extents follow from operators as shapes do: an
  /// operator either says where the axis goes or is refused.
  ///
  /// - Throws: `unsupportedOperator` naming the node whose result would depend on entries that mean nothing, or on two extents.
  public func extents() throws(EdgeError) -> [Extent?] {
    var extents = [Extent?](repeating: nil, count: values.count)
    guard nodes.contains(where: { $0.op.bound != nil || $0.op.endsExtent }) else { return extents }
    for (index, node) in nodes.enumerated() {
      for (output, extent) in zip(node.outputs, try resultExtents(of: node, index: index, extents)) { extents[output] = extent }
    }
    return extents
  }

  /// The extents of a node's results from those of its inputs. Values past the end of `extents` have none.
  public func resultExtents(of node: Node, index: Int, _ extents: [Extent?]) throws(EdgeError) -> [Extent?] {
    try ExtentInference(values: values, node: node, index: index, extents: extents).results()
  }
}

extension Operator {
  fileprivate var endsExtent: Bool {
    if case .crop(_, .whole) = self { return true }
    return false
  }
}

private struct ExtentInference {
  let values: [Value]
  let node: Node
  let index: Int
  let extents: [Extent?]

  private func extent(_ position: Int) -> Extent? {
    guard let input = node.input(position), input < extents.count else { return nil }
    return extents[input]
  }

  private func shape(_ position: Int) -> Shape { node.input(position).map { values[$0].shape } ?? Shape([]) }
  private var result: Shape { values[node.outputs[0]].shape }

  private func refused(_ reason: Text) -> EdgeError {
    EdgeError(.unsupportedOperator, "\(node.op.name): \(reason)", node: node.name, nodeIndex: index)
  }
  private var alongAxis: EdgeError { refused("its result would depend on how many entries of a dimension there are") }
  private var mixture: EdgeError { refused("joins a dimension that depends on data with another one of its inputs") }

  func results() throws(EdgeError) -> [Extent?] {
    var results = [Extent?](repeating: nil, count: node.outputs.count)
    switch node.op {
    case .nonZero: results[0] = Extent(axis: 1, count: node.outputs[1])
    case .crop(let axis, .first): results[0] = Extent(axis: axis, count: node.inputs[1])
    case .unique(let axis, _, _):
      results[0] = Extent(axis: axis, count: node.outputs[4])
      results[1] = Extent(axis: 0, count: node.outputs[4])
      results[3] = results[1]
    case .nonMaxSuppression: results[0] = Extent(axis: 0, count: node.outputs[1])
    default: break
    }
    guard node.inputs.indices.contains(where: { extent($0) != nil }) else {
      if node.op.endsExtent { throw refused("no dimension of its input depends on data") }
      return results
    }
    switch node.op {
    case .crop(let axis, _):
      // What there was along the axis is replaced.
      guard extent(1) == nil, extent(0)?.axis == axis else { throw mixture }
    case .nonZero, .unique, .nonMaxSuppression, .put: throw alongAxis
    default:
      let extent = try follow()
      for output in results.indices { results[output] = extent }
    }
    return results
  }

  /// Where the extent of the inputs goes in all results.
  private func follow() throws(EdgeError) -> Extent? {
    switch node.op {
    case .unary, .binary, .select, .cast, .bitCast, .quantize, .dequantize, .requantize, .expand: return try broadcast()
    case .matMul: return try product()
    case .dense, .batchNormalization, .localResponseNormalization, .layerNormalization: return try kept { $0 != shape(0).rank - 1 }
    case .convolution, .transposedConvolution, .pool, .resize: return try kept { $0 == 0 }
    case .softmax(let own, _), .topK(let own, _, _), .split(let own, _): return try kept { $0 != own }
    case .concat(let own):
      for position in node.inputs.indices where extent(position) != extent(0) { throw mixture }
      return try kept { $0 != own }
    case .scan(_, let own, _, let reverse): return try kept { $0 != own || !reverse }
    case .pad(_, let before, let after, _): return try kept { before[$0] == 0 && after[$0] == 0 }
    case .slice(let starts, let ends, let steps): return try kept { starts[$0] == 0 && steps[$0] == 1 && ends[$0] == shape(0)[$0] }
    case .reduce(_, let axes, let keepDims):
      return try moved { axes.contains($0) ? nil : keepDims ? $0 : $0 - axes.filter { [axis = $0] in $0 < axis }.count }
    case .transpose(let permutation): return try moved { permutation.firstIndex(of: $0) }
    case .gather(let own, _, let scalar): return try moved { $0 == own ? nil : scalar && $0 > own ? $0 - 1 : $0 }
    case .reshape(let target): return try moved { reshaped($0, target) }
    case .take(let indexing): return try taken(indexing)
    case .convolutionWeightGradient, .poolGradient, .batchStatistics, .batchNormalizationGradient, .optimizerStep, .random, .nonZero, .crop,
      .unique, .nonMaxSuppression, .put, .recurrent, .when, .otherwise, .merge, .loop, .next:
      throw alongAxis
    }
  }

  /// The second and third input are weights.
  private var hasWeights: Bool {
    switch node.op {
    case .convolution, .transposedConvolution, .dense, .batchNormalization: return true
    default: return false
    }
  }

  /// The axis of the first input stays, where it may; other inputs either share it or have no part in it.
  private func kept(_ mayBe: (Int) -> Bool) throws(EdgeError) -> Extent? {
    guard let extent = extent(0) else { throw mixture }
    guard mayBe(extent.axis) else { throw alongAxis }
    for position in 1..<max(node.inputs.count, 1) {
      if let other = self.extent(position) {
        guard other == extent, position > 2 || !hasWeights else { throw mixture }
      } else if case .convolution = node.op, position == 3, node.input(3) != nil {
        throw mixture
      } else if case .dense = node.op, position == 3, node.input(3) != nil {
        throw mixture
      }
    }
    return extent
  }

  private func moved(_ place: (Int) -> Int?) throws(EdgeError) -> Extent? {
    guard let extent = extent(0) else { throw mixture }
    guard let axis = place(extent.axis) else { throw alongAxis }
    return Extent(axis: axis, count: extent.count)
  }

  /// The axis of the target with as many elements before it; there is one, as no bound is 1.
  private func reshaped(_ axis: Int, _ target: Shape) -> Int? {
    let before = SymbolicCount(dims: shape(0).dims[..<axis])
    for place in target.dims.indices where target[place] == shape(0)[axis] && SymbolicCount(dims: target.dims[..<place]) == before {
      return place
    }
    return nil
  }

  /// Inputs that broadcast, aligned at the last axis.
  private func broadcast() throws(EdgeError) -> Extent? {
    var found: Extent?
    for position in node.inputs.indices {
      guard var extent = extent(position) else { continue }
      extent.axis += result.rank - shape(position).rank
      if let found, found != extent { throw mixture }
      found = extent
    }
    guard let found else { return nil }
    for position in node.inputs.indices where extent(position) == nil {
      let axis = found.axis - (result.rank - shape(position).rank)
      if axis >= 0, shape(position)[axis] != 1 { throw mixture }
    }
    return found
  }

  private func product() throws(EdgeError) -> Extent? {
    var found: Extent?
    for position in 0...1 {
      guard var extent = extent(position) else { continue }
      let fromEnd = shape(position).rank - extent.axis
      if fromEnd == (position == 0 ? 1 : 2) { throw alongAxis }
      extent.axis = result.rank - fromEnd
      if let found, found != extent { throw mixture }
      found = extent
    }
    guard let found else { return nil }
    let fromEnd = result.rank - found.axis
    for position in 0...1 where fromEnd > 2 && extent(position) == nil {
      let axis = shape(position).rank - fromEnd
      if axis >= 0, shape(position)[axis] != 1 { throw mixture }
    }
    return found
  }

  /// Entries that indices name are whatever they are: an extent of the indexed axes ends here.
  private func taken(_ indexing: Indexing) throws(EdgeError) -> Extent? {
    let (rank, axis) = (shape(1).rank, indexing.axis)
    var own = extent(0)
    var other = extent(1)
    switch indexing.kind {
    case .slices:
      other?.axis += axis
      if let place = own?.axis { if place == axis { own = nil } else if place > axis { own?.axis += rank - 1 } }
    case .elements:
      if let place = own?.axis {
        if place == axis { own = nil } else if own != other { throw mixture }
      }
    case .tuples:
      let count = shape(1)[rank - 1]
      if let place = other?.axis, place == rank - 1 { throw alongAxis }
      if let place = own?.axis {
        if place < axis { if own != other { throw mixture } } else if place < axis + count { own = nil } else { own?.axis += rank - 1 - axis - count }
      } else if let place = other?.axis, place < axis {
        throw mixture
      }
    }
    if let own, let other, own != other { throw mixture }
    return own ?? other
  }
}
