import CPlatform

/// Enters this instruction set's float kernels.
func fillFloatKernels(_ table: UnsafeMutablePointer<ek_table>) {
  enter(
    table, EK_CONV_F32,
    ek_kernel(
      name: cString(FloatKernelName.conv), run: convRun, units: convUnits, scratch_bytes: convScratch,
      packed_bytes: convPackedBytes, pack: convPack))
}

private func enter(_ table: UnsafeMutablePointer<ek_table>, _ operation: Int, _ kernel: ek_kernel) {
  ek_table_entry(table, Int32(truncatingIfNeeded: operation)).pointee = kernel
}

#if ISA_SSE2
private enum FloatKernelName {
  static var conv: StaticString { "conv_f32_sse2_4x8" }
}
#elseif ISA_AVX2
private enum FloatKernelName {
  static var conv: StaticString { "conv_f32_avx2_6x16" }
}
#elseif ISA_AVX512VNNI
private enum FloatKernelName {
  static var conv: StaticString { "conv_f32_avx512_14x32" }
}
#elseif ISA_NEON || ISA_NEONDOT
private enum FloatKernelName {
  static var conv: StaticString { "conv_f32_neon_12x8" }
}
#endif
