#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Reductions, Softmax and LogSoftmax.

extension OnnxImporter {
  func importReduction() throws(EdgeError) {
    switch node.type {
    case "ReduceMean": try importReduce(.mean)
    case "ReduceSum": try importReduce(.sum)
    case "ReduceMax": try importReduce(.max)
    case "ReduceMin": try importReduce(.min)
    case "ReduceProd": try importReduce(.product)
    case "ReduceL1": try importReduce(.l1)
    case "ReduceL2": try importReduce(.l2)
    case "ReduceSumSquare": try importReduce(.sumSquare)
    case "ReduceLogSum": try importReduce(.logSum)
    case "ReduceLogSumExp": try importReduce(.logSumExp)
    case "ArgMax", "ArgMin":
      let x = try input(0)
      let isLast = try integerAttribute("select_last_index", 0) != 0
      let function: ReduceFunction = node.type == "ArgMax" ? (isLast ? .argMaxLast : .argMax) : isLast ? .argMinLast : .argMin
      let keepDims = try integerAttribute("keepdims", 1) != 0
      let op = Operator.reduce(function, axes: [try axisAttribute(0, operands[x].shape)], keepDims: keepDims)
      try setResult(try emit(op, [try tensor(x)], resultName()))
    default: try importSoftmax()
    }
  }

  /// Axes are an attribute up to operator set 12 (ReduceSum) or 17 (the others), an input since.
  private func importReduce(_ function: ReduceFunction) throws(EdgeError) {
    let x = try input(0)
    let rank = operands[x].shape.rank
    let listed = try axes(inputSince: function == .sum ? 13 : 18) ?? []
    let keepDims = try integerAttribute("keepdims", 1) != 0
    // Without axes each element may be a reduction of its own: itself, or its size, square or logarithm.
    let isEach = listed.isEmpty ? try integerAttribute("noop_with_empty_axes", 0) != 0 : false
    if isEach, function.rawValue <= ReduceFunction.product.rawValue || function == .logSumExp { return try setAlias(x) }
    let axes = listed.isEmpty ? Array(0..<(isEach ? 0 : rank)) : try normalized(listed, rank: rank)
    // Over pixels alone, images stay as they are; without kept axes [N, C] is the result of either layout.
    if rank == 4, isImage(x), keepDims || axes == [2, 3] {
      let imageAxes = ascending(axes.map { imageAxis($0, rank: rank) })
      let value = try image(x)
      if keepDims {
        return try setImageResult(try emit(.reduce(function, axes: imageAxes, keepDims: true), [value], resultName(image: true)), rank: rank)
      }
      return try setResult(try emit(.reduce(function, axes: imageAxes, keepDims: false), [value], resultName()))
    }
    try setResult(try emit(.reduce(function, axes: axes, keepDims: keepDims), [try tensor(x)], resultName()))
  }

  private func importSoftmax() throws(EdgeError) {
    let x = try input(0)
    try requireFloat(x)
    let shape = operands[x].shape
    let isLog = node.type == "LogSoftmax"
    let axis = try normalized(try integerAttribute("axis", opset < 13 ? 1 : -1), rank: shape.rank)
    // Up to operator set 12 all axes from `axis` on are one; that is the same when only one of them counts.
    let counting = (axis..<shape.rank).filter { shape[$0] != 1 }
    if opset >= 13 || counting.count <= 1 {
      let effective = opset >= 13 ? axis : counting.first ?? axis
      if isImage(x), shape.rank == 4 {
        let y = try emit(.softmax(axis: imageAxis(effective, rank: 4), log: isLog), [try image(x)], resultName(image: true))
        return try setImageResult(y, rank: 4)
      }
      return try setResult(try emit(.softmax(axis: effective, log: isLog), [try tensor(x)], resultName()))
    }
    guard !counting.contains(where: { shape[$0] == Shape.batch }) else { throw reject("a softmax over the batch") }
    guard let length = Shape(Array(shape.dims[axis...])).elementCount() else { throw malformed("the input's size overflows") }
    let name = operands[x].name
    let flat = try emit(.reshape(Shape(Array(shape.dims[..<axis]) + [length])), [try tensor(x)], helperName(name + ".flat"))
    let y = try emit(.softmax(axis: axis, log: isLog), [flat], helperName(name + ".softmax"))
    try setResult(try emit(.reshape(shape), [y], resultName()))
  }
}
