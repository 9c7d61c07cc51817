#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Places buffers with lifetimes in one arena. Largest first, each into the smallest gap that is free while it
/// lives (Pisarchyk and Lee 2020, "greedy by size"); ties go by index, so the same buffers give the same plan.
struct MemoryPlan {
  struct Request: Equatable {
    var byteCount: Int
    /// Steps at which the memory is in use, both ends included.
    var firstStep: Int
    var lastStep: Int
  }

  static let alignment = 64

  /// One for each request, a multiple of `alignment`.
  private(set) var offsets: [Int]
  /// Size of the arena.
  private(set) var byteCount = 0
  /// Size of the arena without the guests.
  private(set) var byteCountOfHosts = 0

  /// The last `guests` requests come after all others, whose places they do not change. Throws `limitExceeded` when the
  /// arena's size overflows.
  init(_ requests: [Request], guests: Int = 0) throws(EdgeError) {
    offsets = [Int](repeating: 0, count: requests.count)
    let hosts = requests.count &- guests
    let order = sortedIndices(requests.count) {
      ($0 < hosts) == ($1 < hosts) ? requests[$0].byteCount > requests[$1].byteCount : $0 < hosts
    }
    // Placed requests, by offset.
    var placed: [Int] = []
    for index in order {
      let request = requests[index]
      let size = try MemoryPlan.aligned(request.byteCount)
      var best = -1
      var bestGap = Int.max
      var end = 0
      for other in placed where requests[other].firstStep <= request.lastStep && request.firstStep <= requests[other].lastStep {
        let gap = offsets[other] &- end
        if gap >= size, gap < bestGap {
          best = end
          bestGap = gap
        }
        end = max(end, offsets[other] &+ (try MemoryPlan.aligned(requests[other].byteCount)))
      }
      let offset = best >= 0 ? best : end
      let (top, overflow) = offset.addingReportingOverflow(size)
      if overflow { throw EdgeError(.limitExceeded, "the arena's size overflows") }
      offsets[index] = offset
      byteCount = max(byteCount, top)
      if index < hosts { byteCountOfHosts = byteCount }
      var position = placed.count
      while position > 0, offsets[placed[position - 1]] > offset { position -= 1 }
      placed.insert(index, at: position)
    }
  }

  /// What a tensor takes: neighbours that begin a multiple of a page apart would wait for each other. A load of one whose address
  /// has the last twelve bits of an earlier store to the other begins only when that store is done, and with 512 or 1024
  /// channels all pixels have them in common.
  static func spaced(_ byteCount: Int) -> Int {
    byteCount >= 64 << 10 && byteCount % 4096 == 0 ? byteCount &+ 512 : byteCount
  }

  /// Rounded up to the alignment. Throws `limitExceeded` on overflow.
  static func aligned(_ byteCount: Int) throws(EdgeError) -> Int {
    guard byteCount >= 0, byteCount <= Int.max &- (alignment &- 1) else {
      throw EdgeError(.limitExceeded, "a buffer's size overflows")
    }
    return (byteCount &+ (alignment &- 1)) & ~(alignment &- 1)
  }
}

extension Lowering {
  /// Lets results take the place of operands that die in the same step, where the kernel allows it.
  func mergeInPlace() {
    var replacement: [Int] = []
    for index in buffers.indices { replacement.append(index) }
    for index in steps.indices {
      for use in steps[index].slots.indices {
        steps[index].slots[use].place.buffer = replacement[steps[index].slots[use].place.buffer]
      }
      guard let result = steps[index].slots.first(where: { $0.writes })?.place,
        let operand = replaceableOperand(steps[index], result, at: index)
      else { continue }
      let y = buffers[result.buffer]
      // From here on the operand's buffer is the result's.
      replacement[result.buffer] = operand.buffer
      buffers[operand.buffer].lastStep = y.lastStep
      buffers[operand.buffer].isObserved = y.isObserved
      buffers[result.buffer].byteCount = 0
      buffers[result.buffer].firstStep = Int.max
      buffers[result.buffer].lastStep = -1
      for use in steps[index].slots.indices where steps[index].slots[use].writes { steps[index].slots[use].place = operand }
    }
    for value in places.indices {
      if let place = places[value] { places[value] = BufferPlace(buffer: replacement[place.buffer], offset: place.offset) }
    }
  }

  /// The operand of a step whose memory the result may take: it dies there, and nothing else in the step reads it
  /// in another way.
  private func replaceableOperand(_ step: LoweredStep, _ result: BufferPlace, at index: Int) -> BufferPlace? {
    let y = buffers[result.buffer]
    guard y.isArena, y.firstStep == index, result.offset == 0 else { return nil }
    for slot in step.inPlaceSlots {
      guard let operand = step.slots.first(where: { $0.slot == slot })?.place else { continue }
      let x = buffers[operand.buffer]
      guard operand.offset == 0, operand.buffer != result.buffer, x.isArena, !x.isObserved, x.lastStep == index,
        y.byteCount <= x.byteCount
      else { continue }
      var isShared = false
      for use in step.slots where use.place.buffer == operand.buffer {
        if use.place != operand || !step.inPlaceSlots.contains(use.slot) { isShared = true }
      }
      if !isShared { return operand }
    }
    return nil
  }

  /// Gives every arena buffer its offset, and every measured step its scratch where the buffers in use leave room, or behind them.
  /// Observed buffers live to the end.
  func placeBuffers(threads: Int) throws(EdgeError) -> MemoryPlan {
    var requests: [MemoryPlan.Request] = []
    var owners: [Int] = []
    for index in buffers.indices where buffers[index].isArena && buffers[index].lastStep >= 0 {
      let buffer = buffers[index]
      requests.append(
        MemoryPlan.Request(
          byteCount: MemoryPlan.spaced(buffer.byteCount), firstStep: buffer.firstStep,
          lastStep: buffer.isObserved ? steps.count : buffer.lastStep))
      owners.append(index)
    }
    var guests: [Int] = []
    for index in steps.indices where steps[index].scratchBytes > 0 {
      let (bytes, overflow) = try MemoryPlan.aligned(steps[index].scratchBytes).multipliedReportingOverflow(by: steps[index].chunks > 1 ? threads : 1)
      if overflow { throw EdgeError(.limitExceeded, "the session's memory overflows") }
      requests.append(MemoryPlan.Request(byteCount: bytes, firstStep: index, lastStep: index))
      guests.append(index)
    }
    let plan = try MemoryPlan(requests, guests: guests.count)
    for (request, index) in owners.enumerated() { buffers[index].offset = plan.offsets[request] }
    for (request, index) in guests.enumerated() { steps[index].scratchOffset = plan.offsets[owners.count &+ request] }
    return plan
  }
}
