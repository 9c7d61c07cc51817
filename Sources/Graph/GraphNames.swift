/// The names that a graph's nodes and values have, so that what is added to it has others (`TextMap.insertApart`).
public struct GraphNames {
  public var nodes = TextMap()
  public var values = TextMap()

  public init(_ graph: Graph) {
    for node in graph.nodes { _ = nodes.insert(node.name) }
    for value in graph.values { _ = values.insert(value.name) }
  }
}

/// Endings of the names of nodes that methods add to a layer; by them a report knows whose they are.
public enum PartName {
  /// The first of the two layers that a factorized one becomes.
  public static var factor: Text { "/factor" }
  /// What makes signs of the operand of a layer.
  public static var signs: Text { "/signs" }
  /// An activation that a layer had inside.
  public static var clamp: Text { "/clamp" }
}

extension Text {
  /// A name made of this one. A long one loses its end, so that readers of files take the whole, with a number behind it too. `ending`:
  /// of less than 50 bytes.
  public func extended(by ending: Text) -> Text { shortened(to: Limits().maximumNameBytes - 64) + ending }

  /// The characters at the beginning that have no more than so many bytes.
  @inline(never)
  public func shortened(to count: Int) -> Text {
    if utf8.count <= count { return self }
    var end = count
    while end > 0, utf8[end] & 0xC0 == 0x80 { end &-= 1 }
    return Text(Array(utf8[..<end]))
  }
}
