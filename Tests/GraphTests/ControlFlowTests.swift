import Graph
import Testing

private let float4 = Shape([Shape.batch, 4])

extension Graph {
  fileprivate mutating func input(_ name: Text, _ dtype: DType, _ shape: Shape) -> ValueID {
    inputs.append(addValue(Value(name: name, dtype: dtype, shape: shape)))
    return inputs.last!
  }

  fileprivate mutating func add(_ op: Operator, _ inputs: [ValueID], _ names: [Text] = ["v"]) throws -> [ValueID] {
    try addNode(op, name: op.name, inputs: inputs, outputNames: names)
  }

  fileprivate mutating func unary(_ kind: UnaryFunction.Kind, _ x: ValueID) throws -> ValueID {
    try add(.unary(UnaryFunction(kind)), [x])[0]
  }
}

/// y = c ? exp(x) : -x
private func branch() throws -> Graph {
  var graph = Graph(name: "branch")
  let c = graph.input("c", .bool, Shape([]))
  let x = graph.input("x", .float32, float4)
  _ = try graph.add(.when, [c], [])
  let a = try graph.unary(.exp, x)
  _ = try graph.add(.otherwise, [a], [])
  let b = try graph.unary(.negate, x)
  graph.outputs = try graph.add(.merge, [b], ["y"])
  return graph
}

/// Three times s = s * x, and all products.
private func loop() throws -> Graph {
  var graph = Graph(name: "loop")
  let x = graph.input("x", .float32, Shape([2]))
  let count = try graph.addConstant("count", .int64, Shape([]), [Int64(3)])
  let begun = try graph.add(.loop, [count, Node.noValue, x], ["i", "s"])
  let product = try graph.add(.binary(.multiply, .none), [begun[1], x])[0]
  graph.outputs = try graph.add(.next(stacked: 1, length: 3), [Node.noValue, product, product], ["last", "all"])
  return graph
}

@Test func branchesAndLoopsAreTyped() throws {
  try branch().validate()
  let graph = try loop()
  try graph.validate()
  #expect(graph.values[graph.outputs[0]].shape == Shape([2]))
  #expect(graph.values[graph.outputs[1]].shape == Shape([3, 2]))
  #expect(try graph.inferred().values.map(\.shape) == graph.values.map(\.shape))
  let flow = try ControlFlow(graph)
  #expect(flow.blocks == [0, 1, 0] && flow.markers == [0, -1, 0])
}

private let hostileBranches: [(String, @Sendable (inout Graph) -> Void)] = [
  ("no beginning", { $0.nodes.removeFirst() }),
  ("no end", { $0.nodes.removeLast() }),
  ("no second branch", { $0.nodes.remove(at: 2) }),
  ("two second branches", { $0.nodes.insert($0.nodes[2], at: 3) }),
  ("the end of a loop", { $0.nodes[4].op = .next(stacked: 0, length: 0) }),
  ("the beginning of a loop", { $0.nodes[0].op = .loop }),
  ("no condition", { $0.nodes[0].inputs = [] }),
  ("a condition of floats", { $0.nodes[0].inputs = [1] }),
  ("a condition for each sample", { $0.values[0].shape = Shape([Shape.batch]) }),
  ("results of one branch alone", { $0.nodes[2].inputs = [] }),
  ("a missing result", { $0.nodes[2].inputs = [Node.noValue] }),
  ("results of two types", { $0.nodes[2].inputs = [0] }),
  ("a value of the other branch", { $0.nodes[3].inputs = [2] }),
  ("a value of a branch after it", { $0.nodes.append(Node(name: "late", op: $0.nodes[1].op, inputs: [3], outputs: [$0.addValue($0.values[3])])) }),
  ("an output of a branch", { $0.outputs = [2] }),
  ("a branch makes a result twice", { $0.nodes[3].outputs = [2] }),
]

@Test(arguments: hostileBranches.indices) func hostileBranchesAreRefused(_ index: Int) throws {
  var graph = try branch()
  hostileBranches[index].1(&graph)
  #expect(throws: EdgeError.self, "\(hostileBranches[index].0)") { try graph.validate() }
  // Passes validate first; nothing may trap.
  _ = try? graph.optimized()
  _ = try? graph.sorted()
}

private let hostileLoops: [(String, @Sendable (inout Graph) -> Void)] = [
  ("no end", { $0.nodes.removeLast() }),
  ("no beginning", { $0.nodes.removeFirst() }),
  ("another length", { $0.nodes[2].op = .next(stacked: 1, length: 4) }),
  ("a negative length", { $0.nodes[2].op = .next(stacked: 1, length: -1) }),
  ("a length of nothing", { $0.nodes[2].op = .next(stacked: 0, length: 3) }),
  ("more elements than inputs", { $0.nodes[2].op = .next(stacked: 4, length: 3) }),
  ("a negative number of elements", { $0.nodes[2].op = .next(stacked: Int.min, length: 3) }),
  ("nothing ends it", { $0.nodes[0].inputs[0] = Node.noValue }),
  ("a count of the wrong type", { $0.nodes[0].inputs[0] = 0 }),
  ("a state without a beginning", { $0.nodes[0].inputs.removeLast() }),
  ("a missing state", { $0.nodes[0].inputs[2] = Node.noValue }),
  ("a state without an end", { $0.nodes[2].inputs.remove(at: 1) }),
  ("a state of another shape", { $0.nodes[2].inputs[1] = 2 }),
  ("a count that is not known", { graph in graph.values[1].constant = nil; graph.inputs.append(1) }),
  ("the number after the loop", { $0.nodes.append(Node(name: "late", op: .cast(.int32), inputs: [2], outputs: [$0.addValue(Value(name: "z", dtype: .int32, shape: Shape([])))])) }),
]

@Test(arguments: hostileLoops.indices) func hostileLoopsAreRefused(_ index: Int) throws {
  var graph = try loop()
  hostileLoops[index].1(&graph)
  #expect(throws: EdgeError.self, "\(hostileLoops[index].0)") { try graph.validate() }
  _ = try? graph.optimized()
  _ = try? graph.sorted()
}

@Test func nestingIsBounded() throws {
  var graph = Graph()
  let c = graph.input("c", .bool, Shape([]))
  for _ in 0...ControlFlow.maximumDepth { _ = try graph.add(.when, [c], []) }
  for _ in 0...ControlFlow.maximumDepth {
    _ = try graph.add(.otherwise, [], [])
    _ = try graph.add(.merge, [], [])
  }
  graph.outputs = try graph.add(.reshape(Shape([1])), [c], ["y"])
  #expect { try graph.validate() } throws: { ($0 as? EdgeError)?.status == .limitExceeded }
  graph.nodes.removeFirst()
  graph.nodes.removeLast(3)
  graph.outputs = try graph.add(.reshape(Shape([1])), [c], ["y"])
  try graph.validate()
}

@Test func whatNobodyNeedsGoesWithItsOperators() throws {
  var graph = try branch()
  let x = graph.inputs[1]
  graph.outputs = [try graph.add(.unary(UnaryFunction(.abs)), [x], ["z"])[0]]
  #expect(try graph.optimized().nodes.map(\.op.name) == ["Abs"])
  let kept = try branch().optimized()
  #expect(kept.nodes.map(\.op.name) == ["When", "Exp", "Otherwise", "Negate", "Merge"])
}

@Test func sortingKeepsBranchesInOnePiece() throws {
  var graph = try branch()
  // The first node reads what the last one makes.
  let y = graph.outputs[0]
  let z = graph.addValue(Value(name: "z", dtype: .float32, shape: float4))
  graph.nodes.insert(Node(name: "late", op: .unary(UnaryFunction(.abs)), inputs: [y], outputs: [z]), at: 0)
  graph.outputs = [z]
  let sorted = try graph.sorted()
  #expect(sorted.nodes.map(\.op.name) == ["When", "Exp", "Otherwise", "Negate", "Merge", "Abs"])
  try sorted.validate()
}

/// The transposes of one value in both branches and after them: none is taken from a branch to where it is not.
@Test func transposesStayInTheirBranch() throws {
  var graph = Graph()
  let c = graph.input("c", .bool, Shape([]))
  let x = graph.input("x", .float32, Shape([Shape.batch, 3, 4, 5]))
  let image = try graph.add(.transpose([0, 2, 3, 1]), [x])[0]
  let stored = try graph.unary(.exp, image)
  func pooled(_ graph: inout Graph, _ kind: Pool.Kind) throws -> ValueID {
    let plain = try graph.add(.transpose([0, 3, 1, 2]), [stored])[0]
    let sum = try graph.add(.softmax(axis: 1, log: false), [plain])[0]
    let cube = try graph.add(.reshape(Shape([Shape.batch, 60])), [sum])[0]
    return cube
  }
  _ = try graph.add(.when, [c], [])
  let a = try pooled(&graph, .max)
  _ = try graph.add(.otherwise, [a], [])
  let b = try pooled(&graph, .average)
  let merged = try graph.add(.merge, [b], ["y"])[0]
  let after = try pooled(&graph, .max)
  graph.outputs = [merged, try graph.add(.binary(.add, .none), [merged, after], ["z"])[0]]
  try graph.optimized().validate()
  try graph.cancellingTransposes().validate()
}

/// A layer before a branch cannot add what the branch makes.
@Test func residualsDoNotLeaveTheirBranch() throws {
  var graph = Graph()
  let c = graph.input("c", .bool, Shape([]))
  let x = graph.input("x", .float32, float4)
  let w = try graph.addConstant("w", .float32, Shape([4, 4]), [Float](repeating: 0.5, count: 16))
  let layer = try graph.add(.dense(.none), [x, w])[0]
  _ = try graph.add(.when, [c], [])
  let inner = try graph.unary(.exp, x)
  let sum = try graph.add(.binary(.add, .none), [layer, inner])[0]
  _ = try graph.add(.otherwise, [sum], [])
  graph.outputs = try graph.add(.merge, [x], ["y"])
  let optimized = try graph.optimized()
  try optimized.validate()
  #expect(optimized.nodes.map(\.op.name) == ["Dense", "When", "Exp", "Add", "Otherwise", "Merge"])
}
