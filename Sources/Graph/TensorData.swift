import CPlatform

/// A block of bytes that is either owned or borrowed from somebody who outlives it: a mapped file, flash,
/// a caller's buffer. Never modified once shared.
public final class Storage {
  public let base: UnsafeMutableRawPointer
  public let count: Int
  private let owned: Bool
  private let owner: AnyObject?

  private init(base: UnsafeMutableRawPointer, count: Int, owned: Bool, owner: AnyObject?) {
    self.base = base
    self.count = count
    self.owned = owned
    self.owner = owner
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

  deinit {
    if owned { ep_deallocate(base) }
  }
}

/// Contents of a constant tensor: dense, row-major, little-endian.
public struct TensorData {
  public let storage: Storage
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

  /// A copy of an array. Throws `outOfMemory`.
  public init<T: BitwiseCopyable>(_ elements: [T]) throws(EdgeError) {
    let storage = try Storage.allocate(elements.count * MemoryLayout<T>.stride)
    elements.withUnsafeBytes { bytes in
      if bytes.count > 0 { storage.base.copyMemory(from: bytes.baseAddress.unsafelyUnwrapped, byteCount: bytes.count) }
    }
    self.init(whole: storage)
  }

  public var base: UnsafeRawPointer { UnsafeRawPointer(storage.base + offset) }
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
