/// What a reader of model files accepts. A file that asks for more is refused with `limitExceeded`.
public struct Limits: Equatable, Sendable {
  // Two gigabytes, or as much as 32-bit addresses can name.
  public var maximumFileBytes = Int(clamping: Int64(2) << 30)
  public var maximumNodes = 100_000
  public var maximumValues = 400_000
  /// Of one tensor. The tables that an importer makes for operators may take a quarter of it together.
  public var maximumTensorBytes = 1 << 30
  public var maximumNameBytes = 4096
  /// Of one metadata value: as much as is accepted when one is set.
  public var maximumMetadataBytes = 1 << 30
  public init() {}
}

/// An operator of a model file that this build cannot run.
public struct UnsupportedOperator: Equatable, Sendable {
  public var node: Text
  public var nodeIndex: Int
  /// Operator type as the source format names it, with its domain when that is not the default one.
  public var type: Text
  public var reason: Text
  public init(node: Text, nodeIndex: Int, type: Text, reason: Text) {
    self.node = node
    self.nodeIndex = nodeIndex
    self.type = type
    self.reason = reason
  }
}
