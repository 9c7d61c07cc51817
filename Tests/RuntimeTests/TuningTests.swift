import CPlatform
import Graph
import Testing

@testable import Runtime

@Suite(.serialized) struct TuningTests {
  /// Two 3x3 convolutions that Winograd's form can compute, a depthwise one and a dense layer.
  private func network(channels: Int = 32, seed: UInt64 = 3) throws -> Graph {
    var random = Random(seed)
    var graph = Graph(name: "tuned")
    let x = graph.input("x", [Shape.batch, 14, 14, channels])
    var y = x
    for name: Text in ["first", "second"] {
      let w = try graph.constant("w", [channels, 3, 3, channels], random.floats(channels * 9 * channels, -0.1, 0.1))
      y = try graph.addNode(.convolution(Convolution(window: window(3, pad: 1))), name: name, inputs: [y, w], outputNames: [name])[0]
    }
    let dw = try graph.constant("dw", [channels, 3, 3, 1], random.floats(channels * 9))
    y = try graph.addNode(
      .convolution(Convolution(window: window(3, pad: 1), groups: channels)), name: "depthwise", inputs: [y, dw], outputNames: ["d"])[0]
    y = try graph.addNode(.pool(Pool(.average, window: window(14))), name: "mean", inputs: [y], outputNames: ["m"])[0]
    graph.outputs = [y]
    return graph
  }

  private func status(_ body: () throws -> Void) -> Status? {
    do {
      try body()
      return nil
    } catch { return (error as? EdgeError)?.status }
  }

  private func options(_ configure: (inout SessionOptions) -> Void = { _ in }) -> SessionOptions {
    var options = SessionOptions()
    configure(&options)
    return options
  }

  @Test(arguments: [1, 3]) func aTunedPlanComesBackFromItsBytes(threads: Int) throws {
    let graph = try network()
    let asked = options { $0.threads = threads }
    let tuned = try Plan.tuned(graph, asked)
    var again = asked
    again.choices = .given(tuned.tuning)
    let plan = try Plan(graph, again)
    #expect(plan.text == tuned.text)
    #expect(plan.memoryRequired == tuned.memoryRequired)
    #expect(plan.tuning == tuned.tuning)
    #expect(tuned.tuning.count == 3 + tuned.steps.count)
    // Planning again with what the plan says of its options gives the plan.
    #expect(try Plan(graph, tuned.options).text == tuned.text)
    // The weights are no part of it.
    #expect(try Plan(network(seed: 4), again).steps.map(\.kernel) == tuned.steps.map(\.kernel))
  }

  /// Every set and form on its own: bytes name it, the plan runs it, and results stay those of the network.
  @Test(arguments: InstructionSet.all.filter(\.isAvailable)) func everyChoiceIsAPlan(isa: InstructionSet) throws {
    let graph = try network()
    var random = Random(5)
    let x = random.floats(14 * 14 * 32)
    let expected = interpret(graph, batch: 1, [x])[graph.outputs[0]]!.data
    for set in [isa, isa.base ?? isa] {
      for form: UInt8 in [0, 2, 4] {
        let wanted = options {
          $0.isa = isa
          $0.choices = .preferred(StepChoices.choice(form: form, isa: set))
        }
        let plan = try Plan(graph, wanted)
        let hasForm = set != .reference && set != .sse2
        #expect(plan.lowered.map(\.form) == [hasForm ? form : 0, hasForm ? form : 0, 0, 0])
        // float32 is what the bfloat16 set leaves to its base.
        #expect(plan.lowered.prefix(3).allSatisfy { $0.isa == (set == .avx512bf16 ? .avx512vnni : set) })
        let runner = try Runner(graph) {
          $0.isa = isa
          $0.choices = .given(plan.tuning)
        }
        #expect(runner.plan.text == plan.text)
        runner.setInput(0, x)
        #expect(runner.session.run())
        for (actual, expected) in zip(runner.output(0, Float.self), expected) { #expect(abs(Double(actual) - expected) < 1e-4) }
      }
    }
  }

  @Test func partsAreTakenOver() throws {
    let graph = try network()
    let planned = try Plan(graph, options { $0.threads = 3 })
    var tuning = planned.tuning
    for index in 3..<tuning.count { tuning[index] = tuning[index] & ~0xFFFF_0000 | 1 << 16 }
    let alone = try Plan(graph, options { ($0.threads, $0.choices) = (3, .given(tuning)) })
    #expect(alone.steps.allSatisfy { $0.chunks == 1 })
    #expect(planned.steps.contains { $0.chunks > 1 })
    // More parts than units, and none at all.
    for parts in [UInt64(planned.steps[0].units + 1), 0, 0xFFFF] {
      tuning[3] = tuning[3] & ~0xFFFF_0000 | parts << 16
      #expect(status { _ = try Plan(graph, options { ($0.threads, $0.choices) = (3, .given(tuning)) }) } == .tuningMismatch)
    }
  }

  @Test func aTuningOfSomethingElseIsRefused() throws {
    let graph = try network()
    let asked = options { ($0.threads, $0.isa) = (2, .reference) }
    var bytes = asked
    bytes.choices = .given(try Plan(graph, asked).tuning)
    #expect(status { _ = try Plan(graph, bytes) } == nil)
    #expect(status { _ = try Plan(network(channels: 40), bytes) } == .tuningMismatch)
    #expect(status { _ = try Plan(Graph.classifier(), bytes) } == .tuningMismatch)
    for change: (inout SessionOptions) -> Void in [{ $0.batch = 2 }, { $0.threads = 1 }, { $0.isa = .best }] {
      var other = bytes
      change(&other)
      #expect(status { _ = try Plan(graph, other) } == .tuningMismatch)
    }
  }

  /// Whatever the bytes are there is a plan or that error, and a plan only for choices that exist.
  @Test func hostileBytesAreRefused() throws {
    let graph = try network()
    var asked = options { $0.threads = 3 }
    let good = try Plan(graph, asked).tuning.withUnsafeBytes { [UInt8]($0) }
    func seal(_ bytes: [UInt8]) -> [UInt8] {
      var bytes = bytes
      let crc = bytes.withUnsafeBytes { ep_crc32c(0, $0.baseAddress! + 16, $0.count - 16) }
      withUnsafeBytes(of: UInt64(crc)) { for (index, byte) in $0.enumerated() { bytes[8 + index] = byte } }
      return bytes
    }
    func plan(_ bytes: [UInt8]) throws -> Plan {
      asked.choices = try bytes.withUnsafeBytes { (raw) throws(EdgeError) in try StepChoices(tuning: raw) }
      return try Plan(graph, asked)
    }
    #expect(try plan(good).tuning.withUnsafeBytes { [UInt8]($0) } == good)
    for count in 0..<good.count {
      #expect(status { _ = try plan([UInt8](good.prefix(count))) } == .tuningMismatch)
      // A whole header and too few steps, with the right checksum.
      if count >= 24 { #expect(status { _ = try plan(seal([UInt8](good.prefix(count)))) } == .tuningMismatch) }
    }
    #expect(status { _ = try plan(seal(good + [UInt8](repeating: 0, count: 8))) } == .tuningMismatch)
    var random = Random(11)
    for _ in 0..<2000 {
      var bytes = good
      bytes[random.below(bytes.count)] ^= UInt8(1 + random.below(255))
      #expect(status { _ = try plan(bytes) } == .tuningMismatch)
      bytes = seal(bytes)
      let answer = status {
        let plan = try plan(bytes)
        #expect(plan.tuning.withUnsafeBytes { [UInt8]($0) } == bytes)
        for (step, info) in zip(plan.lowered, plan.steps) {
          #expect([0, 2, 4].contains(step.form) && step.isa.isAvailable)
          #expect(info.chunks >= 1 && (info.chunks == 1 || Int64(info.chunks) <= info.units))
        }
      }
      #expect(answer == nil || answer == .tuningMismatch)
    }
  }

  @Test(arguments: [false, true]) func peaksAreMeasured(isInteger: Bool) throws {
    var last = 0.0
    for set in InstructionSet.all where set.isAvailable {
      let peak = try set.peakRate(of: isInteger ? .uint8 : .float32)
      #expect(peak > 0 && peak < 1e6)
      last = max(last, peak)
    }
    // The best set is not slower than scalar code.
    #expect(try last > InstructionSet.reference.peakRate(of: isInteger ? .uint8 : .float32))
  }
}
