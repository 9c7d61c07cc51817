import CPlatform

/// UTF-8 text: names, messages, reports. Two texts are equal when their bytes are.
///
/// The library's own instead of the standard library's string. Names in model files are bytes, and Unicode's rules for
/// comparing and cutting strings would be a tenth of the library's code. Literals and interpolations are put together by
/// calls that are not inlined: hundreds of messages would otherwise cost half a megabyte.
public struct Text: Hashable, Sendable {
  public private(set) var utf8: [UInt8]

  @inline(never)
  public init() { utf8 = [] }

  @inline(never)
  public init(_ bytes: [UInt8]) { utf8 = bytes }

  @inline(never)
  public init(_ bytes: UnsafeRawBufferPointer) {
    utf8 = [UInt8](unsafeUninitializedCapacity: bytes.count) { buffer, written in
      UnsafeMutableRawBufferPointer(buffer).copyMemory(from: bytes)
      written = bytes.count
    }
  }

  @inline(never)
  public init(_ literal: StaticString) {
    self.init(UnsafeRawBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
  }

  /// What stands in front of the first zero byte.
  @inline(never)
  public init(cString: UnsafePointer<CChar>) {
    var count = 0
    while cString[count] != 0 { count &+= 1 }
    self.init(UnsafeRawBufferPointer(start: cString, count: count))
  }

  /// One byte again and again.
  @inline(never)
  public init(repeating byte: UInt8, count: Int) { utf8 = [UInt8](repeating: byte, count: max(count, 0)) }

  /// Nil when the bytes are not UTF-8: overlong forms, surrogates and numbers beyond Unicode's are not.
  @inline(never)
  public init?(validating bytes: UnsafeRawBufferPointer) {
    guard Text.isUtf8(bytes) else { return nil }
    self.init(bytes)
  }

  public var isEmpty: Bool { utf8.isEmpty }

  /// The text for a reader who relies on UTF-8: with question marks in place of all but ASCII when it is none.
  @inline(never)
  public var repaired: Text {
    if utf8.withUnsafeBytes({ Text.isUtf8($0) }) { return self }
    return Text(utf8.map { $0 < 0x80 ? $0 : UInt8(ascii: "?") })
  }

  @inline(never)
  public static func == (left: Text, right: Text) -> Bool {
    let count = left.utf8.count
    guard count == right.utf8.count else { return false }
    var index = 0
    while index < count {
      if left.utf8[index] != right.utf8[index] { return false }
      index &+= 1
    }
    return true
  }

  @inline(never)
  public func hash(into hasher: inout Hasher) { utf8.withUnsafeBytes { hasher.combine(bytes: $0) } }

  @inline(never)
  public static func += (text: inout Text, more: Text) { text.utf8.append(contentsOf: more.utf8) }

  @inline(never)
  public static func + (text: Text, more: Text) -> Text {
    var result = text
    result += more
    return result
  }

  @inline(never)
  public mutating func append(_ byte: UInt8) { utf8.append(byte) }

  @inline(never)
  public mutating func removeLast() { _ = utf8.popLast() }

  /// Without the first byte.
  public var withoutFirst: Text { Text([UInt8](utf8.dropFirst())) }

  /// What stands between separators: one part more than there are separators.
  @inline(never)
  public func parts(separator: UInt8) -> [Text] {
    var parts = [Text()]
    for byte in utf8 {
      if byte == separator { parts.append(Text()) } else { parts[parts.count - 1].append(byte) }
    }
    return parts
  }

  /// The number that the text is in decimal digits alone; nil when it is none, or beyond Int.
  @inline(never)
  public var decimal: Int? {
    var number = 0
    for byte in utf8 {
      guard byte >= 48, byte <= 57 else { return nil }
      let (tens, overflow) = number.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(Int(byte) &- 48)
      if overflow || carry { return nil }
      number = sum
    }
    return isEmpty ? nil : number
  }

  /// The bytes with a zero byte behind them.
  @inline(never)
  public func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    let bytes = utf8 + [0]
    return bytes.withUnsafeBytes { buffer in
      // Never nil: there is at least the zero byte.
      body(buffer.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: CChar.self))
    }
  }

  private static func isUtf8(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var index = 0
    while index < bytes.count {
      // Names are ASCII, nearly all of them.
      while index &+ 8 <= bytes.count, bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0 { index &+= 8 }
      if index == bytes.count { break }
      let lead = bytes[index]
      index &+= 1
      if lead < 0x80 { continue }
      // Continuation bytes that follow, and the bounds of the first of them.
      let (more, low, high): (Int, UInt8, UInt8)
      switch lead {
      case 0xC2...0xDF: (more, low, high) = (1, 0x80, 0xBF)
      case 0xE0: (more, low, high) = (2, 0xA0, 0xBF)
      case 0xED: (more, low, high) = (2, 0x80, 0x9F)
      case 0xE1...0xEF: (more, low, high) = (2, 0x80, 0xBF)
      case 0xF0: (more, low, high) = (3, 0x90, 0xBF)
      case 0xF1...0xF3: (more, low, high) = (3, 0x80, 0xBF)
      case 0xF4: (more, low, high) = (3, 0x80, 0x8F)
      default: return false
      }
      guard more <= bytes.count &- index, bytes[index] >= low, bytes[index] <= high else { return false }
      let end = index &+ more
      index &+= 1
      while index < end {
        if bytes[index] & 0xC0 != 0x80 { return false }
        index &+= 1
      }
    }
    return true
  }
}

extension Text: ExpressibleByStringInterpolation {
  @inline(never)
  public init(stringLiteral value: StaticString) { self.init(value) }

  @inline(never)
  public init(stringInterpolation interpolation: StringInterpolation) { utf8 = interpolation.text.utf8 }

  public struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = Text()

    @inline(never)
    public init(literalCapacity: Int, interpolationCount: Int) {}
    @inline(never)
    public mutating func appendLiteral(_ literal: StaticString) { text += Text(literal) }
    @inline(never)
    public mutating func appendInterpolation(_ value: Text) { text += value }
    @inline(never)
    public mutating func appendInterpolation(_ value: StaticString) { text += Text(value) }
    @inline(never)
    public mutating func appendInterpolation(_ value: Int64) { text.append(value.magnitude, isNegative: value < 0) }
    @inline(never)
    public mutating func appendInterpolation(_ value: UInt64) { text.append(value, isNegative: false) }
    @inline(never)
    public mutating func appendInterpolation(_ value: Float) { text.append(Double(value), isFloat: 1) }

    // Other integers go through the two above.
    public mutating func appendInterpolation(_ value: Int) { appendInterpolation(Int64(value)) }
    public mutating func appendInterpolation(_ value: Int32) { appendInterpolation(Int64(value)) }
    public mutating func appendInterpolation(_ value: UInt8) { appendInterpolation(Int64(value)) }
    public mutating func appendInterpolation(_ value: UInt16) { appendInterpolation(Int64(value)) }
    public mutating func appendInterpolation(_ value: UInt32) { appendInterpolation(Int64(value)) }
  }
}

extension Text {
  /// The shortest decimal number that reads back as the same one.
  public mutating func append(_ value: Double) { append(value, isFloat: 0) }

  @inline(never)
  fileprivate mutating func append(_ value: Double, isFloat: Int32) {
    withUnsafeTemporaryAllocation(byteCount: Int(EP_NUMBER_CAPACITY), alignment: 1) { buffer in
      guard let start = buffer.baseAddress else { return }
      ep_number_text(value, isFloat, start.assumingMemoryBound(to: CChar.self))
      utf8.append(contentsOf: Text(cString: start.assumingMemoryBound(to: CChar.self)).utf8)
    }
  }

  private mutating func append(_ magnitude: UInt64, isNegative: Bool) {
    var digits: [UInt8] = []
    var rest = magnitude
    repeat {
      digits.append(UInt8(truncatingIfNeeded: 48 &+ rest % 10))
      rest /= 10
    } while rest > 0
    if isNegative { utf8.append(45) }
    while let digit = digits.popLast() { utf8.append(digit) }
  }
}

#if !EDGEAI_SINGLE_MODULE
/// For tests and fuzzers, whose own texts are strings.
extension Text: CustomStringConvertible {
  public init(_ string: String) { self.init([UInt8](string.utf8)) }
  public var description: String { String(decoding: utf8, as: UTF8.self) }
  public func contains(_ string: String) -> Bool { description.contains(string) }
}
#endif
