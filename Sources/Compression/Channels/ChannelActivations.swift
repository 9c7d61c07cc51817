#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Mean magnitudes of the channels that layers make, on samples.
public final class ChannelActivations {
  private let graph: Graph
  private let runner: GraphRunner
  /// The results of layers, and by their order sums of magnitudes by channel.
  private let observed: [ValueID]
  private var sums: [[Double]] = []
  public private(set) var sampleCount = 0

  private init(_ graph: Graph, _ runner: GraphRunner, _ observed: [ValueID]) {
    self.graph = graph
    self.runner = runner
    self.observed = observed
    for value in observed { sums.append([Double](repeating: 0, count: max(graph.values[value].shape.dims.last ?? 0, 0))) }
  }

  /// Throws what making a session of the graph throws.
  public static func make(_ graph: Graph) throws(EdgeError) -> ChannelActivations {
    let computed = try GraphRunner.computedValues(graph)
    var isComputed = [Bool](repeating: false, count: graph.values.count)
    for value in computed { isComputed[value] = true }
    var observed: [ValueID] = []
    for node in graph.nodes where node.op.isLayer && isComputed[node.outputs[0]] {
      if graph.values[node.outputs[0]].dtype == .float32 { observed.append(node.outputs[0]) }
    }
    return ChannelActivations(graph, try GraphRunner.make(graph, observed: observed, threads: 1, isa: nil), observed)
  }

  /// - inputs: the samples of each input of the graph, one after another.
  /// - Throws: `invalidArgument` for a value that is not finite, `limitExceeded`.
  public func feed(inputs: [UnsafeRawPointer], samples: Int) throws(EdgeError) {
    for sample in 0..<samples {
      try runner.run(inputs, sample: sample, requiresFinite: true)
      for (index, value) in observed.enumerated() {
        guard let base = runner.pointer(of: value), let count = graph.values[value].shape.elementCount() else { continue }
        add(base.assumingMemoryBound(to: Float.self), count, index)
      }
      sampleCount += 1
    }
  }

  private func add(_ elements: UnsafePointer<Float>, _ count: Int, _ index: Int) {
    sums[index].withUnsafeMutableBufferPointer { sums in
      var place = 0
      var channel = 0
      while place < count {
        sums[channel] += Double(elements[place].magnitude)
        place &+= 1
        channel &+= 1
        if channel == sums.count { channel = 0 }
      }
    }
  }

  /// In any unit: what counts is the relation of channels to each other.
  func means(_ value: ValueID) -> [Double] {
    for (index, observed) in observed.enumerated() where observed == value { return sums[index] }
    return []
  }
}
