#if !EDGEAI_SINGLE_MODULE
import Format
import Graph
import Runtime
#endif

extension CompressionReport {
  /// A model on its way from the original to the compressed one.
  public struct Stage {
    public var name: Text
    /// Of the file with coded constants.
    public var fileBytes: Int
    /// The least time of a run of one sample on zeros, on this machine; 0 in a build without a clock.
    public var nanoseconds: Int
    /// For each layer of the report's `weightLayers`.
    public var layers: [StageLayer]
  }

  /// What a stage made of a layer with weights: of the node that bears its name, and of the parts that methods made of it.
  public struct StageLayer {
    /// Weights, and those of them that are not +0.
    public var weights = 0
    public var kept = 0
    /// Different values that the weights have, 0 included; `Int.max` for more than 4096.
    public var values = 0
    /// The weights' part of the file with coded constants.
    public var bytes = 0
    public var nanoseconds = 0
    /// Of its result, against the original's; nil where nothing was measured.
    public var error: ErrorMeter?

    /// Bits that tell the values apart; 32 for more than 4096 values.
    public var bits: Int {
      if values == Int.max { return 32 }
      var bits = 0
      while bits < 12, 1 << bits < values { bits += 1 }
      return bits
    }
  }

  /// Follows a model through stages of compression: what each left of every layer, in real bytes and measured times, and how
  /// far its results are from the original's on the samples.
  ///
  /// `stages`: at least one, each with the inputs and outputs of the original. The rest of the report compares the last one with
  /// the original. Throws what `Comparison` throws, `cancelled`.
  public static func following(
    _ original: Graph, _ stages: [(name: Text, graph: Graph)], _ samples: CalibrationSamples, threads: Int, progress: CompressionProgress?
  ) throws(EdgeError) -> CompressionReport {
    var report = CompressionReport(original, original)
    var rows: [Stage] = []
    for (index, stage) in ([(name: "original", graph: original)] + stages).enumerated() {
      if let progress, !progress("measuring stages", index, stages.count + 1) { throw EdgeError(.cancelled, "the report was cancelled") }
      var row = try Stage(stage.name, stage.graph, of: original, threads: threads)
      if index > 0 {
        let comparison = try Comparison.make(original, stage.graph, threads: threads)
        try samples.forEachBatch { (inputs, count) throws(EdgeError) in try comparison.feed(inputs: inputs, samples: count) }
        report = comparison.report()
        for (place, layer) in original.weightLayers.enumerated() { row.layers[place].error = report.layers[layer.node].error }
      }
      rows.append(row)
    }
    report.stages = rows
    report.weightLayers = original.weightLayers.map { $0.node }
    return report
  }
}

extension CompressionReport.Stage {
  fileprivate init(_ name: Text, _ graph: Graph, of original: Graph, threads: Int) throws(EdgeError) {
    self.name = name
    fileBytes = try encodeModel(graph, .adaptive).count
    layers = []
    var options = SessionOptions()
    options.threads = threads
    options.profile = true
    let plan = try Plan(graph, options)
    let times = try plan.leastStepTimes()
    nanoseconds = times.reduce(0) { $0 &+ Int($1) }
    let origins = graph.origins(in: original)
    for layer in original.weightLayers {
      var row = CompressionReport.StageLayer()
      for (index, node) in graph.nodes.enumerated() where origins[index] == layer.node {
        for (step, info) in plan.steps.enumerated() where info.nodeIndex == index { row.nanoseconds += Int(times[step]) }
        guard let weights = node.input(1), graph.values[weights].constant != nil else { continue }
        try row.add(graph.values[weights])
      }
      layers.append(row)
    }
  }
}

extension CompressionReport.StageLayer {
  fileprivate mutating func add(_ value: Value) throws(EdgeError) {
    let census = try constantCensus(value)
    weights += census.count
    kept += census.count - census.zeros
    values = max(values, census.values)
    bytes += try codedByteCount(value)
  }
}
