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
  private func joined(_ a: Int, _ b: Int) throws(EdgeError) -> Int {
    guard let count = multiplyChecked(a, b) else { throw malformed("the size overflows") }
    return count
  }

  /// Each slice of the result sees as many slices as the kernel is deep. They become one image with so many times the
  /// channels.
  func importVolumeConvolution(_ x: Int, _ w: Int, _ groups: Int) throws(EdgeError) {
    let weights = operands[w].shape
    let geometry = try geometry(over: operands[x].shape, kernel: Array(weights.dims[2...]))
    guard geometry.kernel == Array(weights.dims[2...]) else { throw wrongShape("weights \(weights.text) do not fit attribute 'kernel_shape'", operand: w) }
    var volume = try volume(x)
    var dims = graph.values[volume].shape.dims
    guard weights[1] > 0, dims[4] == weights[1] * groups else {
      throw wrongShape("weights \(weights.text) in \(groups) groups do not fit \(dims[4]) channels", operand: w)
    }
    let (depth, stride, step) = (geometry.kernel[0], geometry.strides[0], geometry.dilations[0])
    if geometry.before[0] + geometry.after[0] > 0 {
      volume = try part(.pad(.constant, before: [0, geometry.before[0], 0, 0, 0], after: [0, geometry.after[0], 0, 0, 0], value: 0), [volume])
      dims = graph.values[volume].shape.dims
    }
    let room = dims[1] - (depth - 1) * step - 1
    guard room >= 0 else { throw wrongShape("the kernel is deeper than the padded volume", operand: w) }
    let slices = room / stride + 1
    let images = try joined(dims[0], slices)
    var taps: [ValueID] = []
    for tap in 0..<depth {
      var ends = dims
      ends[1] = tap * step + (slices - 1) * stride + 1
      let seen = try part(.slice(starts: [0, tap * step, 0, 0, 0], ends: ends, steps: [1, stride, 1, 1, 1]), [volume])
      taps.append(try reshaped(seen, [images, dims[2], dims[3], groups, weights[1]]))
    }
    let stack = try reshaped(try part(.concat(axis: 4), taps), [images, dims[2], dims[3], try joined(dims[4], depth)])
    let shape = Shape([weights[0], weights[3], weights[4], try joined(depth, weights[1])])
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
      Shape([try joined(channels, depth), weights[3], weights[4], weights[0] / groups]))
    var convolution = TransposedConvolution(window: geometry.window(height: 1, width: 2), groups: groups)
    (convolution.outputPadHeight, convolution.outputPadWidth) = (outputPads[1], outputPads[2])
    let images = try reshaped(volume, [try joined(dims[0], dims[1]), dims[2], dims[3], dims[4]])
    let planes = try part(.transposedConvolution(convolution), [images, kernel])
    let (height, width) = (graph.values[planes].shape[1], graph.values[planes].shape[2])
    let split = try reshaped(planes, [dims[0], dims[1], height, width, groups, depth, weights[1]])
    let spread = try joined(dims[1], stride)
    let slices = spread - stride + (depth - 1) * step + 1 + outputPads[0] - geometry.before[0] - geometry.after[0]
    var sum: ValueID?
    for tap in 0..<depth {
      var starts = [Int](repeating: 0, count: 7)
      var ends = graph.values[split].shape.dims
      (starts[5], ends[5]) = (tap, tap + 1)
      var value = try part(.slice(starts: starts, ends: ends, steps: [Int](repeating: 1, count: 7)), [split])
      value = try reshaped(value, [dims[0], dims[1], 1, height, width, channels])
      if stride > 1 { value = try part(.pad(.constant, before: [0, 0, 0, 0, 0, 0], after: [0, 0, stride - 1, 0, 0, 0], value: 0), [value]) }
      value = try reshaped(value, [dims[0], spread, height, width, channels])
      // Where the first of these slices lies in the result.
      let place = tap * step - geometry.before[0]
      let (first, end) = (max(-place, 0), min(spread, slices - place))
      guard first < end else { continue }
      value = try part(
        .slice(starts: [0, first, 0, 0, 0], ends: [dims[0], end, height, width, channels], steps: [1, 1, 1, 1, 1]), [value])
      let before = max(place, 0)
      value = try part(
        .pad(.constant, before: [0, before, 0, 0, 0], after: [0, slices - before - (end - first), 0, 0, 0], value: 0), [value])
      sum = try sum.map { others throws(EdgeError) in try binary(.add, others, value) } ?? value
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
    let slices = rank == 5 ? try joined(shape[0], shape[2]) : shape[0]
    var value = try transposed(x, [0] + Array(2..<rank) + [1])
    value = try reshaped(value, [slices, shape[rank - 2], shape[rank - 1], shape[1]])
    pool.window = geometry.window(height: rank - 4, width: rank - 3)
    value = try part(.pool(pool), [value])
    if rank == 5 {
      let dims = graph.values[value].shape.dims
      value = try reshaped(value, [shape[0], shape[2], try joined(dims[1], dims[2]), shape[1]])
      pool.window = geometry.window(height: 0, width: nil)
      value = try part(.pool(pool), [value])
      value = try reshaped(value, [shape[0], graph.values[value].shape[1], dims[1], dims[2], shape[1]])
    }
    return try transposed(value, [0, rank - 1] + Array(1..<rank - 1))
  }
}
