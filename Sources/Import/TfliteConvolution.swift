#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV.

extension TfliteImporter {
  func importConvolution(_ code: TfliteCode) throws(EdgeError) {
    switch code {
    case .conv2d: try importConv(try options(1), dilation: 4, activation: 3, isDepthwise: false)
    case .depthwiseConv2d: try importConv(try options(2), dilation: 5, activation: 4, isDepthwise: true)
    default: try importTransposeConv()
    }
  }

  /// Strides, dilations and padding of a window of a known size over an image. Sizes are checked by inference; numbers
  /// here only must not overflow.
  func window(
    _ options: FlatbufferTable, over image: Shape, kernel: (height: Int, width: Int), dilation: Int? = nil
  ) throws(EdgeError) -> Window {
    var window = Window()
    window.kernelHeight = kernel.height
    window.kernelWidth = kernel.width
    window.strideWidth = try options.int32(1)
    window.strideHeight = try options.int32(2)
    if let dilation {
      window.dilationWidth = try options.int32(dilation, 1)
      window.dilationHeight = try options.int32(dilation + 1, 1)
    }
    guard image.rank == 4 else { throw malformed("an image has four dimensions, not \(image.rank)") }
    guard window.strideHeight > 0, window.strideWidth > 0, window.dilationHeight > 0, window.dilationWidth > 0 else {
      throw malformed("strides and dilations must be positive")
    }
    if try isSame(options) {
      let vertical = same(image[1], window.kernelHeight, window.strideHeight, window.dilationHeight)
      let horizontal = same(image[2], window.kernelWidth, window.strideWidth, window.dilationWidth)
      (window.padTop, window.padBottom) = vertical
      (window.padLeft, window.padRight) = horizontal
    }
    return window
  }

  /// SAME or VALID padding.
  private func isSame(_ options: FlatbufferTable) throws(EdgeError) -> Bool {
    let padding = try options.byte(0)
    guard padding <= 1 else { throw malformed("padding \(padding) is not known") }
    return padding == 0
  }

  /// Padding with which a window has size / stride positions, rounded up; the odd pixel is at the end.
  private func same(_ size: Int, _ kernel: Int, _ stride: Int, _ dilation: Int) -> (Int, Int) {
    guard size > 0, kernel > 0 else { return (0, 0) }
    let positions = (size - 1) / stride
    // None of these is above 2^31, so their products fit.
    let needed = positions &* stride &+ (kernel &- 1) &* dilation &+ 1
    let padding = max(0, needed &- size)
    return (padding / 2, padding - padding / 2)
  }

  private func importConv(_ options: FlatbufferTable, dilation: Int, activation: Int, isDepthwise: Bool) throws(EdgeError) {
    let x = try inputValue(0)
    let image = shapeOf(x)
    let quantized = hasScale(x)
    var kernel = try weights(try input(1), channelAxis: isDepthwise ? 3 : 0, quantized: quantized)
    var weights = shapeOf(kernel)
    guard weights.rank == 4 else { throw malformed("weights have shape \(weights.text)", tensor: inputs[1]) }
    guard image.rank == 4, image[3] > 0, weights[3] > 0 else { throw malformed("an image has four dimensions", tensor: inputs[0]) }
    var groups = image[3]
    if isDepthwise {
      // [1, KH, KW, O] with the channels last.
      guard weights[0] == 1 else { throw malformed("weights have shape \(weights.text)", tensor: inputs[1]) }
      kernel = try turned(kernel)
      weights = shapeOf(kernel)
    } else {
      guard image[3] % weights[3] == 0 else { throw malformed("\(weights.text) does not fit \(image.text)", tensor: inputs[1]) }
      groups = image[3] / weights[3]
    }
    let window = try window(options, over: image, kernel: (weights[1], weights[2]), dilation: dilation)
    var convolution = Convolution(window: window, groups: groups)
    convolution.clamp = try clamp(try options.byte(activation))
    var operands = [x, kernel]
    if let bias = optionalInput(2) { operands.append(try self.bias(bias, channels: weights[0], quantized: quantized)) }
    try compute(.convolution(convolution), operands)
  }

  /// Inputs: the result's shape, weights, image, bias?
  private func importTransposeConv() throws(EdgeError) {
    let target = try integers(try input(0))
    let x = try inputValue(2)
    let image = shapeOf(x)
    let quantized = hasScale(x)
    let kernel = try weights(try input(1), channelAxis: 0, quantized: quantized)
    let weights = shapeOf(kernel)
    let options = try options(49)
    guard weights.rank == 4, image.rank == 4, target.count == 4 else { throw malformed("an image has four dimensions", tensor: inputs[2]) }
    let window = try window(options, over: image, kernel: (weights[1], weights[2]))
    let isSame = try isSame(options)
    var convolution = TransposedConvolution(window: window)
    (convolution.window.padTop, convolution.window.padBottom, convolution.outputPadHeight) = try transposedPadding(
      image[1], window.kernelHeight, window.strideHeight, target[1], isSame)
    (convolution.window.padLeft, convolution.window.padRight, convolution.outputPadWidth) = try transposedPadding(
      image[2], window.kernelWidth, window.strideWidth, target[2], isSame)
    convolution.clamp = try clamp(try options.byte(3))
    var operands = [x, kernel]
    if let bias = optionalInput(3) { operands.append(try self.bias(bias, channels: weights[0], quantized: quantized)) }
    try compute(.transposedConvolution(convolution), operands)
  }

  /// Padding before and after, and what the result is longer than the windows reach.
  private func transposedPadding(
    _ size: Int, _ kernel: Int, _ stride: Int, _ target: Int, _ isSame: Bool
  ) throws(EdgeError) -> (Int, Int, Int) {
    guard size > 0, kernel > 0, target > 0 else { throw malformed("sizes must be positive") }
    let reach = (size &- 1) &* stride &+ kernel
    if reach <= target { return (0, 0, target &- reach) }
    guard isSame else { throw malformed("the result is shorter than the windows reach") }
    let padding = reach &- target
    return (padding / 2, padding - padding / 2, 0)
  }
}
