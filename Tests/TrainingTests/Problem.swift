import Graph
import Testing

@testable import Training

/// A problem of four classes that a small network learns in a few hundred steps: which of four prototypes a noisy sample is near.
struct Problem {
  static let inputs = 12, classes = 4, batch = 32
  var random = Random(3)
  let prototypes: [[Float]]

  init() {
    var random = Random(11)
    prototypes = (0..<Problem.classes).map { _ in random.floats(Problem.inputs) }
  }

  mutating func batch(_ count: Int = Problem.batch) -> (x: [Float], y: [Float]) {
    var (x, y): ([Float], [Float]) = ([], [])
    for _ in 0..<count {
      let label = random.below(Problem.classes)
      x += prototypes[label].map { $0 + random.float(-0.7, 0.7) }
      y += (0..<Problem.classes).map { $0 == label ? 1 : 0 }
    }
    return (x, y)
  }
}

func network(normalizes: Bool = false, hidden: [Int] = [24, 16]) throws -> Graph {
  var random = Random(5)
  var graph = Graph(name: "small")
  var x = graph.input("input", [-1, Problem.inputs])
  var width = Problem.inputs
  for (index, next) in (hidden + [Problem.classes]).enumerated() {
    let name = Text("ip\(index + 1)")
    let spread = (6 / Float(width)).squareRoot()
    let weights = try graph.constant(name + "/weights", [next, width], random.floats(next * width, -spread, spread))
    let bias = try graph.constant(name + "/bias", [next], [Float](repeating: 0.01, count: next))
    x = try graph.add(.dense(.none), name, [x, weights, bias])
    width = next
    if index == hidden.count { break }
    if normalizes {
      let parts: [(Text, Float)] = [("gamma", 1), ("beta", 0), ("mean", 0), ("variance", 1)]
      let constants = try parts.map { try graph.constant(name + "/bn/" + $0.0, [next], [Float](repeating: $0.1, count: next)) }
      x = try graph.add(.batchNormalization(epsilon: 1e-3), name + "/bn", [x] + constants)
    }
    x = try graph.add(.unary(UnaryFunction(.clamp, alpha: 0, beta: .infinity)), name + "/relu", [x])
  }
  graph.outputs = [x]
  return graph
}

/// Two convolutions of 3 x 4 pixels, to 6 and 8 channels, with normalizations and ReLU; `pooled`: a max pool between them.
func convolutionLayers(_ graph: inout Graph, _ random: inout Random, pooled: Bool) throws -> ValueID {
  var x = try graph.add(.reshape(Shape([-1, 3, 4, 1])), "image", [graph.input("input", [-1, Problem.inputs])])
  var channels = 1
  for (index, next) in [6, 8].enumerated() {
    let name = Text("conv\(index + 1)")
    let weights = try graph.constant(name + "/weights", [next, 3, 3, channels], random.floats(next * 9 * channels, -0.5, 0.5))
    x = try graph.add(.convolution(Convolution(window: window(3, pad: 1))), name, [x, weights])
    let parts: [(Text, Float)] = [("gamma", 1), ("beta", 0), ("mean", 0), ("variance", 1)]
    let constants = try parts.map { try graph.constant(name + "/bn/" + $0.0, [next], [Float](repeating: $0.1, count: next)) }
    x = try graph.add(.batchNormalization(epsilon: 1e-3), name + "/bn", [x] + constants)
    x = try graph.add(.unary(UnaryFunction(.clamp, alpha: 0, beta: .infinity)), name + "/relu", [x])
    if pooled, index == 0 { x = try graph.add(.pool(Pool(.max, window: window(2))), "pool", [x]) }
    channels = next
  }
  return x
}

/// The same with convolutions.
func convolutions() throws -> Graph {
  var random = Random(6)
  var graph = Graph(name: "convolutions")
  let last = try convolutionLayers(&graph, &random, pooled: false)
  let x = try graph.add(.reduce(.mean, axes: [1, 2], keepDims: false), "average", [last])
  let weights = try graph.constant("fc/weights", [Problem.classes, 8], random.floats(Problem.classes * 8))
  graph.outputs = [try graph.add(.dense(.none), "fc", [x, weights])]
  return graph
}

func options(_ change: (inout TrainerOptions) -> Void = { _ in }) -> TrainerOptions {
  var options = TrainerOptions()
  options.batch = Problem.batch
  options.optimizer = .adam
  options.learningRate = 0.01
  change(&options)
  return options
}

extension Trainer {
  func step(_ samples: (x: [Float], y: [Float])) throws -> Metrics {
    try samples.x.withUnsafeBytes { x in
      try samples.y.withUnsafeBytes { y in
        try [x.baseAddress!].withUnsafeBufferPointer { try step($0, targets: y.baseAddress!) }
      }
    }
  }

  func train(_ steps: Int, _ problem: inout Problem) throws {
    for _ in 0..<steps { _ = try step(problem.batch()) }
  }

  func accuracy() throws -> Double {
    var problem = Problem()
    problem.random = Random(99)
    let samples = problem.batch(500)
    return try samples.x.withUnsafeBytes { x in
      try samples.y.withUnsafeBytes { y in try evaluate([x.baseAddress!], targets: y.baseAddress!, samples: 500).accuracy }
    }
  }

  func weights(_ name: Text) throws -> [Float] {
    let graph = try exported(isTrainable: true)
    let value = try #require(graph.values.first { $0.name == name })
    return try #require(value.constant).array(of: Float.self)
  }
}
