#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Convolutions of volumes [N, C, D, H, W], by those of images: slices join the batch, and the taps along the depth are
// channels.

extension OnnxImporter {
  /// An operand as [N, D, H, W, C].
  private func volume(_ id: Int) throws(EdgeError) -> ValueID {
    if operands[id].shape.hasBatch { throw mixesBatch(operands[id].shape) }
    return try transposed(try floatTensor(id), [0, 2, 3, 4, 1])
  }

  /// The size of two axes in one.
  private func product(_ a: Int, _ b: Int) throws(EdgeError) -> Int {
    guard let count = multiplyChecked(a, b) else { throw malformed("the size overflows") }
    return count
  }

  /// Each slice of the result sees as many slices as the kernel is deep. They become one image with so many times the
  /// channels.
  func importVolumeConvolution(_ x: Int, _ w: Int, _ groups: Int) throws(EdgeError) {
    let weights = operands[w].shape
    let geometry = try geometry(over: operands[x].shape, kernel: Array(weights.dims[2...]))
    guard geometry.kernel == Array(weights.dims[2...]) else {
      throw wrongShape("weights \(weights.text) do not fit attribute 'kernel_shape'", operand: w)
    }
    var volume = try volume(x)
    var dims = graph.values[volume].shape.dims
    guard weights[1] > 0, dims[4] == weights[1] * groups else {
      throw wrongShape("weights \(weights.text) in \(groups) groups do not fit \(dims[4]) channels", operand: w)
    }
    let (depth, stride, step) = (geometry.kernel[0], geometry.strides[0], geometry.dilations[0])
    volume = try padded(volume, axis: 1, before: geometry.before[0], after: geometry.after[0])
    dims = graph.values[volume].shape.dims
    let room = dims[1] - (depth - 1) * step - 1
    guard room >= 0 else { throw wrongShape("the kernel is deeper than the padded volume", operand: w) }
    let slices = room / stride + 1
    let images = try product(dims[0], slices)
    var taps: [ValueID] = []
    for tap in 0..<depth {
      let first = tap * step
      let seen = try sliced(volume, axis: 1, from: first, to: first + (slices - 1) * stride + 1, step: stride)
      taps.append(try reshaped(seen, [images, dims[2], dims[3], groups, weights[1]]))
    }
    let stack = try reshaped(try part(.concat(axis: 4), taps), [images, dims[2], dims[3], try product(dims[4], depth)])
    let shape = Shape([weights[0], weights[3], weights[4], try product(depth, weights[1])])
    var values = [stack, try convolutionWeights(w, weights.dims, [0, 3, 4, 2, 1], shape)]
    if let bias = try convolutionBias(2, channels: weights[0]) { values.append(bias) }
    let y = try part(.convolution(Convolution(window: geometry.window(height: 1, width: 2), groups: groups)), values)
    let size = graph.values[y].shape
    try setResult(try transposed(try reshaped(y, [dims[0], slices, size[1], size[2], size[3]]), [0, 4, 1, 2, 3]))
  }

  /// The images that a slice gives, one for each tap along the depth, are spread by the stride and added up.
  /// - Parameter geometry: with its padding resolved.
  func importVolumeConvTranspose(_ x: Int, _ w: Int, _ groups: Int, _ geometry: OnnxGeometry, outputPads: [Int]) throws(EdgeError) {
    let weights = operands[w].shape
    let volume = try volume(x)
    let dims = graph.values[volume].shape.dims
    let (depth, stride, step) = (geometry.kernel[0], geometry.strides[0], geometry.dilations[0])
    let channels = groups * weights[1]
    let kernel = try convolutionWeights(
      w, [groups, weights[0] / groups] + weights.dims[1...], [0, 3, 2, 4, 5, 1],
      Shape([try product(channels, depth), weights[3], weights[4], weights[0] / groups]))
    var convolution = TransposedConvolution(window: geometry.window(height: 1, width: 2), groups: groups)
    (convolution.outputPadHeight, convolution.outputPadWidth) = (outputPads[1], outputPads[2])
    let images = try reshaped(volume, [try product(dims[0], dims[1]), dims[2], dims[3], dims[4]])
    let planes = try part(.transposedConvolution(convolution), [images, kernel])
    let (height, width) = (graph.values[planes].shape[1], graph.values[planes].shape[2])
    let split = try reshaped(planes, [dims[0], dims[1], height, width, groups, depth, weights[1]])
    let spread = try product(dims[1], stride)
    let slices = spread - stride + (depth - 1) * step + 1 + outputPads[0] - geometry.before[0] - geometry.after[0]
    var sum: ValueID?
    for tap in 0..<depth {
      var value = try sliced(split, axis: 5, from: tap, to: tap + 1)
      value = try padded(try reshaped(value, [dims[0], dims[1], 1, height, width, channels]), axis: 2, before: 0, after: stride - 1)
      value = try reshaped(value, [dims[0], spread, height, width, channels])
      // Where the first of these slices lies in the result.
      let place = tap * step - geometry.before[0]
      let (first, end) = (max(-place, 0), min(spread, slices - place))
      guard first < end else { continue }
      value = try sliced(value, axis: 1, from: first, to: end)
      let before = max(place, 0)
      sum = try joined(sum, try padded(value, axis: 1, before: before, after: slices - before - (end - first)))
    }
    guard var y = sum else { throw wrongShape("padding leaves nothing of the result", operand: x) }
    if let bias = try convolutionBias(2, channels: channels) { y = try binary(.add, y, bias) }
    try setResult(try transposed(y, [0, 4, 1, 2, 3]))
  }

  /// Pools of images or volumes in the file's layout. Windows are separable, so that a volume takes two pools, over its
  /// slices and across them. An average of averages is the average, because the pixels that count are a product too.
  func pooled(_ x: ValueID, _ geometry: OnnxGeometry, _ pool: Pool) throws(EdgeError) -> ValueID {
    let shape = graph.values[x].shape
    let rank = shape.rank
    guard rank == 4 || rank == 5 else { throw reject("an input of shape \(shape.text)") }
    if shape.hasBatch { throw mixesBatch(shape) }
    guard !geometry.reachesBeyond else { throw reject("padding as wide as the window: a result would see no pixel") }
    var pool = pool
    let slices = rank == 5 ? try product(shape[0], shape[2]) : shape[0]
    var value = try transposed(x, [0] + Array(2..<rank) + [1])
    value = try reshaped(value, [slices, shape[rank - 2], shape[rank - 1], shape[1]])
    pool.window = geometry.window(height: rank - 4, width: rank - 3)
    value = try part(.pool(pool), [value])
    if rank == 5 {
      let dims = graph.values[value].shape.dims
      value = try reshaped(value, [shape[0], shape[2], try product(dims[1], dims[2]), shape[1]])
      pool.window = geometry.window(height: 0, width: nil)
      value = try part(.pool(pool), [value])
      value = try reshaped(value, [shape[0], graph.values[value].shape[1], dims[1], dims[2], shape[1]])
    }
    return try transposed(value, [0, rank - 1] + Array(1..<rank - 1))
  }
}
