import CPlatform
import Testing

@testable import Runtime

/// What the jobs of these tests write to: one counter for each unit.
private struct Sheet {
  var counts: UnsafeMutablePointer<UInt32>
  /// Iterations of busy work in each unit.
  var work: Int
}

private let addOne: @convention(c) (UnsafeRawPointer?, Int64, Int64, UnsafeMutableRawPointer?) -> Void = { raw, begin, end, scratch in
  let sheet = raw!.assumingMemoryBound(to: Sheet.self).pointee
  // Scratch belongs to one participant: plain writes here are a race if two share it.
  let mine = scratch!.assumingMemoryBound(to: Int.self)
  for unit in begin..<end {
    for step in 0..<sheet.work { mine.pointee = mine.pointee &* 3 &+ step }
    sheet.counts[Int(unit)] += 1
  }
}

@Suite(.serialized) struct ThreadPoolTests {
  /// Runs jobs of every size on a pool; every unit must be done exactly once, jobs not overlapping.
  private func exercise(threads: Int, spin: Int, jobs: Int, pause: Bool, processors: Int? = nil) throws {
    let state = ep_allocate(ThreadPool.byteCount(threads: threads), 64)!
    let scratch = ep_allocate(threads * 64, 64)!
    let counts = UnsafeMutablePointer<UInt32>.allocate(capacity: 64)
    counts.initialize(repeating: 0, count: 64)
    scratch.initializeMemory(as: UInt8.self, repeating: 0, count: threads * 64)
    defer {
      ep_deallocate(state)
      ep_deallocate(scratch)
      counts.deallocate()
    }
    // As many processors as threads, so that all of them take part wherever the test runs.
    let pool = try ThreadPool.start(state: state, threads: threads, spinMicroseconds: spin, processors: processors ?? threads)
    var sheet = Sheet(counts: counts, work: 20)
    var expected = [UInt32](repeating: 0, count: 64)
    for job in 0..<jobs {
      let units = 1 + job % 64
      let chunks = min(units, 1 + job % (job % 3 == 0 ? 64 : 9))
      _ = withUnsafePointer(to: &sheet) { sheet in
        pool.run(
          ThreadPool.Job(
            run: addOne, arguments: sheet, units: Int64(units), chunks: UInt32(chunks), isLong: job % 3 == 0, scratch: scratch,
            scratchStride: 64))
      }
      for unit in 0..<units { expected[unit] += 1 }
      // Long enough for workers to fall asleep between jobs.
      if pause, job % 16 == 0 {
        let start = ep_nanoseconds()
        while ep_nanoseconds() - start < 300_000 { ep_thread_yield() }
      }
    }
    pool.stop()
    #expect((0..<64).map { counts[$0] } == expected)
  }

  @Test(arguments: [2, 3, 4, 8], [0, 1, 50])
  func everyUnitRunsOnce(threads: Int, spin: Int) throws {
    try exercise(threads: threads, spin: spin, jobs: 1500, pause: false)
    try exercise(threads: threads, spin: spin, jobs: 200, pause: true)
  }

  /// Workers without a processor take no part, and end with the others.
  @Test(arguments: [0, 1, 2, 3], [0, 50])
  func fewerProcessorsThanThreads(processors: Int, spin: Int) throws {
    try exercise(threads: 4, spin: spin, jobs: 300, pause: true, processors: processors)
  }

  /// Workers that do not watch for the next job are woken for long ones only, however many short ones follow each other.
  @Test(arguments: [0, 9])
  func shortJobsDoNotWakeWorkersThatSleepAgainSoon(spin: Int) throws {
    let state = ep_allocate(ThreadPool.byteCount(threads: 2), 64)!
    let scratch = ep_allocate(2 * 64, 64)!
    let counts = UnsafeMutablePointer<UInt32>.allocate(capacity: 8)
    counts.initialize(repeating: 0, count: 8)
    scratch.initializeMemory(as: UInt8.self, repeating: 0, count: 2 * 64)
    defer {
      ep_deallocate(state)
      ep_deallocate(scratch)
      counts.deallocate()
    }
    let pool = try ThreadPool.start(state: state, threads: 2, spinMicroseconds: spin, processors: 2)
    /// Runs jobs until the worker has done a part, or a time has passed.
    func workerTakesPart(isLong: Bool, within nanoseconds: UInt64) -> Bool {
      var sheet = Sheet(counts: counts, work: 200)
      let theirs = (scratch + 64).assumingMemoryBound(to: Int.self)
      theirs.pointee = 0
      let start = ep_nanoseconds()
      while theirs.pointee == 0, ep_nanoseconds() - start < nanoseconds {
        _ = withUnsafePointer(to: &sheet) { sheet in
          pool.run(
            ThreadPool.Job(run: addOne, arguments: sheet, units: 8, chunks: 8, isLong: isLong, scratch: scratch, scratchStride: 64))
        }
      }
      return theirs.pointee != 0
    }
    #expect(workerTakesPart(isLong: true, within: 10_000_000_000))
    // A busy machine may keep the worker from falling asleep at first.
    let sleeps = (0..<5).contains { _ in
      let start = ep_nanoseconds()
      while ep_nanoseconds() - start < 20_000_000 { ep_thread_yield() }
      return !workerTakesPart(isLong: false, within: 50_000_000)
    }
    #expect(sleeps)
    pool.stop()
  }

  @Test func startAndStopAlone() throws {
    for _ in 0..<50 { try exercise(threads: 4, spin: 5, jobs: 0, pause: false) }
  }

  @Test func partsCoverAllUnits() {
    for units in [Int64(1), 2, 5, 17, 1000] {
      for chunks in 1...UInt32(min(units, 9)) {
        var next: Int64 = 0
        for part in 0..<Int64(chunks) {
          #expect(units * part / Int64(chunks) == next)
          next = units * (part + 1) / Int64(chunks)
          #expect(next > units * part / Int64(chunks))
        }
        #expect(next == units)
      }
    }
  }
}
