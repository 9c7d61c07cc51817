import CPlatform

/// Enters this instruction set's integer kernels.
func fillIntegerKernels(_ table: UnsafeMutablePointer<ek_table>) {
  enter(
    table, EK_CONV_U8,
    ek_kernel(
      name: cString(IntegerKernelName.conv), run: convRunU8, units: convUnitsU8, scratch_bytes: convScratchU8,
      packed_bytes: convPackedBytesU8, pack: convPackU8))
  enter(
    table, EK_DEPTHWISE_U8,
    ek_kernel(
      name: cString(IntegerKernelName.depthwise), run: depthwiseRunU8, units: depthwiseUnitsU8,
      scratch_bytes: depthwiseScratchU8, packed_bytes: depthwisePackedBytesU8, pack: depthwisePackU8))
}

private func enter(_ table: UnsafeMutablePointer<ek_table>, _ operation: Int, _ kernel: ek_kernel) {
  ek_table_entry(table, Int32(truncatingIfNeeded: operation)).pointee = kernel
}

#if ISA_SSE2
private enum IntegerKernelName {
  static var conv: StaticString { "conv_u8_sse2_4x8" }
  static var depthwise: StaticString { "depthwise_u8_sse2_8" }
}
#elseif ISA_AVX2
private enum IntegerKernelName {
  static var conv: StaticString { "conv_u8_avx2_6x16" }
  static var depthwise: StaticString { "depthwise_u8_avx2_16" }
}
#elseif ISA_AVX512VNNI
private enum IntegerKernelName {
  static var conv: StaticString { "conv_u8_avx512vnni_14x32" }
  static var depthwise: StaticString { "depthwise_u8_avx512vnni_64" }
}
#elseif ISA_NEON
private enum IntegerKernelName {
  static var conv: StaticString { "conv_u8_neon_12x8" }
  static var depthwise: StaticString { "depthwise_u8_neon_8" }
}
#elseif ISA_NEONDOT
private enum IntegerKernelName {
  static var conv: StaticString { "conv_u8_neondot_12x8" }
  static var depthwise: StaticString { "depthwise_u8_neondot_8" }
}
#endif
