#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Operators that move data or make constants.

extension OnnxImporter {
  func importShape() throws(EdgeError) {
    switch node.type {
    case "Constant": try importConstant()
    case "ConstantOfShape": try importConstantOfShape()
    case "Shape": try importShapeOf()
    case "Size": try importSizeOf()
    case "Identity", "OptionalGetElement": try setAlias(try input(0))
    // Whether the input is there is known; all inputs of a graph are.
    case "OptionalHasElement": setKnown(OnnxKnown(.bool, [], [.integer(try optionalInput(0) == nil ? 0 : 1)]))
    case "Dropout":
      if opset < 12 { hasAttribute("ratio") }
      if let id = try optionalInput(2), operands[id].known?.integers != [0] { throw reject("training mode") }
      let x = try input(0)
      if isUsed(output: 1) {
        // All kept: true, or ones up to operator set 9.
        let kept = try number(1, opset < 10 ? operands[x].dtype : .bool)
        try setResult(try emit(.expand(operands[x].shape), [kept], resultName(1)), output: 1)
      }
      try setAlias(x)
    case "Cast": try importCast()
    case "BitCast":
      let (x, to) = (try input(0), try integerAttribute("to", 0))
      guard let type = OnnxElementType(computed: to) else { throw reject("the result \(OnnxElementType.problem(to))") }
      let value = try exactTensor(x)
      // Floats of another width that were computed are float32: their bits are gone.
      guard graph.values[value].dtype.byteCount == type.byteCount else { throw reject("bits of computed floats that are no float32") }
      try setExactResult(try emit(.bitCast(type.declared), [value], resultName()))
    case "CastLike":
      let x = try input(0)
      try cast(x, to: exactType(try input(1)))
    case "Reshape", "Flatten", "Squeeze", "Unsqueeze":
      let x = try input(0)
      let shape = try targetShape(operands[x].shape)
      if shape == operands[x].shape { return try setAlias(x) }
      if try reshapeImage(x, to: shape) { return }
      noteReshape(x, to: shape)
      try setResult(try emit(.reshape(shape), [try tensor(x)], resultName()))
    case "Transpose":
      let x = try input(0)
      let permutation = try transposePermutation(rank: operands[x].shape.rank)
      if permutation == Array(permutation.indices) { return try setAlias(x) }
      noteTranspose(x, permutation)
      try setResult(try emit(.transpose(permutation), [try tensor(x)], resultName()))
    case "Concat": try importConcat()
    case "Split": try importSplit()
    case "Slice":
      let x = try input(0)
      let bounds = try sliceBounds(operands[x].shape)
      try slice(x, bounds)
    case "Pad": try importPad()
    case "Expand": try importExpand()
    case "Gather": try importGather()
    default: try importBlocks()
    }
  }

  // Constants.

  private func importConstant() throws(EdgeError) {
    guard let id = outputs.first, id >= 0 else { return }
    if let tensor = try tensorAttribute("value") {
      operands[id].attributeTensor = [tensor]
      return try prepareConstant(id, tensor)
    }
    if let value = try floatAttribute("value_float") { return setKnown(OnnxKnown(.float32, [], [.real(Double(value))])) }
    if let value = try integerAttribute("value_int") { return setKnown(OnnxKnown(.int64, [], [.integer(value)])) }
    if let values = try integersAttribute("value_ints"), values.count <= OnnxKnown.maximumCount {
      return setKnown(OnnxKnown(integers: values))
    }
    if let values = try floatsAttribute("value_floats"), values.count <= OnnxKnown.maximumCount {
      return setKnown(OnnxKnown(.float32, [values.count], values.map { .real(Double($0)) }))
    }
    throw reject("the constant is neither a tensor nor a short list of numbers")
  }

  func importConstantOfShape() throws(EdgeError) {
    let id = try input(0)
    guard let known = operands[id].known, known.dims.count == 1 else { throw reject("the shape ('\(operands[id].name)') must be constant") }
    var dims: [Int] = []
    for element in known.elements {
      guard let dim = element == .batch(1) ? Shape.batch : element.integer, dim >= 0 || element == .batch(1) else {
        throw reject("the shape ('\(operands[id].name)') has a dimension that is negative or a multiple of the batch size")
      }
      dims.append(dim)
    }
    guard dims.count <= Shape.maximumRank else { throw reject("a result of more than \(Shape.maximumRank) dimensions") }
    var value = OnnxKnown(.float32, [], [.real(0)])
    if let tensor = try tensorAttribute("value") {
      guard tensor.elementCount == 1 else { throw malformed("attribute 'value' has not exactly one element") }
      let holder = OnnxOperand(name: nodeName)
      holder.attributeTensor = [tensor]
      operands.append(holder)
      defer { operands.removeLast() }
      try prepareConstant(operands.count - 1, tensor)
      guard let element = operands[operands.count - 1].known else { throw reject("the element type of attribute 'value'") }
      value = OnnxKnown(element.dtype, [], element.elements)
    }
    if !dims.contains(Shape.batch), let count = Shape(dims).elementCount(), count <= OnnxKnown.maximumCount, let number = value.elements.first {
      return setKnown(OnnxKnown(value.dtype, dims, [OnnxNumber](repeating: number, count: count)))
    }
    let scalar = graph.addValue(
      Value(name: helperName(nodeName + ".value"), dtype: value.dtype, shape: Shape([]), constant: try value.data()))
    try setResult(try emit(.expand(Shape(dims)), [scalar], resultName()))
  }

  private func importShapeOf() throws(EdgeError) {
    let shape = operands[try input(0)].shape
    setKnown(OnnxKnown(shape: shape, range: try shapeRange(rank: shape.rank)))
  }

  /// The axes that Shape gives.
  func shapeRange(rank: Int) throws(EdgeError) -> Range<Int> {
    func position(_ value: Int) -> Int { min(max(value < 0 ? max(value, -rank) + rank : value, 0), rank) }
    let start = position(try integerAttribute("start", 0))
    return start..<max(start, position(try integerAttribute("end", rank)))
  }

  private func importSizeOf() throws(EdgeError) {
    let shape = operands[try input(0)].shape
    guard let count = Shape(shape.dims.filter { $0 != Shape.batch }).elementCount() else { throw malformed("the size overflows") }
    let batches = shape.dims.filter { $0 == Shape.batch }.count
    guard batches <= 1 else { throw reject("the size is no multiple of the batch size") }
    setKnown(OnnxKnown(.int64, [], [batches == 0 || count == 0 ? .integer(count) : .batch(count)]))
  }

  private func importCast() throws(EdgeError) {
    let x = try input(0)
    let to = try integerAttribute("to", 0)
    guard let type = OnnxElementType(computed: to) else { throw reject("the result \(OnnxElementType.problem(to))") }
    try cast(x, to: type.declared)
  }

  /// Inside the network every floating type is float32; what goes from border to border is never rounded to it.
  private func cast(_ x: Int, to dtype: DType) throws(EdgeError) {
    let from = exactType(x)
    if dtype == from { return try setAlias(x) }
    if dtype != dtype.computed, from != .float32, from != operands[x].dtype || isGraphOutput {
      return try setExactResult(try emit(.cast(dtype), [try exactTensor(x)], resultName()))
    }
    if dtype.computed == operands[x].dtype {
      if from == operands[x].dtype { try setAlias(x) } else { try setResult(try tensor(x)) }
      return
    }
    try setResult(try emit(.cast(dtype.computed), [try exactTensor(x)], resultName()))
  }

  // Joining and cutting.

  /// Whether operands are best taken as images: one is, and all may be.
  private func usesImages(_ ids: [Int]) -> Bool {
    ids.contains { isImage($0) } && ids.allSatisfy { operands[$0].dtype == .float32 && [3, 4].contains(operands[$0].shape.rank) }
  }

  private func importConcat() throws(EdgeError) {
    var parts: [Int] = []
    for index in inputs.indices {
      let part = try input(index)
      // Exporters join with empty tensors when a list is empty.
      if !operands[part].shape.dims.contains(0) { parts.append(part) }
    }
    if parts.isEmpty { parts = inputs }
    guard let first = parts.first else { throw malformed("has no inputs") }
    guard let attribute = try integerAttribute("axis") else { throw malformed("attribute 'axis' is missing") }
    let rank = operands[first].shape.rank
    let axis = try normalized(attribute, rank: rank)
    for part in parts where operands[part].shape.rank != rank {
      throw wrongShape("\(operands[part].shape.text) does not fit \(operands[first].shape.text)", operand: part)
    }
    if parts.count == 1 { return try setAlias(first) }
    let asImages = usesImages(parts)
    var values: [ValueID] = []
    for part in parts { values.append(asImages ? try image(part) : try tensor(part)) }
    if asImages {
      try setImageResult(try emit(.concat(axis: imageAxis(axis, rank: rank)), values, resultName(image: true)), rank: rank)
    } else {
      try setResult(try emit(.concat(axis: axis), values, resultName()))
    }
  }

  private func importSplit() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    let axis = try normalized(try integerAttribute("axis", 0), rank: shape.rank)
    guard shape[axis] != Shape.batch else { throw reject("the batch cannot be split") }
    var sizes = opset < 13 ? try integersAttribute("split") : try integersInput(1, "split")
    if sizes == nil {
      let parts = opset >= 18 ? try integerAttribute("num_outputs", outputs.count) : outputs.count
      guard parts == outputs.count, parts > 0, parts <= shape[axis] || shape[axis] == 0 else { throw malformed("\(parts) parts of an axis of \(shape[axis])") }
      // Since operator set 18 the last part may be smaller.
      let size = (shape[axis] + parts - 1) / parts
      let last = shape[axis] - size * (parts - 1)
      guard last == size || opset >= 18 && last >= 0 else { throw malformed("\(parts) parts do not divide an axis of \(shape[axis])") }
      sizes = [Int](repeating: size, count: parts - 1) + [last]
    }
    guard let sizes, sizes.count == outputs.count else { throw malformed("the number of parts is not the number of results") }
    try split(x, axis: axis, sizes)
  }

  /// Parts along an axis, as the current node's results.
  func split(_ x: Int, axis: Int, _ sizes: [Int]) throws(EdgeError) {
    let shape = operands[x].shape
    for size in sizes where size < 0 || size > shape[axis] { throw malformed("a part of \(size) along an axis of \(shape[axis])") }
    if let known = operands[x].known, sizes.reduce(0, &+) == shape[axis] {
      var offset = 0
      for (output, size) in sizes.enumerated() {
        var dims = known.dims
        dims[axis] = size
        guard let part = known.gathered(dims, steps: known.strides, offset: offset) else { throw malformed("the parts leave the axis") }
        setKnown(part, output: output)
        offset = offset &+ size &* known.strides[axis]
      }
      return
    }
    let asImage = usesImages([x])
    var names: [Text] = []
    for output in outputs.indices { names.append(resultName(output, image: asImage)) }
    let value = asImage ? try image(x) : try tensor(x)
    let results = try emit(.split(axis: asImage ? imageAxis(axis, rank: shape.rank) : axis, sizes: sizes), [value], names)
    for (output, result) in results.enumerated() {
      if asImage { try setImageResult(result, rank: shape.rank, output: output) } else { try setResult(result, output: output) }
    }
  }

  private func slice(_ x: Int, _ bounds: OnnxSliceBounds) throws(EdgeError) {
    let shape = operands[x].shape
    let isWhole = shape.dims.indices.allSatisfy { bounds.starts[$0] == 0 && bounds.ends[$0] == shape[$0] && bounds.steps[$0] == 1 }
    if isWhole { return try setAlias(x) }
    if usesImages([x]) {
      let value = try image(x)
      let dims = graph.values[value].shape.dims
      var moved = OnnxSliceBounds(starts: [0, 0, 0, 0], ends: dims, steps: [1, 1, 1, 1])
      for axis in shape.dims.indices {
        let to = imageAxis(axis, rank: shape.rank)
        moved.starts[to] = bounds.starts[axis]
        moved.ends[to] = bounds.ends[axis]
        moved.steps[to] = bounds.steps[axis]
      }
      let y = try emit(.slice(starts: moved.starts, ends: moved.ends, steps: moved.steps), [value], resultName(image: true))
      return try setImageResult(y, rank: shape.rank)
    }
    try setResult(try emit(.slice(starts: bounds.starts, ends: bounds.ends, steps: bounds.steps), [try tensor(x)], resultName()))
  }

  private func importPad() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    // nil: wraps around.
    let mode: PadMode?
    switch try textAttribute("mode", "constant") {
    case "constant": mode = .constant
    case "reflect": mode = .reflect
    case "edge": mode = .edge
    case "wrap": mode = nil
    case let other: throw reject("attribute 'mode' is '\(other)'")
    }
    guard let pads = opset < 11 ? try integersAttribute("pads") : try integersInput(1, "pads") else { throw malformed("pads are missing") }
    var value: Float = 0
    if opset < 11 {
      value = try floatAttribute("value", 0)
    } else if mode == .constant, let given = try floatsInput(2, "the padding value") {
      guard given.count == 1 else { throw malformed("the padding value is not one number") }
      value = given[0]
      if let exact = operands[inputs[2]].known?.integers?.first, operands[x].dtype != .float32, Double(exact) != Double(value) {
        throw reject("an integer padding value of more than 24 bits")
      }
    }
    let axes = opset < 18 ? nil : try integersInput(3, "axes")
    let count = axes?.count ?? shape.rank
    guard count <= shape.rank, pads.count == 2 * count else { throw malformed("\(pads.count) pads for \(count) axes") }
    var before = [Int](repeating: 0, count: shape.rank)
    var after = before
    var isSet = [Bool](repeating: false, count: shape.rank)
    for index in 0..<count {
      let axis = try normalized(axes?[index] ?? index, rank: shape.rank)
      if isSet[axis] { throw malformed("axis \(axis) is listed twice") }
      isSet[axis] = true
      for amount in [pads[index], pads[index + count]] where abs(clamping: amount) > Int(Int32.max) { throw malformed("a pad of \(amount)") }
      before[axis] = pads[index]
      after[axis] = pads[index + count]
    }
    guard let mode else { return try wrap(x, before, after) }
    guard before.contains(where: { $0 < 0 }) || after.contains(where: { $0 < 0 }) else {
      return try pad(x, mode, before, after, value)
    }
    // Negative pads cut. Mixed with padding they would need two steps, in an order that depends on the mode.
    guard before.allSatisfy({ $0 <= 0 }), after.allSatisfy({ $0 <= 0 }) else { throw reject("pads of both signs") }
    var bounds = OnnxSliceBounds(starts: before.map { -$0 }, ends: shape.dims, steps: [Int](repeating: 1, count: shape.rank))
    for axis in shape.dims.indices where before[axis] != 0 || after[axis] != 0 {
      guard shape[axis] != Shape.batch else { throw reject("the batch cannot be cut") }
      bounds.ends[axis] += after[axis]
      guard bounds.starts[axis] < bounds.ends[axis] else { throw wrongShape("the pads leave nothing of \(shape.text)", operand: x) }
    }
    try slice(x, bounds)
  }

  /// The tensor over and over again along each padded axis.
  private func wrap(_ x: Int, _ before: [Int], _ after: [Int]) throws(EdgeError) {
    let shape = operands[x].shape
    var value = try tensor(x)
    for axis in shape.dims.indices where before[axis] != 0 || after[axis] != 0 {
      let size = shape[axis]
      let length = size + before[axis] + after[axis]
      guard size > 0, before[axis] >= 0, after[axis] >= 0, length <= 1 << 22 else { throw reject("such pads of axis \(axis) of \(shape.text)") }
      var rows: [Int32] = []
      for position in 0..<length {
        let row = (position - before[axis]) % size
        rows.append(Int32(row < 0 ? row + size : row))
      }
      value = try part(.gather(axis: axis, indices: rows, scalarIndex: false), [value])
    }
    if value == operands[x].value { return try setAlias(x) }
    try setResult(value)
  }

  private func pad(_ x: Int, _ mode: PadMode, _ before: [Int], _ after: [Int], _ fill: Float) throws(EdgeError) {
    let shape = operands[x].shape
    if before.allSatisfy({ $0 == 0 }), after.allSatisfy({ $0 == 0 }) { return try setAlias(x) }
    if mode == .constant, fill == 0, shape.rank == 4, before[0] == 0, before[1] == 0, after[0] == 0, after[1] == 0, let id = outputs.first, id >= 0 {
      operands[id].origin = .padded(source: x, top: before[2], left: before[3], bottom: after[2], right: after[3])
    }
    if usesImages([x]) {
      var first = [0, 0, 0, 0]
      var last = [0, 0, 0, 0]
      for axis in shape.dims.indices {
        first[imageAxis(axis, rank: shape.rank)] = before[axis]
        last[imageAxis(axis, rank: shape.rank)] = after[axis]
      }
      let y = try emit(.pad(mode, before: first, after: last, value: fill), [try image(x)], resultName(image: true))
      return try setImageResult(y, rank: shape.rank)
    }
    try setResult(try emit(.pad(mode, before: before, after: after, value: fill), [try tensor(x)], resultName()))
  }

  func importExpand() throws(EdgeError) {
    let x = try input(0)
    let id = try input(1)
    guard let known = operands[id].known, known.dims.count == 1 else { throw reject("the new shape ('\(operands[id].name)') must be constant") }
    guard known.elements.count <= Shape.maximumRank else { throw reject("a result of more than \(Shape.maximumRank) dimensions") }
    var target: [Int] = []
    for element in known.elements {
      guard let dim = element == .batch(1) ? Shape.batch : element.integer, dim >= 0 || element == .batch(1) else {
        throw reject("the new shape ('\(operands[id].name)') has a dimension that is not positive or a multiple of the batch size")
      }
      target.append(dim)
    }
    let shape = operands[x].shape
    guard let dims = OnnxKnown.commonDims(shape.dims, target) else {
      throw wrongShape("\(shape.text) does not broadcast to \(Shape(target).text)", operand: x)
    }
    if dims == shape.dims { return try setAlias(x) }
    try setResult(try emit(.expand(Shape(dims)), [try tensor(x)], resultName()))
  }

  private func importGather() throws(EdgeError) {
    let x = try input(0)
    let id = try input(1)
    let shape = operands[x].shape
    guard let known = operands[id].known, known.dtype != .float32, let indices = known.integers, known.dims.count <= 1 else {
      return try importTake(x, Indexing(.slices, axis: try axisAttribute(0, shape)))
    }
    let axis = try normalized(try integerAttribute("axis", 0), rank: shape.rank)
    guard shape[axis] != Shape.batch else { throw reject("single samples cannot be taken from the batch") }
    var rows: [Int32] = []
    for index in indices {
      guard index >= -shape[axis], index < shape[axis], let row = Int32(exactly: index < 0 ? index + shape[axis] : index) else {
        throw malformed("index \(index) is out of range for axis \(axis) of \(shape[axis])", operand: id)
      }
      rows.append(row)
    }
    let y = try emit(.gather(axis: axis, indices: rows, scalarIndex: known.dims.isEmpty), [try tensor(x)], resultName())
    try setResult(y)
  }

  /// DepthToSpace and SpaceToDepth, as reshapes around a transpose.
  private func importBlocks() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    let block = try integerAttribute("blocksize", 0)
    guard shape.rank == 4 else { throw wrongShape("\(shape.text) is not an image", operand: x) }
    guard block > 0, block <= 1 << 12 else { throw malformed("attribute 'blocksize' is \(block)") }
    guard shape.dims[1...].allSatisfy({ $0 > 0 }) else { throw reject("the image's size must be known") }
    let (n, c, h, w) = (shape[0], shape[1], shape[2], shape[3])
    let split: [Int]
    let permutation: [Int]
    let joined: [Int]
    if node.type == "DepthToSpace" {
      guard c % (block * block) == 0 else { throw wrongShape("\(c) channels are no multiple of \(block * block)", operand: x) }
      let depth = c / (block * block)
      let isColumnsFirst = try textAttribute("mode", "DCR") == "CRD"
      split = isColumnsFirst ? [n, depth, block, block, h, w] : [n, block, block, depth, h, w]
      permutation = isColumnsFirst ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]
      guard let shape = Shape([depth, h, w]).elementCount(), shape <= Int.max / block / block else { throw malformed("the result overflows") }
      joined = [n, depth, h * block, w * block]
    } else {
      // Since operator set 28 the channels may come first.
      let isColumnsFirst = try textAttribute("mode", "DCR") == "CRD"
      guard h % block == 0, w % block == 0 else { throw wrongShape("\(shape.text) is not divisible by \(block)", operand: x) }
      split = [n, c, h / block, block, w / block, block]
      permutation = isColumnsFirst ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4]
      joined = [n, c * block * block, h / block, w / block]
    }
    let name = operands[x].name
    let blocks = try emit(.reshape(Shape(split)), [try tensor(x)], helperName(name + ".blocks"))
    let moved = try emit(.transpose(permutation), [blocks], helperName(name + ".moved"))
    try setResult(try emit(.reshape(Shape(joined)), [moved], resultName()))
  }
}

/// Magnitude; the largest integer for the smallest.
private func abs(clamping value: Int) -> Int { value < 0 ? (value == Int.min ? Int.max : -value) : value }
