#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Resize (operator sets 10, 11, 13, 18, 19) and Upsample (7, 9).

extension OnnxImporter {
  func importResize() throws(EdgeError) {
    let dtype = operands[try input(0)].dtype
    guard dtype == .uint8 || dtype == .int8, !operands[inputs[0]].isQuantized, try textAttribute("mode", "nearest") != "cubic" else {
      return try resizeFloats()
    }
    // What lies between two bytes is cut to a whole number, as in ONNX Runtime.
    inputs[0] = try asFloat(inputs[0])
    let floats = temporary(outputs[0])
    do {
      let result = outputs
      outputs = [floats]
      defer { outputs = result }
      try resizeFloats()
    }
    try setResult(try part(.cast(dtype), [try tensor(floats)]))
  }

  private func resizeFloats() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    var axes = try targets(x)
    let mode: Resize.Mode
    switch try textAttribute("mode", "nearest") {
    case "nearest": mode = .nearest
    case "linear", "bilinear": mode = .linear
    case "cubic": mode = .cubic
    case let other: throw reject("attribute 'mode' is '\(other)'")
    }
    var resize = Resize(mode: mode, coordinates: .asymmetric, height: 1, width: 1, scaleHeight: 1, scaleWidth: 1)
    resize.nearest = .floor
    var isImage = shape.rank == 3 || shape.rank == 4
    if node.type == "Resize", opset >= 11 { isImage = try readSampling(&resize, shape, &axes) && isImage }
    guard isImage, !axes[0].isChanged, !axes[1].isChanged else { return try resampleAxes(x, resize, axes) }
    let width = axes[shape.rank - 1]
    (resize.width, resize.scaleWidth) = (width.size, width.scale)
    if shape.rank == 4 { (resize.height, resize.scaleHeight) = (axes[2].size, axes[2].scale) }
    let y = try emit(.resize(resize), [try image(x)], resultName(image: true))
    try setImageResult(y, rank: shape.rank)
  }

  /// How the result's pixels map to the source's, since operator set 11.
  /// - Returns: whether the operator for images can do it.
  private func readSampling(_ resize: inout Resize, _ shape: Shape, _ axes: inout [OnnxResampling]) throws(EdgeError) -> Bool {
    var isPlain = true
    switch try textAttribute("coordinate_transformation_mode", "half_pixel") {
    case "half_pixel": resize.coordinates = .halfPixel
    case "pytorch_half_pixel": resize.coordinates = .pytorchHalfPixel
    case "align_corners": resize.coordinates = .alignCorners
    case "asymmetric": resize.coordinates = .asymmetric
    case "half_pixel_symmetric":
      resize.coordinates = .halfPixel
      for axis in shape.dims.indices where axes[axis].isChanged {
        // The result's middle is the source's, also where the scale gives no whole number of pixels.
        let exact = Float(shape[axis]) * axes[axis].scale
        if abs(exact - Float(axes[axis].size)) <= 1e-3 { continue }
        axes[axis].shift = Float(shape[axis]) / 2 * (1 - Float(axes[axis].size) / exact)
        isPlain = false
      }
    case "tf_crop_and_resize":
      resize.coordinates = .alignCorners
      isPlain = false
      guard let region = try floatsInput(1, "the region"), region.count % 2 == 0, region.count <= 2 * shape.rank else {
        throw malformed("the region is missing, or has another number of axes")
      }
      let count = region.count / 2
      let listed = try listedAxes(shape, count: count)
      for (place, axis) in listed.enumerated() {
        let (start, end) = (region[place], region[count + place])
        guard abs(start) < 1e6, abs(end) < 1e6 else { throw malformed("the region from \(start) to \(end)") }
        axes[axis].region = start == 0 && end == 1 ? nil : (start, end)
        if axes[axis].region != nil, shape[axis] == Shape.batch { throw mixesBatch(shape) }
      }
    case let other: throw reject("coordinate_transformation_mode '\(other)'")
    }
    switch try textAttribute("nearest_mode", "round_prefer_floor") {
    case "round_prefer_floor": resize.nearest = .roundPreferFloor
    case "round_prefer_ceil": resize.nearest = .roundPreferCeil
    case "floor": resize.nearest = .floor
    case "ceil": resize.nearest = .ceil
    case let other: throw reject("nearest_mode '\(other)'")
    }
    resize.cubicCoefficient = try floatAttribute("cubic_coeff_a", -0.75)
    guard resize.cubicCoefficient.isFinite else { throw malformed("attribute 'cubic_coeff_a' is \(resize.cubicCoefficient)") }
    resize.excludeOutside = try integerAttribute("exclude_outside", 0) != 0
    if try integerAttribute("antialias", 0) != 0, resize.mode != .nearest {
      for axis in axes.indices where axes[axis].scale < 1 {
        axes[axis].blur = Double(axes[axis].scale)
        isPlain = false
      }
    }
    return isPlain
  }

  /// The axes that scales, sizes and regions speak of, in their order.
  private func listedAxes(_ shape: Shape, count: Int) throws(EdgeError) -> [Int] {
    var axes = Array(0..<shape.rank)
    if opset >= 18, node.type == "Resize", let listed = try integersAttribute("axes") {
      guard try normalized(listed, rank: shape.rank).count == listed.count else { throw malformed("axes are wrong") }
      axes = listed.map { $0 < 0 ? $0 + shape.rank : $0 }
    }
    guard axes.count == count else { throw malformed("\(count) scales or sizes for \(axes.count) axes") }
    return axes
  }

  /// Size and scale of each axis.
  private func targets(_ x: Int) throws(EdgeError) -> [OnnxResampling] {
    let shape = operands[x].shape
    var scales = [Float](repeating: 1, count: shape.rank)
    var sizes = shape.dims
    // Sizes are the last input since operator set 11; empty scales mean that they count.
    let scalesInput = node.type == "Resize" && opset >= 11 ? 2 : 1
    let given = node.type == "Upsample" && opset < 9 ? try floatsAttribute("scales") : try floatsInput(scalesInput, "scales")
    if let given, !given.isEmpty {
      for (scale, axis) in zip(given, try listedAxes(shape, count: given.count)) {
        guard scale > 0, scale <= 65536 else { throw malformed("the scale \(scale)") }
        scales[axis] = scale
        if shape[axis] == Shape.batch { continue }
        let size = (Double(shape[axis]) * Double(scale)).rounded(.down)
        guard size >= 1, size <= Double(Int32.max) else { throw malformed("the scale \(scale) of an axis of \(shape[axis])") }
        sizes[axis] = Int(size)
      }
    } else if node.type == "Resize", opset >= 11, let id = try optionalInput(3) {
      guard let known = operands[id].known, known.dims.count == 1, known.dtype != .float32 else {
        throw reject("sizes ('\(operands[id].name)') must be constant")
      }
      try readSizes(known, try listedAxes(shape, count: known.elements.count), shape, &sizes, &scales)
    } else {
      throw malformed("neither scales nor sizes are given")
    }
    var result: [OnnxResampling] = []
    for axis in shape.dims.indices {
      let isChanged = scales[axis] != 1 || sizes[axis] != shape[axis]
      if isChanged, shape[axis] == Shape.batch { throw mixesBatch(shape) }
      if isChanged, shape[axis] <= 0 { throw reject("the input's size must be known") }
      result.append(OnnxResampling(size: sizes[axis], scale: scales[axis], isChanged: isChanged))
    }
    return result
  }

  private func readSizes(
    _ known: OnnxKnown, _ axes: [Int], _ shape: Shape, _ sizes: inout [Int], _ scales: inout [Float]
  ) throws(EdgeError) {
    for (element, axis) in zip(known.elements, axes) {
      if shape[axis] == Shape.batch {
        guard element == .batch(1) else { throw mixesBatch(shape) }
        continue
      }
      guard let size = element.integer else { throw reject("a size depends on the batch size") }
      guard size >= 1, size <= Int(Int32.max) else { throw malformed("the size \(size)") }
      sizes[axis] = size
      scales[axis] = Float(size) / Float(shape[axis])
    }
    let policy = try textAttribute("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch" { return }
    guard policy == "not_larger" || policy == "not_smaller" else { throw malformed("keep_aspect_ratio_policy '\(policy)'") }
    // One scale for all listed axes: the smallest or the largest asked for.
    var common: Float?
    for axis in axes where shape[axis] != Shape.batch {
      let scale = scales[axis]
      common = common.map { policy == "not_larger" ? min($0, scale) : max($0, scale) } ?? scale
    }
    guard let common else { return }
    for axis in axes where shape[axis] != Shape.batch {
      scales[axis] = common
      guard let size = Int(exactly: (Double(common) * Double(shape[axis])).rounded()) else { throw malformed("the result's size overflows") }
      sizes[axis] = max(1, size)
    }
  }
}

/// Resampling of one axis.
struct OnnxResampling {
  var size: Int
  /// Result / source, as the file gives it.
  var scale: Float
  var isChanged: Bool
  /// Added to positions in the source.
  var shift: Float = 0
  /// The part of the source that is seen, in widths of it; nil for all.
  var region: (start: Float, end: Float)?
  /// What distances are multiplied with before they are weighted: below 1, more of the source counts.
  var blur = 1.0
}
