import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Format
import Graph
import Import
#endif

/// Where messages of one model and of everything made from it go.
struct LogSink {
  var function: edgeai_log_fn?
  var context: UnsafeMutableRawPointer?

  func write(_ level: Int32, _ message: Text) {
    guard let function else { return }
    message.repaired.withCString { function(context, level, $0) }
  }
}

/// A graph behind a pointer.
private final class DecodedGraph {
  let graph: Graph
  init(_ graph: Graph) { self.graph = graph }
}

/// What an `edgeai_model *` points to.
final class ModelHandle {
  /// What is known without constants: names, shapes, operators, metadata. Contents of constants may be missing.
  private(set) var outline: Graph
  /// The file, where constants are decoded on demand; else all are in the outline.
  private let coded: CodedModel?
  /// A pointer to the graph with all constants (a `DecodedGraph`), NULL until they were decoded to stay.
  private let decoded: Storage
  /// Dimensions that depend on data, by value.
  let extents: [Extent?]
  let source: Int32
  let unsupported: [UnsupportedOperator]
  let allocator: UnsafePointer<ep_allocator>?
  let log: LogSink
  /// The graph was validated when its file was read.
  let isValid: Bool
  private let texts: ModelTexts
  private var metadata: MetadataTexts

  private init(
    _ graph: Graph, _ extents: [Extent?], _ source: Int32, _ unsupported: [UnsupportedOperator], _ allocator: UnsafePointer<ep_allocator>?, _ log: LogSink,
    _ isValid: Bool, _ texts: ModelTexts, _ metadata: MetadataTexts, _ coded: CodedModel?, _ decoded: Storage
  ) {
    outline = graph
    self.coded = coded
    self.decoded = decoded
    self.extents = extents
    self.source = source
    self.unsupported = unsupported
    self.allocator = allocator
    self.log = log
    self.isValid = isValid
    self.texts = texts
    self.metadata = metadata
  }

  /// Throws `outOfMemory`, and what `Graph.extents` throws.
  static func make(
    _ graph: Graph, source: Int32, unsupported: [UnsupportedOperator] = [], allocator: UnsafePointer<ep_allocator>?, log: LogSink,
    isValid: Bool = false, coded: CodedModel? = nil
  ) throws(EdgeError) -> ModelHandle {
    let texts = try ModelTexts(graph, unsupported)
    // What could not be imported may stand half in the graph.
    let extents = unsupported.isEmpty ? try graph.extents() : [Extent?](repeating: nil, count: graph.values.count)
    return ModelHandle(
      graph, extents, source, unsupported, allocator, log, isValid, texts, try MetadataTexts(graph), coded,
      try Storage.allocate(MemoryLayout<UnsafeMutableRawPointer?>.size))
  }

  deinit {
    if let pointer = ep_atomic_load_pointer(decodedPointer) { Unmanaged<DecodedGraph>.fromOpaque(pointer).release() }
  }

  var name: UnsafePointer<CChar>? { texts.pool[texts.graph] }
  func valueName(_ id: ValueID) -> UnsafePointer<CChar>? { texts.pool[texts.values[id]] }
  func nodeName(_ index: Int) -> UnsafePointer<CChar>? { texts.pool[texts.nodes[index].name] }
  func nodeType(_ index: Int) -> UnsafePointer<CChar>? { texts.pool[texts.nodes[index].type] }
  func unsupportedText(_ index: Int) -> (node: UnsafePointer<CChar>?, type: UnsafePointer<CChar>?, reason: UnsafePointer<CChar>?) {
    let offsets = texts.unsupported[index]
    return (texts.pool[offsets.node], texts.pool[offsets.type], texts.pool[offsets.reason])
  }
  func metadataText(_ index: Int) -> (key: UnsafePointer<CChar>?, value: UnsafePointer<CChar>?) { metadata[index] }

  func setMetadata(_ key: Text, _ value: Text?) throws(EdgeError) {
    var changed = outline
    if let index = changed.metadata.firstIndex(where: { $0.key == key }) {
      if let value { changed.metadata[index].value = value } else { changed.metadata.remove(at: index) }
    } else if let value {
      changed.metadata.append((key: key, value: value))
    }
    let texts = try MetadataTexts(changed)
    outline = changed
    metadata = texts
  }

  /// The graph with all its constants, which are decoded anew each time where that is done on demand.
  var graph: Graph {
    get throws(EdgeError) {
      guard let coded else { return outline }
      if var known = knownGraph {
        known.metadata = outline.metadata
        return known
      }
      var graph = try coded.whole()
      graph.metadata = outline.metadata
      return graph
    }
  }

  /// The same, with constants that stay in memory as long as the model lives. For the last thing of a call: what it makes is
  /// there for other calls.
  func keptGraph() throws(EdgeError) -> Graph {
    guard let coded else { return outline }
    if let known = knownGraph { return known }
    let made = DecodedGraph(try coded.whole())
    let reference = Unmanaged.passRetained(made)
    guard let first = ep_atomic_set_pointer(decodedPointer, reference.toOpaque()) else { return made.graph }
    // Several threads may come at once: the first one's graph stays.
    reference.release()
    return Unmanaged<DecodedGraph>.fromOpaque(first).takeUnretainedValue().graph
  }

  private var decodedPointer: UnsafeMutablePointer<UnsafeMutableRawPointer?> { decoded.base.assumingMemoryBound(to: UnsafeMutableRawPointer?.self) }

  private var knownGraph: Graph? {
    ep_atomic_load_pointer(decodedPointer).map { Unmanaged<DecodedGraph>.fromOpaque($0).takeUnretainedValue().graph }
  }

  /// The graph for a session, whose constants may be decoded when they are read. It belongs to one call.
  var sessionGraph: Graph {
    get throws(EdgeError) { try coded?.graph() ?? outline }
  }

  /// Throws when sessions cannot run the model.
  func requireRunnable() throws(EdgeError) {
    guard !unsupported.isEmpty else { return }
    throw unsupportedError(unsupported)
  }
}

/// One error for all unsupported operators of a file; `node` is the first one's.
func unsupportedError(_ unsupported: [UnsupportedOperator]) -> EdgeError {
  var message = Text("\(unsupported.count) unsupported operator\(unsupported.count == 1 ? Text() : "s"):")
  for item in unsupported {
    message += Text(" \(item.type)")
    message += item.node.isEmpty ? Text(" (node \(item.nodeIndex)") : Text(" ('\(item.node)'")
    message += Text("; \(item.reason));")
  }
  return EdgeError(.unsupportedOperator, message, node: unsupported[0].node, nodeIndex: unsupported[0].nodeIndex)
}

/// The C strings of a graph: offsets into one pool.
private struct ModelTexts {
  var pool = TextPool()
  var graph = 0
  var values: [Int] = []
  var nodes: [(name: Int, type: Int)] = []
  var unsupported: [(node: Int, type: Int, reason: Int)] = []

  init(_ source: Graph, _ missing: [UnsupportedOperator]) throws(EdgeError) {
    for value in source.values { values.append(pool.add(value.name)) }
    // Few different types: each stands in the pool once.
    var types = TextMap()
    for node in source.nodes {
      let type = node.op.name
      let offset = types[type] ?? pool.add(type)
      types.set(type, offset)
      nodes.append((pool.add(node.name), offset))
    }
    for item in missing { unsupported.append((pool.add(item.node), pool.add(item.type), pool.add(item.reason))) }
    graph = pool.add(source.name)
    try pool.freeze()
  }
}

/// The C strings of a graph's metadata.
private struct MetadataTexts {
  private var pool = TextPool()
  private var offsets: [(key: Int, value: Int)] = []

  init(_ graph: Graph) throws(EdgeError) {
    for pair in graph.metadata { offsets.append((pool.add(pair.key), pool.add(pair.value))) }
    try pool.freeze()
  }

  subscript(index: Int) -> (key: UnsafePointer<CChar>?, value: UnsafePointer<CChar>?) {
    (pool[offsets[index].key], pool[offsets[index].value])
  }
}

/// The object behind a handle; the caller keeps its reference.
func object<T: AnyObject>(_ handle: OpaquePointer, _ type: T.Type) -> T {
  Unmanaged<T>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
}

/// The object behind a handle argument. Throws for NULL.
func object<T: AnyObject>(_ handle: OpaquePointer?, _ type: T.Type, _ name: StaticString) throws(EdgeError) -> T {
  object(try required(handle, name), type)
}

/// A new handle: one reference, given back by `destroy`.
func handle<T: AnyObject>(_ object: T) -> OpaquePointer {
  OpaquePointer(Unmanaged.passRetained(object).toOpaque())
}

/// The reference of a handle given back; NULL is nothing.
func destroy<T: AnyObject>(_ handle: OpaquePointer?, _ type: T.Type) {
  guard let handle else { return }
  Unmanaged<T>.fromOpaque(UnsafeRawPointer(handle)).release()
}

/// The allocator of a model handle, which every call on it uses.
func allocator(of model: OpaquePointer?) -> UnsafePointer<ep_allocator>? {
  model.map { object($0, ModelHandle.self).allocator } ?? nil
}
