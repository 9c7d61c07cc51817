#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// MaxPool, MaxUnpool, AveragePool, GlobalMaxPool and GlobalAveragePool.

extension OnnxImporter {
  func importPooling() throws(EdgeError) {
    var x = try input(0)
    let shape = operands[x].shape
    let rank = shape.rank
    if node.type == "GlobalAveragePool" || node.type == "GlobalMaxPool" {
      let function = node.type == "GlobalMaxPool" ? ReduceFunction.max : .mean
      if rank > 4 { return try setResult(try reduce(function, try floatTensor(x), Array(2..<rank))) }
      let y = try emit(.reduce(function, axes: [1, 2], keepDims: true), [try image(x)], resultName(image: true))
      return try setImageResult(y, rank: rank)
    }
    if node.type == "MaxUnpool" { return try importUnpool(x) }
    if node.type == "MaxPool", isUsed(output: 1) { return try importIndexedPool(x) }
    // Bytes go by way of float32.
    let dtype = operands[x].dtype
    let isPlain = node.type == "MaxPool" && (dtype == .uint8 || dtype == .int8) && (rank == 5 || !operands[x].isQuantized)
    if isPlain { x = try asFloat(x) }
    if rank == 5 { return try importVolumePool(x, as: isPlain ? dtype : nil) }
    var pool = Pool(node.type == "MaxPool" ? .max : .average, window: try window(over: shape, kernel: nil))
    pool.ceilMode = try integerAttribute("ceil_mode", 0) != 0
    if pool.kind == .average { pool.countIncludesPad = try integerAttribute("count_include_pad", 0) != 0 }
    // SAME padding already covers the whole input; VALID never reads beyond it.
    switch try textAttribute("auto_pad", "NOTSET") {
    case "SAME_UPPER", "SAME_LOWER": pool.ceilMode = false
    default: break
    }
    let window = pool.window
    let tallest = (window.kernelHeight - 1) * window.dilationHeight + 1
    let widest = (window.kernelWidth - 1) * window.dilationWidth + 1
    if max(window.padTop, window.padBottom) >= tallest || max(window.padLeft, window.padRight) >= widest {
      if pool.kind == .max || window.dilationHeight * window.dilationWidth == 1 {
        throw reject("padding as wide as the window: a result would see no pixel")
      }
    }
    var y = try emit(.pool(pool), [try image(x)], isPlain ? helperName(nodeName + ".part") : resultName(image: true))
    if isPlain { y = try emit(.cast(dtype), [y], resultName(image: true)) }
    try setImageResult(y, rank: rank)
  }

  private func importVolumePool(_ x: Int, as dtype: DType?) throws(EdgeError) {
    var pool = Pool(node.type == "MaxPool" ? .max : .average, window: Window())
    pool.ceilMode = try integerAttribute("ceil_mode", 0) != 0
    if pool.kind == .average { pool.countIncludesPad = try integerAttribute("count_include_pad", 0) != 0 }
    if try textAttribute("auto_pad", "NOTSET").utf8.first == UInt8(ascii: "S") { pool.ceilMode = false }
    var value = try pooled(try floatTensor(x), try geometry(over: operands[x].shape, kernel: nil), pool)
    if let dtype { value = try part(.cast(dtype), [value]) }
    try setResult(value)
  }

  /// The maximum and where it is: a table of the pixels that each window sees, in which the best is looked for.
  private func importIndexedPool(_ id: Int) throws(EdgeError) {
    let shape = operands[id].shape
    guard 3...5 ~= shape.rank else { throw reject("an input of shape \(shape.text)") }
    if shape.hasBatch { throw mixesBatch(shape) }
    let sizes = Array(shape.dims[2...])
    let geometry = try geometry(over: shape, kernel: nil)
    guard !geometry.reachesBeyond else { throw reject("padding as wide as the window: a result would see no pixel") }
    let isSame = try textAttribute("auto_pad", "NOTSET").utf8.first == UInt8(ascii: "S")
    let isCeil = try integerAttribute("ceil_mode", 0) != 0
    var out: [Int] = []
    for (axis, size) in sizes.enumerated() {
      let stride = geometry.strides[axis]
      let room = size + geometry.before[axis] + geometry.after[axis] - (geometry.kernel[axis] - 1) * geometry.dilations[axis] - 1
      guard size > 0, room >= 0 || isCeil && -room < stride else { throw wrongShape("the window is larger than \(shape.text)", operand: id) }
      var count = room / stride + 1
      if isCeil, !isSame, room > 0, room % stride != 0, count * stride < size + geometry.before[axis] { count += 1 }
      out.append(count)
    }
    guard let pixels = Shape(sizes).elementCount(), pixels < Int(Int32.max), let taps = Shape(geometry.kernel).elementCount(),
      let positions = Shape(out).elementCount(), let entries = multiplyChecked(taps, positions), entries <= 1 << 22,
      let planes = multiplyChecked(shape[0], shape[1])
    else { throw EdgeError(.limitExceeded, "\(node.type): windows of \(Shape(geometry.kernel).text) over \(shape.text)", node: nodeName) }
    let distance = Shape(sizes).strides
    // The first axis is the densest in storage order 1.
    var numbering = distance
    if try integerAttribute("storage_order", 0) != 0 {
      numbering = Shape(Array(sizes.reversed())).strides.reversed()
    }
    var sources: [Int32] = []
    var places: [Int64] = []
    for tap in 0..<taps {
      for position in 0..<positions {
        var (inTap, inGrid, source, place) = (tap, position, 0, 0)
        for axis in sizes.indices.reversed() {
          let at = inGrid % out[axis] * geometry.strides[axis] + inTap % geometry.kernel[axis] * geometry.dilations[axis] - geometry.before[axis]
          // One more pixel stands for the padding.
          source = source == pixels || at < 0 || at >= sizes[axis] ? pixels : source + at * distance[axis]
          place += at * numbering[axis]
          inTap /= geometry.kernel[axis]
          inGrid /= out[axis]
        }
        sources.append(Int32(truncatingIfNeeded: source))
        places.append(Int64(place))
      }
    }
    let dtype = operands[id].dtype
    var x = try tensor(id)
    if dtype != .float32 { x = try part(.cast(.float32), [x]) }
    x = try padded(try reshaped(x, [shape[0], shape[1], pixels]), axis: 2, before: 0, after: 1, value: -.infinity)
    x = try reshaped(try part(.gather(axis: 2, indices: sources, scalarIndex: false), [x]), [shape[0], shape[1], taps, positions])
    let dims = [shape[0], shape[1]] + out
    var y = try reshaped(try reduce(.max, x, [2]), dims)
    if dtype != .float32 { y = try part(.cast(dtype), [y]) }
    try setResult(y)
    let table = try self.table(".places", .int64, [entries], places)
    let tap = try binary(.multiply, try reduce(.argMax, x, [2], keepDims: false), try number(Double(positions), .int64))
    let entry = try binary(.add, tap, try range(positions, axis: 2, rank: 3))
    let plane = try reshaped(try range(planes, axis: 0, rank: 1), [shape[0], shape[1], 1])
    let place = try binary(
      .add, try part(.take(Indexing(.slices, axis: 0)), [table, entry]), try binary(.multiply, plane, try number(Double(pixels), .int64)))
    try setResult(try reshaped(place, dims), output: 1)
  }

  /// Pixels put back where they were the largest; the others are 0. A shape that is given makes room at the end.
  private func importUnpool(_ id: Int) throws(EdgeError) {
    let shape = operands[id].shape
    let places = try input(1)
    guard shape.rank > 2, operands[places].shape == shape else {
      throw wrongShape("\(operands[places].shape.text) places for \(shape.text)", operand: places)
    }
    if shape.hasBatch { throw mixesBatch(shape) }
    let count = shape.rank - 2
    let kernel = try sizesAttribute("kernel_shape", count: count, standard: 1, minimum: 1)
    let strides = try sizesAttribute("strides", count: count, standard: 1, minimum: 1)
    let pads = try sizesAttribute("pads", count: 2 * count, standard: 0, minimum: 0)
    var dims = shape.dims
    for axis in 0..<count {
      dims[axis + 2] = (shape[axis + 2] - 1) * strides[axis] + kernel[axis] - pads[axis] - pads[count + axis]
      guard dims[axis + 2] > 0 else { throw wrongShape("padding leaves nothing of the result", operand: id) }
    }
    guard let pixels = Shape(dims).elementCount(), let given = shape.elementCount() else { throw malformed("the size overflows") }
    let empty = try part(.expand(Shape([pixels])), [try number(0, operands[id].dtype)])
    let filled = try part(
      .put(Indexing(.elements, axis: 0), .replace), [empty, try reshaped(try tensor(places), [given]), try reshaped(try tensor(id), [given])])
    var y = try reshaped(filled, dims)
    if let target = try integersInput(2, "the result's shape") {
      guard target.count == dims.count, dims.indices.allSatisfy({ target[$0] >= dims[$0] && target[$0] <= Int(Int32.max) }) else {
        throw malformed("a result of \(Shape(target).text) for pixels of \(Shape(dims).text)")
      }
      let after = dims.indices.map { target[$0] - dims[$0] }
      y = try part(.pad(.constant, before: [Int](repeating: 0, count: dims.count), after: after, value: 0), [y])
    }
    try setResult(y)
  }
}
