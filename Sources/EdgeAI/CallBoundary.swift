import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The one way from C into the library: runs `body` while memory comes from `allocator`, turns what it throws
/// into a status and fills the caller's error structure.
///
/// An error structure of the wrong size is refused before anything happens. When Swift's runtime, or a constant that is decoded on
/// demand, finds no memory `body` is abandoned, all it had allocated is freed and the result is OUT_OF_MEMORY: so `body` only builds new
/// objects and publishes them in its last statements.
func call(
  _ error: UnsafeMutablePointer<edgeai_error>?, allocator: UnsafePointer<ep_allocator>? = nil, _ body: () throws(EdgeError) -> Void
) -> edgeai_status {
  guard errorIsUsable(error) else { return EDGEAI_ERROR_ABI_MISMATCH }
  var status: edgeai_status = EDGEAI_OK
  var lost = ep_lost()
  let result = swiftScope(allocator, &lost) {
    do throws(EdgeError) {
      try body()
    } catch let failure {
      status = failure.status.code
      failure.write(to: error)
    }
  }
  if result == 0 { return status }
  write(error, EDGEAI_ERROR_OUT_OF_MEMORY, "no memory for the library's tables")
  if let error, lost.size > 0 {
    ep_lost_text(&error.pointee.message, Int(EDGEAI_MESSAGE_CAPACITY), lost.size)
    withUnsafeBytes(of: &lost.name) { copyText($0.prefix { $0 != 0 }, to: &error.pointee.tensor, capacity: Int(EDGEAI_NAME_CAPACITY)) }
  }
  return EDGEAI_ERROR_OUT_OF_MEMORY
}

/// `ep_scope` of a Swift closure. A C function pointer would need a closure that escapes, which is allocated, and
/// that before the caller's allocator is in force; this passes it on the stack.
@_silgen_name("ep_swift_scope")
private func swiftScope(_ allocator: UnsafePointer<ep_allocator>?, _ lost: UnsafeMutablePointer<ep_lost>, _ body: () -> Void) -> Int32

/// For calls that must not allocate, even to report: the same without a scope.
func report(_ error: UnsafeMutablePointer<edgeai_error>?, _ status: edgeai_status, _ message: StaticString) -> edgeai_status {
  guard errorIsUsable(error) else { return EDGEAI_ERROR_ABI_MISMATCH }
  write(error, status, message)
  return status
}

/// NULL, or of a size this library knows.
func errorIsUsable(_ error: UnsafeMutablePointer<edgeai_error>?) -> Bool {
  guard let error else { return true }
  return isPlausible(UnsafePointer(error))
}

private func write(_ error: UnsafeMutablePointer<edgeai_error>?, _ status: edgeai_status, _ message: StaticString) {
  guard let error else { return }
  error.clear()
  error.pointee.status = status
  let bytes = UnsafeBufferPointer(start: message.utf8Start, count: message.utf8CodeUnitCount)
  copyText(bytes, to: &error.pointee.message, capacity: Int(EDGEAI_MESSAGE_CAPACITY))
}

extension UnsafeMutablePointer<edgeai_error> {
  /// No error; keeps the caller's struct_size.
  func clear() {
    let size = pointee.struct_size
    pointee = edgeai_error()
    pointee.struct_size = size
    pointee.byte_offset = -1
    pointee.node_index = -1
  }
}

extension EdgeError {
  /// Copies the error into the caller's structure, where there is one.
  func write(to error: UnsafeMutablePointer<edgeai_error>?) {
    guard let error else { return }
    error.clear()
    error.pointee.status = status.code
    error.pointee.byte_offset = Int64(byteOffset)
    error.pointee.node_index = Int32(clamping: nodeIndex)
    copyText(node.utf8, to: &error.pointee.node, capacity: Int(EDGEAI_NAME_CAPACITY))
    copyText(tensor.utf8, to: &error.pointee.tensor, capacity: Int(EDGEAI_NAME_CAPACITY))
    copyText(message.repaired.utf8, to: &error.pointee.message, capacity: Int(EDGEAI_MESSAGE_CAPACITY))
  }
}

/// Copies UTF-8 and ends it with a zero byte; what does not fit is cut between characters.
func copyText(_ text: some Sequence<UInt8>, to field: UnsafeMutableRawPointer, capacity: Int) {
  guard capacity > 0 else { return }
  var count = 0
  var characterStart = 0
  for byte in text {
    if byte & 0xC0 != 0x80 { characterStart = count }
    if count == capacity &- 1 {
      // The byte that has no room belongs to the character that starts there, or before.
      count = byte & 0xC0 == 0x80 ? characterStart : count
      break
    }
    field.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
    count &+= 1
  }
  field.storeBytes(of: 0, toByteOffset: count, as: UInt8.self)
}
