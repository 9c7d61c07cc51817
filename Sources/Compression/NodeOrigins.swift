#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension Graph {
  /// For each node of a graph that compression or training has made of another one, the node of that one which it is or is a part
  /// of; -1 for nodes that are neither, and for conversions.
  ///
  /// Nodes of one name correspond in their order. A part has the name of its layer, or of another part of it, with an ending (`PartName`)
  /// and maybe a number; it belongs to the first layer of that name whose node has not come yet. What the original itself calls
  /// NAME/factor is a layer of its own.
  func origins(in original: Graph) -> [Int] {
    // The first node of each name that none stands for yet, and the next of its name behind each.
    var first = TextMap()
    var next = [Int](repeating: -1, count: original.nodes.count)
    for (index, node) in original.nodes.enumerated().reversed() {
      next[index] = first[node.name] ?? -1
      first.set(node.name, index)
      // Parts of a layer with a long name have its beginning.
      let beginning = node.name.extended(by: "")
      if first[beginning] == nil { first.set(beginning, index) }
    }
    var isTaken = [Bool](repeating: false, count: original.nodes.count)
    var origins = [Int](repeating: -1, count: nodes.count)
    for (index, node) in nodes.enumerated() where !node.op.isConversion {
      var name = node.name
      while first[name] == nil, let whole = name.withoutPart { name = whole }
      guard let place = first[name] else { continue }
      if name == node.name {
        if isTaken[place] { continue }
        isTaken[place] = true
        if next[place] >= 0 { first.set(name, next[place]) }
      }
      origins[index] = place
    }
    return origins
  }
}

extension Text {
  /// The name without the ending of a part, and the number that may stand behind that; nil where there is no such ending.
  fileprivate var withoutPart: Text? {
    var end = utf8.count
    for _ in 0..<2 {
      var slash = end - 1
      while slash >= 0, utf8[slash] != 0x2F { slash -= 1 }
      if slash < 0 { return nil }
      let ending = Text(Array(utf8[slash..<end]))
      if ending == PartName.factor || ending == PartName.signs || ending == PartName.clamp { return Text(Array(utf8[..<slash])) }
      if ending.withoutFirst.decimal == nil { return nil }
      end = slash
    }
    return nil
  }
}
