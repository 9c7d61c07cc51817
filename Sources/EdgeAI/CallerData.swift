import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

/// Calls `body` with each batch that a caller's data function gives. Throws `invalidArgument` when it gives none, `cancelled`, and
/// what is wrong with a span.
func forEachBatch(
  _ graph: Graph, _ data: edgeai_data_fn, _ context: UnsafeMutableRawPointer?, _ body: (SampleBatch) throws(EdgeError) -> Void
) throws(EdgeError) {
  let count = graph.callerInputs.count
  let spans = try Storage.allocate(count * MemoryLayout<edgeai_span>.stride)
  let inputs = spans.base.bindMemory(to: edgeai_span.self, capacity: count)
  var index: UInt64 = 0
  while true {
    let answer = data(context, index, inputs, count)
    if answer == 0 { break }
    if answer < 0 { throw EdgeError(.cancelled, "the data function stopped the work") }
    try body(try SampleBatch(graph, inputs, count))
    index += 1
  }
  guard index > 0 else { throw EdgeError(.invalidArgument, "there are no samples") }
}

/// Copies of all samples that a caller's data function gives; nil without a function. Throws what `forEachBatch` throws.
func callerSamples(_ graph: Graph, _ data: edgeai_data_fn?, _ context: UnsafeMutableRawPointer?) throws(EdgeError) -> CalibrationSamples? {
  guard let data else { return nil }
  let samples = CalibrationSamples()
  try forEachBatch(graph, data, context) { (batch) throws(EdgeError) in
    try samples.add(graph, inputs: batch.pointers, samples: batch.samples)
  }
  return samples
}

/// A caller's list of numbers for layers. NULL is allowed for an empty one.
func layerValues(_ list: UnsafePointer<edgeai_layer_value>?, _ count: Int) throws(EdgeError) -> [LayerValue] {
  guard count != 0 else { return [] }
  guard count > 0, let list else { throw EdgeError(.invalidArgument, "layers is NULL") }
  var result: [LayerValue] = []
  for index in 0..<count { result.append(LayerValue(name: try text(list[index].name, "layers"), value: list[index].value)) }
  return result
}

/// A caller's list of ranges. NULL is allowed for an empty one.
func tensorRanges(_ list: UnsafePointer<edgeai_tensor_range>?, _ count: Int) throws(EdgeError) -> [(tensor: Text, range: ValueRange)] {
  guard count != 0 else { return [] }
  guard count > 0, let list else { throw EdgeError(.invalidArgument, "ranges is NULL") }
  var result: [(tensor: Text, range: ValueRange)] = []
  for index in 0..<count { result.append((try text(list[index].tensor, "ranges"), ValueRange(min: list[index].min, max: list[index].max))) }
  return result
}

/// A count of threads from the caller.
func threadCount(_ threads: Int32) throws(EdgeError) -> Int {
  guard threads >= 1, threads <= 256 else { throw EdgeError(.invalidArgument, "threads is \(threads); it must be 1 to 256") }
  return Int(threads)
}

/// A count of samples for the report.
func reportSamples(_ count: Int32) throws(EdgeError) -> Int32 {
  guard count >= 0 else { throw EdgeError(.invalidArgument, "report_samples is negative") }
  return count
}

/// Measures a model that was made from another one, whose graph is `original`, on the first `most` samples and gives both to the caller.
func giveModel(
  _ graph: Graph, from source: ModelHandle, _ original: Graph, _ samples: CalibrationSamples?, most: Int32, threads: Int, progress: CompressionProgress?,
  _ model: UnsafeMutablePointer<OpaquePointer?>, _ report: UnsafeMutablePointer<OpaquePointer?>?
) throws(EdgeError) {
  let made = try ModelHandle.make(graph, source: EDGEAI_SOURCE_MEMORY, allocator: source.allocator, log: source.log)
  if let report {
    var measured = CompressionReport(original, graph)
    if let samples {
      let comparison = try Comparison.make(original, graph, threads: threads)
      var left = Int(most)
      try samples.forEachBatch { inputs, count throws(EdgeError) in
        try comparison.feed(inputs: inputs, samples: min(count, left), progress: progress)
        left -= min(count, left)
      }
      measured = comparison.report()
    }
    report.pointee = handle(try ReportHandle.make(&measured, original, graph, source.allocator))
  }
  model.pointee = handle(made)
}
