import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Convolution, transposed convolution and dense layers: one argument structure.
extension Lowering {
  func lowerConvolution(_ node: Node, _ op: Convolution) throws(EdgeError) {
    let x = try required(node, 0)
    let weights = try required(node, 1)
    let y = node.outputs[0]
    var arguments = try imageArguments(x, weights, y, op.window, groups: op.groups)
    try setWindow(&arguments, op.window)
    if try lowerBinaryLayer(node, arguments, op.clamp) { return }
    let channels = shape(x)[3]
    let isDepthwise = op.groups == channels && shape(y)[3] == channels
    try emitConvolution(node, arguments, clamp: op.clamp, isDepthwise ? .depthwise : .plain)
  }

  func lowerTransposedConvolution(_ node: Node, _ op: TransposedConvolution) throws(EdgeError) {
    let x = try required(node, 0)
    var arguments = try imageArguments(x, try required(node, 1), node.outputs[0], op.window, groups: op.groups)
    try setWindow(&arguments, op.window)
    try emitConvolution(node, arguments, clamp: op.clamp, .transposed)
  }

  /// A dense layer is a 1x1 convolution: each row of x is an image of one pixel.
  func lowerDense(_ node: Node, _ clamp: Clamp) throws(EdgeError) {
    let x = try required(node, 0)
    let weights = shape(try required(node, 1))
    let dims = shape(x)
    guard weights.count == 2, let inner = dims.last, inner == weights[1] else {
      throw error(.shapeMismatch, "weights do not fit the operand", value: node.inputs[1])
    }
    var arguments = ek_conv()
    arguments.n = try int32(try count(x) / inner)
    arguments.c_in = try int32(inner)
    arguments.c_out = try int32(weights[0])
    (arguments.h, arguments.w, arguments.oh, arguments.ow) = (1, 1, 1, 1)
    arguments.groups = 1
    try setWindow(&arguments, Window())
    if try lowerBinaryLayer(node, arguments, clamp) { return }
    try emitConvolution(node, arguments, clamp: clamp, .plain)
  }

  /// Slots that convolutions pack: weights, bias, scales.
  static var packedOperands: [Int] { [1, 2, 3] }

  enum ConvolutionKind { case plain, depthwise, transposed }

  private func imageArguments(
    _ x: ValueID, _ weights: ValueID, _ y: ValueID, _ window: Window, groups: Int
  ) throws(EdgeError) -> ek_conv {
    let image = shape(x)
    let kernel = shape(weights)
    let out = shape(y)
    guard image.count == 4, kernel.count == 4, out.count == 4 else { throw unsupported("only images of two dimensions") }
    guard groups > 0, image[3] % groups == 0, out[3] % groups == 0, kernel[0] == out[3], kernel[3] == image[3] / groups,
      kernel[1] == window.kernelHeight, kernel[2] == window.kernelWidth, image[0] == out[0]
    else { throw error(.shapeMismatch, "weights do not fit the operand", value: weights) }
    var arguments = ek_conv()
    try setImages(&arguments, image, out)
    arguments.groups = try int32(groups)
    return arguments
  }

  /// Sizes of dense images.
  func setImages(_ arguments: inout ek_conv, _ image: [Int], _ out: [Int]) throws(EdgeError) {
    arguments.n = try int32(image[0])
    arguments.h = try int32(image[1])
    arguments.w = try int32(image[2])
    arguments.c_in = try int32(image[3])
    arguments.oh = try int32(out[1])
    arguments.ow = try int32(out[2])
    arguments.c_out = try int32(out[3])
    arguments.x_stride = arguments.c_in
    arguments.y_stride = arguments.c_out
  }

  /// Products of a convolution whose windows are one for each pixel of the result.
  static func work(_ c: ek_conv) -> Int64 {
    Int64(c.n) &* Int64(c.oh) &* Int64(c.ow) &* Int64(c.kh) &* Int64(c.kw) &* Int64(c.c_in / c.groups) &* Int64(c.c_out)
  }

  func setWindow(_ arguments: inout ek_conv, _ window: Window) throws(EdgeError) {
    arguments.kh = try int32(window.kernelHeight)
    arguments.kw = try int32(window.kernelWidth)
    arguments.stride_h = try int32(window.strideHeight)
    arguments.stride_w = try int32(window.strideWidth)
    arguments.pad_top = try int32(window.padTop)
    arguments.pad_left = try int32(window.padLeft)
    arguments.dilation_h = try int32(window.dilationHeight)
    arguments.dilation_w = try int32(window.dilationWidth)
  }

  /// Fills in types, strides and clamp, and appends the step. Inputs: x, weights, bias?, residual?.
  private func emitConvolution(
    _ node: Node, _ geometry: ek_conv, clamp: Clamp, _ kind: ConvolutionKind
  ) throws(EdgeError) {
    let x = try required(node, 0)
    let weights = try required(node, 1)
    let y = node.outputs[0]
    let bias = node.input(2)
    let residual = kind == .transposed ? nil : node.input(3)
    var activations = [x, y]
    if let residual { activations.append(residual) }
    let integer = try isQuantized(activations)
    let channels = Int(geometry.c_out)

    var arguments = geometry
    arguments.x_stride = arguments.c_in
    arguments.y_stride = arguments.c_out
    arguments.residual_stride = arguments.c_out
    arguments.clamp_min = clamp.min
    arguments.clamp_max = clamp.max
    arguments.q_max = 255

    guard dtype(weights) == (integer ? .int8 : .float32) else {
      let kind: StaticString = integer ? "quantized" : "float32"
      throw error(.unsupportedOperator, "no kernel takes \(kind) activations with \(dtype(weights).name) weights", value: weights)
    }

    var slots: [SlotUse] = [.read(0, try operand(x))]
    if kind == .depthwise {
      slots.append(.read(1, try tapMajor(weights)))
    } else {
      slots.append(.read(1, try operand(weights)))
    }
    if let bias {
      guard dtype(bias) == (integer ? .int32 : .float32), try count(bias) == channels else {
        throw error(.dtypeMismatch, integer ? "needs one int32 for each channel" : "needs one float32 for each channel", value: bias)
      }
      slots.append(.read(2, try operand(bias)))
    }
    if let residual {
      guard shape(residual) == shape(y) else { throw error(.shapeMismatch, "has not the result's shape", value: residual) }
      slots.append(.read(4, try operand(residual)))
    }
    if integer {
      let xType = try quantized(x)
      let yType = try quantized(y)
      slots.append(.read(3, try derived(try outputScales(weights, channels, xType.scale, yType.scale))))
      arguments.w_zero_point = graph.values[weights].quantization?.zeroPoints.first ?? 0
      arguments.x_zero_point = xType.zero_point
      arguments.y_zero_point = yType.zero_point
      (arguments.q_min, arguments.q_max) = Lowering.limits(clamp, yType)
      if let residual {
        let type = try quantized(residual)
        arguments.residual_zero_point = type.zero_point
        arguments.residual_scale = try factor(type.scale / yType.scale)
      }
    }
    slots.append(.write(6, try result(y)))

    if kind == .transposed, integer, try emitPhases(node, arguments, slots) { return }
    try emitChosen(node, &arguments, &slots, kind, isInteger: integer)
    if kind != .transposed { writers[y] = steps.count - 1 }
  }

  /// Chooses the form and appends the step.
  func emitChosen(
    _ node: Node, _ arguments: inout ek_conv, _ slots: inout [SlotUse], _ kind: ConvolutionKind, isInteger: Bool
  ) throws(EdgeError) {
    var operation: Int
    var sparse: SparseChoice?
    // Where it depends on the weights.
    var packedBytes = 0
    let taps = Int64(arguments.kh) &* Int64(arguments.kw) &* Int64(arguments.c_in / arguments.groups)
    switch kind {
    case .plain:
      var share: Float = 1
      let isMerged = isInteger ? try mergeGroups(&arguments, &slots) : false
      operation = isInteger ? chooseIntegerForm(&arguments, slots, &share, &packedBytes) : try chooseForm(node, &arguments, &slots, &share)
      if !isMerged { sparse = sparseChoice(arguments, slots, isInteger: isInteger, dense: share) }
      if let sparse {
        operation = sparse.operation
        (arguments.sparse, arguments.winograd, packedBytes) = (sparse.form, 0, sparse.packedBytes)
        note = sparse.note
      }
    case .depthwise: operation = Int(isInteger ? EK_DEPTHWISE_U8 : EK_DEPTHWISE_F32)
    case .transposed: operation = Int(isInteger ? EK_CONV_TRANSPOSE_U8 : EK_CONV_TRANSPOSE_F32)
    }
    let spatial = kind == .transposed ? Int64(arguments.h) &* Int64(arguments.w) : Int64(arguments.oh) &* Int64(arguments.ow)
    try emit(
      operation, arguments, slots, packs: 5, packSources: Lowering.packedOperands,
      multiplyAdds: Int64(arguments.n) &* spatial &* taps &* Int64(arguments.c_out))
    // Float kernels copy lines of images, which is less.
    if isInteger, kind == .plain, arguments.kh > 1 || arguments.kw > 1 {
      steps[steps.count - 1].windowLines = Int64(arguments.n) &* spatial &* Int64(arguments.kh)
    }
    steps[steps.count - 1].form = UInt8(truncatingIfNeeded: arguments.winograd | arguments.sparse << 4)
    steps[steps.count - 1].packedBytes = packedBytes
    if let sparse { steps[steps.count - 1].workShare = sparse.cost }
  }

  /// Chooses between the plain form, in the session's precision, and Winograd's, the wanted one or that with less to do; the
  /// operation, and in `share` what there is to do of the plain form's work.
  private func chooseForm(_ node: Node, _ arguments: inout ek_conv, _ slots: inout [SlotUse], _ share: inout Float) throws(EdgeError) -> Int {
    let packing = packsInRuns(Int32(EK_CONV_F32), slots, Lowering.packedOperands)
    let least = Lowering.leastWork(arguments, precision, packsInRuns: packing)
    arguments.winograd = isCompact ? 0 : wish(ahead: packing ? 1 : 0).map { Int32($0 & 0xF) } ?? least.form
    if arguments.winograd > 0, let kernel = chosen(Int32(EK_CONV_WINOGRAD_F32), ahead: packing ? 1 : 0)?.kernel, kernel.units(&arguments) > 0 {
      share = least.share
      return Int(EK_CONV_WINOGRAD_F32)
    }
    arguments.winograd = 0
    if precision == .float32 { return Int(EK_CONV_F32) }
    if kernels.own(Int32(EK_CONV_BF16)) != nil { return Int(EK_CONV_BF16) }
    slots[0].place = try rounded(node, 0)
    slots[1].place = try rounded(node, 1)
    note = "bfloat16, emulated"
    return Int(EK_CONV_F32)
  }

  /// The same for integers, whose two forms give the same bytes. Winograd's has to know the weights.
  private func chooseIntegerForm(_ arguments: inout ek_conv, _ slots: [SlotUse], _ share: inout Float, _ packedBytes: inout Int) -> Int {
    let wanted = wish.map { Int32($0 & 0xF) }
    // Transforms of weights that are packed in each run would cost more than they save.
    guard !isCompact, !packsInRuns(Int32(EK_CONV_U8), slots, Lowering.packedOperands), arguments.kh == 3, arguments.kw == 3, wanted ?? 4 == 4,
      let ways = chosen(Int32(EK_CONV_WINOGRAD_U8)), let plain = chosen(Int32(EK_CONV_U8)), ways.isa == plain.isa,
      let weights = slots.first(where: { $0.slot == 1 }).flatMap({ contents($0.place) })
    else { return Int(EK_CONV_U8) }
    var known = arguments
    known.weights = weights
    known.winograd = 4
    // Of the plain form's time for a product: a product, what the transforms of an image square take for each of its inputs and
    // outputs, and a weight that is read. VNNI multiplies bytes twice as fast as words, and seven squares at a time.
    let squares = Int(known.n) &* ((Int(known.oh) &+ 3) / 4) &* ((Int(known.ow) &+ 3) / 4)
    let (inputs, outputs) = (Int(known.c_in), Int(known.c_out))
    let work =
      plain.isa == .avx512vnni
      ? 36 &* ((2 &* ((squares &+ 6) / 7 &* 7) &+ 16) &* inputs &* outputs &+ squares &* 24 &* (inputs &+ outputs))
      : 36 &* ((squares &+ 6) &* inputs &* outputs &+ squares &* (4 &* inputs &+ 9 &* outputs))
    let least = Float(work) / Float(max(9 &* (Int(known.n) &* Int(known.oh) &* Int(known.ow) &+ 6) &* inputs &* outputs, 1))
    guard wanted != nil || least < 1, ways.kernel.units(&known) > 0 else { return Int(EK_CONV_U8) }
    packedBytes = Int(ways.kernel.packed_bytes(&known))
    if packedBytes == 0 { return Int(EK_CONV_U8) }
    arguments.winograd = 4
    share = least
    return Int(EK_CONV_WINOGRAD_U8)
  }

  /// The form with the least work, as if all could have it, and what that is of the plain form's work. A weight that is read from
  /// memory costs as much as some products with it, one that is packed in each run much more.
  private static func leastWork(_ c: ek_conv, _ precision: Precision, packsInRuns: Bool) -> (form: Int32, share: Float) {
    let perWeight = packsInRuns ? 40.0 : 6
    let (images, inputs, outputs) = (Double(c.n), Double(c.c_in), Double(c.c_out))
    // bfloat16 multiplies twice as fast, but reads and writes as much.
    let speed = precision == .bfloat16 ? 1.8 : 1
    let plain = Double(c.kh) * Double(c.kw) * (images * Double(c.oh) * Double(c.ow) + perWeight) * inputs * outputs / speed
    var best = plain
    var form: Int32 = 0
    // Layers that learn, and others whose weights a run computes, keep the forms that published trainings had, whose bits are
    // theirs: 3 x 3, without the least exact squares.
    if packsInRuns, c.kh != 3 || c.c_in < 32 || c.c_out < 32 { return (0, 1) }
    var m: Int32 = 2
    while m <= (packsInRuns ? 4 : 6) {
      let side = Double(c.kh) + Double(m) - 1
      let squares = images * Double((Int(c.oh) &+ Int(m) &- 1) / Int(m)) * Double((Int(c.ow) &+ Int(m) &- 1) / Int(m))
      let work = side * side * ((squares + perWeight) * inputs * outputs + squares * 12 * (inputs + outputs))
      // Squares with a side of 8 have four times the error of those of 6: for a tenth less they are not worth it. Of windows of
      // 5 x 5 there are squares of 4 results alone.
      if work * (side == 8 ? 1.1 : 1) < best, c.kh == 3 || m == 4 { (best, form) = (work, m) }
      m &+= 2
    }
    return (form, Float(best / max(plain, 1)))
  }

  /// An operand rounded to bfloat16, as floats: now when it is a constant, else by a step of its own.
  private func rounded(_ node: Node, _ input: Int) throws(EdgeError) -> BufferPlace {
    let value = try required(node, input)
    let place = try operand(value)
    var arguments = ek_unary()
    arguments.count = Int64(try count(value))
    arguments.function = Int32(EK_UNARY_BFLOAT16)
    if isConstant(place), let constant = graph.values[value].constant, let kernel = kernels.reference(Int32(EK_UNARY_F32)) {
      let storage = try Storage.allocate(try byteCount(value))
      storage.base.copyMemory(from: constant.base, byteCount: storage.count)
      arguments.x = UnsafeRawPointer(storage.base)
      arguments.y = storage.base
      withUnsafePointer(to: arguments) { kernel.run($0, 0, kernel.units($0), nil) }
      return BufferPlace(buffer: addBuffer(.derived(storage), storage.count))
    }
    note = "rounds to bfloat16"
    let target = temporary(try byteCount(value))
    try emit(Int(EK_UNARY_F32), arguments, [.read(0, place), .write(1, target)])
    return target
  }

  /// What turns an integer sum into the result's integers, for each channel.
  private func outputScales(_ weights: ValueID, _ channels: Int, _ xScale: Float, _ yScale: Float) throws(EdgeError) -> [Float] {
    guard dtype(weights) == .int8, let q = graph.values[weights].quantization else {
      throw error(.unsupportedOperator, "needs int8 weights with scales", value: weights)
    }
    // Of all these there are thousands: loops over pointers.
    let haveOneZero = q.zeroPoints.withUnsafeBufferPointer { zeros in
      var i = 0
      while i < zeros.count, zeros[i] == zeros[0], zeros[i] >= -128, zeros[i] <= 127 { i &+= 1 }
      return i == zeros.count
    }
    guard haveOneZero else { throw error(.unsupportedOperator, "needs weights with one zero point", value: weights) }
    guard q.scales.count == 1 || (q.scales.count == channels && q.axis == 0) else {
      throw error(.unsupportedOperator, "needs one scale, or one for each output channel", value: weights)
    }
    var largest: Float = 0  // infinity where one is no number
    let scales = [Float](unsafeUninitializedCapacity: channels) { scales, written in
      q.scales.withUnsafeBufferPointer { weightScales in
        let step = weightScales.count == 1 ? 0 : 1
        var channel = 0
        while channel < channels {
          let scale = xScale * weightScales[channel &* step] / yScale
          if !(scale <= largest) { largest = scale == scale ? scale : .infinity }
          scales[channel] = scale
          channel &+= 1
        }
      }
      written = channels
    }
    _ = try factor(largest)
    return scales
  }

  /// [C,KH,KW,1] weights as [KH,KW,C], by a step where they are computed.
  private func tapMajor(_ weights: ValueID) throws(EdgeError) -> BufferPlace {
    let dims = shape(weights)
    let channels = dims[0]
    let taps = dims[1] &* dims[2]
    guard let constant = graph.values[weights].constant else {
      let target = temporary(try byteCount(weights))
      note = "weights by place"
      try emitCopy(
        StridedLoops(dims: [taps, channels], strides: [[1, taps], [channels, 1]]), elementBytes: dtype(weights).byteCount,
        from: try operand(weights), to: target)
      note = ""
      return target
    }
    guard constant.byteCount >= (try byteCount(weights)) else {
      throw error(.invalidGraph, "the constant is shorter than its shape", value: weights)
    }
    let storage = try Storage.allocate(try byteCount(weights))
    if dtype(weights) == .int8 {
      Lowering.transpose(constant.base, storage.base, channels, taps, UInt8.self)
    } else {
      Lowering.transpose(constant.base, storage.base, channels, taps, UInt32.self)
    }
    return BufferPlace(buffer: addBuffer(.derived(storage), storage.count))
  }

  private static func transpose<T: BitwiseCopyable>(
    _ x: UnsafeRawPointer, _ y: UnsafeMutableRawPointer, _ rows: Int, _ columns: Int, _: T.Type
  ) {
    let size = MemoryLayout<T>.size
    var to = y
    var column = 0
    while column < columns {
      var from = x + column &* size
      let end = to + rows &* size
      while to < end {
        to.storeBytes(of: from.loadUnaligned(as: T.self), as: T.self)
        from += columns &* size
        to += size
      }
      column &+= 1
    }
  }
}
