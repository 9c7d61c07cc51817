import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Worker threads that share one job's parts with the caller. All state is plain memory given by the owner.
///
/// A call into the library may be abandoned for want of memory after the workers have started, and their state be
/// freed with all else it made. So the pool leaves a cleanup with the current scope, which ends them first.
///
/// A job has `chunks` parts of equal size. The caller keeps its share of them, as if all threads were there, and then
/// publishes the others: `unclaimed` counts down, and whoever lowers it from i to i - n owns parts i - n ..< i. A claim
/// is for a share of what is left, so a job takes few claims, the last of which are small: threads that begin late or are held up
/// take less. The caller claims too when its own parts are done, and then waits only for parts that somebody
/// claimed, so a worker that is asleep or preempted before its claim never delays a run. The job's description is
/// written before `unclaimed` is set and rewritten only when every claimed part is done, so a claim, however late, is
/// always for the job it then reads. It lies on the cache line of `unclaimed`: a worker that sees the count has it.
///
/// Idle workers watch `unclaimed` for a while and then sleep on it. A sleeper first announces itself, then looks at the
/// count again; the caller first sets the count, then looks for sleepers: one of them sees the other. To wake one takes
/// as long as a small network, so after a rest it is done for a long job, or when short ones have kept coming and those that wake
/// watch for the next one. Those who watch give up their processor now and then; more workers than there are processors never take part.
struct ThreadPool {
  /// One kernel call, split by units.
  struct Job {
    var run: (@convention(c) (UnsafeRawPointer?, Int64, Int64, UnsafeMutableRawPointer?) -> Void)?
    var arguments: UnsafeRawPointer?
    var units: Int64
    var chunks: UInt32
    /// Takes so long that waking a thread pays by itself.
    var isLong = true
    /// Scratch of participant p begins at scratch + p * scratchStride.
    var scratch: UnsafeMutableRawPointer?
    var scratchStride: Int

    /// Runs parts first ..< end.
    func runParts(_ first: UInt32, _ end: UInt32, participant: Int) {
      run?(
        arguments, units &* Int64(first) / Int64(chunks), units &* Int64(end) / Int64(chunks),
        scratch.map { $0 + participant &* scratchStride })
    }
  }

  private struct Worker {
    var thread: ep_thread
    var pool: UnsafeMutableRawPointer
    /// 1 and up; 0 is the caller.
    var participant: Int
  }

  /// Written at the start only.
  private struct Constants {
    var spinNanoseconds: UInt64
    /// Threads that take parts, the caller included: as many as there are processors at most.
    var participants: UInt32
    var workerCount: Int
  }

  private let state: UnsafeMutableRawPointer

  /// A pool in memory that `start` filled.
  init(state: UnsafeMutableRawPointer) { self.state = state }

  // What threads write lives on cache lines of its own.
  private static let line = 64
  /// Parts that nobody has claimed, or `stop`.
  private var unclaimed: UnsafeMutablePointer<UInt32> { word(0) }
  private var job: UnsafeMutablePointer<Job> { (state + 8).assumingMemoryBound(to: Job.self) }
  /// That of the job that is being done, if it has one. On its cache line.
  var number: UnsafeMutablePointer<Int> { UnsafeMutableRawPointer(job + 1).assumingMemoryBound(to: Int.self) }
  /// Parts done by workers.
  private var done: UnsafeMutablePointer<UInt32> { word(1) }
  private var callerWaits: UnsafeMutablePointer<UInt32> { word(1) + 1 }
  private var sleepers: UnsafeMutablePointer<UInt32> { word(2) }
  /// What workers sleep on that take no part: `stop` at the end.
  private var ending: UnsafeMutablePointer<UInt32> { word(2) + 1 }
  /// When the caller last found sleepers, and when the jobs began that followed each other since; its own.
  private var times: UnsafeMutablePointer<UInt64> { (state + 2 &* ThreadPool.line + 8).assumingMemoryBound(to: UInt64.self) }
  private var constants: UnsafeMutablePointer<Constants> { (state + 3 &* ThreadPool.line).assumingMemoryBound(to: Constants.self) }
  // On the constants' line: written at the start and end only, too.
  private var cleanup: UnsafeMutablePointer<ep_cleanup> {
    UnsafeMutableRawPointer(constants + 1).assumingMemoryBound(to: ep_cleanup.self)
  }
  private var workers: UnsafeMutablePointer<Worker> { (state + 4 &* ThreadPool.line).assumingMemoryBound(to: Worker.self) }
  private func word(_ line: Int) -> UnsafeMutablePointer<UInt32> {
    (state + line &* ThreadPool.line).assumingMemoryBound(to: UInt32.self)
  }
  private static let stop: UInt32 = 1 << 31

  /// Bytes of state for a number of threads, the caller's included. The memory must be 64-byte aligned.
  static func byteCount(threads: Int) -> Int {
    threads <= 1 ? 0 : 4 &* line &+ (threads &- 1) &* MemoryLayout<Worker>.stride
  }

  /// Starts `threads` - 1 workers. Throws `outOfMemory` when the system gives no thread; none is left then.
  static func start(
    state: UnsafeMutableRawPointer, threads: Int, spinMicroseconds: Int, processors: Int = Int(ep_processors())
  ) throws(EdgeError) -> ThreadPool {
    let pool = ThreadPool(state: state)
    ep_zero(state, 4 &* line)
    pool.constants.initialize(
      to: Constants(
        spinNanoseconds: UInt64(max(spinMicroseconds, 0)) &* 1000, participants: UInt32(max(min(threads, processors), 1)), workerCount: 0))
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
      pool.constants.pointee.workerCount = index &+ 1
    }
    return pool
  }

  /// Ends and joins the workers. No job may be running.
  func stop() {
    ep_cleanup_remove(cleanup)
    end(unclaimed)
    end(ending)
    for index in 0..<constants.pointee.workerCount {
      ep_thread_join(UnsafeMutableRawPointer(workers + index).assumingMemoryBound(to: ep_thread.self))
    }
  }

  private func end(_ word: UnsafeMutablePointer<UInt32>) {
    ep_atomic_store_ordered(word, ThreadPool.stop)
    ep_futex_wake(word, Int32.max)
  }

  /// Runs all parts of a job and returns when they are done. For a job with a number, when the caller had no more to do, in ticks; else
  /// 0. Called by one thread at a time.
  @discardableResult
  func run(_ next: Job, number: Int = 0) -> UInt64 {
    let others = next.chunks &- share(next.chunks)
    if number != 0 { self.number.pointee = number }
    job.pointee = next
    ep_atomic_store(done, 0)
    ep_atomic_store_ordered(unclaimed, others)
    if ep_atomic_load_ordered(sleepers) != 0, isWorthWaking(next) { ep_futex_wake(unclaimed, Int32.max) }
    next.runParts(others, next.chunks, participant: 0)
    var theirs = others
    while let claim = claim() {
      next.runParts(claim.first, claim.end, participant: 0)
      theirs &-= claim.end &- claim.first
    }
    let end = number == 0 ? 0 : ep_ticks()
    waitUntilDone(theirs)
    return end
  }

  private func isWorthWaking(_ job: Job) -> Bool {
    // A worker that sleeps again before the next step would have to be woken for every one of the jobs that keep coming.
    if constants.pointee.spinNanoseconds < 10_000 { return job.isLong }
    let now = ep_nanoseconds()
    if now &- times[0] > 200_000 { times[1] = now }
    times[0] = now
    return job.isLong || now &- times[1] > 50_000
  }

  /// What the caller takes of so many parts.
  private func share(_ parts: UInt32) -> UInt32 { max(parts / constants.pointee.participants, 1) }

  /// What a worker takes of those left to workers: of few workers each takes most of its share, because kernels prepare what they read
  /// once for each claim.
  private func workerShare(_ parts: UInt32) -> UInt32 { max((parts &- parts / 4) / (constants.pointee.participants &- 1), share(parts)) }

  /// Parts that are now for who calls this to do; nil when there are none.
  private func claim(isWorker: Bool = false) -> (first: UInt32, end: UInt32)? {
    var left = ep_atomic_load(unclaimed)
    while left != 0, left != ThreadPool.stop {
      let first = left &- (isWorker ? workerShare(left) : share(left))
      if ep_atomic_compare_exchange(unclaimed, &left, first) != 0 { return (first, left) }
    }
    return nil
  }

  private func waitUntilDone(_ parts: UInt32) {
    if spin({ ep_atomic_load(done) == parts }) { return }
    ep_atomic_store_ordered(callerWaits, 1)
    while true {
      let seen = ep_atomic_load_ordered(done)
      if seen == parts { break }
      ep_futex_wait(done, seen)
    }
    ep_atomic_store(callerWaits, 0)
  }

  /// Waits for a condition as long as the pool may spin; whether it came true.
  @inline(__always)
  private func spin(_ condition: () -> Bool) -> Bool {
    if condition() { return true }
    let limit = constants.pointee.spinNanoseconds
    if limit == 0 { return false }
    let start = ep_nanoseconds()
    while true {
      var polls = 32
      while polls > 0 {
        if condition() { return true }
        ep_spin_hint()
        polls &-= 1
      }
      let waited = ep_nanoseconds() &- start
      if waited > limit { return false }
      // Whoever has work for this processor comes first.
      if waited > 20_000 { ep_thread_yield() }
    }
  }

  /// Body of a worker thread.
  private static func work(_ context: UnsafeMutableRawPointer) {
    let worker = context.assumingMemoryBound(to: Worker.self)
    let pool = ThreadPool(state: worker.pointee.pool)
    let participant = worker.pointee.participant
    if participant >= Int(pool.constants.pointee.participants) {
      while ep_atomic_load_ordered(pool.ending) == 0 { ep_futex_wait(pool.ending, 0) }
      return
    }
    while true {
      if !pool.spin({ ep_atomic_load(pool.unclaimed) != 0 }) {
        _ = ep_atomic_add(pool.sleepers, 1)
        if ep_atomic_load_ordered(pool.unclaimed) == 0 { ep_futex_wait(pool.unclaimed, 0) }
        _ = ep_atomic_add(pool.sleepers, 0 &- 1)
      }
      if ep_atomic_load(pool.unclaimed) == stop { return }
      while let claim = pool.claim(isWorker: true) {
        pool.job.pointee.runParts(claim.first, claim.end, participant: participant)
        // After this addition the job may be another one.
        _ = ep_atomic_add(pool.done, claim.end &- claim.first)
        if ep_atomic_load_ordered(pool.callerWaits) != 0 { ep_futex_wake(pool.done, 1) }
      }
    }
  }
}
