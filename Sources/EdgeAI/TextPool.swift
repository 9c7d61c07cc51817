import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// C strings that live as long as a handle: collected while it is made, then frozen in one block.
struct TextPool {
  private var texts: [Text] = []
  /// Bytes of all of them; offset 0 is the empty string.
  private var byteCount = 1
  private var block: Storage?

  /// Adds a string and returns its offset. A zero byte inside ends it.
  mutating func add(_ text: Text) -> Int {
    if text.isEmpty { return 0 }
    let offset = byteCount
    texts.append(text)
    byteCount += text.utf8.count + 1
    return offset
  }

  /// Moves the strings to their final place; nothing may be added afterwards.
  mutating func freeze() throws(EdgeError) {
    // Zeros, of which one stands behind each string.
    let storage = try Storage.allocate(byteCount)
    var place = storage.base + 1
    for text in texts {
      text.utf8.withUnsafeBytes { source in
        if let start = source.baseAddress { place.copyMemory(from: start, byteCount: source.count) }
      }
      place += text.utf8.count + 1
    }
    block = storage
    texts = []
  }

  /// The string at an offset that `add` returned.
  subscript(offset: Int) -> UnsafePointer<CChar>? {
    block.map { UnsafeRawPointer($0.base + offset).assumingMemoryBound(to: CChar.self) }
  }
}

/// A C string for a literal.
func cString(_ literal: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(literal.utf8Start).assumingMemoryBound(to: CChar.self)
}

/// snprintf's manner of giving text: as much as fits, always ended; `length` is that of the whole text.
func give(
  _ text: Text, _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int, _ length: UnsafeMutablePointer<Int>?
) throws(EdgeError) {
  guard capacity >= 0, buffer != nil || capacity == 0 else { throw EdgeError(.invalidArgument, "buffer is NULL") }
  if let buffer { copyText(text.utf8, to: buffer, capacity: capacity) }
  length?.pointee = text.utf8.count
}
