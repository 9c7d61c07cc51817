import Graph
import Testing

@testable import Import

private let float16 = 10
private let double = 11
private let bfloat16 = 16

/// A network of one input and one output; its nodes are added by `build`.
private func network(_ type: Int, to result: Int, _ build: (inout OnnxFile) -> Void) throws -> Graph {
  var file = OnnxFile(opset: 19)
  file.input("x", ["N", 4], type: type)
  build(&file)
  file.output("y", ["N", 4], type: result)
  let loaded = try file.load()
  #expect(loaded.unsupported.isEmpty, "\(loaded.unsupported)")
  try loaded.graph.validate()
  return loaded.graph
}

private func cast(_ to: Int) -> [(String, Attribute)] { [("to", .int(to))] }

/// Inputs and outputs that are not float32.
@Suite struct BorderTypeTests {
  @Test(arguments: [(10, DType.float16), (11, .float64), (16, .bfloat16)])
  func castsStandAtTheBorders(_ type: Int, _ dtype: DType) throws {
    let graph = try network(type, to: type) {
      $0.node("Exp", ["x"], ["e"])
      $0.node("Tanh", ["e"], ["y"])
    }
    #expect(graph.nodes.map(\.op) == [.cast(.float32), .unary(UnaryFunction(.exp)), .unary(UnaryFunction(.tanh)), .cast(dtype)])
    #expect((graph.inputs + graph.outputs).map { graph.values[$0].dtype } == [dtype, dtype])
    #expect(graph.values[graph.inputs[0]].name == "x")
    #expect(graph.values[graph.outputs[0]].name == "y")
  }

  @Test func nothingIsCastOnTheWayThrough() throws {
    let passed = try network(float16, to: float16) { $0.node("Identity", ["x"], ["y"]) }
    #expect(passed.nodes.map(\.op) == [.reshape(Shape([Shape.batch, 4]))])
    let narrowed = try network(double, to: bfloat16) { $0.node("Cast", ["x"], ["y"], cast(bfloat16)) }
    #expect(narrowed.nodes.map(\.op) == [.cast(.bfloat16)])
    let whole = try network(double, to: 7) { $0.node("Cast", ["x"], ["y"], cast(7)) }
    #expect(whole.nodes.map(\.op) == [.cast(.int64)])
    let wide = try network(7, to: double) { $0.node("Cast", ["x"], ["y"], cast(double)) }
    #expect(wide.nodes.map(\.op) == [.cast(.float64)])
    let inside = try network(1, to: 1) {
      $0.node("Cast", ["x"], ["h"], cast(float16))
      $0.node("Exp", ["h"], ["e"])
      $0.node("Cast", ["e"], ["y"], cast(1))
    }
    #expect(inside.nodes.map(\.op) == [.unary(UnaryFunction(.exp))])
  }

  @Test func doublesAreAddedAsDoubles() throws {
    let graph = try network(double, to: double) {
      $0.node("Add", ["x", "x"], ["s"])
      $0.node("Mul", ["s", "x"], ["y"])
    }
    #expect(graph.nodes.map(\.op) == [.binary(.add, .none), .binary(.multiply, .none)])
    #expect(graph.values.allSatisfy { $0.dtype == .float64 })
  }

  @Test func valuesHaveTheInputsType() throws {
    var file = OnnxFile(opset: 19)
    file.input("x", [2], type: bfloat16)
    file.input("b", [2], type: bfloat16)
    file.node("Add", ["x", "b"], ["y"])
    file.output("y", [2], type: bfloat16)
    let value = InputBinding(name: "b", dims: [2], dtype: .bfloat16, data: try TensorData([UInt16(0x3F80), 0x4000]))
    let graph = try importBytes(file.bytes, bindings: [value]).graph
    #expect(graph.values.first { $0.constant != nil }?.constant?.array(of: Float.self) == [1, 2])
    do throws(EdgeError) {
      _ = try importBytes(file.bytes, bindings: [InputBinding(name: "b", dims: [2], dtype: .float16, data: value.data)])
      Issue.record("no error")
    } catch {
      #expect(error.status == .dtypeMismatch)
      #expect(error.message.description.contains("is bfloat16; the value given is float16"))
    }
  }
}
