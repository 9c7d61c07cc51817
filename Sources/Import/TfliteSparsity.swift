#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Sparse constants: a tree of dimensions, some of which list the indices that are there. Dimensions may be cut into
// blocks, which come last.

/// One level of the tree.
private struct TfliteSparseLevel {
  /// Elements of the dense tensor between neighbours of this level.
  var stride = 0
  /// Indices 0 ..< size.
  var size = 0
  /// Of a level that lists its indices: where each parent's begin, one more than there are parents; and the indices.
  var segments: [Int]?
  var indices: [Int] = []
}

extension TfliteImporter {
  /// The dense form of a sparse constant, zeros where it has none.
  func densified(_ tensor: Int, _ sparsity: FlatbufferTable, byteCount: Int) throws(EdgeError) -> TensorData {
    let source = model.tensors[tensor]
    let element = try fileType(tensor).byteCount
    let levels = try levels(source, sparsity)
    // Parents of the next level. Only lists, which stand in the file, make it smaller, so it never outgrows it.
    var count = 1
    for level in levels {
      if let segments = level.segments {
        guard segments.count == count + 1, segments[0] == 0, segments[count] == level.indices.count else {
          throw sparse(source, sparsity, "\(segments.count) segments and \(level.indices.count) indices do not fit \(count) parents")
        }
        for index in 0..<count where segments[index] > segments[index + 1] { throw sparse(source, sparsity, "segments are out of order") }
        for index in level.indices where index >= level.size { throw sparse(source, sparsity, "index \(index) is out of range") }
        count = level.indices.count
      } else {
        guard let next = multiplyChecked(count, level.size), next <= limits.maximumTensorBytes else {
          throw sparse(source, sparsity, "there are more elements than the file can hold")
        }
        count = next
      }
    }
    guard count == source.contents.count / element, source.contents.count % element == 0 else {
      throw sparse(source, sparsity, "\(count) elements are described, the data have \(source.contents.count) bytes")
    }
    // Zeros from memory that the file does not hold.
    try noteConverted(byteCount)
    let storage = try Storage.allocate(byteCount)
    scatter(levels, 0, parent: 0, offset: 0, element, file.bytes.baseAddress.unsafelyUnwrapped + source.contents.lowerBound, storage.base)
    guard let data = TensorData(storage, offset: 0, byteCount: byteCount) else {
      throw EdgeError(.internalError, "a constant lies outside its storage")
    }
    return data
  }

  private func sparse(_ source: TfliteTensor, _ table: FlatbufferTable, _ message: Text) -> EdgeError {
    EdgeError(.malformedModel, "sparse data: " + message, tensor: source.name, byteOffset: table.position)
  }

  /// Copies the elements below one parent. As deep as there are levels.
  private func scatter(
    _ levels: [TfliteSparseLevel], _ depth: Int, parent: Int, offset: Int, _ element: Int, _ from: UnsafeRawPointer,
    _ to: UnsafeMutableRawPointer
  ) {
    guard depth < levels.count else {
      return (to + offset &* element).copyMemory(from: from + parent &* element, byteCount: element)
    }
    let level = levels[depth]
    var child = level.segments.map { $0[parent] } ?? parent &* level.size
    let end = level.segments.map { $0[parent &+ 1] } ?? child &+ level.size
    let first = child
    while child < end {
      let index = level.segments == nil ? child &- first : level.indices[child]
      scatter(levels, depth + 1, parent: child, offset: offset &+ index &* level.stride, element, from, to)
      child &+= 1
    }
  }

  private func levels(_ source: TfliteTensor, _ table: FlatbufferTable) throws(EdgeError) -> [TfliteSparseLevel] {
    let order = try table.vector(0, size: 4)
    let blocks = try table.vector(1, size: 4)
    let dimensions = try table.vector(2, size: 4)
    let rank = source.dims.count
    guard blocks.count <= rank, order.count == rank + blocks.count, dimensions.count == order.count else {
      throw sparse(source, table, "\(dimensions.count) levels do not fit a rank of \(rank)")
    }
    let places = try order.int32s()
    let blocked = try blocks.int32s()
    for number in 0..<order.count where !places.contains(number) { throw sparse(source, table, "level \(number) is missing in the order") }
    for (index, axis) in blocked.enumerated() where axis < 0 || axis >= rank || blocked[..<index].contains(axis) {
      throw sparse(source, table, "axis \(axis) cannot be cut into blocks")
    }
    var levels: [TfliteSparseLevel] = []
    var sizes = [Int](repeating: 0, count: order.count)
    for index in 0..<order.count {
      let entry = try dimensions.table(index)
      var level = TfliteSparseLevel()
      switch try entry.byte(0) {
      case 0:
        level.size = try entry.int32(1)
        guard level.size > 0 else { throw sparse(source, entry, "size \(level.size) is out of range") }
        sizes[places[index]] = level.size
      case 1:
        level.segments = try sparseList(source, entry, 2)
        level.indices = try sparseList(source, entry, 4)
      case let format: throw sparse(source, entry, "format \(format) is not known")
      }
      levels.append(level)
    }
    let strides = Shape(source.dims).strides
    for (index, place) in places.enumerated() {
      // Blocks are dense; a cut axis counts whole blocks.
      let axis = place < rank ? place : blocked[place - rank]
      let block = blocked.firstIndex(of: axis).map { sizes[rank + $0] } ?? 1
      guard block > 0, source.dims[axis] % block == 0 else { throw sparse(source, table, "axis \(axis) does not divide into blocks of \(block)") }
      let size = place < rank ? source.dims[axis] / block : block
      guard levels[index].segments != nil ? place < rank : levels[index].size == size else {
        throw sparse(source, table, "level \(index) does not fit \(Shape(source.dims).text)")
      }
      levels[index].size = size
      levels[index].stride = place < rank ? strides[axis] &* block : strides[axis]
    }
    return levels
  }

  /// A list of numbers that are 32, 16 or 8 bits wide: the member of a union at `field` says.
  private func sparseList(_ source: TfliteTensor, _ entry: FlatbufferTable, _ field: Int) throws(EdgeError) -> [Int] {
    let kind = try entry.byte(field)
    guard kind >= 1, kind <= 3, let table = try entry.table(field + 1) else { throw sparse(source, entry, "a list of indices is missing") }
    let width = 4 >> (Int(kind) - 1)
    let list = try table.vector(0, size: width)
    try noteConverted(list.count &* 8)
    var numbers: [Int] = []
    numbers.reserveCapacity(list.count)
    var index = 0
    while index < list.count {
      let place = list.start &+ index &* width
      let number = width == 4 ? Int(try list.file.int32(place)) : width == 2 ? try list.file.uint16(place) : Int(try list.file.byte(place))
      guard number >= 0 else { throw sparse(source, entry, "a negative index") }
      numbers.append(number)
      index &+= 1
    }
    return numbers
  }

  /// DENSIFY: a constant in its dense form, a constant all the same.
  func importDensify() throws(EdgeError) {
    let source = try input(0)
    guard model.tensors[source].dims == model.tensors[try output()].dims, try fileType(source) == fileType(try output()) else {
      throw malformed("the result has another type or shape")
    }
    dense[try output()] = try constantBytes(source)
  }
}
