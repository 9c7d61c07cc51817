import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A step that runs no kernel but decides which step is next. Raw values are those in a session's block.
enum ControlStep: UInt32 {
  case none = 0
  /// To the target unless the condition holds.
  case branch
  /// To the target.
  case jump
  /// Iteration 0, or to the target when there is none.
  case enter
  /// To the target for another iteration.
  case back
}

/// Arguments of a control step; pointers are slots as those of kernels.
struct ControlArguments {
  /// Slot 0: one byte; nil always holds.
  var condition: UnsafePointer<UInt8>?
  /// Slot 1: how many iterations at most; nil for no such limit.
  var iterations: UnsafePointer<Int64>?
  /// Slot 2: the number of the iteration.
  var number: UnsafeMutablePointer<Int64>?
}

/// Branches and loops. The branches of one write their results to the same memory. A loop's states live in the
/// memory of its results from before the first iteration on; each iteration makes new ones elsewhere, which are
/// copied there when all are ready.
extension Lowering {
  /// Appends the steps of a control operator; false for other operators.
  func lowerControl(_ node: Node) throws(EdgeError) -> Bool {
    guard flow.markers[current] >= 0 else { return false }
    let end = graph.nodes[flow.constructs[flow.markers[current]].end]
    switch node.op {
    case .when: openSteps.append(try emitControl(.branch, condition: node.input(0)))
    case .otherwise:
      for (x, y) in zip(node.inputs, end.outputs) { try copy(x, to: try result(y)) }
      let jump = try emitControl(.jump)
      finishControl(target: steps.count)
      openSteps.append(jump)
    case .merge:
      for (x, y) in zip(node.inputs, node.outputs) { try copy(x, to: try result(y)) }
      finishControl(target: steps.count)
    case .loop:
      for (index, x) in node.inputs.dropFirst(2).enumerated() {
        let state = try result(end.outputs[index])
        places[node.outputs[1 + index]] = state
        try copy(x, to: state)
      }
      openSteps.append(
        try emitControl(.enter, condition: node.input(1), iterations: node.input(0), number: try result(node.outputs[0])))
    case .next(let stacked, _): try lowerNext(node, graph.nodes[flow.constructs[flow.markers[current]].begin], stacked: stacked)
    default: return false
    }
    return true
  }

  private func lowerNext(_ node: Node, _ begin: Node, stacked: Int) throws(EdgeError) {
    let stateCount = node.inputs.count - 1 - stacked
    let enter = openSteps[openSteps.count - 1]
    for index in stateCount..<node.outputs.count {
      try stack(node.inputs[1 + index], into: node.outputs[index], number: begin.outputs[0], since: enter)
    }
    // A new state may be what another state was, and the condition too: those are put aside first.
    var states: [Int] = []
    var isState = [Bool](repeating: false, count: buffers.count)
    for y in node.outputs.prefix(stateCount) {
      states.append(try result(y).buffer)
      isState[states[states.count - 1]] = true
    }
    // Buffers that operands get only now hold constants.
    func holdsState(_ place: BufferPlace) -> Bool { place.buffer < isState.count && isState[place.buffer] }
    var sources: [BufferPlace] = []
    for (index, x) in node.inputs.dropFirst().prefix(stateCount).enumerated() {
      let place = try operand(x)
      sources.append(place.buffer != states[index] && holdsState(place) ? try aside(x) : place)
    }
    let condition = node.input(0)
    var conditionPlace: BufferPlace?
    if let value = condition, holdsState(try operand(value)) { conditionPlace = try aside(value) }
    for (index, y) in node.outputs.prefix(stateCount).enumerated() { try copy(y, from: sources[index], to: try result(y)) }
    let back = try emitControl(
      .back, condition: condition, conditionPlace: conditionPlace, iterations: begin.input(0), number: try result(begin.outputs[0]))
    steps[back].target = enter + 1
    finishControl(target: steps.count)
    for buffer in states { live(buffer, enter, back) }
    loops.append((enter, back))
    if condition == nil, begin.input(1) == nil, let count = begin.input(0).flatMap({ graph.values[$0].int64 }), count > maximumIterations {
      throw error(.limitExceeded, "the loop has \(count) iterations, more than the \(maximumIterations) of the session")
    }
  }

  /// y[number] = x
  private func stack(_ x: ValueID, into y: ValueID, number: ValueID, since enter: Int) throws(EdgeError) {
    let target = try result(y)
    if try size(y) == 0 { return }
    var arguments = ek_index()
    let row = try count(x)
    arguments.row_elements = Int64(row)
    arguments.type = Int32(dtype(x).rawValue)
    arguments.index_type = Int32(DType.int64.rawValue)
    arguments.tuple = 1
    arguments.index_step = 1
    arguments.rank = 1
    arguments.function = -1
    fillField(&arguments.dims, [1])
    fillField(&arguments.extent, [shape(y)[0]])
    fillField(&arguments.extent_stride, [row])
    try emit(Int(EK_PUT), arguments, [.read(0, try operand(x)), .read(1, try operand(number)), .write(2, target)])
    live(target.buffer, enter, steps.count)
  }

  /// A copy of a value that is about to be overwritten.
  private func aside(_ x: ValueID) throws(EdgeError) -> BufferPlace {
    let place = temporary(try byteCount(x))
    try copy(x, from: try operand(x), to: place)
    return place
  }

  private func copy(_ x: ValueID, to place: BufferPlace) throws(EdgeError) { try copy(x, from: try operand(x), to: place) }

  private func copy(_ x: ValueID, from: BufferPlace, to: BufferPlace) throws(EdgeError) {
    if from == to { return }
    if try size(x) == 0 { return }
    try emitCopy(count: try count(x), elementBytes: dtype(x).byteCount, from: from, to: to)
  }

  // MARK: Steps

  /// The index of the step.
  private func emitControl(
    _ control: ControlStep, condition: ValueID? = nil, conditionPlace: BufferPlace? = nil, iterations: ValueID? = nil,
    number: BufferPlace? = nil
  ) throws(EdgeError) -> Int {
    var slots: [SlotUse] = []
    if let place = conditionPlace {
      slots.append(.read(0, place))
    } else if let condition {
      slots.append(.read(0, try operand(condition)))
    }
    if let iterations { slots.append(.read(1, try operand(iterations))) }
    if let number { slots.append(.write(2, number)) }
    for use in slots { live(use.place.buffer, steps.count, steps.count) }
    let words = (MemoryLayout<ControlArguments>.size &+ 7) / 8
    let step = LoweredStep(
      operation: -1, node: current, kernel: ek_kernel(), isa: .reference, arguments: [UInt64](repeating: 0, count: words), slots: slots)
    step.control = control
    steps.append(step)
    return steps.count - 1
  }

  /// The construct's last open step goes on at the target when it jumps.
  private func finishControl(target: Int) { steps[openSteps.removeLast()].target = target }

  /// The buffer is in use from a step to another.
  private func live(_ buffer: Int, _ first: Int, _ last: Int) {
    buffers[buffer].firstStep = min(buffers[buffer].firstStep, first)
    buffers[buffer].lastStep = max(buffers[buffer].lastStep, last)
  }

  /// What is there before a loop and read in it must last until its last iteration. An observed buffer is not
  /// overwritten by what comes before it in the next iteration.
  func extendLifetimes() {
    // For each step the innermost loop it is in, for each loop the one around it; -1 for none.
    var innermost = [Int](repeating: -1, count: steps.count)
    var around = [Int](repeating: -1, count: loops.count)
    for loop in loops.indices.reversed() {
      around[loop] = innermost[loops[loop].enter]
      for step in loops[loop].enter...loops[loop].back { innermost[step] = loop }
    }
    for index in buffers.indices where buffers[index].isArena && buffers[index].lastStep >= 0 {
      let first = buffers[index].firstStep
      var loop = innermost[buffers[index].lastStep]
      while loop >= 0, loops[loop].enter > first {
        buffers[index].lastStep = loops[loop].back
        loop = around[loop]
      }
      guard buffers[index].isObserved else { continue }
      loop = innermost[first]
      while loop >= 0 {
        buffers[index].firstStep = loops[loop].enter
        loop = around[loop]
      }
    }
  }
}
