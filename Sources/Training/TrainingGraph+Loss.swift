#if !EDGEAI_SINGLE_MODULE
import Graph
#endif

/// What the step makes small: the loss of the targets, and with a teacher the distance to its probabilities (Hinton et al. 2015).
extension TrainingGraph {
  func addLoss() throws(EdgeError) {
    graph = try graph.sorted()
    let shape = self.shape(logits)
    targets = graph.addValue(Value(name: "targets", dtype: .float32, shape: shape))
    switch options.loss {
    case .crossEntropy:
      guard let classes = shape.dims.last else { throw EdgeError(.unsupportedFeature, "the cross-entropy needs an output with an axis of classes") }
      var wanted = targets
      if options.labelSmoothing > 0 {
        let share = try scalar(options.labelSmoothing / Float(max(classes, 1)))
        wanted = try binary(.add, try binary(.multiply, wanted, try scalar(1 - options.labelSmoothing)), share)
      }
      let rows = Float(max((shape.elementCount() ?? 0) / max(classes, 1), 1))
      loss = try crossEntropy(logits, wanted, rows)
      if let teacher = options.teacher {
        // As soft as each other; T^2 keeps the gradient's size.
        let t = options.temperature
        let known = try append(.softmax(axis: shape.rank - 1, log: false), [try soften(try addTeacher(teacher), t)], "teacher")
        let distance = try crossEntropy(try soften(logits, t), known, rows)
        loss = try binary(
          .add, try binary(.multiply, loss, try scalar(1 - options.teacherShare)),
          try binary(.multiply, distance, try scalar(options.teacherShare * t * t)))
      }
    case .meanSquaredError:
      guard options.teacher == nil else { throw EdgeError(.invalidArgument, "distillation needs the cross-entropy") }
      let difference = try binary(.subtract, logits, targets)
      loss = try append(.reduce(.mean, axes: Array(shape.dims.indices), keepDims: false), [try binary(.multiply, difference, difference)], "loss")
    }
  }

  private func soften(_ value: ValueID, _ temperature: Float) throws(EdgeError) -> ValueID {
    temperature == 1 ? value : try binary(.multiply, value, try scalar(1 / temperature))
  }

  private func crossEntropy(_ y: ValueID, _ targets: ValueID, _ rows: Float) throws(EdgeError) -> ValueID {
    let rank = shape(y).rank
    let logarithms = try append(.softmax(axis: rank - 1, log: true), [y], "loss")
    let sum = try append(.reduce(.sum, axes: Array(0..<rank), keepDims: false), [try binary(.multiply, logarithms, targets)], "loss")
    return try binary(.multiply, sum, try scalar(-1 / rows))
  }

  /// The teacher's nodes on the model's inputs; its output, or the logits of it.
  private func addTeacher(_ teacher: Graph) throws(EdgeError) -> ValueID {
    let teacher = try teacher.withFixedBatch(options.batch)
    guard teacher.states.isEmpty, teacher.inputs.count == modelInputs.count, teacher.outputs.count == 1 else {
      throw EdgeError(.shapeMismatch, "the teacher has not the model's inputs and outputs")
    }
    var places = [ValueID](repeating: Node.noValue, count: teacher.values.count)
    for (own, theirs) in zip(modelInputs, teacher.inputs) {
      guard shape(own) == teacher.values[theirs].shape, graph.values[own].dtype == teacher.values[theirs].dtype else {
        throw EdgeError(.shapeMismatch, "the teacher's input has another type", tensor: teacher.values[theirs].name)
      }
      places[theirs] = own
    }
    for value in teacher.values.indices where places[value] == Node.noValue {
      var copy = teacher.values[value]
      copy.name = Text("teacher/\(copy.name)")
      places[value] = graph.addValue(copy)
    }
    func moved(_ ids: [ValueID]) -> [ValueID] { ids.map { $0 == Node.noValue ? $0 : places[$0] } }
    var output = teacher.outputs[0]
    if let producer = teacher.producer(of: output), case .softmax(let axis, false) = teacher.nodes[producer].op,
      axis == teacher.values[output].shape.rank - 1
    {
      output = teacher.nodes[producer].inputs[0]
    }
    for node in teacher.nodes {
      graph.nodes.append(Node(name: Text("teacher/\(node.name)"), op: node.op, inputs: moved(node.inputs), outputs: moved(node.outputs)))
    }
    guard shape(places[output]) == shape(logits) else { throw EdgeError(.shapeMismatch, "the teacher's output has another shape") }
    return places[output]
  }
}
