#if !EDGEAI_SINGLE_MODULE
import Graph
import Runtime
#endif

/// Runs an exported model on labelled samples.
final class Evaluator {
  private let graph: Graph
  private let options: TrainerOptions
  private let owned: OwnedSession
  private var session: Session { owned.session }
  private let batch: Int

  /// Does not throw: Embedded Swift does not free the object of an initializer that does.
  private init(_ graph: Graph, _ options: TrainerOptions, _ owned: OwnedSession) {
    self.graph = graph
    self.options = options
    self.owned = owned
    batch = owned.plan.options.batch
  }

  static func make(_ model: Graph, _ options: TrainerOptions) throws(EdgeError) -> Evaluator {
    var graph = model
    if options.loss == .crossEntropy {
      // Beside the output the logarithms of its probabilities.
      let output = graph.outputs[0]
      var op = Operator.softmax(axis: graph.values[output].shape.rank - 1, log: true)
      if let producer = graph.producer(of: output), case .softmax(let axis, false) = graph.nodes[producer].op,
        axis == graph.values[output].shape.rank - 1
      { op = .unary(UnaryFunction(.log)) }
      graph.outputs += try graph.addNode(op, name: "evaluation", inputs: [output], outputNames: ["evaluation"])
    }
    var isFixed = false
    for input in graph.inputs where !graph.values[input].shape.hasBatch { isFixed = true }
    var sessionOptions = SessionOptions()
    sessionOptions.batch = isFixed ? 1 : options.batch
    sessionOptions.threads = options.threads
    sessionOptions.isa = options.isa
    return Evaluator(graph, options, try OwnedSession.make(graph, sessionOptions))
  }

  func run(_ inputs: [UnsafeRawPointer], _ targets: UnsafeRawPointer, _ samples: Int) throws(EdgeError) -> Trainer.Metrics {
    let shape = graph.values[graph.outputs[0]].shape.withBatch(batch)
    let classes = max(shape.dims.last ?? 1, 1)
    let (elements, rows) = ((shape.elementCount() ?? 0) / batch, (shape.elementCount() ?? 0) / classes / batch)
    var (total, equal, done) = (0.0, 0, 0)
    while done < samples {
      // The last batch is filled up with samples of the one before, or old ones; they do not count.
      let count = min(batch, samples - done)
      for (index, input) in inputs.enumerated() {
        let bytes = session.inputByteCount(index) / batch
        session.inputPointer(index)?.copyMemory(from: input + done &* bytes, byteCount: count &* bytes)
      }
      guard session.run(), let output = session.outputPointer(0) else { throw EdgeError(.cancelled, "the evaluation was cancelled") }
      let wanted = targets + done &* elements &* 4
      switch options.loss {
      case .crossEntropy:
        equal &+= equalMaxima(output, wanted, rows: count &* rows, classes: classes)
        if let logarithms = session.outputPointer(1) { total -= weightedSum(logarithms, wanted, count &* elements) }
      case .meanSquaredError: total += squaredError(output, wanted, count &* elements)
      }
      done &+= count
    }
    var metrics = Trainer.Metrics()
    metrics.samples = samples
    metrics.loss = total / Double(max(samples &* (options.loss == .crossEntropy ? rows : elements), 1))
    metrics.accuracy = options.loss == .crossEntropy ? Double(equal) / Double(max(samples &* rows, 1)) : 0
    return metrics
  }

  /// Probabilities of 0 do not count, whatever the logarithm.
  private func weightedSum(_ logarithms: UnsafeRawPointer, _ targets: UnsafeRawPointer, _ count: Int) -> Double {
    var total = 0.0
    var index = 0
    while index < count {
      let target = targets.loadUnaligned(fromByteOffset: index &* 4, as: Float.self)
      if target != 0 { total += Double(target) * Double(logarithms.loadUnaligned(fromByteOffset: index &* 4, as: Float.self)) }
      index &+= 1
    }
    return total
  }

  private func squaredError(_ outputs: UnsafeRawPointer, _ targets: UnsafeRawPointer, _ count: Int) -> Double {
    var total = 0.0
    var index = 0
    while index < count {
      let difference =
        Double(outputs.loadUnaligned(fromByteOffset: index &* 4, as: Float.self))
        - Double(targets.loadUnaligned(fromByteOffset: index &* 4, as: Float.self))
      total += difference * difference
      index &+= 1
    }
    return total
  }
}
