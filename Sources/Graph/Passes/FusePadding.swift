extension Graph {
  /// Lets convolutions pad their images themselves.
  ///
  ///     before   x -> Pad of height and width with 0 -> Convolution -> y
  ///     after    x -> Convolution with that padding -> y
  ///
  /// Converters from other layouts write the padding of strided convolutions so. A padded copy of an image is the largest
  /// tensor of many networks. Padding so wide that a window could lie in it alone stays a step: kernels need not look for such
  /// windows.
  public func fusingPadding() throws(EdgeError) -> Graph {
    try validate()
    var graph = self
    let producers = GraphIndex(self).producers
    for number in nodes.indices {
      guard case .convolution(var convolution) = nodes[number].op else { continue }
      let x = nodes[number].inputs[0]
      guard producers[x] >= 0, case .pad(.constant, let before, let after, let value) = nodes[producers[x]].op, value == 0,
        before[0] == 0, after[0] == 0, before[3] == 0, after[3] == 0
      else { continue }
      let source = nodes[producers[x]].inputs[0]
      guard values[source].dtype == values[x].dtype, values[source].quantization == values[x].quantization else { continue }
      let dims = values[nodes[number].inputs[1]].shape.dims
      let window = convolution.window
      let height = window.dilationHeight * (dims[1] - 1), width = window.dilationWidth * (dims[2] - 1)
      guard max(before[1], after[1]) <= height - max(window.padTop, window.padBottom),
        max(before[2], after[2]) <= width - max(window.padLeft, window.padRight)
      else { continue }
      convolution.window.padTop += before[1]
      convolution.window.padBottom += after[1]
      convolution.window.padLeft += before[2]
      convolution.window.padRight += after[2]
      graph.nodes[number].op = .convolution(convolution)
      graph.nodes[number].inputs[0] = source
    }
    return graph
  }
}
