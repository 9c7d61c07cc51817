/// How integers stand for real numbers: real = (q - zeroPoint) * scale, for the whole tensor or for each
/// index along `axis` (Jacob et al. 2018). It is part of a value's type.
///
/// The runtime computes with uint8 activations (per tensor) and int8 weights, symmetric (per tensor or along the output
/// channel) or, in convolutions, with one zero point for all; int32 biases have zero point 0.
public struct Quantization: Equatable, Sendable {
  /// One scale, or one for each index of `axis`. Finite and positive.
  public var scales: [Float]
  /// As many as scales.
  public var zeroPoints: [Int32]
  /// The axis the scales run along; nil for one scale.
  public var axis: Int?

  public init(scales: [Float], zeroPoints: [Int32], axis: Int? = nil) {
    self.scales = scales
    self.zeroPoints = zeroPoints
    self.axis = axis
  }

  public init(scale: Float, zeroPoint: Int32) {
    self.init(scales: [scale], zeroPoints: [zeroPoint])
  }
}
