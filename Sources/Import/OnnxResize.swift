#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Resize (operator sets 10, 11, 13, 18, 19) and Upsample (7, 9).

extension OnnxImporter {
  func importResize() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    guard shape.rank == 3 || shape.rank == 4 else {
      throw reject("the input has \(shape.rank) dimensions; images with two and signals with one spatial dimension are supported")
    }
    let spatial = try spatialTarget(x)
    let mode: Resize.Mode
    switch try textAttribute("mode", "nearest") {
    case "nearest": mode = .nearest
    case "linear", "bilinear": mode = .linear
    case "cubic": mode = .cubic
    case let other: throw reject("attribute 'mode' is '\(other)'")
    }
    let width = spatial[spatial.count - 1]
    let height = spatial.count == 2 ? spatial[0] : OnnxResampling(size: 1, scale: 1)
    var resize = Resize(
      mode: mode, coordinates: .asymmetric, height: height.size, width: width.size, scaleHeight: height.scale, scaleWidth: width.scale)
    resize.nearest = .floor
    if node.type == "Resize", opset >= 11 { try readSampling(&resize, shape, spatial) }
    let y = try emit(.resize(resize), [try image(x)], resultName(image: true))
    try setImageResult(y, rank: shape.rank)
  }

  /// How the result's pixels map to the source's, since operator set 11.
  private func readSampling(_ resize: inout Resize, _ shape: Shape, _ spatial: [OnnxResampling]) throws(EdgeError) {
    switch try textAttribute("coordinate_transformation_mode", "half_pixel") {
    case "half_pixel": resize.coordinates = .halfPixel
    case "pytorch_half_pixel": resize.coordinates = .pytorchHalfPixel
    case "align_corners": resize.coordinates = .alignCorners
    case "asymmetric": resize.coordinates = .asymmetric
    case "half_pixel_symmetric":
      // Differs from half_pixel only where the scale does not give a whole number of pixels.
      for (index, axis) in spatial.enumerated() where abs(Float(shape[index + 2]) * axis.scale - Float(axis.size)) > 1e-3 {
        throw reject("coordinate_transformation_mode 'half_pixel_symmetric' with a result of broken size")
      }
      resize.coordinates = .halfPixel
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
    resize.excludeOutside = try integerAttribute("exclude_outside", 0) != 0
    if try integerAttribute("antialias", 0) != 0, resize.mode != .nearest, spatial.contains(where: { $0.scale < 1 }) {
      throw reject("antialiasing when shrinking")
    }
  }

  /// Size and scale of each spatial axis. The others must stay as they are.
  private func spatialTarget(_ x: Int) throws(EdgeError) -> [OnnxResampling] {
    let shape = operands[x].shape
    for axis in 1..<shape.rank where shape[axis] <= 0 { throw reject("the input's size must be known") }
    var axes = Array(0..<shape.rank)
    if opset >= 18, node.type == "Resize", let listed = try integersAttribute("axes") {
      guard try normalized(listed, rank: shape.rank).count == listed.count else { throw malformed("axes are wrong") }
      axes = listed.map { $0 < 0 ? $0 + shape.rank : $0 }
    }
    var scales = [Float](repeating: 1, count: shape.rank)
    var sizes = shape.dims
    // Sizes are the last input since operator set 11; empty scales mean that they count.
    let scalesInput = node.type == "Resize" && opset >= 11 ? 2 : 1
    let given = node.type == "Upsample" && opset < 9 ? try floatsAttribute("scales") : try floatsInput(scalesInput, "scales")
    if let given, !given.isEmpty {
      guard given.count == axes.count else { throw malformed("\(given.count) scales for \(axes.count) axes") }
      for (scale, axis) in zip(given, axes) {
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
      guard known.elements.count == axes.count else { throw malformed("\(known.elements.count) sizes for \(axes.count) axes") }
      try readSizes(known, axes, shape, &sizes, &scales)
    } else {
      throw malformed("neither scales nor sizes are given")
    }
    for axis in [0, 1] where scales[axis] != 1 || sizes[axis] != shape[axis] {
      throw reject("only height and width can be resized; axis \(axis) changes too")
    }
    return (2..<shape.rank).map { OnnxResampling(size: sizes[$0], scale: scales[$0]) }
  }

  private func readSizes(
    _ known: OnnxKnown, _ axes: [Int], _ shape: Shape, _ sizes: inout [Int], _ scales: inout [Float]
  ) throws(EdgeError) {
    for (element, axis) in zip(known.elements, axes) {
      if shape[axis] == Shape.batch {
        guard element == .batch(1) else { throw reject("only height and width can be resized; axis \(axis) changes too") }
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
}
