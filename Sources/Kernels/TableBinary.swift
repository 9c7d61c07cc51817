import CPlatform

#if ISA_AVX2
private var convName: StaticString { "conv_binary_avx2_2x128" }
private var binarizeName: StaticString { "binarize_avx2" }
#elseif ISA_AVX512BF16
private var convName: StaticString { "conv_binary_avx512_7x32" }
private var binarizeName: StaticString { "binarize_avx512" }
#elseif ISA_NEON
private var convName: StaticString { "conv_binary_neon_8x32" }
private var binarizeName: StaticString { "binarize_neon" }
#endif

/// Enters the kernels of signs. SSE2 has none: it counts bits no faster than it multiplies floats.
func fillBinaryKernels(_ table: UnsafeMutablePointer<ek_table>) {
  #if ISA_AVX2 || ISA_NEON || ISA_AVX512BF16
  ek_table_entry(table, Int32(EK_CONV_BINARY)).pointee = ek_kernel(
    name: cString(convName), run: convBinaryRun, units: convBinaryUnits, scratch_bytes: convBinaryScratch,
    packed_bytes: convBinaryPackedBytes, pack: convBinaryPack)
  ek_table_entry(table, Int32(EK_BINARIZE)).pointee = ek_kernel(
    name: cString(binarizeName), run: binarizeRun, units: binarizeUnits, scratch_bytes: noBinaryScratch, packed_bytes: nil, pack: nil)
  #endif
}

#if ISA_AVX2 || ISA_NEON || ISA_AVX512BF16
private func noBinaryScratch(_: UnsafeRawPointer?) -> Int64 { 0 }
#endif
