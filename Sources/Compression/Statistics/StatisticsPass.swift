#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// A layer whose input can be watched: it is a float32 result that every run computes once, and the weights are the layer's own.
struct ObservedLayer {
  /// Moments of more columns than this are taken in parts, as if the parts did not depend on each other.
  static let mostColumns = 2304

  let layer: WeightLayer
  let input: ValueID
  let windows: InputWindows

  init?(_ graph: Graph, _ layer: WeightLayer, _ index: GraphIndex, _ flow: ControlFlow) {
    let node = graph.nodes[layer.node]
    guard let x = node.input(0), graph.values[x].dtype == .float32, graph.values[x].constant == nil,
      graph.values[x].quantization == nil, flow.blocks[layer.node] == 0, index.isUsedOnce(layer.weights),
      let windows = InputWindows(graph, layer), windows.positions > 0
    else { return nil }
    self.layer = layer
    input = x
    self.windows = windows
  }

  private var partCount: Int { (layer.columns + ObservedLayer.mostColumns - 1) / ObservedLayer.mostColumns }

  /// Bytes of the statistics, about.
  var memory: Int {
    let columns = (layer.columns + partCount - 1) / partCount
    let (width, o1) = layer.groups.multipliedReportingOverflow(by: columns)
    let (square, o2) = width.multipliedReportingOverflow(by: columns)
    let (bytes, o3) = square.multipliedReportingOverflow(by: 16 * partCount)
    return o1 || o2 || o3 ? Int.max : bytes
  }

  /// Throws `limitExceeded`, `outOfMemory`.
  func statistics(threads: Int) throws(EdgeError) -> [InputStatistics] {
    var parts: [InputStatistics] = []
    for part in 0..<partCount {
      let (start, end) = (layer.columns * part / partCount, layer.columns * (part + 1) / partCount)
      parts.append(try InputStatistics.make(start: start, columns: end - start, groups: layer.groups, threads: threads))
    }
    return parts
  }
}

/// Runs samples through a network, and through what has become of it, and takes the statistics of layers' inputs.
final class StatisticsPass {
  /// Of the statistics that are taken together.
  static let memoryLimit = 1 << 29

  typealias Target = (layer: ObservedLayer, parts: [InputStatistics])

  let original: Graph
  let index: GraphIndex
  let flow: ControlFlow
  /// Windows of a sample, at most.
  let windows: Int
  let threads: Int

  private init(_ graph: Graph, _ flow: ControlFlow, _ windows: Int, _ threads: Int) {
    original = graph
    index = GraphIndex(graph)
    self.flow = flow
    self.windows = windows
    self.threads = threads
  }

  static func make(_ graph: Graph, windows: Int, threads: Int) throws(EdgeError) -> StatisticsPass {
    StatisticsPass(graph, try ControlFlow(graph), windows, threads)
  }

  func observed(_ layer: WeightLayer) -> ObservedLayer? { ObservedLayer(original, layer, index, flow) }

  /// `changed`: the original with other weights; nil when it is still the same. `report` is called before each sample.
  func run(
    _ targets: [Target], _ changed: Graph?, _ samples: CalibrationSamples, report: () throws(EdgeError) -> Void
  ) throws(EdgeError) {
    var observed: [ValueID] = []
    for target in targets where !observed.contains(target.layer.input) { observed.append(target.layer.input) }
    let reference = try GraphRunner.make(shortened(original, observed), observed: observed, threads: threads, isa: nil)
    var current = reference
    if let changed { current = try GraphRunner.make(shortened(changed, observed), observed: observed, threads: threads, isa: nil) }
    var widest = 1
    for target in targets { widest = max(widest, target.layer.windows.columns) }
    let rows = try Storage.floats(try checkedProduct(widest, 2))
    let (xRow, yRow) = (rows.floats, rows.floats + widest)
    try samples.forEach { number, inputs, sample throws(EdgeError) in
      try report()
      try reference.run(inputs, sample: sample, requiresFinite: true)
      if changed != nil { try current.run(inputs, sample: sample, requiresFinite: true) }
      for (layer, parts) in targets {
        guard let x = reference.pointer(of: layer.input)?.assumingMemoryBound(to: Float.self),
          let y = current.pointer(of: layer.input)?.assumingMemoryBound(to: Float.self)
        else { throw EdgeError(.internalError, "a layer's input has no memory", tensor: original.values[layer.input].name) }
        let count = min(windows, layer.windows.positions)
        // Evenly spread, and in every sample others: steps of the golden section never fall together.
        let offset = (Double(number) * 0.6180339887498949).truncatingRemainder(dividingBy: 1)
        for window in 0..<count {
          let place = Int((Double(window) + offset) * Double(layer.windows.positions) / Double(count))
          let position = min(place, layer.windows.positions - 1)
          for group in 0..<layer.layer.groups {
            layer.windows.gather(x, position: position, group: group, to: xRow)
            if changed != nil { layer.windows.gather(y, position: position, group: group, to: yRow) }
            for part in parts { part.add(xRow, changed == nil ? xRow : yRow, group: group) }
          }
          for part in parts { try part.endRow() }
        }
      }
    }
    for target in targets { for part in target.parts { try part.finish() } }
  }

  /// The graph without what comes after the values, where that is simple.
  private func shortened(_ graph: Graph, _ observed: [ValueID]) -> Graph {
    var last = -1
    for value in observed { last = max(last, index.producer(of: value) ?? -1) }
    guard last >= 0, graph.states.isEmpty, flow.constructs.isEmpty else { return graph }
    var result = graph
    result.nodes = Array(graph.nodes.prefix(last + 1))
    result.outputs = observed.filter { index.producer(of: $0) != nil }
    return result
  }
}
