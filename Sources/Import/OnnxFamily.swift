#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Which part of the importer handles an operator.
enum OnnxFamily {
  case convolution, pooling, activation, arithmetic, elementwise, shape, matrix, normalization, reduction, resize
  case indexing, pattern, standardization, loss, attention, region, sampling, spectrum, bilinear, contributed, selection, recurrent
  case control, sequence, quantization
  /// Operators on integers that stand for float ones between conversions.
  case quantizedForm
  /// Exact products of integers, and the quantization that finds its scale.
  case integerForm

  init?(of type: OnnxName, domain: Text) {
    let isQuantization = type.isOne(of: "QuantizeLinear DequantizeLinear")
    if !domain.isEmpty {
      if domain == "ai.onnx.preview", type == "FlexAttention" {
        self = .attention
        return
      }
      guard domain == "com.microsoft" else { return nil }
      if isQuantization {
        self = .quantization
      } else if OnnxQuantizedForm(of: type, isContributed: true) != nil {
        self = .quantizedForm
      } else {
        guard let family = OnnxFamily(contributed: type) else { return nil }
        self = family
      }
    } else if isQuantization {
      self = .quantization
    } else if OnnxQuantizedForm(of: type, isContributed: false) != nil {
      self = .quantizedForm
    } else if type.isOne(of: "DynamicQuantizeLinear ConvInteger MatMulInteger") {
      self = .integerForm
    } else if type.isOne(of: "Conv ConvTranspose") {
      self = .convolution
    } else if type.isOne(of: "MaxPool MaxUnpool AveragePool GlobalAveragePool GlobalMaxPool") {
      self = .pooling
    } else if type.isOne(
      of: """
        Relu LeakyRelu PRelu Sigmoid Tanh HardSigmoid HardSwish Gelu Elu Selu Celu Softplus Softsign Mish ThresholdedRelu Clip Erf \
        Exp Log Sqrt Reciprocal Abs Neg Floor Ceil Round Sign Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Not \
        BitwiseNot IsNaN IsInf
        """)
    {
      self = .activation
    } else if type.isOne(of: "Add Sub Mul Div Min Max Pow Sum Mean") {
      self = .arithmetic
    } else if type.isOne(
      of: """
        Reshape Flatten Squeeze Unsqueeze Transpose Concat Split Slice Pad Expand Gather Shape Size Cast CastLike BitCast Constant \
        ConstantOfShape \
        Identity Dropout DepthToSpace SpaceToDepth OptionalHasElement OptionalGetElement
        """)
    {
      self = .shape
    } else if type.isOne(of: "Gemm MatMul Einsum Det") {
      self = .matrix
    } else if type.isOne(of: "BatchNormalization LRN") {
      self = .normalization
    } else if type.isOne(
      of: """
        ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSum ReduceLogSumExp ArgMax \
        ArgMin Softmax LogSoftmax
        """)
    {
      self = .reduction
    } else if type.isOne(of: "Resize Upsample") {
      self = .resize
    } else if type.isOne(
      of: """
        Mod Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor BitwiseAnd BitwiseOr BitwiseXor BitShift Where Shrink Swish
        """)
    {
      self = .elementwise
    } else if type.isOne(
      of: """
        GatherElements GatherND Scatter ScatterElements ScatterND TensorScatter ReverseSequence Compress CumSum CumProd TopK OneHot
        """)
    {
      self = .indexing
    } else if type.isOne(of: "Trilu EyeLike Range Tile Hardmax HannWindow HammingWindow BlackmanWindow") {
      self = .pattern
    } else if type.isOne(
      of: """
        LayerNormalization RMSNormalization SimplifiedLayerNormalization InstanceNormalization GroupNormalization \
        MeanVarianceNormalization LpNormalization
        """)
    {
      self = .standardization
    } else if type.isOne(of: "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss") {
      self = .loss
    } else if type.isOne(of: "Attention RotaryEmbedding LinearAttention CausalConvWithState") {
      self = .attention
    } else if type.isOne(of: "CenterCropPad Col2Im LpPool GlobalLpPool SwiGLU") {
      self = .region
    } else if type.isOne(of: "AffineGrid GridSample") {
      self = .sampling
    } else if type.isOne(of: "DFT STFT") {
      self = .spectrum
    } else if type.isOne(of: "RoiAlign DeformConv") {
      self = .bilinear
    } else if type.isOne(of: "NonZero Unique NonMaxSuppression") {
      self = .selection
    } else if type.isOne(of: "LSTM GRU RNN") {
      self = .recurrent
    } else if type.isOne(of: "If Loop Scan") {
      self = .control
    } else if type.isOne(
      of: """
        SequenceConstruct SequenceEmpty SequenceInsert SequenceErase SequenceAt SequenceLength ConcatFromSequence SplitToSequence
        """)
    {
      self = .sequence
    } else {
      return nil
    }
  }

  /// Operators of the domain com.microsoft.
  init?(contributed type: OnnxName) {
    guard
      type.isOne(
        of: """
          FusedMatMul FusedConv Gelu BiasGelu FastGelu QuickGelu SkipLayerNormalization SkipSimplifiedLayerNormalization \
          EmbedLayerNormalization Attention MultiHeadAttention
          """)
    else { return nil }
    self = .contributed
  }
}
