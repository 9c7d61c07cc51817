import CPlatform

/// Where constants come from that are made when they are read: a coded file. It belongs to one call at a time.
public protocol ConstantSource: AnyObject {
  /// Contents of a constant, until `forget`. Where they cannot be made they are zeros, and `failure` says why.
  func contents(_ index: Int) -> UnsafeRawPointer
  /// Gives back the memory of contents.
  func forget()
  /// The first thing that went wrong.
  var failure: EdgeError? { get }
}

/// A block of bytes that is either owned or borrowed from somebody who outlives it: a mapped file, flash,
/// a caller's buffer. Never modified once shared.
public final class Storage {
  public let base: UnsafeMutableRawPointer
  public let count: Int
  private let owned: Bool
  private let owner: AnyObject?
  /// In place of bytes.
  fileprivate let source: (any ConstantSource)?

  private init(
    base: UnsafeMutableRawPointer, count: Int, owned: Bool, owner: AnyObject?, source: (any ConstantSource)? = nil
  ) {
    self.base = base
    self.count = count
    self.owned = owned
    self.owner = owner
    self.source = source
  }

  /// Zeroed memory, 64-byte aligned. Throws `outOfMemory`.
  public static func allocate(_ count: Int) throws(EdgeError) -> Storage {
    guard count >= 0, let base = ep_allocate_zeroed(max(count, 1), 64) else {
      throw EdgeError(.outOfMemory, "could not allocate \(count) bytes")
    }
    return Storage(base: base, count: count, owned: true, owner: nil)
  }

  /// Bytes that live elsewhere; `owner` is kept alive as long as they are used.
  public static func borrow(_ bytes: UnsafeRawBufferPointer, owner: AnyObject?) -> Storage? {
    guard let base = bytes.baseAddress else { return nil }
    return Storage(base: UnsafeMutableRawPointer(mutating: base), count: bytes.count, owned: false, owner: owner)
  }

  /// No bytes: for `TensorData` whose contents a source makes. Throws `outOfMemory`.
  public static func made(by source: any ConstantSource) throws(EdgeError) -> Storage {
    let none = try allocate(0)
    return Storage(base: none.base, count: 0, owned: false, owner: none, source: source)
  }

  deinit {
    if owned { ep_deallocate(base) }
  }
}

/// Contents of a constant tensor: dense, row-major, little-endian.
public struct TensorData {
  public let storage: Storage
  /// In the storage, or the number of a constant that is made on demand.
  public let offset: Int
  public let byteCount: Int

  /// The range must lie inside the storage; nil otherwise.
  public init?(_ storage: Storage, offset: Int, byteCount: Int) {
    guard offset >= 0, byteCount >= 0, offset <= storage.count, byteCount <= storage.count &- offset else { return nil }
    self.storage = storage
    self.offset = offset
    self.byteCount = byteCount
  }

  private init(whole storage: Storage) {
    self.storage = storage
    offset = 0
    byteCount = storage.count
  }

  /// Constant `index`, of so many bytes, of a source that `storage` has: the source is asked each time that the contents are read.
  public init(onDemand storage: Storage, index: Int, byteCount: Int) {
    self.storage = storage
    offset = index
    self.byteCount = byteCount
  }

  /// What makes the contents when they are read, and does not keep them.
  public var source: (any ConstantSource)? { storage.source }
  public var isOnDemand: Bool { storage.source != nil }

  /// A copy of an array. Throws `outOfMemory`.
  public init<T: BitwiseCopyable>(_ elements: [T]) throws(EdgeError) {
    let storage = try Storage.allocate(elements.count * MemoryLayout<T>.stride)
    elements.withUnsafeBytes { bytes in
      if bytes.count > 0 { storage.base.copyMemory(from: bytes.baseAddress.unsafelyUnwrapped, byteCount: bytes.count) }
    }
    self.init(whole: storage)
  }

  /// Of contents that are made on demand: valid until the source forgets them.
  public var base: UnsafeRawPointer {
    if let source = storage.source { return source.contents(offset) }
    return UnsafeRawPointer(storage.base + offset)
  }
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: byteCount) }

  /// Elements as an array (a copy; unaligned sources are fine). Trailing bytes that fill no element are left out.
  public func array<T: BitwiseCopyable>(of type: T.Type) -> [T] {
    let stride = MemoryLayout<T>.stride
    let count = byteCount / stride
    return [T](unsafeUninitializedCapacity: count) { elements, written in
      UnsafeMutableRawBufferPointer(elements).copyMemory(from: UnsafeRawBufferPointer(start: base, count: count &* stride))
      written = count
    }
  }
}

extension Graph {
  /// What makes the constants when they are read; nil when they are in memory. All are, or none.
  public var source: (any ConstantSource)? {
    for value in values {
      if let constant = value.constant { return constant.source }
    }
    return nil
  }
}
