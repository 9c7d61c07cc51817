import CEdgeAI
#if !EDGEAI_SINGLE_MODULE
import Compression
import Graph
import Training
#endif

func defaultTrainerOptions() -> edgeai_trainer_options {
  let defaults = TrainerOptions()
  var options = edgeai_trainer_options()
  options.batch = Int32(clamping: defaults.batch)
  options.threads = 1
  options.loss = Int32(defaults.loss.rawValue)
  options.optimizer = Int32(defaults.optimizer.rawValue)
  options.schedule = Int32(defaults.schedule.rawValue)
  options.learning_rate = defaults.learningRate
  options.momentum = defaults.momentum
  options.second_decay = defaults.secondDecay
  options.epsilon = defaults.epsilon
  options.normalization_momentum = defaults.normalizationMomentum
  options.period_decay = defaults.periodDecay
  options.recompute = defaults.recomputes ? 1 : 0
  options.teacher_share = defaults.teacherShare
  options.temperature = defaults.temperature
  return options
}

@_cdecl("edgeai_trainer_options_init") @implementation
public func edgeai_trainer_options_init(_ options: UnsafeMutablePointer<edgeai_trainer_options>!, _ struct_size: Int) {
  initialize(options, struct_size, defaultTrainerOptions())
}

/// The trainer's options from the caller's, for a model; methods apart. `TrainerOptions` checks the numbers.
func trainerOptions(_ chosen: edgeai_trainer_options, _ model: Graph) throws(EdgeError) -> TrainerOptions {
  guard let loss = UInt8(exactly: chosen.loss).flatMap({ Loss(rawValue: $0) }) else {
    throw EdgeError(.invalidArgument, "there is no loss \(chosen.loss)")
  }
  guard let optimizer = UInt8(exactly: chosen.optimizer).flatMap({ OptimizerStep.Kind(rawValue: $0) }) else {
    throw EdgeError(.invalidArgument, "there is no optimizer \(chosen.optimizer)")
  }
  guard let schedule = UInt8(exactly: chosen.schedule).flatMap({ Schedule(rawValue: $0) }) else {
    throw EdgeError(.invalidArgument, "there is no schedule \(chosen.schedule)")
  }
  var result = TrainerOptions()
  result.batch = Int(chosen.batch)
  result.threads = try threadCount(chosen.threads)
  if let name = chosen.isa { result.isa = try instructionSet(name) }
  result.loss = loss
  result.labelSmoothing = chosen.label_smoothing
  result.optimizer = optimizer
  result.learningRate = chosen.learning_rate
  result.momentum = chosen.momentum
  result.secondDecay = chosen.second_decay
  result.epsilon = chosen.epsilon
  result.weightDecay = chosen.weight_decay
  result.clipNorm = chosen.clip_norm
  result.schedule = schedule
  result.totalSteps = Int(clamping: chosen.total_steps)
  result.warmUpSteps = Int(clamping: chosen.warm_up_steps)
  result.period = Int(clamping: chosen.period)
  result.periodDecay = chosen.period_decay
  result.recomputes = chosen.recompute != 0
  result.normalizationMomentum = chosen.normalization_momentum
  result.dropout = chosen.dropout
  result.seed = chosen.seed
  result.frozen = try nodes(model, named: try names(chosen.frozen, chosen.frozen_count, "frozen"))
  if let teacher = chosen.teacher {
    let teacher = object(teacher, ModelHandle.self)
    try teacher.requireRunnable()
    result.teacher = try teacher.graph
  }
  result.teacherShare = chosen.teacher_share
  result.temperature = chosen.temperature
  return result
}

/// Names of the operators that a list of names means, of which each may end in a star. Throws for one that no operator has.
private func nodes(_ model: Graph, named patterns: [Text]) throws(EdgeError) -> [Text] {
  var result: [Text] = []
  for pattern in patterns {
    let rule = [LayerValue(name: pattern, value: 1)]
    let before = result.count
    for node in model.nodes where LayerValue.last(rule, for: node.name) != nil { result.append(node.name) }
    guard result.count > before else { throw EdgeError(.invalidArgument, "no operator is named \(pattern)", node: pattern) }
  }
  return result
}
