import Foundation
import Format
import Graph
import Testing

private let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()

func contents(_ url: URL) throws -> [UInt8] { [UInt8](try Data(contentsOf: url)) }

func goldenFiles(_ folder: String) throws -> [URL] {
  try FileManager.default.contentsOfDirectory(at: tests.appendingPathComponent(folder), includingPropertiesForKeys: nil)
    .filter { $0.pathExtension == "edgeai" }.sorted { $0.path < $1.path }
}

/// Files of version 1, written from the format's description alone, must be read for ever, and written as they were.
@Test func goldenFilesAreReadAndWrittenUnchanged() throws {
  let golden = try goldenFiles("golden/edgeai")
  #expect(golden.count >= 90)
  for url in golden {
    let bytes = try contents(url)
    do {
      let graph = try decoded(bytes)
      #expect(try encoded(graph) == bytes, "\(url.lastPathComponent) is written differently")
      try graph.optimized().validate()
    } catch let error as EdgeError {
      Issue.record("\(url.lastPathComponent): \(error.message) (node \(error.node), tensor \(error.tensor))")
    }
  }
}

@Test func goldenFilesHoldEveryOperator() throws {
  var names = Set<String>()
  for url in try goldenFiles("golden/edgeai") {
    for node in try decoded(contents(url)).nodes { names.insert(node.op.name.description) }
  }
  // Unary, binary and reduction functions and the kinds of pooling and softmax have names of their own.
  for name in [
    "Convolution", "TransposedConvolution", "Dense", "MatMul", "BatchNormalization", "MaxPool", "AveragePool", "Softmax", "LogSoftmax",
    "Concat", "Split", "Slice", "Pad", "Resize", "Transpose", "Reshape", "Expand", "Gather", "LocalResponseNormalization", "Quantize",
    "Dequantize", "Requantize", "Cast", "Where", "CumulativeSum", "Take", "Put", "TopK", "Less", "ArgMax", "BitCast", "LSTM", "GRU",
    "RNN", "When", "Otherwise", "Merge", "Loop", "Next", "NonZero", "First", "Whole", "Unique", "NonMaxSuppression",
    "LayerNormalization", "ConvolutionWeightGradient", "MaxPoolGradient", "AveragePoolGradient", "BatchStatistics",
    "BatchNormalizationGradient", "OptimizerStep", "Random", "Gate",
  ] { #expect(names.remove(name) != nil, "no golden file has \(name)") }
  // Those of float kernels; the others differ in a number only.
  #expect(names.count == 27 + 8 + 8, "unary, binary and reduction functions: \(names.sorted())")
}

/// Files of version 2, coded by the release that wrote them: they decode for ever to the file of version 1 beside them.
@Test func codedGoldenFilesAreRead() throws {
  let coded = try goldenFiles("golden/edgeai-2").filter { $0.lastPathComponent.contains("-coded-") }
  #expect(coded.count >= 8)
  for url in coded {
    let name = url.lastPathComponent
    let plain = url.deletingLastPathComponent().appendingPathComponent(String(name[..<name.range(of: "-coded-")!.lowerBound]) + ".edgeai")
    #expect(try encoded(decoded(contents(url))) == contents(plain), "\(name) decodes to something else")
  }
}

/// Damaged files: status, offset, node, tensor and message.
@Test func goldenErrors() throws {
  let folder = tests.appendingPathComponent("golden-errors/edgeai")
  let lines = try String(contentsOf: folder.appendingPathComponent("expected.txt"), encoding: .utf8).split(separator: "\n").dropFirst()
  #expect(lines.count == (try goldenFiles("golden-errors/edgeai")).count)
  for line in lines {
    let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    let name = fields[0]
    let bytes = try contents(folder.appendingPathComponent(name))
    do throws(EdgeError) {
      _ = try decoded(bytes)
      Issue.record("\(name) is accepted")
    } catch {
      let found = "status \(error.status.code), byte \(error.byteOffset), node '\(error.node)', tensor '\(error.tensor)': \(error.message)"
      #expect(
        error.status.code == Int32(fields[1]) && error.byteOffset == Int(fields[2]) && error.node.description == fields[3] && error.tensor.description == fields[4],
        "\(name): \(found)")
      #expect(error.message.contains(fields[5]), "\(name): \(found)")
    }
  }
}
