#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What a search must reach.
public enum CompressionTarget: Equatable, Sendable {
  /// The file is to have at most so many bytes, and to lose as little as possible.
  case bytes(Int)
  /// A run is to take at most so many nanoseconds on this machine, and to lose as little as possible.
  case nanoseconds(Int)
  /// The quality is to fall by at most so much, and the file, or the run, to be as small as possible.
  case drop(Double)
}

/// Chooses for each layer one level of a ladder of models.
///
/// The noise that a layer's level brings into the outputs is measured alone, and noises are taken to add up. Then one number,
/// the price of noise, decides for all layers at once: each takes the level with the least cost + price x noise, which is the
/// least noise there is for that total cost (Lagrange; Shoham and Gersho 1988). The search is for the price, and judges models as
/// they are: real files, measured times, quality of the whole model. Prices reach some totals only; what a limit then leaves goes to
/// single layers, as far as it does.
struct CompressionSearch {
  let noise: [[Double]]
  /// Of each layer at each level: bytes, or nanoseconds.
  let cost: [[Double]]
  let progress: CompressionProgress?

  /// A choice and what it costs as a whole: the real cost, where `real` says it, else the sum.
  struct Outcome {
    var choice: [Int]
    var cost: Double
    var quality: Double?
  }

  private func choice(_ price: Double) -> [Int] { LayerLadder.choice(noise: noise, cost: cost, price: price) }

  private func sum(_ choice: [Int]) -> Double {
    var sum = 0.0
    for (layer, level) in choice.enumerated() { sum += cost[layer][level] }
    return sum
  }

  /// Powers of two. Prices between them give every choice there is: at the first noise of all the outputs' power is worth
  /// less than a byte, at the second noise of 1e-12 of it is worth more bytes than there are.
  private static let lowest = -20.0
  private static let highest = 100.0

  /// 2^exponent, linear between whole exponents: rising, which is all that the search needs.
  private static func price(_ exponent: Double) -> Double {
    let whole = exponent.rounded(.down)
    return Double(sign: .plus, exponent: Int(whole), significand: 1 + (exponent - whole))
  }

  /// The choice with the least noise whose real cost is within the target. The sum of the layers' costs leaves out what lies
  /// beside them, so the target for the sum is corrected by what the real cost is more. Throws `limitExceeded` when even the
  /// cheapest choice costs more. `isSpent`: what is left of the target goes to single layers.
  func within(_ target: Double, isSpent: Bool, _ real: ([Int]) throws(EdgeError) -> Double) throws(EdgeError) -> Outcome {
    let cheapest = choice(CompressionSearch.price(CompressionSearch.lowest))
    var best = Outcome(choice: cheapest, cost: try real(cheapest), quality: nil)
    guard best.cost <= target else {
      throw EdgeError(.limitExceeded, "the least this method reaches is \(Int(best.cost)); the target is \(Int(target))")
    }
    var beside = best.cost - sum(cheapest)
    for round in 0..<8 {
      try report(round, 8)
      var (low, high) = (CompressionSearch.lowest, CompressionSearch.highest)
      for _ in 0..<50 {
        let middle = (low + high) / 2
        if sum(choice(CompressionSearch.price(middle))) + beside <= target { low = middle } else { high = middle }
      }
      let candidate = choice(CompressionSearch.price(low))
      if candidate == best.choice { break }
      let cost = try real(candidate)
      if cost <= target, total(candidate) <= total(best.choice) { best = Outcome(choice: candidate, cost: cost, quality: nil) }
      // What is left of the target is less than what one layer's next level costs, or the next round takes it.
      let correction = cost - sum(candidate)
      if cost <= target, correction >= beside { break }
      beside = correction
    }
    return isSpent ? try filled(best, target, real) : best
  }

  /// Spends what is left of the target on one layer after another: the step to another level that saves the most noise for its cost.
  private func filled(_ outcome: Outcome, _ target: Double, _ real: ([Int]) throws(EdgeError) -> Double) throws(EdgeError) -> Outcome {
    var best = outcome
    // Of each layer what a step may cost: less than one that in truth was too much.
    var most = [Double](repeating: .infinity, count: noise.count)
    for round in 0..<CompressionSearch.mostSteps {
      try report(round, CompressionSearch.mostSteps)
      var found: (layer: Int, level: Int, cost: Double, worth: Double)?
      for (layer, now) in best.choice.enumerated() {
        for level in noise[layer].indices {
          let (saved, step) = (noise[layer][now] - noise[layer][level], cost[layer][level] - cost[layer][now])
          if saved <= 0 || step > target - best.cost || step >= most[layer] { continue }
          let worth = saved / max(step, 1)
          if worth > found?.worth ?? 0 { found = (layer, level, step, worth) }
        }
      }
      guard let found else { break }
      var candidate = best.choice
      candidate[found.layer] = found.level
      let cost = try real(candidate)
      if cost <= target { best = Outcome(choice: candidate, cost: cost, quality: nil) } else { most[found.layer] = found.cost }
    }
    return best
  }

  /// Models that are judged for what is left.
  private static let mostSteps = 24

  /// The cheapest choice whose quality is at least so much, or the original. `quality` is asked about ten times. Qualities of a few
  /// samples do not simply rise with the price, so the search climbs from the cheapest choice to the first that is good enough, and
  /// divides the last step.
  func keeping(_ least: Double, _ quality: ([Int]) throws(EdgeError) -> Double) throws(EdgeError) -> Outcome {
    let original = [Int](repeating: 0, count: noise.count)
    var best = Outcome(choice: original, cost: sum(original), quality: nil)
    var judged: [(choice: [Int], quality: Double)] = []
    var (low, high) = (CompressionSearch.lowest, CompressionSearch.highest)
    let rounds = 36
    for round in 0..<rounds where high - low > 0.05 {
      try report(round, rounds)
      let middle = best.quality == nil ? low + 4 : (low + high) / 2
      let candidate = choice(CompressionSearch.price(middle))
      let measured: Double
      if let known = judged.first(where: { $0.choice == candidate }) {
        measured = known.quality
      } else {
        measured = try quality(candidate)
        judged.append((candidate, measured))
      }
      if measured >= least {
        high = middle
        if best.quality == nil || sum(candidate) <= best.cost { best = Outcome(choice: candidate, cost: sum(candidate), quality: measured) }
      } else {
        low = middle
      }
    }
    return best
  }

  private func total(_ choice: [Int]) -> Double {
    var sum = 0.0
    for (layer, level) in choice.enumerated() { sum += noise[layer][level] }
    return sum
  }

  private func report(_ done: Int, _ total: Int) throws(EdgeError) {
    if let progress, !progress("searching", done, total) { throw EdgeError(.cancelled, "the search was cancelled") }
  }
}
