import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Operators of training: gradients, statistics of a batch, updates of parameters, random numbers.
extension Lowering {
  func lowerConvolutionWeightGradient(_ node: Node, _ op: Convolution) throws(EdgeError) {
    let (x, gradient) = (try required(node, 0), try required(node, 1))
    let y = node.outputs[0]
    let (image, out, weights) = (shape(x), shape(gradient), shape(y))
    guard image.count == 4, out.count == 4, weights.count == 4, op.groups > 0 else { throw unsupported("only images of two dimensions") }
    var arguments = ek_conv()
    try setImages(&arguments, image, out)
    try setWindow(&arguments, op.window)
    arguments.groups = try int32(op.groups)
    try emit(
      Int(EK_CONV_WEIGHT_GRADIENT_F32), arguments, [.read(0, try operand(x)), .read(1, try operand(gradient)), .write(6, try result(y))],
      multiplyAdds: Lowering.work(arguments))
  }

  func lowerPoolGradient(_ node: Node, _ op: Pool) throws(EdgeError) {
    let (x, gradient) = (try required(node, 0), try required(node, 1))
    var arguments = ek_pool_gradient()
    arguments.pool = try poolArguments(op, shape(x), shape(gradient))
    let isMax = op.kind == .max
    arguments.is_max = isMax ? 1 : 0
    var slots: [SlotUse] = [.read(Int(EK_POOL_GRADIENT_DY), try operand(gradient)), .write(1, try result(node.outputs[0]))]
    // An average's gradient is the same whatever the pixels were.
    if isMax { slots.append(.read(0, try operand(x))) }
    try emit(
      Int(EK_POOL_GRADIENT_F32), arguments, slots,
      multiplyAdds: Int64(try count(gradient)) &* Int64(arguments.pool.kh) &* Int64(arguments.pool.kw))
  }

  // MARK: Batch normalization

  /// Rows and channels of a tensor [..., C].
  private func rows(_ x: ValueID) throws(EdgeError) -> (rows: Int, channels: Int) {
    guard let channels = shape(x).last else { throw error(.shapeMismatch, "has no channels", value: x) }
    return (try count(x) / channels, channels)
  }

  /// Parts that rows are summed in: enough for threads, each worth handing out. How many there are shows in the last digits of
  /// the sums, so it follows from the rows alone.
  private static func sumBlocks(_ rows: Int) -> Int { min(max(rows / 64, 1), 32) }

  /// Memory for floats, so many for each channel of x.
  private func vectors(_ count: Int, of x: ValueID) throws(EdgeError) -> BufferPlace {
    let (bytes, overflow) = (try rows(x)).channels.multipliedReportingOverflow(by: count &* 4)
    if overflow { throw error(.limitExceeded, "the tensor's size overflows", value: x) }
    return temporary(bytes)
  }

  /// The sums of x's rows by `function`, with the step to follow that makes something of them.
  private func sums(_ function: Int, _ x: ValueID, mean: ValueID?, gradient: ValueID?) throws(EdgeError) -> (BufferPlace, ek_channel_combine) {
    let (rows, channels) = try rows(x)
    let blocks = Lowering.sumBlocks(rows)
    var arguments = ek_channel_sums()
    arguments.rows = Int64(rows)
    arguments.c = try int32(channels)
    arguments.blocks = Int32(blocks)
    arguments.function = Int32(function)
    var combine = ek_channel_combine()
    (combine.rows, combine.c, combine.blocks, combine.function) = (arguments.rows, arguments.c, arguments.blocks, arguments.function)
    let target = try vectors(blocks &* (gradient == nil ? 1 : 2), of: x)
    var slots: [SlotUse] = [.read(0, try operand(x)), .write(3, target)]
    if let gradient { slots.append(.read(1, try operand(gradient))) }
    if let mean { slots.append(.read(2, try operand(mean))) }
    try emit(Int(EK_CHANNEL_SUMS_F32), arguments, slots, multiplyAdds: Int64(try count(x)))
    return (target, combine)
  }

  func lowerBatchStatistics(_ node: Node) throws(EdgeError) {
    let x = try required(node, 0)
    let (mean, variance) = (node.outputs[0], node.outputs[1])
    let (sums, first) = try sums(Int(EK_SUMS_MEAN), x, mean: nil, gradient: nil)
    try emit(Int(EK_CHANNEL_COMBINE_F32), first, [.read(0, sums), .write(5, try result(mean))])
    let (squares, second) = try self.sums(Int(EK_SUMS_VARIANCE), x, mean: mean, gradient: nil)
    try emit(Int(EK_CHANNEL_COMBINE_F32), second, [.read(0, squares), .write(5, try result(variance))])
  }

  func lowerBatchNormalizationGradient(_ node: Node, epsilon: Float) throws(EdgeError) {
    let (x, gradient) = (try required(node, 0), try required(node, 1))
    let (scale, mean, variance) = (try required(node, 2), try required(node, 3), try required(node, 4))
    var (sums, combine) = try sums(Int(EK_SUMS_GRADIENT), x, mean: mean, gradient: gradient)
    combine.epsilon = epsilon
    let factors = try vectors(3, of: x)
    try emit(
      Int(EK_CHANNEL_COMBINE_F32), combine,
      [
        .read(0, sums), .read(1, try operand(scale)), .read(3, try operand(mean)), .read(4, try operand(variance)),
        .write(5, try result(node.outputs[1])), .write(6, try result(node.outputs[2])), .write(7, factors),
      ])
    var affine = ek_channel_affine()
    (affine.rows, affine.c, affine.clamp_min, affine.clamp_max) = (combine.rows, combine.c, -.infinity, .infinity)
    try emit(
      Int(EK_CHANNEL_AFFINE_F32), affine,
      [.read(0, try operand(gradient)), .read(1, try operand(x)), .read(2, factors), .write(3, try result(node.outputs[0]))],
      inPlace: [0, 1], multiplyAdds: 2 &* Int64(try count(x)))
  }

  /// A normalization by parameters that are computed, and the clamp that alone reads its result.
  func lowerComputedNormalization(_ node: Node, epsilon: Float) throws(EdgeError) {
    let x = try required(node, 0)
    let (rows, channels) = try rows(x)
    var combine = ek_channel_combine()
    (combine.rows, combine.c) = (Int64(rows), try int32(channels))
    combine.function = Int32(EK_SUMS_NONE)
    combine.epsilon = epsilon
    let factors = try vectors(3, of: x)
    var slots: [SlotUse] = [.write(7, factors)]
    for index in 1...4 { slots.append(.read(index, try operand(try required(node, index)))) }
    try emit(Int(EK_CHANNEL_COMBINE_F32), combine, slots)
    var affine = ek_channel_affine()
    (affine.rows, affine.c, affine.clamp_min, affine.clamp_max) = (combine.rows, combine.c, -.infinity, .infinity)
    var y = node.outputs[0]
    if let (clamped, clamp) = followingClamp(y) {
      (affine.clamp_min, affine.clamp_max) = (clamp.min, clamp.max)
      absorbed[clamped] = true
      note = Text("with \(graph.values[clamped].name)")
      y = clamped
    }
    try emit(
      Int(EK_CHANNEL_AFFINE_F32), affine, [.read(0, try operand(x)), .read(2, factors), .write(3, try result(y))], inPlace: [0],
      multiplyAdds: Int64(try count(x)))
  }

  /// The result of the clamp of floats that alone reads a value.
  private func followingClamp(_ y: ValueID) -> (ValueID, Clamp)? {
    guard !isPinned[y], index.consumers[y].count == 1, flow.blocks[index.consumers[y][0]] == flow.blocks[current] else { return nil }
    let reader = graph.nodes[index.consumers[y][0]]
    guard case .unary(let function) = reader.op, function.kind == .clamp, dtype(reader.outputs[0]) == .float32 else { return nil }
    return (reader.outputs[0], Clamp(min: function.alpha, max: function.beta))
  }

  // MARK: Updates

  func lowerOptimizerStep(_ node: Node, _ op: OptimizerStep) throws(EdgeError) {
    var arguments = ek_optimizer_step()
    arguments.count = Int64(try count(node.outputs[0]))
    arguments.kind = Int32(op.kind.rawValue)
    (arguments.rate, arguments.decay) = (op.rate, op.decay)
    var slots: [SlotUse] = []
    for position in 0..<6 {
      if let value = node.input(position) { slots.append(.read(position, try operand(value))) }
    }
    for (position, output) in node.outputs.enumerated() { slots.append(.write(6 &+ position, try result(output))) }
    try emit(Int(EK_OPTIMIZER_STEP_F32), arguments, slots, multiplyAdds: 4 &* arguments.count)
  }

  func lowerRandom(_ node: Node, seed: Int64) throws(EdgeError) {
    var arguments = ek_random()
    arguments.count = Int64(try count(node.outputs[0]))
    arguments.seed = seed
    try emit(
      Int(EK_RANDOM_F32), arguments, [.write(0, try result(node.outputs[0])), .read(1, try operand(try required(node, 1)))],
      multiplyAdds: 4 &* arguments.count)
  }
}
