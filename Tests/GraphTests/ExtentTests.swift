import Graph
import Testing

/// A graph with a value [bound, 4] whose first axis depends on data, and what is added to it.
private struct Sample {
  var graph = Graph(name: "extents")
  let found: ValueID
  let count: ValueID

  init(bound: Int = 6) throws {
    let x = graph.addValue(Value(name: "x", dtype: .float32, shape: Shape([bound])))
    let table = graph.addValue(Value(name: "table", dtype: .float32, shape: Shape([9, 4])))
    graph.inputs = [x, table]
    let places = try graph.addNode(.nonZero(bound: bound), name: "nz", inputs: [x], outputNames: ["places", "count"])
    let flat = try graph.addNode(.reshape(Shape([bound])), name: "flat", inputs: [places[0]], outputNames: ["flat"])[0]
    found = try graph.addNode(.take(Indexing(.slices, axis: 0)), name: "take", inputs: [table, flat], outputNames: ["found"])[0]
    count = places[1]
  }

  mutating func add(_ op: Operator, _ inputs: [ValueID], results: Int = 1) throws -> ValueID {
    try graph.addNode(op, name: "node", inputs: inputs, outputNames: (0..<results).map { "y\($0)" })[0]
  }

  mutating func constant(_ dims: [Int]) throws -> ValueID {
    try graph.addConstant("c", .float32, Shape(dims), [Float](repeating: 1, count: dims.reduce(1, *)))
  }
}

@Suite struct ExtentTests {
  @Test func operatorsPassAnExtentOn() throws {
    let relu = UnaryFunction(.clamp, alpha: 0, beta: .infinity)
    let table: [(Operator, Int)] = [
      (.unary(relu), 0), (.transpose([1, 0]), 1), (.reshape(Shape([2, 1, 3, 2, 2])), -1), (.reshape(Shape([1, 6, 2, 2])), 1),
      (.reduce(.sum, axes: [1], keepDims: false), 0), (.softmax(axis: 1, log: false), 0), (.slice(starts: [0, 1], ends: [6, 3], steps: [1, 1]), 0),
      (.pad(.constant, before: [0, 1], after: [0, 0], value: 0), 0), (.gather(axis: 1, indices: [2], scalarIndex: true), 0),
      (.expand(Shape([3, 6, 4])), 1), (.scan(.sum, axis: 0, exclusive: false, reverse: false), 0), (.cast(.int32), 0),
    ]
    for (op, axis) in table {
      var sample = try Sample()
      let y = try sample.add(op, [sample.found])
      guard axis >= 0 else {
        #expect(throws: EdgeError.self, "\(op.name)") { _ = try sample.graph.extents() }
        continue
      }
      #expect(try sample.graph.extents()[y] == Extent(axis: axis, count: sample.count), "\(op.name)")
    }
  }

  @Test func operatorsAlongAnExtentAreRefused() throws {
    let refused: [Operator] = [
      .reduce(.mean, axes: [0], keepDims: true), .softmax(axis: 0, log: true), .slice(starts: [1, 0], ends: [6, 4], steps: [1, 1]),
      .pad(.edge, before: [0, 0], after: [1, 0], value: 0), .gather(axis: 0, indices: [0], scalarIndex: false), .reshape(Shape([24])),
      .scan(.sum, axis: 0, exclusive: false, reverse: true), .split(axis: 0, sizes: [6]), .concat(axis: 0), .nonZero(bound: 2),
      .topK(axis: 0, k: 2, largest: true), .unique(axis: 1, sorted: true, bound: 2),
    ]
    for op in refused {
      var sample = try Sample()
      let results = op == .nonZero(bound: 2) || op == .topK(axis: 0, k: 2, largest: true) ? 2 : op == .unique(axis: 1, sorted: true, bound: 2) ? 5 : 1
      _ = try sample.add(op, [sample.found], results: results)
      #expect(throws: EdgeError.self, "\(op.name)") { _ = try sample.graph.extents() }
    }
  }

  @Test func differentExtentsDoNotMeet() throws {
    var sample = try Sample()
    let other = try sample.add(.unary(UnaryFunction(.abs)), [sample.graph.inputs[0]])
    let places = try sample.add(.nonZero(bound: 6), [other], results: 2)
    let column = try sample.add(.cast(.float32), [try sample.add(.reshape(Shape([6, 1])), [places])])
    _ = try sample.add(.binary(.add, .none), [sample.found, column])
    #expect(throws: EdgeError.self) { _ = try sample.graph.extents() }
    var fixed = try Sample()
    _ = try fixed.add(.binary(.add, .none), [fixed.found, try fixed.constant([6, 4])])
    #expect(throws: EdgeError.self) { try fixed.graph.validate() }
    var row = try Sample()
    _ = try row.add(.binary(.add, .none), [row.found, try row.constant([1, 4])])
    try row.graph.validate()
  }

  @Test func wholeEndsAnExtentAndFirstBeginsOne() throws {
    var sample = try Sample()
    let whole = try sample.add(.crop(axis: 0, .whole(.lowest)), [sample.found])
    let best = try sample.add(.topK(axis: 0, k: 3, largest: true), [whole], results: 2)
    let first = try sample.add(.crop(axis: 0, .first(bound: 3)), [best, sample.count])
    let extents = try sample.graph.extents()
    #expect(extents[whole] == nil && extents[best] == nil)
    #expect(extents[first] == Extent(axis: 0, count: sample.count))
    var fixed = try Sample()
    _ = try fixed.add(.crop(axis: 0, .whole(.zero)), [fixed.graph.inputs[1]])
    #expect(throws: EdgeError.self) { _ = try fixed.graph.extents() }
  }

  @Test func boundsFollowTheBatchAndTheLimit() throws {
    var graph = Graph()
    let x = graph.addValue(Value(name: "x", dtype: .float32, shape: Shape([Shape.batch, 5])))
    graph.inputs = [x]
    let found = try graph.addNode(.nonZero(bound: 5), name: "nz", inputs: [x], outputNames: ["places", "count"])
    let rows = try graph.addNode(.transpose([1, 0]), name: "t", inputs: [found[0]], outputNames: ["rows"])[0]
    graph.outputs = [try graph.addNode(.reshape(Shape([5, 1, 2])), name: "r", inputs: [rows], outputNames: ["y"])[0]]
    try graph.validate()
    #expect(try graph.boundingExtents(batch: 3, limit: 100).values[graph.outputs[0]].shape.dims == [15, 1, 2])
    #expect(try graph.boundingExtents(batch: 3, limit: 7).values[graph.outputs[0]].shape.dims == [7, 1, 2])
    #expect(try graph.boundingExtents(batch: 1, limit: 100).values[graph.outputs[0]].shape.dims == [5, 1, 2])
  }

  @Test func boundsOutOfRangeAreRefused() throws {
    for bound in [-1, 0, 1, 7] {
      #expect(throws: EdgeError.self, "\(bound)") {
        var graph = Graph()
        let x = graph.addValue(Value(name: "x", dtype: .float32, shape: Shape([6])))
        graph.inputs = [x]
        graph.outputs = [try graph.addNode(.nonZero(bound: bound), name: "nz", inputs: [x], outputNames: ["a", "b"])[0]]
        try graph.validate()
      }
    }
  }
}
