#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// An operator's name. Comparing it with a literal is one call: the comparison of strings would be inlined at each of
/// some two hundred places.
struct OnnxName {
  var text: Text

  @inline(never)
  static func ~= (literal: StaticString, name: OnnxName) -> Bool {
    name.isWord(UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount)[...])
  }

  static func == (name: OnnxName, literal: StaticString) -> Bool { literal ~= name }

  /// Whether this is one of the words that spaces separate.
  @inline(never)
  func isOne(of words: StaticString) -> Bool {
    let bytes = UnsafeBufferPointer(start: words.utf8Start, count: words.utf8CodeUnitCount)
    var start = 0
    for index in 0...bytes.count where index == bytes.count || bytes[index] == UInt8(ascii: " ") {
      if isWord(bytes[start..<index]) { return true }
      start = index + 1
    }
    return false
  }

  private func isWord(_ word: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
    var index = word.startIndex
    for byte in text.utf8 {
      if index == word.endIndex || word[index] != byte { return false }
      index += 1
    }
    return index == word.endIndex
  }
}

extension Text.StringInterpolation {
  mutating func appendInterpolation(_ name: OnnxName) { appendInterpolation(name.text) }
}
