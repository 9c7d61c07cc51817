// Operators that slide a window over an image.

extension TypeInference {
  /// Positions of a window along one axis: (size + pads - span) / stride + 1.
  private func positions(
    size: Int, kernel: Int, stride: Int, padBefore: Int, padAfter: Int, dilation: Int, ceilMode: Bool
  ) throws(EdgeError) -> Int {
    guard size >= 0 else { throw failure(.shapeMismatch, "the image's height and width must be known", inputs[0]) }
    guard kernel > 0, stride > 0, dilation > 0 else { throw failure(.invalidGraph, "kernel, stride and dilation must be positive") }
    guard padBefore >= 0, padAfter >= 0 else { throw failure(.invalidGraph, "padding must not be negative") }
    guard let reach = multiplyChecked(kernel - 1, dilation), let span = addChecked(reach, 1),
      let first = addChecked(size, padBefore), let padded = addChecked(first, padAfter)
    else { throw failure(.shapeMismatch, "window geometry overflows") }
    guard span <= padded else {
      // Rounded up, less than a step is one.
      if ceilMode, span - padded < stride { return 1 }
      throw failure(.shapeMismatch, "the window spans \(span), the padded image only \(padded)", inputs[0])
    }
    let room = padded - span
    var count = room / stride
    if ceilMode && room % stride != 0 {
      // The extra window must not start in the padding at the end.
      if let start = multiplyChecked(count + 1, stride), start < first { count += 1 }
    }
    return count + 1
  }

  func positions(_ window: Window, _ x: Shape, ceilMode: Bool = false) throws(EdgeError) -> (height: Int, width: Int) {
    let height = try positions(
      size: x[1], kernel: window.kernelHeight, stride: window.strideHeight, padBefore: window.padTop, padAfter: window.padBottom,
      dilation: window.dilationHeight, ceilMode: ceilMode)
    let width = try positions(
      size: x[2], kernel: window.kernelWidth, stride: window.strideWidth, padBefore: window.padLeft, padAfter: window.padRight,
      dilation: window.dilationWidth, ceilMode: ceilMode)
    return (height, width)
  }

  /// Weights [O,KH,KW,C/groups] against the image; gives O.
  private func outputChannels(_ window: Window, groups: Int, _ x: Shape) throws(EdgeError) -> Int {
    let weights = try shape(1, rank: 4)
    guard !weights.hasBatch else { throw failure(.shapeMismatch, "weights have an unknown dimension", inputs[1]) }
    guard x[3] >= 0 else { throw failure(.shapeMismatch, "the number of channels must be known", inputs[0]) }
    guard groups > 0, x[3] % groups == 0, weights[0] % groups == 0 else {
      throw failure(.shapeMismatch, "\(groups) groups do not divide \(x[3]) and \(weights[0]) channels", inputs[1])
    }
    guard weights[0] > 0, weights[1] == window.kernelHeight, weights[2] == window.kernelWidth, weights[3] == x[3] / groups else {
      throw failure(
        .shapeMismatch,
        "weights \(weights.text) do not fit \(x[3]) channels in \(groups) groups and a \(window.kernelHeight)x\(window.kernelWidth) kernel",
        inputs[1])
    }
    try checkVector(2, count: weights[0], "bias")
    return weights[0]
  }

  /// The residual, added before the clamp, has exactly the result's shape.
  func checkResidual(_ arithmetic: Arithmetic, _ result: Shape) throws(EdgeError) {
    guard let residual = optionalValue(3) else { return }
    try checkSame(arithmetic, 3)
    guard residual.shape == result else {
      throw failure(.shapeMismatch, "residual has shape \(residual.shape.text), the result \(result.text)", inputs[3])
    }
  }

  func convolution(_ convolution: Convolution) throws(EdgeError) -> TensorType {
    try arity(2, optional: 2)
    try checkClamp(convolution.clamp)
    let x = try shape(0, rank: 4)
    let channels = try outputChannels(convolution.window, groups: convolution.groups, x)
    let size = try positions(convolution.window, x)
    let result = Shape([x[0], size.height, size.width, channels])
    let arithmetic = try arithmetic()
    try checkWeights(arithmetic, outputs: channels)
    try checkResidual(arithmetic, result)
    return try computed(arithmetic, result)
  }

  func transposedConvolution(_ convolution: TransposedConvolution) throws(EdgeError) -> TensorType {
    try arity(2, optional: 1)
    try checkClamp(convolution.clamp)
    let x = try shape(0, rank: 4)
    let window = convolution.window
    let channels = try outputChannels(window, groups: convolution.groups, x)
    let height = try extent(
      size: x[1], kernel: window.kernelHeight, stride: window.strideHeight, padBefore: window.padTop, padAfter: window.padBottom,
      dilation: window.dilationHeight, outputPad: convolution.outputPadHeight)
    let width = try extent(
      size: x[2], kernel: window.kernelWidth, stride: window.strideWidth, padBefore: window.padLeft, padAfter: window.padRight,
      dilation: window.dilationWidth, outputPad: convolution.outputPadWidth)
    let arithmetic = try arithmetic()
    try checkWeights(arithmetic, outputs: channels)
    return try computed(arithmetic, Shape([x[0], height, width, channels]))
  }

  /// Size of a transposed convolution's result along one axis.
  private func extent(
    size: Int, kernel: Int, stride: Int, padBefore: Int, padAfter: Int, dilation: Int, outputPad: Int
  ) throws(EdgeError) -> Int {
    guard size > 0 else { throw failure(.shapeMismatch, "the image's height and width must be known and positive", inputs[0]) }
    guard kernel > 0, stride > 0, dilation > 0 else { throw failure(.invalidGraph, "kernel, stride and dilation must be positive") }
    guard padBefore >= 0, padAfter >= 0, outputPad >= 0 else { throw failure(.invalidGraph, "padding must not be negative") }
    guard let steps = multiplyChecked(size - 1, stride), let reach = multiplyChecked(kernel - 1, dilation),
      let spread = addChecked(steps, reach), let all = addChecked(spread, 1), let padded = addChecked(all, outputPad),
      let pads = addChecked(padBefore, padAfter)
    else { throw failure(.shapeMismatch, "window geometry overflows") }
    guard padded > pads else { throw failure(.shapeMismatch, "padding leaves nothing of the result", inputs[0]) }
    return padded - pads
  }

  func pool(_ pool: Pool) throws(EdgeError) -> TensorType {
    try arity(1)
    let x = try shape(0, rank: 4)
    let size = try positions(pool.window, x, ceilMode: pool.ceilMode)
    let result = Shape([x[0], size.height, size.width, x[3]])
    let arithmetic = try arithmetic()
    return pool.kind == .max ? try moved(0, result) : try computed(arithmetic, result, keepsByDefault: true)
  }

  func resize(_ resize: Resize) throws(EdgeError) -> TensorType {
    try arity(1)
    let x = try shape(0, rank: 4)
    guard x[1] > 0, x[2] > 0 else { throw failure(.shapeMismatch, "the image's height and width must be known and positive", inputs[0]) }
    guard resize.height > 0, resize.width > 0 else { throw failure(.invalidGraph, "the result's height and width must be positive") }
    guard resize.scaleHeight > 0, resize.scaleHeight.isFinite, resize.scaleWidth > 0, resize.scaleWidth.isFinite,
      resize.cubicCoefficient.isFinite
    else { throw failure(.invalidGraph, "scales must be finite and positive") }
    let result = Shape([x[0], resize.height, resize.width, x[3]])
    let arithmetic = try arithmetic()
    return resize.mode == .nearest ? try moved(0, result) : try computed(arithmetic, result, keepsByDefault: true)
  }
}
