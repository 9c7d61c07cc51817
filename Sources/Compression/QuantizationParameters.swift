#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// From ranges to scales and zero points.
///
/// - The range of an activation is first widened to contain 0, which is then an exact integer.
/// - A tensor whose values are all the same number c has scale |c| / 128: c is exactly representable, and values
///   between 0 and 2c still fit should they differ later. All zero: scale 1, zero point 0.
/// - Scales of activations lie in 2^-40 ... 2^40, so products and quotients of three of them stay finite and normal. What computes or
///   reads an activation of another scale, or weights of a range too wide for one, stays in float (`DomainAssignment`); scales of
///   weights may be less (`leastWeightScale`). A narrower constant summand rounds towards 0, a wider one saturates.
public enum QuantizationParameters {
  public static var minimumScale: Float { 0x1p-40 }
  public static var maximumScale: Float { 0x1p40 }

  /// uint8 parameters of an activation.
  public static func activation(_ range: ValueRange) -> Quantization {
    if range.min == range.max {
      guard range.min != 0 else { return Quantization(scale: 1, zeroPoint: 0) }
      return Quantization(scale: bounded(exactScale(range)), zeroPoint: range.min > 0 ? 0 : 255)
    }
    let scale = bounded(exactScale(range))
    let zeroPoint = roundHalfEven(-min(Double(range.min), 0) / Double(scale))
    return Quantization(scale: scale, zeroPoint: Int32(min(max(zeroPoint, 0), 255)))
  }

  /// Of an activation, before it is bounded; 0 where all values are.
  private static func exactScale(_ range: ValueRange) -> Double {
    range.min == range.max ? Double(range.min.magnitude) / 128 : range.widthWithZero / 255
  }

  /// Whether an activation's range has a scale within the bounds.
  static func hasScale(_ range: ValueRange) -> Bool {
    let scale = exactScale(range)
    return scale == 0 || scale >= Double(minimumScale) && scale <= Double(maximumScale)
  }

  /// Parameters an operator's mathematics gives its result; nil when calibration decides.
  static func natural(_ op: Operator) -> Quantization? {
    let unit = Quantization(scale: 1 / 256, zeroPoint: 0)
    let symmetric = Quantization(scale: 1 / 128, zeroPoint: 128)
    switch op {
    case .softmax(_, let log): return log ? nil : unit
    case .unary(let function):
      switch function.kind {
      case .sigmoid, .hardSigmoid: return unit
      case .tanh, .softsign, .erf: return symmetric
      default: return nil
      }
    default: return nil
    }
  }

  /// The least scale of weights that are multiplied with an activation of a scale. The product of both, over the scale of any result
  /// too, is a normal number then. Rounding weights of lesser ones to this grid changes a result of n products by n 2^-33 steps at most:
  /// half a step, 2^-81 / inputScale, times 255 inputScale, is below 2^-73, and the result's steps are 2^-40 or more.
  static func leastWeightScale(inputScale: Float) -> Double { 0x1p-80 / Double(inputScale) }

  private static func bounded(_ scale: Double) -> Float {
    Float(min(max(scale, Double(minimumScale)), Double(maximumScale)))
  }

  /// Nearest integer, ties to even. Magnitudes from 2^51 on are returned as they are.
  static func roundHalfEven(_ x: Double) -> Double {
    // Adding 1.5 * 2^52 leaves no bits for a fraction.
    let shift = 6_755_399_441_055_744.0
    guard x.magnitude < 2_251_799_813_685_248 else { return x }
    return (x + shift) - shift
  }

  /// The uint8 of a real number by the kernels' rule: one multiplication by the reciprocal in float.
  static func quantized(_ x: Float, _ inverseScale: Float, _ zeroPoint: Int32) -> UInt8 {
    let scaled = x * inverseScale
    guard !scaled.isNaN else { return UInt8(truncatingIfNeeded: zeroPoint) }
    let low = Float(-zeroPoint)
    let high = Float(255 - zeroPoint)
    let rounded = roundHalfEven(Double(min(max(scaled, low), high)))
    return UInt8(truncatingIfNeeded: Int32(rounded) &+ zeroPoint)
  }
}
