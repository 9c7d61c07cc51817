import Testing

@testable import Graph

/// What is found of signs by looking at a graph's values and operators.
@Suite struct BinaryLayerPatternTests {
  private func rows(_ elements: [Float], _ count: Int) throws -> SignRows? {
    var graph = Graph()
    let weights = try graph.addConstant("w", .float32, Shape([count, elements.count / count]), elements)
    return graph.signRows(weights)
  }

  @Test func rowsOfSigns() throws {
    let binary = try #require(try rows([2, -2, 0.5, 0.5], 2))
    #expect(binary.scales == [2, 0.5] && !binary.hasZeros)
    let ternary = try #require(try rows([0, -2, -0.0, 0], 2))
    #expect(ternary.scales == [2, 0] && ternary.hasZeros)
    #expect(try rows([1, 2, 1, 1], 2) == nil)
    #expect(try rows([.infinity, -.infinity], 1) == nil)
    #expect(try rows([.nan, 1], 1) == nil)
    #expect(try rows([1, .nan], 1) == nil)
  }

  @Test func signsMove() throws {
    var graph = Graph()
    let x = graph.addValue(Value(name: "x", dtype: .float32, shape: Shape([1, 4, 4, 2])))
    graph.inputs = [x]
    func add(_ op: Operator, _ input: ValueID, _ name: Text) throws -> ValueID {
      try graph.addNode(op, name: name, inputs: [input], outputNames: [name])[0]
    }
    func pool(_ pad: Int, _ kind: Pool.Kind) -> Operator {
      var window = Window()
      (window.kernelHeight, window.kernelWidth, window.padTop) = (2, 2, pad)
      return .pool(Pool(kind, window: window))
    }
    let s = try add(.unary(UnaryFunction(.binarize)), x, "s")
    let signs = [s, try add(pool(1, .max), s, "p"), try add(.reshape(Shape([2, 16])), s, "r"), try add(.transpose([0, 3, 1, 2]), s, "t")]
    let others = [
      x, try add(pool(2, .max), s, "empty windows"), try add(pool(0, .average), s, "a"), try add(.unary(UnaryFunction(.sign)), x, "sign"),
    ]
    let index = GraphIndex(graph)
    for value in signs { #expect(graph.holdsSigns(value, index), "\(graph.values[value].name)") }
    for value in others { #expect(!graph.holdsSigns(value, index), "\(graph.values[value].name)") }
  }
}
