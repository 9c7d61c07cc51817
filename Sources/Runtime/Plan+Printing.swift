#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

extension Plan {
  /// A table of the steps and a summary of the memory, for people.
  public var text: Text {
    var rows: [[Text]] = [["step", "node", "operator", "kernel", "isa", "dtype", "input", "output", "bytes", "MACs", "parts", "notes"]]
    var operations: Int64 = 0
    for (index, step) in steps.enumerated() {
      operations = operations &+ step.multiplyAdds
      rows.append([
        Text("\(index)"), step.node, step.operatorName, step.kernel, Text("\(step.isa.name)"), Text("\(step.dtype.name)"), step.inputShape.text,
        step.outputShape.text, Text("\(step.byteCount)"), Text("\(step.multiplyAdds)"), Text("\(step.chunks)/\(step.units)"), step.notes,
      ])
    }
    var text = Plan.table(rows)
    text += Text("\(steps.count) steps, \(operations) multiply-adds, batch \(options.batch), \(options.threads) thread")
    text += options.threads == 1 ? "\n" : "s\n"
    text += Text("memory \(memoryRequired) bytes: arena \(arenaBytes), packed weights and tables \(packedBytes), scratch \(scratchBytes)\n")
    return text
  }

  private static func table(_ rows: [[Text]]) -> Text {
    var widths: [Int] = []
    for row in rows {
      for (column, cell) in row.enumerated() {
        if column == widths.count { widths.append(0) }
        widths[column] = max(widths[column], cell.utf8.count)
      }
    }
    var text = Text()
    for row in rows {
      var line = Text()
      for (column, cell) in row.enumerated() {
        line += cell
        if column < row.count - 1 {
          for _ in 0..<(widths[column] &- cell.utf8.count &+ 2) { line += " " }
        }
      }
      while line.utf8.last == 32 { line.removeLast() }
      text += line + "\n"
    }
    return text
  }
}
