/// Element type of a tensor. Raw values are those of the `.edgeai` format and the C header.
public enum DType: UInt8, Equatable, Sendable {
  case float32 = 1
  case uint8 = 2
  case int8 = 3
  case int32 = 4
  case int64 = 5
  case bool = 6
  case float16 = 7
  case float64 = 8
  case int16 = 9
  case uint16 = 10
  case uint32 = 11
  case uint64 = 12
  case bfloat16 = 13

  /// Bytes of one element.
  public var byteCount: Int {
    switch self {
    case .uint8, .int8, .bool: return 1
    case .float16, .int16, .uint16, .bfloat16: return 2
    case .float32, .int32, .uint32: return 4
    case .int64, .float64, .uint64: return 8
    }
  }

  /// Floating point of any width. Computing is for float32, and simple arithmetic for float64; the others are stored,
  /// moved and cast.
  public var isFloatingPoint: Bool {
    switch self {
    case .float32, .float16, .float64, .bfloat16: return true
    default: return false
    }
  }

  /// Signed or unsigned integers, booleans left out.
  public var isInteger: Bool { !isFloatingPoint && self != .bool }

  public var name: StaticString {
    switch self {
    case .float32: return "float32"
    case .uint8: return "uint8"
    case .int8: return "int8"
    case .int32: return "int32"
    case .int64: return "int64"
    case .bool: return "bool"
    case .float16: return "float16"
    case .float64: return "float64"
    case .int16: return "int16"
    case .uint16: return "uint16"
    case .uint32: return "uint32"
    case .uint64: return "uint64"
    case .bfloat16: return "bfloat16"
    }
  }
}
