import Graph
import Testing

@testable import Compression

/// Layers whose levels cost less and bring more noise, as those of a search do: about 40 % less, and 3 dB to 9 dB more.
private func ladder(_ random: inout Randomness, layers: Int, levels: Int) -> (noise: [[Double]], cost: [[Double]]) {
  var (noise, cost): ([[Double]], [[Double]]) = ([], [])
  for _ in 0..<layers {
    var (n, c) = (Double(random.uniform(1e-5, 1e-4)), Double(random.uniform(100, 10_000)))
    var (ns, cs) = ([0.0], [c * 2])
    for _ in 1..<levels {
      ns.append(n)
      cs.append(c.rounded())
      n *= Double(random.uniform(2, 8))
      c *= Double(random.uniform(0.5, 0.8))
    }
    noise.append(ns)
    cost.append(cs)
  }
  return (noise, cost)
}

@Test func aLimitOfCostIsUsedAsFarAsSingleLayersCan() throws {
  var random = Randomness(7)
  var used: [Double] = []
  for _ in 0..<40 {
    let (noise, cost) = ladder(&random, layers: 8, levels: 10)
    let search = CompressionSearch(noise: noise, cost: cost, progress: nil)
    /// A file has a head, and its layers are not quite as long as they are alone.
    func real(_ choice: [Int]) throws(EdgeError) -> Double {
      zip(cost, choice).reduce(300) { $0 + ($1.0[$1.1] * 1.01).rounded() }
    }
    let (least, whole) = (try real([Int](repeating: 9, count: 8)), try real([Int](repeating: 0, count: 8)))
    let target = (least + (whole - least) * Double(random.uniform(0.05, 0.7))).rounded()
    let found = try search.within(target, isSpent: true, real)
    #expect(try found.cost == real(found.choice))
    #expect(found.cost <= target)
    used.append(found.cost / target)
    // No single layer has a better level that fits.
    for layer in 0..<8 {
      for level in 0..<10 where noise[layer][level] < noise[layer][found.choice[layer]] {
        var other = found.choice
        other[layer] = level
        #expect(try real(other) > target)
      }
    }
  }
  #expect(used.reduce(0, +) / 40 > 0.97)
}

@Test func aLimitBelowTheCheapestChoiceIsAnError() throws {
  let search = CompressionSearch(noise: [[0, 1]], cost: [[10, 5]], progress: nil)
  do {
    _ = try search.within(4, isSpent: true) { (choice) throws(EdgeError) in search.cost[0][choice[0]] }
    Issue.record("no error")
  } catch {
    #expect(error.status == .limitExceeded)
  }
}
