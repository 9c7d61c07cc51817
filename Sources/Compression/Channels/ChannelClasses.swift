#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Channels that go together or stay together, as disjoint sets (Tarjan 1975). A label stands for a channel somewhere in
/// the graph; the least label of a set stands for the set. A set may be fixed, for a reason.
struct ChannelClasses {
  private var parents: [Int] = []
  private(set) var reasons: [Text] = []
  /// Index of the reason for which a set is fixed, at its root; -1 while it may go.
  private var reasonOf: [Int] = []

  var count: Int { parents.count }

  /// New labels, each a set of its own.
  mutating func make(_ count: Int) -> [Int] {
    let first = parents.count
    parents += first..<(first + count)
    reasonOf += [Int](repeating: -1, count: count)
    return Array(first..<(first + count))
  }

  mutating func root(_ label: Int) -> Int {
    var root = label
    while parents[root] != root { root = parents[root] }
    var place = label
    while parents[place] != root { (place, parents[place]) = (parents[place], root) }
    return root
  }

  mutating func join(_ a: Int, _ b: Int) {
    let (a, b) = (root(a), root(b))
    if a == b { return }
    let (kept, gone) = a < b ? (a, b) : (b, a)
    parents[gone] = kept
    if reasonOf[kept] < 0 { reasonOf[kept] = reasonOf[gone] }
  }

  mutating func addReason(_ text: Text) -> Int {
    reasons.append(text)
    return reasons.count - 1
  }

  /// The first reason of a set is the one it keeps.
  mutating func fix(_ label: Int, _ reason: Int) {
    let root = root(label)
    if reasonOf[root] < 0 { reasonOf[root] = reason }
  }

  /// Why the set of a label cannot go; nil when it can.
  mutating func reason(_ label: Int) -> Text? {
    let reason = reasonOf[root(label)]
    return reason < 0 ? nil : reasons[reason]
  }
}
