#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

/// Dynamic network surgery (Guo et al. 2016): layers read the weights times a mask, but all weights learn, with the gradient of what
/// was read. A pruned weight that grows comes back (splicing).
///
/// A mask changes at every `every`-th step with probability (1 + gamma step)^-power, until step `stop`: weights below the threshold a
/// leave, those from b on return, those between stay as they are. Either
/// - `kept` is 0, as in the authors' code: a = 0.9 t and b = 1.1 t of t = max(mean + c deviation, 0) of the magnitudes of the first step's
///   weights and bias that are not zero, and then fixed; or
/// - `kept` is the share of a layer's weights to keep, `keptBiases` that of its biases: t is what leaves that many, anew at each change,
///   and the share comes down from 1 on a cubic schedule until step `stop`, whose mask keeps exactly so many and stays.
public final class NetworkSurgery: TrainingMethod {
  public var c = LayerNumbers(1)
  public var kept = LayerNumbers(0)
  public var keptBiases = LayerNumbers(1)
  public var every = 1
  public var gamma = 1e-4
  public var power = 1
  public var first = 0
  public var stop = 10000
  /// The distance of a and b from t, as a share of it.
  public var margin = 0.1
  /// Biases are masked as well.
  public var includesBiases = true

  private var masks = WeightMasks()
  /// Of each mask; without a share its threshold is that of the first step.
  private var numbers: [(share: Double?, c: Double)] = []
  /// a and b of each mask, from the first step: a kept input, so that a checkpoint has them.
  private var thresholds = Node.noValue

  public override var name: Text { "network surgery" }

  public override func rewrite(_ step: TrainingGraph) throws(EdgeError) {
    try c.check(-100, 100, "c", step)
    try kept.check(0, 1, "the share that is kept", step)
    try keptBiases.check(0, 1, "the share of biases that is kept", step)
    guard every >= 1, gamma >= 0, gamma.isFinite, power >= 0, power <= 100, first >= 0, stop >= first, margin >= 0, margin < 1 else {
      throw EdgeError(.invalidArgument, "the schedule of network surgery is out of range")
    }
    try masks.install(step, biases: includesBiases, straightThrough: true) { _ in true }
    guard !masks.masks.isEmpty else { throw EdgeError(.invalidArgument, "the model has no layers whose weights could be masked") }
    numbers = masks.masks.map { mask in
      let name = step.layers[mask.layer].name
      return (kept.value(for: name) > 0 ? (mask.isBias ? keptBiases : kept).value(for: name) : nil, c.value(for: name))
    }
    thresholds = try step.addKept("surgery/thresholds", .float32, Shape([masks.masks.count, 2]), nil)
  }

  public override func beforeStep(_ trainer: Trainer, _ step: Int) throws(EdgeError) {
    if step == 0 { setThresholds(trainer) }
    guard let limits = trainer.keptPointer(thresholds)?.assumingMemoryBound(to: Float.self) else { return }
    guard step >= first, step <= stop, step == stop || (step - first) % every == 0 else { return }
    var probability = 1.0
    for _ in 0..<power { probability /= 1 + gamma * Double(step) }
    for (index, mask) in masks.masks.enumerated() {
      let isLast = step == stop && numbers[index].share != nil
      guard isLast || uniform(trainer.options.seed, step, index) < probability else { continue }
      guard let (weights, ones, count) = WeightMasks.pointers(trainer, mask, changes: true) else { continue }
      var (a, b) = (limits[2 * index], limits[2 * index + 1])
      if let share = numbers[index].share {
        let now = 1 - (1 - share) * cubicRamp(step, first: first, last: stop)
        let gone = count - Int((Double(count) * now).rounded())
        guard gone > 0, let smallest = masks.smallest(trainer, index..<index + 1, count: gone, staysMasked: false) else { continue }
        if isLast {
          NetworkSurgery.cut(weights, ones, count, smallest)
          continue
        }
        (a, b) = (smallest.limit * Float(1 - margin), smallest.limit * Float(1 + margin))
      }
      var place = 0
      while place < count {
        let magnitude = weights[place].magnitude
        if magnitude < a { ones[place] = 0 } else if magnitude >= b { ones[place] = 1 }
        place &+= 1
      }
    }
  }

  /// Exactly the smallest weights are masked, the first of equal ones.
  private static func cut(
    _ weights: UnsafeMutablePointer<Float>, _ ones: UnsafeMutablePointer<Float>, _ count: Int, _ smallest: SmallestScores
  ) {
    var ties = smallest.ties
    var place = 0
    while place < count {
      let score = SmallestScores.score(weights, nil, place)
      let isTie = score == smallest.limit && ties > 0
      if isTie { ties -= 1 }
      ones[place] = score < smallest.limit || isTie ? 0 : 1
      place &+= 1
    }
  }

  private func setThresholds(_ trainer: Trainer) {
    guard let limits = trainer.keptToChange(thresholds)?.assumingMemoryBound(to: Float.self) else { return }
    for (index, mask) in masks.masks.enumerated() {
      var (sum, squares, number) = (0.0, 0.0, 0.0)
      // Weights and bias of a layer have one threshold.
      for other in masks.masks where other.layer == mask.layer {
        guard let (weights, _, count) = WeightMasks.pointers(trainer, other) else { continue }
        var place = 0
        while place < count {
          let magnitude = Double(weights[place].magnitude)
          if magnitude > 0 {
            sum += magnitude
            squares += magnitude * magnitude
            number += 1
          }
          place &+= 1
        }
      }
      let mean = number > 0 ? sum / number : 0
      let deviation = number > 0 ? max(squares / number - mean * mean, 0).squareRoot() : 0
      let t = max(mean + numbers[index].c * deviation, 0)
      limits[2 * index] = Float(t * (1 - margin))
      limits[2 * index + 1] = Float(t * (1 + margin))
    }
  }
}
