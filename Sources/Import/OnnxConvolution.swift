#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Conv and ConvTranspose; and FusedConv, which is Conv with an activation.

extension OnnxImporter {
  func importConvolution() throws(EdgeError) {
    let x = try input(0)
    let w = try input(1)
    let shape = operands[x].shape
    let weights = operands[w].shape
    guard weights.rank == shape.rank, weights.rank > 2 else {
      throw wrongShape("weights \(weights.text) do not fit an input of shape \(shape.text)", operand: w)
    }
    guard !weights.hasBatch else { throw reject("weights '\(operands[w].name)' have an open dimension") }
    if weights.dims.contains(0) { throw wrongShape("weights of shape \(weights.text) have no elements", operand: w) }
    let groups = try integerAttribute("group", 1)
    guard groups > 0, groups <= 1 << 24 else { throw malformed("attribute 'group' is \(groups)") }
    if node.type == "ConvTranspose" {
      try importConvTranspose(x, w, groups)
    } else if shape.rank == 5, node.type == "Conv" {
      try importVolumeConvolution(x, w, groups)
    } else {
      try importConv(x, w, groups)
    }
  }

  private func importConv(_ x: Int, _ w: Int, _ groups: Int) throws(EdgeError) {
    let shape = operands[x].shape
    let weights = operands[w].shape
    var window = try window(over: shape, kernel: Array(weights.dims[2...]))
    guard window.kernelWidth == weights.dims.last, shape.rank == 3 || window.kernelHeight == weights[2] else {
      throw wrongShape("weights \(weights.text) do not fit attribute 'kernel_shape'", operand: w)
    }
    guard shape[1] < 0 || shape[1] % groups == 0 && shape[1] / groups == weights[1] else {
      throw wrongShape("weights \(weights.text) do not fit an input of shape \(shape.text) in \(groups) groups", operand: w)
    }
    // A signal's [O, C, K] is [O, C, 1, K].
    let dims = shape.rank == 4 ? weights.dims : [weights[0], weights[1], 1, weights[2]]
    let kernel = try convolutionWeights(w, dims, [0, 2, 3, 1], Shape([dims[0], dims[2], dims[3], dims[1]]))
    var values = [try convolutionInput(x, &window), kernel]
    if let bias = try convolutionBias(2, channels: dims[0]) { values.append(bias) }
    if node.type == "FusedConv" {
      let sum = try part(.convolution(Convolution(window: window, groups: groups)), values)
      return try setImageResult(try fusedActivation(sum), rank: shape.rank)
    }
    let y = try emit(.convolution(Convolution(window: window, groups: groups)), values, resultName(image: true))
    try setImageResult(y, rank: shape.rank)
  }

  private func importConvTranspose(_ x: Int, _ w: Int, _ groups: Int) throws(EdgeError) {
    let shape = operands[x].shape
    let weights = operands[w].shape
    let rank = shape.rank - 2
    guard 1...3 ~= rank else { throw reject("the input has \(shape.rank) dimensions; signals, images and volumes are supported") }
    var geometry = try geometry(over: shape, kernel: Array(weights.dims[2...]), resolvesPadding: false)
    guard geometry.kernel == Array(weights.dims[2...]) else {
      throw wrongShape("weights \(weights.text) do not fit attribute 'kernel_shape'", operand: w)
    }
    guard weights[0] % groups == 0 else { throw wrongShape("\(groups) groups do not divide \(weights[0]) channels", operand: w) }
    guard weights[1] <= Int(Int32.max) / groups else { throw malformed("too many channels", operand: w) }

    var outputPads = try sizesAttribute("output_padding", count: rank, standard: 0, minimum: 0)
    let mode = try textAttribute("auto_pad", "NOTSET")
    let target = try outputShape(rank)
    for axis in 0..<rank {
      let span = (geometry.kernel[axis] - 1) * geometry.dilations[axis] + 1
      let full = (shape[axis + 2] - 1) * geometry.strides[axis] + span + outputPads[axis]
      let wanted: Int
      if let target {
        wanted = target[axis]
      } else if mode == "SAME_UPPER" || mode == "SAME_LOWER" {
        wanted = shape[axis + 2] * geometry.strides[axis]
      } else {
        continue
      }
      let total = full - wanted
      geometry.before[axis] = 0
      geometry.after[axis] = 0
      if total >= 0 {
        // The larger half goes to the end only for SAME_UPPER (ONNX, ConvTranspose).
        geometry.before[axis] = mode == "SAME_UPPER" ? total / 2 : total - total / 2
        geometry.after[axis] = total - geometry.before[axis]
      } else {
        outputPads[axis] -= total
      }
    }
    if rank == 3 { return try importVolumeConvTranspose(x, w, groups, geometry, outputPads: outputPads) }

    // [C, O/groups, KH, KW] -> [groups, C/groups, O/groups, KH, KW] -> [groups, O/groups, KH, KW, C/groups]
    let kernelHeight = rank == 2 ? weights[2] : 1
    let kernelWidth = weights[rank + 1]
    let dims = [groups, weights[0] / groups, weights[1], kernelHeight, kernelWidth]
    let kernel = try convolutionWeights(
      w, dims, [0, 2, 3, 4, 1], Shape([groups * weights[1], kernelHeight, kernelWidth, weights[0] / groups]))
    var values = [try image(x), kernel]
    if let bias = try convolutionBias(2, channels: groups * weights[1]) { values.append(bias) }
    let window = geometry.window(height: rank == 2 ? 0 : nil, width: rank - 1)
    var convolution = TransposedConvolution(window: window, groups: groups)
    convolution.outputPadWidth = outputPads[rank - 1]
    convolution.outputPadHeight = rank == 2 ? outputPads[0] : 0
    let y = try emit(.transposedConvolution(convolution), values, resultName(image: true))
    try setImageResult(y, rank: shape.rank)
  }

  /// Spatial part of attribute `output_shape`.
  private func outputShape(_ rank: Int) throws(EdgeError) -> [Int]? {
    guard let sizes = try integersAttribute("output_shape") else { return nil }
    guard sizes.count == rank || sizes.count == rank + 2 else { throw malformed("attribute 'output_shape' has \(sizes.count) numbers") }
    for size in sizes.suffix(rank) where size <= 0 || size > Int(Int32.max) { throw malformed("attribute 'output_shape' has the value \(size)") }
    return Array(sizes.suffix(rank))
  }

  /// Weights reshaped to `dims`, permuted and reshaped to `result`: at once when they are a constant of the
  /// file, by nodes that are folded later when other constants compute them.
  func convolutionWeights(_ id: Int, _ dims: [Int], _ permutation: [Int], _ result: Shape) throws(EdgeError) -> ValueID {
    try requireFloat(id)
    let name = operands[id].name
    if let weights = try integerWeights(id, dims, permutation, result, outputAxis: node.type == "ConvTranspose" ? 1 : 0) { return weights }
    if operands[id].value == Node.noValue, operands[id].channelsLast == Node.noValue, constantTensor(id) != nil || operands[id].integers != nil,
      let data = try floatConstant(id)
    {
      let moved = try OnnxConversion.permuted(data, dims: dims, permutation)
      // Each layer that shares them has its own.
      if operands[id].uses > 1 { try countFolded(moved.byteCount) }
      return graph.addValue(Value(name: constantName(id), dtype: .float32, shape: result, constant: moved))
    }
    var value = try tensor(id)
    if graph.values[value].shape.dims != dims { value = try emit(.reshape(Shape(dims)), [value], helperName(name + ".split")) }
    value = try emit(.transpose(permutation), [value], helperName(name + ".ohwi"))
    if graph.values[value].shape != result { value = try emit(.reshape(result), [value], helperName(name + ".joined")) }
    return value
  }

  func convolutionBias(_ index: Int, channels: Int) throws(EdgeError) -> ValueID? {
    guard let id = try optionalInput(index) else { return nil }
    guard operands[id].shape.dims == [channels] else {
      throw wrongShape("the bias has shape \(operands[id].shape.text), not [\(channels)]", operand: id)
    }
    return try floatTensor(id)
  }
}
