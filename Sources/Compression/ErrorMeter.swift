#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Sums up how far one tensor is from another, over a stream of samples. Two equal infinities, or two NaN, do not count; other
/// pairs with a number that is not finite are an infinite error, which no number of good ones makes up for.
public struct ErrorMeter: Equatable, Sendable {
  /// Numbers compared.
  public private(set) var count = 0
  /// Pairs with a number that is not finite.
  public private(set) var ignored = 0
  private var referencePower = 0.0
  private var candidatePower = 0.0
  private var errorPower = 0.0
  private var product = 0.0
  private var errorSum = 0.0
  private var referenceSum = 0.0
  /// Greatest distance of two numbers.
  public private(set) var maximumError = 0.0

  public init() {}

  public mutating func add(_ reference: Double, _ candidate: Double) {
    var error = candidate - reference
    if !reference.isFinite || !candidate.isFinite {
      ignored &+= 1
      if reference == candidate || (reference.isNaN && candidate.isNaN) { return }
      error = .infinity
    }
    count &+= 1
    referencePower += reference * reference
    candidatePower += candidate * candidate
    product += reference * candidate
    errorPower += error * error
    errorSum += error
    referenceSum += reference
    maximumError = max(maximumError, error.magnitude)
  }

  /// Signal to quantization noise ratio in decibels: 10 log10(sum x^2 / sum (x - y)^2). Infinite when nothing
  /// differs, minus infinity for an infinite error, NaN when nothing was compared.
  public var sqnr: Double {
    if count == 0 { return .nan }
    if errorPower == 0 { return .infinity }
    return referencePower == 0 || errorPower == .infinity ? -.infinity : decibels(referencePower / errorPower)
  }

  /// sum (x - y)^2 / sum x^2: 1 / SQNR as a ratio. 0 when nothing differs or nothing was compared, the greatest number for an
  /// infinite error.
  var relativeNoise: Double {
    if errorPower == 0 { return 0 }
    return referencePower == 0 || errorPower == .infinity ? .greatestFiniteMagnitude : errorPower / referencePower
  }

  /// sum xy / sqrt(sum x^2 sum y^2): 1 when both point the same way. 1 also when both are zero, 0 when one is, or for an infinite
  /// error.
  public var cosine: Double {
    if count == 0 { return .nan }
    if errorPower == .infinity { return 0 }
    if referencePower == 0 || candidatePower == 0 { return referencePower == candidatePower ? 1 : 0 }
    return min(1, product / (referencePower.squareRoot() * candidatePower.squareRoot()))
  }

  /// Mean of candidate - reference: the bias of the error.
  public var meanError: Double { count == 0 ? .nan : errorSum / Double(count) }

  /// Mean of the reference.
  public var referenceMean: Double { count == 0 ? .nan : referenceSum / Double(count) }
}

/// A tensor in memory as real numbers.
struct RealView {
  private let base: UnsafeRawPointer
  private let dtype: DType
  private let scale: Float
  private let zeroPoint: Int32

  /// Whether a value can be read so.
  static func supports(_ value: Value) -> Bool {
    if value.dtype.isFloatingPoint { return value.quantization == nil }
    return value.dtype == .uint8 && value.quantization?.scales.count == 1 && value.quantization?.zeroPoints.count == 1
  }

  init?(_ base: UnsafeRawPointer?, _ value: Value) {
    guard let base, RealView.supports(value) else { return nil }
    self.base = base
    dtype = value.dtype
    scale = value.quantization?.scales[0] ?? 1
    zeroPoint = value.quantization?.zeroPoints[0] ?? 0
  }

  subscript(index: Int) -> Double {
    if dtype == .uint8 {
      return Double(Float(Int32(base.load(fromByteOffset: index, as: UInt8.self)) &- zeroPoint) * scale)
    }
    return dtype.real(base + index &* dtype.byteCount)
  }
}
