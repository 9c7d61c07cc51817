#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// BuiltinOperator of the schema, as far as an operator is imported.
enum TfliteCode: Int {
  case add = 0, averagePool2d = 1, concatenation = 2, conv2d = 3, depthwiseConv2d = 4, depthToSpace = 5, dequantize = 6,
    embeddingLookup = 7, floor = 8, fullyConnected = 9, l2Normalization = 11, l2Pool2d = 12,
    localResponseNormalization = 13, logistic = 14, maxPool2d = 17, mul = 18, relu = 19, reluN1To1 = 20, relu6 = 21,
    reshape = 22, resizeBilinear = 23, softmax = 25, spaceToDepth = 26, svdf = 27, tanh = 28, call = 31, custom = 32,
    pad = 34, unidirectionalSequenceRnn = 35, gather = 36, batchToSpaceNd = 37, spaceToBatchNd = 38, transpose = 39,
    mean = 40, sub = 41, div = 42, squeeze = 43, unidirectionalSequenceLstm = 44, stridedSlice = 45,
    bidirectionalSequenceRnn = 46, exp = 47, topkV2 = 48, split = 49, logSoftmax = 50, bidirectionalSequenceLstm = 52,
    cast = 53, prelu = 54, maximum = 55, argMax = 56, minimum = 57, less = 58, neg = 59, padv2 = 60, greater = 61,
    greaterEqual = 62, lessEqual = 63, select = 64, slice = 65, sin = 66, transposeConv = 67, tile = 69,
    expandDims = 70, equal = 71, notEqual = 72, log = 73, sum = 74, sqrt = 75, rsqrt = 76, shape = 77, pow = 78,
    argMin = 79, reduceProd = 81, reduceMax = 82, pack = 83, logicalOr = 84, oneHot = 85, logicalAnd = 86,
    logicalNot = 87, unpack = 88, reduceMin = 89, floorDiv = 90, reduceAny = 91, square = 92, zerosLike = 93,
    fill = 94, floorMod = 95, range = 96, resizeNearestNeighbor = 97, leakyRelu = 98, squaredDifference = 99,
    mirrorPad = 100, abs = 101, splitV = 102, ceil = 104, reverseV2 = 105, addN = 106, gatherNd = 107, cos = 108,
    rank = 110, elu = 111, reverseSequence = 112, quantize = 114, round = 116, hardSwish = 117, `if` = 118, `while` = 119,
    nonMaxSuppressionV4 = 120, nonMaxSuppressionV5 = 121, scatterNd = 122, selectV2 = 123, densify = 124,
    segmentSum = 125, batchMatmul = 126, cumsum = 128, callOnce = 129, broadcastTo = 130, reduceAll = 140,
    varHandle = 142, readVariable = 143, assignVariable = 144, broadcastArgs = 145, gelu = 150,
    dynamicUpdateSlice = 151, relu0To1 = 152, sign = 158, bitcast = 159, bitwiseXor = 160, rightShift = 161

  /// How the schema names an operator.
  static func name(_ code: Int) -> Text {
    let names: StaticString = """
      ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR \
      FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC \
      LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH \
      SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER \
      BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE \
      BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM \
      ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE \
      TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK \
      LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL \
      FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL \
      REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND \
      HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM \
      BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS \
      HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE \
      ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU \
      DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2 \
      UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE \
      STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE \
      STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE \
      STABLEHLO_ABS STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG \
      STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER STABLEHLO_RSQRT \
      STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER STABLEHLO_COMPARE STABLEHLO_CONVERT \
      STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL \
      STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE \
      STABLEHLO_RNG_BIT_GENERATOR REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT
      """
    let text = UnsafeBufferPointer(start: names.utf8Start, count: names.utf8CodeUnitCount)
    var left = code
    var start = 0
    var index = 0
    while left >= 0, index <= text.count {
      if index == text.count || text[index] == UInt8(ascii: " ") {
        if left == 0 { return Text(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: text[start..<index]))) }
        left -= 1
        start = index &+ 1
      }
      index &+= 1
    }
    return "operator \(code)"
  }
}
