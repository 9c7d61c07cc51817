#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Layers of 16-bit activations, which are computed with real numbers (`isWide`), rounded as LiteRT rounds them.

extension TfliteImporter {
  /// The layer's input that is an activation.
  private func layerInput() throws(EdgeError) -> Int { try input(node.code == TfliteCode.transposeConv.rawValue ? 2 : 0) }

  private func layerScale(_ tensor: Int) throws(EdgeError) -> Float {
    guard let quantization = try fileQuantization(tensor) else { throw malformed("a scale is missing", tensor: tensor) }
    return quantization.scales[0]
  }

  /// The scale of the second factor with which the product is LiteRT's: there the factor from sums to results has 16 bits,
  /// which is off by up to half a step of a result at full scale.
  func wideScale(_ scale: Float) throws(EdgeError) -> Float {
    let factor = Double(try layerScale(try layerInput())) * Double(scale) / Double(try layerScale(try output()))
    guard factor.isNormal else { throw malformed("the scales are too far apart") }
    // In [1/2, 1) with 31 bits, of which 15 stay.
    let mantissa = factor.significand / 2
    let wide = (mantissa * 2_147_483_648).rounded(.toNearestOrAwayFromZero)
    let narrow = min(((wide + 32768) / 65536).rounded(.down), 32767)
    return Float(Double(scale) * narrow / (mantissa * 32768))
  }

  /// The real numbers of a bias of a layer of 16-bit integers: its scale is the product of the input's and the weights'.
  func wideBias(_ tensor: Int) throws(EdgeError) -> ValueID {
    let source = model.tensors[tensor]
    let type = try fileType(tensor)
    guard type == .int32 || type == .int64 else { throw reject("bias '\(source.name)' is not int32 or int64") }
    let x = try layerScale(try layerInput())
    guard let weights = try fileQuantization(try input(1)) else { throw malformed("the weights have no scale", tensor: tensor) }
    let data = try constantBytes(tensor)
    try noteConverted(data.byteCount &* 2)
    let numbers = type == .int32 ? data.array(of: Int32.self).map { Double($0) } : data.array(of: Int64.self).map { Double($0) }
    guard weights.scales.count == 1 || weights.scales.count == numbers.count else { throw malformed("the bias does not fit the weights", tensor: tensor) }
    var reals: [Float] = []
    for (index, number) in numbers.enumerated() {
      let scale = try wideScale(weights.scales[weights.scales.count == 1 ? 0 : index])
      reals.append(Float(number * Double(x) * Double(scale)))
    }
    return graph.addValue(constant(tensor, try TensorData(reals), .float32))
  }

  /// The mean of a window, of two equally near integers the one farther from zero.
  func importWideAverage(_ x: ValueID, _ window: Window, _ clamp: Clamp) throws(EdgeError) {
    let scale = Double(try layerScale(try input(0)))
    let integers = try helper(.unary(UnaryFunction(.round)), [try binary(.multiply, x, try number(1 / scale, .float32))])
    let mean = try helper(.pool(Pool(.average, window: window)), [integers])
    let magnitude = try binary(.add, try helper(.unary(UnaryFunction(.abs)), [mean]), try number(0.5, .float32))
    let rounded = try binary(.multiply, try helper(.unary(UnaryFunction(.floor)), [magnitude]), try helper(.unary(UnaryFunction(.sign)), [mean]))
    try setResult(try binary(.multiply, rounded, try number(scale, .float32)), then: clamp)
  }

  /// A product of 16-bit matrices.
  func importWideProduct(_ operands: [ValueID]) throws(EdgeError) {
    let scale = try layerScale(try input(1))
    let product = try helper(.matMul, operands)
    try setResult(try binary(.multiply, product, try number(Double(try wideScale(scale) / scale), .float32)))
  }
}
