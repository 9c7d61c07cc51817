#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A bounds-checked position in one section. Every read that would pass the end throws, with the offset in the file.
struct FormatByteReader {
  private let bytes: UnsafeRawBufferPointer
  /// Offset of the section in the file, for error messages.
  private let origin: Int
  private(set) var position = 0
  /// Numbers have as many bytes as they need, as in version 2.
  private let isCompact: Bool
  /// The bytes were coded, so that all of them have the offset of their code.
  private let isCoded: Bool
  /// Of each quantized value that was read from a compact file.
  private(set) var scaleCounts: [Int] = []

  init(_ bytes: UnsafeRawBufferPointer, origin: Int, isCompact: Bool = false, isCoded: Bool = false) {
    self.bytes = bytes
    self.origin = origin
    self.isCompact = isCompact
    self.isCoded = isCoded
  }

  var remaining: Int { bytes.count - position }
  var fileOffset: Int { isCoded ? origin : origin + position }

  func malformed(_ message: Text) -> EdgeError { EdgeError(.malformedModel, message, byteOffset: fileOffset) }

  mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) throws(EdgeError) -> T {
    let size = T.bitWidth / 8
    guard remaining >= size else {
      throw EdgeError(.truncatedModel, "the section ends inside a \(size)-byte number", byteOffset: fileOffset)
    }
    let value = bytes.loadUnaligned(fromByteOffset: position, as: type)
    position += size
    return T(littleEndian: value)
  }

  mutating func u8() throws(EdgeError) -> UInt8 { try integer(UInt8.self) }

  /// A number of groups of seven bits, the lowest first, in the shortest form.
  private mutating func short() throws(EdgeError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let byte = try u8()
      guard shift < 63 || byte <= 1, shift == 0 || byte != 0 else { throw malformed("a number that is too long") }
      value |= UInt64(byte & 127) << shift
      if byte < 128 { return value }
      shift += 7
    }
  }

  private mutating func shortSigned() throws(EdgeError) -> Int64 {
    let value = try short()
    return Int64(bitPattern: value >> 1) ^ -Int64(value & 1)
  }

  mutating func u16() throws(EdgeError) -> UInt16 {
    guard isCompact else { return try integer(UInt16.self) }
    let value = try short()
    guard let number = UInt16(exactly: value) else { throw malformed("number \(value) is too large") }
    return number
  }

  /// A count that is not of records.
  mutating func number32() throws(EdgeError) -> Int {
    let value = isCompact ? try short() : UInt64(try integer(UInt32.self))
    guard value <= UInt64(UInt32.max), let number = Int(exactly: value) else { throw malformed("number \(value) is too large") }
    return number
  }

  mutating func f32() throws(EdgeError) -> Float {
    if isCompact {
      let code = try u8()
      if code != FormatLayout.otherFloat {
        guard Int(code) < FormatLayout.usualFloats.count else { throw malformed("unknown short number \(code)") }
        return FormatLayout.usualFloats[Int(code)]
      }
    }
    return Float(bitPattern: try integer(UInt32.self))
  }

  /// A 64-bit number that must fit this machine's Int.
  mutating func i64() throws(EdgeError) -> Int {
    let value = isCompact ? try shortSigned() : try integer(Int64.self)
    guard let int = Int(exactly: value) else { throw malformed("number \(value) does not fit this machine") }
    return int
  }

  mutating func i32() throws(EdgeError) -> Int {
    guard isCompact else { return Int(try integer(Int32.self)) }
    let value = try shortSigned()
    guard let number = Int32(exactly: value) else { throw malformed("number \(value) is too large") }
    return Int(number)
  }

  mutating func flag() throws(EdgeError) -> Bool {
    let value = try u8()
    guard value <= 1 else { throw malformed("flag is \(value), not 0 or 1") }
    return value == 1
  }

  /// A number of records that follow, each at least `recordBytes` long: bounds what a lying count can make us reserve.
  mutating func count(recordBytes: Int) throws(EdgeError) -> Int {
    let count = try number32()
    // A compact record has at least one byte.
    guard count <= remaining / (isCompact ? 1 : recordBytes) else {
      throw malformed("count \(count) needs more bytes than the section has")
    }
    return count
  }

  mutating func i64s() throws(EdgeError) -> [Int] {
    let count = try count(recordBytes: 8)
    var values: [Int] = []
    values.reserveCapacity(count)
    for _ in 0..<count { values.append(try i64()) }
    return values
  }

  /// Whether these words are next; then they are read.
  mutating func skip(_ words: [Int32]) throws(EdgeError) -> Bool {
    let byteCount = 4 &* words.count
    guard byteCount <= remaining else { return false }
    let isSame = words.withUnsafeBufferPointer { words in
      var index = 0
      while index < words.count,
        words[index] == Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: position &+ 4 &* index, as: Int32.self))
      { index &+= 1 }
      return index == words.count
    }
    if isSame { position += byteCount }
    return isSame
  }

  /// `count` numbers of four bytes, of which tables have many: they are copied together.
  mutating func words<T: BitwiseCopyable>(_ count: Int, as: T.Type) throws(EdgeError) -> [T] {
    guard count <= remaining / 4 else {
      throw EdgeError(.truncatedModel, "the section ends inside a table", byteOffset: fileOffset)
    }
    let start = position
    position += 4 * count
    return [T](unsafeUninitializedCapacity: count) { words, written in
      let to = UnsafeMutableRawBufferPointer(words)
      to.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + 4 * count]))
      #if _endian(big)
      for i in 0..<count {
        to.storeBytes(of: to.load(fromByteOffset: 4 * i, as: UInt32.self).byteSwapped, toByteOffset: 4 * i, as: UInt32.self)
      }
      #endif
      written = count
    }
  }

  /// The zero points of a compact file, whose scales are elsewhere; false when the file is not compact. One zero point that all
  /// scales have stands alone.
  mutating func compactZeroPoints(_ quantization: inout Quantization) throws(EdgeError) -> Bool {
    guard isCompact else { return false }
    let count = try number32()
    scaleCounts.append(count)
    let isUniform = try flag()
    guard isUniform || count <= remaining else { throw malformed("count \(count) needs more bytes than the section has") }
    // `i32` gives numbers of 32 bits.
    for _ in 0..<(isUniform ? 1 : count) { quantization.zeroPoints.append(Int32(truncatingIfNeeded: try i32())) }
    return true
  }

  mutating func string(limit: Int) throws(EdgeError) -> Text {
    let count = try count(recordBytes: 1)
    guard count <= limit else {
      throw EdgeError(.limitExceeded, "a string of \(count) bytes; the limit is \(limit)", byteOffset: fileOffset)
    }
    let start = position
    position += count
    guard let text = Text(validating: UnsafeRawBufferPointer(rebasing: bytes[start..<position])) else {
      throw malformed("a string is not UTF-8")
    }
    return text
  }

  /// All bytes must have been read.
  func finish(_ what: StaticString) throws(EdgeError) {
    guard remaining == 0 else { throw malformed("\(remaining) bytes left over after the \(what)") }
  }
}
