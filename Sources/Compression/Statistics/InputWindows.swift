#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Which numbers of a layer's input a result of it is made of: for each position of the result a row of `columns` numbers for
/// each group of channels, in the order of the weights, so that result = weights . row.
struct InputWindows {
  /// Positions of the result of one sample.
  let positions: Int
  let columns: Int
  private let window: Window
  private let isTransposed: Bool
  /// Of the input: height, width, channels; and the channels of a group.
  private let height: Int, width: Int, channels: Int, channelsOfGroup: Int
  private let outputHeight: Int, outputWidth: Int

  /// Nil when the node is none of the three layers with weights, or its shapes are not those of one.
  init?(_ graph: Graph, _ layer: WeightLayer) {
    let node = graph.nodes[layer.node]
    guard let x = node.input(0), let y = node.outputs.first, let count = graph.values[y].shape.elementCount(), layer.rows > 0 else {
      return nil
    }
    let (from, to) = (graph.values[x].shape, graph.values[y].shape)
    positions = count / layer.rows
    columns = layer.columns
    channelsOfGroup = layer.channels
    switch node.op {
    case .dense:
      (window, isTransposed) = (Window(), false)
      (height, width, channels) = (1, positions, layer.columns)
      (outputHeight, outputWidth) = (1, positions)
      return
    case .convolution(let convolution): (window, isTransposed) = (convolution.window, false)
    case .transposedConvolution(let convolution): (window, isTransposed) = (convolution.window, true)
    default: return nil
    }
    guard from.rank == 4, to.rank == 4, to[1] > 0, to[2] > 0 else { return nil }
    (height, width, channels) = (from[1], from[2], from[3])
    (outputHeight, outputWidth) = (to[1], to[2])
  }

  /// Writes the row of a position and a group.
  func gather(_ x: UnsafePointer<Float>, position: Int, group: Int, to row: UnsafeMutablePointer<Float>) {
    let image = position / (outputHeight &* outputWidth)
    let y = position / outputWidth % outputHeight
    let z = position % outputWidth
    var target = row
    var ky = 0
    while ky < window.kernelHeight {
      let sy = source(y, ky, window.strideHeight, window.padTop, window.dilationHeight, height)
      var kx = 0
      while kx < window.kernelWidth {
        let sx = source(z, kx, window.strideWidth, window.padLeft, window.dilationWidth, width)
        if sy >= 0, sx >= 0 {
          let pixel = (image &* height &+ sy) &* width &+ sx
          target.update(from: x + (pixel &* channels &+ group &* channelsOfGroup), count: channelsOfGroup)
        } else {
          target.update(repeating: 0, count: channelsOfGroup)
        }
        target += channelsOfGroup
        kx &+= 1
      }
      ky &+= 1
    }
  }

  /// The input position behind a tap of an output position, or -1.
  private func source(_ output: Int, _ tap: Int, _ stride: Int, _ pad: Int, _ dilation: Int, _ size: Int) -> Int {
    if !isTransposed {
      let place = output &* stride &- pad &+ tap &* dilation
      return place >= 0 && place < size ? place : -1
    }
    let distance = output &+ pad &- tap &* dilation
    guard distance >= 0, distance % stride == 0, distance / stride < size else { return -1 }
    return distance / stride
  }
}
