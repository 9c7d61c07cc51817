#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// MaxPool, AveragePool, GlobalMaxPool and GlobalAveragePool.

extension OnnxImporter {
  func importPooling() throws(EdgeError) {
    let x = try input(0)
    let rank = operands[x].shape.rank
    if node.type == "GlobalAveragePool" || node.type == "GlobalMaxPool" {
      let function = node.type == "GlobalMaxPool" ? ReduceFunction.max : .mean
      let y = try emit(.reduce(function, axes: [1, 2], keepDims: true), [try image(x)], resultName(image: true))
      return try setImageResult(y, rank: rank)
    }
    if isUsed(output: 1) { throw reject("indices of the maxima ('\(operands[outputs[1]].name)') are not supported") }
    var pool = Pool(node.type == "MaxPool" ? .max : .average, window: try window(over: operands[x].shape, kernel: nil))
    pool.ceilMode = try integerAttribute("ceil_mode", 0) != 0
    if pool.kind == .average { pool.countIncludesPad = try integerAttribute("count_include_pad", 0) != 0 }
    // SAME padding already covers the whole input; VALID never reads beyond it.
    switch try textAttribute("auto_pad", "NOTSET") {
    case "SAME_UPPER", "SAME_LOWER": pool.ceilMode = false
    default: break
    }
    let window = pool.window
    let tallest = (window.kernelHeight - 1) * window.dilationHeight + 1
    let widest = (window.kernelWidth - 1) * window.dilationWidth + 1
    if max(window.padTop, window.padBottom) >= tallest || max(window.padLeft, window.padRight) >= widest {
      if pool.kind == .max || window.dilationHeight * window.dilationWidth == 1 {
        throw reject("padding as wide as the window: a result would see no pixel")
      }
    }
    let y = try emit(.pool(pool), [try image(x)], resultName(image: true))
    try setImageResult(y, rank: rank)
  }
}
