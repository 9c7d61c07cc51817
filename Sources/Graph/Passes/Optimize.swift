extension Graph {
  /// The graph as the runtime wants it: constants evaluated, transposes cancelled, normalization folded,
  /// padding and activations fused, dead nodes gone. The order matters: transposes hide a layer from what follows it, and
  /// folding must come before a fused clamp stands between.
  ///
  ///     before   graph as an importer builds it
  ///     after    NHWC from input to output, one node for each kernel
  public func optimized() throws(EdgeError) -> Graph {
    try foldingConstants()
      .removingDeadNodes()
      .cancellingTransposes()
      .foldingConstants()
      .foldingBatchNormalization()
      .fusingPadding()
      .fusingNormalization()
      .fusingActivations()
      .removingDeadNodes()
  }
}
