import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Graph
import Training
#endif

/// The common part of steps and evaluations. The caller's structure is looked at first: afterwards it would be too late to refuse.
private func measure(
  _ trainer: OpaquePointer?, _ metrics: UnsafeMutablePointer<edgeai_training_metrics>?, _ error: UnsafeMutablePointer<edgeai_error>?,
  _ work: (TrainerHandle) throws(EdgeError) -> Trainer.Metrics
) -> edgeai_status {
  call(error, allocator: allocator(ofTrainer: trainer)) { () throws(EdgeError) in
    let trainer = try object(trainer, TrainerHandle.self, "trainer")
    if let metrics, !isPlausible(UnsafePointer(metrics)) {
      throw EdgeError(.abiMismatch, "edgeai_training_metrics.struct_size is \(metrics.pointee.struct_size): set it before the call")
    }
    let found = try work(trainer)
    guard let metrics else { return }
    var answer = edgeai_training_metrics()
    answer.loss = found.loss
    answer.accuracy = found.accuracy
    answer.samples = UInt64(clamping: found.samples)
    try fill(metrics, "edgeai_training_metrics", answer)
  }
}

@_cdecl("edgeai_trainer_step") @implementation
public func edgeai_trainer_step(
  _ trainer: OpaquePointer!, _ inputs: UnsafePointer<edgeai_span>!, _ input_count: Int, _ targets: UnsafePointer<edgeai_span>!,
  _ metrics: UnsafeMutablePointer<edgeai_training_metrics>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  measure(trainer, metrics, error) { (trainer) throws(EdgeError) in try trainer.step(inputs, input_count, targets) }
}

@_cdecl("edgeai_trainer_step_labels") @implementation
public func edgeai_trainer_step_labels(
  _ trainer: OpaquePointer!, _ inputs: UnsafePointer<edgeai_span>!, _ input_count: Int, _ labels: UnsafePointer<Int32>!,
  _ label_count: Int, _ metrics: UnsafeMutablePointer<edgeai_training_metrics>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  measure(trainer, metrics, error) { (trainer) throws(EdgeError) in
    try trainer.step(inputs, input_count, labels: labels, label_count)
  }
}

@_cdecl("edgeai_trainer_evaluate") @implementation
public func edgeai_trainer_evaluate(
  _ trainer: OpaquePointer!, _ inputs: UnsafePointer<edgeai_span>!, _ input_count: Int, _ targets: UnsafePointer<edgeai_span>!,
  _ metrics: UnsafeMutablePointer<edgeai_training_metrics>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  measure(trainer, metrics, error) { (trainer) throws(EdgeError) in try trainer.evaluate(inputs, input_count, targets) }
}

@_cdecl("edgeai_trainer_evaluate_labels") @implementation
public func edgeai_trainer_evaluate_labels(
  _ trainer: OpaquePointer!, _ inputs: UnsafePointer<edgeai_span>!, _ input_count: Int, _ labels: UnsafePointer<Int32>!,
  _ label_count: Int, _ metrics: UnsafeMutablePointer<edgeai_training_metrics>!, _ error: UnsafeMutablePointer<edgeai_error>!
) -> edgeai_status {
  measure(trainer, metrics, error) { (trainer) throws(EdgeError) in
    try trainer.evaluate(inputs, input_count, labels: labels, label_count)
  }
}

@_cdecl("edgeai_trainer_cancel") @implementation
public func edgeai_trainer_cancel(_ trainer: OpaquePointer!) {
  guard let trainer else { return }
  object(trainer, TrainerHandle.self).trainer.cancel()
}
