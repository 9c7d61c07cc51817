import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Turns a validated graph with a fixed batch into kernel calls. Holds what grows meanwhile: buffers and steps.
/// One file of this folder for each family of operators.
final class Lowering {
  let graph: Graph
  let batch: Int
  let kernels: KernelSet
  let precision: Precision
  let isCompact: Bool
  let choices: StepChoices
  let flow: ControlFlow
  /// Iterations of all loops in one run.
  let maximumIterations: Int64
  var buffers: [PlannedBuffer] = []
  var steps: [LoweredStep] = []
  /// Memory of each value, once it has some.
  var places: [BufferPlace?]
  /// Index of the node being lowered.
  var current = -1
  /// How often nodes read each value, or the caller does.
  private(set) var readers: [Int]
  /// The convolution, pool or quantization that writes a value and could write it elsewhere, or its pixels further apart; -1 for
  /// none.
  var writers: [Int]
  /// Values that the caller reads.
  private(set) var isPinned: [Bool]
  let index: GraphIndex
  /// Results of transposes that matrix products read where their operands lie: strides in elements, by dimension.
  var views: [(place: BufferPlace, strides: [Int])?]
  /// Results of transposes that the matrix product before them has written already.
  var absorbed: [Bool]
  /// For each node what is known of it as a layer of signs; nil where it takes none.
  var binaryLayers: [BinaryLayer?]
  /// Values that are there as bits.
  var signBits: [SignBits?]
  /// Control steps that wait for their targets.
  var openSteps: [Int] = []
  /// First and last control step of each loop, inner ones first.
  var loops: [(enter: Int, back: Int)] = []
  /// A remark for the steps emitted next, printed in the plan.
  var note = Text()
  /// Dimensions that depend on data.
  let extents: [Extent?]
  /// What makes constants on demand, if they are.
  let source: (any ConstantSource)?

  /// `observed`: values that need memory though no node may read them.
  init(
    _ graph: Graph, batch: Int, kernels: KernelSet, precision: Precision = .float32, isCompact: Bool = false,
    choices: StepChoices = .planned, maximumIterations: Int64, observed: [ValueID]
  ) throws(EdgeError) {
    self.graph = graph
    source = graph.source
    self.precision = precision
    self.isCompact = isCompact
    extents = try graph.extents()
    self.batch = batch
    self.maximumIterations = maximumIterations
    flow = try ControlFlow(graph)
    self.kernels = kernels
    self.choices = choices
    places = [BufferPlace?](repeating: nil, count: graph.values.count)
    readers = [Int](repeating: 0, count: graph.values.count)
    writers = [Int](repeating: -1, count: graph.values.count)
    isPinned = [Bool](repeating: false, count: graph.values.count)
    absorbed = isPinned
    index = GraphIndex(graph)
    views = [(place: BufferPlace, strides: [Int])?](repeating: nil, count: graph.values.count)
    binaryLayers = [BinaryLayer?](repeating: nil, count: graph.nodes.count)
    signBits = [SignBits?](repeating: nil, count: graph.values.count)
    for value in observed {
      guard value >= 0, value < graph.values.count else { throw EdgeError(.invalidArgument, "observed value \(value) does not exist") }
      isPinned[value] = true
      readers[value] += 1
    }
    for value in graph.outputs {
      isPinned[value] = true
      readers[value] += 1
    }
    for node in graph.nodes {
      for value in node.inputs where value != Node.noValue { readers[value] += 1 }
    }
  }

  func run() throws(EdgeError) {
    try assignBorders()
    findBinaryLayers()
    for index in graph.nodes.indices {
      current = index
      note = ""
      let node = graph.nodes[index]
      if try !lowerControl(node) { try lower(node) }
      source?.forget()
    }
    current = -1
    try copyRemainingOutputs()
  }

  // MARK: Errors

  func error(_ status: Status, _ message: Text, value: ValueID = Node.noValue) -> EdgeError {
    var error = EdgeError(status, message)
    if current >= 0 {
      error.node = graph.nodes[current].name
      error.nodeIndex = current
    }
    if value >= 0 { error.tensor = graph.values[value].name }
    return error
  }

  func unsupported(_ message: Text) -> EdgeError { error(.unsupportedOperator, message) }

  func int32(_ value: Int) throws(EdgeError) -> Int32 {
    guard let result = Int32(exactly: value) else { throw error(.limitExceeded, "a size of \(value) is beyond 32 bits") }
    return result
  }

  // MARK: Values

  func shape(_ value: ValueID) -> [Int] { graph.values[value].shape.withBatch(batch).dims }
  func dtype(_ value: ValueID) -> DType { graph.values[value].dtype }

  /// Elements of a value.
  func size(_ value: ValueID) throws(EdgeError) -> Int {
    guard let count = graph.values[value].shape.elementCount(batch: batch), graph.values[value].byteCount(batch: batch) != nil else {
      throw error(.limitExceeded, "the tensor's size overflows", value: value)
    }
    return count
  }

  /// Elements of a value; never zero.
  func count(_ value: ValueID) throws(EdgeError) -> Int {
    let count = try size(value)
    if count <= 0 { throw error(.unsupportedFeature, "a tensor without elements", value: value) }
    return count
  }

  func byteCount(_ value: ValueID) throws(EdgeError) -> Int { try size(value) &* dtype(value).byteCount }

  /// Input `index` of a node, which must be there.
  func required(_ node: Node, _ index: Int) throws(EdgeError) -> ValueID {
    guard let value = node.input(index) else { throw error(.invalidGraph, "input \(index) is missing") }
    return value
  }

  /// A dense uint8 tensor's type. Throws for anything a kernel cannot take as an activation.
  func quantized(_ value: ValueID) throws(EdgeError) -> ek_quant {
    guard dtype(value) == .uint8, let q = graph.values[value].quantization, q.axis == nil, q.scales.count == 1, q.zeroPoints.count == 1
    else { throw error(.unsupportedOperator, "needs a uint8 tensor with one scale", value: value) }
    guard q.scales[0] > 0, q.scales[0].isFinite, q.zeroPoints[0] >= 0, q.zeroPoints[0] <= 255 else {
      throw error(.invalidGraph, "scale or zero point is out of range", value: value)
    }
    return ek_quant(scale: q.scales[0], zero_point: q.zeroPoints[0])
  }

  /// A factor between quantized types. Kernels multiply 32-bit sums by it: it must not overflow.
  func factor(_ value: Float) throws(EdgeError) -> Float {
    guard value.isFinite, value <= 1e20 else { throw error(.invalidGraph, "the scales are too far apart") }
    return value
  }

  /// True: integer kernels, all of these values are quantized uint8. False: all are float32. Throws for a mixture.
  func isQuantized(_ values: [ValueID]) throws(EdgeError) -> Bool {
    var floats = 0
    for value in values where dtype(value) == .float32 { floats += 1 }
    if floats == values.count { return false }
    for value in values {
      if dtype(value) != .uint8 || graph.values[value].quantization == nil {
        throw error(.unsupportedOperator, "no kernel takes this mixture of element types (\(dtype(value).name) here)", value: value)
      }
      _ = try quantized(value)
    }
    return true
  }

  // MARK: Buffers

  func addBuffer(_ kind: PlannedBuffer.Kind, _ byteCount: Int) -> Int {
    buffers.append(PlannedBuffer(kind: kind, byteCount: byteCount))
    return buffers.count - 1
  }

  /// Memory for an intermediate of one node.
  func temporary(_ byteCount: Int) -> BufferPlace { BufferPlace(buffer: addBuffer(.arena, byteCount)) }

  /// Memory with contents known now.
  func derived<T: BitwiseCopyable>(_ elements: [T]) throws(EdgeError) -> BufferPlace {
    let storage = try Storage.allocate(elements.count &* MemoryLayout<T>.stride)
    elements.withUnsafeBytes { bytes in
      if let base = bytes.baseAddress { storage.base.copyMemory(from: base, byteCount: bytes.count) }
    }
    return BufferPlace(buffer: addBuffer(.derived(storage), storage.count))
  }

  /// Where a value is read. Constants are read in place when their address suits their element type.
  func operand(_ value: ValueID) throws(EdgeError) -> BufferPlace {
    if let place = places[value] { return place }
    guard let constant = graph.values[value].constant else {
      throw error(.invalidGraph, "the tensor is read before it is computed", value: value)
    }
    let bytes = try byteCount(value)
    guard constant.byteCount >= bytes else { throw error(.invalidGraph, "the constant is shorter than its shape", value: value) }
    let place: BufferPlace
    if constant.isOnDemand || UInt(bitPattern: constant.base) % UInt(dtype(value).byteCount) == 0 {
      place = BufferPlace(buffer: addBuffer(.constant(constant), bytes))
    } else {
      place = try derived(constant.array(of: UInt8.self))
    }
    places[value] = place
    return place
  }

  /// Where a value is written.
  func result(_ value: ValueID) throws(EdgeError) -> BufferPlace {
    if let place = places[value] { return place }
    let place = temporary(try byteCount(value))
    places[value] = place
    return place
  }

  /// Gives what was made room in the session's block where runs read it. Steps know what they pack.
  func keepConstants() throws(EdgeError) {
    for state in graph.states where state != Node.noValue && graph.values[state].constant?.isOnDemand == true {
      buffers[try operand(state).buffer].isKept = true
    }
    for index in buffers.indices {
      if buffers[index].isMade, buffers[index].isObserved { buffers[index].isKept = true }
    }
    for step in steps {
      for use in step.slots where !step.readsOnlyToPack(use) {
        if buffers[use.place.buffer].isMade { buffers[use.place.buffer].isKept = true }
      }
    }
  }

  // MARK: Graph borders

  /// Gives graph inputs their buffers, and each graph output its own where the value is computed by a node and
  /// not shared: then its last step writes straight into it.
  private func assignBorders() throws(EdgeError) {
    for (index, value) in graph.inputs.enumerated() {
      places[value] = BufferPlace(buffer: addBuffer(.input(index), try byteCount(value)))
    }
    var producers = [Int](repeating: -1, count: graph.values.count)
    for (index, node) in graph.nodes.enumerated() {
      for value in node.outputs { producers[value] = index }
    }
    for (index, value) in graph.outputs.enumerated() {
      let buffer = addBuffer(.output(index), try byteCount(value))
      // A view's memory is its source's: the output's buffer goes to whoever computes the bytes.
      var source = value
      while places[source] == nil, producers[source] >= 0, let input = aliasSource(graph.nodes[producers[source]]) { source = input }
      if places[source] == nil, graph.values[source].constant == nil { places[source] = BufferPlace(buffer: buffer) }
      outputBuffers.append(buffer)
    }
  }

  /// Buffers of the graph outputs.
  private(set) var outputBuffers: [Int] = []

  /// Outputs that are inputs, constants or named twice are copied at the end.
  private func copyRemainingOutputs() throws(EdgeError) {
    for (index, value) in graph.outputs.enumerated() {
      let place = try operand(value)
      if place == BufferPlace(buffer: outputBuffers[index]) { continue }
      if try size(value) == 0 { continue }
      note = "output \(graph.values[value].name)"
      try emitCopy(
        count: try count(value), elementBytes: dtype(value).byteCount, from: place, to: BufferPlace(buffer: outputBuffers[index]))
    }
  }

  // MARK: Steps

  /// Appends a kernel call. `packs`: slot for packed weights; where one of the `packSources` is computed, a step before the
  /// kernel's packs them in each run.
  @inline(__always)
  func emit<Arguments: BitwiseCopyable>(
    _ operation: Int, _ arguments: Arguments, _ slots: [SlotUse], packs: Int? = nil, packSources: [Int] = [],
    inPlace: [Int] = [], multiplyAdds: Int64 = 0
  ) throws(EdgeError) {
    var words = [UInt64](repeating: 0, count: (MemoryLayout<Arguments>.size &+ 7) / 8)
    words.withUnsafeMutableBytes { $0.storeBytes(of: arguments, as: Arguments.self) }
    try emit(
      Int32(operation), words: words, slots, packs: packs, packSources: packSources, inPlace: inPlace, multiplyAdds: multiplyAdds)
  }

  @inline(never)
  private func emit(
    _ operation: Int32, words: [UInt64], _ slots: [SlotUse], packs: Int?, packSources: [Int], inPlace: [Int], multiplyAdds: Int64
  ) throws(EdgeError) {
    let packing = packs != nil && packsInRuns(operation, slots, packSources)
    let own = chosen(operation, ahead: packing ? 1 : 0)
    var remark = note
    if own == nil {
      if !remark.isEmpty { remark += "; " }
      remark += Text("reference kernel: \(kernels.isa.name) has none")
    }
    guard let kernel = own?.kernel ?? kernels.reference(operation) else { throw unsupported("this build has no kernel for it") }
    var (slots, packs) = (slots, packs)
    if packing, let slot = packs {
      slots.append(.read(slot, try emitPacking(kernel, words, slots.filter { packSources.contains($0.slot) })))
      packs = nil
    }
    let index = steps.count
    for use in slots {
      buffers[use.place.buffer].firstStep = min(buffers[use.place.buffer].firstStep, index)
      buffers[use.place.buffer].lastStep = max(buffers[use.place.buffer].lastStep, index)
    }
    let step = LoweredStep(
      operation: operation, node: current, kernel: kernel, isa: own?.isa ?? .reference, arguments: words, slots: slots,
      packedSlot: kernel.packed_bytes == nil ? nil : packs, inPlaceSlots: inPlace)
    step.multiplyAdds = multiplyAdds
    step.note = remark
    steps.append(step)
  }

  /// Contents are known before the first run.
  func isConstant(_ place: BufferPlace) -> Bool {
    switch buffers[place.buffer].kind {
    case .constant, .derived: return true
    default: return false
    }
  }

  /// Whether two steps pack the same: one kernel with the same numbers and the same constants.
  func packsAlike(_ first: Int, _ second: Int) -> Bool {
    guard steps[first].kernel.name == steps[second].kernel.name, steps[first].isa == steps[second].isa,
      steps[first].arguments == steps[second].arguments, steps[first].slots.count == steps[second].slots.count
    else { return false }
    for index in steps[first].slots.indices {
      let (use, other) = (steps[first].slots[index], steps[second].slots[index])
      if use.slot != other.slot || use.place != other.place && (isConstant(use.place) || isConstant(other.place)) { return false }
    }
    return true
  }
}

extension SlotUse {
  static func read(_ slot: Int, _ place: BufferPlace) -> SlotUse { SlotUse(slot: slot, place: place) }
  static func write(_ slot: Int, _ place: BufferPlace) -> SlotUse { SlotUse(slot: slot, place: place, writes: true) }
}

extension Lowering {
  /// Product of sizes that already fit a tensor.
  static func product(_ dims: ArraySlice<Int>) -> Int {
    var result = 1
    for dim in dims { result = result &* dim }
    return result
  }
}
