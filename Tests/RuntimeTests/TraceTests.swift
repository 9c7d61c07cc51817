import CPlatform
import Graph
import Testing

@testable import Runtime

@Suite(.serialized) struct TraceTests {
  private var input: [Float] {
    var random = Random(7)
    return random.floats(48 * 48 * 3)
  }

  private func runner(_ configure: (inout SessionOptions) -> Void) throws -> Runner {
    let runner = try Runner(try Graph.classifier(size: 48, channels: 16), configure)
    runner.setInput(0, input)
    return runner
  }

  @Test(arguments: [1, 3]) func keepsTheLastRuns(threads: Int) throws {
    let runner = try runner { ($0.threads, $0.traceRuns) = (threads, 2) }
    #expect(runner.plan.options.profile)
    #expect(runner.session.traceCount == 0)
    let steps = runner.plan.steps.count
    for run in 1...5 {
      #expect(runner.session.run())
      #expect(runner.session.traceCount == min(run, 2) * steps)
    }
    var end: UInt64 = 0
    var shares = 0
    for index in 0..<runner.session.traceCount {
      let event = try #require(runner.session.traceEvent(index))
      #expect(event.step == index % steps && event.run == 4 + index / steps)
      #expect(event.begin >= end && event.end >= event.begin)
      end = event.end
      #expect(event.threads == (threads > 1 ? threads : 0))
      for thread in 0..<event.threads {
        guard let share = runner.session.share(event, thread: thread) else { continue }
        shares += 1
        #expect(share.begin >= event.begin && share.end >= share.begin && share.end <= event.end)
        #expect(runner.plan.steps[event.step].chunks > 1)
      }
    }
    // Somebody did each step that is shared; on a busy machine perhaps the caller alone.
    let shared = runner.plan.steps.count { $0.chunks > 1 }
    #expect(threads == 1 ? shares == 0 : shared > 0 && shares >= 2 * shared)
    #expect(runner.session.traceEvent(-1) == nil && runner.session.traceEvent(2 * steps) == nil)
    runner.session.resetTrace()
    #expect(runner.session.traceCount == 0 && runner.session.traceEvent(0) == nil)
  }

  /// A trace changes no result, and its memory is exact.
  @Test(arguments: [1, 2, 4]) func changesNothing(threads: Int) throws {
    let plain = try runner { $0.threads = threads }
    let traced = try runner { ($0.threads, $0.traceRuns) = (threads, 3) }
    for _ in 0..<4 { #expect(try plain.bytes([input]) == traced.bytes([input])) }
    let guardBytes = 4096
    let memory = ep_allocate(traced.plan.memoryRequired + guardBytes, 64)!
    defer { ep_deallocate(memory) }
    memory.initializeMemory(as: UInt8.self, repeating: 0xA5, count: traced.plan.memoryRequired + guardBytes)
    let session = try Session(traced.plan, memory: memory, size: traced.plan.memoryRequired)
    for _ in 0..<5 { #expect(session.run()) }
    session.destroy()
    #expect((0..<guardBytes).allSatisfy { memory.load(fromByteOffset: traced.plan.memoryRequired + $0, as: UInt8.self) == 0xA5 })
  }

  @Test func sizesOutOfRangeAreRefused() throws {
    for (runs, expected) in [(-1, Status.invalidArgument), (Int.max, .limitExceeded), (Int.max / 32, .limitExceeded)] {
      do {
        _ = try runner { $0.traceRuns = runs }
        Issue.record("\(runs) runs were accepted")
      } catch { #expect((error as? EdgeError)?.status == expected) }
    }
    #expect(try runner { $0.profile = true }.session.traceCount == 0)
  }
}
