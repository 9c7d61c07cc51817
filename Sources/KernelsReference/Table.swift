import CPlatform

/// The scalar kernels: every operation, on any CPU, plain weights. They are the oracle of all others.
@_cdecl("ek_fill_reference")
public func fillReference(_ table: UnsafeMutablePointer<ek_table>) {
  table.pointee.isa = cString("reference")
  enter(table, EK_CONV_F32, "conv_f32_reference", convolutionFloat, convolutionUnits)
  enter(table, EK_CONV_U8, "conv_u8_reference", convolutionInteger, convolutionUnits)
  enter(table, EK_DEPTHWISE_F32, "depthwise_f32_reference", depthwiseFloat, convolutionUnits)
  enter(table, EK_DEPTHWISE_U8, "depthwise_u8_reference", depthwiseInteger, convolutionUnits)
  enter(table, EK_CONV_TRANSPOSE_F32, "conv_transpose_f32_reference", convolutionTransposeFloat, convolutionUnits)
  enter(table, EK_CONV_TRANSPOSE_U8, "conv_transpose_u8_reference", convolutionTransposeInteger, convolutionUnits)
  enter(table, EK_MATMUL_F32, "matmul_f32_reference", matmulFloat, matmulUnits)
  enter(table, EK_MATMUL_U8, "matmul_u8_reference", matmulInteger, matmulUnits)
  enter(table, EK_MAX_POOL_F32, "max_pool_f32_reference", maxPoolFloat, poolUnits)
  enter(table, EK_MAX_POOL_U8, "max_pool_u8_reference", maxPoolInteger, poolUnits)
  enter(table, EK_AVERAGE_POOL_F32, "average_pool_f32_reference", averagePoolFloat, poolUnits)
  enter(table, EK_AVERAGE_POOL_U8, "average_pool_u8_reference", averagePoolInteger, poolUnits)
  enter(table, EK_REDUCE_F32, "reduce_f32_reference", reduceFloat, reduceUnits)
  enter(table, EK_REDUCE_U8, "reduce_u8_reference", reduceInteger, reduceUnits)
  enter(table, EK_BINARY_F32, "binary_f32_reference", binaryFloat, binaryUnits)
  enter(table, EK_BINARY_U8, "binary_u8_reference", binaryInteger, binaryUnits)
  enter(table, EK_UNARY_F32, "unary_f32_reference", unaryFloat, unaryUnits)
  enter(table, EK_LOOKUP_U8, "lookup_u8_reference", lookup, lookupUnits)
  enter(table, EK_SOFTMAX_F32, "softmax_f32_reference", softmaxFloat, softmaxUnits)
  enter(table, EK_SOFTMAX_U8, "softmax_u8_reference", softmaxInteger, softmaxUnits, scratch: softmaxIntegerScratch)
  enter(table, EK_LAYER_NORM_F32, "layer_norm_f32_reference", layerNormFloat, layerNormUnits)
  enter(table, EK_LAYER_NORM_U8, "layer_norm_u8_reference", layerNormInteger, layerNormUnits)
  enter(table, EK_COPY, "copy_reference", copy, copyUnits)
  enter(table, EK_FILL, "fill_reference", fill, fillUnits)
  enter(table, EK_GATHER, "gather_reference", gather, gatherUnits)
  enter(table, EK_RESIZE_F32, "resize_f32_reference", resizeFloat, resizeUnits)
  enter(table, EK_RESIZE_U8, "resize_u8_reference", resizeInteger, resizeUnits)
  enter(
    table, EK_LOCAL_RESPONSE_NORM_F32, "local_response_norm_f32_reference", localResponseNorm, localResponseNormUnits)
  enter(table, EK_QUANTIZE, "quantize_reference", quantize, quantizeUnits)
  enter(table, EK_DEQUANTIZE, "dequantize_reference", dequantize, quantizeUnits)
  enter(table, EK_TYPED_ELEMENTWISE, "typed_elementwise_reference", typedElementwise, typedUnits, scratch: lanesScratch)
  enter(table, EK_MASK, "mask_reference", typedElementwise, typedUnits, scratch: lanesScratch)
  enter(table, EK_TYPED_REDUCE, "typed_reduce_reference", typedReduce, typedReduceUnits, scratch: lanesScratch)
  enter(table, EK_TYPED_SCAN, "typed_scan_reference", typedScan, typedReduceUnits, scratch: lanesScratch)
  enter(table, EK_TYPED_MATMUL, "typed_matmul_reference", typedMatmul, typedMatmulUnits, scratch: lanesScratch)
  enter(table, EK_TAKE, "take_reference", take, takeUnits)
  enter(table, EK_PUT, "put_reference", put, putUnits, scratch: lanesScratch)
  enter(table, EK_TOP_K, "top_k_reference", topK, topKUnits, scratch: topKScratch)
  enter(table, EK_CROP, "crop_reference", crop, cropUnits)
  enter(table, EK_NON_ZERO, "non_zero_reference", nonZero, wholeUnits, scratch: lanesScratch)
  enter(table, EK_UNIQUE, "unique_reference", unique, wholeUnits, scratch: uniqueScratch)
  enter(table, EK_NON_MAX_SUPPRESSION, "non_max_suppression_reference", nonMaxSuppression, wholeUnits, scratch: nonMaxSuppressionScratch)
  enter(table, EK_CONV_BINARY, "conv_binary_reference", convolutionBinary, convolutionUnits)
  enter(table, EK_BINARIZE, "binarize_reference", binarize, binarizeUnits)
  enter(table, EK_RECURRENT_F32, "recurrent_f32_reference", recurrent, recurrentUnits, scratch: recurrentScratch)
  enter(table, EK_CONV_WEIGHT_GRADIENT_F32, "conv_weight_gradient_f32_reference", weightGradient, weightGradientUnits)
  enter(table, EK_POOL_GRADIENT_F32, "pool_gradient_f32_reference", poolGradient, poolGradientUnits)
  enter(table, EK_CHANNEL_SUMS_F32, "channel_sums_f32_reference", channelSums, channelSumsUnits)
  enter(table, EK_CHANNEL_COMBINE_F32, "channel_combine_f32_reference", channelCombine, channelCombineUnits)
  enter(table, EK_CHANNEL_AFFINE_F32, "channel_affine_f32_reference", channelAffine, channelAffineUnits)
  enter(table, EK_OPTIMIZER_STEP_F32, "optimizer_step_f32_reference", optimizerStep, optimizerStepUnits)
  enter(table, EK_RANDOM_F32, "random_f32_reference", random, randomUnits)
}

typealias RunFunction = @convention(c) (UnsafeRawPointer?, Int64, Int64, UnsafeMutableRawPointer?) -> Void
typealias SizeFunction = @convention(c) (UnsafeRawPointer?) -> Int64

func noScratch(_ raw: UnsafeRawPointer?) -> Int64 { 0 }

/// Enters a kernel that reads plain weights.
private func enter(
  _ table: UnsafeMutablePointer<ek_table>, _ operation: Int, _ name: StaticString, _ run: RunFunction,
  _ units: SizeFunction, scratch: SizeFunction = noScratch
) {
  ek_table_entry(table, Int32(truncatingIfNeeded: operation)).pointee = ek_kernel(
    name: cString(name), run: run, units: units, scratch_bytes: scratch, packed_bytes: nil, pack: nil)
}

@inline(__always)
func cString(_ text: StaticString) -> UnsafePointer<CChar> {
  UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}
