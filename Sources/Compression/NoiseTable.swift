import CPlatform
#if !EDGEAI_SINGLE_MODULE
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
/// The memory begins with a checksum of the ladder's weights and the samples, followed by a double for each layer and level after
/// the first, row by row; -1 where nothing was measured yet.
struct NoiseTable {
  private static let notMeasured = -1.0
  private let memory: UnsafeMutableRawPointer
  private let ladder: LayerLadder

  /// Bytes for a ladder of so many layers and levels; nil on overflow.
  static func byteCount(layers: Int, levels: Int) -> Int? {
    let (cells, overflow) = layers.multipliedReportingOverflow(by: levels - 1)
    let (bytes, overflow2) = cells.multipliedReportingOverflow(by: 8)
    return overflow || overflow2 || bytes > Int.max - 8 ? nil : bytes + 8
  }

  /// `memory`: `byteCount` bytes, zeros or what an earlier search of the same left. Throws `invalidArgument` when it belongs to
  /// another search.
  init(_ memory: UnsafeMutableRawPointer, _ ladder: LayerLadder, _ samples: CalibrationSamples) throws(EdgeError) {
    self.memory = memory
    self.ladder = ladder
    var checksum = try samples.checksum(ladder.levels[0])
    for level in ladder.levels.indices {
      for layer in ladder.layers {
        guard let weights = ladder.weights(layer, level).constant else { continue }
        checksum = ep_crc32c(checksum, weights.base, weights.byteCount)
      }
    }
    // Never zero: that is fresh memory.
    let own = UInt64(checksum) | 1 << 32
    let found = memory.loadUnaligned(as: UInt64.self)
    guard found == 0 || found == own else {
      throw EdgeError(.invalidArgument, "the state is of a search with another model, other options or other data")
    }
    if found == own { return }
    for layer in ladder.layers.indices {
      for level in 1..<ladder.levels.count { set(layer, level, NoiseTable.notMeasured) }
    }
    memory.storeBytes(of: own, as: UInt64.self)
  }

  private func offset(_ layer: Int, _ level: Int) -> Int { 8 + 8 * (layer * (ladder.levels.count - 1) + level - 1) }

  private func set(_ layer: Int, _ level: Int, _ noise: Double) { memory.storeBytes(of: noise, toByteOffset: offset(layer, level), as: Double.self) }

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
          set(index, level, isSame ? row[level - 1] : try meter.measure(ladder.graph(layer: index, level: level)).noise)
        }
        row.append(noise(index, level))
      }
      rows.append(row)
    }
    return rows
  }
}
