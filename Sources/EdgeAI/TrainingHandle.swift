import CEdgeAI
import CPlatform
#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
import Training
#endif

/// What an `edgeai_trainer *` points to.
final class TrainerHandle {
  /// The source: its allocator and log serve the trainer, and its constants may lie in its memory.
  let model: ModelHandle
  let trainer: Trainer
  let plan: PlanTexts
  /// Names of the tensors whose ranges are learnt: offsets into `rangeNames`.
  let ranged: [Int]
  let rangeNames: TextPool
  /// Elements of the output's last axis, and rows of them in a sample.
  let classes: Int
  let rows: Int
  let output: ValueID
  /// Room for a step's pointers, and for targets made of labels, so that a step allocates nothing. No array: a call that is abandoned
  /// for lack of memory may hold on to it, and the next step would have to copy it.
  private let pointers: UnsafeMutableBufferPointer<UnsafeRawPointer>
  private let room: Storage
  private let labelled: Storage

  private init(
    _ model: ModelHandle, _ trainer: Trainer, _ plan: PlanTexts, _ ranged: [Int], _ rangeNames: TextPool, output: ValueID, classes: Int,
    rows: Int, _ room: Storage, _ labelled: Storage
  ) {
    self.model = model
    self.trainer = trainer
    self.plan = plan
    self.ranged = ranged
    self.rangeNames = rangeNames
    self.output = output
    self.classes = classes
    self.rows = rows
    self.labelled = labelled
    self.room = room
    let count = model.outline.inputs.count
    pointers = UnsafeMutableBufferPointer(start: room.base.bindMemory(to: UnsafeRawPointer.self, capacity: count), count: count)
  }

  /// Throws `invalidArgument` for an option, and what `Trainer` throws.
  static func make(_ model: ModelHandle, _ chosen: edgeai_trainer_options) throws(EdgeError) -> TrainerHandle {
    try model.requireRunnable()
    let options = try trainerOptions(chosen, model.outline)
    let methods = try trainingMethods(chosen.methods, chosen.method_count)
    let trainer = try Trainer.make(try model.graph, options, methods: methods)
    let output = model.outline.outputs[0]
    let shape = model.outline.values[output].shape
    let classes = max(shape.dims.last ?? 1, 1)
    guard let elements = shape.withBatch(1).elementCount(), let bytes = model.outline.values[output].byteCount(batch: options.batch), elements > 0
    else { throw EdgeError(.shapeMismatch, "the output has no elements", tensor: model.outline.values[output].name) }
    let labelled = try Storage.allocate(bytes)
    let room = try Storage.allocate(model.outline.inputs.count &* MemoryLayout<UnsafeRawPointer>.stride)
    var names = TextPool()
    let ranged = trainer.ranged.map { names.add($0.tensor) }
    try names.freeze()
    let handle = TrainerHandle(
      model, trainer, try PlanTexts(trainer.steps), ranged, names, output: output, classes: classes, rows: elements / classes, room,
      labelled)
    if model.log.function != nil {
      model.log.write(
        EDGEAI_LOG_INFO, "trainer of '\(model.outline.name)': \(trainer.steps.count) steps, \(trainer.memoryRequired) bytes")
    }
    return handle
  }

  /// Samples of a step.
  private var batch: Int { model.outline.values[output].shape.hasBatch ? trainer.options.batch : 1 }

  private func bytes(_ value: ValueID, _ samples: Int) -> Int {
    guard let one = model.outline.values[value].byteCount(batch: 1) else { return Int.max }
    let (product, overflow) = one.multipliedReportingOverflow(by: samples)
    return overflow ? Int.max : product
  }

  // MARK: Steps

  func step(_ inputs: UnsafePointer<edgeai_span>?, _ count: Int, _ targets: UnsafePointer<edgeai_span>?) throws(EdgeError) -> Trainer.Metrics {
    try take(inputs, count)
    return try trainer.step(UnsafeBufferPointer(pointers), targets: try checkedTargets(targets, batch))
  }

  func step(_ inputs: UnsafePointer<edgeai_span>?, _ count: Int, labels: UnsafePointer<Int32>?, _ labelCount: Int) throws(EdgeError) -> Trainer.Metrics {
    try take(inputs, count)
    try checkLabels(labels, labelCount, batch)
    return try trainer.step(UnsafeBufferPointer(pointers), targets: oneHot(labels, 0, batch))
  }

  /// The pointers of a step's inputs.
  private func take(_ inputs: UnsafePointer<edgeai_span>?, _ count: Int) throws(EdgeError) {
    let inputs = try required(inputs, "inputs")
    let ids = model.outline.inputs
    guard count == ids.count else { throw EdgeError(.shapeMismatch, "the model has \(ids.count) inputs; \(count) are given") }
    for index in 0..<count {
      let needed = bytes(ids[index], batch)
      guard let data = inputs[index].data else {
        throw EdgeError(.invalidArgument, "an input's data is NULL", tensor: model.outline.values[ids[index]].name)
      }
      guard inputs[index].bytes == needed else {
        throw EdgeError(
          .shapeMismatch, "a step takes \(batch) samples, \(needed) bytes of \(model.outline.values[ids[index]].dtype.name); \(inputs[index].bytes) are given",
          tensor: model.outline.values[ids[index]].name)
      }
      pointers[index] = data
    }
  }

  private func checkedTargets(_ targets: UnsafePointer<edgeai_span>?, _ samples: Int) throws(EdgeError) -> UnsafeRawPointer {
    let span = try required(targets, "targets").pointee
    guard let data = span.data else { throw EdgeError(.invalidArgument, "the targets' data is NULL") }
    let needed = bytes(output, samples)
    guard span.bytes == needed else {
      throw EdgeError(.shapeMismatch, "the targets of \(samples) samples are \(needed) bytes of float32; \(span.bytes) are given")
    }
    return data
  }

  // MARK: Labels

  private func checkLabels(_ labels: UnsafePointer<Int32>?, _ count: Int, _ samples: Int) throws(EdgeError) {
    let labels = try required(labels, "labels")
    guard trainer.options.loss == .crossEntropy else {
      throw EdgeError(.invalidArgument, "labels are targets of the cross-entropy; the loss is another one")
    }
    let (needed, overflow) = rows.multipliedReportingOverflow(by: samples)
    guard !overflow, count == needed else {
      throw EdgeError(.shapeMismatch, "\(samples) samples have \(needed) labels; \(count) are given")
    }
    var index = 0
    while index < count {
      guard labels[index] >= 0, Int(labels[index]) < classes else {
        throw EdgeError(.invalidArgument, "label \(index) is \(labels[index]); there are \(classes) classes")
      }
      index &+= 1
    }
  }

  /// Probabilities of 1 for the labels of some samples, at most a batch.
  private func oneHot(_ labels: UnsafePointer<Int32>?, _ first: Int, _ samples: Int) -> UnsafeRawPointer {
    let count = samples &* rows
    ep_zero(labelled.base, count &* classes &* 4)
    if let labels {
      var row = 0
      while row < count {
        labelled.base.storeBytes(of: Float(1), toByteOffset: (row &* classes &+ Int(labels[first &* rows &+ row])) &* 4, as: Float.self)
        row &+= 1
      }
    }
    return UnsafeRawPointer(labelled.base)
  }

  // MARK: Evaluation

  func evaluate(_ inputs: UnsafePointer<edgeai_span>?, _ count: Int, _ targets: UnsafePointer<edgeai_span>?) throws(EdgeError) -> Trainer.Metrics {
    let batch = try SampleBatch(model.outline, inputs, count)
    let targets = try checkedTargets(targets, batch.samples)
    return try trainer.evaluate(batch.pointers, targets: targets, samples: batch.samples)
  }

  /// In pieces of a batch, for whose targets there is room.
  func evaluate(_ inputs: UnsafePointer<edgeai_span>?, _ count: Int, labels: UnsafePointer<Int32>?, _ labelCount: Int) throws(EdgeError) -> Trainer.Metrics {
    var given = try SampleBatch(model.outline, inputs, count)
    try checkLabels(labels, labelCount, given.samples)
    var total = Trainer.Metrics()
    while total.samples < given.samples {
      let samples = min(batch, given.samples - total.samples)
      let part = try trainer.evaluate(given.pointers, targets: oneHot(labels, total.samples, samples), samples: samples)
      total.loss += part.loss * Double(samples)
      total.accuracy += part.accuracy * Double(samples)
      total.samples += samples
      for (index, id) in model.outline.inputs.enumerated() { given.pointers[index] += bytes(id, samples) }
    }
    total.loss /= Double(total.samples)
    total.accuracy /= Double(total.samples)
    return total
  }
}

/// The allocator of the trainer's model.
func allocator(ofTrainer trainer: OpaquePointer?) -> UnsafePointer<ep_allocator>? {
  trainer.map { object($0, TrainerHandle.self).model.allocator } ?? nil
}

@_cdecl("edgeai_trainer_create") @implementation
public func edgeai_trainer_create(
  _ model: OpaquePointer!, _ caller: UnsafePointer<edgeai_trainer_options>!, _ trainer: UnsafeMutablePointer<OpaquePointer?>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(of: model)) { () throws(EdgeError) in
    let model = try object(model, ModelHandle.self, "model")
    let trainer = try required(trainer, "trainer")
    let chosen = try options(caller, defaultTrainerOptions(), "edgeai_trainer_options")
    try requireUnused(chosen.reserved, "edgeai_trainer_options")
    trainer.pointee = handle(try TrainerHandle.make(model, chosen))
  }
}

@_cdecl("edgeai_trainer_destroy") @implementation
public func edgeai_trainer_destroy(_ trainer: OpaquePointer!) {
  destroy(trainer, TrainerHandle.self)
}
