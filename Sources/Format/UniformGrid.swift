/// Values that are exact multiples of a step: `Float(q) * step`, bit for bit.
enum UniformGrid {
  /// Largest multiple that is looked for.
  private static let reach: Float = 2047

  /// The number of steps of a value; nil when it is no multiple.
  static func steps(_ value: Float, _ step: Float) -> Int32? {
    let quotient = value / step
    guard quotient.magnitude <= reach else { return nil }
    let number = Int32(quotient < 0 ? quotient - 0.5 : quotient + 0.5)
    return (Float(number) * step).bitPattern == value.bitPattern ? number : nil
  }

  /// A step that every one of `count` values is a multiple of; nil when none is found. Zeros alone have a step of 0.
  static func step(_ values: UnsafePointer<Float>, _ count: Int) -> Float? {
    var least = Float.infinity
    var most: Float = 0
    var index = 0
    while index < count {
      let magnitude = values[index].magnitude
      guard magnitude < .infinity, magnitude > 0 || values[index].bitPattern == 0 else { return nil }
      if magnitude > most { most = magnitude }
      if magnitude > 0, magnitude < least { least = magnitude }
      index &+= 1
    }
    if most == 0 { return 0 }
    // The least magnitude is a small multiple; the greatest one tells the step more exactly.
    var multiple: Float = 1
    while multiple <= 16 {
      let ratio = most / (least / multiple)
      if ratio > reach { return nil }
      let exact = most / Float(Int32(ratio + 0.5))
      for candidate in [exact, exact.nextUp, exact.nextDown, least / multiple] where isStep(candidate, values, count) { return candidate }
      multiple += 1
    }
    return nil
  }

  private static func isStep(_ step: Float, _ values: UnsafePointer<Float>, _ count: Int) -> Bool {
    guard step > 0 else { return false }
    var index = 0
    while index < count {
      if steps(values[index], step) == nil { return false }
      index &+= 1
    }
    return true
  }
}
