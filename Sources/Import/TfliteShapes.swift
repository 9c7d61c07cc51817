#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Operators that rearrange whole tensors.

extension TfliteImporter {
  func importShape(_ code: TfliteCode) throws(EdgeError) {
    switch code {
    case .concatenation: return try importConcatenation()
    case .pack: return try importPack()
    default: break
    }
    // SPLIT has its axis first.
    let x = try inputValue(code == .split ? 1 : 0)
    let shape = shapeOf(x)
    switch code {
    case .reshape: try move(.reshape(try reshapeTarget(shape)), [x])
    case .squeeze: try move(.reshape(try squeezed(shape)), [x])
    case .expandDims:
      let axis = try normalized(try integer(try input(1)), rank: shape.rank + 1)
      try move(.reshape(Shape(Array(shape.dims[..<axis]) + [1] + Array(shape.dims[axis...]))), [x])
    case .transpose: try move(.transpose(try integers(try input(1))), [x])
    case .broadcastTo:
      let target = try integers(try input(1))
      // A size of -1 in a file is none; from a shape it is the symbolic batch.
      guard freeBatch || !target.contains(where: { $0 < 0 }) else { throw malformed("\(Shape(target).text) is no shape") }
      try move(.expand(Shape(target)), [x])
    case .split:
      let axis = try normalized(try integer(try input(0)), rank: shape.rank)
      guard shape[axis] > 0, shape[axis] % max(outputs.count, 1) == 0 else { throw malformed("\(shape.text) does not split in \(outputs.count)") }
      try importSplit(x, axis, [Int](repeating: shape[axis] / outputs.count, count: outputs.count))
    case .splitV:
      let axis = try normalized(try integer(try input(2)), rank: shape.rank)
      try importSplit(x, axis, try splitSizes(try integers(try input(1)), shape[axis]))
    case .unpack:
      let axis = try normalized(try options(64).int32(1), rank: shape.rank)
      guard shape[axis] == outputs.count else { throw malformed("\(shape.text) does not unpack to \(outputs.count) results") }
      var rest = shape.dims
      rest.remove(at: axis)
      for (index, part) in try parts(x, axis, [Int](repeating: 1, count: outputs.count)).enumerated() {
        try move(.reshape(Shape(rest)), [part], output: index)
      }
    case .depthToSpace: try importBlocks(x, try options(94).int32(0), intoSpace: true)
    default: try importBlocks(x, try options(19).int32(0), intoSpace: false)
    }
  }

  /// The shape is the second input or, in old files, an option. -1 is what the number of elements leaves.
  private func reshapeTarget(_ shape: Shape) throws(EdgeError) -> Shape {
    var target: [Int]
    if let tensor = optionalInput(1) {
      target = try integers(tensor)
    } else {
      target = try options(17).vector(0, size: 4).int32s()
    }
    guard target.count <= Shape.maximumRank else { throw reject("rank \(target.count) is above \(Shape.maximumRank)") }
    let free = target.indices.filter { target[$0] == -1 }
    guard free.count <= 1, !target.contains(where: { $0 < -1 }) else { throw malformed("\(Shape(target).text) is no shape") }
    guard let place = free.first else { return Shape(target) }
    guard let count = SymbolicCount(shape), let others = SymbolicCount(dims: target.filter { $0 != -1 }), others.known > 0,
      count.known % others.known == 0
    else { throw malformed("\(shape.text) does not reshape to \(Shape(target).text)") }
    let quotient = count.known / others.known
    if count.power == 0 { target[place] = quotient } else if count.power > 1 || quotient != 1 {
      throw reject("the batch cannot be joined with other dimensions")
    }
    return Shape(target)
  }

  private func squeezed(_ shape: Shape) throws(EdgeError) -> Shape {
    var axes: [Int] = []
    for axis in try options(30).vector(0, size: 4).int32s() { axes.append(try normalized(axis, rank: shape.rank)) }
    for axis in axes where shape[axis] != 1 { throw malformed("axis \(axis) of \(shape.text) is not 1") }
    return Shape(shape.dims.indices.filter { axes.isEmpty ? shape[$0] != 1 : !axes.contains($0) }.map { shape[$0] })
  }

  /// One of the sizes may be -1: the rest.
  private func splitSizes(_ listed: [Int], _ total: Int) throws(EdgeError) -> [Int] {
    var sizes = listed
    guard let free = sizes.firstIndex(of: -1) else { return sizes }
    var rest = total
    for (index, size) in sizes.enumerated() where index != free {
      guard size >= 0, size <= rest else { throw malformed("part size \(size) is out of range") }
      rest -= size
    }
    sizes[free] = rest
    return sizes
  }

  private func parts(_ x: ValueID, _ axis: Int, _ sizes: [Int]) throws(EdgeError) -> [ValueID] {
    var names: [Text] = []
    for index in sizes.indices { names.append(helperName(model.tensors[try output(index)].name)) }
    return try emit(.split(axis: axis, sizes: sizes), [x], names)
  }

  private func importSplit(_ x: ValueID, _ axis: Int, _ sizes: [Int]) throws(EdgeError) {
    guard sizes.count == outputs.count else { throw malformed("\(sizes.count) parts, but \(outputs.count) results") }
    for (index, part) in try parts(x, axis, sizes).enumerated() { try setResult(part, output: index) }
  }

  /// The inputs in the result's scale, which joining keeps.
  private func joined() throws(EdgeError) -> [ValueID] {
    let type = try innerType(try output())
    var parts: [ValueID] = []
    for index in inputs.indices {
      let tensor = try input(index)
      var part = try value(tensor)
      if graph.values[part].quantization != type.quantization {
        guard hasScale(part), type.quantization != nil else { throw malformed("mixes element types", tensor: tensor) }
        guard type.dtype == .uint8 else { throw reject("16-bit inputs of several scales are not supported") }
        part = try helper(.requantize, [part], declared: type)
      }
      parts.append(part)
    }
    guard !parts.isEmpty else { throw malformed("has no inputs") }
    return parts
  }

  private func importConcatenation() throws(EdgeError) {
    let options = try options(10)
    let parts = try joined()
    let axis = try normalized(try options.int32(0), rank: shapeOf(parts[0]).rank)
    try move(.concat(axis: axis), parts, then: try clamp(try options.byte(1)))
  }

  private func importPack() throws(EdgeError) {
    let options = try options(59)
    var parts: [ValueID] = []
    var axis = 0
    for x in try joined() {
      let dims = shapeOf(x).dims
      axis = try normalized(try options.int32(1), rank: dims.count + 1)
      parts.append(try helper(.reshape(Shape(Array(dims[..<axis]) + [1] + Array(dims[axis...]))), [x]))
    }
    try move(.concat(axis: axis), parts)
  }

  /// Blocks of pixels become channels or the other way round: a transpose between two reshapes.
  private func importBlocks(_ x: ValueID, _ block: Int, intoSpace: Bool) throws(EdgeError) {
    let dims = shapeOf(x).dims
    let (area, overflow) = block.multipliedReportingOverflow(by: block)
    guard dims.count == 4, block > 0, !overflow, dims[1] > 0, dims[2] > 0, dims[3] > 0 else { throw malformed("block size \(block) is out of range") }
    let (n, h, w, c) = (dims[0], dims[1], dims[2], dims[3])
    guard intoSpace ? c % area == 0 : h % block == 0 && w % block == 0 else {
      throw malformed("\(Shape(dims).text) does not divide into blocks of \(block)")
    }
    let cut = intoSpace ? [n, h, w, block, block, c / area] : [n, h / block, block, w / block, block, c]
    let joined = intoSpace ? [n, h &* block, w &* block, c / area] : [n, h / block, w / block, area &* c]
    let blocks = try helper(.reshape(Shape(cut)), [x])
    let moved = try helper(.transpose([0, 1, 3, 2, 4, 5]), [blocks])
    try move(.reshape(Shape(joined)), [moved])
  }
}
