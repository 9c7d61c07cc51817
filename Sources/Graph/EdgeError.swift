/// Status codes of the library. The numbers are the C header's and never change.
public struct Status: Equatable, Sendable {
  public let code: Int32
  public init(code: Int32) { self.code = code }

  public static let ok = Status(code: 0)
  /// 1xx: an argument is wrong.
  public static let invalidArgument = Status(code: 100)
  public static let shapeMismatch = Status(code: 101)
  public static let dtypeMismatch = Status(code: 102)
  public static let bufferTooSmall = Status(code: 103)
  public static let abiMismatch = Status(code: 104)
  public static let freeShape = Status(code: 105)
  public static let tuningMismatch = Status(code: 106)
  /// 2xx: a model file is wrong.
  public static let malformedModel = Status(code: 200)
  public static let truncatedModel = Status(code: 201)
  public static let checksumMismatch = Status(code: 202)
  public static let newerVersion = Status(code: 203)
  public static let invalidGraph = Status(code: 204)
  /// 3xx: memory or a limit.
  public static let outOfMemory = Status(code: 300)
  public static let limitExceeded = Status(code: 301)
  /// 4xx: a thing this build does not do.
  public static let unsupportedOperator = Status(code: 400)
  public static let unsupportedFeature = Status(code: 401)
  /// 5xx: files.
  public static let ioError = Status(code: 500)
  /// 6xx: stopped on request.
  public static let cancelled = Status(code: 600)
  /// 9xx: a defect of the library.
  public static let internalError = Status(code: 900)
}

/// Every error of the library: what went wrong, and where.
///
/// One reference wide, so that handing an error up through many functions costs little code.
public struct EdgeError: Error, @unchecked Sendable {
  private final class Content {
    var status: Status
    var message: Text
    var node: Text
    var nodeIndex: Int
    var tensor: Text
    var byteOffset: Int

    init(_ status: Status, _ message: Text, _ node: Text, _ nodeIndex: Int, _ tensor: Text, _ byteOffset: Int) {
      self.status = status
      self.message = message
      self.node = node
      self.nodeIndex = nodeIndex
      self.tensor = tensor
      self.byteOffset = byteOffset
    }
  }

  private var content: Content

  @inline(never)
  public init(
    _ status: Status, _ message: Text, node: Text = "", nodeIndex: Int = -1, tensor: Text = "", byteOffset: Int = -1
  ) {
    content = Content(status, message, node, nodeIndex, tensor, byteOffset)
  }

  @inline(never)
  private mutating func makeUnique() {
    if isKnownUniquelyReferenced(&content) { return }
    content = Content(content.status, content.message, content.node, content.nodeIndex, content.tensor, content.byteOffset)
  }

  public var status: Status {
    get { content.status }
    set { makeUnique(); content.status = newValue }
  }
  public var message: Text { content.message }
  /// Name of the node (operator) concerned; empty when none is.
  public var node: Text {
    get { content.node }
    set { makeUnique(); content.node = newValue }
  }
  /// Index of that node in its model, or -1.
  public var nodeIndex: Int {
    get { content.nodeIndex }
    set { makeUnique(); content.nodeIndex = newValue }
  }
  /// Name of the tensor concerned; empty when none is.
  public var tensor: Text {
    get { content.tensor }
    set { makeUnique(); content.tensor = newValue }
  }
  /// Offset in the model file, in bytes, or -1.
  public var byteOffset: Int {
    get { content.byteOffset }
    set { makeUnique(); content.byteOffset = newValue }
  }
}
