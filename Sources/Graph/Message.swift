/// Text put together from literals and values, for errors, plans and reports.
///
/// A string literal with interpolations becomes one when a parameter has this type. Every piece is a call that is not
/// inlined: the standard library's own interpolation is, and hundreds of messages would cost half a megabyte of code.
public struct Message: ExpressibleByStringInterpolation, Sendable {
  public private(set) var text: String

  @inline(never)
  public init(_ text: String) { self.text = text }

  @inline(never)
  public init(stringLiteral value: StaticString) { text = Message.string(value) }

  @inline(never)
  public init(stringInterpolation interpolation: StringInterpolation) { text = interpolation.text }

  @inline(never)
  public static func += (message: inout Message, more: Message) { message.text += more.text }

  @inline(never)
  fileprivate static func string(_ value: StaticString) -> String {
    String(decoding: UnsafeBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount), as: UTF8.self)
  }

  public struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    @inline(never)
    public init(literalCapacity: Int, interpolationCount: Int) {}
    @inline(never)
    public mutating func appendLiteral(_ literal: StaticString) { text += Message.string(literal) }
    @inline(never)
    public mutating func appendInterpolation(_ value: String) { text += value }
    @inline(never)
    public mutating func appendInterpolation(_ value: Substring) { text += String(value) }
    @inline(never)
    public mutating func appendInterpolation(_ value: StaticString) { text += Message.string(value) }
    @inline(never)
    public mutating func appendInterpolation(_ value: Message) { text += value.text }
    @inline(never)
    public mutating func appendInterpolation(_ value: Int64) { text += value.description }
    @inline(never)
    public mutating func appendInterpolation(_ value: UInt64) { text += value.description }
    @inline(never)
    public mutating func appendInterpolation(_ value: Float) { text += value.description }

    // Other integers go through the two above.
    public mutating func appendInterpolation(_ value: Int) { appendInterpolation(Int64(value)) }
    public mutating func appendInterpolation(_ value: Int32) { appendInterpolation(Int64(value)) }
    public mutating func appendInterpolation(_ value: UInt8) { appendInterpolation(Int64(value)) }
    public mutating func appendInterpolation(_ value: UInt16) { appendInterpolation(Int64(value)) }
    public mutating func appendInterpolation(_ value: UInt32) { appendInterpolation(Int64(value)) }
  }
}
