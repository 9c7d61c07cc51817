#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// Counts of a stream of numbers by sign and magnitude, in fixed memory: 2,048 bins for each sign over
/// [0, 2^k). When a magnitude reaches the end, k grows and neighbouring bins merge.
///
/// Bin widths are powers of two, so merging puts every number into the very bin it would have had from the
/// start: the counts depend neither on the order of the numbers nor on how they were split into batches.
final class MagnitudeHistogram {
  static let binCount = 2048
  private static let binBits = 11
  private static let smallestExponent = -100

  private let storage: Storage
  private let counts: UnsafeMutablePointer<UInt64>
  /// Bins of each sign end at 2^exponent.
  private var exponent = MagnitudeHistogram.smallestExponent
  private var isEmpty = true
  /// Factor from a magnitude to its bin.
  private var binsPerUnit: Float = 0
  /// Numbers that are exactly 0; they are in no bin.
  private(set) var zeros: UInt64 = 0

  private init(_ storage: Storage) {
    self.storage = storage
    counts = storage.base.bindMemory(to: UInt64.self, capacity: 2 * MagnitudeHistogram.binCount)
  }

  /// Empty. Throws `outOfMemory`.
  static func make() throws(EdgeError) -> MagnitudeHistogram {
    MagnitudeHistogram(try Storage.allocate(2 * MagnitudeHistogram.binCount * MemoryLayout<UInt64>.stride))
  }

  /// Width of a bin.
  var binWidth: Double { Double(sign: .plus, exponent: exponent - MagnitudeHistogram.binBits, significand: 1) }

  /// Number of values of a sign in a bin.
  func count(negative: Bool, bin: Int) -> UInt64 { counts[(negative ? MagnitudeHistogram.binCount : 0) &+ bin] }

  /// Bins of a sign up to the last one that is not empty.
  func usedBins(negative: Bool) -> Int {
    var bins = MagnitudeHistogram.binCount
    while bins > 0, count(negative: negative, bin: bins - 1) == 0 { bins -= 1 }
    return bins
  }

  /// Number of values of a sign.
  func total(negative: Bool) -> UInt64 {
    var sum: UInt64 = 0
    for bin in 0..<MagnitudeHistogram.binCount { sum &+= count(negative: negative, bin: bin) }
    return sum
  }

  /// Counts finite numbers; others are passed over. `largest`: the greatest finite magnitude among them.
  func add(_ x: UnsafePointer<Float>, count: Int, largest: Float) {
    if largest > 0 { cover(largest) }
    let limit = Float(MagnitudeHistogram.binCount)
    var index = 0
    while index < count {
      let value = x[index]
      index &+= 1
      let position = value.magnitude * binsPerUnit
      // Also false for NaN and infinity.
      guard position < limit else { continue }
      if value == 0 {
        zeros &+= 1
      } else {
        let bin = Int(position) &+ (value < 0 ? MagnitudeHistogram.binCount : 0)
        counts[bin] &+= 1
      }
    }
  }

  /// Makes the bins reach a magnitude.
  private func cover(_ magnitude: Float) {
    let needed = max(Int(magnitude.exponent) + 1, MagnitudeHistogram.smallestExponent)
    guard isEmpty || needed > exponent else { return }
    if !isEmpty { merge(by: needed - exponent) }
    isEmpty = false
    exponent = needed
    binsPerUnit = Float(sign: .plus, exponent: MagnitudeHistogram.binBits - exponent, significand: 1)
  }

  /// Makes bins 2^shift times as wide.
  private func merge(by shift: Int) {
    for start in [0, MagnitudeHistogram.binCount] {
      for bin in 0..<MagnitudeHistogram.binCount {
        let target = shift > MagnitudeHistogram.binBits ? 0 : bin >> shift
        if target == bin { continue }
        counts[start + target] &+= counts[start + bin]
        counts[start + bin] = 0
      }
    }
  }
}
