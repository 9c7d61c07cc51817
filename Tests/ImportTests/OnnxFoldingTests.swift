import Graph
import Testing

@testable import Import

/// Shape arithmetic never reaches the graph; constants are read from wherever the file has them.
@Suite struct OnnxFoldingTests {
  @Test func viewOfTheBatchSize() throws {
    // x.view(x.size(0), -1)
    var file = OnnxFile()
    file.input("x", ["N", 2, 3])
    file.node("Shape", ["x"], ["s"])
    file.initializer(intTensor("zero", [], [0]))
    file.node("Gather", ["s", "zero"], ["n"])
    file.ints("axes", [0])
    file.node("Unsqueeze", ["n", "axes"], ["n1"])
    file.ints("rest", [-1])
    file.node("Concat", ["n1", "rest"], ["target"], [("axis", .int(0))])
    file.node("Reshape", ["x", "target"], ["y"])
    file.output("y")
    let graph = try file.load().graph
    #expect(graph.nodes.map(\.op) == [.reshape(Shape([-1, 6]))])
  }

  @Test func channelShuffleStaysChannelsLast() throws {
    var file = OnnxFile()
    file.input("x", ["N", 4, 5, 5])
    file.floats("w", [4, 4, 1, 1])
    file.node("Conv", ["x", "w"], ["a"])
    file.ints("split", [-1, 2, 2, 5, 5])
    file.node("Reshape", ["a", "split"], ["b"])
    file.node("Transpose", ["b"], ["c"], [("perm", .ints([0, 2, 1, 3, 4]))])
    file.ints("joined", [-1, 4, 5, 5])
    file.node("Reshape", ["c", "joined"], ["d"])
    file.node("Conv", ["d", "w"], ["y"])
    file.output("y")
    let graph = try file.load().graph
    let transposes = graph.nodes.filter { $0.op.name == "Transpose" }.map(\.op)
    #expect(transposes == [.transpose([0, 2, 3, 1]), .transpose([0, 1, 2, 4, 3]), .transpose([0, 3, 1, 2])])
  }

  @Test func batchMixedWithOtherDimensionsMustBeGiven() throws {
    var file = OnnxFile()
    file.input("x", ["N", 2, 3])
    file.ints("target", [-1, 3])
    file.node("Reshape", ["x", "target"], ["y"])
    file.output("y")
    let error = #expect(throws: EdgeError.self) { try file.load() }
    #expect(error?.status == .freeShape && error?.nodeIndex == 0)
    #expect(error?.message.description.contains("batch") == true)
  }

  @Test func numbers() {
    typealias N = OnnxNumber
    #expect(N.combine(.multiply, .batch(2), .integer(3), isReal: false) == .batch(6))
    #expect(N.combine(.divide, .batch(6), .integer(4), isReal: false) == nil)
    #expect(N.combine(.divide, .batch(6), .batch(3), isReal: false) == .integer(2))
    #expect(N.combine(.subtract, .batch(2), .batch(2), isReal: false) == .integer(0))
    #expect(N.combine(.equal, .batch(1), .integer(-1), isReal: false) == .integer(0))
    #expect(N.combine(.equal, .batch(1), .integer(4), isReal: false) == nil)
    #expect(N.combine(.divide, .integer(Int.min), .integer(-1), isReal: false) == nil)
    #expect(N.combine(.divide, .integer(1), .integer(0), isReal: false) == nil)
    #expect(N.combine(.remainder, .integer(-7), .integer(3), isReal: false) == .integer(2))
    #expect(N.combine(.add, .integer(Int.max), .integer(1), isReal: false) == nil)
  }

  private func constant(_ tensor: Proto, external: ((Text) throws(EdgeError) -> Storage)? = nil) throws(EdgeError) -> [Float] {
    var file = OnnxFile()
    file.input("x", ["N", 3])
    file.initializer(tensor)
    file.node("Add", ["x", "c"], ["y"])
    file.output("y")
    let graph = try file.load(external: external).graph
    for value in graph.values { if let constant = value.constant { return constant.array(of: Float.self) } }
    return []
  }

  @Test func elementTypesAndEncodings() throws {
    let head = Proto().ints(1, [3]).text(8, "c")
    #expect(try constant(head.int(2, 1).raw(9, littleEndian([1, -2, 0.5] as [Float]))) == [1, -2, 0.5])
    #expect(try constant(head.int(2, 1).raw(4, littleEndian([1, -2, 0.5] as [Float]))) == [1, -2, 0.5])
    #expect(try constant(head.int(2, 1).float(4, 1).float(4, -2).float(4, 0.5)) == [1, -2, 0.5])
    #expect(try constant(head.int(2, 11).raw(9, littleEndian([1, -2, 0.5] as [Double]))) == [1, -2, 0.5])
    #expect(try constant(head.int(2, 11).raw(10, littleEndian([1, -2, 0.5] as [Double]))) == [1, -2, 0.5])
    #expect(try constant(head.int(2, 10).raw(9, littleEndian([0x3C00, 0xC000, 0x0001] as [UInt16]))) == [1, -2, 0x1p-24])
    #expect(try constant(head.int(2, 10).ints(5, [0x3C00, 0xC000, 0x3800])) == [1, -2, 0.5])
    #expect(try constant(head.int(2, 16).raw(9, littleEndian([0x3F80, 0xC000, 0x3F00] as [UInt16]))) == [1, -2, 0.5])
    #expect(throws: EdgeError.self) { try constant(head.int(2, 1).float(4, 1).float(4, -2)) }
    #expect(throws: EdgeError.self) { try constant(head.int(2, 1).ints(7, [1, 2, 3])) }
  }

  @Test func externalData() throws {
    func entry(_ key: String, _ value: String) -> Proto { Proto().text(1, key).text(2, value) }
    let head = Proto().ints(1, [3]).text(8, "c").int(2, 1).int(14, 1).message(13, entry("location", "data/w.bin"))
    let file = try TensorData([9, 1, -2, 0.5] as [Float]).storage
    let inside = head.message(13, entry("offset", "4")).message(13, entry("length", "12"))
    #expect(try constant(inside) { (_: Text) throws(EdgeError) -> Storage in file } == [1, -2, 0.5])
    let outside = head.message(13, entry("offset", "8"))
    let error = #expect(throws: EdgeError.self) { try constant(outside) { (_: Text) throws(EdgeError) -> Storage in file } }
    #expect(error?.status == .truncatedModel && error?.tensor == "c")
    #expect(throws: EdgeError.self) { try constant(inside) }
    for path in ["../w", "/etc/w", "a/../w", "", "c:w"] { #expect(!OnnxConversion.staysBelow(Text(path))) }
  }

  @Test func alignedWeightsAreBorrowed() throws {
    // A 1x1 kernel has one order of its elements; when the file aligns them, they are used where they are.
    for padding in 0..<4 {
      var file = OnnxFile()
      file.graph = Proto().text(2, String(repeating: "g", count: 4 + padding))
      file.input("x", ["N", 2, 3, 3])
      file.floats("w", [2, 2, 1, 1])
      file.node("Conv", ["x", "w"], ["y"])
      file.output("y")
      let bytes = file.bytes
      let storage = try TensorData(bytes).storage
      let graph = try importOnnx(
        UnsafeRawBufferPointer(start: storage.base, count: bytes.count), owner: storage, limits: Limits(), externalData: nil
      ).graph
      let data = try #require(graph.values.first { $0.shape.dims == [2, 1, 1, 2] }?.constant)
      let address = UInt(bitPattern: data.base)
      let start = UInt(bitPattern: storage.base)
      let offset = try #require(bytes.indices.dropLast(15).first { Array(bytes[$0..<$0 + 16]) == littleEndian([0, 1, 2, 3] as [Float]) })
      #expect((address >= start && address < start + UInt(bytes.count)) == (offset % 4 == 0))
    }
  }
}
