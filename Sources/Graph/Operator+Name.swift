extension Operator {
  /// What the operator is called in plans, reports and messages.
  public var name: Text {
    switch self {
    case .convolution: return "Convolution"
    case .transposedConvolution: return "TransposedConvolution"
    case .dense: return "Dense"
    case .matMul: return "MatMul"
    case .batchNormalization: return "BatchNormalization"
    case .unary(let function): return function.kind.name
    case .binary(let function, _): return function.name
    case .pool(let pool): return pool.kind == .max ? "MaxPool" : "AveragePool"
    case .reduce(let function, _, _): return function.name
    case .softmax(_, let log): return log ? "LogSoftmax" : "Softmax"
    case .convolutionWeightGradient: return "ConvolutionWeightGradient"
    case .poolGradient(let pool): return pool.kind == .max ? "MaxPoolGradient" : "AveragePoolGradient"
    case .batchStatistics: return "BatchStatistics"
    case .batchNormalizationGradient: return "BatchNormalizationGradient"
    case .optimizerStep: return "OptimizerStep"
    case .random: return "Random"
    case .concat: return "Concat"
    case .split: return "Split"
    case .slice: return "Slice"
    case .pad: return "Pad"
    case .resize: return "Resize"
    case .transpose: return "Transpose"
    case .reshape: return "Reshape"
    case .expand: return "Expand"
    case .gather: return "Gather"
    case .localResponseNormalization: return "LocalResponseNormalization"
    case .layerNormalization: return "LayerNormalization"
    case .quantize: return "Quantize"
    case .dequantize: return "Dequantize"
    case .requantize: return "Requantize"
    case .cast: return "Cast"
    case .bitCast: return "BitCast"
    case .select: return "Where"
    case .scan(let function, _, _, _): return function == .sum ? "CumulativeSum" : "CumulativeProduct"
    case .take: return "Take"
    case .put: return "Put"
    case .topK: return "TopK"
    case .nonZero: return "NonZero"
    case .crop(_, .first): return "First"
    case .crop(_, .whole): return "Whole"
    case .unique: return "Unique"
    case .nonMaxSuppression: return "NonMaxSuppression"
    case .recurrent(let recurrent): return recurrent.kind == .rnn ? "RNN" : recurrent.kind == .gru ? "GRU" : "LSTM"
    case .when: return "When"
    case .otherwise: return "Otherwise"
    case .merge: return "Merge"
    case .loop: return "Loop"
    case .next: return "Next"
    }
  }
}

extension UnaryFunction.Kind {
  public var name: Text {
    switch self {
    case .clamp: return "Clamp"
    case .leakyRelu: return "LeakyRelu"
    case .sigmoid: return "Sigmoid"
    case .tanh: return "Tanh"
    case .hardSigmoid: return "HardSigmoid"
    case .hardSwish: return "HardSwish"
    case .silu: return "Silu"
    case .gelu: return "Gelu"
    case .geluTanh: return "GeluTanh"
    case .elu: return "Elu"
    case .selu: return "Selu"
    case .celu: return "Celu"
    case .softplus: return "Softplus"
    case .softsign: return "Softsign"
    case .mish: return "Mish"
    case .thresholdedRelu: return "ThresholdedRelu"
    case .erf: return "Erf"
    case .exp: return "Exp"
    case .log: return "Log"
    case .sqrt: return "Sqrt"
    case .reciprocal: return "Reciprocal"
    case .abs: return "Abs"
    case .negate: return "Negate"
    case .floor: return "Floor"
    case .ceil: return "Ceil"
    case .round: return "Round"
    case .sign: return "Sign"
    case .sin: return "Sin"
    case .cos: return "Cos"
    case .tan: return "Tan"
    case .asin: return "Asin"
    case .acos: return "Acos"
    case .atan: return "Atan"
    case .sinh: return "Sinh"
    case .cosh: return "Cosh"
    case .asinh: return "Asinh"
    case .acosh: return "Acosh"
    case .atanh: return "Atanh"
    case .not: return "Not"
    case .isNaN: return "IsNaN"
    case .isInfinite: return "IsInf"
    case .binarize: return "Binarize"
    }
  }
}

extension BinaryFunction {
  public var name: Text {
    switch self {
    case .add: return "Add"
    case .subtract: return "Subtract"
    case .multiply: return "Multiply"
    case .divide: return "Divide"
    case .minimum: return "Minimum"
    case .maximum: return "Maximum"
    case .power: return "Power"
    case .prelu: return "PRelu"
    case .modulo: return "Modulo"
    case .remainder: return "Remainder"
    case .equal: return "Equal"
    case .less: return "Less"
    case .lessOrEqual: return "LessOrEqual"
    case .and: return "And"
    case .or: return "Or"
    case .xor: return "Xor"
    case .shiftLeft: return "ShiftLeft"
    case .shiftRight: return "ShiftRight"
    case .gate: return "Gate"
    }
  }
}

extension OptimizerStep.Kind {
  public var name: Text {
    switch self {
    case .sgd: return "sgd"
    case .nesterov: return "nesterov"
    case .adam: return "adam"
    case .adamW: return "adamW"
    case .rmsprop: return "rmsprop"
    }
  }
}

extension ReduceFunction {
  public var name: Text {
    switch self {
    case .mean: return "ReduceMean"
    case .sum: return "ReduceSum"
    case .max: return "ReduceMax"
    case .min: return "ReduceMin"
    case .product: return "ReduceProduct"
    case .l1: return "ReduceL1"
    case .l2: return "ReduceL2"
    case .sumSquare: return "ReduceSumSquare"
    case .logSum: return "ReduceLogSum"
    case .logSumExp: return "ReduceLogSumExp"
    case .argMax, .argMaxLast: return "ArgMax"
    case .argMin, .argMinLast: return "ArgMin"
    }
  }
}

extension DType {
  /// `name` as a string.
  var text: Text {
    switch self {
    case .float32: return "float32"
    case .uint8: return "uint8"
    case .int8: return "int8"
    case .int32: return "int32"
    case .int64: return "int64"
    case .bool: return "bool"
    case .float16: return "float16"
    case .float64: return "float64"
    case .int16: return "int16"
    case .uint16: return "uint16"
    case .uint32: return "uint32"
    case .uint64: return "uint64"
    case .bfloat16: return "bfloat16"
    }
  }
}
