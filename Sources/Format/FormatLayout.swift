/// Constants of the `.edgeai` container. The byte-for-byte description is Documentation/format.md.
enum FormatLayout {
  /// Not text, not a prefix of another format, and damaged visibly by line-ending conversion.
  static var magic: [UInt8] { [0x89, 0x45, 0x44, 0x47, 0x45, 0x41, 0x49, 0x0A] }
  static let majorVersion: UInt16 = 1
  static let minorVersion: UInt16 = 0
  /// Files with coded constants.
  static let compactMajorVersion: UInt16 = 2
  /// 1 where values have scales or a constant is sparse or has fixed probabilities.
  static let compactMinorVersion: UInt16 = 1
  /// Magic, version and checksum of a compact file; what follows is what the checksum is of.
  static let compactChecksumEnd = 16
  /// A compact description is read by a slow coder, and has its own limit.
  static let maximumDescriptionBytes = 1 << 26
  /// Numbers that compact descriptions have in one byte, by the byte's value; of others the bytes follow.
  static var usualFloats: [Float] { [0, 1, 6, .infinity, -.infinity] }
  static let otherFloat: UInt8 = 255
  static let headerBytes = 64
  static let headerChecksumOffset = 60
  static let sectionEntryBytes = 32
  /// Sections and constants start at multiples of this, so weights can be used in place.
  static let alignment = 64
  /// Constants are used in place when the file image itself is aligned at least so.
  static let inPlaceAlignment = 16

  /// Sections, in the order in which they stand in the file. Each occurs once.
  enum Section: UInt32, CaseIterable {
    case graph = 1
    case values = 2
    case nodes = 3
    case data = 4
  }

  static func aligned(_ offset: Int) -> Int { (offset &+ alignment &- 1) & ~(alignment &- 1) }
}
