/// Builds the result of a pass node by node: the source's values are mapped to those of the new graph.
final class GraphRewriter {
  let source: Graph
  private(set) var result: Graph
  private var places: [ValueID]

  /// Starts a graph with the source's name, metadata and inputs. The source must be valid.
  init(_ source: Graph) {
    self.source = source
    result = Graph(name: source.name)
    result.metadata = source.metadata
    places = [ValueID](repeating: Node.noValue, count: source.values.count)
    for input in source.inputs {
      places[input] = result.addValue(source.values[input])
      result.inputs.append(places[input])
    }
  }

  /// The new identifier of a source's value; constants are brought over when they are first asked for.
  func place(of old: ValueID) -> ValueID {
    guard old != Node.noValue else { return Node.noValue }
    if places[old] == Node.noValue { places[old] = result.addValue(source.values[old]) }
    return places[old]
  }

  func set(_ old: ValueID, to new: ValueID) { places[old] = new }

  func add(_ value: Value) -> ValueID { result.addValue(value) }

  func rename(_ new: ValueID, _ name: Text) { result.values[new].name = name }

  func value(_ new: ValueID) -> Value { result.values[new] }

  /// Appends a node whose results are typed by inference.
  func add(
    _ op: Operator, name: Text, inputs: [ValueID], outputNames: [Text], declared: [ElementType] = []
  ) throws(EdgeError) -> [ValueID] {
    try result.addNode(op, name: name, inputs: inputs, outputNames: outputNames, results: declared)
  }

  /// Appends a node of the source as it is.
  func copy(_ node: Node) {
    var inputs: [ValueID] = []
    for input in node.inputs { inputs.append(place(of: input)) }
    var outputs: [ValueID] = []
    for output in node.outputs {
      places[output] = result.addValue(source.values[output])
      outputs.append(places[output])
    }
    result.nodes.append(Node(name: node.name, op: node.op, inputs: inputs, outputs: outputs))
  }

  /// The finished graph. An output keeps its name: the value that became it takes the name over, unless that
  /// value is an input, a constant or another output, which is then copied by a reshape to its own shape.
  func finish() throws(EdgeError) -> Graph {
    var made = [Bool](repeating: false, count: result.values.count)
    for node in result.nodes {
      for output in node.outputs { made[output] = true }
    }
    for output in source.outputs {
      var new = place(of: output)
      let name = source.values[output].name
      if new < made.count && made[new] {
        made[new] = false  // it is an output now
        result.values[new].name = name
      } else if result.values[new].name != name || result.outputs.contains(new) {
        new = try add(.reshape(value(new).shape), name: name, inputs: [new], outputNames: [name])[0]
      }
      result.outputs.append(new)
    }
    result.states = source.states.map { place(of: $0) }
    return result
  }
}
