#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Operators that move data: on integers as on any other elements.

extension OnnxExporter {
  func write(_ op: Operator) throws(EdgeError) {
    switch op {
    case .convolution(let convolution): try writeConvolution(convolution)
    case .transposedConvolution(let convolution): try writeTransposedConvolution(convolution)
    case .dense(let clamp): try writeDense(clamp)
    case .matMul: try writeMatMul()
    case .batchNormalization(let epsilon): try writeBatchNormalization(epsilon)
    case .unary(let function): try writeUnary(function)
    case .binary(let function, let clamp): try writeBinary(function, clamp)
    case .pool(let pool): try writePool(pool)
    case .reduce(let function, let axes, let keepDims): try writeReduce(function, axes, keepDims)
    case .softmax(let axis, let log): try writeSoftmax(axis, log)
    case .concat(let axis): try writeConcat(axis)
    case .split(let axis, let sizes): try writeSplit(axis, sizes)
    case .slice(let starts, let ends, let steps): try writeSlice(starts, ends, steps)
    case .pad(let mode, let before, let after, let value): try writePad(mode, before, after, value)
    case .resize(let resize): try writeResize(resize)
    case .transpose(let order): try writeTranspose(order)
    case .reshape(let shape): try writeReshape(shape)
    case .expand(let shape): try writeExpand(shape)
    case .gather(let axis, let indices, let scalar): try writeGather(axis, indices, scalar)
    case .localResponseNormalization(let size, let alpha, let beta, let bias): try writeLocalResponse(size, alpha, beta, bias)
    case .layerNormalization(let epsilon): try writeLayerNormalization(epsilon)
    case .quantize, .requantize: try writeQuantize()
    case .dequantize: try writeDequantize()
    case .cast(let dtype): try writeCast(dtype)
    case .bitCast(let dtype): try writeBitCast(dtype)
    case .select: try writeSelect()
    case .scan(let function, let axis, let exclusive, let reverse): try writeScan(function, axis, exclusive, reverse)
    case .take(let indexing): try writeTake(indexing)
    case .put(let indexing, let function): try writePut(indexing, function)
    case .topK(let axis, let k, let largest): try writeTopK(axis, k, largest)
    case .convolutionWeightGradient, .poolGradient, .batchStatistics, .batchNormalizationGradient, .optimizerStep, .random:
      throw unsupported("it belongs to training")
    case .recurrent: throw unsupported("recurrent layers are not written")
    case .nonZero, .crop, .unique, .nonMaxSuppression: throw unsupported("its result's size depends on data")
    case .when, .otherwise, .merge, .loop, .next: throw unsupported("branches and loops are not written")
    }
  }

  /// The operator set that has all the graph's operators.
  static func opset(for graph: Graph) -> Int {
    for node in graph.nodes {
      switch node.op {
      case .unary(let function) where function.kind == .gelu || function.kind == .geluTanh || function.kind == .mish: return 20
      case .unary(let function) where function.kind == .not && graph.values[node.inputs[0]].dtype != .bool: return 20
      case .binary(let function, _) where function == .and || function == .or || function == .xor:
        if graph.values[node.inputs[0]].dtype != .bool { return 20 }
      case .put(_, let function) where function == .minimum || function == .maximum: return 20
      case .pool(let pool) where pool.kind != .max:
        if pool.window.dilationHeight > 1 || pool.window.dilationWidth > 1 || (pool.ceilMode && pool.countIncludesPad) { return 20 }
      case .resize(let resize) where !followsScales(resize, graph.values[node.inputs[0]].shape): return 20
      default: continue
      }
    }
    return 17
  }

  /// Appends the current node's operator on elements of any kind.
  func move(
    _ type: StaticString, _ inputs: [Text], first: Bool, _ attributes: [(name: StaticString, value: OnnxValue)] = []
  ) {
    var names: [Text] = []
    for output in node.outputs {
      names.append(resultName(output, first: first))
      define(output, first: first, names[names.count - 1])
    }
    file.addNode(type, node.name, inputs, names, attributes)
  }

  private func writeConcat(_ axis: Int) throws(EdgeError) {
    var first = false
    for input in node.inputs where isFirst(input) { first = true }
    var names: [Text] = []
    for input in node.inputs { names.append(try name(input, first: first)) }
    move("Concat", names, first: first, [("axis", .integer(self.axis(axis, of: node.outputs[0], first: first)))])
  }

  private func writeSplit(_ axis: Int, _ sizes: [Int]) throws(EdgeError) {
    let x = node.inputs[0]
    let first = isFirst(x)
    move(
      "Split", [try name(x, first: first), try integers(sizes, "sizes")], first: first,
      [("axis", .integer(self.axis(axis, of: x, first: first)))])
  }

  private func writeSlice(_ starts: [Int], _ ends: [Int], _ steps: [Int]) throws(EdgeError) {
    let x = node.inputs[0]
    let first = isFirst(x)
    var (from, to, axes, by): ([Int], [Int], [Int], [Int]) = ([], [], [], [])
    for axis in starts.indices where shape(x)[axis] != Shape.batch {
      from.append(starts[axis])
      // Going down, an end before the first element must not count from the end.
      to.append(steps[axis] < 0 && ends[axis] < 0 ? Int.min : ends[axis])
      axes.append(self.axis(axis, of: x, first: first))
      by.append(steps[axis])
    }
    let inputs = [
      try name(x, first: first), try integers(from, "starts"), try integers(to, "ends"), try integers(axes, "axes"), try integers(by, "steps"),
    ]
    move("Slice", inputs, first: first)
  }

  private func writePad(_ mode: PadMode, _ before: [Int], _ after: [Int], _ value: Float) throws(EdgeError) {
    let x = node.inputs[0]
    let first = isFirst(x)
    let type: StaticString = mode == .constant ? "constant" : mode == .reflect ? "reflect" : "edge"
    var inputs = [try name(x, first: first, float: true), try integers(ordered(before, first: first) + ordered(after, first: first), "pads")]
    // Integers without a scale are padded with zeros, which is what ONNX does unasked.
    if mode == .constant, !isPlain(x) { inputs.append(try number(value, "value")) }
    try add("Pad", inputs, first: first, [("mode", .text(type))])
  }

  private func writeTranspose(_ order: [Int]) throws(EdgeError) {
    let (x, y) = (node.inputs[0], node.outputs[0])
    let first = isFirst(x)
    // Between the two layouts: the same tensor, seen in the other one. With three axes both are the same exchange.
    if order.count >= 3, order == OnnxExporter.toLast(order.count), !first { return define(y, first: true, try name(x, first: false)) }
    if order.count >= 3, order == OnnxExporter.toFirst(order.count) { return define(y, first: false, try name(x, first: true)) }
    move("Transpose", [try name(x, first: first)], first: false, [("perm", .integers(order.map { axis($0, of: x, first: first) }))])
  }

  private func writeReshape(_ target: Shape) throws(EdgeError) {
    let x = node.inputs[0]
    guard target.dims.filter({ $0 == Shape.batch }).count <= 1 else { throw unsupported("two dimensions are the batch") }
    // Without the attribute a zero copies the source's dimension.
    let isEmpty = target.dims.contains(0)
    if isEmpty, target.hasBatch { throw unsupported("the result has no elements for any batch") }
    let zeros: [(name: StaticString, value: OnnxValue)] = isEmpty ? [("allowzero", .integer(1))] : []
    // Axes between the batch and the channels change alike in both layouts.
    let source = shape(x)
    if isFirst(x), target.rank >= 3, source[0] == target[0], source.dims.last == target.dims.last {
      let moved = ordered(target.dims, first: true)
      return move("Reshape", [try name(x, first: true), try integers(moved, "shape")], first: true, zeros)
    }
    // Where only dimensions of 1 differ between the layouts, either has the elements in order.
    var isSame = true
    var previous = -1
    for axis in OnnxExporter.toFirst(source.rank) where source[axis] != 1 {
      if axis < previous { isSame = false }
      previous = axis
    }
    // The batch is what is left: `Shape.batch` is ONNX's -1.
    move("Reshape", [try name(x, first: isSame && isFirst(x)), try integers(target.dims, "shape")], first: false, zeros)
  }

  private func writeExpand(_ target: Shape) throws(EdgeError) {
    let x = node.inputs[0]
    let extra = target.rank - shape(x).rank
    var dims = target.dims
    for axis in dims.indices where dims[axis] == Shape.batch {
      guard axis >= extra, shape(x)[axis - extra] == Shape.batch else { throw unsupported("it repeats by the batch size") }
      dims[axis] = 1
    }
    move("Expand", [try name(x, first: false), try integers(dims, "shape")], first: false)
  }

  private func writeGather(_ axis: Int, _ indices: [Int32], _ scalar: Bool) throws(EdgeError) {
    let x = node.inputs[0]
    let first = isFirst(x) && !scalar
    let positions = try integers(indices.map { Int($0) }, "indices", scalar: scalar)
    move("Gather", [try name(x, first: first), positions], first: first, [("axis", .integer(self.axis(axis, of: x, first: first)))])
  }
}
