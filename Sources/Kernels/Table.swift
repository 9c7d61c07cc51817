import CPlatform

@inline(__always)
func cString(_ text: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

#if ISA_SSE2
@_cdecl("ek_fill_sse2") public func fillTable(_ table: UnsafeMutablePointer<ek_table>) { fill(table, "sse2") }
#elseif ISA_AVX2
@_cdecl("ek_fill_avx2") public func fillTable(_ table: UnsafeMutablePointer<ek_table>) { fill(table, "avx2") }
#elseif ISA_AVX512BF16
@_cdecl("ek_fill_avx512bf16") public func fillTable(_ table: UnsafeMutablePointer<ek_table>) { fill(table, "avx512bf16") }
#elseif ISA_AVX512VNNI
@_cdecl("ek_fill_avx512vnni") public func fillTable(_ table: UnsafeMutablePointer<ek_table>) { fill(table, "avx512vnni") }
#elseif ISA_NEON
@_cdecl("ek_fill_neon") public func fillTable(_ table: UnsafeMutablePointer<ek_table>) { fill(table, "neon") }
#elseif ISA_NEONDOT
@_cdecl("ek_fill_neondot") public func fillTable(_ table: UnsafeMutablePointer<ek_table>) { fill(table, "neondot") }
#endif

/// The reference's kernel of an operation, for what this set leaves to it.
@inline(never)
func referenceKernel(_ operation: Int) -> ek_kernel {
  var table = ek_table()
  ek_fill_reference(&table)
  return ek_table_kernel(&table, Int32(truncatingIfNeeded: operation)).pointee
}

@inline(never)
func fill(_ table: UnsafeMutablePointer<ek_table>, _ isa: StaticString) {
  table.pointee.isa = cString(isa)
  #if ISA_AVX512BF16
  fillPairKernels(table)
  #else
  fillFloatKernels(table)
  fillIntegerKernels(table)
  #endif
  fillBinaryKernels(table)
}
