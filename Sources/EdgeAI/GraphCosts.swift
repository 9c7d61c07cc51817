#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension Graph {
  /// Elements of those values that are constants.
  func parameters(in ids: [ValueID]) -> UInt64 {
    var total: UInt64 = 0
    for id in ids where id >= 0 && id < values.count && values[id].constant != nil {
      total &+= UInt64(clamping: values[id].shape.elementCount() ?? 0)
    }
    return total
  }

  /// Multiply-adds of the operators made of them, for one sample; 0 for the others.
  func multiplyAdds(of node: Node) -> UInt64 {
    guard let x = shape(node.input(0)), let weights = shape(node.input(1)), let y = shape(node.outputs.first),
      let results = y.elementCount(), let inputs = x.elementCount(), let taps = weights.elementCount()
    else { return 0 }
    switch node.op {
    case .convolution, .dense:
      // Each result sums over one filter: all weights but the output channels.
      guard let channels = weights.dims.first, channels > 0 else { return 0 }
      return UInt64(clamping: results) &* UInt64(clamping: taps / channels)
    case .transposedConvolution(let attributes):
      // Each input element meets every filter of its group at every tap.
      guard weights.rank == 4, attributes.groups > 0 else { return 0 }
      let (outputs, height, width) = (weights[0] / attributes.groups, weights[1], weights[2])
      return UInt64(clamping: inputs) &* UInt64(clamping: outputs) &* UInt64(clamping: height) &* UInt64(clamping: width)
    case .matMul:
      return UInt64(clamping: results) &* UInt64(clamping: x.dims.last ?? 0)
    case .recurrent:
      // At each step a state of H numbers meets the weights of every gate.
      return UInt64(clamping: results) &* UInt64(clamping: weights.dims.first ?? 0)
    default:
      return 0
    }
  }

  private func shape(_ id: ValueID?) -> Shape? {
    guard let id, id >= 0, id < values.count else { return nil }
    return values[id].shape
  }
}
