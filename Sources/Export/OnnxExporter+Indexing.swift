#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

// Operators that name elements by index, choices and running sums: in the graph's own layout.

extension OnnxExporter {
  func writeSelect() throws(EdgeError) {
    var names: [Text] = []
    for input in node.inputs { names.append(try name(input, first: false)) }
    move("Where", names, first: false)
  }

  func writeScan(_ function: ScanFunction, _ axis: Int, _ exclusive: Bool, _ reverse: Bool) throws(EdgeError) {
    guard function == .sum else { throw unsupported("running products") }
    try requireWide(node.inputs[0])
    let inputs = [try name(node.inputs[0], first: false), try integers([axis], "axis", scalar: true)]
    move("CumSum", inputs, first: false, [("exclusive", .integer(exclusive ? 1 : 0)), ("reverse", .integer(reverse ? 1 : 0))])
  }

  /// A tensor's indices; tuples of them must be int64.
  private func indices(_ kind: Indexing.Kind) throws(EdgeError) -> Text {
    let given = try name(node.inputs[1], first: false)
    guard kind == .tuples, graph.values[node.inputs[1]].dtype != .int64 else { return given }
    let wide = partName("indices")
    file.addNode("Cast", wide, [given], [wide], [("to", .integer(OnnxFile.number(.int64)))])
    return wide
  }

  func writeTake(_ indexing: Indexing) throws(EdgeError) {
    let inputs = [try name(node.inputs[0], first: false), try indices(indexing.kind)]
    switch indexing.kind {
    case .slices: move("Gather", inputs, first: false, [("axis", .integer(indexing.axis))])
    case .elements: move("GatherElements", inputs, first: false, [("axis", .integer(indexing.axis))])
    case .tuples: move("GatherND", inputs, first: false, [("batch_dims", .integer(indexing.axis))])
    }
  }

  func writePut(_ indexing: Indexing, _ function: PutFunction) throws(EdgeError) {
    let reduction: StaticString
    switch function {
    case .replace: reduction = "none"
    case .add: reduction = "add"
    case .multiply: reduction = "mul"
    case .minimum: reduction = "min"
    case .maximum: reduction = "max"
    }
    var attributes: [(name: StaticString, value: OnnxValue)] = [("reduction", .text(reduction))]
    let inputs = [try name(node.inputs[0], first: false), try indices(indexing.kind), try name(node.inputs[2], first: false)]
    switch indexing.kind {
    case .elements:
      attributes.append(("axis", .integer(indexing.axis)))
      move("ScatterElements", inputs, first: false, attributes)
    case .tuples where indexing.axis == 0: move("ScatterND", inputs, first: false, attributes)
    default: throw unsupported("it updates slices")
    }
  }

  func writeTopK(_ axis: Int, _ k: Int, _ largest: Bool) throws(EdgeError) {
    let inputs = [try name(node.inputs[0], first: false), try integers([k], "k")]
    move("TopK", inputs, first: false, [("axis", .integer(axis)), ("largest", .integer(largest ? 1 : 0))])
  }

  /// The integers of a quantized tensor are plain ones in the file as they are.
  func writeBitCast(_ dtype: DType) throws(EdgeError) {
    let x = node.inputs[0]
    guard graph.values[x].dtype == dtype else { throw unsupported("it takes \(graph.values[x].dtype.name) for \(dtype.name)") }
    let first = isFirst(x)
    move("Identity", [try name(x, first: first)], first: first)
  }
}
