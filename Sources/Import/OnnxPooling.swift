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
    if rank == 5 || node.type == "MaxPool" && (operands[x].dtype == .uint8 || operands[x].dtype == .int8) { return try importPlainPool(x) }
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

  /// Volumes, and bytes by way of float32: windows are separable, so that a volume takes two pools, over its slices and
  /// across them. An average of averages is the average, because the pixels that count are a product too.
  private func importPlainPool(_ x: Int) throws(EdgeError) {
    let shape = operands[x].shape
    guard !isUsed(output: 1) else { throw reject("indices of the maxima ('\(operands[outputs[1]].name)') are not supported") }
    guard shape.rank == 4 || shape.rank == 5, !shape.hasBatch else { throw reject("an input of shape \(shape.text)") }
    let geometry = try geometry(over: shape, kernel: nil)
    guard !geometry.reachesBeyond else { throw reject("padding as wide as the window: a result would see no pixel") }
    var pool = Pool(node.type == "MaxPool" ? .max : .average, window: Window())
    pool.ceilMode = try integerAttribute("ceil_mode", 0) != 0
    if pool.kind == .average { pool.countIncludesPad = try integerAttribute("count_include_pad", 0) != 0 }
    if try textAttribute("auto_pad", "NOTSET").utf8.first == UInt8(ascii: "S") { pool.ceilMode = false }
    let dtype = operands[x].dtype
    var value = try tensor(x)
    if dtype != .float32 { value = try part(.cast(.float32), [value]) }
    let rank = shape.rank
    value = try transposed(value, [0] + Array(2..<rank) + [1])
    let slices = rank == 5 ? shape[0].multipliedReportingOverflow(by: shape[2]) : (partialValue: shape[0], overflow: false)
    guard !slices.overflow else { throw malformed("the input's size overflows") }
    value = try reshaped(value, [slices.partialValue, shape[rank - 2], shape[rank - 1], shape[1]])
    pool.window = geometry.window(height: rank - 4, width: rank - 3)
    value = try part(.pool(pool), [value])
    if rank == 5 {
      let dims = graph.values[value].shape.dims
      value = try reshaped(value, [shape[0], shape[2], dims[1] * dims[2], shape[1]])
      pool.window = geometry.window(height: 0, width: nil)
      value = try part(.pool(pool), [value])
      value = try reshaped(value, [shape[0], graph.values[value].shape[1], dims[1], dims[2], shape[1]])
    }
    value = try transposed(value, [0, rank - 1] + Array(1..<rank - 1))
    if dtype != .float32 { value = try part(.cast(dtype), [value]) }
    try setResult(value)
  }
}
