#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// DFT and STFT: products with matrices of cosines and sines.

extension OnnxImporter {
  /// cos(2 pi j / n) and sin(2 pi j / n) for j below n, by turning step by step in double precision.
  private func circle(_ n: Int) -> (cosines: [Double], sines: [Double]) {
    // Maclaurin series of one step; below 2 pi thirty terms are more than enough.
    let angle = 6.283185307179586 / Double(n)
    var (cosine, sine, term) = (1.0, 0.0, 1.0)
    for power in 1...40 {
      term = term * angle / Double(power)
      switch power & 3 {
      case 1: sine += term
      case 2: cosine -= term
      case 3: sine -= term
      default: cosine += term
      }
    }
    var cosines = [1.0]
    var sines = [0.0]
    for index in 1..<max(n, 1) {
      let (c, s) = (cosines[index - 1], sines[index - 1])
      cosines.append(c * cosine - s * sine)
      sines.append(c * sine + s * cosine)
    }
    return (cosines, sines)
  }

  /// The transform along the last axis of a real and, if there is one, an imaginary part.
  ///
  /// - Parameters:
  ///   - n: length of the transform; the parts have that many elements, or `bins` for a one-sided inverse.
  ///   - onesided: forward: bins 0...n/2 only; inverse: those are the input, and the result is real.
  private func transform(
    _ real: ValueID, _ imaginary: ValueID?, n: Int, inverse: Bool, onesided: Bool
  ) throws(EdgeError) -> (real: ValueID, imaginary: ValueID?) {
    let half = n / 2 + 1
    let (from, to) = (inverse && onesided ? half : n, !inverse && onesided ? half : n)
    guard n > 0, from <= 1 << 12, to <= 1 << 12 else { throw reject("a transform of \(n) points") }
    let (cosines, sines) = circle(n)
    var (c, s) = ([Float](), [Float]())
    for row in 0..<to {
      for column in 0..<from {
        let turn = row * column % n
        // The other half of a one-sided spectrum is its mirror image.
        let isMirrored = inverse && onesided && column > 0 && 2 * column != n
        let factor = (inverse ? 1 / Double(n) : 1) * (isMirrored ? 2 : 1)
        c.append(Float(cosines[turn] * factor))
        s.append(Float((inverse ? -sines[turn] : sines[turn]) * factor))
      }
    }
    let cosine = try table(".cos", .float32, [to, from], c)
    let sine = try table(".sin", .float32, [to, from], s)
    var y = try part(.dense(.none), [real, cosine])
    var z: ValueID?
    if let imaginary { y = try binary(.add, y, try part(.dense(.none), [imaginary, sine])) }
    if !(inverse && onesided) {
      let turned = try unary(.negate, try part(.dense(.none), [real, sine]))
      if let imaginary { z = try binary(.add, try part(.dense(.none), [imaginary, cosine]), turned) } else { z = turned }
    }
    return (y, z)
  }

  /// The parts of numbers in pairs along the last axis, which goes.
  private func parts(_ x: ValueID) throws(EdgeError) -> (real: ValueID, imaginary: ValueID?) {
    let dims = graph.values[x].shape.dims
    guard let last = dims.last, last == 1 || last == 2 else { throw malformed("the last axis is neither 1 nor 2") }
    let rest = Array(dims.dropLast())
    if last == 1 { return (try reshaped(x, rest), nil) }
    let names = [helperName(nodeName + ".real"), helperName(nodeName + ".imaginary")]
    let both = try emit(.split(axis: rest.count, sizes: [1, 1]), [x], names)
    return (try reshaped(both[0], rest), try reshaped(both[1], rest))
  }

  private func paired(_ real: ValueID, _ imaginary: ValueID?) throws(EdgeError) -> ValueID {
    let dims = graph.values[real].shape.dims
    let first = try reshaped(real, dims + [1])
    guard let imaginary else { return first }
    return try part(.concat(axis: dims.count), [first, try reshaped(imaginary, dims + [1])])
  }

  func importSpectrum() throws(EdgeError) {
    if node.type == "STFT" { return try importShortTime() }
    let x = try input(0)
    let shape = operands[x].shape
    let given = opset < 20 ? try integerAttribute("axis", 1) : try integersInput(2, "the axis")?.first ?? -2
    let axis = try normalized(given, rank: shape.rank)
    guard axis < shape.rank - 1, shape[axis] > 0 else { throw malformed("a transform along axis \(axis) of \(shape.text)") }
    let inverse = try integerAttribute("inverse", 0) != 0
    let onesided = try integerAttribute("onesided", 0) != 0
    let isHalf = inverse && onesided
    let n = try integersInput(1, "the length")?.first ?? (isHalf ? 2 * (shape[axis] - 1) : shape[axis])
    guard n > 0, n <= 1 << 13 else { throw reject("a transform of \(n) points") }
    // Cut, or filled up with zeros, to the length; then the axis becomes the last one.
    let length = isHalf ? n / 2 + 1 : n
    var value = try floatTensor(x)
    if length < shape[axis] {
      var ends = shape.dims
      ends[axis] = length
      value = try part(.slice(starts: [Int](repeating: 0, count: shape.rank), ends: ends, steps: [Int](repeating: 1, count: shape.rank)), [value])
    } else if length > shape[axis] {
      var after = [Int](repeating: 0, count: shape.rank)
      after[axis] = length - shape[axis]
      value = try part(.pad(.constant, before: [Int](repeating: 0, count: shape.rank), after: after, value: 0), [value])
    }
    var order = Array(0..<shape.rank - 1)
    order.remove(at: axis)
    order.append(axis)
    let both = try parts(value)
    var imaginary = both.imaginary
    if let there = imaginary { imaginary = try transposed(there, order) }
    let result = try transform(try transposed(both.real, order), imaginary, n: n, inverse: inverse, onesided: onesided)
    var back = Array(0..<shape.rank - 2)
    back.insert(shape.rank - 2, at: axis)
    imaginary = result.imaginary
    if let there = imaginary { imaginary = try transposed(there, back) }
    try setResult(try paired(try transposed(result.real, back), imaginary))
  }

  /// Transforms of windows that move along a signal [N, length, 1 or 2].
  private func importShortTime() throws(EdgeError) {
    let x = try input(0)
    let shape = operands[x].shape
    let window = try optionalInput(2)
    guard shape.rank == 3, shape[1] > 0, let step = try integersInput(1, "the step")?.first, step > 0 else {
      throw malformed("the step is missing, or \(shape.text) is no signal")
    }
    guard let length = try integersInput(3, "the length")?.first ?? window.flatMap({ operands[$0].shape.dims.first }), length > 0,
      length <= shape[1], window == nil || operands[inputs[2]].shape.dims == [length]
    else { throw malformed("the window's length is missing or does not fit") }
    let frames = (shape[1] - length) / step + 1
    guard frames <= 1 << 20, frames * length <= 1 << 22 else { throw reject("\(frames) windows of \(length)") }
    var rows: [Int32] = []
    for frame in 0..<frames {
      for place in 0..<length { rows.append(Int32(clamping: frame * step + place)) }
    }
    func framed(_ signal: ValueID) throws(EdgeError) -> ValueID {
      let wide = try part(.gather(axis: 1, indices: rows, scalarIndex: false), [signal])
      let dealt = try reshaped(wide, [shape[0], frames, length])
      if let window { return try binary(.multiply, dealt, try floatTensor(window)) }
      return dealt
    }
    let both = try parts(try floatTensor(x))
    var imaginary: ValueID?
    if let there = both.imaginary { imaginary = try framed(there) }
    let onesided = try integerAttribute("onesided", 1) != 0
    let result = try transform(try framed(both.real), imaginary, n: length, inverse: false, onesided: onesided)
    try setResult(try paired(result.real, result.imaginary))
  }
}
