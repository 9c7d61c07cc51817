import Graph
import Testing

@testable import Compression

/// What a graph's first output is for a sample, with the reference kernels.
private func result(_ graph: Graph, _ samples: Samples) throws -> [Float] {
  let output = graph.outputs[0]
  let runner = try GraphRunner.make(graph, observed: [output], threads: 1, isa: .reference)
  try samples.withPointers { try runner.run($0, sample: 0, requiresFinite: true) }
  let base = try #require(runner.pointer(of: output))
  let count = try #require(graph.values[output].shape.elementCount())
  return (0..<count).map { base.load(fromByteOffset: $0 * 4, as: Float.self) }
}

/// Prunes both ways; the smaller graph computes what the masked one does.
private func prune(_ graph: Graph, _ change: (inout ChannelOptions) -> Void = { _ in }) throws -> ChannelPruning {
  var options = ChannelOptions()
  options.fraction = 0.5
  change(&options)
  let pruned = try graph.channelsPruned(options)
  options.isMasked = true
  let masked = try graph.channelsPruned(options).graph
  let samples = Samples(graph, count: 1, seed: 3)
  #expect(try result(pruned.graph, samples) == result(masked, samples))
  #expect(masked.values.count == graph.values.count)
  return pruned
}

extension NetBuilder {
  fileprivate mutating func normalization(_ name: Text, _ x: ValueID) throws -> ValueID {
    let channels = graph.values[x].shape.dims.last!
    var inputs = [x]
    for (part, low) in [(".scale", Float(0.5)), (".shift", -1), (".mean", -1), (".variance", 0.5)] {
      inputs.append(try constant(name + Text(part), [channels], random.uniforms(channels, low, 1.5)))
    }
    return try add(.batchNormalization(epsilon: 1e-5), name, inputs)
  }
}

@Test func aNormalizationLosesItsChannels() throws {
  var net = NetBuilder(seed: 1)
  let x = net.input("x", [1, 6, 6, 3])
  var y = try net.convolution("conv", x, 8, clamp: relu)
  y = try net.normalization("norm", y)
  y = try net.add(.unary(UnaryFunction(.clamp, alpha: 0, beta: .infinity)), "relu", [y])
  let graph = try net.finish(try net.convolution("last", y, 4))
  let scale = try #require(graph.value("norm.scale")?.constant?.array(of: Float.self))
  let pruned = try prune(graph) { $0.criterion = .scale }
  let kept = pruned.layers[0].kept
  #expect(kept.count == 4)
  let weakest = try #require(kept.map { scale[$0] }.min())
  #expect((0..<8).filter { !kept.contains($0) }.allSatisfy { scale[$0] <= weakest })
  #expect(pruned.graph.nodes.first { $0.name == "norm" }.map { pruned.graph.values[$0.inputs[4]].shape } == Shape([4]))
}

@Test func aTransposedConvolutionShrinksOnBothSides() throws {
  var net = NetBuilder(seed: 2)
  let x = net.input("x", [1, 4, 4, 3])
  let y = try net.convolution("conv", x, 8, clamp: relu)
  var window = Window()
  (window.kernelHeight, window.kernelWidth, window.strideHeight, window.strideWidth) = (2, 2, 2, 2)
  let weights = try net.constant("up.w", [6, 2, 2, 8], net.random.uniforms(192))
  let up = try net.add(.transposedConvolution(TransposedConvolution(window: window)), "up", [y, weights])
  let pruned = try prune(try net.finish(try net.convolution("last", up, 4)))
  #expect(pruned.layers.map { $0.kept.count } == [4, 3, 4])
  let node = try #require(pruned.graph.nodes.first { $0.name == "up" })
  #expect(pruned.graph.values[node.inputs[1]].shape == Shape([3, 2, 2, 4]))
}

@Test func weightsThatAreSharedStay() throws {
  var net = NetBuilder(seed: 3)
  let x = net.input("x", [1, 4, 4, 8])
  let y = try net.convolution("first", x, 8, kernel: 1, clamp: relu)
  let weights = net.graph.nodes[0].inputs[1]
  let z = try net.add(.convolution(Convolution(window: Window())), "second", [y, weights])
  let pruned = try prune(try net.finish(try net.convolution("last", z, 4)))
  #expect(pruned.layers.map { $0.kept.count } == [8, 8, 4] && pruned.layers.map { $0.fixed } == [8, 8, 4])
  #expect(pruned.layers[0].reason == "the weights of 'first' are no float32 constant of its own")
}

@Test func whatIsReadByAnUnknownOperatorStays() throws {
  var net = NetBuilder(seed: 4)
  let x = net.input("x", [1, 4, 4, 3])
  let y = try net.convolution("conv", x, 8, clamp: relu)
  let scan = try net.add(.scan(.sum, axis: 1, exclusive: false, reverse: false), "sums", [y])
  let pruned = try prune(try net.finish(try net.convolution("last", scan, 4)))
  #expect(pruned.layers[0].kept.count == 8 && pruned.layers[0].reason.contains("'sums'"))
}

@Test func aHugeAxisIsLeftAlone() throws {
  var net = NetBuilder(seed: 5)
  let x = net.input("x", [1, 1, 1, 3])
  var y = try net.convolution("conv", x, 8, kernel: 1)
  for step in 0..<30 { y = try net.add(.concat(axis: 3), "double\(step)", [y, y]) }
  let small = try net.add(.slice(starts: [0, 0, 0, 0], ends: [1, 1, 1, 4], steps: [1, 1, 1, 1]), "some", [y])
  let graph = try net.finish(small)
  let pruned = try graph.channelsPruned(ChannelOptions())
  #expect(pruned.layers[0].kept.count == 8)
}
