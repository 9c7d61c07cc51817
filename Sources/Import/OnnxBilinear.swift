#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// RoiAlign and DeformConv: pixels between pixels, at positions that are computed.

extension OnnxImporter {
  func importBilinear() throws(EdgeError) {
    if node.type == "RoiAlign" { try importRoiAlign() } else { try importDeformableConvolution() }
  }

  /// The two elements around each position along an axis, as float numbers, and what each counts. Elements beyond the
  /// borders count nothing; when `clips`, the border goes on for one more element and nothing counts from there.
  private func neighbours(_ x: ValueID, size: Int, clips: Bool) throws(EdgeError) -> [(place: ValueID, weight: ValueID)] {
    func constant(_ value: Double) throws(EdgeError) -> ValueID { try number(value, .float32) }
    func limited(_ x: ValueID) throws(EdgeError) -> ValueID { try part(.unary(UnaryFunction(.clamp, alpha: 0, beta: Float(size - 1))), [x]) }
    let position = clips ? try limited(x) : x
    let floor = try unary(.floor, position)
    let fraction = try binary(.subtract, position, floor)
    let places = [floor, try binary(.add, floor, try constant(1))]
    let shares = [try binary(.subtract, try constant(1), fraction), fraction]
    var result: [(place: ValueID, weight: ValueID)] = []
    for index in 0..<2 {
      let tested = clips ? x : places[index]
      let isInside = try binary(
        .and, try binary(.lessOrEqual, try constant(clips ? -1 : 0), tested),
        try binary(.lessOrEqual, tested, try constant(Double(clips ? size : size - 1))))
      result.append((place: try limited(places[index]), weight: try part(.select, [isInside, shares[index], try constant(0)])))
    }
    return result
  }

  /// Samples inside the cells of a grid over each region (He et al. 2017), averaged or the largest taken.
  private func importRoiAlign() throws(EdgeError) {
    let (x, regions, batch) = (try input(0), try input(1), try input(2))
    let shape = operands[x].shape
    let count = operands[regions].shape.dims.first ?? 0
    guard shape.rank == 4, operands[regions].shape.dims == [count, 4], operands[batch].shape.dims == [count] else {
      throw wrongShape("\(operands[regions].shape.text) holds no regions of \(shape.text)", operand: regions)
    }
    if shape.hasBatch { throw mixesBatch(shape) }
    let (height, width) = (shape[2], shape[3])
    let size = [try integerAttribute("output_height", 1), try integerAttribute("output_width", 1)]
    let samples = try integerAttribute("sampling_ratio", 0)
    guard samples != 0 else { throw reject("attribute 'sampling_ratio' is 0: the number of samples would depend on the regions") }
    guard samples > 0, samples <= 64, size.allSatisfy({ 1...4096 ~= $0 }), height > 0, width > 0, shape[1] > 0, count != 0,
      let pixels = multiplyChecked(shape[0], height * width)
    else { throw malformed("sizes or the number of samples are out of range") }
    let mode = try textAttribute("mode", "avg")
    let isMean = mode == "avg"
    guard isMean || mode == "max" else { throw malformed("attribute 'mode' is '\(mode)'") }
    let isShifted = try textAttribute("coordinate_transformation_mode", opset < 16 ? "" : "half_pixel") == "half_pixel"
    var corners = try binary(.multiply, try floatTensor(regions), try number(Double(try floatAttribute("spatial_scale", 1)), .float32))
    if isShifted { corners = try binary(.subtract, corners, try number(0.5, .float32)) }
    var axes: [[(place: ValueID, weight: ValueID)]] = []
    for axis in 0..<2 {
      // Regions are x1, y1, x2, y2.
      let start = try sliced(corners, axis: 1, from: 1 - axis, to: 2 - axis)
      var extent = try binary(.subtract, try sliced(corners, axis: 1, from: 3 - axis, to: 4 - axis), start)
      if !isShifted { extent = try binary(.maximum, extent, try number(1, .float32)) }
      let steps = size[axis] * samples
      let fractions = (0..<steps).map { Float(2 * $0 + 1) / Float(2 * steps) }
      let grid = try table(".grid", .float32, [1, steps], fractions)
      let positions = try binary(.add, start, try binary(.multiply, extent, grid))
      axes.append(try neighbours(positions, size: axis == 0 ? height : width, clips: true))
    }
    let rows = size[0] * samples
    let columns = size[1] * samples
    let first = try reshaped(
      try binary(.multiply, try part(.cast(.int64), [try tensor(batch)]), try number(Double(height * width), .int64)), [count, 1, 1])
    let flat = try reshaped(try image(x), [pixels, shape[1]])
    var sum: ValueID?
    for vertical in axes[0] {
      for horizontal in axes[1] {
        let row = try binary(.multiply, try part(.cast(.int64), [try reshaped(vertical.place, [count, rows, 1])]), try number(Double(width), .int64))
        let column = try part(.cast(.int64), [try reshaped(horizontal.place, [count, 1, columns])])
        let index = try binary(.add, first, try binary(.add, row, column))
        let weight = try binary(
          .multiply, try reshaped(vertical.weight, [count, rows, 1, 1]), try reshaped(horizontal.weight, [count, 1, columns, 1]))
        let value = try binary(.multiply, try part(.take(Indexing(.slices, axis: 0)), [flat, index]), weight)
        sum = try joined(sum, value, isMean ? .add : .maximum)
      }
    }
    guard let sum else { return }
    let cells = try reshaped(sum, [count, size[0], samples, size[1], samples, shape[1]])
    try setResult(try transposed(try reduce(isMean ? .mean : .max, cells, [2, 4], keepDims: false), [0, 3, 1, 2]))
  }

  /// A convolution whose taps lie where offsets say (Dai et al. 2017), each weighted by a mask (Zhu et al. 2019).
  private func importDeformableConvolution() throws(EdgeError) {
    let (x, w, offset) = (try input(0), try input(1), try input(2))
    let shape = operands[x].shape
    let weights = operands[w].shape
    let moves = operands[offset].shape
    guard shape.rank == 4, weights.rank == 4, moves.rank == 4 else { throw reject("only images are supported, not \(shape.text)") }
    let (pixels, shifts) = (try floatTensor(x), try floatTensor(offset))
    let geometry = try geometry(over: shape, kernel: Array(weights.dims[2...]))
    let groups = try integerAttribute("group", 1)
    let offsetGroups = try integerAttribute("offset_group", 1)
    let (channels, outputs, out) = (shape[1], weights[0], Array(moves.dims[2...]))
    guard groups > 0, offsetGroups > 0, channels > 0, weights[1] > 0, groups <= channels, weights[1] == channels / groups, channels % groups == 0,
      outputs % groups == 0, channels % offsetGroups == 0, geometry.kernel == Array(weights.dims[2...]), moves[0] == shape[0],
      out.allSatisfy({ $0 > 0 }), shape[2] > 0, shape[3] > 0,
      let taps = Shape(geometry.kernel).elementCount(), let positions = Shape(out).elementCount(),
      let entries = multiplyChecked(taps, positions), entries <= 1 << 22, moves[1] == offsetGroups * 2 * taps
    else { throw wrongShape("weights \(weights.text) and offsets \(moves.text) do not fit \(shape.text)", operand: offset) }
    for axis in 0..<2 {
      let room = shape[axis + 2] + geometry.before[axis] + geometry.after[axis] - (geometry.kernel[axis] - 1) * geometry.dilations[axis] - 1
      guard room >= 0, out[axis] == room / geometry.strides[axis] + 1 else {
        throw wrongShape("offsets \(moves.text) do not fit the windows", operand: offset)
      }
    }
    let batch = shape[0]
    let all = try reshaped(shifts, [batch, offsetGroups, taps, 2, positions])
    var axes: [[(place: ValueID, weight: ValueID)]] = []
    for axis in 0..<2 {
      let chosen = try sliced(all, axis: 3, from: axis, to: axis + 1)
      var regular: [Float] = []
      for tap in 0..<taps {
        for position in 0..<positions {
          let inTap = axis == 0 ? tap / geometry.kernel[1] : tap % geometry.kernel[1]
          let inGrid = axis == 0 ? position / out[1] : position % out[1]
          regular.append(Float(inGrid * geometry.strides[axis] + inTap * geometry.dilations[axis] - geometry.before[axis]))
        }
      }
      let grid = try table(".grid", .float32, [entries], regular)
      let place = try binary(.add, try reshaped(chosen, [batch, offsetGroups, entries]), grid)
      axes.append(try neighbours(place, size: shape[axis + 2], clips: false))
    }
    let perGroup = channels / offsetGroups
    let flat = try reshaped(pixels, [batch, offsetGroups, perGroup, shape[2] * shape[3]])
    var sum: ValueID?
    for vertical in axes[0] {
      for horizontal in axes[1] {
        let row = try binary(.multiply, try part(.cast(.int64), [vertical.place]), try number(Double(shape[3]), .int64))
        let index = try binary(.add, row, try part(.cast(.int64), [horizontal.place]))
        let rows = try part(.expand(Shape([batch, offsetGroups, perGroup, entries])), [try reshaped(index, [batch, offsetGroups, 1, entries])])
        let weight = try reshaped(try binary(.multiply, vertical.weight, horizontal.weight), [batch, offsetGroups, 1, entries])
        let value = try binary(.multiply, try part(.take(Indexing(.elements, axis: 3)), [flat, rows]), weight)
        sum = try joined(sum, value)
      }
    }
    guard var seen = sum else { return }
    if let mask = try optionalInput(4) {
      guard operands[mask].shape.dims == [batch, offsetGroups * taps] + out else {
        throw wrongShape("the mask has shape \(operands[mask].shape.text)", operand: mask)
      }
      seen = try binary(.multiply, seen, try reshaped(try floatTensor(mask), [batch, offsetGroups, 1, entries]))
    }
    seen = try reshaped(seen, [batch, groups, weights[1] * taps, positions])
    let kernel = try reshaped(try floatTensor(w), [1, groups, outputs / groups, weights[1] * taps])
    var y = try reshaped(try part(.matMul, [kernel, seen]), [batch, outputs] + out)
    if let bias = try convolutionBias(3, channels: outputs) { y = try binary(.add, y, try reshaped(bias, [1, outputs, 1, 1])) }
    try setResult(y)
  }
}
