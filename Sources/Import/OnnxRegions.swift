#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// CenterCropPad, Col2Im, LpPool, GlobalLpPool and SwiGLU.

extension OnnxImporter {
  func importRegion() throws(EdgeError) {
    switch node.type {
    case "CenterCropPad": try importCenterCropPad()
    case "Col2Im": try importCol2Im()
    case "SwiGLU":
      let a = try floatTensor(try input(0))
      let angle = try binary(.multiply, a, try number(Double(try floatAttribute("alpha", 1)), .float32))
      let swish = try binary(.multiply, a, try unary(.sigmoid, angle))
      try setResult(try binary(.multiply, swish, try floatTensor(try input(1))))
    default: try importLpPool()
    }
  }

  private func importCenterCropPad() throws(EdgeError) {
    let id = try input(0)
    let shape = operands[id].shape
    guard let sizes = try integersInput(1, "the new size") else { throw malformed("the new size is missing") }
    let axes = try integersAttribute("axes") ?? Array(shape.dims.indices)
    guard axes.count == sizes.count else { throw malformed("\(sizes.count) sizes for \(axes.count) axes") }
    var starts = [Int](repeating: 0, count: shape.rank)
    var ends = shape.dims
    var before = starts
    var after = starts
    for (place, listed) in axes.enumerated() {
      let axis = try normalized(listed, rank: shape.rank)
      let (have, want) = (shape[axis], sizes[place])
      guard have >= 0, want >= 0, want <= Int(Int32.max) else { throw reject("axis \(axis) of \(shape.text) with \(want) elements") }
      if want < have {
        starts[axis] = (have - want) / 2
        ends[axis] = starts[axis] + want
      } else {
        before[axis] = (want - have) / 2
        after[axis] = want - have - before[axis]
      }
    }
    let cropped = try part(.slice(starts: starts, ends: ends, steps: [Int](repeating: 1, count: shape.rank)), [try tensor(id)])
    try setResult(try part(.pad(.constant, before: before, after: after, value: 0), [cropped]))
  }

  /// Columns of blocks added up where they overlap: an addition at constant positions of the padded image.
  private func importCol2Im() throws(EdgeError) {
    let id = try input(0)
    let shape = operands[id].shape
    guard let image = try integersInput(1, "the image's size"), let block = try integersInput(2, "the block's size"),
      block.count == image.count, !image.isEmpty, image.count <= 6, shape.rank == 3
    else { throw malformed("image and block sizes do not fit \(shape.text)") }
    let count = image.count
    let strides = try sizesAttribute("strides", count: count, standard: 1, minimum: 1)
    let dilations = try sizesAttribute("dilations", count: count, standard: 1, minimum: 1)
    let pads = try sizesAttribute("pads", count: 2 * count, standard: 0, minimum: 0)
    var padded: [Int] = []
    var steps: [Int] = []
    for axis in 0..<count {
      guard image[axis] > 0, image[axis] <= 1 << 24, block[axis] > 0, block[axis] <= 1 << 12 else { throw malformed("a size is out of range") }
      padded.append(image[axis] + pads[axis] + pads[count + axis])
      let room = padded[axis] - (dilations[axis] * (block[axis] - 1) + 1)
      guard room >= 0 else { throw malformed("the block is larger than the image") }
      steps.append(room / strides[axis] + 1)
    }
    guard let area = Shape(block).elementCount(), let positions = Shape(steps).elementCount(), let pixels = Shape(padded).elementCount(),
      let entries = Shape([area, positions]).elementCount(), entries <= 1 << 22, shape[1] > 0, shape[1] % area == 0, shape[2] == positions
    else { throw wrongShape("\(shape.text) does not hold such blocks", operand: id) }
    let distance = Shape(padded).strides
    var places: [Int64] = []
    for element in 0..<area {
      for position in 0..<positions {
        var (inBlock, inGrid, place) = (element, position, 0)
        for axis in (0..<count).reversed() {
          place += (inBlock % block[axis] * dilations[axis] + inGrid % steps[axis] * strides[axis]) * distance[axis]
          inBlock /= block[axis]
          inGrid /= steps[axis]
        }
        places.append(Int64(place))
      }
    }
    let channels = shape[1] / area
    let index = try table(".places", .int64, [1, 1, entries], places)
    let spread = try part(.expand(Shape([shape[0], channels, entries])), [index])
    let empty = try part(.expand(Shape([shape[0], channels, pixels])), [try number(0, operands[id].dtype)])
    let columns = try reshaped(try tensor(id), [shape[0], channels, entries])
    let sum = try part(.put(Indexing(.elements, axis: 2), .add), [empty, spread, columns])
    let whole = try reshaped(sum, [shape[0], channels] + padded)
    var ends = graph.values[whole].shape.dims
    for axis in 0..<count { ends[axis + 2] = pads[axis] + image[axis] }
    try setResult(
      try part(.slice(starts: [0, 0] + pads[..<count], ends: ends, steps: [Int](repeating: 1, count: count + 2)), [whole]))
  }

  /// The p-th root of the sum of p-th powers: the sum is a depthwise convolution with ones.
  private func importLpPool() throws(EdgeError) {
    let id = try input(0)
    let shape = operands[id].shape
    let p = try integerAttribute("p", 2)
    guard p > 0 else { throw malformed("attribute 'p' is \(p)") }
    let exponent = try number(Double(p), .float32)
    let root = try number(1 / Double(p), .float32)
    if node.type == "GlobalLpPool" {
      guard shape.rank > 2 else { throw wrongShape("\(shape.text) has no pixels", operand: id) }
      let powers = try binary(.power, try unary(.abs, try floatTensor(id)), exponent)
      return try setResult(try binary(.power, try reduce(.sum, powers, Array(2..<shape.rank)), root))
    }
    if shape.rank == 5 {
      // An average that counts the padding, times the window's size.
      let geometry = try geometry(over: shape, kernel: nil)
      var pool = Pool(.average, window: Window())
      pool.countIncludesPad = true
      if try integerAttribute("ceil_mode", 0) != 0 { throw reject("attribute 'ceil_mode'") }
      guard let taps = Shape(geometry.kernel).elementCount() else { throw malformed("the window's size overflows") }
      let powers = try binary(.power, try unary(.abs, try floatTensor(id)), exponent)
      let sums = try binary(.multiply, try pooled(powers, geometry, pool), try number(Double(taps), .float32))
      return try setResult(try binary(.power, sums, root))
    }
    let window = try self.window(over: shape, kernel: nil)
    if try integerAttribute("ceil_mode", 0) != 0, try textAttribute("auto_pad", "NOTSET") == "NOTSET" { throw reject("attribute 'ceil_mode'") }
    let powers = try binary(.power, try unary(.abs, try image(id)), exponent)
    let channels = graph.values[powers].shape[3]
    guard channels > 0, channels <= 1 << 20, let taps = Shape([channels, window.kernelHeight, window.kernelWidth]).elementCount(), taps <= 1 << 22
    else { throw reject("a window of \(window.kernelHeight) x \(window.kernelWidth)") }
    let ones = try table(
      ".ones", .float32, [channels, window.kernelHeight, window.kernelWidth, 1], [Float](repeating: 1, count: taps))
    let sums = try part(.convolution(Convolution(window: window, groups: channels)), [powers, ones])
    try setImageResult(try binary(.power, sums, root), rank: shape.rank)
  }
}
