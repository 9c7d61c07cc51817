#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// The weights of a layer that are not zero, in ascending order, each with how much it matters, and sums over any range of them.
///
/// Sums are kept for whole blocks and added up inside one, so that a hundred million weights need little more than themselves.
struct SortedWeights {
  let count: Int
  private let values: UnsafeMutablePointer<Float>
  private let masses: UnsafeMutablePointer<Float>?
  /// Keeps both alive.
  private let storage: Storage
  /// Mass, and mass times value, in front of each block.
  private let blocks: Storage

  private static let blockSize = 256

  /// `importance`: of each column of each group, [groups][columns]; empty: all weights matter the same. Throws `outOfMemory`.
  init(_ weights: [Float], _ layer: WeightLayer, importance: [Float]) throws(EdgeError) {
    count = nonZeroCount(weights)
    let arrays = importance.isEmpty ? 2 : 4
    storage = try Storage.floats(try checkedProduct(count, arrays))
    blocks = try Storage.doubles((count / SortedWeights.blockSize + 2) * 2)
    values = storage.floats
    masses = importance.isEmpty ? nil : storage.floats + count
    let rowsOfGroup = max(layer.rows / max(layer.groups, 1), 1)
    var target = 0
    weights.withUnsafeBufferPointer { weights in
      importance.withUnsafeBufferPointer { importance in
        var row = 0
        while row < layer.rows {
          let group = row / rowsOfGroup &* layer.columns
          var column = 0
          while column < layer.columns {
            let value = weights[row &* layer.columns &+ column]
            if value != 0 {
              values[target] = value
              if let masses { masses[target] = importance[group &+ column] }
              target &+= 1
            }
            column &+= 1
          }
          row &+= 1
        }
      }
    }
    sort(storage.floats + count &* (arrays / 2))
    addUp()
  }

  /// Radix sort, 11 bits at a time: an odd number of passes would end in the other arrays, so four of 8 bits.
  private func sort(_ other: UnsafeMutablePointer<Float>) {
    var (from, to) = (UnsafeMutableRawPointer(values).assumingMemoryBound(to: UInt32.self), UnsafeMutableRawPointer(other).assumingMemoryBound(to: UInt32.self))
    var (fromMass, toMass) = (masses, masses == nil ? nil : Optional(other + count))
    var index = 0
    // Numbers whose unsigned order is that of the floats.
    while index < count {
      from[index] = from[index] >> 31 != 0 ? ~from[index] : from[index] | 0x8000_0000
      index &+= 1
    }
    var shift: UInt32 = 0
    while shift < 32 {
      withUnsafeTemporaryAllocation(of: Int.self, capacity: 256) { places in
        places.initialize(repeating: 0)
        index = 0
        while index < count {
          places[Int(from[index] >> shift & 255)] &+= 1
          index &+= 1
        }
        var sum = 0
        index = 0
        while index < 256 {
          let next = sum &+ places[index]
          places[index] = sum
          sum = next
          index &+= 1
        }
        index = 0
        while index < count {
          let digit = Int(from[index] >> shift & 255)
          let place = places[digit]
          places[digit] = place &+ 1
          to[place] = from[index]
          if let fromMass, let toMass { toMass[place] = fromMass[index] }
          index &+= 1
        }
      }
      swap(&from, &to)
      swap(&fromMass, &toMass)
      shift &+= 8
    }
    index = 0
    while index < count {
      from[index] = from[index] >> 31 != 0 ? from[index] & 0x7FFF_FFFF : ~from[index]
      index &+= 1
    }
  }

  private func addUp() {
    let sums = blocks.doubles
    var (mass, sum) = (0.0, 0.0)
    var index = 0
    while index <= count {
      if index % SortedWeights.blockSize == 0 {
        let place = index / SortedWeights.blockSize &* 2
        sums[place] = mass
        sums[place &+ 1] = sum
      }
      if index < count {
        let weight = masses.map { Double($0[index]) } ?? 1
        mass += weight
        sum += weight * Double(values[index])
      }
      index &+= 1
    }
  }

  subscript(_ index: Int) -> Float { values[index] }

  /// Of the weights in front of an index: their mass, and the sum of mass times value.
  func sums(before index: Int) -> (mass: Double, sum: Double) {
    let block = index / SortedWeights.blockSize
    var (mass, sum) = (blocks.doubles[block &* 2], blocks.doubles[block &* 2 &+ 1])
    var place = block &* SortedWeights.blockSize
    while place < index {
      let weight = masses.map { Double($0[place]) } ?? 1
      mass += weight
      sum += weight * Double(values[place])
      place &+= 1
    }
    return (mass, sum)
  }

  /// How many are at most `limit`.
  func count(upTo limit: Double) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low &+ high) / 2
      if Double(values[middle]) <= limit { low = middle &+ 1 } else { high = middle }
    }
    return low
  }
}
