extension Float {
  /// IEEE 754 binary16 to binary32; exact.
  public init(half: UInt16) {
    let sign = UInt32(half & 0x8000) << 16
    let exponent = UInt32(half >> 10) & 0x1F
    let fraction = UInt32(half & 0x3FF)
    switch exponent {
    case 0:
      // Subnormal numbers are multiples of 2^-24.
      let magnitude = Float(fraction) * Float(bitPattern: 0x3380_0000)
      self.init(bitPattern: magnitude.bitPattern | sign)
    case 31: self.init(bitPattern: sign | 0x7F80_0000 | fraction << 13)
    default: self.init(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
  }

  /// bfloat16 to binary32; exact.
  public init(bfloat: UInt16) { self.init(bitPattern: UInt32(bfloat) << 16) }
}

extension DType {
  /// One element of a floating type as a number; 0 for other types. The address need not be aligned.
  public func real(_ element: UnsafeRawPointer) -> Double {
    switch self {
    case .float32: return Double(element.loadUnaligned(as: Float.self))
    case .float64: return element.loadUnaligned(as: Double.self)
    case .float16: return Double(Float(half: element.loadUnaligned(as: UInt16.self)))
    case .bfloat16: return Double(Float(bfloat: element.loadUnaligned(as: UInt16.self)))
    default: return 0
    }
  }
}
