import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Worker threads that share one job's chunks with the caller. All state is plain memory given by the owner.
///
/// A call into the library may be abandoned for want of memory after the workers have started, and their state be
/// freed with all else it made. So the pool leaves a cleanup with the current scope, which ends them first.
///
/// A job has `chunks` parts. `unclaimed` counts down; whoever lowers it from i to i - 1 owns part i - 1. The caller
/// takes parts too and then waits only for parts that somebody claimed, so a worker that is asleep or preempted
/// before its claim never delays a run. The job's description is written before `unclaimed` is set and rewritten
/// only when every claimed part is done, so a claim, however late, is always for the job it then reads.
///
/// Idle workers watch `generation` for a while and then sleep on it. A sleeper first announces itself, then looks
/// at the generation again; the caller first changes the generation, then looks for sleepers: one of them sees
/// the other.
struct ThreadPool {
  /// One kernel call, split by units.
  struct Job {
    var run: (@convention(c) (UnsafeRawPointer?, Int64, Int64, UnsafeMutableRawPointer?) -> Void)?
    var arguments: UnsafeRawPointer?
    var units: Int64
    var chunks: UInt32
    /// Scratch of participant p begins at scratch + p * scratchStride.
    var scratch: UnsafeMutableRawPointer?
    var scratchStride: Int

    /// Runs one part.
    func runPart(_ part: UInt32, participant: Int) {
      let begin = units &* Int64(part) / Int64(chunks)
      let end = units &* Int64(part &+ 1) / Int64(chunks)
      run?(arguments, begin, end, scratch.map { $0 + participant &* scratchStride })
    }
  }

  private struct Worker {
    var thread: ep_thread
    var pool: UnsafeMutableRawPointer
    /// 1 and up; 0 is the caller.
    var participant: Int
  }

  private let state: UnsafeMutableRawPointer

  /// A pool in memory that `start` filled.
  init(state: UnsafeMutableRawPointer) { self.state = state }

  // Words that threads write live on cache lines of their own.
  private static let line = 64
  private var generation: UnsafeMutablePointer<UInt32> { word(0) }
  private var unclaimed: UnsafeMutablePointer<UInt32> { word(1) }
  private var done: UnsafeMutablePointer<UInt32> { word(2) }
  private var sleepers: UnsafeMutablePointer<UInt32> { word(3) }
  private var callerWaits: UnsafeMutablePointer<UInt32> { word(4) }
  private var stopping: UnsafeMutablePointer<UInt32> { word(5) }
  private var spinNanoseconds: UnsafeMutablePointer<UInt64> { (state + 6 &* ThreadPool.line).assumingMemoryBound(to: UInt64.self) }
  // On the spin time's line: written at the start only, too.
  private var workerCount: UnsafeMutablePointer<Int> { (state + 6 &* ThreadPool.line + 8).assumingMemoryBound(to: Int.self) }
  private var cleanup: UnsafeMutablePointer<ep_cleanup> { (state + 6 &* ThreadPool.line + 16).assumingMemoryBound(to: ep_cleanup.self) }
  private var job: UnsafeMutablePointer<Job> { (state + 7 &* ThreadPool.line).assumingMemoryBound(to: Job.self) }
  private var workers: UnsafeMutablePointer<Worker> { (state + 8 &* ThreadPool.line).assumingMemoryBound(to: Worker.self) }
  private func word(_ index: Int) -> UnsafeMutablePointer<UInt32> {
    (state + index &* ThreadPool.line).assumingMemoryBound(to: UInt32.self)
  }

  /// Bytes of state for a number of threads, the caller's included. The memory must be 64-byte aligned.
  static func byteCount(threads: Int) -> Int {
    threads <= 1 ? 0 : 8 &* line &+ (threads &- 1) &* MemoryLayout<Worker>.stride
  }

  /// Starts `threads` - 1 workers. Throws `outOfMemory` when the system gives no thread; none is left then.
  static func start(state: UnsafeMutableRawPointer, threads: Int, spinMicroseconds: Int) throws(EdgeError) -> ThreadPool {
    let pool = ThreadPool(state: state)
    for index in 0..<6 { pool.word(index).initialize(to: 0) }
    pool.spinNanoseconds.initialize(to: UInt64(max(spinMicroseconds, 0)) &* 1000)
    pool.job.initialize(to: Job(run: nil, arguments: nil, units: 0, chunks: 1, scratch: nil, scratchStride: 0))
    pool.workerCount.initialize(to: 0)
    pool.cleanup.initialize(to: ep_cleanup())
    ep_cleanup_add(pool.cleanup, { state in if let state { ThreadPool(state: state).stop() } }, state)
    for index in 0..<(threads &- 1) {
      let worker = pool.workers + index
      worker.initialize(to: Worker(thread: ep_thread(), pool: state, participant: index &+ 1))
      let thread = UnsafeMutableRawPointer(worker).assumingMemoryBound(to: ep_thread.self)
      let failure = ep_thread_start(thread, { context in if let context { ThreadPool.work(context) } }, worker)
      if failure != 0 {
        pool.stop()
        throw EdgeError(.outOfMemory, "could not start thread \(index &+ 2) of \(threads)")
      }
      pool.workerCount.pointee = index &+ 1
    }
    return pool
  }

  /// Ends and joins the workers. No job may be running.
  func stop() {
    ep_cleanup_remove(cleanup)
    ep_atomic_store_ordered(stopping, 1)
    announce()
    for index in 0..<workerCount.pointee { ep_thread_join(UnsafeMutableRawPointer(workers + index).assumingMemoryBound(to: ep_thread.self)) }
  }

  /// Runs all parts of a job and returns when they are done. Called by one thread at a time.
  func run(_ next: Job) {
    job.pointee = next
    ep_atomic_store(done, 0)
    ep_atomic_store_ordered(unclaimed, next.chunks)
    announce()
    drain(participant: 0)
    waitUntilDone(next.chunks)
  }

  private func announce() {
    _ = ep_atomic_add(generation, 1)
    if ep_atomic_load_ordered(sleepers) != 0 { ep_futex_wake(generation, Int32.max) }
  }

  private func drain(participant: Int) {
    while true {
      var left = ep_atomic_load(unclaimed)
      var claimed = false
      while left != 0, !claimed { claimed = ep_atomic_compare_exchange(unclaimed, &left, left &- 1) != 0 }
      if !claimed { return }
      let current = job.pointee
      current.runPart(left &- 1, participant: participant)
      // After this addition the job may be another one.
      let isLast = ep_atomic_add(done, 1) &+ 1 == current.chunks
      if isLast, participant != 0, ep_atomic_load_ordered(callerWaits) != 0 { ep_futex_wake(done, 1) }
    }
  }

  private func waitUntilDone(_ chunks: UInt32) {
    if ep_atomic_load(done) == chunks { return }
    if spin({ ep_atomic_load(done) == chunks }) { return }
    ep_atomic_store_ordered(callerWaits, 1)
    while true {
      let seen = ep_atomic_load_ordered(done)
      if seen == chunks { break }
      ep_futex_wait(done, seen)
    }
    ep_atomic_store(callerWaits, 0)
  }

  /// Waits for a condition as long as the pool may spin; whether it came true.
  @inline(__always)
  private func spin(_ condition: () -> Bool) -> Bool {
    let limit = spinNanoseconds.pointee
    if limit == 0 { return condition() }
    let start = ep_nanoseconds()
    while true {
      for _ in 0..<32 {
        if condition() { return true }
        ep_spin_hint()
      }
      if ep_nanoseconds() &- start > limit { return false }
    }
  }

  /// Body of a worker thread.
  private static func work(_ context: UnsafeMutableRawPointer) {
    let worker = context.assumingMemoryBound(to: Worker.self)
    let pool = ThreadPool(state: worker.pointee.pool)
    let participant = worker.pointee.participant
    var seen: UInt32 = 0
    while true {
      if !pool.spin({ ep_atomic_load(pool.generation) != seen }) {
        _ = ep_atomic_add(pool.sleepers, 1)
        while ep_atomic_load_ordered(pool.generation) == seen { ep_futex_wait(pool.generation, seen) }
        _ = ep_atomic_add(pool.sleepers, 0 &- 1)
      }
      seen = ep_atomic_load(pool.generation)
      if ep_atomic_load(pool.stopping) != 0 { return }
      pool.drain(participant: participant)
    }
  }
}
