#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
#endif

/// Ranges of activations that training has learnt (`QuantizationAware`), for the calibration of the exported model.
extension TrainingGraph {
  /// The tensors of the exported model that layers with learnt ranges read. A layer whose name others have is left out: nothing says which
  /// of them it is after optimization.
  func rangedTensors(_ model: Graph) throws(EdgeError) -> [(tensor: Text, least: ValueID, most: ValueID)] {
    if ranges.isEmpty { return [] }
    let exported = try model.optimized()
    var result: [(tensor: Text, least: ValueID, most: ValueID)] = []
    for range in ranges {
      let readers = exported.nodes.filter { $0.name == range.layer }
      if readers.count == 1 { result.append((exported.values[readers[0].inputs[0]].name, range.least, range.most)) }
    }
    return result
  }
}

extension Trainer {
  /// Ranges that there are: none before the first step.
  public var rangeCount: Int { step == 0 ? 0 : ranged.count }

  /// The tensor of the exported model, and the range that the next step rounds it in.
  public func range(_ index: Int) -> (tensor: Text, range: ValueRange) {
    let (tensor, least, most) = ranged[index]
    return (tensor, ValueRange(min: statePointer(least)?.pointee ?? 0, max: statePointer(most)?.pointee ?? 0))
  }
}
