#if !ISA_AVX512BF16
import CPlatform

/// Enters this instruction set's integer kernels; see `fillFloatKernels` for what is left out.
func fillIntegerKernels(_ table: UnsafeMutablePointer<ek_table>) {
  typealias Name = IntegerKernelName
  enter(
    table, EK_CONV_U8,
    ek_kernel(
      name: cString(Name.conv), run: convRunU8, units: convUnitsU8, scratch_bytes: convScratchU8,
      packed_bytes: convPackedBytesU8, pack: convPackU8))
  #if !ISA_SSE2 && !ISA_NEONDOT
  enter(
    table, EK_CONV_WINOGRAD_U8,
    ek_kernel(
      name: cString(Name.winograd), run: winogradRunU8, units: winogradUnitsU8, scratch_bytes: winogradScratchU8,
      packed_bytes: winogradPackedBytesU8, pack: winogradPackU8))
  enter(
    table, EK_CONV_SPARSE_U8,
    ek_kernel(
      name: cString(Name.sparse), run: sparseRunU8, units: sparseUnitsU8, scratch_bytes: sparseScratchU8,
      packed_bytes: sparsePackedBytesU8, pack: sparsePackU8))
  #endif
  enter(
    table, EK_DEPTHWISE_U8,
    ek_kernel(
      name: cString(Name.depthwise), run: depthwiseRunU8, units: depthwiseUnitsU8,
      scratch_bytes: depthwiseScratchU8, packed_bytes: depthwisePackedBytesU8, pack: depthwisePackU8))
  enter(
    table, EK_MATMUL_U8,
    ek_kernel(
      name: cString(Name.matmul), run: matmulRunU8, units: matmulUnitsU8, scratch_bytes: matmulScratchU8,
      packed_bytes: nil, pack: nil))
  #if !ISA_NEONDOT
  enter(table, EK_LOOKUP_U8, Name.lookup, lookupRunU8, lookupUnitsU8)
  #endif
  #if !ISA_NEONDOT && !ISA_AVX512VNNI
  enter(table, EK_MAX_POOL_U8, Name.maxPool, maxPoolRunU8, poolUnitsU8)
  enter(table, EK_AVERAGE_POOL_U8, Name.averagePool, averagePoolRunU8, poolUnitsU8)
  enter(table, EK_REDUCE_U8, Name.reduce, reduceRunU8, reduceUnitsU8)
  enter(table, EK_BINARY_U8, Name.binary, binaryRunU8, binaryUnits)
  enter(
    table, EK_SOFTMAX_U8,
    ek_kernel(
      name: cString(Name.softmax), run: softmaxRunU8, units: softmaxUnitsU8, scratch_bytes: softmaxScratchU8, packed_bytes: nil,
      pack: nil))
  enter(table, EK_LAYER_NORM_U8, Name.layerNorm, layerNormRunU8, layerNormUnits)
  enter(table, EK_QUANTIZE, Name.quantize, quantizeRunU8, quantizeUnitsU8)
  enter(table, EK_DEQUANTIZE, Name.dequantize, dequantizeRunU8, dequantizeUnitsU8)
  #endif
}

/// A kernel without weights and scratch.
private func enter(
  _ table: UnsafeMutablePointer<ek_table>, _ operation: Int, _ name: StaticString,
  _ run: @convention(c) (UnsafeRawPointer?, Int64, Int64, UnsafeMutableRawPointer?) -> Void,
  _ units: @convention(c) (UnsafeRawPointer?) -> Int64
) {
  enter(
    table, operation,
    ek_kernel(
      name: cString(name), run: run, units: units, scratch_bytes: noScratchU8, packed_bytes: nil, pack: nil))
}

private func noScratchU8(_: UnsafeRawPointer?) -> Int64 { 0 }

private func enter(_ table: UnsafeMutablePointer<ek_table>, _ operation: Int, _ kernel: ek_kernel) {
  ek_table_entry(table, Int32(truncatingIfNeeded: operation)).pointee = kernel
}

// The names plans and tests print: operation, instruction set, tile.
#if ISA_SSE2
private enum IntegerKernelName {
  static var conv: StaticString { "conv_u8_sse2_4x8" }
  static var depthwise: StaticString { "depthwise_u8_sse2_8" }
  static var matmul: StaticString { "matmul_u8_sse2" }
  static var maxPool: StaticString { "max_pool_u8_sse2" }
  static var averagePool: StaticString { "average_pool_u8_sse2" }
  static var reduce: StaticString { "reduce_u8_sse2" }
  static var binary: StaticString { "binary_u8_sse2" }
  static var lookup: StaticString { "lookup_u8_sse2" }
  static var softmax: StaticString { "softmax_u8_sse2" }
  static var layerNorm: StaticString { "layer_norm_u8_sse2" }
  static var quantize: StaticString { "quantize_sse2" }
  static var dequantize: StaticString { "dequantize_sse2" }
}
#elseif ISA_AVX2
private enum IntegerKernelName {
  static var conv: StaticString { "conv_u8_avx2_6x16" }
  static var winograd: StaticString { "conv_winograd_u8_avx2_6x16" }
  static var sparse: StaticString { "conv_sparse_u8_avx2" }
  static var depthwise: StaticString { "depthwise_u8_avx2_16" }
  static var matmul: StaticString { "matmul_u8_avx2" }
  static var maxPool: StaticString { "max_pool_u8_avx2" }
  static var averagePool: StaticString { "average_pool_u8_avx2" }
  static var reduce: StaticString { "reduce_u8_avx2" }
  static var binary: StaticString { "binary_u8_avx2" }
  static var lookup: StaticString { "lookup_u8_avx2" }
  static var softmax: StaticString { "softmax_u8_avx2" }
  static var layerNorm: StaticString { "layer_norm_u8_avx2" }
  static var quantize: StaticString { "quantize_avx2" }
  static var dequantize: StaticString { "dequantize_avx2" }
}
#elseif ISA_AVX512VNNI
private enum IntegerKernelName {
  static var conv: StaticString { "conv_u8_avx512vnni_14x32" }
  static var winograd: StaticString { "conv_winograd_u8_avx512vnni_14x32" }
  static var sparse: StaticString { "conv_sparse_u8_avx512vnni" }
  static var depthwise: StaticString { "depthwise_u8_avx512vnni_64" }
  static var matmul: StaticString { "matmul_u8_avx512vnni" }
  static var lookup: StaticString { "lookup_u8_avx512" }
}
#elseif ISA_NEON
private enum IntegerKernelName {
  static var conv: StaticString { "conv_u8_neon_12x8" }
  static var winograd: StaticString { "conv_winograd_u8_neon_12x8" }
  static var sparse: StaticString { "conv_sparse_u8_neon" }
  static var depthwise: StaticString { "depthwise_u8_neon_8" }
  static var matmul: StaticString { "matmul_u8_neon" }
  static var maxPool: StaticString { "max_pool_u8_neon" }
  static var averagePool: StaticString { "average_pool_u8_neon" }
  static var reduce: StaticString { "reduce_u8_neon" }
  static var binary: StaticString { "binary_u8_neon" }
  static var lookup: StaticString { "lookup_u8_neon" }
  static var softmax: StaticString { "softmax_u8_neon" }
  static var layerNorm: StaticString { "layer_norm_u8_neon" }
  static var quantize: StaticString { "quantize_neon" }
  static var dequantize: StaticString { "dequantize_neon" }
}
#elseif ISA_NEONDOT
private enum IntegerKernelName {
  static var conv: StaticString { "conv_u8_neondot_12x8" }
  static var depthwise: StaticString { "depthwise_u8_neondot_16" }
  static var matmul: StaticString { "matmul_u8_neondot" }
}
#endif
#endif
