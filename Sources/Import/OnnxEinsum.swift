#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Einsum: a sum of products over named axes. Two factors at a time become one batched matrix product.

extension OnnxImporter {
  /// A factor: its value and the label of each of its axes.
  private struct Term {
    var value: ValueID
    var labels: [UInt8]
  }

  func importEinsum() throws(EdgeError) {
    var equation: [UInt8] = []
    for byte in try textAttribute("equation", "").utf8 where byte != UInt8(ascii: " ") { equation.append(byte) }
    var words: [[UInt8]] = [[]]
    var result: [UInt8]?
    var index = 0
    while index < equation.count {
      if equation[index] == UInt8(ascii: "-"), index + 1 < equation.count, equation[index + 1] == UInt8(ascii: ">") {
        result = Array(equation[(index + 2)...])
        break
      }
      if equation[index] == UInt8(ascii: ",") { words.append([]) } else { words[words.count - 1].append(equation[index]) }
      index += 1
    }
    guard words.count == inputs.count else { throw malformed("the equation has \(words.count) factors, the node \(inputs.count) inputs") }
    var terms: [Term] = []
    var all: [UInt8] = []
    var hidden = 0
    for (position, word) in words.enumerated() {
      let id = try input(position)
      try prepare(id)
      let labels = try labelled(word, rank: operands[id].shape.rank)
      all += labels
      hidden = max(hidden, labels.filter { $0 < 32 }.count)
      terms.append(try withoutDiagonals(Term(value: try tensor(id), labels: labels)))
    }
    let target = try result.map { word throws(EdgeError) in try labelled(word, rank: word.filter { $0 != UInt8(ascii: ".") }.count + hidden) }
      ?? implicitResult(all)
    for label in target where !terms.contains(where: { $0.labels.contains(label) }) { throw malformed("a result axis has no factor") }
    for (place, label) in target.enumerated() where target[..<place].contains(label) { throw malformed("a result axis is named twice") }
    while terms.count > 1 {
      let rest = terms[2...]
      let needed = target + rest.flatMap { $0.labels }
      terms = [try joined(terms[0], terms[1], keeping: needed)] + rest
    }
    let last = try summed(terms[0], keeping: target)
    var order: [Int] = []
    for label in target {
      if let place = last.labels.firstIndex(of: label) { order.append(place) }
    }
    try setResult(try transposed(last.value, order))
  }

  /// Labels of the axes; those of an ellipsis are 31, 30 ... from the last one backwards.
  private func labelled(_ word: [UInt8], rank: Int) throws(EdgeError) -> [UInt8] {
    var labels: [UInt8] = []
    let letters = word.filter { $0 != UInt8(ascii: ".") }
    let dots = word.count - letters.count
    guard dots == 0 || dots == 3, letters.count <= rank, dots == 3 || letters.count == rank, rank <= Shape.maximumRank else {
      throw malformed("the equation does not fit \(rank) axes")
    }
    var isOpen = dots == 3
    for letter in word {
      if letter != UInt8(ascii: ".") {
        guard letter >= UInt8(ascii: "A") else { throw malformed("the equation has a character that is no letter") }
        labels.append(letter)
      } else if isOpen {
        isOpen = false
        for left in (0..<rank - letters.count).reversed() { labels.append(31 - UInt8(left)) }
      }
    }
    return labels
  }

  /// The ellipsis, then every letter that occurs once, in alphabetical order.
  private func implicitResult(_ labels: [UInt8]) -> [UInt8] {
    var counts = [Int](repeating: 0, count: 256)
    for label in labels { counts[Int(label)] += 1 }
    return (0..<128).filter { $0 < 32 ? counts[$0] > 0 : counts[$0] == 1 }.map { UInt8($0) }
  }

  /// A label twice takes the diagonal: everything else becomes zero, and one of the two axes is summed.
  private func withoutDiagonals(_ term: Term) throws(EdgeError) -> Term {
    var term = term
    var second = 1
    while second < term.labels.count {
      guard let first = term.labels[..<second].firstIndex(of: term.labels[second]) else {
        second += 1
        continue
      }
      let shape = graph.values[term.value].shape
      guard shape[first] == shape[second], shape[first] >= 0 else { throw malformed("a diagonal of \(shape.text)") }
      let isDiagonal = try binary(
        .equal, try range(shape[first], axis: first, rank: shape.rank), try range(shape[second], axis: second, rank: shape.rank))
      let kept = try part(.select, [isDiagonal, term.value, try number(0, graph.values[term.value].dtype)])
      term.value = try reduce(.sum, kept, [second], keepDims: false)
      term.labels.remove(at: second)
    }
    return term
  }

  private func summed(_ term: Term, keeping labels: [UInt8]) throws(EdgeError) -> Term {
    let axes = term.labels.indices.filter { !labels.contains(term.labels[$0]) }
    if axes.isEmpty { return term }
    return Term(value: try reduce(.sum, term.value, axes, keepDims: false), labels: term.labels.filter { labels.contains($0) })
  }

  /// The product of two factors, summed over the labels that nobody needs any more.
  private func joined(_ a: Term, _ b: Term, keeping needed: [UInt8]) throws(EdgeError) -> Term {
    let a = try summed(a, keeping: needed + b.labels)
    let b = try summed(b, keeping: needed + a.labels)
    let shared = a.labels.filter { b.labels.contains($0) }
    let batch = shared.filter { needed.contains($0) }
    let depth = shared.filter { !needed.contains($0) }
    let left = a.labels.filter { !shared.contains($0) }
    let right = b.labels.filter { !shared.contains($0) }
    func sizes(_ labels: [UInt8], _ term: Term) -> [Int] {
      labels.map { label in
        let place = term.labels.firstIndex(of: label) ?? 0
        return graph.values[term.value].shape[place]
      }
    }
    func arranged(_ term: Term, _ labels: [UInt8], _ dims: [Int]) throws(EdgeError) -> ValueID {
      var order: [Int] = []
      for label in labels { order.append(term.labels.firstIndex(of: label) ?? 0) }
      return try reshaped(try transposed(term.value, order), dims)
    }
    for label in shared where sizes([label], a) != sizes([label], b) { throw reject("factors whose axes differ in size") }
    let (outer, k, m, n) = (sizes(batch, a), sizes(depth, a), sizes(left, a), sizes(right, b))
    if n.contains(Shape.batch), !m.contains(Shape.batch), batch.isEmpty { return try joined(b, a, keeping: needed) }
    // The batch of one factor stays in front of its rows, each of which meets the other factor.
    let isOpen = m.first == Shape.batch && batch.isEmpty
    guard !(k + m.dropFirst(isOpen ? 1 : 0) + n).contains(Shape.batch), let inner = Shape(k).elementCount(), let columns = Shape(n).elementCount(),
      let rows = Shape(isOpen ? [] : m).elementCount()
    else { throw mixesBatch(graph.values[a.value].shape) }
    let x = try arranged(a, batch + left + depth, (isOpen ? m : outer + [rows]) + [inner])
    let y = try arranged(b, batch + depth + right, outer + [inner, columns])
    return Term(value: try reshaped(try part(.matMul, [x, y]), outer + m + n), labels: batch + left + right)
  }
}
