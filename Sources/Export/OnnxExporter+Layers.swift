#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Operators with weights, and what goes over channels or windows: they want the channels first.

extension OnnxExporter {
  private func attributes(_ window: Window) -> [(name: StaticString, value: OnnxValue)] {
    [
      ("kernel_shape", .integers([window.kernelHeight, window.kernelWidth])),
      ("strides", .integers([window.strideHeight, window.strideWidth])),
      ("pads", .integers([window.padTop, window.padLeft, window.padBottom, window.padRight])),
    ]
  }

  private func dilations(_ window: Window) -> (name: StaticString, value: OnnxValue) {
    ("dilations", .integers([window.dilationHeight, window.dilationWidth]))
  }

  /// The float numbers of a bias; of int32, at the product of the scales of input and weights.
  private func bias() throws(EdgeError) -> [Text] {
    guard let id = node.input(2) else { return [] }
    var value = graph.values[id]
    guard value.dtype == .int32 else { return [try name(id, first: false, float: true)] }
    let (x, w) = (graph.values[node.inputs[0]].quantization, graph.values[node.inputs[1]].quantization)
    guard let x, let w, value.constant != nil else { throw unsupported("the bias is not constant") }
    value.quantization = Quantization(
      scales: w.scales.map { $0 * x.scales[0] }, zeroPoints: [Int32](repeating: 0, count: w.scales.count), axis: w.axis == nil ? nil : 0)
    return [try dequantizedConstant(value, value.name)]
  }

  func writeConvolution(_ convolution: Convolution) throws(EdgeError) {
    var inputs = [try name(node.inputs[0], first: true, float: true), try name(node.inputs[1], first: true, float: true)]
    inputs += try bias()
    let residual = node.input(3)
    try add(
      "Conv", inputs, first: true, residual: residual == nil ? nil : try name(node.inputs[3], first: true, float: true), clamp: convolution.clamp,
      attributes(convolution.window) + [dilations(convolution.window), ("group", .integer(convolution.groups))])
  }

  /// Weights [G*O/G, KH, KW, C/G] become [C, O/G, KH, KW].
  func writeTransposedConvolution(_ convolution: TransposedConvolution) throws(EdgeError) {
    let (id, groups) = (node.inputs[1], convolution.groups)
    let x = try name(node.inputs[0], first: true, float: true)
    if movedGroups[id] != groups {
      movedWeights[id] = try dequantizedConstant(try transposed(graph.values[id], groups), graph.values[id].name)
      movedGroups[id] = groups
    }
    try add(
      "ConvTranspose", [x, movedWeights[id]] + (try bias()), first: true, clamp: convolution.clamp,
      attributes(convolution.window) + [
        dilations(convolution.window), ("group", .integer(groups)),
        ("output_padding", .integers([convolution.outputPadHeight, convolution.outputPadWidth])),
      ])
  }

  private func transposed(_ source: Value, _ groups: Int) throws(EdgeError) -> Value {
    var weights = source
    guard weights.constant != nil else { throw unsupported("the weights are not constant") }
    let dims = weights.shape.dims
    // Scales of several groups do not lie along an axis of the file's weights.
    if groups > 1, weights.quantization?.axis != nil, let floats = try weights.dequantized(name: weights.name) { weights = floats }
    let type = weights.quantization
    weights.quantization = nil
    weights.shape = Shape([groups, dims[0] / groups, dims[1], dims[2], dims[3]])
    guard var moved = try weights.permuted([0, 4, 1, 2, 3], name: weights.name) else {
      throw EdgeError(.internalError, "the weights have no contents", node: node.name)
    }
    moved.shape = Shape([groups * dims[3], dims[0] / groups, dims[1], dims[2]])
    moved.quantization = type
    if type?.axis != nil { moved.quantization?.axis = 1 }
    return moved
  }

  /// Gemm, or MatMul and Add where the rows are not one matrix.
  func writeDense(_ clamp: Clamp) throws(EdgeError) {
    let x = try name(node.inputs[0], first: false, float: true)
    let bias = try bias()
    let residual = node.input(3) == nil ? nil : try name(node.inputs[3], first: false, float: true)
    if shape(node.inputs[0]).rank == 2 {
      let inputs = [x, try name(node.inputs[1], first: false, float: true)] + bias
      return try add("Gemm", inputs, first: false, residual: residual, clamp: clamp, [("transB", .integer(1))])
    }
    let id = node.inputs[1]
    if movedGroups[id] == 0 {
      let weights = graph.values[id]
      guard let moved = try weights.permuted([1, 0], name: weights.name) else { throw unsupported("the weights are not constant") }
      movedWeights[id] = try dequantizedConstant(moved, weights.name)
      movedGroups[id] = 1
    }
    var inputs = [x, movedWeights[id]]
    guard let bias = bias.first else { return try add("MatMul", inputs, first: false, residual: residual, clamp: clamp) }
    let product = partName("product")
    file.addNode("MatMul", product, inputs, [product], [])
    inputs = [product, bias]
    try add("Add", inputs, first: false, residual: residual, clamp: clamp)
  }

  func writeBatchNormalization(_ epsilon: Float) throws(EdgeError) {
    guard shape(node.inputs[0]).rank >= 2 else { throw unsupported("the input is a single row") }
    var inputs = [try name(node.inputs[0], first: true, float: true)]
    for input in node.inputs.dropFirst() { inputs.append(try name(input, first: false, float: true)) }
    try add("BatchNormalization", inputs, first: true, [("epsilon", .float(epsilon))])
  }

  func writePool(_ pool: Pool) throws(EdgeError) {
    let isAverage = pool.kind != .max
    var window = pool.window
    // A window that reaches over the end sees padding there; only where that counts it must be told apart.
    var isPadded = pool.ceilMode && !(isAverage && pool.countIncludesPad)
    if isPadded {
      let (x, y) = (shape(node.inputs[0]), shape(node.outputs[0]))
      func reach(_ axis: Int, _ stride: Int, _ kernel: Int, _ dilation: Int, _ before: Int) -> Int {
        (y[axis] &- 1) &* stride &+ (kernel &- 1) &* dilation &+ 1 &- x[axis] &- before
      }
      window.padBottom = max(window.padBottom, reach(1, window.strideHeight, window.kernelHeight, window.dilationHeight, window.padTop))
      window.padRight = max(window.padRight, reach(2, window.strideWidth, window.kernelWidth, window.dilationWidth, window.padLeft))
      // A dilated window can reach further over the end than a padding may.
      if window.padBottom >= window.kernelHeight || window.padRight >= window.kernelWidth {
        if isAverage { throw unsupported("a dilated window reaches over the end by more than its elements") }
        window = pool.window
        isPadded = false
      }
    }
    var all = attributes(window) + [("ceil_mode", .integer(pool.ceilMode && !isPadded ? 1 : 0))]
    if isAverage { all.append(("count_include_pad", .integer(pool.countIncludesPad ? 1 : 0))) }
    // An attribute of the average since operator set 19.
    if !isAverage || pool.window.dilationHeight > 1 || pool.window.dilationWidth > 1 { all.append(dilations(pool.window)) }
    try add(isAverage ? "AveragePool" : "MaxPool", [try name(node.inputs[0], first: true, float: true)], first: true, all)
  }

  func writeLocalResponse(_ size: Int, _ alpha: Float, _ beta: Float, _ bias: Float) throws(EdgeError) {
    try add(
      "LRN", [try name(node.inputs[0], first: true, float: true)], first: true,
      [("size", .integer(size)), ("alpha", .float(alpha)), ("beta", .float(beta)), ("bias", .float(bias))])
  }

  func writeResize(_ resize: Resize) throws(EdgeError) {
    let x = shape(node.inputs[0])
    let mode: StaticString = resize.mode == .nearest ? "nearest" : resize.mode == .linear ? "linear" : "cubic"
    let coordinates: StaticString
    switch resize.coordinates {
    case .halfPixel: coordinates = "half_pixel"
    case .pytorchHalfPixel: coordinates = "pytorch_half_pixel"
    case .alignCorners: coordinates = "align_corners"
    case .asymmetric: coordinates = "asymmetric"
    }
    let nearest: StaticString
    switch resize.nearest {
    case .roundPreferFloor: nearest = "round_prefer_floor"
    case .roundPreferCeil: nearest = "round_prefer_ceil"
    case .floor: nearest = "floor"
    case .ceil: nearest = "ceil"
    }
    var all: [(name: StaticString, value: OnnxValue)] = [
      ("mode", .text(mode)), ("coordinate_transformation_mode", .text(coordinates)), ("nearest_mode", .text(nearest)),
      ("cubic_coeff_a", .float(resize.cubicCoefficient)), ("exclude_outside", .integer(resize.excludeOutside ? 1 : 0)),
    ]
    var inputs = [try name(node.inputs[0], first: true, float: true), ""]
    if OnnxExporter.followsScales(resize, x) {
      let scales = partName("scales")
      file.addConstant(scales, .float32, Shape([4]), try TensorData([Float(1), 1, resize.scaleHeight, resize.scaleWidth]))
      inputs.append(scales)
    } else {
      guard Float(resize.height) / Float(x[1]) == resize.scaleHeight, Float(resize.width) / Float(x[2]) == resize.scaleWidth else {
        throw unsupported("neither the scales nor the sizes alone give its result")
      }
      inputs += ["", try integers([resize.height, resize.width], "sizes")]
      all.append(("axes", .integers([2, 3])))
    }
    try add("Resize", inputs, first: true, all)
  }

  /// Whether ONNX derives the result's size from the scales.
  static func followsScales(_ resize: Resize, _ x: Shape) -> Bool {
    (Double(x[1]) * Double(resize.scaleHeight)).rounded(.down) == Double(resize.height)
      && (Double(x[2]) * Double(resize.scaleWidth)).rounded(.down) == Double(resize.width)
  }
}
