#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The interval the values of a tensor lie in, before it is turned into a scale and a zero point.
public struct ValueRange: Equatable, Sendable {
  public var min: Float
  public var max: Float

  public init(min: Float, max: Float) {
    self.min = min
    self.max = max
  }

  /// The smallest interval that contains both.
  func union(_ other: ValueRange) -> ValueRange {
    ValueRange(min: Swift.min(min, other.min), max: Swift.max(max, other.max))
  }

  /// Of a constant float tensor; nil for other values and when a number is not finite.
  static func ofConstant(_ value: Value) -> ValueRange? {
    guard value.dtype == .float32, let data = value.constant, data.byteCount >= 4 else { return nil }
    var range = ValueRange(min: .infinity, max: -.infinity)
    for index in 0..<data.byteCount / 4 {
      let element = data.base.loadUnaligned(fromByteOffset: index &* 4, as: Float.self)
      guard element.isFinite else { return nil }
      range = range.union(ValueRange(min: element, max: element))
    }
    return range
  }

  /// The part inside a fused activation's limits. When the interval lies outside them, the limit it touches.
  func clipped(min low: Float, max high: Float) -> ValueRange {
    ValueRange(min: Swift.min(Swift.max(min, low), high), max: Swift.max(Swift.min(max, high), low))
  }

  /// Length of the interval once it contains 0, as every quantized one does.
  var widthWithZero: Double { Double(Swift.max(max, 0)) - Double(Swift.min(min, 0)) }
}
