#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// SVDF (Nakkiran et al. 2015): a layer of which each filter is a product of one over the features and one over time.

extension TfliteImporter {
  /// Inputs: x [N, K], feature filters [F, K], time filters [F, M], bias [U]?, state [N, F M]; F = U rank.
  ///
  /// Of integers the state is held as LiteRT holds it, rounded to its scale; what is around it is computed in float.
  func importSvdf() throws(EdgeError) {
    let options = try options(6)
    let rank = try options.int32(0)
    let clamp = try clamp(try options.byte(1))
    let x = try realValue(0)
    let (features, time) = (try floatValue(try input(1)), try floatValue(try input(2)))
    let state = try input(4)
    let (featureShape, timeShape) = (shapeOf(features), shapeOf(time))
    guard featureShape.rank == 2, timeShape.rank == 2, rank > 0, featureShape[0] == timeShape[0], featureShape[0] > 0, timeShape[1] > 0,
      featureShape[0] % rank == 0, shapeOf(x).rank == 2, shapeOf(x)[0] >= 0, model.tensors[state].isVariable,
      let width = multiplyChecked(featureShape[0], timeShape[1]), model.tensors[state].dims == [shapeOf(x)[0], width]
    else { throw malformed("the filters do not fit the input or the state") }
    let (batch, filters, length) = (shapeOf(x)[0], featureShape[0], timeShape[1])
    guard graph.values[features].constant != nil else { throw reject("computed filters are not supported") }

    // The newest feature comes in at the end, the oldest leaves.
    var newest = try helper(.dense(.none), [x, features])
    let scale = try stateScale(state)
    if let scale {
      newest = try binary(.multiply, newest, try number(Double(1 / scale), .float32))
      newest = try helper(.unary(UnaryFunction(.round)), [newest])
      newest = try helper(.unary(UnaryFunction(.clamp, alpha: -32768, beta: 32767)), [newest])
    }
    let before = try reshaped(try stateValue(state, ElementType(.float32)), [batch, filters, length])
    var parts = [try reshaped(newest, [batch, filters, 1])]
    if length > 1 {
      parts.insert(try helper(.slice(starts: [0, 0, 1], ends: [batch, filters, length], steps: [1, 1, 1]), [before]), at: 0)
    }
    let cells = try helper(.concat(axis: 2), parts)
    try setState(state, try reshaped(cells, [batch, width]))

    let weighted = try binary(.multiply, cells, try reshaped(time, [1, filters, length]))
    let rows = try reshaped(weighted, [batch, filters / rank, rank * length])
    var result = try helper(.reduce(.sum, axes: [2], keepDims: false), [rows])
    if let scale { result = try binary(.multiply, result, try number(Double(scale), .float32)) }
    if let bias = optionalInput(3) { result = try binary(.add, result, try realBias(bias, state, scale)) }
    // LiteRT's integer form leaves the activation to the result's range.
    if scale == nil, !clamp.isNone { result = try helper(.unary(UnaryFunction(.clamp, alpha: clamp.min, beta: clamp.max)), [result]) }
    try finish(result)
  }

  /// Of a state of 16-bit integers.
  private func stateScale(_ state: Int) throws(EdgeError) -> Float? {
    switch try fileType(state) {
    case .float32: return nil
    case .int16:
      guard let quantization = try fileQuantization(state), quantization.axis == nil else { throw malformed("the state has no scale", tensor: state) }
      return quantization.scales[0]
    default: throw reject("a state of this element type is not supported")
    }
  }

  /// The bias of the integer form has the scale of the products.
  private func realBias(_ bias: Int, _ state: Int, _ scale: Float?) throws(EdgeError) -> ValueID {
    let value = try value(bias)
    guard let scale else { return value }
    guard graph.values[value].dtype == .int32, let time = try fileQuantization(try input(2)), time.axis == nil else {
      throw malformed("the bias or the time filters have no scale", tensor: bias)
    }
    return try binary(.multiply, try helper(.cast(.float32), [value]), try number(Double(scale) * Double(time.scales[0]), .float32))
  }
}
