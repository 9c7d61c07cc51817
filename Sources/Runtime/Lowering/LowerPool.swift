import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Pooling, reductions and what else runs over windows or axes.
extension Lowering {
  func lowerPool(_ node: Node, _ op: Pool) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    let image = shape(x)
    let out = shape(y)
    _ = (try count(x), try count(y))
    var arguments = try poolArguments(op, image, out)
    let work = Int64(try count(y)) &* Int64(arguments.kh) &* Int64(arguments.kw)

    guard try isQuantized([x, y]) else {
      try emit(
        Int(op.kind == .max ? EK_MAX_POOL_F32 : EK_AVERAGE_POOL_F32), arguments, [.read(0, try operand(x)), .write(1, try result(y))],
        multiplyAdds: work)
      writers[y] = steps.count - 1
      return
    }
    let (xType, yType) = (try quantized(x), try quantized(y))
    arguments.x_zero_point = xType.zero_point
    arguments.y_zero_point = yType.zero_point
    arguments.scale = try factor(xType.scale / yType.scale)
    if op.kind != .max {
      // Between equal types any zero point will do: seen from 0 or 128 the ties lie outward, and a scale barely above 1
      // takes them there. It moves no other average of so many pixels over a tie. Padding that counts is real zeros: there
      // the zero point matters.
      let pixels = op.window.kernelHeight.multipliedReportingOverflow(by: op.window.kernelWidth)
      if op.kind != .average, !op.countIncludesPad, graph.values[x].quantization == graph.values[y].quantization, !pixels.overflow, pixels.partialValue < 4096 {
        arguments.x_zero_point = op.kind == .averageTiesUp ? 0 : 128
        arguments.y_zero_point = arguments.x_zero_point
        arguments.scale = 1 + 0x1p-21
      }
      try emit(Int(EK_AVERAGE_POOL_U8), arguments, [.read(0, try operand(x)), .write(1, try result(y))], multiplyAdds: work)
      writers[y] = steps.count - 1
      return
    }
    // The maximum keeps the operand's type.
    arguments.y_zero_point = xType.zero_point
    arguments.scale = 1
    let same = graph.values[x].quantization == graph.values[y].quantization
    let target = same ? try result(y) : temporary(try byteCount(y))
    try emit(Int(EK_MAX_POOL_U8), arguments, [.read(0, try operand(x)), .write(1, target)], multiplyAdds: work)
    if same { writers[y] = steps.count - 1 }
    if !same { try emitRequantize(from: target, xType, to: try result(y), yType, count: try count(y)) }
  }

  /// The geometry of a pool that gives `out` of `image`, without clamp.
  func poolArguments(_ op: Pool, _ image: [Int], _ out: [Int]) throws(EdgeError) -> ek_pool {
    guard image.count == 4, out.count == 4, image[0] == out[0], image[3] == out[3] else {
      throw unsupported("only images of two dimensions")
    }
    let window = op.window
    var arguments = ek_pool()
    arguments.n = try int32(image[0])
    arguments.h = try int32(image[1])
    arguments.w = try int32(image[2])
    arguments.c = try int32(image[3])
    arguments.oh = try int32(out[1])
    arguments.ow = try int32(out[2])
    arguments.x_stride = arguments.c
    arguments.y_stride = arguments.c
    arguments.kh = try int32(window.kernelHeight)
    arguments.kw = try int32(window.kernelWidth)
    arguments.stride_h = try int32(window.strideHeight)
    arguments.stride_w = try int32(window.strideWidth)
    arguments.pad_top = try int32(window.padTop)
    arguments.pad_left = try int32(window.padLeft)
    arguments.pad_bottom = try int32(window.padBottom)
    arguments.pad_right = try int32(window.padRight)
    arguments.dilation_h = try int32(window.dilationHeight)
    arguments.dilation_w = try int32(window.dilationWidth)
    arguments.count_include_pad = op.countIncludesPad ? 1 : 0
    arguments.clamp_min = -.infinity
    arguments.clamp_max = .infinity
    arguments.q_max = 255
    return arguments
  }

  func lowerReduce(_ node: Node, _ function: ReduceFunction, axes: [Int]) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    let dims = shape(x)
    var reduced = [Bool](repeating: false, count: dims.count)
    for axis in axes {
      guard axis >= 0, axis < dims.count else { throw error(.invalidGraph, "axis \(axis) is outside the tensor", value: x) }
      reduced[axis] = true
    }
    let isPlain = graph.values[x].quantization == nil
    if isPlain, try size(x) == 0 {
      var nothing = ek_reduce()
      (nothing.outer, nothing.axis, nothing.inner) = (Int64(try count(y)), 0, 1)
      return try emitTypedReduce(x, y, function, nothing, try operand(x))
    }
    let total = try count(x)
    var kept: [Int] = []
    var gone: [Int] = []
    for axis in dims.indices where dims[axis] != 1 {
      if reduced[axis] { gone.append(axis) } else { kept.append(axis) }
    }
    var extent = 1
    for axis in gone { extent = extent &* dims[axis] }
    guard try count(y) == total / extent else { throw error(.shapeMismatch, "has not the reduction's size", value: y) }

    var source = try operand(x)
    var arguments = ek_reduce()
    arguments.function = Int32(function.rawValue)
    arguments.axis = Int64(extent)
    arguments.outer = Int64(total / extent)
    arguments.inner = 1
    if let first = gone.first, let last = gone.last {
      var between = false
      for axis in kept where axis > first && axis < last { between = true }
      if between {
        // The reduced axes are apart: they are brought together at the end.
        let dense = StridedLoops.dense(dims)
        let order = kept + gone
        var sizes: [Int] = []
        var strides: [Int] = []
        for axis in order {
          sizes.append(dims[axis])
          strides.append(dense[axis])
        }
        let target = temporary(try byteCount(x))
        try emitCopy(
          StridedLoops(dims: sizes, strides: [strides, StridedLoops.dense(sizes)]), elementBytes: dtype(x).byteCount, from: source,
          to: target)
        source = target
      } else {
        arguments.outer = Int64(Lowering.product(dims[..<first]))
        arguments.inner = Int64(Lowering.product(dims[(last + 1)...]))
      }
    }
    if function.rawValue >= UInt8(EK_REDUCE_COUNT) || isPlain && dtype(x) != .float32 {
      return try emitTypedReduce(x, y, function, arguments, source)
    }
    let integer = try isQuantized([x, y])
    if integer {
      switch function {
      case .mean, .sum, .max, .min: break
      default: throw unsupported("no integer kernel reduces by this function")
      }
      arguments.x_quant = try quantized(x)
      arguments.y_quant = try quantized(y)
      _ = try factor(arguments.x_quant.scale / arguments.y_quant.scale)
    }
    try emit(Int(integer ? EK_REDUCE_U8 : EK_REDUCE_F32), arguments, [.read(0, source), .write(1, try result(y))], multiplyAdds: Int64(total))
  }

  /// The reduction that `geometry` describes, for any element type.
  private func emitTypedReduce(
    _ x: ValueID, _ y: ValueID, _ function: ReduceFunction, _ geometry: ek_reduce, _ source: BufferPlace
  ) throws(EdgeError) {
    var arguments = ek_typed_reduce()
    (arguments.outer, arguments.axis, arguments.inner) = (geometry.outer, geometry.axis, geometry.inner)
    arguments.function = Int32(function.rawValue)
    arguments.x_type = Int32(dtype(x).rawValue)
    arguments.y_type = Int32(dtype(y).rawValue)
    try emit(Int(EK_TYPED_REDUCE), arguments, [.read(0, source), .write(1, try result(y))])
  }

  func lowerSoftmax(_ node: Node, axis: Int, log: Bool) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    let dims = shape(x)
    guard axis >= 0, axis < dims.count, shape(y) == dims else { throw error(.invalidGraph, "axis \(axis) is outside the tensor", value: x) }
    _ = try count(x)
    var arguments = ek_softmax()
    arguments.outer = Int64(Lowering.product(dims[..<axis]))
    arguments.axis = Int64(dims[axis])
    arguments.inner = Int64(Lowering.product(dims[(axis + 1)...]))
    arguments.log = log ? 1 : 0
    let integer = try isQuantized([x, y])
    if integer {
      arguments.x_quant = try quantized(x)
      arguments.y_quant = try quantized(y)
      _ = try factor(1 / arguments.y_quant.scale)
    }
    try emit(Int(integer ? EK_SOFTMAX_U8 : EK_SOFTMAX_F32), arguments, [.read(0, try operand(x)), .write(1, try result(y))])
  }

  func lowerLayerNormalization(_ node: Node, epsilon: Float) throws(EdgeError) {
    let (x, scale) = (try required(node, 0), try required(node, 1))
    let y = node.outputs[0]
    guard let axis = shape(x).last, axis > 0, axis <= Graph.longestIntegerRow || dtype(x) == .float32 else {
      throw error(.unsupportedFeature, "the last axis is too long", value: x)
    }
    var arguments = ek_layer_norm()
    arguments.rows = Int64(try count(x) / axis)
    arguments.axis = Int64(axis)
    arguments.epsilon = epsilon
    let zeros = [Float](repeating: 0, count: node.input(2) == nil ? axis : 0)
    var parameters: [BufferPlace] = []
    let integer = try isQuantized([x, y])
    if integer {
      arguments.x_quant = try quantized(x)
      arguments.y_quant = try quantized(y)
      _ = try factor(1 / arguments.y_quant.scale)
      for value in [scale, node.input(2)] {
        var numbers = zeros
        if let value {
          guard let constant = graph.values[value].constant else { throw error(.unsupportedOperator, "must be constant", value: value) }
          numbers = constant.array(of: Float.self)
        }
        for index in numbers.indices { numbers[index] /= arguments.y_quant.scale }
        parameters.append(try derived(numbers))
      }
    } else {
      parameters.append(try operand(scale))
      if let bias = node.input(2) { parameters.append(try operand(bias)) } else { parameters.append(try derived(zeros)) }
    }
    try emit(
      Int(integer ? EK_LAYER_NORM_U8 : EK_LAYER_NORM_F32), arguments,
      [.read(0, try operand(x)), .read(1, parameters[0]), .read(2, parameters[1]), .write(3, try result(y))], inPlace: [0])
  }

  func lowerLocalResponseNormalization(
    _ node: Node, size: Int, alpha: Float, beta: Float, bias: Float
  ) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    if try isQuantized([x, y]) { throw unsupported("no integer kernel; keep it in float") }
    guard let channels = shape(x).last else { throw error(.shapeMismatch, "has no channels", value: x) }
    var arguments = ek_lrn()
    arguments.pixels = Int64(try count(x) / channels)
    arguments.c = try int32(channels)
    arguments.size = try int32(size)
    (arguments.alpha, arguments.beta, arguments.bias) = (alpha, beta, bias)
    try emit(Int(EK_LOCAL_RESPONSE_NORM_F32), arguments, [.read(0, try operand(x)), .write(1, try result(y))])
  }
}
