import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Format
import Graph
#endif

/// A checkpoint is an `.edgeai` model without nodes: the trainer's states and kept inputs as constants, in order, and the number of
/// the step in its metadata. So the format's reader, with its limits and checksums, is the checkpoint's.
extension Trainer {
  private static var stepKey: Text { "edgeai.training.step" }
  /// The first two, number and rates, are written anew before each step.
  private var keptByMethods: ArraySlice<TrainingGraph.KeptInput> { kept.dropFirst(2) }

  /// Everything that a trainer made of the same model, options and methods needs to go on to the same bits.
  public func checkpoint() throws(EdgeError) -> Storage {
    var graph = Graph(name: "checkpoint")
    graph.metadata = [(key: Trainer.stepKey, value: Text("\(step)"))]
    func add(_ name: Text, _ value: ValueID, _ contents: UnsafeRawPointer?) throws(EdgeError) {
      guard let contents, let bytes = self.graph.values[value].byteCount() else { throw EdgeError(.internalError, "no memory", tensor: name) }
      let storage = try Storage.allocate(bytes)
      storage.base.copyMemory(from: contents, byteCount: bytes)
      let (dtype, shape) = (self.graph.values[value].dtype, self.graph.values[value].shape)
      graph.outputs.append(
        graph.addValue(Value(name: name, dtype: dtype, shape: shape, constant: TensorData(storage, offset: 0, byteCount: bytes))))
    }
    for state in states { try add(state.name, state.input, UnsafeRawPointer(statePointer(state.input))) }
    for input in keptByMethods { try add(input.name, input.input, UnsafeRawPointer(keptPointer(input.input))) }
    return try encodeModel(graph)
  }

  /// Goes on from a checkpoint. Throws what reading a model throws, and `shapeMismatch` naming the tensor when it is another
  /// trainer's; nothing has changed then.
  public func restore(_ bytes: UnsafeRawBufferPointer, limits: Limits = Limits()) throws(EdgeError) {
    let saved = try decodeModel(bytes, owner: nil, limits: limits)
    var number: Int?
    for (key, value) in saved.metadata where key == Trainer.stepKey { number = value.decimal }
    guard let number, number >= 0, number < Int.max / 2, saved.nodes.isEmpty else { throw EdgeError(.invalidArgument, "the model is not a checkpoint") }
    var places: [(name: Text, value: ValueID)] = []
    for state in states { places.append((state.name, state.input)) }
    for input in keptByMethods { places.append((input.name, input.input)) }
    guard saved.outputs.count == places.count else {
      throw EdgeError(.shapeMismatch, "the checkpoint has \(saved.outputs.count) tensors, the trainer \(places.count)")
    }
    for (id, place) in zip(saved.outputs, places) {
      let (own, other) = (graph.values[place.value], saved.values[id])
      guard other.name == place.name, other.shape == own.shape, other.dtype == own.dtype, let constant = other.constant,
        constant.byteCount == own.byteCount()
      else { throw EdgeError(.shapeMismatch, "the checkpoint's '\(other.name)' is not the trainer's '\(place.name)'", tensor: place.name) }
    }
    for (index, place) in places.enumerated() {
      guard let constant = saved.values[saved.outputs[index]].constant else { continue }
      let target = index < states.count ? UnsafeMutableRawPointer(statePointer(place.value)) : keptPointer(place.value)
      target?.copyMemory(from: constant.base, byteCount: constant.byteCount)
    }
    resume(at: number)
  }
}
