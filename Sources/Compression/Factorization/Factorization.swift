#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Makes two layers of one, where that takes fewer weights. Dense layers and convolutions without groups:
///
///     by results    W [m x n] = U (U^T W)     n -> c -> m: the first layer has the window, the second is dense or 1 x 1.
///                                             Runtime layer compression of Lane et al. 2016; the equations are a reconstruction
///     spatial       W [O x KW, KH x C] so     KH x 1, C -> c, then 1 x KW, c -> O (Jaderberg et al. 2014)
///
/// The second layer keeps the node's name, result, bias, activation and residual. The names of the first one, of its weights and of
/// its result have a number where they are taken, as they are when the layer has been factorized before.
final class Factorization {
  private let pass: StatisticsPass
  private let original: Graph
  private let options: FactorizeOptions
  private var graph: Graph
  /// For each node of the original the layer that comes before it.
  private var parts: [Node?]
  private var names: GraphNames

  private init(_ graph: Graph, _ options: FactorizeOptions, _ pass: StatisticsPass) {
    original = graph
    self.graph = graph
    self.options = options
    self.pass = pass
    parts = [Node?](repeating: nil, count: graph.nodes.count)
    names = GraphNames(graph)
  }

  static func make(_ graph: Graph, _ options: FactorizeOptions) throws(EdgeError) -> Factorization {
    try options.validate(graph)
    return Factorization(graph, options, try StatisticsPass.make(graph, windows: options.windows, threads: options.threads))
  }

  /// A layer as a matrix.
  private struct Matrix {
    let layer: WeightLayer
    let isSpatial: Bool
    let rows: Int
    let columns: Int
    let window: Window
    let channels: Int

    func saves(_ rank: Int) -> Bool {
      let (weights, overflow) = rank.multipliedReportingOverflow(by: rows + columns)
      return rank >= 1 && !overflow && weights < layer.count
    }
  }

  private func matrix(_ layer: WeightLayer) -> Matrix? {
    guard layer.groups == 1, layer.rows > 1, layer.columns > 1, !pass.index.isOutput[layer.weights] else { return nil }
    // Of the same shape, so dense layers or convolutions like the first one.
    for reader in pass.index.consumers[layer.weights] {
      let node = original.nodes[reader]
      guard node.op.isLayer, node.inputs.filter({ $0 == layer.weights }).count == 1, node.inputs[1] == layer.weights else { return nil }
      if case .transposedConvolution = node.op { return nil }
      if case .convolution(let convolution) = node.op, convolution.groups > 1 { return nil }
    }
    switch original.nodes[layer.node].op {
    case .dense:
      return Matrix(
        layer: layer, isSpatial: false, rows: layer.rows, columns: layer.columns, window: Window(), channels: layer.channels)
    case .convolution(let convolution):
      let window = convolution.window
      let isSpatial = options.isSpatial && window.kernelHeight > 1 && window.kernelWidth > 1
      return Matrix(
        layer: layer, isSpatial: isSpatial, rows: isSpatial ? layer.rows * window.kernelWidth : layer.rows,
        columns: isSpatial ? window.kernelHeight * layer.channels : layer.columns, window: window, channels: layer.channels)
    default: return nil
    }
  }

  func run(_ samples: CalibrationSamples?) throws(EdgeError) -> Graph {
    var entries: [(matrix: Matrix, amount: Double)] = []
    for layer in original.weightLayers {
      guard let amount = options.amount(layer) else { continue }
      if let matrix = matrix(layer) {
        if matrix.saves(1) { entries.append((matrix, amount)) }
      } else if options.names.contains(layer.name) {
        throw EdgeError(
          .unsupportedFeature, "only dense layers and convolutions without groups can be factorized, of two rows and columns or more",
          node: layer.name)
      }
    }
    var next = 0
    while next < entries.count {
      // As many layers as statistics have room for.
      var statistics: [InputStatistics?] = []
      var targets: [StatisticsPass.Target] = []
      var bytes = 0
      let start = next
      while next < entries.count {
        // Layers of more columns than one part has are judged by their weights.
        if let samples, samples.count > 0, entries[next].matrix.layer.columns <= ObservedLayer.mostColumns,
          let layer = pass.observed(entries[next].matrix.layer)
        {
          let (sum, overflow) = bytes.addingReportingOverflow(layer.memory)
          if !targets.isEmpty, overflow || sum > StatisticsPass.memoryLimit { break }
          bytes = sum
          let parts = try layer.statistics(threads: options.threads)
          targets.append((layer, parts))
          statistics.append(parts[0])
        } else {
          statistics.append(nil)
        }
        next += 1
      }
      if let samples, !targets.isEmpty {
        try pass.run(targets, nil, samples) { () throws(EdgeError) in try report(start, entries.count) }
      }
      for place in start..<next {
        try report(place, entries.count)
        let count = entries.count
        try factorize(entries[place].matrix, entries[place].amount, statistics[place - start]) { () throws(EdgeError) in
          try self.report(place, count)
        }
      }
    }
    var nodes: [Node] = []
    for (number, node) in graph.nodes.enumerated() {
      if let part = parts[number] { nodes.append(part) }
      nodes.append(node)
    }
    graph.nodes = nodes
    let result = graph.compacted()
    try result.validate()
    return result
  }

  private func report(_ done: Int, _ total: Int) throws(EdgeError) {
    if let progress = options.progress, !progress("factorizing", done, total) {
      throw EdgeError(.cancelled, "factorizing was cancelled")
    }
  }

  private func factorize(
    _ matrix: Matrix, _ amount: Double, _ found: InputStatistics?, pause: @escaping LeftFactor.Pause
  ) throws(EdgeError) {
    let layer = matrix.layer
    let statistics = found?.isFinite == true ? found : nil
    let weights = try Storage.floats(layer.count)
    let source = try original.finiteWeights(layer)
    source.withUnsafeBufferPointer { if let base = $0.baseAddress { weights.floats.update(from: base, count: layer.count) } }
    let arranged = matrix.isSpatial ? try rearranged(weights, matrix, isBack: false) : weights
    let factor = try LeftFactor(
      arranged.floats, rows: matrix.rows, columns: matrix.columns, moments: matrix.isSpatial ? nil : statistics?.gram.floats,
      pause: pause)
    let energies = factor.energies
    guard (energies.first ?? 0) > 0 else { return }
    var rank = min(options.leastRank(energies, amount), energies.count)
    // With data the error of spatial factors is that of the result, which follows from the weights they make.
    let isMeasured = matrix.isSpatial && statistics != nil && options.rank != .count
    guard isMeasured || matrix.saves(rank) else { return }
    let most = isMeasured ? mostRank(matrix, energies.count) : rank
    guard most >= 1 else { return }
    let vectors = try factor.vectors(most)
    let first = try product(vectors, arranged, matrix, most)
    if isMeasured, let statistics {
      let limit = options.rank == .error ? amount * amount : 1 - amount
      let meter = try ResultError(statistics, rows: layer.rows, weights.floats, threads: options.threads)
      func error(_ rank: Int) throws(EdgeError) -> Double {
        try meter.relative(try rearranged(try joined(vectors, first, matrix, rank), matrix, isBack: true))
      }
      guard try error(most) <= limit else { return }
      var low = 0
      rank = most
      while rank - low > 1 {
        let middle = (low + rank) / 2
        if try error(middle) <= limit { rank = middle } else { low = middle }
      }
    }
    let both = try joined(vectors, first, matrix, rank)
    let approximation = matrix.isSpatial ? try rearranged(both, matrix, isBack: true) : both
    try replace(matrix, rank, first, vectors)
    if let statistics {
      let after = approximation.floatArray(layer.count)
      try graph.correctBias(layer, [statistics], before: source, after: after, index: pass.index)
    }
  }

  /// The largest rank that saves.
  private func mostRank(_ matrix: Matrix, _ side: Int) -> Int {
    min(side, (matrix.layer.count - 1) / (matrix.rows + matrix.columns))
  }

  /// [O][KH][KW][C] as [O][KW][KH][C], or back.
  private func rearranged(_ weights: Storage, _ matrix: Matrix, isBack: Bool) throws(EdgeError) -> Storage {
    let result = try Storage.floats(matrix.layer.count)
    let (height, width, channels) = (matrix.window.kernelHeight, matrix.window.kernelWidth, matrix.channels)
    var row = 0
    while row < matrix.layer.rows {
      for ky in 0..<height {
        for kx in 0..<width {
          let plain = ((row &* height &+ ky) &* width &+ kx) &* channels
          let turned = ((row &* width &+ kx) &* height &+ ky) &* channels
          let (from, to) = isBack ? (turned, plain) : (plain, turned)
          (result.floats + to).update(from: weights.floats + from, count: channels)
        }
      }
      row &+= 1
    }
    return result
  }

  /// U^T W, [rank][columns].
  private func product(_ vectors: Storage, _ weights: Storage, _ matrix: Matrix, _ rank: Int) throws(EdgeError) -> Storage {
    let session = try MatrixSession.product(
      groups: 1, rows: rank, inner: matrix.rows, columns: matrix.columns, threads: options.threads)
    let (a, b) = (try session.input(0), try session.input(1))
    var index = 0
    while index < rank &* matrix.rows {
      a[index] = Float(vectors.doubles[index])
      index &+= 1
    }
    b.update(from: weights.floats, count: matrix.layer.count)
    try session.run()
    let result = try Storage.floats(rank &* matrix.columns)
    result.floats.update(from: try session.output(0), count: rank &* matrix.columns)
    return result
  }

  /// U with the first `rank` vectors as columns [rows][rank].
  private func second(_ vectors: Storage, _ matrix: Matrix, _ rank: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: matrix.rows * rank) { buffer, written in
      var row = 0
      while row < matrix.rows {
        var column = 0
        while column < rank {
          buffer[row &* rank &+ column] = Float(vectors.doubles[column &* matrix.rows &+ row])
          column &+= 1
        }
        row &+= 1
      }
      written = matrix.rows &* rank
    }
  }

  /// What both factors make together, [rows][columns].
  private func joined(_ vectors: Storage, _ first: Storage, _ matrix: Matrix, _ rank: Int) throws(EdgeError) -> Storage {
    let session = try MatrixSession.product(
      groups: 1, rows: matrix.rows, inner: rank, columns: matrix.columns, threads: options.threads)
    let (a, b) = (try session.input(0), try session.input(1))
    second(vectors, matrix, rank).withUnsafeBufferPointer { if let base = $0.baseAddress { a.update(from: base, count: matrix.rows &* rank) } }
    b.update(from: first.floats, count: rank &* matrix.columns)
    try session.run()
    let result = try Storage.floats(matrix.layer.count)
    result.floats.update(from: try session.output(0), count: matrix.layer.count)
    return result
  }

  /// In all layers that read the weights.
  private func replace(_ matrix: Matrix, _ rank: Int, _ first: Storage, _ vectors: Storage) throws(EdgeError) {
    var factors: (ValueID, ValueID)?
    for reader in pass.index.consumers[matrix.layer.weights] { try replace(matrix, reader, rank, first, vectors, &factors) }
  }

  private func replace(
    _ matrix: Matrix, _ reader: Int, _ rank: Int, _ first: Storage, _ vectors: Storage, _ factors: inout (ValueID, ValueID)?
  ) throws(EdgeError) {
    let layer = matrix.layer
    var node = graph.nodes[reader]
    let weights = graph.values[layer.weights].name
    let result = graph.values[node.outputs[0]].name
    var (firstOp, secondOp) = (node.op, node.op)
    var (firstShape, secondShape) = (Shape([rank, matrix.columns]), Shape([layer.rows, rank]))
    if case .convolution(var convolution) = node.op {
      let clamp = convolution.clamp
      let window = convolution.window
      var across = Window()
      if matrix.isSpatial {
        across.kernelWidth = window.kernelWidth
        (across.strideWidth, across.dilationWidth) = (window.strideWidth, window.dilationWidth)
        (across.padLeft, across.padRight) = (window.padLeft, window.padRight)
        convolution.window.kernelWidth = 1
        (convolution.window.strideWidth, convolution.window.dilationWidth) = (1, 1)
        (convolution.window.padLeft, convolution.window.padRight) = (0, 0)
      }
      convolution.clamp = .none
      firstOp = .convolution(convolution)
      var second = Convolution(window: across)
      second.clamp = clamp
      secondOp = .convolution(second)
      firstShape = Shape([rank, convolution.window.kernelHeight, convolution.window.kernelWidth, matrix.channels])
      secondShape = Shape([layer.rows, 1, across.kernelWidth, rank])
    } else {
      firstOp = .dense(.none)
    }
    if factors == nil {
      let firstName = names.values.insertApart(weights.extended(by: PartName.factor))
      let a = try graph.addConstant(firstName, .float32, firstShape, first.floatArray(rank * matrix.columns))
      factors = (a, try graph.addConstant(weights, .float32, secondShape, second(vectors, matrix, rank)))
    }
    guard let (a, b) = factors else { return }
    let name = names.nodes.insertApart(node.name.extended(by: PartName.factor))
    let resultName = names.values.insertApart(result.extended(by: PartName.factor))
    let between = try graph.addNode(firstOp, name: name, inputs: [node.inputs[0], a], outputNames: [resultName])
    parts[reader] = graph.nodes.removeLast()
    node.op = secondOp
    node.inputs[0] = between[0]
    node.inputs[1] = b
    graph.nodes[reader] = node
  }
}

/// How far weights are from those there were, in what a layer computes from its inputs.
private struct ResultError {
  private let original: Storage
  private let session: MatrixSession
  private let count: Int
  private let power: Double

  init(_ statistics: InputStatistics, rows: Int, _ original: UnsafePointer<Float>, threads: Int) throws(EdgeError) {
    count = rows &* statistics.columns
    let copy = try Storage.floats(count)
    copy.floats.update(from: original, count: count)
    self.original = copy
    session = try MatrixSession.product(
      groups: 1, rows: rows, inner: statistics.columns, columns: statistics.columns, threads: threads)
    try session.input(1).update(from: statistics.gram.floats, count: statistics.columns &* statistics.columns)
    power = try ResultError.power(session, copy.floats, nil, count)
  }

  /// Power of the error relative to that of the result. Takes the memory, not an address, which would not keep it.
  func relative(_ weights: Storage) throws(EdgeError) -> Double {
    let error = try ResultError.power(session, original.floats, weights.floats, count)
    withExtendedLifetime(weights) {}
    return power > 0 ? max(error, 0) / power : 0
  }

  /// The sum over rows of d H d^T, where d = a - b.
  private static func power(
    _ session: MatrixSession, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>?, _ count: Int
  ) throws(EdgeError) -> Double {
    let (difference, product) = (try session.input(0), try session.output(0))
    var index = 0
    while index < count {
      difference[index] = b.map { a[index] - $0[index] } ?? a[index]
      index &+= 1
    }
    try session.run()
    var sum = 0.0
    index = 0
    while index < count {
      sum += Double(difference[index]) * Double(product[index])
      index &+= 1
    }
    return sum
  }
}

extension Graph {
  /// The graph with dense layers and convolutions as two layers of low rank each, where that saves weights. With `samples`,
  /// errors are those of the layers' results, and biases take the mean error.
  ///
  /// Throws `invalidArgument` (an option, a name that no layer has, an input that is not finite), `invalidGraph` (weights that
  /// are not finite), `cancelled`, `unsupportedFeature` (no layers, a named one that cannot be factorized), `unsupportedOperator`, `limitExceeded`, `outOfMemory`.
  public func factorized(_ options: FactorizeOptions, samples: CalibrationSamples? = nil) throws(EdgeError) -> Graph {
    let factorization = try Factorization.make(self, options)
    return try factorization.run(samples)
  }
}
