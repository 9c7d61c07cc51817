import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Format
import Graph
#endif

/// A checkpoint is an `.edgeai` model without nodes: the trainer's states and kept inputs as constants, in order, and the number of
/// the step and the kind of the optimizer in its metadata. So the format's reader, with its limits and checksums, is the checkpoint's.
extension Trainer {
  private static var stepKey: Text { "edgeai.training.step" }
  private static var optimizerKey: Text { "edgeai.training.optimizer" }
  /// The first two, number and rates, are written anew before each step.
  private var keptByMethods: ArraySlice<TrainingGraph.KeptInput> { kept.dropFirst(2) }

  /// Everything that a trainer made of the same model, options and methods needs to go on to the same bits.
  public func checkpoint() throws(EdgeError) -> Storage {
    var graph = Graph(name: "checkpoint")
    graph.metadata = [(key: Trainer.stepKey, value: Text("\(step)")), (key: Trainer.optimizerKey, value: options.optimizer.name)]
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
  /// trainer's, or both optimizers when it is another one's; nothing has changed then.
  public func restore(_ bytes: UnsafeRawBufferPointer, limits: Limits = Limits()) throws(EdgeError) {
    let saved = try decodeModel(bytes, owner: nil, limits: limits)
    var number: Int?
    var optimizer: Text?
    for (key, value) in saved.metadata {
      if key == Trainer.stepKey { number = value.decimal }
      if key == Trainer.optimizerKey { optimizer = value }
    }
    guard let number, number >= 0, number < Int.max / 2, saved.nodes.isEmpty else { throw EdgeError(.invalidArgument, "the model is not a checkpoint") }
    // Kinds with as many moments do not mean the same by them. The first versions did not write the kind.
    if let optimizer, optimizer != options.optimizer.name {
      throw EdgeError(.shapeMismatch, "the checkpoint is of the optimizer '\(optimizer)', the trainer has '\(options.optimizer.name)'")
    }
    var places: [(name: Text, value: ValueID)] = []
    for state in states { places.append((state.name, state.input)) }
    for input in keptByMethods { places.append((input.name, input.input)) }
    for (id, place) in zip(saved.outputs, places) {
      let (own, other) = (graph.values[place.value], saved.values[id])
      guard other.name == place.name, other.shape == own.shape, other.dtype == own.dtype, let constant = other.constant,
        constant.byteCount == own.byteCount()
      else { throw EdgeError(.shapeMismatch, "the checkpoint's '\(other.name)' is not the trainer's '\(place.name)'", tensor: place.name) }
    }
    if let extra = saved.outputs.dropFirst(places.count).first {
      let name = saved.values[extra].name
      throw EdgeError(.shapeMismatch, "the checkpoint's '\(name)' is none of the trainer's", tensor: name)
    }
    if let missing = places.dropFirst(saved.outputs.count).first {
      throw EdgeError(.shapeMismatch, "the checkpoint has no '\(missing.name)', which the trainer has", tensor: missing.name)
    }
    for (index, place) in places.enumerated() {
      guard let constant = saved.values[saved.outputs[index]].constant else { continue }
      let target = index < states.count ? UnsafeMutableRawPointer(statePointer(place.value)) : keptPointer(place.value)
      target?.copyMemory(from: constant.base, byteCount: constant.byteCount)
    }
    resume(at: number)
  }
}
