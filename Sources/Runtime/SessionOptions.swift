#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What the products of float layers are computed in. Raw values are those of the C header.
public enum Precision: UInt8, Equatable, Sendable {
  case float32 = 0
  /// Convolutions, depthwise and transposed ones apart, and dense layers round their operands to bfloat16, half to even.
  /// Products are exact, sums float32 and in the order of float32 kernels, so every instruction set has the same results. A
  /// layer that Winograd's form computes sooner stays in float32.
  case bfloat16
}

/// How a plan is made and its session runs.
public struct SessionOptions {
  /// Samples of one run: the value of the symbolic dimension. At least 1.
  public var batch = 1
  /// Threads of one run, the caller's included: 1...256. Those beyond the processors that the process may use sleep. A build
  /// without threads runs on the caller alone.
  public var threads = 1
  /// How long an idle thread spins before it sleeps. 0 sleeps at once: no CPU time between runs, slower wake-up.
  public var spinMicroseconds = 100
  /// Makes it an error, naming the node, when a step would compute with reference kernels although a faster
  /// instruction set is active, or in float although the graph is quantized. Steps that only move bytes, and
  /// quantize and dequantize, are exempt.
  public var strict = false
  /// nil: what EDGEAI_ISA says, else the fastest.
  public var isa: InstructionSet?
  /// Most entries of a dimension that depends on data, at least 2. Memory is for as many as there can be, or for this many
  /// where that is less; a run that finds more is an error.
  public var maximumExtent = 65536
  /// Values that stay in memory after a run, to be read by `Session.pointer(of:)`.
  public var observed: [ValueID] = []
  /// Iterations that all loops of the network may have together in one run: at least 1. More end the run.
  public var maximumIterations = 1_000_000
  /// What float layers multiply in.
  public var precision = Precision.float32
  /// Leaves out Winograd's form, whose packed weights are 2 to 8 times as many: less memory, more time.
  public var compact = false
  /// Keeps the time of every step of the last run.
  public var profile = false
  /// More than 0: keeps what `Session.traceEvent` gives, for the steps of so many runs. Takes the times of `profile` too.
  public var traceRuns = 0
  /// Asks whoever makes a session to plan with `Plan.tuned`.
  public var tune = false
  /// The cache of one core that the planner counts on. The same everywhere, so that a plan and its memory do not depend on where
  /// they are made.
  var cacheBytes = 1 << 20
  /// Who chooses between kernels that do the same.
  public var choices = StepChoices.planned

  public init() {}
}
