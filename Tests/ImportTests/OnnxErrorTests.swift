import Foundation
import Graph
import Testing

@testable import Import

private let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
  "golden-errors/onnx")

private func goodModel() -> OnnxFile {
  var file = OnnxFile()
  file.input("x", ["N", 1, 6, 6])
  file.floats("w", [2, 1, 3, 3])
  file.node("Conv", ["x", "w"], ["c"])
  file.node("Relu", ["c"], ["r"])
  file.ints("shape", [0, -1])
  file.node("Reshape", ["r", "shape"], ["y"])
  file.output("y")
  return file
}

/// Bad files give typed errors that name the place.
@Suite struct OnnxErrorTests {
  @Test func goldenErrors() throws {
    let expected = try String(contentsOf: golden.appendingPathComponent("expected.txt"), encoding: .utf8)
    let lines = expected.split(separator: "\n")
    #expect(lines.count > 20)
    for line in lines {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      let (name, status, node, tensor, message) = (fields[0], Int32(fields[1]), fields[2], fields[3], fields[4])
      let bytes = [UInt8](try Data(contentsOf: golden.appendingPathComponent(name)))
      do throws(EdgeError) {
        let first = try importBytes(bytes).unsupported.first
        #expect(status == 0 && first?.node.description == node && first?.reason.contains(message) == true, "\(name): \(first as UnsupportedOperator?)")
      } catch {
        #expect(error.status.code == status && error.node.description == node && error.tensor.description == tensor, "\(name): \(error)")
        #expect(error.message.contains(message), "\(name): \(error.message)")
      }
    }
  }

  @Test func everyTruncationIsAnError() throws {
    let bytes = goodModel().bytes
    #expect(try importBytes(bytes).unsupported.isEmpty)
    for count in 0..<bytes.count {
      #expect(throws: EdgeError.self, "\(count) of \(bytes.count) bytes") { try importBytes(Array(bytes[..<count])) }
    }
  }

  @Test func everyFlippedBitGivesAResultOrAnError() throws {
    let bytes = goodModel().bytes
    var errors = 0
    var limits = Limits()
    limits.maximumTensorBytes = 1 << 20
    for bit in 0..<bytes.count * 8 {
      var broken = bytes
      broken[bit / 8] ^= UInt8(1 << (bit % 8))
      do throws(EdgeError) {
        _ = try importBytes(broken, limits: limits)
      } catch {
        #expect(!error.message.isEmpty)
        errors += 1
      }
    }
    #expect(errors > 100)
  }

  @Test func offsetsPointIntoTheFile() throws {
    var file = OnnxFile()
    file.input("x", ["N", 4])
    file.node("Relu", ["x"], ["a"])
    file.node("Add", ["a", "gone"], ["y"])
    file.output("y")
    let bytes = file.bytes
    let error = #expect(throws: EdgeError.self) { try importBytes(bytes) }
    let offset = try #require(error?.byteOffset)
    // A node of the graph: field 1, length-delimited; its first field is the input "a".
    #expect(bytes[offset] == 0x0A && bytes[offset + 2] == 0x0A && bytes[offset + 4] == UInt8(ascii: "a"))
    #expect(error?.nodeIndex == 1 && error?.node == "Add_1")
  }

  @Test func allUnsupportedOperatorsAtOnce() throws {
    var file = OnnxFile()
    file.input("x", ["N", 3, 8, 8])
    file.node("Frobnicate", ["x"], ["a"])
    file.node("Relu", ["a"], ["b"])
    file.node("Scribble", ["b"], ["c"])
    file.node("BatchNormalization", ["x", "x", "x", "x", "x"], ["d"], [("training_mode", .int(1))])
    file.node("NonZero", ["d"], ["dead"])
    file.output("c")
    file.output("d")
    let result = try file.load()
    #expect(result.unsupported.map(\.type) == ["Frobnicate", "Scribble", "BatchNormalization"])
    #expect(result.unsupported.map(\.nodeIndex) == [0, 2, 3])
    #expect(result.unsupported[2].reason.contains("training"))
  }

  @Test func limits() throws {
    var limits = Limits()
    limits.maximumNodes = 2
    #expect(throws: EdgeError.self) { try goodModel().load(limits: limits) }
    limits = Limits()
    limits.maximumNameBytes = 3
    #expect(throws: EdgeError.self) { try goodModel().load(limits: limits) }
    limits = Limits()
    limits.maximumFileBytes = 10
    let error = #expect(throws: EdgeError.self) { try goodModel().load(limits: limits) }
    #expect(error?.status == .limitExceeded)
  }

  @Test func unorderedNodesAreSorted() throws {
    var file = OnnxFile()
    file.input("x", ["N", 4])
    file.node("Sqrt", ["a"], ["y"])
    file.node("Exp", ["x"], ["a"])
    file.output("y")
    #expect(try file.load().graph.nodes.map(\.name) == ["Exp_1", "Sqrt_0"])
  }

  @Test func longChainsAreImportedInLinearTime() throws {
    var nodes = Proto().text(2, "chain").message(11, OnnxFile.info("t0", ["N", 4], 1))
    let count = 20_000
    for index in (0..<count).reversed() {
      nodes.bytes += Proto().message(1, Proto().text(1, "t\(index)").text(2, "t\(index + 1)").text(4, "Sigmoid")).bytes
    }
    nodes = nodes.message(12, Proto().text(1, "t\(count)"))
    let bytes = Proto().message(8, Proto().int(2, 13)).message(7, nodes).bytes
    let clock = ContinuousClock()
    var nodesImported = 0
    let time = try clock.measure { nodesImported = try importBytes(bytes).graph.nodes.count }
    #expect(nodesImported == count)
    #expect(time < .seconds(20))
  }

  /// A zero among the dimensions hides no overflow of the others, whatever reads the tensor.
  @Test func overflowBesideAZero() throws {
    for dims in [[0, 1 << 40, 1 << 40], [1 << 40, 1 << 40, 0]] {
      for type in ["Add", "Mul", "Gather", "Where", "Transpose"] {
        var file = OnnxFile()
        file.input("x", ["N", 4])
        file.initializer(intTensor("w", dims, []))
        file.node(type, type == "Where" ? ["w", "w", "w"] : type == "Transpose" ? ["w"] : ["w", "w"], ["y"])
        file.output("y")
        let error = #expect(throws: EdgeError.self) { try file.load() }
        #expect(error?.status == .limitExceeded && error?.tensor == "w", "\(type)")
      }
    }
  }

  /// Sizes that fit by themselves, but not with what the operator adds to them.
  @Test func emptyTensorsOfHugeSizesDoNotTrap() throws {
    for (type, attributes) in [("Gather", [("axis", Attribute.int(0))]), ("Slice", []), ("Reshape", [])] {
      var file = OnnxFile()
      file.input("x", ["N", 4])
      file.initializer(intTensor("w", [0, 1 << 60], []))
      file.ints("i", type == "Reshape" ? [0, 1 << 40, 1 << 40] : [Int](repeating: 0, count: 2))
      file.ints("e", [1, 1 << 60])
      file.ints("a", [0, 1])
      file.ints("s", [1 << 40, 1 << 40])
      file.node(type, type == "Slice" ? ["w", "i", "e", "a", "s"] : ["w", "i"], ["k"], attributes)
      file.node("Add", ["k", "k"], ["y"])
      file.output("y")
      _ = try? file.load()
    }
  }
}
