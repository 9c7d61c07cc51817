import CPlatform
import Graph
import Testing

@testable import Runtime

/// Steps that run band by band have the bits of those that run one after the other, whatever the bands are.
@Suite struct ChainTests {
  /// What makes the planner chain all it can, or nothing.
  private func choices(_ isa: InstructionSet, isChained: Bool) -> StepChoices {
    .preferred(StepChoices.choice(form: isChained ? LoweredStep.chained : 0, isa: isa))
  }

  /// A network, and the values between the steps of its chains.
  private struct Network {
    var graph = Graph()
    var between: [ValueID] = []
    let quantized: Bool
    private var random = Random(7)
    private var count = 0

    init(quantized: Bool) { self.quantized = quantized }

    mutating func input(_ dims: [Int]) throws -> ValueID {
      let x = graph.input("x\(graph.inputs.count)", [Shape.batch] + dims)
      return quantized ? try add(.quantize, [x], scale: 0.02, zero: 120) : x
    }

    mutating func finish(_ y: ValueID) throws { graph.outputs.append(quantized ? try add(.dequantize, [y], scale: nil) : y) }

    mutating func add(_ op: Operator, _ inputs: [ValueID], scale: Float?, zero: Int32 = 128) throws -> ValueID {
      count += 1
      let types = scale.map { [ElementType(.uint8, Quantization(scale: $0, zeroPoint: zero))] } ?? []
      return try graph.addNode(op, name: "n\(count)", inputs: inputs, outputNames: ["n\(count)"], results: quantized ? types : [])[0]
    }

    /// A convolution with bias and clamp: of single pixels, or depthwise where `window` is given.
    mutating func convolution(_ x: ValueID, _ outputs: Int, _ window: Window? = nil, residual: ValueID? = nil) throws -> ValueID {
      let channels = graph.values[x].shape[3]
      let dims = window.map { [outputs, $0.kernelHeight, $0.kernelWidth, 1] } ?? [outputs, 1, 1, channels]
      let size = dims.reduce(1, *)
      var op = Convolution(window: window ?? RuntimeTests.window(1), groups: window == nil ? 1 : channels)
      op.clamp = Clamp(min: -2, max: 3)
      count += 1
      let w: ValueID, b: ValueID
      if quantized {
        let integers = (0..<size).map { _ in Int8(random.below(255) - 127) }
        w = try graph.addConstant("w\(count)", .int8, Shape(dims), integers, quantization: Quantization(scale: 0.01, zeroPoint: 0))
        b = try graph.addConstant("b\(count)", .int32, Shape([outputs]), (0..<outputs).map { _ in Int32(random.below(200) - 100) })
      } else {
        w = try graph.constant("w\(count)", dims, random.floats(size))
        b = try graph.constant("b\(count)", [outputs], random.floats(outputs))
      }
      return try add(.convolution(op), [x, w, b] + (residual.map { [$0] } ?? []), scale: 0.05)
    }

    /// An inverted residual block: more channels, a depthwise convolution, fewer channels, and the sum with what came in.
    mutating func block(_ x: ValueID, _ inner: Int, _ window: Window, outputs: Int, residual: Bool) throws -> ValueID {
      let grown = try convolution(x, inner)
      let filtered = try convolution(grown, inner, window)
      between += [grown, filtered]
      return try convolution(filtered, outputs, residual: residual ? x : nil)
    }

    /// softmax(q k + masks) v with heads side by side; behind the masks, choices between the scores and a tensor of each of some shapes,
    /// where one of that shape is negative and where it is not in turn.
    mutating func attention(length: Int, keys: Int, heads: Int, width: Int, masks: [[Int]] = [], choices: [([Int], [Int])] = []) throws {
      let parts = try [length, keys, keys].map { try input([$0, heads * width]) }
      func split(_ x: ValueID, _ order: [Int]) throws -> ValueID {
        let scale = graph.values[x].quantization?.scales[0], zero = graph.values[x].quantization?.zeroPoints[0] ?? 0
        let dims = [Shape.batch, graph.values[x].shape[1], heads, width]
        return try add(.transpose(order), [try add(.reshape(Shape(dims)), [x], scale: scale, zero: zero)], scale: scale, zero: zero)
      }
      var scores = try add(.matMul, [try split(parts[0], [0, 2, 1, 3]), try split(parts[1], [0, 2, 3, 1])], scale: 0.05)
      for mask in masks {
        between.append(scores)
        scores = try add(.binary(.add, .none), [scores, try input(mask)], scale: 0.05)
      }
      for (index, (condition, other)) in choices.enumerated() {
        between.append(scores)
        let zero = try graph.constant("zero\(index)", [], [0])
        let number = graph.input("c\(index)", [Shape.batch] + condition)
        count += 1
        let negative = try graph.addNode(
          .binary(.less, .none), name: "less\(count)", inputs: [number, zero], outputNames: ["less\(count)"], results: [])[0]
        let filler = graph.input("o\(index)", [Shape.batch] + other)
        let third = quantized ? try add(.quantize, [filler], scale: 0.05) : filler
        scores = try add(.select, index % 2 == 0 ? [negative, scores, third] : [negative, third, scores], scale: 0.05)
      }
      let seen = try add(.softmax(axis: 3, log: false), [scores], scale: 1 / 256, zero: 0)
      let sums = try add(.matMul, [seen, try split(parts[2], [0, 2, 1, 3])], scale: 0.02)
      between += [scores, seen]
      try finish(try add(.transpose([0, 2, 1, 3]), [sums], scale: 0.02))
    }
  }

  /// Chains of the plan, as the numbers of their steps.
  private func lengths(_ plan: Plan) -> [Int] { plan.lowered.compactMap { $0.chain?.members.count } }

  /// The chained plan's outputs have the unchained one's bits, for every set, number of threads and several sizes of bands.
  private func check(_ network: Network, chains: [Int], precision: Precision = .float32, sets: [InstructionSet] = InstructionSet.all) throws {
    var random = Random(3)
    for isa in sets where isa.isAvailable {
      for batch in [1, 3] {
        let x = network.graph.inputs.map { random.floats(network.graph.values[$0].shape.elementCount(batch: batch)!) }
        func runner(_ cacheBytes: Int?, threads: Int = 1, observed: [ValueID] = []) throws -> Runner {
          try Runner(network.graph) {
            ($0.isa, $0.batch, $0.threads, $0.precision, $0.observed) = (isa, batch, threads, precision, observed)
            $0.choices = choices(isa, isChained: cacheBytes != nil)
            if let cacheBytes { $0.cacheBytes = cacheBytes }
          }
        }
        let plain = try runner(nil)
        #expect(lengths(plain.plan).isEmpty)
        let expected = try plain.bytes(x)
        var numbers: Set<Int> = []
        for cacheBytes in [64, 8 << 10, 40 << 10] {
          for threads in [1, 2, 3] {
            let chained = try runner(cacheBytes, threads: threads)
            #expect(lengths(chained.plan) == chains, "\(isa)")
            numbers.formUnion(chained.plan.lowered.compactMap { $0.chain?.length })
            // Twice: nothing of a run is left in the next.
            #expect(try chained.bytes(x) == expected, "\(isa), batch \(batch), \(threads) threads, cache \(cacheBytes)")
            #expect(try chained.bytes(x) == expected, "\(isa), batch \(batch), \(threads) threads, cache \(cacheBytes), again")
            // A tuning brings the chains back.
            var options = chained.plan.options
            options.choices = .given(chained.plan.tuning)
            #expect(try Plan(network.graph, options).text == chained.plan.text)
            let total = chained.plan.steps.reduce(Int64(0)) { $0 + $1.multiplyAdds }
            #expect(total == plain.plan.steps.reduce(Int64(0)) { $0 + $1.multiplyAdds })
          }
        }
        #expect(chains.isEmpty || numbers.count > 1)
        // What somebody looks at is there as a whole.
        #expect(lengths(try runner(64, observed: network.between).plan).isEmpty)
      }
    }
  }

  private func checkPrecisions(_ make: (Bool) throws -> Network, chains: [Int]) throws {
    try check(try make(false), chains: chains)
    try check(try make(true), chains: chains)
    // Where bfloat16 is emulated a step that rounds stands between.
    try check(try make(false), chains: chains, precision: .bfloat16, sets: [.avx512bf16])
  }

  /// Windows of all kinds: odd sizes, strides, dilation, paddings that differ, lines that no window reads.
  @Test(arguments: 0..<6) func depthwise(_ number: Int) throws {
    var tall = window(3, stride: 2, pad: 1)
    (tall.padTop, tall.padBottom, tall.kernelHeight) = (0, 3, 5)
    var sparse = window(1, stride: 3)
    sparse.kernelWidth = 2
    let windows = [window(3, pad: 1), window(3, stride: 2, pad: 1), window(5, pad: 2), window(3, pad: 2, dilation: 2), tall, sparse]
    func network(_ quantized: Bool) throws -> Network {
      var network = Network(quantized: quantized)
      let x = try network.input([15, 11, 20])
      let filtered = try network.convolution(x, 20, windows[number])
      network.between = [filtered]
      try network.finish(try network.convolution(filtered, 36))
      return network
    }
    try checkPrecisions(network, chains: [2])
  }

  /// All layers of two blocks, the second of which adds its input.
  @Test(arguments: [1, 2]) func blocks(_ stride: Int) throws {
    func network(_ quantized: Bool) throws -> Network {
      var network = Network(quantized: quantized)
      let x = try network.input([17, 13, 8])
      let y = try network.block(x, 24, window(3, stride: stride, pad: 1), outputs: 12, residual: false)
      try network.finish(try network.block(y, 40, window(5, pad: 2), outputs: 12, residual: true))
      return network
    }
    try checkPrecisions(network, chains: [3, 3])
  }

  /// A row of depthwise and pointwise layers is one chain; where a tensor has two readers there is none.
  @Test func rows() throws {
    func network(_ quantized: Bool) throws -> Network {
      var network = Network(quantized: quantized)
      var x = try network.input([19, 9, 8])
      for stride in [1, 2, 1] {
        let filtered = try network.convolution(x, network.graph.values[x].shape[3], window(3, stride: stride, pad: 1))
        x = try network.convolution(filtered, 16)
        network.between += [filtered, x]
      }
      network.between.removeLast()
      try network.finish(x)
      return network
    }
    try checkPrecisions(network, chains: [6])
    var shared = try network(false)
    shared.graph.outputs += shared.between
    try check(shared, chains: [])
  }

  @Test func attention() throws {
    for (length, keys, heads, width, masks) in [
      (100, 100, 2, 16, []), (85, 40, 3, 5, []), (1, 300, 1, 8, []), (90, 60, 3, 8, [[1, 1, 60]]), (85, 40, 2, 5, [[1, 85, 40]]),
      (70, 70, 3, 4, [[3, 70, 70], [1, 1, 70]]), (1, 300, 2, 8, [[2, 1, 300]]), (85, 40, 2, 5, [[2, 85, 1]]),
    ] {
      for quantized in [false, true] {
        var network = Network(quantized: quantized)
        try network.attention(length: length, keys: keys, heads: heads, width: width, masks: masks)
        try checkAttention(network, members: 3 + masks.count)
      }
    }
  }

  /// Choices between the scores and something else, by masks that broadcast in every way.
  @Test func chosenScores() throws {
    for (length, keys, heads, masks, choices) in [
      (90, 60, 3, [], [([1, 1, 60], [1, 1, 1])]), (85, 40, 2, [], [([1, 85, 40], [2, 85, 40]), ([2, 85, 1], [1, 1, 40])]),
      (70, 70, 3, [[1, 1, 70]], [([3, 70, 70], [3, 1, 1])]), (1, 300, 2, [], [([2, 1, 300], [1, 1, 300])]),
      (64, 64, 2, [], [([1, 64, 64], [1, 64, 1])]),
    ] as [(Int, Int, Int, [[Int]], [([Int], [Int])])] {
      for quantized in [false, true] {
        var network = Network(quantized: quantized)
        try network.attention(length: length, keys: keys, heads: heads, width: 8, masks: masks, choices: choices)
        try checkAttention(network, members: 3 + masks.count + choices.count)
      }
    }
  }

  private func checkAttention(_ network: Network, members: Int) throws {
    #expect(try lengths(Plan(network.graph)).isEmpty)
    for isa in InstructionSet.all where isa.isAvailable {
      for threads in [1, 3] {
        var results: [[[UInt8]]] = []
        var random = Random(9)
        let x = network.graph.inputs.map { random.floats(network.graph.values[$0].shape.elementCount(batch: 2)!) }
        for cacheBytes in [nil, 64, 24 << 10] {
          let runner = try Runner(network.graph) {
            ($0.isa, $0.batch, $0.threads, $0.choices) = (isa, 2, threads, choices(isa, isChained: cacheBytes != nil))
            if let cacheBytes { $0.cacheBytes = cacheBytes }
          }
          #expect(lengths(runner.plan) == (cacheBytes == nil ? [] : [members]), "\(isa)")
          results.append(try runner.bytes(x))
        }
        #expect(results[0] == results[1] && results[0] == results[2], "\(isa), \(threads) threads")
      }
    }
  }

  /// The arena no longer holds what lies between: a long sequence's scores, the widest tensor of a network of images.
  @Test(arguments: [1, 2]) func theArenaFalls(threads: Int) throws {
    var sequence = Network(quantized: false)
    try sequence.attention(length: 1024, keys: 1024, heads: 4, width: 8, masks: [[1, 1, 1024]])
    var pictures = Network(quantized: false)
    let x = try pictures.input([112, 112, 16])
    try pictures.finish(try pictures.block(x, 96, window(3, stride: 2, pad: 1), outputs: 24, residual: false))
    for (network, bytes) in [(sequence, 4 * 1024 * 1024 * 4), (pictures, 112 * 112 * 96 * 4)] {
      var options = SessionOptions()
      options.threads = threads
      let chained = try Plan(network.graph, options)
      options.choices = choices(.best, isChained: false)
      let plain = try Plan(network.graph, options)
      #expect(lengths(chained).count == 1)
      #expect(chained.arenaBytes <= plain.arenaBytes - bytes)
      // What a thread keeps instead is less than its cache.
      #expect(chained.memoryRequired <= plain.memoryRequired - bytes + threads << 20)
    }
  }

  @Test func plansAndProfilesShowChains() throws {
    var network = Network(quantized: false)
    let x = try network.input([32, 16, 16])
    try network.finish(try network.block(x, 32, window(3, pad: 1), outputs: 16, residual: true))
    let runner = try Runner(network.graph) {
      ($0.isa, $0.cacheBytes, $0.traceRuns, $0.threads) = (.reference, 32 << 10, 2, 2)
      $0.choices = choices(.reference, isChained: true)
    }
    let steps = runner.plan.steps
    #expect(steps.map(\.kernel) == ["chained", "chained", "conv_f32_reference + depthwise_f32_reference + conv_f32_reference"])
    #expect(steps[2].notes.contains("with step 0, 1") && steps[2].notes.contains("lines at a time"))
    #expect(steps[0].multiplyAdds == 0 && steps[2].multiplyAdds == Int64(32 * 16 * 32 * (16 + 9 + 16)))
    // No tensor between: input, residual and output, and the constants.
    #expect(steps[2].byteCount == 4 * (3 * 32 * 16 * 16 + (16 * 32 + 32) + (9 * 32 + 32) + (32 * 16 + 16)))
    #expect(steps[2].chunks > 1 && Int64(steps[2].chunks) <= steps[2].units)
    _ = try runner.bytes([[Float](repeating: 1, count: 32 * 16 * 16)])
    #expect(runner.session.stepNanoseconds(2)! > runner.session.stepNanoseconds(0)!)
    let event = try #require(runner.session.traceEvent(2))
    #expect(runner.session.share(event, thread: 0) != nil)
  }

  /// A session writes nothing behind the memory that its plan asked for, whatever bands its threads run.
  @Test(arguments: [1, 3]) func memoryRequiredIsExact(threads: Int) throws {
    let guardBytes = 4096
    for quantized in [false, true] {
      var network = Network(quantized: quantized)
      let x = try network.input([23, 17, 8])
      try network.finish(try network.block(x, 40, window(5, stride: 2, pad: 2), outputs: 12, residual: false))
      try network.attention(length: 90, keys: 70, heads: 2, width: 8, masks: [[1, 1, 70]])
      for isa in InstructionSet.all where isa.isAvailable {
        var options = SessionOptions()
        (options.isa, options.threads, options.cacheBytes, options.choices) = (isa, threads, 16 << 10, choices(isa, isChained: true))
        let plan = try Plan(network.graph, options)
        #expect(lengths(plan) == [3, 4])
        let memory = ep_allocate(plan.memoryRequired + guardBytes, 64)!
        defer { ep_deallocate(memory) }
        memory.initializeMemory(as: UInt8.self, repeating: 0xA5, count: plan.memoryRequired + guardBytes)
        let session = try Session(plan, memory: memory, size: plan.memoryRequired)
        for _ in 0..<2 { #expect(session.run()) }
        session.destroy()
        #expect((0..<guardBytes).allSatisfy { memory.load(fromByteOffset: plan.memoryRequired + $0, as: UInt8.self) == 0xA5 })
      }
    }
  }

  /// Tuning compares a chain with its steps one by one.
  @Test func tuningMayUndoAChain() throws {
    var network = Network(quantized: false)
    let x = try network.input([40, 20, 16])
    try network.finish(try network.block(x, 48, window(3, pad: 1), outputs: 16, residual: true))
    var options = SessionOptions()
    options.cacheBytes = 24 << 10
    let planned = try Plan(network.graph, options)
    #expect(lengths(planned) == [3])
    let tuned = try Plan.tuned(network.graph, options)
    #expect([[3], []].contains(lengths(tuned)))
    #expect(try Plan(network.graph, tuned.options).text == tuned.text)
    // A chain that cannot be is refused.
    var words = planned.tuning
    words[words.count - 1] |= UInt64(LoweredStep.chained)
    words[1] = words.withUnsafeBytes { UInt64(ep_crc32c(0, $0.baseAddress! + 16, $0.count - 16)) }
    options.choices = .given(words)
    #expect(throws: EdgeError.self) { try Plan(network.graph, options) }
  }
}
