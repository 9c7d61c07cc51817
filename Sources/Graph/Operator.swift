/// What a node computes, with its attributes. Images are NHWC, convolution weights OHWI; an importer whose
/// format thinks otherwise inserts transposes, which `cancelTransposes` removes.
///
/// Inputs are listed with each case; `?` marks an optional one (a missing trailing input is absent, a missing
/// middle one is `Node.noValue`).
public enum Operator: Equatable {
  /// x [N,H,W,C], weights [O,KH,KW,C/groups], bias? [O], residual? (shape of the result)
  case convolution(Convolution)
  /// x [N,H,W,C], weights [O,KH,KW,C/groups], bias? [O]
  case transposedConvolution(TransposedConvolution)
  /// x [..., K], weights [O,K], bias? [O], residual?
  case dense(Clamp)
  /// a [..., M, K], b [..., K, N]; batch dimensions broadcast
  case matMul
  /// x [..., C], scale [C], bias [C], mean [C], variance [C]
  case batchNormalization(epsilon: Float)
  /// x [..., C], scale [C], bias? [C]: (x - mean) / sqrt(variance + epsilon) * scale + bias over the last axis (Ba et al.
  /// 2016). Scale and bias are float32, also where x is quantized
  case layerNormalization(epsilon: Float)
  /// x
  case unary(UnaryFunction)
  /// a, b; broadcasting
  case binary(BinaryFunction, Clamp)
  /// x [N,H,W,C]
  case pool(Pool)
  /// x
  case reduce(ReduceFunction, axes: [Int], keepDims: Bool)
  /// x
  case softmax(axis: Int, log: Bool)
  /// x [N,H,W,C], gradient of the result [N,OH,OW,O]: that of the weights [O,KH,KW,C/groups]. The clamp is not looked at
  case convolutionWeightGradient(Convolution)
  /// x [N,H,W,C], gradient of the result [N,OH,OW,C]: that of x. Of equal maxima of a window the first has it all
  case poolGradient(Pool)
  /// x [..., C]: mean [C] and variance [C] (of the population) over all other axes
  case batchStatistics
  /// x [..., C], gradient of the result (shape of x), scale [C], mean [C], variance [C], the last two being `batchStatistics` of
  /// x: gradients of x, scale [C] and bias [C]
  case batchNormalizationGradient(epsilon: Float)
  /// parameter, gradient (its shape), rates [8] (see `OptimizerStep`), factor of the gradient? [], first moment?, second
  /// moment? (both the parameter's shape): the new parameter, and the new moments that the kind has
  case optimizerStep(OptimizerStep)
  /// x, number of the run (int64, []): uniform in [0, 1), of x's shape; depends on the seed, the number and the place alone
  case random(seed: Int64)
  /// two or more inputs (one is allowed)
  case concat(axis: Int)
  /// x; as many results as sizes
  case split(axis: Int, sizes: [Int])
  /// x; per axis start, end (exclusive, after clipping) and step; result dim = ceil((end - start) / step)
  case slice(starts: [Int], ends: [Int], steps: [Int])
  /// x; amounts per axis, not negative
  case pad(PadMode, before: [Int], after: [Int], value: Float)
  /// x [N,H,W,C]
  case resize(Resize)
  /// x
  case transpose([Int])
  /// x; `Shape.batch` stands for the batch, everything else is known
  case reshape(Shape)
  /// x; to the given shape by broadcasting
  case expand(Shape)
  /// x; constant indices along one axis
  case gather(axis: Int, indices: [Int32], scalarIndex: Bool)
  /// x [..., C]; over `size` neighbouring channels (Krizhevsky et al. 2012)
  case localResponseNormalization(size: Int, alpha: Float, beta: Float, bias: Float)
  /// x float -> the result value's quantized type
  case quantize
  /// x quantized -> float
  case dequantize
  /// x quantized -> another quantized type
  case requantize
  /// x; the result has another element type. Integers wrap around; float to integer drops the fraction; NaN gives 0
  case cast(DType)
  /// x; the same bits as elements of another type of the same width, without quantization
  case bitCast(DType)
  /// condition (bool), a, b; broadcasting: a where the condition holds, else b
  case select
  /// x; running sums or products along an axis. `exclusive` leaves out the own element, `reverse` starts from the end
  case scan(ScanFunction, axis: Int, exclusive: Bool, reverse: Bool)
  /// x, indices (int32 or int64): x's elements there. A negative index counts from the end; one that is outside all the
  /// same is moved to the nearest end: the data are known at run time only, and a run has no errors
  case take(Indexing)
  /// x, indices, updates: x, where updates take the place of the elements that `take` would read, or are joined with them
  case put(Indexing, PutFunction)
  /// x; the k best along an axis, best first, and their indices (int64). The lower index first among equals
  case topK(axis: Int, k: Int, largest: Bool)
  /// gates [T,N,G H] (x times the input weights, with bias), weights [G H,H], bias? [H], initial h? [N,H], initial c? [N,H],
  /// peepholes? [3 H], lengths? [N] (int32 or int64). The results are all states [T,N,H], the last state [N,H] and, of an
  /// LSTM, the last cell [N,H]
  indirect case recurrent(Recurrent)
  /// x; the places of the elements that are not 0, in row-major order, as int64 [rank, bound], and their number
  case nonZero(bound: Int)
  /// x, and for `first` a number: an axis that begins, or ceases, to depend on data
  case crop(axis: Int, Crop)
  /// x; its different entries along an axis, the first place of each, of every entry the place among the different ones,
  /// how often each occurs, and their number. Sorted, or in the order of their first places
  case unique(axis: Int, sorted: Bool, bound: Int)
  /// boxes [B,N,4], scores [B,C,N]: [bound, 3] int64 rows of batch, class and box, and their number
  case nonMaxSuppression(NonMaxSuppression)
  /// condition (bool, one element): the nodes up to `otherwise` run if it holds, else those from there to `merge`.
  /// See `ControlFlow` for how the five control operators stand in the list of nodes
  case when
  /// results of the nodes since `when`
  case otherwise
  /// results of the nodes since `otherwise`, with the types of those before it; the results of what ran
  case merge
  /// iterations? and condition? (int64 and bool, one element each), states: the number of the iteration (int64, [],
  /// from 0) and its states. The nodes up to `next` run until either ends it
  case loop
  /// condition? for another iteration, its states, and `stacked` elements: the last states, and the elements of all
  /// `length` iterations one after another, [length, ...]. `length` is the constant number of iterations of a loop
  /// without condition; 0 if nothing is stacked
  case next(stacked: Int, length: Int)
}

/// `bound`, here and elsewhere, is the size of a dimension that depends on data: the most entries there can be, at least 2.
/// Entries past the run's number of them are zeros. See `Extent`.
public enum Crop: Equatable, Sendable {
  /// The second input, an int64 scalar, says how many entries there are, from the beginning.
  case first(bound: Int)
  /// All of the bound: past the run's entries the result has this instead.
  case whole(Fill)

  /// Lowest and highest are infinite for floats.
  public enum Fill: UInt8, Sendable { case zero = 0, one, lowest, highest }
}

/// Of each batch and class the boxes with the best scores, without those that overlap a better one too much.
public struct NonMaxSuppression: Equatable, Sendable {
  public var bound: Int
  /// Boxes of one batch and class.
  public var most: Int
  /// A box is left out when intersection / union with a chosen one is above this.
  public var overlap: Float
  /// Scores must be above this; nil takes all.
  public var threshold: Float?
  /// Boxes are (center x, center y, width, height) instead of two opposite corners (y, x, y, x).
  public var isCentered: Bool
  public init(bound: Int, most: Int, overlap: Float, threshold: Float?, isCentered: Bool) {
    self.bound = bound
    self.most = most
    self.overlap = overlap
    self.threshold = threshold
    self.isCentered = isCentered
  }
}

/// Limits of a fused activation: ReLU is (0, inf), ReLU6 (0, 6), none (-inf, inf).
public struct Clamp: Equatable, Sendable {
  public var min: Float
  public var max: Float
  public init(min: Float, max: Float) {
    self.min = min
    self.max = max
  }
  public static var none: Clamp { Clamp(min: -.infinity, max: .infinity) }
  public var isNone: Bool { min == -.infinity && max == .infinity }
}

/// Window geometry shared by convolution and pooling. Padding is explicit; importers resolve SAME and ceil modes.
public struct Window: Equatable, Sendable {
  public var kernelHeight = 1, kernelWidth = 1
  public var strideHeight = 1, strideWidth = 1
  public var padTop = 0, padLeft = 0, padBottom = 0, padRight = 0
  public var dilationHeight = 1, dilationWidth = 1
  public init() {}
}

public struct Convolution: Equatable, Sendable {
  public var window: Window
  public var groups: Int
  public var clamp: Clamp = .none
  public init(window: Window, groups: Int = 1) {
    self.window = window
    self.groups = groups
  }
}

/// Result height = (H - 1) stride - padTop - padBottom + dilation (KH - 1) + 1 + outputPadHeight.
public struct TransposedConvolution: Equatable, Sendable {
  public var window: Window
  public var groups: Int
  public var outputPadHeight = 0, outputPadWidth = 0
  public var clamp: Clamp = .none
  public init(window: Window, groups: Int = 1) {
    self.window = window
    self.groups = groups
  }
}

/// With `ceilMode` the last window may start inside the padded image and reach over its end, but never start
/// in the right or bottom padding; a window that lacks less than a step of the padded image has one place.
public struct Pool: Equatable, Sendable {
  /// The last two differ from `average` in quantized arithmetic alone, between equal types: of two equally near integers
  /// they take the larger, or the one farther from 128, where `average` takes the even one. That is how TFLite rounds
  /// averages of uint8 and of int8.
  public enum Kind: UInt8, Sendable { case max = 0, average = 1, averageTiesUp = 2, averageTiesOutward = 3 }
  public var kind: Kind
  public var window: Window
  public var ceilMode = false
  /// Average only: padding counts in the divisor.
  public var countIncludesPad = false
  public init(_ kind: Kind, window: Window) {
    self.kind = kind
    self.window = window
  }
}

/// Functions of one number. `alpha` and `beta` as in edgeai_kernels.h.
public struct UnaryFunction: Equatable, Sendable {
  /// Raw values are the kernels' EK_UNARY_* numbers and the `.edgeai` format's.
  public enum Kind: UInt8, Sendable {
    case clamp = 0, leakyRelu, sigmoid, tanh, hardSigmoid, hardSwish, silu, gelu, geluTanh, elu, selu, celu, softplus, softsign,
      mish, thresholdedRelu, erf, exp, log, sqrt, reciprocal, abs, negate, floor, ceil, round, sign
    case sin, cos, tan, asin, acos, atan, sinh, cosh, asinh, acosh, atanh
    /// Logical for bool, bitwise for integers.
    case not
    /// float32 -> bool. `isInfinite`: alpha 1 counts the positive infinity, beta 1 the negative one.
    case isNaN, isInfinite
    /// 1 where x >= 0, else -1, of NaN too: the activation of binary layers (Rastegari et al. 2016). `sign` gives 0 at 0.
    case binarize
  }
  public var kind: Kind
  public var alpha: Float
  public var beta: Float
  public init(_ kind: Kind, alpha: Float = 0, beta: Float = 0) {
    self.kind = kind
    self.alpha = alpha
    self.beta = beta
  }
}

/// Raw values are the kernels' EK_BINARY_* numbers and the `.edgeai` format's. Integers wrap around, their division
/// drops the fraction, and dividing by zero gives 0.
public enum BinaryFunction: UInt8, Sendable {
  case add = 0, subtract, multiply, divide, minimum, maximum, power, prelu
  /// What a division leaves: with the divisor's sign (modulo) or the dividend's (remainder).
  case modulo, remainder
  /// The result is bool.
  case equal, less, lessOrEqual
  /// Logical for bool, bitwise for integers.
  case and, or, xor
  /// Integers; a shift by the width or more leaves nothing (of a negative number: -1).
  case shiftLeft, shiftRight
  /// Floats: a where min < b < max, of the node's clamp, else 0: the gradient of a clamped result b.
  case gate

  public var isComparison: Bool { self == .equal || self == .less || self == .lessOrEqual }
}

/// Raw values are the kernels' EK_REDUCE_* numbers and the `.edgeai` format's.
public enum ReduceFunction: UInt8, Sendable {
  case mean = 0, sum, max, min, product, l1, l2, sumSquare
  case logSum, logSumExp
  /// Along one axis; the result is int64. Of equal elements the first, or the last.
  case argMax, argMaxLast, argMin, argMinLast
}

/// A parameter's update by its gradient g. The rates are `rateCount` numbers: learning rate, first decay (momentum, beta 1), second decay (beta 2,
/// RMSprop's alpha), epsilon, weight decay, and of Adam 1 - beta1^t and 1 - beta2^t; the last one is not used.
/// With g first multiplied with the factor of the gradient, if there is one, and l the learning rate times `rate`, d the weight
/// decay times `decay`:
///
///     sgd       g += d w; m = momentum m + g; w -= l m                                             one moment
///     nesterov  g += d w; m = momentum m + g; w -= l (g + momentum m)                              one moment
///     adam      g += d w; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g g;
///               w -= l (m / c1) / (sqrt(v / c2) + epsilon)                                         two (Kingma and Ba 2015)
///     adamW     w -= l d w, then as adam without decay of g                                        two (Loshchilov and Hutter 2019)
///     rmsprop   g += d w; v = a v + (1 - a) g g; w -= l g / (sqrt(v) + epsilon)                    one
public struct OptimizerStep: Equatable, Sendable {
  public enum Kind: UInt8, Sendable { case sgd = 0, nesterov, adam, adamW, rmsprop }
  public var kind: Kind
  /// Factors of this parameter's learning rate and weight decay.
  public var rate: Float = 1
  public var decay: Float = 1
  public init(_ kind: Kind) { self.kind = kind }

  public static let rateCount = 8
  /// How many tensors of the parameter's shape the kind keeps from step to step.
  public var momentCount: Int { kind == .adam || kind == .adamW ? 2 : 1 }
}

public enum ScanFunction: UInt8, Sendable { case sum = 0, product }

/// How an update joins what is there.
public enum PutFunction: UInt8, Sendable { case replace = 0, add, multiply, minimum, maximum }

/// Which elements a tensor of indices names.
public struct Indexing: Equatable, Sendable {
  public enum Kind: UInt8, Sendable {
    /// Each index is a slice along `axis`: x's shape with that axis replaced by the indices' shape.
    case slices = 0
    /// One index along `axis` for each element of a shape of x's rank; elsewhere the element's own coordinates.
    case elements
    /// The last axis of the indices is a tuple into the axes of x after the first `axis` ones, which both share.
    case tuples
  }
  public var kind: Kind
  public var axis: Int
  public init(_ kind: Kind, axis: Int) {
    self.kind = kind
    self.axis = axis
  }
}

/// One direction of a recurrent layer over T time steps of N sequences, with H units. Missing initial states are zero.
///
/// What a step computes, by kind; "." is elementwise, the gates of the input are in the named order:
///
///     rnn   h = f(x + h R)                                                       Elman 1990
///     gru   z, r = f(x + h R), n = g(x + (r.h) R), h = (1 - z).n + z.h           Cho et al. 2014; order z, r, n
///     lstm  i, o, f = f(x + h R + P.c), n = g(x + h R), c = f.c + i.n, h = o.h(c)   Gers et al. 2002; order i, o, f, n
///
/// where o sees the new c. A sequence ends at its length, which is moved into 0...T: later steps change no state and their
/// states in the first result are zero.
public struct Recurrent: Equatable, Sendable {
  public enum Kind: UInt8, Sendable { case rnn = 0, gru, lstm }

  /// outputScale function(inputScale x + inputOffset), of the float functions.
  public struct Activation: Equatable, Sendable {
    public var function: UnaryFunction
    public var inputScale: Float = 1
    public var inputOffset: Float = 0
    public var outputScale: Float = 1
    public init(_ function: UnaryFunction) { self.function = function }
  }

  public var kind: Kind
  /// From the last step of each sequence to the first.
  public var isReverse = false
  /// The first two axes of the gates and of all states are N, T.
  public var isBatchFirst = false
  /// gru: n = g(x + r.(h R + bias)) instead; the only use of the bias.
  public var resetsAfterProduct = false
  /// lstm: f = 1 - i.
  public var couplesGates = false
  /// Limit of the magnitude of what f and g are applied to.
  public var clip = Float.infinity
  /// lstm: limit of the magnitude of c.
  public var cellClip = Float.infinity
  public var f: Activation
  public var g: Activation
  public var h: Activation

  /// With the usual activations: logistic gates, tanh for the rest.
  public init(_ kind: Kind) {
    self.kind = kind
    f = Activation(UnaryFunction(kind == .rnn ? .tanh : .sigmoid))
    g = Activation(UnaryFunction(.tanh))
    h = Activation(UnaryFunction(.tanh))
  }

  /// G, the parts of a gate vector.
  public var gateCount: Int { kind == .rnn ? 1 : kind == .gru ? 3 : 4 }
}

public enum PadMode: UInt8, Sendable { case constant = 0, reflect, edge }

/// Resampling of height and width. Result size is explicit; `scaleHeight` and `scaleWidth` (result / source, as
/// the source format gave them) enter the coordinate transformation.
public struct Resize: Equatable, Sendable {
  public enum Mode: UInt8, Sendable { case nearest = 0, linear, cubic }
  public enum Coordinates: UInt8, Sendable { case halfPixel = 0, pytorchHalfPixel, alignCorners, asymmetric }
  public enum Nearest: UInt8, Sendable { case roundPreferFloor = 0, roundPreferCeil, floor, ceil }
  public var mode: Mode
  public var coordinates: Coordinates
  /// Which pixel a position halfway between two takes. Of a quantized linear resize between equal types: which integer
  /// a result halfway between two becomes, with `roundPreferCeil` the larger, otherwise the even one.
  public var nearest: Nearest = .roundPreferFloor
  public var height: Int
  public var width: Int
  public var scaleHeight: Float
  public var scaleWidth: Float
  public var cubicCoefficient: Float = -0.75
  public var excludeOutside = false
  public init(mode: Mode, coordinates: Coordinates, height: Int, width: Int, scaleHeight: Float, scaleWidth: Float) {
    self.mode = mode
    self.coordinates = coordinates
    self.height = height
    self.width = width
    self.scaleHeight = scaleHeight
    self.scaleWidth = scaleWidth
  }
}

extension Operator {
  /// A convolution, transposed convolution or dense layer.
  public var isLayer: Bool {
    switch self {
    case .convolution, .transposedConvolution, .dense: return true
    default: return false
    }
  }
}

extension Graph {
  /// Whether a node casts between floating types, as stands at the borders of a network that are not float32.
  public func changesFloatWidth(_ node: Node) -> Bool {
    guard case .cast(let dtype) = node.op, let x = node.input(0) else { return false }
    return dtype.isFloatingPoint && values[x].dtype.isFloatingPoint
  }
}
