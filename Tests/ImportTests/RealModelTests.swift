import Foundation
import Graph
import Testing

@testable import Import

/// Files of real networks, in the folder that EDGEAI_TEST_MODELS names.
@Suite struct RealModelTests {
  static let folder = ProcessInfo.processInfo.environment["EDGEAI_TEST_MODELS"]

  @Test(.enabled(if: RealModelTests.folder != nil, "EDGEAI_TEST_MODELS does not name a folder of ONNX files"))
  func importWithTransposesAtTheBordersOnly() throws {
    let folder = URL(fileURLWithPath: try #require(RealModelTests.folder))
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".onnx") && !$0.contains("int8") }.sorted()
    #expect(!names.isEmpty)
    for name in names {
      let data = try Data(contentsOf: folder.appendingPathComponent(name), options: .alwaysMapped)
      let result = try data.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
        try importOnnx(bytes, owner: nil, limits: Limits(), externalData: nil)
      }
      #expect(result.unsupported.isEmpty, "\(name): \(result.unsupported)")
      let graph = result.graph
      let inner = graph.nodes.filter { node in
        guard case .transpose(let order) = node.op, order.count == 4 else { return false }
        return !graph.inputs.contains(node.inputs[0]) && !graph.outputs.contains(node.outputs[0])
      }
      #expect(inner.isEmpty, "\(name): \(inner.map(\.name))")
    }
  }
}
