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

/// What is measured of each layer at each level of a ladder, one change at a time: the noise it brings, and its coded bytes. It lives
/// in memory of the caller's, who can stop the measuring at any time and go on from there another day.
///
/// The memory begins with two checksums of 32 bits, of what the numbers depend on (the model, the levels' weights and biases, the samples
/// and how many of them measure) and of that and all that follows: a double for each layer and level, row by row, noises before
/// bytes; -1 where nothing was measured yet.
struct LayerTable {
  private static let notMeasured = -1.0
  private let memory: UnsafeMutableRawPointer
  private let ladder: LayerLadder
  private let identity: UInt32
  private let byteCount: Int

  /// `memory`: `byteCount` bytes (`Graph.searchStateBytes`), zeros or what an earlier search of the same left. Throws
  /// `invalidArgument` when it belongs to another search, or was changed. `scanSamples`: so many samples measure.
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
      for cell in 0..<(byteCount / 8 - 1) { store(8 + 8 * cell, LayerTable.notMeasured) }
      seal()
    }
    guard memory.loadUnaligned(as: UInt32.self) == identity else {
      throw EdgeError(.invalidArgument, "the state is of a search with another model, other options or other data")
    }
    guard memory.loadUnaligned(fromByteOffset: 4, as: UInt32.self) == checksumOfNumbers else {
      throw EdgeError(.invalidArgument, "the state is damaged: its checksum is not that of its contents")
    }
  }

  private var checksumOfNumbers: UInt32 { ep_crc32c(identity, memory + 8, byteCount - 8) }

  private func seal() {
    memory.storeBytes(of: identity, as: UInt32.self)
    memory.storeBytes(of: checksumOfNumbers, toByteOffset: 4, as: UInt32.self)
  }

  private func store(_ place: Int, _ number: Double) { memory.storeBytes(of: number, toByteOffset: place, as: Double.self) }

  /// Measures what is missing; then the noise of each layer at each level, or without `meter` its coded bytes. A level whose weights
  /// are those of the level before has the same. Throws `cancelled`, with all that was measured kept.
  func measured(_ meter: OutputNoise?, _ progress: CompressionProgress?) throws(EdgeError) -> [[Double]] {
    var rows: [[Double]] = []
    let levels = ladder.levels.count
    let cells = ladder.layers.count * levels
    for (index, layer) in ladder.layers.enumerated() {
      var row: [Double] = []
      for level in 0..<levels {
        let cell = index * levels + level
        if let progress, !progress("measuring layers", cell, cells) { throw EdgeError(.cancelled, "the search was cancelled") }
        let place = 8 + 8 * (meter == nil ? cells + cell : cell)
        var number = memory.loadUnaligned(fromByteOffset: place, as: Double.self)
        if number == LayerTable.notMeasured {
          if level > 0, ladder.hasSameWeights(layer, level - 1, level) {
            number = row[level - 1]
          } else if let meter {
            number = level > 0 ? try meter.measure(ladder.graph(layer: index, level: level)).noise : 0
          } else {
            number = Double(try codedByteCount(ladder.weights(layer, level)))
          }
          store(place, number)
          seal()
        }
        row.append(number)
      }
      rows.append(row)
    }
    return rows
  }
}
