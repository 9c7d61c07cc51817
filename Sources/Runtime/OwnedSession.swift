#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A session with the plan whose constants it reads in place, and the memory it lives in. A pointer into the session is good as long as
/// the object is alive.
public final class OwnedSession {
  public let plan: Plan
  public let session: Session
  private let memory: Storage

  /// Does not throw: Embedded Swift does not free the object of an initializer that does.
  private init(_ plan: Plan, _ memory: Storage, _ session: Session) {
    self.plan = plan
    self.memory = memory
    self.session = session
  }

  /// Throws what `Plan` and `Session` throw, `outOfMemory`.
  public static func make(_ graph: Graph, _ options: SessionOptions) throws(EdgeError) -> OwnedSession {
    try make(try Plan(graph, options))
  }

  public static func make(_ plan: Plan) throws(EdgeError) -> OwnedSession {
    let memory = try Storage.allocate(plan.memoryRequired)
    return OwnedSession(plan, memory, try Session(plan, memory: memory.base, size: plan.memoryRequired, isZero: true))
  }

  deinit { session.destroy() }
}
