#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Window geometry of convolutions and pools. Signals [N, C, L] are images of height 1.

extension OnnxImporter {
  /// The window of the current node over an input of rank 4 or 3. `kernel` is used where the node gives none.
  /// - Parameter resolvesPadding: turn `auto_pad` into explicit padding for this input; transposed convolutions
  ///   do that themselves.
  func window(over shape: Shape, kernel standard: [Int]?, resolvesPadding: Bool = true) throws(EdgeError) -> Window {
    let rank = shape.rank - 2
    guard rank == 1 || rank == 2 else {
      throw reject("the input has \(shape.rank) dimensions; images with two and signals with one spatial dimension are supported")
    }
    let kernel: [Int]
    if hasAttribute("kernel_shape") || standard == nil {
      guard hasAttribute("kernel_shape") else { throw malformed("attribute 'kernel_shape' is missing") }
      kernel = try sizesAttribute("kernel_shape", count: rank, standard: 1, minimum: 1)
    } else {
      kernel = standard ?? []
    }
    let strides = try sizesAttribute("strides", count: rank, standard: 1, minimum: 1)
    let dilations = try sizesAttribute("dilations", count: rank, standard: 1, minimum: 1)
    var before = [Int](repeating: 0, count: rank)
    var after = before
    let mode = try textAttribute("auto_pad", "NOTSET")
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

    var window = Window()
    window.kernelWidth = kernel[rank - 1]
    window.strideWidth = strides[rank - 1]
    window.dilationWidth = dilations[rank - 1]
    window.padLeft = before[rank - 1]
    window.padRight = after[rank - 1]
    if rank == 2 {
      window.kernelHeight = kernel[0]
      window.strideHeight = strides[0]
      window.dilationHeight = dilations[0]
      window.padTop = before[0]
      window.padBottom = after[0]
    }
    return window
  }
}
