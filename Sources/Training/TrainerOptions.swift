#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

/// What is made small.
public enum Loss: UInt8, Sendable {
  /// -sum t log softmax(y), of the last axis, averaged over the rows: targets t are probabilities of classes.
  case crossEntropy = 0
  /// (y - t)^2, averaged over all elements.
  case meanSquaredError
}

/// The learning rate over time, as a factor of the option's.
public enum Schedule: UInt8, Sendable {
  case constant = 0
  /// Times `decay` after every `period` steps.
  case step
  /// Half a cosine from 1 to 0 over all steps (Loshchilov and Hutter 2017).
  case cosine
  /// Half a cosine from 1/25 to 1 over the first 30 % of the steps, then one from 1 to 1/10000 (Smith and Topin 2018).
  case oneCycle
}

/// How a trainer works; the numbers of an optimizer are named in `OptimizerStep`.
public struct TrainerOptions {
  /// Samples of a step.
  public var batch = 64
  public var threads = 1
  public var isa: InstructionSet?
  public var loss = Loss.crossEntropy
  /// Share of a target that goes to all classes alike (Szegedy et al. 2016).
  public var labelSmoothing: Float = 0
  public var optimizer = OptimizerStep.Kind.sgd
  public var learningRate: Float = 0.01
  /// SGD's momentum, Adam's first decay.
  public var momentum: Float = 0.9
  /// Adam's second decay, RMSprop's only one.
  public var secondDecay: Float = 0.999
  public var epsilon: Float = 1e-8
  /// Weights alone decay: neither biases nor normalizations.
  public var weightDecay: Float = 0
  /// Largest norm of all gradients together; 0 for none (Pascanu et al. 2013).
  public var clipNorm: Float = 0
  public var schedule = Schedule.constant
  /// Steps of the whole training; cosine and one-cycle need them.
  public var totalSteps = 0
  /// Steps during which the rate grows from 0 in equal parts, before the schedule.
  public var warmUpSteps = 0
  public var period = 0
  public var periodDecay: Float = 0.1
  /// Weight of the past in the running statistics of batch normalization.
  public var normalizationMomentum: Float = 0.9
  /// Share of a dense layer's input that a step leaves out (Srivastava et al. 2014); not of the graph's own inputs.
  public var dropout: Float = 0
  /// Normalizations and elementwise results are computed again for the gradient instead of being kept (Chen et al. 2016): less
  /// memory, the same bits.
  public var recomputes = false
  public var seed: Int64 = 0
  /// Layers whose parameters stay as they are, by node name.
  public var frozen: [Text] = []
  /// Distillation (Hinton et al. 2015): a model of the same inputs and outputs, the share of its softened probabilities in the
  /// targets, and the temperature.
  public var teacher: Graph?
  public var teacherShare: Float = 0.5
  public var temperature: Float = 1

  public init() {}

  func check() throws(EdgeError) {
    func require(_ holds: Bool, _ message: Text) throws(EdgeError) {
      if !holds { throw EdgeError(.invalidArgument, message) }
    }
    func isWithin(_ value: Float, _ low: Float, _ high: Float) -> Bool { value >= low && value <= high }
    try require(batch >= 1 && batch <= 1 << 20, "batch must be 1...1048576, not \(batch)")
    try require(isWithin(labelSmoothing, 0, 1), "label smoothing must be 0...1")
    try require(learningRate >= 0 && learningRate.isFinite, "the learning rate must be finite and not negative")
    try require(isWithin(momentum, 0, 1) && momentum < 1, "momentum must be 0 up to 1")
    try require(isWithin(secondDecay, 0, 1) && secondDecay < 1, "the second decay must be 0 up to 1")
    try require(epsilon > 0 && epsilon.isFinite, "epsilon must be positive and finite")
    try require(weightDecay >= 0 && weightDecay.isFinite, "weight decay must be finite and not negative")
    try require(clipNorm >= 0 && clipNorm.isFinite, "the norm to clip to must be finite and not negative")
    try require(totalSteps >= 0 && warmUpSteps >= 0 && period >= 0, "numbers of steps must not be negative")
    try require(schedule != .cosine && schedule != .oneCycle || totalSteps > warmUpSteps, "this schedule needs the total number of steps")
    try require(schedule != .step || period > 0, "this schedule needs a period")
    try require(isWithin(periodDecay, 0, 1), "the decay of a period must be 0...1")
    try require(isWithin(normalizationMomentum, 0, 1), "the momentum of normalization must be 0...1")
    try require(isWithin(dropout, 0, 1) && dropout < 1, "dropout must be 0 up to 1")
    try require(teacher == nil || isWithin(teacherShare, 0, 1), "the teacher's share must be 0...1")
    // Its square and what it divides by are computed.
    try require(isWithin(temperature, 1e-6, 1e6), "the temperature must be 1e-6 to 1e6")
  }

  /// The learning rate of a step, counted from 0. In double precision without the C library's functions: the same everywhere.
  func learningRate(at step: Int) -> Float {
    var factor = 1.0
    if step < warmUpSteps {
      factor = Double(step + 1) / Double(warmUpSteps)
    } else {
      let (done, all) = (step - warmUpSteps, max(totalSteps - warmUpSteps, 1))
      let share = min(Double(done) / Double(all), 1)
      switch schedule {
      case .constant: break
      case .step: for _ in 0..<min(done / max(period, 1), 1000) { factor *= Double(periodDecay) }
      case .cosine: factor = halfCosine(share)
      case .oneCycle:
        let rise = 0.3
        factor =
          share < rise
          ? 0.04 + 0.96 * (1 - halfCosine(share / rise)) : 1e-4 + (1 - 1e-4) * halfCosine((share - rise) / (1 - rise))
      }
    }
    return Float(Double(learningRate) * factor)
  }
}

/// (1 + cos(pi x)) / 2 for x in 0...1, from 1 to 0.
private func halfCosine(_ x: Double) -> Double {
  // cos(pi x) = -sin(pi (x - 1/2)), as a series on [-pi/2, pi/2]: terms beyond the 21st power are below 2^-53.
  let z = Double.pi * (x - 0.5)
  let square = z * z
  var term = z, sum = z
  var power = 3.0
  while power <= 23 {
    term = -term * square / (power * (power - 1))
    sum += term
    power += 2
  }
  return (1 - sum) / 2
}
