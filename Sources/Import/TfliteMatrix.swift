#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// FULLY_CONNECTED and BATCH_MATMUL.

extension TfliteImporter {
  /// x is flattened to rows of as many elements as the weights [O, K] take.
  func importFullyConnected() throws(EdgeError) {
    let options = try options(8)
    guard try options.byte(1) == 0 else { throw reject("shuffled weights are not supported") }
    let keepsDims = try options.bool(2)
    let clamp = try clamp(try options.byte(0))
    var x = try inputValue(0)
    let quantized = hasScale(x)
    let matrix = try input(1)
    // float16 weights are what a DEQUANTIZE made: a constant nevertheless.
    let computed = isConstant(matrix) ? Node.noValue : try inputValue(1)
    let isComputed = computed != Node.noValue && graph.values[computed].constant == nil
    let factor = isComputed ? computed : try weights(matrix, channelAxis: 0, quantized: quantized)
    let weights = shapeOf(factor)
    guard weights.rank == 2, weights[1] > 0 else { throw malformed("weights have shape \(weights.text)", tensor: matrix) }
    if !keepsDims || shapeOf(x).dims.last != weights[1] {
      let rows = try rows(shapeOf(x), of: weights[1])
      if shapeOf(x) != rows { x = try helper(.reshape(rows), [x]) }
    }
    if isComputed { return try importProduct(x, computed, clamp) }
    var operands = [x, factor]
    if let bias = optionalInput(2) { operands.append(try self.bias(bias, channels: weights[0], quantized: quantized)) }
    try compute(.dense(clamp), operands)
  }

  /// [number of rows, length].
  private func rows(_ shape: Shape, of length: Int) throws(EdgeError) -> Shape {
    guard let count = SymbolicCount(shape), count.known % length == 0, count.power == 0 || count.power == 1 && count.known == length else {
      throw malformed("\(shape.text) does not divide into rows of \(length)", tensor: inputs[0])
    }
    return Shape([count.power == 0 ? count.known / length : Shape.batch, length])
  }

  /// Weights that are computed: a product of matrices.
  private func importProduct(_ x: ValueID, _ weights: ValueID, _ clamp: Clamp) throws(EdgeError) {
    let turned = try helper(.transpose([1, 0]), [weights])
    guard optionalInput(2) != nil else { return try compute(.matMul, [x, turned], then: clamp) }
    guard !hasScale(x) else { throw reject("a bias with computed integer weights is not supported") }
    try compute(.binary(.add, clamp), [try helper(.matMul, [x, turned]), try inputValue(2)])
  }

  func importBatchMatmul() throws(EdgeError) {
    let options = try options(101)
    var operands: [ValueID] = []
    for index in 0..<2 {
      let tensor = try input(index)
      var operand = isWide ? try realValue(index) : index == 1 && !hasScale(operands[0]) ? try floatValue(tensor) : try value(tensor)
      let rank = shapeOf(operand).rank
      guard rank >= 2 else { throw malformed("a factor has rank \(rank)", tensor: tensor) }
      if try options.bool(index) {
        operand = try helper(.transpose(Array(0..<rank - 2) + [rank - 1, rank - 2]), [operand])
      }
      operands.append(operand)
    }
    if isWide { return try importWideProduct(operands) }
    try compute(.matMul, operands)
  }
}
