#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

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
  /// Keeps the time of every step of the last run.
  public var profile = false

  public init() {}
}
