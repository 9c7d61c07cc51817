#if !ISA_AVX512BF16
import CPlatform

/// Enters this instruction set's float kernels. What wider vectors or dot products do not make faster is left to the
/// set below (AVX2, NEON), which every CPU with this one has: `InstructionSet.base`.
func fillFloatKernels(_ table: UnsafeMutablePointer<ek_table>) {
  #if !ISA_NEONDOT
  enter(
    table, EK_CONV_F32,
    ek_kernel(
      name: cString(FloatKernelName.conv), run: convRun, units: convUnits, scratch_bytes: convScratch,
      packed_bytes: convPackedBytes, pack: convPack))
  #if !ISA_SSE2
  // Processors without AVX2 are few: not worth the code.
  enter(
    table, EK_CONV_WINOGRAD_F32,
    ek_kernel(
      name: cString(FloatKernelName.winograd), run: winogradRun, units: winogradUnits, scratch_bytes: winogradScratch,
      packed_bytes: winogradPackedBytes, pack: winogradPack))
  enter(
    table, EK_CONV_SPARSE_F32,
    ek_kernel(
      name: cString(FloatKernelName.sparse), run: sparseRunF32, units: sparseUnitsF32, scratch_bytes: sparseScratchF32,
      packed_bytes: sparsePackedBytesF32, pack: sparsePackF32))
  #endif
  enter(table, EK_DEPTHWISE_F32, FloatKernelName.depthwise, depthwiseRun, depthwiseUnits, noScratch)
  enter(table, EK_MATMUL_F32, FloatKernelName.matmul, matmulRun, matmulUnits, matmulScratch)
  enter(
    table, EK_CONV_TRANSPOSE_F32,
    ek_kernel(
      name: cString(FloatKernelName.transpose), run: transposeRun, units: transposeUnits, scratch_bytes: transposeScratch,
      packed_bytes: transposePackedBytes, pack: transposePack))
  enter(table, EK_CONV_WEIGHT_GRADIENT_F32, FloatKernelName.weightGradient, weightGradientRun, weightGradientUnits, weightGradientScratch)
  enter(table, EK_POOL_GRADIENT_F32, FloatKernelName.poolGradient, poolGradientRun, poolGradientUnits, noScratch)
  enter(table, EK_CHANNEL_SUMS_F32, FloatKernelName.channelSums, channelSumsRun, channelSumsUnits, channelSumsScratch)
  enter(table, EK_CHANNEL_COMBINE_F32, FloatKernelName.channelCombine, channelCombineRun, channelCombineUnits, noScratch)
  enter(table, EK_CHANNEL_AFFINE_F32, FloatKernelName.channelAffine, channelAffineRun, channelAffineUnits, channelAffineScratch)
  enter(table, EK_OPTIMIZER_STEP_F32, FloatKernelName.optimizer, optimizerRun, optimizerUnits, noScratch)
  #if ISA_AVX2 || ISA_AVX512VNNI
  enter(table, EK_RANDOM_F32, FloatKernelName.random, randomRun, randomUnits, noScratch)
  #endif
  enter(table, EK_UNARY_F32, FloatKernelName.unary, unaryRun, unaryUnits, noScratch)
  enter(table, EK_SOFTMAX_F32, FloatKernelName.softmax, softmaxRun, softmaxUnits, noScratch)
  #endif
  #if !ISA_NEONDOT && !ISA_AVX512VNNI
  enter(table, EK_MAX_POOL_F32, FloatKernelName.maxPool, maxPoolRun, poolUnits, noScratch)
  enter(table, EK_AVERAGE_POOL_F32, FloatKernelName.averagePool, averagePoolRun, poolUnits, noScratch)
  enter(table, EK_REDUCE_F32, FloatKernelName.reduce, reduceRun, reduceUnits, noScratch)
  enter(table, EK_BINARY_F32, FloatKernelName.binary, binaryRun, binaryUnits, noScratch)
  enter(table, EK_MASK, FloatKernelName.mask, maskRun, maskUnits, maskScratch)
  enter(table, EK_LAYER_NORM_F32, FloatKernelName.layerNorm, layerNormRun, layerNormUnits, noScratch)
  enter(table, EK_COPY, FloatKernelName.copy, copyRun, copyUnits, noScratch)
  enter(
    table, EK_RECURRENT_F32,
    ek_kernel(
      name: cString(FloatKernelName.recurrent), run: recurrentRun, units: recurrentUnits, scratch_bytes: recurrentScratch,
      packed_bytes: recurrentPackedBytes, pack: recurrentPack))
  #endif
}

/// A kernel that reads plain weights, or none.
private func enter(
  _ table: UnsafeMutablePointer<ek_table>, _ operation: Int, _ name: StaticString,
  _ run: @convention(c) (UnsafeRawPointer?, Int64, Int64, UnsafeMutableRawPointer?) -> Void,
  _ units: @convention(c) (UnsafeRawPointer?) -> Int64, _ scratch: @convention(c) (UnsafeRawPointer?) -> Int64
) {
  enter(
    table, operation,
    ek_kernel(
      name: cString(name), run: run, units: units, scratch_bytes: scratch, packed_bytes: nil, pack: nil))
}

private func enter(_ table: UnsafeMutablePointer<ek_table>, _ operation: Int, _ kernel: ek_kernel) {
  ek_table_entry(table, Int32(truncatingIfNeeded: operation)).pointee = kernel
}

// The names plans and tests print: operation, instruction set, tile.
#if ISA_SSE2
private enum FloatKernelName {
  static var conv: StaticString { "conv_f32_sse2_4x8" }
  static var depthwise: StaticString { "depthwise_f32_sse2" }
  static var matmul: StaticString { "matmul_f32_sse2_4x8" }
  static var maxPool: StaticString { "max_pool_f32_sse2" }
  static var averagePool: StaticString { "average_pool_f32_sse2" }
  static var reduce: StaticString { "reduce_f32_sse2" }
  static var binary: StaticString { "binary_f32_sse2" }
  static var transpose: StaticString { "conv_transpose_f32_sse2_4x8" }
  static var weightGradient: StaticString { "conv_weight_gradient_f32_sse2_4x8" }
  static var poolGradient: StaticString { "pool_gradient_f32_sse2" }
  static var channelSums: StaticString { "channel_sums_f32_sse2" }
  static var channelCombine: StaticString { "channel_combine_f32_sse2" }
  static var channelAffine: StaticString { "channel_affine_f32_sse2" }
  static var optimizer: StaticString { "optimizer_step_f32_sse2" }
  static var unary: StaticString { "unary_f32_sse2" }
  static var softmax: StaticString { "softmax_f32_sse2" }
  static var mask: StaticString { "mask_sse2" }
  static var layerNorm: StaticString { "layer_norm_f32_sse2" }
  static var copy: StaticString { "copy_sse2" }
  static var recurrent: StaticString { "recurrent_f32_sse2_4x8" }
}
#elseif ISA_AVX2
private enum FloatKernelName {
  static var conv: StaticString { "conv_f32_avx2_6x16" }
  static var winograd: StaticString { "conv_winograd_f32_avx2_6x16" }
  static var sparse: StaticString { "conv_sparse_f32_avx2" }
  static var depthwise: StaticString { "depthwise_f32_avx2" }
  static var matmul: StaticString { "matmul_f32_avx2_6x16" }
  static var maxPool: StaticString { "max_pool_f32_avx2" }
  static var averagePool: StaticString { "average_pool_f32_avx2" }
  static var reduce: StaticString { "reduce_f32_avx2" }
  static var binary: StaticString { "binary_f32_avx2" }
  static var transpose: StaticString { "conv_transpose_f32_avx2_6x16" }
  static var weightGradient: StaticString { "conv_weight_gradient_f32_avx2_6x16" }
  static var poolGradient: StaticString { "pool_gradient_f32_avx2" }
  static var channelSums: StaticString { "channel_sums_f32_avx2" }
  static var channelCombine: StaticString { "channel_combine_f32_avx2" }
  static var channelAffine: StaticString { "channel_affine_f32_avx2" }
  static var optimizer: StaticString { "optimizer_step_f32_avx2" }
  static var random: StaticString { "random_f32_avx2" }
  static var unary: StaticString { "unary_f32_avx2" }
  static var softmax: StaticString { "softmax_f32_avx2" }
  static var mask: StaticString { "mask_avx2" }
  static var layerNorm: StaticString { "layer_norm_f32_avx2" }
  static var copy: StaticString { "copy_avx2" }
  static var recurrent: StaticString { "recurrent_f32_avx2_6x16" }
}
#elseif ISA_AVX512VNNI
private enum FloatKernelName {
  static var conv: StaticString { "conv_f32_avx512_14x32" }
  static var winograd: StaticString { "conv_winograd_f32_avx512_14x32" }
  static var sparse: StaticString { "conv_sparse_f32_avx512" }
  static var depthwise: StaticString { "depthwise_f32_avx512" }
  static var matmul: StaticString { "matmul_f32_avx512_14x32" }
  static var transpose: StaticString { "conv_transpose_f32_avx512_14x32" }
  static var weightGradient: StaticString { "conv_weight_gradient_f32_avx512_14x32" }
  static var poolGradient: StaticString { "pool_gradient_f32_avx512" }
  static var channelSums: StaticString { "channel_sums_f32_avx512" }
  static var channelCombine: StaticString { "channel_combine_f32_avx512" }
  static var channelAffine: StaticString { "channel_affine_f32_avx512" }
  static var optimizer: StaticString { "optimizer_step_f32_avx512" }
  static var random: StaticString { "random_f32_avx512" }
  static var unary: StaticString { "unary_f32_avx512" }
  static var softmax: StaticString { "softmax_f32_avx512" }
}
#elseif ISA_NEON
private enum FloatKernelName {
  static var conv: StaticString { "conv_f32_neon_12x8" }
  static var winograd: StaticString { "conv_winograd_f32_neon_12x8" }
  static var sparse: StaticString { "conv_sparse_f32_neon" }
  static var depthwise: StaticString { "depthwise_f32_neon" }
  static var matmul: StaticString { "matmul_f32_neon_12x8" }
  static var maxPool: StaticString { "max_pool_f32_neon" }
  static var averagePool: StaticString { "average_pool_f32_neon" }
  static var reduce: StaticString { "reduce_f32_neon" }
  static var binary: StaticString { "binary_f32_neon" }
  static var transpose: StaticString { "conv_transpose_f32_neon_12x8" }
  static var weightGradient: StaticString { "conv_weight_gradient_f32_neon_12x8" }
  static var poolGradient: StaticString { "pool_gradient_f32_neon" }
  static var channelSums: StaticString { "channel_sums_f32_neon" }
  static var channelCombine: StaticString { "channel_combine_f32_neon" }
  static var channelAffine: StaticString { "channel_affine_f32_neon" }
  static var optimizer: StaticString { "optimizer_step_f32_neon" }
  static var unary: StaticString { "unary_f32_neon" }
  static var softmax: StaticString { "softmax_f32_neon" }
  static var mask: StaticString { "mask_neon" }
  static var layerNorm: StaticString { "layer_norm_f32_neon" }
  static var copy: StaticString { "copy_neon" }
  static var recurrent: StaticString { "recurrent_f32_neon_12x8" }
}
#endif
#endif
