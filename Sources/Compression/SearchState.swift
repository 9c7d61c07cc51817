import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Format
import Graph
#endif

/// What a search has made and measured: the levels of each layer, one change at a time the noise that each brings, and its coded bytes. It
/// lives in memory of the caller's, who can stop the search at any time and go on from there another day.
///
/// The memory begins with two checksums of 32 bits, of what all depends on (the model, the samples, the options and the library) and of
/// that and the numbers behind; where the levels end, 64 bits; and a checksum of the levels, 64 bits. A double for each layer and level
/// follows, row by row, noises before bytes; -1 where nothing was measured yet. Then the levels, one layer after the other: which layer and
/// level it is, how many bytes its weights take and how many its bias, 32 bits each, and these bytes, none where the original's stay:
/// coded weights (`encodeConstant`) and float32. After one for which there is no room none is kept.
final class SearchState {
  private static let notMeasured = -1.0
  fileprivate static let head = 24

  /// The original, and what becomes of it, as far as it is made.
  var levels: [Graph]
  let layers: [WeightLayer]
  private var isMade: [Bool]
  private let index: GraphIndex
  private let memory: UnsafeMutableRawPointer
  private var byteCount: Int
  /// The memory, where the caller gives none.
  private let own: Storage
  private let identity: UInt32

  private var cells: Int { isMade.count }
  private var numbersEnd: Int { SearchState.head + 16 * cells }

  private init(
    _ graph: Graph, _ layers: [WeightLayer], _ levels: Int, _ memory: UnsafeMutableRawPointer, _ byteCount: Int, _ own: Storage,
    _ identity: UInt32
  ) {
    self.levels = [Graph](repeating: graph, count: levels)
    self.layers = layers
    isMade = [Bool](repeating: false, count: layers.count * levels)
    index = GraphIndex(graph)
    (self.memory, self.byteCount, self.own, self.identity) = (memory, byteCount, own, identity)
  }

  /// Goes on from the memory of the options, `byteCount` bytes. Throws `invalidArgument` when that belongs to another search, or was
  /// changed.
  static func make(
    _ graph: Graph, _ options: SearchOptions, _ samples: CalibrationSamples, _ byteCount: Int
  ) throws(EdgeError) -> SearchState {
    let (layers, levels) = (graph.weightLayers, options.method.levelCount)
    let own = try Storage.allocate(options.state == nil ? head + 16 * layers.count * levels : 0)
    let state = SearchState(
      graph, layers, levels, options.state ?? own.base, options.state == nil ? own.count : byteCount, own,
      try options.identity(graph, samples))
    try state.open()
    return state
  }

  private func open() throws(EdgeError) {
    if memory.loadUnaligned(as: UInt64.self) == 0 {
      for cell in 0..<(2 * cells) { store(cell, SearchState.notMeasured) }
      seal(levelsEnd: numbersEnd)
    }
    guard memory.loadUnaligned(as: UInt32.self) == identity else {
      throw EdgeError(.invalidArgument, "the state is of a search with another model, other options or other data")
    }
    let end = levelsEnd
    guard checksum == word(4), end >= numbersEnd, end <= byteCount,
      ep_crc32c(0, memory + numbersEnd, end - numbersEnd) == word(16), try readLevels(end)
    else { throw EdgeError(.invalidArgument, "the state is damaged: its checksum is not that of its contents") }
  }

  private func word(_ place: Int) -> UInt32 { memory.loadUnaligned(fromByteOffset: place, as: UInt32.self) }
  private var levelsEnd: Int { Int(truncatingIfNeeded: memory.loadUnaligned(fromByteOffset: 8, as: Int64.self)) }
  private var checksum: UInt32 { ep_crc32c(identity, memory + 8, numbersEnd - 8) }

  private func seal(levelsEnd: Int) {
    memory.storeBytes(of: identity, as: UInt32.self)
    memory.storeBytes(of: Int64(levelsEnd), toByteOffset: 8, as: Int64.self)
    memory.storeBytes(of: checksum, toByteOffset: 4, as: UInt32.self)
  }

  private func number(_ cell: Int) -> Double { memory.loadUnaligned(fromByteOffset: SearchState.head + 8 * cell, as: Double.self) }

  private func store(_ cell: Int, _ number: Double) {
    memory.storeBytes(of: number, toByteOffset: SearchState.head + 8 * cell, as: Double.self)
  }

  /// Whether a layer is made at a level. Of those of a layer, or of a level, the last is made last.
  func has(_ row: Int, _ level: Int) -> Bool { row >= 0 && isMade[row * levels.count + level] }

  /// False where they make no sense.
  private func readLevels(_ end: Int) throws(EdgeError) -> Bool {
    var place = numbersEnd
    while end - place >= 12 {
      let (cell, weights, bias) = (Int(clamping: word(place)), Int(clamping: word(place + 4)), Int(clamping: word(place + 8)))
      place += 12
      guard cell < cells, cell % levels.count > 0, weights <= end - place, bias <= end - place - weights else { return false }
      let (layer, level) = (layers[cell / levels.count], cell % levels.count)
      if weights > 0 {
        levels[level].values[layer.weights].constant = try decodeConstant(
          levels[0].values[layer.weights], UnsafeRawBufferPointer(start: memory + place, count: weights))
      }
      place += weights
      if bias > 0 {
        guard bias == 4 * layer.rows, levels[level].bias(layer) != nil else { return false }
        let numbers = [Float](unsafeUninitializedCapacity: layer.rows) { numbers, written in
          UnsafeMutableRawBufferPointer(numbers).copyMemory(from: UnsafeRawBufferPointer(start: memory + place, count: bias))
          written = layer.rows
        }
        try levels[level].setBias(layer, numbers, index: index)
      }
      place += bias
      isMade[cell] = true
    }
    return place == end
  }

  /// Keeps what was made of a layer at a level, and its bytes, which are known then.
  func keep(_ row: Int, _ level: Int) throws(EdgeError) {
    let cell = row * levels.count + level
    guard !isMade[cell] else { return }
    isMade[cell] = true
    guard byteCount > numbersEnd else { return }
    let (layer, graph) = (layers[row], levels[level])
    let coded = try encodeConstant(graph.values[layer.weights])
    store(cells + cell, Double(coded.bytes.count - coded.form))
    let isNew = graph.values[layer.weights].constant?.storage !== levels[0].values[layer.weights].constant?.storage
    let weights = isNew ? coded.bytes : []
    // A bias that others read too is not the layer's.
    var bias: [Float] = []
    if let id = graph.nodes[layer.node].input(2), id >= levels[0].values.count || index.isUsedOnce(id) { bias = graph.bias(layer) ?? [] }
    let place = levelsEnd
    var end = place + 12 + weights.count + 4 * bias.count
    if end <= byteCount {
      copy([cell, weights.count, 4 * bias.count].map { UInt32(truncatingIfNeeded: $0) }, place)
      copy(weights, place + 12)
      copy(bias, end - 4 * bias.count)
      memory.storeBytes(of: ep_crc32c(word(16), memory + place, end - place), toByteOffset: 16, as: UInt32.self)
    } else {
      end = place
      byteCount = place
    }
    seal(levelsEnd: end)
  }

  private func copy<T: BitwiseCopyable>(_ elements: [T], _ place: Int) {
    elements.withUnsafeBytes { if let base = $0.baseAddress { (memory + place).copyMemory(from: base, byteCount: $0.count) } }
  }

  /// Measures what is missing; then the noise of each layer at each level, or without `meter` its coded bytes. A level whose weights
  /// are those of the level before has the same. Throws `cancelled`, with all that was measured kept.
  func measured(_ ladder: LayerLadder, _ meter: OutputNoise?, _ progress: CompressionProgress?) throws(EdgeError) -> [[Double]] {
    var rows: [[Double]] = []
    for (index, layer) in layers.enumerated() {
      var row: [Double] = []
      for level in levels.indices {
        let cell = index * levels.count + level
        if let progress, !progress("measuring layers", cell, cells) { throw EdgeError(.cancelled, "the search was cancelled") }
        let place = meter == nil ? cells + cell : cell
        var number = number(place)
        if number == SearchState.notMeasured {
          if level > 0, ladder.hasSameWeights(layer, level - 1, level) {
            number = row[level - 1]
          } else if let meter {
            number = level > 0 ? try meter.measure(ladder.graph(layer: index, level: level)).noise : 0
          } else {
            number = Double(try codedByteCount(ladder.weights(layer, level)))
          }
          store(place, number)
          seal(levelsEnd: levelsEnd)
        }
        row.append(number)
      }
      rows.append(row)
    }
    return rows
  }
}

extension Graph {
  /// Bytes of a search's state: twice the weights as float32, and the numbers. Levels that follow the prices of a grid take some 1.6 times
  /// the weights. Throws `limitExceeded`.
  public func searchStateBytes(_ options: SearchOptions) throws(EdgeError) -> Int {
    var bytes = SearchState.head
    for layer in weightLayers {
      let own = try checkedProduct(layer.rows + 12, try checkedProduct(8, layer.columns + options.method.levelCount))
      let (sum, overflow) = bytes.addingReportingOverflow(own)
      if overflow { throw EdgeError(.limitExceeded, "a size overflows") }
      bytes = sum
    }
    return bytes
  }
}

extension SearchOptions {
  /// A checksum of what levels and numbers depend on.
  fileprivate func identity(_ graph: Graph, _ samples: CalibrationSamples) throws(EdgeError) -> UInt32 {
    var graph = graph
    graph.metadata = []
    let image = try encodeModel(graph)
    var sum = ep_crc32c(version, image.base, image.count)
    try samples.forEach { (_, inputs, sample) throws(EdgeError) in
      for (input, id) in zip(inputs, graph.callerInputs) {
        let bytes = graph.values[id].byteCount() ?? 0
        sum = ep_crc32c(sum, input + sample * bytes, bytes)
      }
    }
    let isGrid = method == .grid
    for number in [scanSamples, isGrid ? 0 : blockRows, isGrid ? 0 : blockColumns] {
      var number = Int64(number)
      sum = ep_crc32c(sum, &number, 8)
    }
    return sum
  }
}
