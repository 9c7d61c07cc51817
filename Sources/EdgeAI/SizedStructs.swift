import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Structures of the C interface begin with `struct_size`, a UInt32, so that callers compiled with an older or a
// newer header can meet this library.

/// Larger than any structure will grow to; more is a structure nobody initialized.
private let largestStruct = 4096

private func callerSize(_ pointer: UnsafeRawPointer) -> Int {
  Int(pointer.loadUnaligned(as: UInt32.self))
}

/// The structure's size is one that a caller's header may have given it.
func isPlausible<T: BitwiseCopyable>(_ pointer: UnsafePointer<T>) -> Bool {
  callerSize(pointer) >= MemoryLayout<T>.stride && callerSize(pointer) <= largestStruct
}

/// The default value of an options structure, as its `init` function leaves it.
func initialize<T: BitwiseCopyable>(_ pointer: UnsafeMutablePointer<T>?, _ size: Int, _ defaults: T) {
  guard let pointer, size >= MemoryLayout<T>.stride, size <= largestStruct else { return }
  let bytes = UnsafeMutableRawPointer(pointer)
  // A newer header's extra fields are zero, their neutral value.
  ep_zero(bytes, size)
  pointer.pointee = defaults
  bytes.storeBytes(of: UInt32(size), as: UInt32.self)
}

/// The caller's options, or the defaults for NULL. Options that this library is too old to know must be zero.
func options<T: BitwiseCopyable>(_ pointer: UnsafePointer<T>?, _ defaults: T, _ name: StaticString) throws(EdgeError) -> T {
  guard let pointer else { return defaults }
  let size = callerSize(pointer)
  guard isPlausible(pointer) else {
    throw EdgeError(.abiMismatch, "\(name).struct_size is \(size), not \(MemoryLayout<T>.stride): was its init function called?")
  }
  let bytes = UnsafeRawBufferPointer(start: pointer, count: size)
  for offset in MemoryLayout<T>.stride..<size where bytes[offset] != 0 {
    throw EdgeError(.abiMismatch, "\(name) sets an option at byte \(offset) that this library does not know")
  }
  return pointer.pointee
}

/// Throws where an option structure's padding is used: a later version's option may live there.
func requireUnused(_ reserved: Int32, _ name: StaticString) throws(EdgeError) {
  if reserved != 0 { throw EdgeError(.abiMismatch, "\(name).reserved is \(reserved), an option that this library does not know") }
}

/// Gives a result structure to the caller, as much of it as both know.
func fill<T: BitwiseCopyable>(_ pointer: UnsafeMutablePointer<T>?, _ name: StaticString, _ value: T) throws(EdgeError) {
  guard let pointer else { throw EdgeError(.invalidArgument, "\(name) is NULL") }
  let size = callerSize(pointer)
  guard isPlausible(UnsafePointer(pointer)) else {
    throw EdgeError(.abiMismatch, "\(name).struct_size is \(size), not \(MemoryLayout<T>.stride): set it before the call")
  }
  pointer.pointee = value
  UnsafeMutableRawPointer(pointer).storeBytes(of: UInt32(size), as: UInt32.self)
}

/// A pointer argument that must not be NULL.
func required<P>(_ pointer: P?, _ name: StaticString) throws(EdgeError) -> P {
  guard let pointer else { throw EdgeError(.invalidArgument, "\(name) is NULL") }
  return pointer
}

/// An index argument below a count.
func checked(_ index: Int, below count: Int, _ name: StaticString) throws(EdgeError) -> Int {
  guard index >= 0, index < count else { throw EdgeError(.invalidArgument, "\(name) \(index) is not below \(count)") }
  return index
}

/// A C string argument. Throws for NULL and for what is not UTF-8.
func text(_ pointer: UnsafePointer<CChar>?, _ name: StaticString) throws(EdgeError) -> Text {
  let bytes = Text(cString: try required(pointer, name)).utf8
  let text = bytes.withUnsafeBytes { Text(validating: $0) }
  guard let text else { throw EdgeError(.invalidArgument, "\(name) is not UTF-8") }
  return text
}
