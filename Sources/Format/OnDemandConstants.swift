import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The constants of a file of version 2, decoded when they are read. What a coder learned of one constant is the start for the next,
/// so they are decoded in the order of the file; whoever reads them in that order, as planning and packing do where constants
/// stand in the order of their nodes, has them decoded once, in memory for the largest.
final class OnDemandConstants: ConstantSource {
  /// Constants of at most so many bytes are kept until `forget` when they are passed by: the reader of a layer's weights reads the
  /// bias next, wherever that stands.
  private static let smallBytes = 1 << 14
  /// How often decoding may begin anew. A file in another order is then decoded into memory for all of it, once.
  private static let mostRestarts = 8

  private let bytes: UnsafeRawBufferPointer
  private let limits: Limits
  /// Kept as long as the bytes are used.
  private let owner: AnyObject?
  /// The values of the constants, whose contents are empty.
  private var values: [Value] = []
  private var stream: CompactStream?
  /// By constant: what is in memory.
  private var kept: [ConstantMemory?] = []
  /// Which of them `forget` gives back.
  private var forgettable: [Int] = []
  /// Memory of a large constant to use again.
  private var spare: ConstantMemory?
  private var restarts = 0
  private(set) var failure: EdgeError?

  init(_ bytes: UnsafeRawBufferPointer, _ limits: Limits, owner: AnyObject?) {
    self.bytes = bytes
    self.limits = limits
    self.owner = owner
  }

  /// The graph of the file. Its constants are read from this.
  func open() throws(EdgeError) -> Graph {
    let opened = try openCompact(bytes, limits)
    stream = opened.stream
    var graph = opened.graph
    let storage = try Storage.made(by: self)
    for id in graph.values.indices where graph.values[id].constant != nil {
      values.append(graph.values[id])
      graph.values[id].constant = TensorData(onDemand: storage, index: values.count - 1, byteCount: graph.values[id].byteCount() ?? 0)
    }
    kept = [ConstantMemory?](repeating: nil, count: values.count)
    // This reads no contents.
    try graph.validate()
    return graph
  }

  func contents(_ index: Int) -> UnsafeRawPointer {
    if let memory = kept[index] { return UnsafeRawPointer(memory.base) }
    if stream == nil || index < stream?.next ?? 0 { restart() }
    while let next = stream?.next, next <= index, failure == nil { readNext(isAsked: next == index) }
    if let memory = kept[index] { return UnsafeRawPointer(memory.base) }
    // Of a file that cannot be read: as many zeros as there would be bytes.
    let none = keep(index, memory(for: index))
    ep_zero(none.base, none.byteCount)
    return UnsafeRawPointer(none.base)
  }

  private var keepsAll: Bool { restarts >= OnDemandConstants.mostRestarts }

  private func restart() {
    restarts += 1
    do throws(EdgeError) {
      stream = nil
      stream = try openCompact(bytes, limits).stream
    } catch {
      fail(error)
    }
  }

  private func readNext(isAsked: Bool) {
    guard let index = stream?.next else { return }
    let isSmall = values[index].byteCount() ?? 0 <= OnDemandConstants.smallBytes
    let target = isSmall ? ConstantMemory(values[index]) : memory(for: index)
    do throws(EdgeError) {
      try stream?.read(values[index], to: target.base)
    } catch {
      ep_zero(target.base, target.byteCount)
      fail(error)
    }
    if kept[index] != nil { return }
    if isAsked || isSmall || keepsAll { _ = keep(index, target) } else { spare = target }
  }

  private func fail(_ error: EdgeError) {
    if failure == nil { failure = error }
  }

  private func keep(_ index: Int, _ memory: ConstantMemory) -> ConstantMemory {
    kept[index] = memory
    if !keepsAll { forgettable.append(index) }
    return memory
  }

  private func memory(for index: Int) -> ConstantMemory {
    if !keepsAll, let found = spare {
      // Not both at once.
      spare = nil
      if found.byteCount >= values[index].byteCount() ?? 0 { return found }
    }
    return ConstantMemory(values[index])
  }

  func forget() {
    for index in forgettable {
      if let memory = kept[index], memory.byteCount > max(spare?.byteCount ?? 0, OnDemandConstants.smallBytes) { spare = memory }
      kept[index] = nil
    }
    forgettable = []
  }

  /// Gives back all memory. What is read then is decoded from the beginning.
  func rest() {
    stream = nil
    for index in kept.indices { kept[index] = nil }
    forgettable = []
    spare = nil
  }
}

/// Memory of contents. Where there is none, the call ends as it does when a table of the library finds none, with an error that
/// says whose contents they are.
private final class ConstantMemory {
  let base: UnsafeMutableRawPointer
  let byteCount: Int

  init(_ value: Value) {
    let byteCount = value.byteCount() ?? 0
    self.byteCount = byteCount
    base = value.name.utf8.withUnsafeBytes { name in ep_require(max(byteCount, 1), 64, name.baseAddress, name.count) }
  }

  deinit { ep_deallocate(base) }
}

/// A coded file that was opened without its constants. Any number of threads may ask it for graphs.
public struct CodedModel {
  private let bytes: UnsafeRawBufferPointer
  private let limits: Limits
  private let owner: AnyObject?

  /// Nil for files whose constants are not coded. `owner` is kept as long as the bytes are used.
  public init?(_ bytes: UnsafeRawBufferPointer, owner: AnyObject?, limits: Limits) {
    guard isEdgeAIModel(bytes), isCompactModel(bytes) else { return nil }
    self.bytes = bytes
    self.limits = limits
    self.owner = owner
  }

  /// A graph whose constants are decoded when they are read, by one call at a time. Throws what `decodeModel` throws of everything but the constants.
  public func graph() throws(EdgeError) -> Graph { try OnDemandConstants(bytes, limits, owner: owner).open() }

  /// The graph to ask about shapes and names.
  public func outline() throws(EdgeError) -> Graph {
    let source = OnDemandConstants(bytes, limits, owner: owner)
    let graph = try source.open()
    source.rest()
    return graph
  }

  /// The graph with all constants in memory.
  public func whole() throws(EdgeError) -> Graph { try decodeModel(bytes, owner: owner, limits: limits) }
}
