#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Window geometry of convolutions and pools. Signals [N, C, L] are images of height 1.

/// A window along each spatial axis.
struct OnnxGeometry {
  var kernel: [Int]
  var strides: [Int]
  var dilations: [Int]
  var before: [Int]
  var after: [Int]

  /// The window over one or two of the axes: the height, if any, and the width.
  func window(height: Int?, width: Int?) -> Window {
    var window = Window()
    if let width {
      window.kernelWidth = kernel[width]
      window.strideWidth = strides[width]
      window.dilationWidth = dilations[width]
      window.padLeft = before[width]
      window.padRight = after[width]
    }
    if let height {
      window.kernelHeight = kernel[height]
      window.strideHeight = strides[height]
      window.dilationHeight = dilations[height]
      window.padTop = before[height]
      window.padBottom = after[height]
    }
    return window
  }

  /// Whether a window may lie in the padding alone.
  var reachesBeyond: Bool {
    kernel.indices.contains { max(before[$0], after[$0]) >= (kernel[$0] - 1) * dilations[$0] + 1 }
  }
}

extension OnnxImporter {
  /// The window of the current node over an input of rank 4 or 3. `kernel` is used where the node gives none.
  /// - Parameter resolvesPadding: turn `auto_pad` into explicit padding for this input; transposed convolutions
  ///   do that themselves.
  func window(over shape: Shape, kernel standard: [Int]?, resolvesPadding: Bool = true) throws(EdgeError) -> Window {
    let rank = shape.rank - 2
    guard rank == 1 || rank == 2 else {
      throw reject("the input has \(shape.rank) dimensions; images with two and signals with one spatial dimension are supported")
    }
    let geometry = try geometry(over: shape, kernel: standard, resolvesPadding: resolvesPadding)
    return geometry.window(height: rank == 2 ? 0 : nil, width: rank - 1)
  }

  /// The same for any number of spatial axes.
  func geometry(over shape: Shape, kernel standard: [Int]?, resolvesPadding: Bool = true) throws(EdgeError) -> OnnxGeometry {
    let rank = shape.rank - 2
    let kernel: [Int]
    if hasAttribute("kernel_shape") || standard == nil {
      guard hasAttribute("kernel_shape") else { throw malformed("attribute 'kernel_shape' is missing") }
      kernel = try sizesAttribute("kernel_shape", count: rank, standard: 1, minimum: 1)
    } else {
      kernel = standard ?? []
      for size in kernel where size < 1 || size > 1 << 24 { throw malformed("a window of \(Shape(kernel).text)") }
    }
    let strides = try sizesAttribute("strides", count: rank, standard: 1, minimum: 1)
    let dilations = try sizesAttribute("dilations", count: rank, standard: 1, minimum: 1)
    var before = [Int](repeating: 0, count: rank)
    var after = before
    let mode = try textAttribute("auto_pad", "NOTSET")
    hasAttribute("pads")  // other modes ignore it
    switch mode {
    case "NOTSET":
      if let pads = try integersAttribute("pads"), pads.contains(where: { $0 < 0 }) { throw reject("negative padding") }
      let pads = try sizesAttribute("pads", count: 2 * rank, standard: 0, minimum: 0)
      before = Array(pads[..<rank])
      after = Array(pads[rank...])
    case "VALID": break
    case "SAME_UPPER", "SAME_LOWER":
      guard resolvesPadding else { break }
      for axis in 0..<rank {
        let size = shape[axis + 2]
        let span = (kernel[axis] - 1) * dilations[axis] + 1
        let total = max((size - 1) / strides[axis] * strides[axis] + span - size, 0)
        before[axis] = mode == "SAME_UPPER" ? total / 2 : total - total / 2
        after[axis] = total - before[axis]
      }
    default: throw malformed("attribute 'auto_pad' is '\(mode)'")
    }

    return OnnxGeometry(kernel: kernel, strides: strides, dilations: dilations, before: before, after: after)
  }
}
