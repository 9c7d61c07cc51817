#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// What compositions of several graph operators are written with.

extension TfliteImporter {
  func binary(_ function: BinaryFunction, _ a: ValueID, _ b: ValueID) throws(EdgeError) -> ValueID {
    try helper(.binary(function, .none), [a, b])
  }

  func reshaped(_ x: ValueID, _ dims: [Int]) throws(EdgeError) -> ValueID {
    shapeOf(x).dims == dims ? x : try helper(.reshape(Shape(dims)), [x])
  }

  func transposed(_ x: ValueID, _ permutation: [Int]) throws(EdgeError) -> ValueID {
    permutation == Array(permutation.indices) ? x : try helper(.transpose(permutation), [x])
  }

  /// An input as the real numbers that it stands for; integers without a scale stay what they are.
  func realValue(_ index: Int) throws(EdgeError) -> ValueID {
    let x = try floatValue(try input(index))
    return hasScale(x) ? try helper(.dequantize, [x]) : x
  }

  /// Indices as int32 or int64.
  func indexValue(_ index: Int) throws(EdgeError) -> ValueID {
    let x = try inputValue(index)
    let dtype = graph.values[x].dtype
    return dtype == .int32 || dtype == .int64 || hasScale(x) ? x : try helper(.cast(.int32), [x])
  }

  /// The current node's result, from a value of another element type: real numbers where the file's are quantized,
  /// int64 where they are int32.
  func finish(_ value: ValueID, output index: Int = 0) throws(EdgeError) {
    let type = try innerType(try output(index))
    let from = graph.values[value]
    let isSame = from.quantization != nil || from.dtype == type.dtype || type.quantization != nil
    if isSame { return try setResult(value, output: index) }
    try compute(.cast(type.dtype), [value], output: index)
  }

  /// A constant of one number of a plain type.
  func number(_ value: Double, _ dtype: DType) throws(EdgeError) -> ValueID {
    let name = helperName(nodeName)
    if dtype == .float32 { return try graph.addConstant(name, .float32, Shape([]), [Float(value)]) }
    let wide = try graph.addConstant(name, .int64, Shape([]), [Int64(value)])
    return dtype == .int64 ? wide : try helper(.cast(dtype), [wide])
  }

  /// The numbers 0, 1 ... as integers along one axis of a shape that is 1 elsewhere.
  func positions(_ count: Int, axis: Int, rank: Int, _ dtype: DType) throws(EdgeError) -> ValueID {
    guard count >= 0, count <= 1 << 24 else {
      throw EdgeError(.limitExceeded, "\(node.typeName): an index table of \(count) entries", node: nodeName, byteOffset: node.byteOffset)
    }
    var dims = [Int](repeating: 1, count: rank)
    dims[axis] = count
    try noteConverted(count &* 4)
    var numbers: [Int32] = []
    numbers.reserveCapacity(count)
    var next: Int32 = 0
    while numbers.count < count {
      numbers.append(next)
      next &+= 1
    }
    let table = try graph.addConstant(helperName(nodeName), .int32, Shape(dims), numbers)
    return dtype == .int32 ? table : try helper(.cast(dtype), [table])
  }
}
