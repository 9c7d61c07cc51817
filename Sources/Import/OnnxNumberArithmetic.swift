/// Arithmetic on known numbers and multiples of the batch size. The batch is some positive number, so results
/// that hold for all of them are known too; nil where there is none (or where integers overflow).
extension OnnxNumber {
  enum Operation {
    case add, subtract, multiply, divide, remainder, truncatedRemainder, minimum, maximum, power, equal, less, and, or
  }

  /// A result computed in the element type `float32` when `isReal`.
  static func combine(_ operation: Operation, _ a: OnnxNumber, _ b: OnnxNumber, isReal: Bool) -> OnnxNumber? {
    switch (a, b) {
    case (.counted, _), (_, .counted): return nil
    case (.batch, _), (_, .batch): return withBatch(operation, a, b)
    default:
      if isReal {
        guard let left = a.real, let right = b.real else { return nil }
        return reals(operation, left, right)
      }
      guard let left = a.integer, let right = b.integer else { return nil }
      return integers(operation, left, right)
    }
  }

  private static func truth(_ value: Bool) -> OnnxNumber { .integer(value ? 1 : 0) }

  private static func integers(_ operation: Operation, _ a: Int, _ b: Int) -> OnnxNumber? {
    func checked(_ result: (partialValue: Int, overflow: Bool)) -> OnnxNumber? { result.overflow ? nil : .integer(result.partialValue) }
    switch operation {
    case .add: return checked(a.addingReportingOverflow(b))
    case .subtract: return checked(a.subtractingReportingOverflow(b))
    case .multiply: return checked(a.multipliedReportingOverflow(by: b))
    case .divide: return checked(a.dividedReportingOverflow(by: b))
    case .truncatedRemainder: return checked(a.remainderReportingOverflow(dividingBy: b))
    case .remainder:
      let result = a.remainderReportingOverflow(dividingBy: b)
      if result.overflow { return nil }
      // The remainder takes the divisor's sign.
      let adjust = result.partialValue != 0 && (result.partialValue < 0) != (b < 0)
      return .integer(adjust ? result.partialValue &+ b : result.partialValue)
    case .minimum: return .integer(min(a, b))
    case .maximum: return .integer(max(a, b))
    case .power: return nil
    case .equal: return truth(a == b)
    case .less: return truth(a < b)
    case .and: return truth(a != 0 && b != 0)
    case .or: return truth(a != 0 || b != 0)
    }
  }

  private static func reals(_ operation: Operation, _ a: Double, _ b: Double) -> OnnxNumber? {
    // One double operation rounded to float equals the float operation for + - * /.
    func rounded(_ value: Double) -> OnnxNumber { .real(Double(Float(value))) }
    switch operation {
    case .add: return rounded(a + b)
    case .subtract: return rounded(a - b)
    case .multiply: return rounded(a * b)
    case .divide: return rounded(a / b)
    case .minimum: return .real(min(a, b))
    case .maximum: return .real(max(a, b))
    case .equal: return truth(a == b)
    case .less: return truth(a < b)
    case .remainder, .truncatedRemainder, .power, .and, .or: return nil
    }
  }

  private static func withBatch(_ operation: Operation, _ a: OnnxNumber, _ b: OnnxNumber) -> OnnxNumber? {
    func times(_ factor: (partialValue: Int, overflow: Bool)) -> OnnxNumber? {
      factor.overflow ? nil : factor.partialValue == 0 ? .integer(0) : .batch(factor.partialValue)
    }
    switch (operation, a, b) {
    case (.add, .batch(let left), .batch(let right)): return times(left.addingReportingOverflow(right))
    case (.subtract, .batch(let left), .batch(let right)): return times(left.subtractingReportingOverflow(right))
    case (.divide, .batch(let left), .batch(let right)):
      return right != 0 && left != Int.min && left % right == 0 ? .integer(left / right) : nil
    case (.equal, .batch(let left), .batch(let right)): return left == right ? truth(true) : truth(false)
    case (.less, .batch(let left), .batch(let right)): return truth(left < right)
    case (.minimum, .batch(let left), .batch(let right)): return .batch(min(left, right))
    case (.maximum, .batch(let left), .batch(let right)): return .batch(max(left, right))
    case (_, .batch(let factor), _):
      guard let other = b.integer else { return nil }
      switch operation {
      case .add, .subtract: return other == 0 ? a : nil
      case .multiply: return times(factor.multipliedReportingOverflow(by: other))
      case .divide: return other != 0 && factor != Int.min && factor % other == 0 ? .batch(factor / other) : nil
      case .remainder, .truncatedRemainder: return other != 0 && factor != Int.min && factor % other == 0 ? .integer(0) : nil
      case .equal: return factor > 0 && other <= 0 || factor < 0 && other >= 0 ? truth(false) : nil
      case .less: return factor > 0 && other <= 0 ? truth(false) : factor < 0 && other >= 0 ? truth(true) : nil
      case .maximum: return factor > 0 && other <= factor ? a : nil
      case .and: return truth(other != 0)
      case .or: return truth(true)
      case .minimum, .power: return nil
      }
    case (_, _, .batch(let factor)):
      guard let other = a.integer else { return nil }
      switch operation {
      case .add, .multiply, .equal, .maximum, .and, .or: return withBatch(operation, b, a)
      case .less: return factor > 0 && other <= 0 ? truth(true) : nil
      case .divide: return other == 0 ? .integer(0) : nil
      default: return nil
      }
    default: return nil
    }
  }

  /// The number in another element type; nil when it does not fit.
  func converted(toInteger: Bool, toBool: Bool) -> OnnxNumber? {
    switch self {
    case .batch: return toBool ? .integer(1) : self
    case .counted: return toBool || !toInteger ? nil : self
    case .integer(let value): return toBool ? .integer(value == 0 ? 0 : 1) : toInteger ? self : .real(Double(Float(value)))
    case .real(let value):
      if toBool { return .integer(value == 0 ? 0 : 1) }
      if !toInteger { return self }
      return abs(value) < 9e15 ? Int(exactly: value.rounded(.towardZero)).map { .integer($0) } : nil
    }
  }
}
