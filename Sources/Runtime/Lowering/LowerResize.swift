import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Resampling of images. Positions are computed in float32, as exporters' own runtimes do, so that ties fall alike.
extension Lowering {
  func lowerResize(_ node: Node, _ op: Resize) throws(EdgeError) {
    let x = try required(node, 0)
    let y = node.outputs[0]
    let from = shape(x)
    let to = shape(y)
    guard from.count == 4, to.count == 4, from[0] == to[0], from[3] == to[3] else { throw unsupported("resizes height and width only") }
    _ = (try count(x), try count(y))
    guard op.scaleHeight > 0, op.scaleWidth > 0, op.scaleHeight.isFinite, op.scaleWidth.isFinite else {
      throw error(.invalidGraph, "the scale is not a positive number")
    }
    for axis in 1...2 {
      try checkTable(from[axis])
      try checkTable(to[axis])
    }
    if op.mode == .nearest {
      try lowerNearest(op, x, y)
      return
    }
    let vertical = try taps(op, from[1], to[1], op.scaleHeight)
    let horizontal = try taps(op, from[2], to[2], op.scaleWidth)
    var arguments = ek_resize()
    arguments.n = try int32(from[0])
    arguments.h = try int32(from[1])
    arguments.w = try int32(from[2])
    arguments.c = try int32(from[3])
    arguments.oh = try int32(to[1])
    arguments.ow = try int32(to[2])
    arguments.taps = op.mode == .linear ? 2 : 4
    let integer = try isQuantized([x, y])
    if integer {
      arguments.x_quant = try quantized(x)
      arguments.y_quant = try quantized(y)
      _ = try factor(arguments.x_quant.scale / arguments.y_quant.scale)
      if op.mode == .linear, op.nearest == .roundPreferCeil, graph.values[x].quantization == graph.values[y].quantization {
        // As in averages: seen from 0 halves lie upward, and a scale barely above 1 takes them there.
        (arguments.x_quant, arguments.y_quant) = (ek_quant(scale: 1 + 0x1p-21, zero_point: 0), ek_quant(scale: 1, zero_point: 0))
      }
    }
    try emit(
      Int(integer ? EK_RESIZE_U8 : EK_RESIZE_F32), arguments,
      [
        .read(0, try operand(x)), .read(1, try derived(vertical.indices)), .read(2, try derived(vertical.weights)),
        .read(3, try derived(horizontal.indices)), .read(4, try derived(horizontal.weights)), .write(5, try result(y)),
      ], multiplyAdds: Int64(try count(y)) &* Int64(arguments.taps) &* Int64(arguments.taps &+ 1))
  }

  /// Rows where only the height changes; else whole pixels.
  private func lowerNearest(_ op: Resize, _ x: ValueID, _ y: ValueID) throws(EdgeError) {
    let from = shape(x)
    let to = shape(y)
    let rows = try nearest(op, from[1], to[1], op.scaleHeight)
    let columns = try nearest(op, from[2], to[2], op.scaleWidth)
    let pixelBytes = from[3] &* dtype(x).byteCount
    let source = try operand(x, inTypeOf: y)
    var identity = from[2] == to[2]
    for (index, column) in columns.enumerated() where Int(column) != index { identity = false }
    if identity {
      try emitGather(
        from: source, to: try result(y), outer: from[0], axisIn: from[1], indices: rows, innerBytes: from[2] &* pixelBytes)
      return
    }
    _ = try int32(from[1] &* from[2])
    try checkTable(to[1] &* to[2])
    var pixels: [Int32] = []
    pixels.reserveCapacity(rows.count &* columns.count)
    let width = Int32(from[2])
    for row in rows {
      for column in columns { pixels.append(row &* width &+ column) }
    }
    try emitGather(
      from: source, to: try result(y), outer: from[0], axisIn: from[1] &* from[2], indices: pixels, innerBytes: pixelBytes)
  }

  /// Where position `index` of the result lies in the source.
  private func sourcePosition(_ op: Resize, _ index: Int, _ size: Int, _ target: Int, _ scale: Float) -> Float {
    switch op.coordinates {
    case .halfPixel: return (Float(index) + 0.5) / scale - 0.5
    case .pytorchHalfPixel: return target > 1 ? (Float(index) + 0.5) / scale - 0.5 : 0
    case .alignCorners:
      // A scale that gives no whole number of pixels counts as it is, before the result is cut to whole ones.
      let exact = Float(size) * scale
      let length = abs(exact - Float(target)) < 1e-3 ? Float(target) : exact
      return target > 1 && length > 1 ? Float(index) * Float(size - 1) / (length - 1) : 0
    case .asymmetric: return Float(index) / scale
    }
  }

  private func nearest(_ op: Resize, _ size: Int, _ target: Int, _ scale: Float) throws(EdgeError) -> [Int32] {
    let last = Float(try int32(size - 1))
    var indices: [Int32] = []
    for index in 0..<target {
      let position = sourcePosition(op, index, size, target, scale)
      let picked: Float
      switch op.nearest {
      case .floor: picked = position.rounded(.down)
      case .ceil: picked = position.rounded(.up)
      case .roundPreferFloor: picked = (position - 0.5).rounded(.up)
      case .roundPreferCeil: picked = (position + 0.5).rounded(.down)
      }
      indices.append(try int32(min(Int(min(max(picked, 0), last)), size - 1)))
    }
    return indices
  }

  /// Source indices and weights of each position of the result: 2 for linear, 4 for cubic.
  private func taps(
    _ op: Resize, _ size: Int, _ target: Int, _ scale: Float
  ) throws(EdgeError) -> (indices: [Int32], weights: [Float]) {
    let last = try int32(size - 1)
    var indices: [Int32] = []
    var weights: [Float] = []
    for index in 0..<target {
      var position = sourcePosition(op, index, size, target, scale)
      if op.mode == .linear {
        position = min(max(position, 0), Float(last))
        let low = min(Int32(position), last)
        let fraction = position - Float(low)
        indices.append(low)
        indices.append(low < last ? low &+ 1 : last)
        weights.append(1 - fraction)
        weights.append(fraction)
        continue
      }
      // Far outside, every tap is the border: the limit only keeps the conversion to integer defined.
      position = min(max(position, -4), Float(last) + 4)
      let base = position.rounded(.down)
      let fraction = position - base
      var four = cubicWeights(fraction, op.cubicCoefficient)
      let first = Int(base) - 1
      if op.excludeOutside {
        var sum: Float = 0
        for tap in 0..<4 {
          if first + tap < 0 || first + tap >= size { four[tap] = 0 }
          sum += four[tap]
        }
        for tap in 0..<4 where sum != 0 { four[tap] /= sum }
      }
      for tap in 0..<4 {
        indices.append(try int32(min(max(first + tap, 0), size - 1)))
        weights.append(four[tap])
      }
    }
    return (indices, weights)
  }

  /// Keys' cubic convolution (1981) at distances 1 + f, f, 1 - f and 2 - f.
  private func cubicWeights(_ f: Float, _ a: Float) -> [Float] {
    let g = 1 - f
    let (far, near) = (1 + f, 2 - f)
    return [
      ((a * far - 5 * a) * far + 8 * a) * far - 4 * a,
      ((a + 2) * f - (a + 3)) * f * f + 1,
      ((a + 2) * g - (a + 3)) * g * g + 1,
      ((a * near - 5 * a) * near + 8 * a) * near - 4 * a,
    ]
  }
}
