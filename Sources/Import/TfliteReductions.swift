#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// MEAN, SUM, REDUCE_*, SOFTMAX, LOG_SOFTMAX and L2_NORMALIZATION.

extension TfliteImporter {
  func importReduction(_ code: TfliteCode) throws(EdgeError) {
    switch code {
    case .mean: try importReduce(.mean)
    case .sum: try importReduce(.sum)
    case .reduceMax: try importReduce(.max)
    case .reduceMin: try importReduce(.min)
    case .reduceProd: try importReduce(.product)
    case .softmax: try importSoftmax()
    case .logSoftmax:
      let x = try inputValue(0)
      try compute(.softmax(axis: shapeOf(x).rank - 1, log: true), [x])
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
    try compute(.reduce(function, axes: axes, keepDims: try options(27).bool(0)), [x])
  }

  /// softmax(beta x) along the last axis.
  private func importSoftmax() throws(EdgeError) {
    let beta = try options(9).float(0)
    var x = try inputValue(0)
    if beta != 1 {
      guard !hasScale(x) else { throw reject("beta \(beta) is supported only in float") }
      let factor = try graph.addConstant(helperName(nodeName + "_beta"), .float32, Shape([]), [beta])
      x = try helper(.binary(.multiply, .none), [x, factor])
    }
    try compute(.softmax(axis: shapeOf(x).rank - 1, log: false), [x])
  }

  /// x / max(|x|, 1e-6) along the last axis.
  private func importNormalization() throws(EdgeError) {
    let x = try inputValue(0)
    try requireFloat(x)
    let clamp = try clamp(try options(12).byte(0))
    let norm = try helper(.reduce(.l2, axes: [shapeOf(x).rank - 1], keepDims: true), [x])
    let floor = try helper(.unary(UnaryFunction(.clamp, alpha: 1e-6, beta: .infinity)), [norm])
    try compute(.binary(.divide, clamp), [x, floor])
  }

  func normalized(_ axis: Int, rank: Int) throws(EdgeError) -> Int {
    let positive = axis < 0 ? axis &+ rank : axis
    guard positive >= 0, positive < rank else { throw malformed("axis \(axis) does not exist in rank \(rank)") }
    return positive
  }
}
