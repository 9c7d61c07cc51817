#if ISA_AVX512BF16
import CPlatform

/// Enters the kernels that multiply pairs of bfloat16, or write them for those. All others are those of AVX-512 VNNI.
func fillPairKernels(_ table: UnsafeMutablePointer<ek_table>) {
  ek_table_entry(table, Int32(EK_CONV_BF16)).pointee = ek_kernel(
    name: cString("conv_bf16_avx512bf16_14x32"), run: convRun, units: convUnits, scratch_bytes: convScratch,
    packed_bytes: convPackedBytes, pack: convPack)
  ek_table_entry(table, Int32(EK_DEPTHWISE_BF16)).pointee = ek_kernel(
    name: cString("depthwise_bf16_avx512bf16"), run: depthwiseRun, units: depthwiseUnits, scratch_bytes: noScratch,
    packed_bytes: nil, pack: nil)
}
#endif
