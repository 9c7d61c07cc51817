import Graph
import Testing

@testable import Import

private func freeModel() -> OnnxFile {
  var file = OnnxFile()
  file.input("x", ["N", "C", "L"])
  file.input("b", ["C", 1])
  file.input("shape", ["R"], type: 7)
  file.node("Add", ["x", "b"], ["s"])
  file.node("Reshape", ["s", "shape"], ["y"])
  file.output("y")
  return file
}

private func shape(_ name: Text, _ dims: [Int]) -> InputBinding { InputBinding(name: name, dims: dims) }
private func integers(_ name: Text, _ values: [Int64]) throws -> InputBinding {
  InputBinding(name: name, dims: [values.count], dtype: .int64, data: try TensorData(values))
}

private func status(_ bindings: [InputBinding], limits: Limits = Limits()) -> Status {
  do throws(EdgeError) {
    _ = try importBytes(freeModel().bytes, limits: limits, bindings: bindings)
    return .ok
  } catch {
    return error.status
  }
}

/// Shapes and values that the caller gives for inputs.
@Suite struct BindingTests {
  @Test func namesAreBoundEverywhere() throws {
    let graph = try importBytes(freeModel().bytes, bindings: [shape("x", [2, 3, 4]), try integers("shape", [2, -1])]).graph
    #expect(graph.inputs.map { graph.values[$0].shape.dims } == [[2, 3, 4], [3, 1]])
    #expect(graph.outputs.map { graph.values[$0].shape.dims } == [[2, 12]])
  }

  @Test func theBatchStaysOpen() throws {
    let graph = try importBytes(freeModel().bytes, bindings: [shape("x", [Shape.batch, 3, 4]), try integers("shape", [0, -1])]).graph
    #expect(graph.inputs.map { graph.values[$0].shape.dims } == [[Shape.batch, 3, 4], [3, 1]])
    #expect(graph.outputs.map { graph.values[$0].shape.dims } == [[Shape.batch, 12]])
  }

  @Test func inputsAreCountedOff() throws {
    // The value is given by name, so the two shapes are those of x and b, in whatever order all are listed.
    let graph = try importBytes(
      freeModel().bytes, bindings: [shape("", [1, 3, 4]), try integers("shape", [12]), shape("", [3, 1])]).graph
    #expect(graph.inputs.map { graph.values[$0].name } == ["x", "b"])
  }

  @Test func freeDimensionsAreListedAtOnce() throws {
    do throws(EdgeError) {
      _ = try importBytes(freeModel().bytes)
      Issue.record("no error")
    } catch {
      #expect(error.status == .freeShape)
      #expect(error.tensor == "x")
      #expect(error.message.description.contains("'C' at axis 1 of 'x', 'L' at axis 2 of 'x'"))
    }
  }

  @Test func contradictionsAreErrors() throws {
    let value = try integers("shape", [2, -1])
    #expect(status([shape("x", [2, 3, 4]), value]) == .ok)
    #expect(status([shape("x", [2, 3, 4]), shape("b", [4, 1]), value]) == .shapeMismatch)
    #expect(status([shape("x", [2, 3, 4]), shape("b", [3, 2]), value]) == .shapeMismatch)
    #expect(status([shape("x", [2, 3]), value]) == .shapeMismatch)
    #expect(status([shape("x", [2, 3, -4]), value]) == .invalidArgument)
    #expect(status([shape("x", [2, Shape.batch, 4]), value]) == .invalidArgument)
    #expect(status([shape("x", [2, 3, 4]), shape("x", [2, 3, 4]), value]) == .invalidArgument)
    #expect(status([shape("gone", [2])]) == .invalidArgument)
    #expect(status([shape("", [2, 3, 4]), shape("", [3, 1]), shape("", [1]), shape("", [1])]) == .invalidArgument)
    #expect(status([shape("x", [2, 3, Int.max]), value]) == .limitExceeded)
    #expect(status([shape("x", [1 << 20, 3, 1 << 20]), value]) == .limitExceeded)
    let wrongType = InputBinding(name: "shape", dims: [2], dtype: .int32, data: try TensorData([1, 2] as [Int32]))
    #expect(status([shape("x", [2, 3, 4]), wrongType]) == .dtypeMismatch)
    let short = InputBinding(name: "shape", dims: [3], dtype: .int64, data: try TensorData([1, 2] as [Int64]))
    #expect(status([shape("x", [2, 3, 4]), short]) == .shapeMismatch)
  }

  @Test func aValueReplacesADefault() throws {
    var file = freeModel()
    file.initializer(intTensor("shape", [2], [1, -1]))
    let graph = try importBytes(file.bytes, bindings: [shape("x", [2, 3, 4]), try integers("shape", [2, -1])]).graph
    #expect(graph.outputs.map { graph.values[$0].shape.dims } == [[2, 12]])
  }
}
