import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Format
import Graph
#endif

extension CalibrationSamples {
  /// Of all bytes, in order.
  fileprivate func checksum(_ graph: Graph) throws(EdgeError) -> UInt32 {
    var sum: UInt32 = 0
    try forEach { (_, inputs, sample) throws(EdgeError) in
      for (input, id) in zip(inputs, graph.callerInputs) {
        let bytes = graph.values[id].byteCount() ?? 0
        sum = ep_crc32c(sum, input + sample * bytes, bytes)
      }
    }
    return sum
  }
}

/// The noise of each layer at each level of a ladder, measured one change at a time: what takes long in a search. It lives in
/// memory of the caller's, who can stop the measuring at any time and go on from there another day.
///
/// The memory begins with two checksums of 32 bits, of what the noises depend on (the model, the levels' weights and biases, the samples
/// and how many of them measure) and of that and all that follows: a double for each layer and level after the first, row by row; -1
/// where nothing was measured yet.
struct NoiseTable {
  private static let notMeasured = -1.0
  private let memory: UnsafeMutableRawPointer
  private let ladder: LayerLadder
  private let identity: UInt32
  private let byteCount: Int

  /// Bytes for a ladder of so many layers and levels; nil on overflow.
  static func byteCount(layers: Int, levels: Int) -> Int? {
    let (cells, overflow) = layers.multipliedReportingOverflow(by: levels - 1)
    let (bytes, overflow2) = cells.multipliedReportingOverflow(by: 8)
    return overflow || overflow2 || bytes > Int.max - 8 ? nil : bytes + 8
  }

  /// `memory`: `byteCount` bytes, zeros or what an earlier search of the same left. Throws `invalidArgument` when it belongs to
  /// another search, or was changed. `scanSamples`: so many samples measure.
  init(
    _ memory: UnsafeMutableRawPointer, _ byteCount: Int, _ ladder: LayerLadder, _ samples: CalibrationSamples, scanSamples: Int
  ) throws(EdgeError) {
    self.memory = memory
    self.byteCount = byteCount
    self.ladder = ladder
    // Metadata changes nothing, and the weights come below: the rest of the model is small.
    var rest = ladder.levels[0]
    rest.metadata = []
    for layer in ladder.layers { rest.values[layer.weights].constant = nil }
    let image = try encodeModel(rest)
    var checksum = ep_crc32c(try samples.checksum(rest), image.base, image.count)
    for level in ladder.levels.indices {
      for layer in ladder.layers {
        for value in [ladder.weights(layer, level), ladder.bias(layer, level)] {
          guard let data = value?.constant else { continue }
          checksum = ep_crc32c(checksum, data.base, data.byteCount)
        }
      }
    }
    var count = Int64(scanSamples)
    identity = ep_crc32c(checksum, &count, 8)
    if memory.loadUnaligned(as: UInt64.self) == 0 {
      for layer in ladder.layers.indices {
        for level in 1..<ladder.levels.count { store(layer, level, NoiseTable.notMeasured) }
      }
      seal()
    }
    guard memory.loadUnaligned(as: UInt32.self) == identity else {
      throw EdgeError(.invalidArgument, "the state is of a search with another model, other options or other data")
    }
    guard memory.loadUnaligned(fromByteOffset: 4, as: UInt32.self) == checksumOfNoises else {
      throw EdgeError(.invalidArgument, "the state is damaged: its checksum is not that of its contents")
    }
  }

  private var checksumOfNoises: UInt32 { ep_crc32c(identity, memory + 8, byteCount - 8) }

  private func seal() {
    memory.storeBytes(of: identity, as: UInt32.self)
    memory.storeBytes(of: checksumOfNoises, toByteOffset: 4, as: UInt32.self)
  }

  private func offset(_ layer: Int, _ level: Int) -> Int { 8 + 8 * (layer * (ladder.levels.count - 1) + level - 1) }

  private func store(_ layer: Int, _ level: Int, _ noise: Double) { memory.storeBytes(of: noise, toByteOffset: offset(layer, level), as: Double.self) }

  private func noise(_ layer: Int, _ level: Int) -> Double { memory.loadUnaligned(fromByteOffset: offset(layer, level), as: Double.self) }

  /// Measures what is missing; then the noise of each layer at each level, 0 at the first. A level whose weights are those of
  /// the level before has the same noise. Throws `cancelled`, with all that was measured kept.
  func measured(_ meter: OutputNoise, _ progress: CompressionProgress?) throws(EdgeError) -> [[Double]] {
    var rows: [[Double]] = []
    for (index, layer) in ladder.layers.enumerated() {
      var row = [0.0]
      for level in 1..<ladder.levels.count {
        if let progress, !progress("measuring layers", index * (ladder.levels.count - 1) + level - 1, ladder.layers.count * (ladder.levels.count - 1)) {
          throw EdgeError(.cancelled, "the search was cancelled")
        }
        if noise(index, level) == NoiseTable.notMeasured {
          let isSame = ladder.hasSameWeights(layer, level - 1, level)
          store(index, level, isSame ? row[level - 1] : try meter.measure(ladder.graph(layer: index, level: level)).noise)
          seal()
        }
        row.append(noise(index, level))
      }
      rows.append(row)
    }
    return rows
  }
}
