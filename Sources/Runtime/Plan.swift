import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// One kernel call of a plan, described.
public struct StepInfo {
  /// Name of the graph node; empty for copies to graph outputs.
  public var node: Text
  /// Index of that node, or -1.
  public var nodeIndex: Int
  public var operatorName: Text
  /// As the kernel table names it; "control" for a step that decides which one comes next, "chained" for one that a later step's
  /// chain runs, and for that step the names of all in the chain.
  public var kernel: Text
  public var isa: InstructionSet
  /// Element type the step computes in: that of its node's result.
  public var dtype: DType
  /// Shape of the node's first operand and result, with the session's batch.
  public var inputShape: Shape
  public var outputShape: Shape
  /// Bytes of tensors, weights included, that the step reads and writes.
  public var byteCount: Int
  /// Multiplications with addition; window elements for pooling, 0 for data movement.
  public var multiplyAdds: Int64
  /// Independent parts of the work, and how many the pool hands out (1: the caller's thread alone).
  public var units: Int64
  public var chunks: Int
  /// Why the step is as it is; empty when there is nothing to say.
  public var notes: Text
  /// What the step multiplies: elements of its node's result's type, pairs of bfloat16, or signs as bits (which it may only make).
  public var operands = Operands.elements

  public enum Operands: Sendable { case elements, pairs, bits }
}

/// Everything decided before a model runs: kernels, memory, packed sizes. A plan allocates; the session frozen
/// from it does not.
///
/// Constants that kernels can read as they are stay where the graph has them: **the plan (or its graph) must
/// outlive every session made from it**, unless the graph's constants are made on demand, which are copied.
public struct Plan {
  /// Options as asked for, with the instruction set that was chosen and the threads that will run.
  public let options: SessionOptions
  /// The graph as it runs: dimensions that depend on data have the bounds of the options.
  public let graph: Graph
  /// Its dimensions that depend on data, by value.
  public let extents: [Extent?]
  /// Exact size of a session's memory, in bytes. The memory must be 64-byte aligned.
  public let memoryRequired: Int
  /// Of it: intermediate tensors.
  public let arenaBytes: Int
  /// Of it: weights packed for the kernels, and tables.
  public let packedBytes: Int
  /// Of it: what the scratch of all threads takes beside the arena, inside of which it lies where tensors leave room.
  public let scratchBytes: Int
  /// The kernel calls, in order.
  public private(set) var steps: [StepInfo] = []

  let lowered: [LoweredStep]
  let buffers: [PlannedBuffer]
  let places: [BufferPlace?]
  let layout: BlockLayout

  /// Plans a graph. Throws `invalidArgument` for options out of range, `unsupportedOperator` naming the node that
  /// no kernel can run (or, when strict, that none can run fast), `limitExceeded` when a size overflows.
  /// `isValid`: the graph was validated before.
  public init(_ graph: Graph, _ options: SessionOptions = SessionOptions(), isValid: Bool = false) throws(EdgeError) {
    guard options.batch >= 1 else { throw EdgeError(.invalidArgument, "batch must be at least 1, not \(options.batch)") }
    guard options.threads >= 1, options.threads <= 256 else {
      throw EdgeError(.invalidArgument, "threads must be 1...256, not \(options.threads)")
    }
    guard options.spinMicroseconds >= 0, options.spinMicroseconds <= 10_000_000 else {
      throw EdgeError(.invalidArgument, "spin_us must be 0...10000000 microseconds, not \(options.spinMicroseconds)")
    }
    guard options.maximumExtent >= 2 else {
      throw EdgeError(.invalidArgument, "maximumExtent must be at least 2, not \(options.maximumExtent)")
    }
    guard options.maximumIterations >= 1 else {
      throw EdgeError(.invalidArgument, "maximumIterations must be at least 1, not \(options.maximumIterations)")
    }
    guard options.traceRuns >= 0 else { throw EdgeError(.invalidArgument, "trace_runs is negative") }
    if !isValid { try graph.validate() }
    let graph = try graph.boundingExtents(batch: options.batch, limit: options.maximumExtent)
    var options = options
    if ep_threads_available() == 0 { options.threads = 1 }
    let isa = try InstructionSet.resolve(options.isa)
    options.isa = isa
    if options.traceRuns > 0 { options.profile = true }

    let lowering = try Lowering(
      graph, batch: options.batch, kernels: KernelSet(isa), precision: options.precision, isCompact: options.compact,
      choices: options.choices, maximumIterations: Int64(options.maximumIterations), observed: options.observed)
    do throws(EdgeError) {
      try lowering.run()
    } catch {
      // What could not be read of a constant may be the reason.
      throw lowering.source?.failure ?? error
    }
    if let failure = lowering.source?.failure { throw failure }
    for value in options.observed {
      let place = try lowering.operand(value)
      lowering.buffers[place.buffer].isObserved = true
    }
    // How large an output is may be asked after the run.
    for output in graph.outputs {
      guard let extent = lowering.extents[output] else { continue }
      lowering.buffers[try lowering.operand(extent.count).buffer].isObserved = true
    }
    lowering.storePairs()
    ChainFinder(lowering, threads: options.threads, cacheBytes: options.cacheBytes).run()
    lowering.extendLifetimes()
    lowering.mergeInPlace()
    let isQuantized = Plan.hasQuantizedActivations(graph)
    for index in lowering.steps.indices {
      try lowering.steps[index].measure()
      let info = try Plan.describe(lowering.steps[index], lowering, isQuantized: isQuantized)
      lowering.steps[index].share(threads: options.threads, info)
      lowering.steps[index].identify(info, byteCount: lowering.bytes(lowering.steps[index], asFloats: true))
      steps.append(info)
    }
    if case .given(let tuning) = options.choices { try lowering.apply(tuning, options) }
    try lowering.keepConstants()
    for index in steps.indices { steps[index].chunks = Int(lowering.steps[index].chunks) }
    if options.traceRuns > 0, options.threads > 1 {
      // A thread is known by its scratch.
      for index in lowering.steps.indices where lowering.steps[index].chunks > 1 {
        lowering.steps[index].scratchBytes = max(lowering.steps[index].scratchBytes, 1)
      }
    }
    let memory = try lowering.placeBuffers(threads: options.threads)
    arenaBytes = memory.byteCountOfHosts
    scratchBytes = memory.byteCount &- memory.byteCountOfHosts
    if options.strict { try Plan.checkStrict(steps, lowering.steps, graph, options, isQuantized: isQuantized) }

    layout = try BlockLayout(lowering, arenaBytes: memory.byteCount, options: options)
    memoryRequired = layout.byteCount
    packedBytes = layout.packedBytes
    lowered = lowering.steps
    buffers = lowering.buffers
    places = lowering.places
    extents = lowering.extents
    self.graph = graph
    self.options = options
  }

  // MARK: Descriptions

  private static func hasQuantizedActivations(_ graph: Graph) -> Bool {
    for node in graph.nodes {
      for value in node.outputs where graph.values[value].dtype == .uint8 && graph.values[value].quantization != nil { return true }
    }
    return false
  }

  /// Moves elements without computing, between floating types too, or decides about steps.
  private static func isMovement(_ step: LoweredStep, _ graph: Graph) -> Bool {
    if step.control != .none { return true }
    switch Int(step.operation) {
    case Int(EK_COPY), Int(EK_FILL), Int(EK_GATHER): return true
    default: return step.node >= 0 && graph.changesFloatWidth(graph.nodes[step.node])
    }
  }

  /// Computes in float, which in a quantized graph somebody chose.
  private static func isFloat(_ step: LoweredStep, _ dtype: DType, _ graph: Graph) -> Bool {
    switch Int(step.operation) {
    case Int(EK_DEQUANTIZE), Int(EK_BINARIZE), Int(EK_CONV_BINARY): return false
    default: return dtype == .float32 && !isMovement(step, graph)
    }
  }

  private static func describe(
    _ step: LoweredStep, _ lowering: Lowering, isQuantized: Bool
  ) throws(EdgeError) -> StepInfo {
    let graph = lowering.graph
    var info = StepInfo(
      node: "", nodeIndex: step.node, operatorName: "Copy", kernel: step.kernel.name == nil ? "control" : Text(cString: step.kernel.name),
      isa: step.isa, dtype: .float32, inputShape: Shape([]), outputShape: Shape([]), byteCount: lowering.bytes(step),
      multiplyAdds: step.multiplyAdds, units: step.units, chunks: Int(step.chunks), notes: step.note)
    switch Int(step.operation) {
    case Int(EK_CONV_BINARY), Int(EK_BINARIZE): info.operands = .bits
    case Int(EK_CONV_BF16): info.operands = .pairs
    default: break
    }
    if let chain = step.chain { try describe(chain, &info, lowering) }
    if step.isChained {
      // What it does, and how long that takes, is the chain's.
      (info.kernel, info.multiplyAdds) = ("chained", 0)
    }
    if step.node >= 0 {
      let node = graph.nodes[step.node]
      info.node = node.name
      info.operatorName = node.op.name
      if let x = node.input(0) { info.inputShape = Shape(lowering.shape(x)) }
      if let y = node.outputs.first {
        info.outputShape = Shape(lowering.shape(y))
        info.dtype = graph.values[y].dtype
      }
    }
    switch step.control {
    case .none: break
    case .branch: info.notes = Text("unless true: step \(step.target)")
    case .jump: info.notes = Text("goes on with step \(step.target)")
    case .enter: info.notes = Text("without an iteration: step \(step.target)")
    case .back: info.notes = Text("another iteration: step \(step.target)")
    }
    if isQuantized, isFloat(step, info.dtype, graph) {
      if !info.notes.isEmpty { info.notes += "; " }
      info.notes += "float: kept by quantizer"
    }
    return info
  }

  /// Adds the other members of a chain to the step that runs it.
  private static func describe(_ chain: Chain, _ info: inout StepInfo, _ lowering: Lowering) throws(EdgeError) {
    var kernels = Text(), numbers = Text()
    for member in chain.members.dropLast() {
      let step = lowering.steps[member.step]
      kernels += Text(cString: step.kernel.name) + " + "
      if !numbers.isEmpty { numbers += ", " }
      numbers += Text("\(member.step)")
      info.multiplyAdds = info.multiplyAdds &+ step.multiplyAdds
    }
    info.kernel = kernels + info.kernel
    if !info.notes.isEmpty { info.notes += "; " }
    let lines: StaticString = chain.members[0].kind == .product ? "rows" : "lines"
    info.notes += Text("\(chain.length) \(lines) at a time, with step \(numbers)")
  }

  private static func checkStrict(
    _ steps: [StepInfo], _ lowered: [LoweredStep], _ graph: Graph, _ options: SessionOptions, isQuantized: Bool
  ) throws(EdgeError) {
    for (info, step) in zip(steps, lowered) {
      if options.precision == .bfloat16, step.operation == Int32(EK_CONV_F32) {
        throw EdgeError(
          .unsupportedFeature, "strict: \(info.operatorName) would emulate bfloat16", node: info.node, nodeIndex: info.nodeIndex)
      }
      if step.isa == .reference, options.isa != .reference, !isMovement(step, graph) {
        throw EdgeError(
          .unsupportedOperator, "strict: \(info.operatorName) would run on a reference kernel", node: info.node,
          nodeIndex: info.nodeIndex)
      }
      if isQuantized, isFloat(step, info.dtype, graph) {
        throw EdgeError(
          .unsupportedOperator, "strict: \(info.operatorName) would run in float", node: info.node, nodeIndex: info.nodeIndex)
      }
    }
  }
}

extension LoweredStep {
  /// Decides in how many parts the work is handed out. Handing it out costs about a quarter of a microsecond: smaller
  /// steps run on the caller alone. A few parts for each thread even out threads that are held up.
  fileprivate func share(threads: Int, _ info: StepInfo) {
    chunks = 1
    if threads < 2 || units < 2 { return }
    let multiplyAdds = info.multiplyAdds, isInteger = info.dtype == .uint8
    // What a core does in a nanosecond where it does not wait for memory; integers three times as many.
    var speed: Int64
    switch isa {
    case .avx512bf16: speed = 96
    case .avx512vnni: speed = 48
    case .avx2: speed = 24
    case .reference: speed = 1
    default: speed = 8
    }
    if operation == EK_CONV_BINARY { speed &*= 16 }
    let moved = Int64(info.byteCount)
    let products = workShare == 1 ? multiplyAdds : multiplyAdds / 64 &* Int64(min(workShare, 1) * 64)
    // Depthwise kernels bring the bytes of a channel together before they multiply them, which takes as long as floats.
    let perNanosecond = isInteger && operation != Int32(EK_DEPTHWISE_U8) ? speed &* 3 : speed
    // What is copied for a line of a window: wide sets mostly read windows where they are.
    let perLine: Int64 = speed < 48 ? 3 : 1
    let nanoseconds =
      isa == .reference ? products &+ moved : products / perNanosecond &+ moved / 32 &+ windowLines &* perLine
    if nanoseconds < 1500 { return }
    isLong = nanoseconds > 50_000
    chunks = Int32(min(units, Int64(threads &* 8), max(Int64(threads), nanoseconds / 500)))
    // As many parts for each thread: it then works on the same places of each step's image, which are in its cache.
    if chunks > threads { chunks &-= chunks % Int32(threads) }
  }

  /// Asks the kernel for its sizes.
  fileprivate func measure() throws(EdgeError) {
    if control != .none {
      units = 1
      return
    }
    // Kernels may look at which pointers are there, not at what they point to.
    for use in slots { arguments.setPointer(use.slot, UnsafeRawPointer(bitPattern: 64)) }
    let (count, scratch, packed) = arguments.withUnsafeBytes { bytes in
      (
        kernel.units(bytes.baseAddress), kernel.scratch_bytes == nil ? 0 : kernel.scratch_bytes(bytes.baseAddress),
        packedSlot == nil || kernel.packed_bytes == nil || packedBytes > 0 ? Int64(packedBytes) : kernel.packed_bytes(bytes.baseAddress)
      )
    }
    for use in slots { arguments.setPointer(use.slot, nil) }
    guard count >= 0, let scratchBytes = Int(exactly: scratch), let packedBytes = Int(exactly: packed), scratchBytes >= 0, packedBytes >= 0
    else { throw EdgeError(.limitExceeded, "a kernel's memory overflows") }
    self.packedBytes = packedBytes
    units = isChained ? 0 : chain.map { Int64($0.bands) } ?? count
    self.scratchBytes = isChained ? 0 : chain?.scratchBytes ?? scratchBytes
  }
}
