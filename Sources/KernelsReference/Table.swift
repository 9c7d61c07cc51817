import CPlatform

/// The scalar kernels: every operation, on any CPU, plain weights. They are the oracle of all others.
@_cdecl("ek_fill_reference")
public func fillReference(_ table: UnsafeMutablePointer<ek_table>) {
  table.pointee.isa = cString("reference")
}

@inline(__always)
func cString(_ text: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}
