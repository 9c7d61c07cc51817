#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

/// Iterative magnitude pruning with retraining (Han et al. 2015), on a cubic schedule (Zhu and Gupta 2017): between steps `first` and
/// `last` more and more of the smallest weights become zero, for good: they have no gradient.
public final class MagnitudePruning: TrainingMethod {
  /// Share of the weights of each layer that is pruned at the end, 0 up to 1.
  public var sparsity = LayerNumbers(0.9)
  public var first = 0
  public var last = 1000
  /// Steps from one pruning to the next.
  public var every = 100
  /// The share is one of all layers together: `sparsity.common`.
  public var isGlobal = false

  private var masks = WeightMasks()
  /// Of each mask.
  private var shares: [Double] = []

  public override var name: Text { "magnitude pruning" }

  public override func rewrite(_ step: TrainingGraph) throws(EdgeError) {
    try sparsity.check(0, 1, "sparsity", step)
    guard first >= 0, last >= first, every > 0 else { throw EdgeError(.invalidArgument, "the pruning schedule is out of range") }
    try masks.install(step, biases: false, straightThrough: false) { sparsity.value(for: $0.name) > 0 }
    shares = masks.masks.map { sparsity.value(for: step.layers[$0.layer].name) }
  }

  public override func beforeStep(_ trainer: Trainer, _ step: Int) throws(EdgeError) {
    guard step >= first, step <= last, step == last || (step - first) % every == 0 else { return }
    let share = cubicRamp(step, first: first, last: last)
    if isGlobal {
      var total = 0
      for mask in masks.masks { total += trainer.elementCount(mask.mask) }
      prune(trainer, masks.masks.indices, Int(Double(total) * sparsity.common * share))
    } else {
      for (index, mask) in masks.masks.enumerated() {
        prune(trainer, index..<index + 1, Int(Double(trainer.elementCount(mask.mask)) * shares[index] * share))
      }
    }
  }

  /// Masks the `count` smallest weights of some masks. What is pruned stays so: it counts as the smallest.
  private func prune(_ trainer: Trainer, _ range: Range<Int>, _ count: Int) {
    guard count > 0, let smallest = masks.smallest(trainer, range, count: count, staysMasked: true) else { return }
    var ties = smallest.ties
    for index in range {
      guard let (weights, kept, count) = WeightMasks.pointers(trainer, masks.masks[index], changes: true) else { continue }
      var place = 0
      while place < count {
        let score = SmallestScores.score(weights, kept, place)
        if score < smallest.limit {
          kept[place] = 0
        } else if score == smallest.limit, ties > 0 {
          kept[place] = 0
          ties -= 1
        }
        place &+= 1
      }
    }
  }
}
