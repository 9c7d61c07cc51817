#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// k-means of numbers on a line (Lloyd 1982). Sorted numbers make it exact and fast: a cluster is a range, whose ends are found
/// by bisection and whose mean is a difference of two sums.
struct WeightClusters {
  /// In ascending order; of clusters that have members, and no two the same.
  let centroids: [Float]

  /// The clusters of weights, which must not be none. `most`: as many as there may be, at least 1.
  init(_ sorted: SortedWeights, most: Int, _ start: ShareOptions.Start, seed: UInt64, iterations: Int) {
    var means = WeightClusters.start(sorted, most, start, seed)
    var ends = WeightClusters.ends(sorted, means)
    for _ in 0..<iterations {
      var first = 0
      for cluster in means.indices {
        let (from, to) = (sorted.sums(before: first), sorted.sums(before: ends[cluster]))
        // A cluster without members stays where it is, between its neighbours.
        if ends[cluster] > first, to.mass > from.mass { means[cluster] = (to.sum - from.sum) / (to.mass - from.mass) }
        first = ends[cluster]
      }
      let moved = WeightClusters.ends(sorted, means)
      if moved == ends { break }
      ends = moved
    }
    var centroids: [Float] = []
    var first = 0
    for cluster in means.indices {
      if ends[cluster] > first, centroids.last != Float(means[cluster]) { centroids.append(Float(means[cluster])) }
      first = ends[cluster]
    }
    self.centroids = centroids
  }

  private static func start(_ sorted: SortedWeights, _ most: Int, _ start: ShareOptions.Start, _ seed: UInt64) -> [Double] {
    var means: [Double] = []
    let (least, greatest) = (Double(sorted[0]), Double(sorted[sorted.count - 1]))
    var random = seed
    for cluster in 0..<most {
      switch start {
      case .linear: means.append(least + (greatest - least) * (most == 1 ? 0.5 : Double(cluster) / Double(most - 1)))
      case .density:
        let place = (Double(cluster) + 0.5) / Double(most) * Double(sorted.count)
        means.append(Double(sorted[min(Int(place), sorted.count - 1)]))
      case .random:
        // SplitMix64 (Steele, Lea, Flood 2014).
        random = random &+ 0x9E37_79B9_7F4A_7C15
        var bits = (random ^ random >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        means.append(Double(sorted[Int((bits ^ bits >> 31) % UInt64(sorted.count))]))
      }
    }
    return start == .random ? sortedIndices(most) { means[$0] < means[$1] }.map { means[$0] } : means
  }

  /// For each cluster the index behind its last member. Halfway between two means belongs to the lower one.
  private static func ends(_ sorted: SortedWeights, _ means: [Double]) -> [Int] {
    var ends: [Int] = []
    for cluster in means.indices {
      ends.append(cluster + 1 < means.count ? sorted.count(upTo: (means[cluster] + means[cluster + 1]) / 2) : sorted.count)
    }
    return ends
  }

  /// Replaces each weight but zeros by the nearest centroid, of two equally near by the lower.
  func replace(_ weights: inout [Float]) {
    var limits: [Double] = []
    for index in centroids.indices.dropFirst() { limits.append((Double(centroids[index - 1]) + Double(centroids[index])) / 2) }
    let count = limits.count
    limits.withUnsafeBufferPointer { limits in
      centroids.withUnsafeBufferPointer { centroids in
        weights.withUnsafeMutableBufferPointer { weights in
          var index = 0
          while index < weights.count {
            let weight = Double(weights[index])
            if weight != 0 {
              var (low, high) = (0, count)
              while low < high {
                let middle = (low &+ high) / 2
                if weight > limits[middle] { low = middle &+ 1 } else { high = middle }
              }
              weights[index] = centroids[low]
            }
            index &+= 1
          }
        }
      }
    }
  }
}
