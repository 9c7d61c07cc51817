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

  public override var name: Text { "magnitude pruning" }

  public override func rewrite(_ step: TrainingGraph) throws(EdgeError) {
    try sparsity.check(0, 1, "sparsity", step)
    guard first >= 0, last >= first, every > 0 else { throw EdgeError(.invalidArgument, "the pruning schedule is out of range") }
    try masks.install(step, biases: false, straightThrough: false) { sparsity.value(for: $0.name) > 0 }
  }

  public override func beforeStep(_ trainer: Trainer, _ step: Int) throws(EdgeError) {
    guard step >= first, step <= last, step == last || (step - first) % every == 0 else { return }
    let share = cubicRamp(step, first: first, last: last)
    var lists: [[Float]] = []
    for mask in masks.masks {
      guard let (weights, kept, count) = WeightMasks.pointers(trainer, mask) else { return }
      // What is pruned stays so: it counts as the smallest.
      var magnitudes = WeightMasks.magnitudes(weights, count)
      for index in 0..<count where kept[index] == 0 { magnitudes[index] = 0 }
      lists.append(magnitudes)
    }
    if isGlobal {
      var total = 0
      for list in lists { total += list.count }
      prune(trainer, masks.masks, lists, Int(Double(total) * sparsity.common * share))
    } else {
      for (mask, list) in zip(masks.masks, lists) {
        prune(trainer, [mask], [list], Int(Double(list.count) * sparsity.value(for: mask.layer) * share))
      }
    }
  }

  private func prune(_ trainer: Trainer, _ masks: [WeightMasks.Mask], _ lists: [[Float]], _ count: Int) {
    guard count > 0 else { return }
    let smallest = SmallestScores(lists, count: count)
    var ties = smallest.ties
    for (mask, magnitudes) in zip(masks, lists) {
      guard let (_, kept, count) = WeightMasks.pointers(trainer, mask) else { continue }
      var index = 0
      while index < count {
        if magnitudes[index] < smallest.limit {
          kept[index] = 0
        } else if magnitudes[index] == smallest.limit, ties > 0 {
          kept[index] = 0
          ties -= 1
        }
        index &+= 1
      }
    }
  }
}
