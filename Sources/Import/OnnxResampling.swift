#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Resize of other tensors than images, and with other sampling than the operator for images has: axis by axis, each a
// product with what the source's elements count in the result's.

extension OnnxImporter {
  func resampleAxes(_ x: Int, _ resize: Resize, _ axes: [OnnxResampling]) throws(EdgeError) {
    let rank = axes.count
    var value = resize.mode == .nearest ? try tensor(x) : try floatTensor(x)
    var outside: ValueID?
    for (axis, sampling) in axes.enumerated() where sampling.isChanged || sampling.region != nil {
      let size = graph.values[value].shape[axis]
      guard size > 0, let entries = multiplyChecked(size, sampling.size), entries <= 1 << 23 else {
        throw EdgeError(.limitExceeded, "\(node.type): \(size) elements to \(sampling.size)", node: nodeName)
      }
      try countMade(sampling.size, of: MemoryLayout<Double>.stride)
      let positions = (0..<sampling.size).map { position(resize.coordinates, sampling, size, $0) }
      if sampling.region != nil {
        var dims = [Int](repeating: 1, count: rank)
        dims[axis] = sampling.size
        try countMade(sampling.size, of: 1)
        let flags = OnnxKnown(.bool, dims, positions.map { .integer($0 < 0 || $0 > Double(size - 1) ? 1 : 0) })
        let mask = graph.addValue(Value(name: helperName(nodeName + ".outside"), dtype: .bool, shape: Shape(dims), constant: try flags.data()))
        outside = try joined(outside, mask, .or)
      }
      if resize.mode == .nearest {
        let indices = positions.map { Int32(clamping: nearest(resize.nearest, $0, size)) }
        value = try part(.gather(axis: axis, indices: indices, scalarIndex: false), [value])
        continue
      }
      var weights = [Float](repeating: 0, count: entries)
      for (row, position) in positions.enumerated() { addShares(resize, sampling, position, size, &weights, row * size) }
      let table = try self.table(".weights", .float32, [sampling.size, size], weights)
      var order = Array(0..<rank)
      order.swapAt(axis, rank - 1)
      value = try transposed(try part(.dense(.none), [try transposed(value, order), table]), order)
    }
    if let outside {
      let dtype = graph.values[value].dtype
      value = try part(.select, [outside, try number(Double(try floatAttribute("extrapolation_value", 0)), dtype), value])
    }
    if value == operands[x].value { return try setAlias(x) }
    try setResult(value)
  }

  /// Where an element of the result lies in the source, at most a little beyond what can count. In float32, as exporters'
  /// own runtimes do, so that ties fall alike.
  private func position(_ coordinates: Resize.Coordinates, _ sampling: OnnxResampling, _ size: Int, _ index: Int) -> Double {
    let (at, last) = (Float(index), Float(size - 1))
    let result: Float
    switch coordinates {
    case .asymmetric: result = at / sampling.scale
    case .pytorchHalfPixel where sampling.size == 1: result = 0
    case .halfPixel, .pytorchHalfPixel: result = (at + 0.5) / sampling.scale - 0.5 + sampling.shift
    case .alignCorners:
      let region = sampling.region ?? (0, 1)
      // A scale that gives no whole number of elements counts as it is.
      let exact = Float(size) * sampling.scale
      let length = abs(exact - Float(sampling.size)) < 1e-3 ? Float(sampling.size) : exact
      if sampling.size > 1, length > 1 {
        result = region.start * last + at * (region.end - region.start) * last / (length - 1)
      } else {
        result = sampling.region == nil ? 0 : (region.start + region.end) / 2 * last
      }
    }
    return Double(min(max(result, -3 * Float(size) - 4), 4 * Float(size) + 4))
  }

  private func nearest(_ rounding: Resize.Nearest, _ position: Double, _ size: Int) -> Int {
    let picked: Double
    switch rounding {
    case .floor: picked = position.rounded(.down)
    case .ceil: picked = position.rounded(.up)
    case .roundPreferFloor: picked = (position - 0.5).rounded(.up)
    case .roundPreferCeil: picked = (position + 0.5).rounded(.down)
    }
    return min(max(Int(picked), 0), size - 1)
  }

  /// Weights of the elements around a position; those beyond the borders are the border's, or do not count.
  private func addShares(_ resize: Resize, _ sampling: OnnxResampling, _ position: Double, _ size: Int, _ weights: inout [Float], _ row: Int) {
    let reach = Int(((resize.mode == .linear ? 1 : 2) / sampling.blur).rounded(.up))
    let base = Int(position.rounded(.down))
    func share(_ index: Int) -> Double { self.share(resize, abs(Double(index) - position) * sampling.blur) }
    var sum = 0.0
    var counted = 0.0
    for index in base - reach...base + reach + 1 {
      sum += share(index)
      if 0..<size ~= index { counted += share(index) }
    }
    var divisor = sampling.blur < 1 ? sum : 1
    if resize.excludeOutside { divisor = counted }
    guard divisor != 0 else { return }
    for index in base - reach...base + reach + 1 {
      if resize.excludeOutside, !(0..<size ~= index) { continue }
      weights[row + min(max(index, 0), size - 1)] += Float(share(index) / divisor)
    }
  }

  /// The triangle, or Keys' cubic convolution (1981), at a distance.
  private func share(_ resize: Resize, _ distance: Double) -> Double {
    if resize.mode == .linear { return max(1 - distance, 0) }
    let a = Double(resize.cubicCoefficient)
    if distance < 1 { return ((a + 2) * distance - (a + 3)) * distance * distance + 1 }
    return distance < 2 ? ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a : 0
  }
}
