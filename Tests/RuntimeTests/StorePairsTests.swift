import CPlatform
import Graph
import Testing

@testable import Runtime

/// Tensors that only convolutions in bfloat16 read are written as their pairs, and no bit of a result changes: not against a session
/// that observes every value and so keeps them as floats, nor against other sets, which emulate bfloat16 in floats.
@Suite struct StorePairsTests {
  private struct Network {
    var graph = Graph()
    private var random = Random(5)
    private var count = 0

    mutating func input(_ dims: [Int]) -> ValueID { graph.input("x", [Shape.batch] + dims) }

    mutating func add(_ op: Operator, _ inputs: [ValueID]) throws -> ValueID {
      count += 1
      return try graph.addNode(op, name: Text("n\(count)"), inputs: inputs, outputNames: [Text("n\(count)")])[0]
    }

    mutating func convolution(
      _ x: ValueID, _ outputs: Int, _ kernel: Int = 1, stride: Int = 1, groups: Int = 1, pad: Int? = nil, residual: ValueID? = nil
    ) throws -> ValueID {
      let dims = [outputs, kernel, kernel, graph.values[x].shape[3] / groups], size = dims.reduce(1, *)
      let w = try graph.constant("w\(count)", dims, random.floats(size)), b = try graph.constant("b\(count)", [outputs], random.floats(outputs))
      var op = Convolution(window: window(kernel, stride: stride, pad: pad ?? kernel / 2), groups: groups)
      op.clamp = Clamp(min: -2, max: 3)
      return try add(.convolution(op), [x, w, b] + (residual.map { [$0] } ?? []))
    }

    mutating func depthwise(_ x: ValueID, _ kernel: Int = 3, stride: Int = 1) throws -> ValueID {
      try convolution(x, graph.values[x].shape[3], kernel, stride: stride, groups: graph.values[x].shape[3])
    }

    mutating func dense(_ x: ValueID, _ outputs: Int) throws -> ValueID {
      let inputs = graph.values[x].shape.dims.last!
      return try add(.dense(.none), [x, try graph.constant("w\(count)", [outputs, inputs], random.floats(outputs * inputs))])
    }
  }

  /// Where bfloat16 is an instruction.
  private static let isThere: Bool = {
    let isThere = InstructionSet.avx512bf16.isAvailable
    if !isThere { print("StorePairsTests are skipped: the processor has no AVX-512 BF16") }
    return isThere
  }()

  /// Numbers of the steps that write pairs, and that read them.
  private func pairs(_ plan: Plan) -> (written: [Int], read: [Int]) {
    (
      plan.steps.indices.filter { plan.steps[$0].notes.contains("writes bfloat16") },
      plan.steps.indices.filter { plan.steps[$0].notes.contains("reads bfloat16") }
    )
  }

  /// `written`, `read`: the steps of the plan with pairs.
  private func check(_ network: Network, written: [Int], read: [Int]) throws {
    guard Self.isThere else { return }
    let graph = network.graph
    var random = Random(3)
    for batch in [1, 3] {
      let x = graph.inputs.map { random.floats(graph.values[$0].shape.elementCount(batch: batch)!) }
      func runner(_ isa: InstructionSet, threads: Int = 1, observed: [ValueID] = []) throws -> Runner {
        try Runner(graph) {
          ($0.isa, $0.batch, $0.threads, $0.precision, $0.observed) = (isa, batch, threads, .bfloat16, observed)
          $0.compact = true  // nothing in Winograd's form, which is float32
        }
      }
      let all = graph.nodes.flatMap { $0.outputs }
      let floats = try runner(.avx512bf16, observed: all)
      #expect(pairs(floats.plan).written.isEmpty && pairs(floats.plan).read.isEmpty)
      let expected = try floats.bytes(x)
      // The sums of depthwise layers are fused there too.
      #expect(try runner(.avx2).bytes(x) == expected, "emulated, batch \(batch)")
      for threads in [1, 2, 3] {
        let own = try runner(.avx512bf16, threads: threads)
        let found = pairs(own.plan)
        #expect(found.written == written)
        #expect(found.read == read)
        // Twice: nothing of a run is left in the next.
        for _ in 0..<2 { #expect(try own.bytes(x) == expected, "batch \(batch), \(threads) threads") }
        // Half the bytes, for those who write and those who read; observed parts are moved by steps of their own.
        for step in written + read where own.plan.steps.count == floats.plan.steps.count {
          #expect(own.plan.steps[step].byteCount < floats.plan.steps[step].byteCount)
        }
        var options = own.plan.options
        options.choices = .given(own.plan.tuning)
        #expect(try Plan(graph, options).text == own.plan.text)
      }
    }
  }

  /// From layer to layer, of every kind that writes and reads; odd channels stay floats.
  @Test(arguments: [2, 3, 6, 16, 17, 30, 34, 70]) func layers(channels: Int) throws {
    let isEven = channels % 2 == 0
    for (kernel, stride, pad) in [(1, 1, 0), (1, 2, 0), (3, 2, 1), (3, 1, 0), (5, 1, 2)] {
      var network = Network()
      let x = network.input([9, 8, 5])
      let first = try network.convolution(x, channels, 3)
      let second = try network.convolution(first, channels, kernel, stride: stride, pad: pad)
      network.graph.outputs = [try network.convolution(second, 7)]
      try check(network, written: isEven ? [0, 1] : [], read: isEven ? [1, 2] : [])
    }
  }

  @Test(arguments: [2, 3, 16, 18, 33, 70]) func depthwise(channels: Int) throws {
    let isEven = channels % 2 == 0
    for (kernel, stride) in [(3, 1), (3, 2), (5, 1)] {
      var network = Network()
      let x = network.input([9, 8, 6])
      // What a depthwise layer reads stays float.
      let wide = try network.convolution(x, channels)
      let filtered = try network.depthwise(wide, kernel, stride: stride)
      network.graph.outputs = [try network.convolution(filtered, 10)]
      try check(network, written: isEven ? [1] : [], read: isEven ? [2] : [])
    }
  }

  /// No word belongs to two groups; what is added, or read by anything else, stays float.
  @Test func groupsAndResiduals() throws {
    for (groups, isPaired) in [(2, true), (4, false)] {
      var network = Network()
      let x = network.input([6, 7, 8])
      let first = try network.convolution(x, 12)
      let second = try network.convolution(first, 24, 3, groups: groups)
      network.graph.outputs = [try network.convolution(second, 5)]
      try check(network, written: isPaired ? [0, 1] : [1], read: isPaired ? [1, 2] : [2])
    }
    var network = Network()
    let x = network.input([6, 7, 8])
    let first = try network.convolution(x, 12)
    let second = try network.convolution(first, 12)
    let sum = try network.convolution(second, 12, residual: first)
    let last = try network.convolution(sum, 6)
    network.graph.outputs = [last, try network.convolution(last, 4)]
    // `first` is added, `last` is an output.
    try check(network, written: [1, 2], read: [2, 3])
    // Two readers, one of which is no convolution.
    network.graph.outputs = [last, try network.add(.unary(UnaryFunction(.hardSwish)), [sum])]
    try check(network, written: [1], read: [2])
  }

  /// Parts of a concatenation, whose words may not be shared either, and a dense layer behind a reshape.
  @Test func concatenationsAndReshapes() throws {
    for (channels, isPaired) in [([4, 10, 6], true), ([4, 9, 6, 1], false)] {
      var network = Network()
      let x = network.input([5, 6, 6])
      let parts = try channels.map { try network.convolution(x, $0) }
      let joined = try network.add(.concat(axis: 3), parts)
      let y = try network.convolution(joined, 8)
      let flat = try network.add(.reshape(Shape([Shape.batch, 5 * 6 * 8])), [y])
      network.graph.outputs = [try network.dense(flat, 9)]
      let count = channels.count
      try check(network, written: isPaired ? [0, 1, 2, 3] : [count], read: isPaired ? [3, 4] : [count + 1])
    }
  }

  /// The choices of a plan, with that of another one for one step.
  private func words(_ plan: Plan, _ step: Int, from other: Plan) -> [UInt64] {
    var words = plan.tuning
    words[Tuning.headerWords + step] = other.tuning[Tuning.headerWords + step]
    words[1] = words.withUnsafeBytes { UInt64(ep_crc32c(0, $0.baseAddress! + 16, $0.count - 16)) }
    return words
  }

  /// A tuning that takes a depthwise layer from another set leaves floats; each choice can be given again.
  @Test func tuningsAreRespected() throws {
    guard Self.isThere else { return }
    var network = Network()
    let x = network.input([12, 12, 16])
    let wide = try network.convolution(x, 32)
    network.graph.outputs = [try network.convolution(try network.depthwise(wide), 16)]
    var options = SessionOptions()
    (options.isa, options.precision) = (.avx512bf16, .bfloat16)
    let planned = try Plan(network.graph, options)
    #expect(pairs(planned).written == [1])
    options.choices = .preferred(StepChoices.choice(form: 0, isa: .avx2))
    let other = try Plan(network.graph, options)
    #expect(pairs(other).written.isEmpty && other.lowered[1].isa == .avx2)
    // Steps are the same whether their tensors are pairs, so a tuning may mix the choices of both plans.
    let given = words(planned, 1, from: other)
    options.choices = .given(given)
    let mixed = try Plan(network.graph, options)
    #expect(mixed.tuning == given && mixed.text == other.text)
    options.choices = .planned
    let tuned = try Plan.tuned(network.graph, options)
    #expect(try Plan(network.graph, tuned.options).text == tuned.text)
  }

  /// A depthwise layer has the same choice whether the layer behind it reads pairs or, in Winograd's form, floats.
  @Test func choicesOfOtherStepsDecide() throws {
    guard Self.isThere else { return }
    var network = Network()
    let x = network.input([14, 14, 16])
    let filtered = try network.depthwise(try network.convolution(x, 64))
    network.graph.outputs = [try network.convolution(filtered, 64, 3)]
    var options = SessionOptions()
    (options.isa, options.precision) = (.avx512bf16, .bfloat16)
    func plan(_ choices: StepChoices) throws -> Plan {
      options.choices = choices
      return try Plan(network.graph, options)
    }
    let plain = try plan(.preferred(StepChoices.choice(form: 0, isa: .avx512bf16)))
    let winograd = try plan(.preferred(StepChoices.choice(form: 4, isa: .avx512bf16)))
    #expect(pairs(plain).written == [1] && pairs(winograd).written.isEmpty)
    for (reader, other) in [(plain, winograd), (winograd, plain)] {
      let given = words(reader, 1, from: other)
      let mixed = try plan(.given(given))
      #expect(mixed.tuning == given && mixed.text == reader.text)
    }
  }

  /// A convolution has fewer units where its rows are floats than a tuning may have shared where they were pairs.
  @Test func partsAreNoMoreThanUnits() throws {
    guard Self.isThere else { return }
    var network = Network()
    let x = network.input([7, 7, 160])
    let filtered = try network.depthwise(try network.convolution(x, 960))
    network.graph.outputs = [try network.convolution(filtered, 320)]
    var options = SessionOptions()
    (options.isa, options.precision, options.threads) = (.avx512bf16, .bfloat16, 2)
    let planned = try Plan(network.graph, options)
    options.choices = .preferred(StepChoices.choice(form: 0, isa: .avx2))
    let other = try Plan(network.graph, options)
    #expect(pairs(planned).written == [1] && planned.lowered[2].chunks > other.lowered[2].units)
    options.choices = .given(words(planned, 1, from: other))
    let mixed = try Plan(network.graph, options)
    #expect(pairs(mixed).written.isEmpty && Int64(mixed.lowered[2].chunks) == mixed.lowered[2].units)
    options.choices = .given(mixed.tuning)
    #expect(try Plan(network.graph, options).text == mixed.text)
  }

  /// The arena holds half of what lies between, and no more than the plan asked for is written.
  @Test(arguments: [1, 3]) func memoryIsLess(threads: Int) throws {
    guard Self.isThere else { return }
    var network = Network()
    let x = network.input([24, 20, 3])
    let first = try network.convolution(x, 30, 3)
    network.graph.outputs = [try network.convolution(first, 4)]
    var options = SessionOptions()
    (options.isa, options.threads, options.precision) = (.avx512bf16, threads, .bfloat16)
    let plan = try Plan(network.graph, options)
    options.observed = [first]
    #expect(plan.arenaBytes <= (24 * 20 * 30 * 2 + 63) & ~63)
    #expect(plan.memoryRequired < (try Plan(network.graph, options)).memoryRequired)
    let guardBytes = 4096
    let memory = ep_allocate(plan.memoryRequired + guardBytes, 64)!
    defer { ep_deallocate(memory) }
    memory.initializeMemory(as: UInt8.self, repeating: 0xA5, count: plan.memoryRequired + guardBytes)
    let session = try Session(plan, memory: memory, size: plan.memoryRequired)
    for _ in 0..<2 { #expect(session.run()) }
    session.destroy()
    #expect((0..<guardBytes).allSatisfy { memory.load(fromByteOffset: plan.memoryRequired + $0, as: UInt8.self) == 0xA5 })
  }
}
