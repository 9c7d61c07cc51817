#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What an operand is made of, where the next operator may do better from there than from the operand itself.
enum OnnxOrigin {
  /// Zeros around an image (operand): a convolution takes them as its own padding.
  case padded(source: Int, top: Int, left: Int, bottom: Int, right: Int)
  /// All of an image's pixels in one row: a dense layer reads them in any order if its weights follow.
  case flattened(source: Int)
  /// Channels of an image in groups [N, G, C/G, H, W].
  case channelGroups(source: Int, groups: Int)
  /// The same with the two channel axes exchanged.
  case exchangedGroups(source: Int, groups: Int)
}

// Patterns of NCHW exporters that would otherwise leave transposes in the middle of an NHWC graph. Nodes that
// are bypassed this way have no readers left and are removed.

extension OnnxImporter {
  /// Reshape, Flatten, Squeeze or Unsqueeze of an image to `shape`, where that needs no transpose.
  /// - Returns: whether the result is set.
  func reshapeImage(_ x: Int, to shape: Shape) throws(EdgeError) -> Bool {
    let from = operands[x].shape
    if case .exchangedGroups(let source, let groups)? = operands[x].origin, operands[source].shape == shape {
      return try shuffleChannels(source, groups)
    }
    guard operands[x].channelsLast != Node.noValue, from.rank == 4 else { return false }
    // One pixel, or one channel: both layouts have the elements in the same order.
    let isPixel = from[2] == 1 && from[3] == 1
    if isPixel || from[1] == 1 {
      try setResult(try emit(.reshape(shape), [operands[x].channelsLast], resultName()))
      return true
    }
    return false
  }

  /// What the current node's result is made of, for the operators after it.
  func noteReshape(_ x: Int, to shape: Shape) {
    let from = operands[x].shape
    guard let id = outputs.first, id >= 0, operands[x].channelsLast != Node.noValue, from.rank == 4, shape[0] == from[0] else { return }
    if shape.rank == 2 {
      operands[id].origin = .flattened(source: x)
    } else if shape.rank == 5, shape[1] > 0, shape[2] > 0, shape[1].multipliedReportingOverflow(by: shape[2]).partialValue == from[1],
      Array(shape.dims[3...]) == Array(from.dims[2...])
    {
      operands[id].origin = .channelGroups(source: x, groups: shape[1])
    }
  }

  func noteTranspose(_ x: Int, _ permutation: [Int]) {
    guard let id = outputs.first, id >= 0, case .channelGroups(let source, let groups)? = operands[x].origin else { return }
    if permutation == [0, 2, 1, 3, 4] { operands[id].origin = .exchangedGroups(source: source, groups: groups) }
  }

  /// ShuffleNet's channel shuffle, with the channels last.
  private func shuffleChannels(_ source: Int, _ groups: Int) throws(EdgeError) -> Bool {
    let value = try image(source)
    let dims = graph.values[value].shape.dims
    guard dims.count == 4, groups > 0 else { return false }
    let name = operands[source].name
    let split = try emit(.reshape(Shape([dims[0], dims[1], dims[2], groups, dims[3] / groups])), [value], helperName(name + ".groups"))
    let moved = try emit(.transpose([0, 1, 2, 4, 3]), [split], helperName(name + ".shuffled"))
    try setImageResult(try emit(.reshape(Shape(dims)), [moved], resultName(image: true)), rank: 4)
    return true
  }

  /// An image for a convolution: zeros around it become part of the window's padding.
  func convolutionInput(_ x: Int, _ window: inout Window) throws(EdgeError) -> ValueID {
    guard case .padded(let source, let top, let left, let bottom, let right)? = operands[x].origin else { return try image(x) }
    window.padTop += top
    window.padLeft += left
    window.padBottom += bottom
    window.padRight += right
    return try image(source)
  }

  /// The image whose pixels in one row are a dense layer's input; -1 when that is something else.
  func flattenedImage(_ x: Int?, columns: Int) -> Int {
    guard let x, operands[x].shape.dims.last == columns, case .flattened(let source)? = operands[x].origin,
      operands[source].channelsLast != Node.noValue
    else { return -1 }
    return source
  }
}
