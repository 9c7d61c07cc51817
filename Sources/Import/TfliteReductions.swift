#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// MEAN, SUM, REDUCE_*, SOFTMAX, LOG_SOFTMAX, L2_NORMALIZATION and LOCAL_RESPONSE_NORMALIZATION.

extension TfliteImporter {
  func importReduction(_ code: TfliteCode) throws(EdgeError) {
    switch code {
    case .mean: try importReduce(.mean)
    case .sum: try importReduce(.sum)
    case .reduceMax, .reduceAny: try importReduce(.max)
    case .reduceMin, .reduceAll: try importReduce(.min)
    case .reduceProd: try importReduce(.product)
    case .softmax: try importSoftmax()
    case .logSoftmax:
      let x = try inputValue(0)
      try compute(.softmax(axis: shapeOf(x).rank - 1, log: true), [x])
    case .localResponseNormalization:
      // The sum's factor is for the whole window here.
      let options = try options(13)
      let radius = try options.int32(0)
      guard radius >= 0, radius < 1 << 20 else { throw malformed("radius \(radius) is out of range") }
      let size = 2 * radius + 1
      let op = Operator.localResponseNormalization(
        size: size, alpha: try options.float(2) * Float(size), beta: try options.float(3), bias: try options.float(1))
      try compute(op, [try inputValue(0)])
    default: try importNormalization()
    }
  }

  private func importReduce(_ function: ReduceFunction) throws(EdgeError) {
    let x = try inputValue(0)
    let shape = shapeOf(x)
    var axes: [Int] = []
    for axis in try integers(try input(1)) {
      let axis = try normalized(axis, rank: shape.rank)
      if !axes.contains(axis) { axes.append(axis) }
    }
    if axes.contains(where: { shape[$0] == Shape.batch }) { throw reject("a reduction over the batch is not supported") }
    let op = Operator.reduce(function, axes: axes, keepDims: try options(27).bool(0))
    guard function != .product || !hasScale(x) else { return try finish(try helper(op, [try realValue(0)])) }
    if function == .mean, !hasScale(x), graph.values[x].dtype != .float32 { throw reject("a mean of integers is not supported") }
    try compute(op, [x])
  }

  /// softmax(beta x) along the last axis.
  private func importSoftmax() throws(EdgeError) {
    let beta = try options(9).float(0)
    if beta == 1 {
      let x = try inputValue(0)
      return try compute(.softmax(axis: shapeOf(x).rank - 1, log: false), [x])
    }
    let x = try binary(.multiply, try realValue(0), try number(Double(beta), .float32))
    try finish(try helper(.softmax(axis: shapeOf(x).rank - 1, log: false), [x]))
  }

  /// x / max(|x|, 1e-6) along the last axis.
  private func importNormalization() throws(EdgeError) {
    let x = try realValue(0)
    let clamp = try clamp(try options(12).byte(0))
    let norm = try helper(.reduce(.l2, axes: [shapeOf(x).rank - 1], keepDims: true), [x])
    let floor = try helper(.unary(UnaryFunction(.clamp, alpha: 1e-6, beta: .infinity)), [norm])
    try finish(try helper(.binary(.divide, clamp), [x, floor]))
  }

  func normalized(_ axis: Int, rank: Int) throws(EdgeError) -> Int {
    let positive = axis < 0 ? axis &+ rank : axis
    guard positive >= 0, positive < rank else { throw malformed("axis \(axis) does not exist in rank \(rank)") }
    return positive
  }
}
