/// What the rows of a layer's weights are made of where each row holds -a, 0 and +a alone: binary weights, or ternary ones where
/// there is a 0 (Rastegari et al. 2016; Li and Liu 2016). Nothing in a graph says so; whoever wants to know looks at the values.
public struct SignRows {
  /// a of each row, not negative; 0 for a row of zeros.
  public let scales: [Float]
  public let hasZeros: Bool
}

extension Graph {
  /// The rows of constant float32 weights, one for each output channel; nil where they hold anything else.
  public func signRows(_ weights: ValueID) -> SignRows? {
    let value = values[weights]
    guard let constant = value.constant, value.dtype == .float32, let rows = value.shape.dims.first, rows > 0,
      let count = value.shape.elementCount(), count > 0, constant.byteCount / 4 >= count
    else { return nil }
    let columns = count / rows
    var scales: [Float] = []
    var hasZeros = false
    var next = constant.base
    for _ in 0..<rows {
      var scale: Float = 0
      var column = 0
      while column < columns {
        let magnitude = next.loadUnaligned(as: Float.self).magnitude
        if magnitude == 0 {
          hasZeros = true
        } else if scale == 0, magnitude.isFinite {
          scale = magnitude
        } else if magnitude != scale {
          return nil
        }
        next += 4
        column &+= 1
      }
      scales.append(scale)
    }
    return SignRows(scales: scales, hasZeros: hasZeros)
  }

  /// Whether all elements of a float32 tensor are -1 or +1: a result of `binarize`, or of movements of one, or the largest of
  /// windows of one that each hold a pixel. `index` is this graph's.
  public func holdsSigns(_ value: ValueID, _ index: GraphIndex) -> Bool {
    var value = value
    while let producer = index.producer(of: value) {
      guard values[value].dtype == .float32, values[value].quantization == nil else { return false }
      switch nodes[producer].op {
      case .unary(let function): return function.kind == .binarize
      case .reshape, .transpose: break
      case .pool(let pool):
        let window = pool.window
        guard pool.kind == .max, window.padTop < window.kernelHeight, window.padBottom < window.kernelHeight,
          window.padLeft < window.kernelWidth, window.padRight < window.kernelWidth, window.dilationHeight == 1,
          window.dilationWidth == 1
        else { return false }
      default: return false
      }
      value = nodes[producer].inputs[0]
    }
    return false
  }
}
