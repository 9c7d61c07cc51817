#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// AffineGrid and GridSample: positions in an image, and what is there.

extension OnnxImporter {
  /// Neighbouring elements along one axis: where they are, and how much each counts (nil: wholly).
  private struct Tap {
    var index: ValueID
    var weight: ValueID?
  }

  func importSampling() throws(EdgeError) {
    if node.type == "AffineGrid" { return try importAffineGrid() }
    let (x, grid) = (try input(0), try input(1))
    let shape = operands[x].shape
    let places = operands[grid].shape
    let rank = shape.rank - 2
    guard rank >= 1, rank <= 3, places.rank == shape.rank, places.dims.last == rank, shape[0] == places[0] else {
      throw wrongShape("\(places.text) holds no positions in \(shape.text)", operand: grid)
    }
    let out = Array(places.dims[1..<(rank + 1)])
    guard shape.dims[1...].allSatisfy({ $0 > 0 }), !out.contains(Shape.batch), let count = Shape(out).elementCount(), count > 0,
      let pixels = Shape(Array(shape.dims[2...])).elementCount()
    else { throw reject("open or empty sizes") }
    let mode = try textAttribute("mode", opset < 20 ? "bilinear" : "linear")
    let offsets: [Int]
    switch mode {
    case "nearest": offsets = [0]
    case "linear", "bilinear": offsets = [0, 1]
    case "cubic", "bicubic": offsets = [-1, 0, 1, 2]
    default: throw malformed("attribute 'mode' is '\(mode)'")
    }
    let positions = try reshaped(try floatTensor(grid), [shape[0], count, rank])
    var taps: [[Tap]] = []
    for axis in 0..<rank {
      // The last number is the first axis.
      let place = rank - 1 - axis
      let chosen = try part(.slice(starts: [0, 0, place], ends: [shape[0], count, place + 1], steps: [1, 1, 1]), [positions])
      taps.append(try self.taps(try reshaped(chosen, [shape[0], count]), size: shape[axis + 2], offsets))
    }
    let elements = try reshaped(try floatTensor(x), [shape[0], shape[1], pixels])
    let strides = Shape(Array(shape.dims[2...])).strides
    var sum: ValueID?
    var choice = [Int](repeating: 0, count: rank)
    while true {
      var index: ValueID?
      var weight: ValueID?
      for axis in 0..<rank {
        let tap = taps[axis][choice[axis]]
        let step = strides[axis] == 1 ? tap.index : try binary(.multiply, tap.index, try number(Double(strides[axis]), .int64))
        if let before = index { index = try binary(.add, before, step) } else { index = step }
        if let own = tap.weight {
          if let before = weight { weight = try binary(.multiply, before, own) } else { weight = own }
        }
      }
      guard let index else { break }
      let rows = try part(.expand(Shape([shape[0], shape[1], count])), [try reshaped(index, [shape[0], 1, count])])
      var value = try part(.take(Indexing(.elements, axis: 2)), [elements, rows])
      if let weight { value = try binary(.multiply, value, try reshaped(weight, [shape[0], 1, count])) }
      if let before = sum { sum = try binary(.add, before, value) } else { sum = value }
      var axis = rank - 1
      while axis >= 0, choice[axis] == offsets.count - 1 {
        choice[axis] = 0
        axis -= 1
      }
      if axis < 0 { break }
      choice[axis] += 1
    }
    if let sum { try setResult(try reshaped(sum, [shape[0], shape[1]] + out)) }
  }

  private func taps(_ normalized: ValueID, size: Int, _ offsets: [Int]) throws(EdgeError) -> [Tap] {
    func constant(_ value: Double) throws(EdgeError) -> ValueID { try number(value, .float32) }
    let isAligned = try integerAttribute("align_corners", 0) != 0
    let padding = try textAttribute("padding_mode", "zeros")
    let (low, high) = isAligned ? (0, Double(size - 1)) : (-0.5, Double(size) - 0.5)
    /// Back and forth between the borders.
    func reflected(_ x: ValueID) throws(EdgeError) -> ValueID {
      if high <= low { return try limited(x) }
      let range = try constant(high - low)
      let along = try binary(.modulo, try binary(.subtract, x, try constant(low)), try constant(2 * (high - low)))
      let back = try binary(.subtract, try constant(2 * (high - low)), along)
      return try binary(.add, try part(.select, [try binary(.less, range, along), back, along]), try constant(low))
    }
    func limited(_ x: ValueID) throws(EdgeError) -> ValueID {
      try part(.unary(UnaryFunction(.clamp, alpha: 0, beta: Float(size - 1))), [x])
    }
    // -1 and 1 are the borders, or the outer pixels' centres.
    let scale = isAligned ? Double(size - 1) / 2 : Double(size) / 2
    var x = try binary(.add, try binary(.multiply, normalized, try constant(scale)), try constant(Double(size - 1) / 2))
    if offsets.count == 1 { x = try unary(.round, x) }
    switch padding {
    case "zeros": break
    case "border":
      let isOutside = try binary(.or, try binary(.less, x, try constant(low)), try binary(.less, try constant(high), x))
      x = try part(.select, [isOutside, try limited(x), x])
    case "reflection": x = try reflected(x)
    default: throw malformed("attribute 'padding_mode' is '\(padding)'")
    }
    let floor = try unary(.floor, x)
    let fraction = try binary(.subtract, x, floor)
    var result: [Tap] = []
    for offset in offsets {
      var place = offset == 0 ? floor : try binary(.add, floor, try constant(Double(offset)))
      var weight = offsets.count == 1 ? nil : try share(fraction, offset, isCubic: offsets.count == 4)
      switch padding {
      case "zeros":
        let isInside = try binary(
          .and, try binary(.lessOrEqual, try constant(0), place), try binary(.lessOrEqual, place, try constant(Double(size - 1))))
        let one = try constant(1)
        weight = try part(.select, [isInside, weight ?? one, try constant(0)])
      case "border": place = try limited(place)
      default: place = try reflected(place)
      }
      result.append(Tap(index: try part(.cast(.int64), [place]), weight: weight))
    }
    return result
  }

  /// What the neighbour at an offset counts, for a position a fraction beyond neighbour 0 (Keys 1981 with a = -3/4).
  private func share(_ fraction: ValueID, _ offset: Int, isCubic: Bool) throws(EdgeError) -> ValueID {
    func constant(_ value: Double) throws(EdgeError) -> ValueID { try number(value, .float32) }
    // Distance to the neighbour.
    let t: ValueID
    switch offset {
    case 0: t = fraction
    case -1: t = try binary(.add, fraction, try constant(1))
    default: t = try binary(.subtract, try constant(Double(offset)), fraction)
    }
    if !isCubic { return try binary(.subtract, try constant(1), t) }
    // ((p t + q) t + r) t + s
    let factors: [Double] = offset == 0 || offset == 1 ? [1.25, -2.25, 0, 1] : [-0.75, 3.75, -6, 3]
    var value = try constant(factors[0])
    for factor in factors.dropFirst() { value = try binary(.add, try binary(.multiply, value, t), try constant(factor)) }
    return value
  }

  /// Positions of all pixels, moved by an affine map of each sample.
  private func importAffineGrid() throws(EdgeError) {
    let id = try input(0)
    guard let sizes = try integersInput(1, "the size"), sizes.count == 4 || sizes.count == 5 else { throw malformed("the size is no image's") }
    let rank = sizes.count - 2
    let shape = operands[id].shape
    guard shape.rank == 3, shape[1] == rank, shape[2] == rank + 1 else { throw wrongShape("\(shape.text) is no affine map", operand: id) }
    let out = Array(sizes[2...])
    guard out.allSatisfy({ $0 > 0 }), let count = Shape(out).elementCount(), count <= 1 << 22 else {
      throw EdgeError(.limitExceeded, "\(node.type): a grid of \(Shape(out).text)", node: nodeName)
    }
    let isAligned = try integerAttribute("align_corners", 0) != 0
    var grid = [Float](repeating: 1, count: count * (rank + 1))
    for point in 0..<count {
      var rest = point
      for axis in (0..<rank).reversed() {
        let place = Double(rest % out[axis])
        rest /= out[axis]
        let span = isAligned ? Double(max(out[axis] - 1, 1)) / 2 : Double(out[axis]) / 2
        grid[point * (rank + 1) + rank - 1 - axis] = Float((isAligned ? place : place + 0.5) / span - 1)
      }
    }
    let all = try table(".grid", .float32, [count, rank + 1], grid)
    let moved = try part(.matMul, [all, try transposed(try floatTensor(id), [0, 2, 1])])
    try setResult(try reshaped(moved, [shape[0]] + out + [rank]))
  }
}
