import Graph
import Testing

@testable import Runtime

@Suite struct MemoryPlanTests {
  private func isSound(_ requests: [MemoryPlan.Request], _ plan: MemoryPlan) -> Bool {
    for i in requests.indices {
      if plan.offsets[i] % 64 != 0 || plan.offsets[i] + requests[i].byteCount > plan.byteCount { return false }
      for j in 0..<i where requests[i].firstStep <= requests[j].lastStep && requests[j].firstStep <= requests[i].lastStep {
        let disjoint = plan.offsets[i] + requests[i].byteCount <= plan.offsets[j]
          || plan.offsets[j] + requests[j].byteCount <= plan.offsets[i]
        if !disjoint { return false }
      }
    }
    return true
  }

  @Test func randomLifetimesNeverOverlap() throws {
    var random = Random(3)
    for _ in 0..<400 {
      let requests = (0..<(1 + random.below(40))).map { _ in
        let first = random.below(30)
        return MemoryPlan.Request(byteCount: 1 + random.below(2000), firstStep: first, lastStep: first + random.below(6))
      }
      let plan = try MemoryPlan(requests)
      #expect(isSound(requests, plan))
      // At no step does less memory do than the arena's lower bound; the arena is never larger than all buffers.
      let rounded = requests.map { ($0.byteCount + 63) / 64 * 64 }
      let lower = (0..<40).map { step in zip(requests, rounded).reduce(0) { $0 + ($1.0.firstStep <= step && step <= $1.0.lastStep ? $1.1 : 0) } }
      #expect(plan.byteCount >= lower.max()!)
      #expect(plan.byteCount <= rounded.reduce(0, +))
      #expect(try MemoryPlan(requests).offsets == plan.offsets)
    }
  }

  /// Scratch never moves a tensor, nor overlaps one that lives through its step.
  @Test func guestsTakeWhatIsLeft() throws {
    var random = Random(4)
    for _ in 0..<200 {
      let hosts = (0..<(1 + random.below(20))).map { _ in
        let first = random.below(30)
        return MemoryPlan.Request(byteCount: 1 + random.below(2000), firstStep: first, lastStep: first + random.below(6))
      }
      let guests = (0..<random.below(30)).map { MemoryPlan.Request(byteCount: 1 + random.below(3000), firstStep: $0, lastStep: $0) }
      let alone = try MemoryPlan(hosts), plan = try MemoryPlan(hosts + guests, guests: guests.count)
      #expect(isSound(hosts + guests, plan))
      #expect(plan.byteCountOfHosts == alone.byteCount && Array(plan.offsets.prefix(hosts.count)) == alone.offsets)
      let largest = guests.map { ($0.byteCount + 63) / 64 * 64 }.max() ?? 0
      #expect(plan.byteCount <= alone.byteCount + largest)
    }
    // Two small tensors at the ends of a large one's place leave room between them.
    let plan = try MemoryPlan(
      [.init(byteCount: 640, firstStep: 0, lastStep: 0), .init(byteCount: 64, firstStep: 2, lastStep: 2), .init(byteCount: 512, firstStep: 2, lastStep: 2)],
      guests: 1)
    #expect(plan.byteCount == 640)
  }

  @Test func aChainNeedsTwoBuffers() throws {
    let plan = try MemoryPlan((0..<20).map { MemoryPlan.Request(byteCount: 640, firstStep: $0, lastStep: $0 + 1) })
    #expect(plan.byteCount == 2 * 640)
  }

  @Test func sizesThatOverflowAreRefused() {
    #expect(throws: EdgeError.self) { try MemoryPlan([MemoryPlan.Request(byteCount: Int.max, firstStep: 0, lastStep: 1)]) }
    #expect(throws: EdgeError.self) {
      try MemoryPlan((0..<3).map { _ in MemoryPlan.Request(byteCount: Int.max / 2, firstStep: 0, lastStep: 1) })
    }
  }

  @Test func buffersOfALoweredGraphNeverOverlap() throws {
    let graph = try Graph.classifier()
    var options = SessionOptions()
    options.isa = .reference
    let plan = try Plan(graph, options)
    let arena = plan.buffers.filter { $0.isArena && $0.lastStep >= 0 }
    #expect(arena.count >= 3)
    for i in arena.indices {
      for j in 0..<i where arena[i].firstStep <= arena[j].lastStep && arena[j].firstStep <= arena[i].lastStep {
        #expect(arena[i].offset + arena[i].byteCount <= arena[j].offset || arena[j].offset + arena[j].byteCount <= arena[i].offset)
      }
    }
    // Memory is used again: the arena is smaller than its tensors together.
    #expect(plan.arenaBytes < arena.reduce(0) { $0 + ($1.byteCount + 63) / 64 * 64 })
  }
}
