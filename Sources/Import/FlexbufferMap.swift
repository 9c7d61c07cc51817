#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Numbers by name: the options of a custom operator, as a FlexBuffer whose root is a map. Every offset is checked.
///
/// A value stands at a place with a width of 1, 2, 4 or 8 bytes; an offset counts backwards from its place. A map is a
/// vector of values, then one byte of packed type (type * 4 + log2 of the width) for each; before it stand the offset of
/// the vector of keys, the width of that one's entries, and the number of entries.
struct FlexbufferMap {
  /// More than any operator has options. Looking a key up reads all entries.
  private static let maximumEntries = 256

  private let bytes: FlatbufferBytes
  private let range: Range<Int>
  private var entries = 0, width = 1, values = 0, keys = 0, keyWidth = 1

  init(_ place: (bytes: FlatbufferBytes, range: Range<Int>)) throws(EdgeError) {
    (bytes, range) = place
    guard range.count >= 3 else { throw bytes.error("the options are cut short", at: range.lowerBound) }
    let rootWidth = Int(try bytes.byte(range.upperBound - 1))
    let type = try bytes.byte(range.upperBound - 2)
    guard type >> 2 == 9, rootWidth == 1 || rootWidth == 2 || rootWidth == 4 || rootWidth == 8 else {
      throw bytes.error("the options are no map", at: range.lowerBound)
    }
    width = 1 << Int(type & 3)
    values = try target(range.upperBound - 2 - rootWidth, rootWidth)
    entries = try unsigned(values - width, width)
    keys = try target(values - 3 * width, width)
    keyWidth = try unsigned(values - 2 * width, width)
    guard keyWidth == 1 || keyWidth == 2 || keyWidth == 4 || keyWidth == 8 else {
      throw bytes.error("the options are no map", at: range.lowerBound)
    }
    guard entries <= FlexbufferMap.maximumEntries else { throw bytes.error("\(entries) options of one operator", at: range.lowerBound) }
  }

  private func check(_ place: Int, _ count: Int) throws(EdgeError) {
    guard place >= range.lowerBound, count <= range.upperBound - place else { throw bytes.error("an option lies outside the options", at: range.lowerBound) }
  }

  private func pattern(_ place: Int, _ width: Int) throws(EdgeError) -> UInt64 {
    try check(place, width)
    var value: UInt64 = 0
    for index in 0..<width { value |= UInt64(try bytes.byte(place + index)) << UInt64(8 * index) }
    return value
  }

  private func unsigned(_ place: Int, _ width: Int) throws(EdgeError) -> Int { Int(clamping: try pattern(place, width)) }

  private func target(_ place: Int, _ width: Int) throws(EdgeError) -> Int {
    let offset = try unsigned(place, width)
    guard offset <= place else { throw bytes.error("an option lies outside the options", at: range.lowerBound) }
    return place - offset
  }

  /// The number of a key, which ends with a zero byte; nil when there is none.
  func number(_ key: StaticString) throws(EdgeError) -> Double? {
    for entry in 0..<entries {
      let start = try target(keys + entry * keyWidth, keyWidth)
      try check(start, key.utf8CodeUnitCount + 1)
      var isEqual = try bytes.byte(start + key.utf8CodeUnitCount) == 0
      for index in 0..<key.utf8CodeUnitCount where isEqual { isEqual = try bytes.byte(start + index) == key.utf8Start[index] }
      if isEqual { return try number(at: values + entry * width, type: try pattern(values + entries * width + entry, 1)) }
    }
    return nil
  }

  private func number(at place: Int, type packed: UInt64) throws(EdgeError) -> Double {
    var (place, width, type) = (place, self.width, packed >> 2)
    if type >= 6, type <= 8 {
      place = try target(place, width)
      (width, type) = (1 << Int(packed & 3), type - 5)
    }
    let bits = try pattern(place, width)
    switch (type, width) {
    case (1, _): return Double(Int64(bitPattern: bits << UInt64(64 - 8 * width)) >> Int64(64 - 8 * width))
    case (2, _), (26, _): return Double(bits)
    case (3, 4): return Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
    case (3, 8): return Double(bitPattern: bits)
    default: throw bytes.error("an option is no number", at: range.lowerBound)
    }
  }
}
