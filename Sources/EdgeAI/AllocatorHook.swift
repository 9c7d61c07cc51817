import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

@_cdecl("edgeai_allocator_init") @implementation
public func edgeai_allocator_init(_ allocator: UnsafeMutablePointer<edgeai_allocator>!, _ struct_size: Int) {
  initialize(
    allocator, struct_size,
    edgeai_allocator(
      struct_size: 0, reserved: 0, context: nil,
      allocate: { _, size, alignment in ep_system_allocate(size, alignment) },
      deallocate: { _, pointer, _ in ep_system_deallocate(pointer) }))
}

/// The platform's view of a caller's allocator: the two structures have one layout. NULL stays NULL.
func platformAllocator(_ allocator: UnsafePointer<edgeai_allocator>?) -> UnsafePointer<ep_allocator>? {
  allocator.map { UnsafeRawPointer($0).assumingMemoryBound(to: ep_allocator.self) }
}

/// Whether an allocator may be called. Checked before the call that will use it begins.
func isUsable(_ allocator: UnsafePointer<edgeai_allocator>?) -> Bool {
  guard let allocator else { return true }
  return isPlausible(allocator) && allocator.pointee.allocate != nil && allocator.pointee.deallocate != nil
}
