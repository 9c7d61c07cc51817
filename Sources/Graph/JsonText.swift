/// Builds JSON text: commas and escapes.
public struct JsonText {
  public private(set) var text = Text()
  private var needsComma = false

  public init() {}

  private mutating func separate() {
    if needsComma { text += "," }
    needsComma = true
  }

  /// Something that is JSON already.
  public mutating func raw(_ json: Text) {
    separate()
    text += json
  }

  public mutating func open(_ bracket: Text) {
    separate()
    text += bracket
    needsComma = false
  }

  public mutating func close(_ bracket: Text) {
    text += bracket
    needsComma = true
  }

  public mutating func key(_ name: Text) {
    separate()
    quote(name)
    text += ":"
    needsComma = false
  }

  public mutating func element(_ number: Int) {
    separate()
    text += Text("\(number)")
  }

  public mutating func element(_ string: Text) {
    separate()
    quote(string)
  }

  public mutating func field(_ name: Text, _ number: Int) {
    key(name)
    element(number)
  }

  public mutating func field(_ name: Text, _ number: Int?) {
    key(name)
    if let number { element(number) } else { null() }
  }

  public mutating func field(_ name: Text, _ string: Text) {
    key(name)
    element(string)
  }

  public mutating func field(_ name: Text, _ number: Double) {
    key(name)
    guard number.isFinite else { return null() }
    separate()
    text.append(number)
  }

  private mutating func null() {
    separate()
    text += "null"
  }

  private mutating func quote(_ string: Text) {
    text += "\""
    for byte in string.utf8 {
      switch byte {
      case 0x22: text += "\\\""
      case 0x5C: text += "\\\\"
      case 0..<0x20:
        text += "\\u00"
        text.append(48 + (byte >> 4))
        text.append((byte & 15) + (byte & 15 < 10 ? 48 : 87))
      default: text.append(byte)
      }
    }
    text += "\""
  }
}
