import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Graph
import Training
#endif

// What a trainer gives away: models, checkpoints, facts.

@_cdecl("edgeai_trainer_export") @implementation
public func edgeai_trainer_export(
  _ trainer: OpaquePointer!, _ form: Int32, _ model: UnsafeMutablePointer<OpaquePointer?>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofTrainer: trainer)) { () throws(EdgeError) in
    let trainer = try object(trainer, TrainerHandle.self, "trainer")
    let model = try required(model, "model")
    guard form == EDGEAI_EXPORT_INFERENCE || form == EDGEAI_EXPORT_TRAINABLE else {
      throw EdgeError(.invalidArgument, "there is no form of export \(form)")
    }
    let graph = try trainer.trainer.exported(isTrainable: form == EDGEAI_EXPORT_TRAINABLE)
    model.pointee = handle(
      try ModelHandle.make(graph, source: EDGEAI_SOURCE_MEMORY, allocator: trainer.model.allocator, log: trainer.model.log))
  }
}

// MARK: Checkpoints

@_cdecl("edgeai_trainer_save_file") @implementation
public func edgeai_trainer_save_file(
  _ trainer: OpaquePointer!, _ path: UnsafePointer<CChar>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofTrainer: trainer)) { () throws(EdgeError) in
    let trainer = try object(trainer, TrainerHandle.self, "trainer")
    let path = try required(path, "path")
    let image = try trainer.trainer.checkpoint()
    try writeFile(path, UnsafeRawBufferPointer(start: image.base, count: image.count))
  }
}

@_cdecl("edgeai_trainer_save_memory_required") @implementation
public func edgeai_trainer_save_memory_required(
  _ trainer: OpaquePointer!, _ bytes: UnsafeMutablePointer<Int>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofTrainer: trainer)) { () throws(EdgeError) in
    let trainer = try object(trainer, TrainerHandle.self, "trainer")
    let bytes = try required(bytes, "bytes")
    bytes.pointee = try trainer.trainer.checkpoint().count
  }
}

@_cdecl("edgeai_trainer_save_memory") @implementation
public func edgeai_trainer_save_memory(
  _ trainer: OpaquePointer!, _ buffer: UnsafeMutableRawPointer!, _ capacity: Int, _ written: UnsafeMutablePointer<Int>!,
  _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofTrainer: trainer)) { () throws(EdgeError) in
    let trainer = try object(trainer, TrainerHandle.self, "trainer")
    let buffer = try required(buffer, "buffer")
    try give(try trainer.trainer.checkpoint(), to: buffer, capacity, written, "the checkpoint")
  }
}

@_cdecl("edgeai_trainer_load_file") @implementation
public func edgeai_trainer_load_file(
  _ trainer: OpaquePointer!, _ path: UnsafePointer<CChar>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofTrainer: trainer)) { () throws(EdgeError) in
    let trainer = try object(trainer, TrainerHandle.self, "trainer")
    let file = try MappedFile.open(try required(path, "path"), limits: Limits())
    try trainer.trainer.restore(file.bytes)
  }
}

@_cdecl("edgeai_trainer_load_memory") @implementation
public func edgeai_trainer_load_memory(
  _ trainer: OpaquePointer!, _ data: UnsafeRawPointer!, _ size: Int, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofTrainer: trainer)) { () throws(EdgeError) in
    let trainer = try object(trainer, TrainerHandle.self, "trainer")
    let data = try required(data, "data")
    guard size >= 0 else { throw EdgeError(.invalidArgument, "size is more than an object can have") }
    try trainer.trainer.restore(UnsafeRawBufferPointer(start: data, count: size))
  }
}

// MARK: Ranges

@_cdecl("edgeai_trainer_range_count") @implementation
public func edgeai_trainer_range_count(_ trainer: OpaquePointer!) -> Int {
  trainer == nil ? 0 : object(trainer, TrainerHandle.self).trainer.rangeCount
}

@_cdecl("edgeai_trainer_range") @implementation
public func edgeai_trainer_range(
  _ trainer: OpaquePointer!, _ index: Int, _ range: UnsafeMutablePointer<edgeai_tensor_range>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofTrainer: trainer)) { () throws(EdgeError) in
    let handle = try object(trainer, TrainerHandle.self, "trainer")
    let index = try checked(index, below: handle.trainer.rangeCount, "index")
    let range = try required(range, "range")
    let found = handle.trainer.range(index).range
    range.pointee = edgeai_tensor_range(tensor: handle.rangeNames[handle.ranged[index]], min: found.min, max: found.max)
  }
}

// MARK: Facts

@_cdecl("edgeai_trainer_step_count") @implementation
public func edgeai_trainer_step_count(_ trainer: OpaquePointer!) -> UInt64 {
  trainer == nil ? 0 : UInt64(clamping: object(trainer, TrainerHandle.self).trainer.step)
}

@_cdecl("edgeai_trainer_learning_rate") @implementation
public func edgeai_trainer_learning_rate(_ trainer: OpaquePointer!) -> Double {
  trainer == nil ? 0 : Double(object(trainer, TrainerHandle.self).trainer.learningRate)
}

@_cdecl("edgeai_trainer_memory") @implementation
public func edgeai_trainer_memory(_ trainer: OpaquePointer!) -> Int {
  trainer == nil ? 0 : object(trainer, TrainerHandle.self).trainer.memoryRequired
}

@_cdecl("edgeai_trainer_plan_count") @implementation
public func edgeai_trainer_plan_count(_ trainer: OpaquePointer!) -> Int {
  trainer == nil ? 0 : object(trainer, TrainerHandle.self).plan.steps.count
}

@_cdecl("edgeai_trainer_plan_info") @implementation
public func edgeai_trainer_plan_info(
  _ trainer: OpaquePointer!, _ index: Int, _ info: UnsafeMutablePointer<edgeai_step_info>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  call(error, allocator: allocator(ofTrainer: trainer)) { () throws(EdgeError) in
    let plan = try object(trainer, TrainerHandle.self, "trainer").plan
    try fill(info, "edgeai_step_info", plan.info(try checked(index, below: plan.steps.count, "index")))
  }
}
